//! The way of one event, as a trace.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use bolus_events::StudyEvent;

use crate::world::World;

/// The bodies that a collector was sent.
type Received = Arc<Mutex<Vec<u8>>>;

/// Listens as an OTLP/HTTP collector does, and keeps what comes.
async fn collector() -> (String, Received) {
    async fn keep(State(received): State<Received>, body: Bytes) {
        received.lock().unwrap().extend_from_slice(&body);
    }
    let received = Received::default();
    let router = Router::new().fallback(keep).with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, received)
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle).count()
}

#[tokio::test]
async fn an_event_is_one_trace_from_its_sender_to_its_commit() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let Some(world) = World::new("trace", 1).await else { return };
    let (endpoint, received) = collector().await;
    let event = StudyEvent::prefix(world.bucket(), world.upload(1).await);
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let header = ("traceparent".to_owned(), parent.into_bytes().into());
    world.publish_with(&world.live, b"k", &event.to_json(), &[header]).await;
    let mut worker = world.worker(&[("BOLUS_WORKER__TELEMETRY__OTLP_ENDPOINT", endpoint)]);
    world.wait_for_progress(&world.live, 1, 1, &mut worker).await;
    worker.terminate();
    assert!(worker.ended().await.success(), "{}", worker.log());
    let spans = received.lock().unwrap().clone();
    let trace: Vec<u8> = (0..16).map(|byte| u8::from_str_radix(&TRACE[2 * byte..2 * byte + 2], 16).unwrap()).collect();
    // Names are length-prefixed in the protocol's encoding.
    for name in ["event", "list", "headers", "label", "fetch", "decode", "infer", "commit"] {
        let mut encoded = vec![u8::try_from(name.len()).unwrap()];
        encoded.extend_from_slice(name.as_bytes());
        assert!(count(&spans, &encoded) > 0, "no span {name}");
    }
    assert!(count(&spans, &trace) >= 8, "the spans are of {} places in the sender's trace", count(&spans, &trace));
    let key = world.prefix("study-1");
    assert_eq!(count(&spans, key.as_bytes()), 0, "names of objects stay out of traces");
}
