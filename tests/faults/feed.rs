//! Sends the messages at their times.

use std::time::Instant;

use anyhow::Result;
use bolus_broker::{ErrorKind, Producer};
use chrono::{SecondsFormat, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use crate::studies::{Message, NOW};

/// Messages that wait for their acknowledgement at a time.
const IN_FLIGHT: usize = 256;

/// Sends every message, as late as it says, until the broker has taken it.
pub async fn feed(producer: &Producer, mut messages: Vec<Message>) -> Result<()> {
    messages.sort_by_key(|message| message.at);
    let start = Instant::now();
    stream::iter(messages)
        .then(|message| async move {
            tokio::time::sleep_until((start + message.at).into()).await;
            message
        })
        .map(|message| send(producer, message))
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

async fn send(producer: &Producer, message: Message) -> Result<()> {
    let payload = match String::from_utf8(message.payload) {
        Ok(text) => text.replace(NOW, &Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)).into_bytes(),
        Err(bytes) => bytes.into_bytes(),
    };
    loop {
        match producer.send(message.topic, &message.key, &payload, &[]).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Retry => eprintln!("faults: sent again: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
}
