//! Traces arrive at an OTLP collector, under the trace that a record's header names.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use bolus_ops::telemetry::{self, LogFormat, TelemetryConfig};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT_ID: &str = "00f067aa0ba902b7";
const DEADLINE: Duration = Duration::from_secs(20);

/// Starts a collector; gives its base URL and what it receives.
async fn collector() -> (String, mpsc::Receiver<Bytes>) {
    let (sender, receiver) = mpsc::channel(16);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let receive =
        |State(sender): State<mpsc::Sender<Bytes>>, body: Bytes| async move { sender.send(body).await.unwrap() };
    let router = axum::Router::new().route("/v1/traces", post(receive)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, receiver)
}

fn resource(spans: &ResourceSpans) -> HashMap<String, Option<Value>> {
    let attributes = spans.resource.clone().unwrap().attributes;
    attributes.into_iter().map(|pair| (pair.key, pair.value.and_then(|value| value.value))).collect()
}

fn text(text: &str) -> Option<Value> {
    Some(Value::StringValue(text.into()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a service does with one record: a span under the header's trace, another inside, and a record sent on.
fn handle(traceparent: &str) -> Vec<(String, Vec<u8>)> {
    let event = tracing::info_span!(target: "bolus_worker", "event", topic = "bolus.studies");
    telemetry::set_parent(&event, [("content-type", &b"json"[..]), ("traceparent", traceparent.as_bytes())]);
    event.in_scope(|| {
        tracing::info_span!(target: "bolus_worker", "fetch")
            .in_scope(|| tracing::debug_span!(target: "bolus_worker", "detail").in_scope(|| ()))
    });
    telemetry::headers_of(&event)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_join_the_trace_of_the_record() {
    let (url, mut received) = collector().await;
    let config = TelemetryConfig {
        log_level: "error".into(),
        log_format: LogFormat::Json,
        otlp_endpoint: Some(url),
        trace_ratio: 1.0,
    };
    let telemetry = telemetry::start(&config, "worker", "1.2.3").unwrap();

    let unsampled = handle("00-11111111111111111111111111111111-2222222222222222-00");
    assert!(unsampled[0].1.ends_with(b"-00"), "the choice not to keep a trace is passed on");
    let headers: HashMap<String, Vec<u8>> = handle(&format!("00-{TRACE_ID}-{PARENT_ID}-01")).into_iter().collect();
    telemetry.shutdown(DEADLINE).await;

    let body = tokio::time::timeout(DEADLINE, received.recv()).await.unwrap().unwrap();
    let mut request = ExportTraceServiceRequest::decode(body).unwrap();
    assert_eq!(request.resource_spans.len(), 1);
    let spans = request.resource_spans.remove(0);
    let about = resource(&spans);
    assert_eq!((&about["service.name"], &about["service.version"]), (&text("bolus-worker"), &text("1.2.3")));
    let spans: HashMap<String, Span> =
        spans.scope_spans.into_iter().flat_map(|scope| scope.spans).map(|span| (span.name.clone(), span)).collect();
    let mut names: Vec<_> = spans.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["event", "fetch"], "neither the trace that is not kept nor spans below level info");
    let (event, fetch) = (&spans["event"], &spans["fetch"]);
    assert_eq!((hex(&event.trace_id), hex(&event.parent_span_id)), (TRACE_ID.into(), PARENT_ID.into()));
    assert_eq!((&fetch.trace_id, &fetch.parent_span_id), (&event.trace_id, &event.span_id));

    let sent_on = format!("00-{TRACE_ID}-{}-01", hex(&event.span_id));
    assert_eq!(String::from_utf8_lossy(&headers["traceparent"]), sent_on);
    assert!(received.try_recv().is_err(), "one batch");
}
