//! What the first stage does with one record.

use std::sync::Arc;

use bolus_broker::{BrokerError, ErrorKind, Record};
use bolus_events::{
    Event, EventError, ORIGIN_HEADER, ObjectEvent, Parsed, REASON_HEADER, StudyEvent, TRUNCATED_HEADER,
};
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::grouping::Grouping;
use crate::meters::Meters;
use crate::outbox::Outbox;
use crate::settle::Settler;
use crate::wire::{Incoming, Internal};

/// Longer messages are read on a thread of their own, so that they hold nobody up.
const READ_AT_ONCE_BYTES: usize = 64 << 10;
/// What is forwarded of a payload that the study topic does not take whole.
const FORWARDED_BYTES: usize = 64 << 10;
/// Events of one record that are dealt with at the same time.
const EVENTS_AT_ONCE: usize = 64;

/// Turns records of the object topics into records of the internal topic and of the study topic.
#[derive(Debug)]
pub struct Router {
    /// Which study an object belongs to.
    pub grouping: Grouping,
    /// Where to write.
    pub outbox: Outbox,
    /// Who settles keys.
    pub settler: Settler,
    /// The internal topic.
    pub internal: String,
    /// The study topic.
    pub studies: String,
    /// What is counted.
    pub meters: Arc<Meters>,
}

impl Router {
    /// Deals with one record; when it returns, all that the record leads to is acknowledged.
    ///
    /// # Errors
    /// What cannot be written and will not be by trying again: the process has to stop, and the record is read again.
    pub async fn route(&self, record: &Record) -> Result<(), BrokerError> {
        let Some(payload) = &record.payload else {
            self.meters.event("ignored", 1);
            return Ok(());
        };
        let parsed = match read(payload).await {
            Ok(parsed) => parsed,
            Err(error) => return self.forward(record, &format!("{}: {error}", error.code())).await,
        };
        let refused = parsed.refused.first().map(|error| format!("{}: {error}", error.code()));
        let work = stream::iter(parsed.events).map(|event| self.event(record, event)).buffer_unordered(EVENTS_AT_ONCE);
        // One unsettled event is enough to forward the whole message, and once is enough.
        let unsettled = work.try_fold(None, |first, reason| async move { Ok(first.or(reason)) }).await?;
        match refused.or(unsettled) {
            Some(reason) => self.forward(record, &reason).await,
            None => Ok(()),
        }
    }

    /// Deals with one event; a reason where the worker has to write it down as failed.
    async fn event(&self, record: &Record, event: Event) -> Result<Option<String>, BrokerError> {
        match event {
            Event::Object(object) => self.object(record, &object).await,
            Event::Study(study) => self.study(record, &study).await.map(|()| None),
            Event::Ignored(_) => {
                self.meters.event("ignored", 1);
                Ok(None)
            }
        }
    }

    async fn object(&self, record: &Record, event: &ObjectEvent) -> Result<Option<String>, BrokerError> {
        let key = match self.settler.key(event).await {
            Ok(key) => key,
            Err(reason) => return Ok(Some(format!("ambiguous_key: {reason}"))),
        };
        let Some(place) = self.grouping.place(&event.bucket, &key) else {
            self.meters.event("ignored", 1);
            return Ok(None);
        };
        let object = Incoming {
            kind: place.kind,
            bucket: event.bucket.as_str().into(),
            study: place.study.into(),
            key: key.as_str().into(),
            etag: event.etag.as_deref().map(Into::into),
            version: event.version_id.as_deref().map(Into::into),
            size: event.size,
            time: record.timestamp_ms.or(event.time.map(|time| time.timestamp_millis())).unwrap_or_default(),
        };
        let study = format!("{}/{}", event.bucket, place.study);
        self.outbox.write(&self.internal, study.as_bytes(), &Internal::Object(object).to_json(), &[]).await?;
        self.meters.event("object", 1);
        Ok(None)
    }

    async fn study(&self, record: &Record, event: &StudyEvent) -> Result<(), BrokerError> {
        let key = event.partition_key();
        self.outbox.write(&self.studies, key.as_bytes(), &event.to_json(), &record.headers).await?;
        self.meters.event("study", 1);
        Ok(())
    }

    /// Sends a record as it came to the study topic, where the worker makes a failed row of it.
    async fn forward(&self, record: &Record, reason: &str) -> Result<(), BrokerError> {
        let payload = record.payload.as_deref().unwrap_or_default();
        let key = record.key.as_deref().unwrap_or_default();
        let mut headers: Vec<(String, Bytes)> =
            record.headers.iter().filter(|(name, _)| name != ORIGIN_HEADER && name != REASON_HEADER).cloned().collect();
        let origin = format!("{}/{}/{}", record.topic, record.partition, record.offset);
        headers.push((ORIGIN_HEADER.to_owned(), origin.into()));
        headers.push((REASON_HEADER.to_owned(), reason.to_owned().into()));
        let whole = self.outbox.write(&self.studies, key, payload, &headers).await;
        match (whole, payload.get(..FORWARDED_BYTES)) {
            // The study topic may take shorter records than the object topic; the origin says where the whole lies.
            (Err(error), Some(beginning)) if error.kind() == ErrorKind::Reject => {
                headers.push((TRUNCATED_HEADER.to_owned(), payload.len().to_string().into()));
                self.outbox.write(&self.studies, key, beginning, &headers).await?;
            }
            (whole, _) => {
                whole?;
            }
        }
        self.meters.event("unreadable", 1);
        Ok(())
    }
}

async fn read(payload: &Bytes) -> Result<Parsed, EventError> {
    if payload.len() <= READ_AT_ONCE_BYTES {
        return bolus_events::parse(payload);
    }
    let payload = payload.clone();
    let reading = tokio::task::spawn_blocking(move || bolus_events::parse(&payload));
    reading.await.expect("parse does not panic, and the runtime outlives its tasks")
}
