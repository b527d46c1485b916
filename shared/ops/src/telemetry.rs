//! Logs, and traces of an event's way through the services.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Uri;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::runtime::Handle;
use tracing::subscriber::set_global_default;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::Problems;
use crate::cpu::quiet_pool_panics;
use crate::logging::{colours, fields, filter};
use crate::printable::PrintableWriter;

/// What `log_level` may be.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// The `telemetry` table of a service's configuration.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`, for our own crates; `RUST_LOG` wins.
    #[serde(default = "default_level", deserialize_with = "level")]
    pub log_level: String,
    /// How logs are written; they go to standard error.
    #[serde(default = "default_format")]
    pub log_format: LogFormat,
    /// Where traces go: the base URL of an OTLP/HTTP collector, as `http://127.0.0.1:4318`. None, and none in
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, means no traces.
    #[serde(default)]
    pub otlp_endpoint: Option<String>,
    /// Share of traces that begin here and are kept, from 0 to 1; a trace that began elsewhere is kept as its beginner says.
    #[serde(default = "default_ratio", deserialize_with = "ratio")]
    pub trace_ratio: f64,
}

impl Default for TelemetryConfig {
    /// As an absent table: logs for people from level `info`, and no traces.
    fn default() -> Self {
        Self {
            log_level: default_level(),
            log_format: default_format(),
            otlp_endpoint: None,
            trace_ratio: default_ratio(),
        }
    }
}

impl TelemetryConfig {
    /// What of it will not do.
    #[must_use]
    pub fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        let is_url = |endpoint: &String| {
            let url = endpoint.parse::<Uri>().ok();
            url.is_some_and(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some())
        };
        let odd = self.otlp_endpoint.as_ref().filter(|endpoint| !is_url(endpoint));
        let problem = odd.map(|odd| format!("expected a URL such as http://127.0.0.1:4318, found \"{odd}\""));
        problems.add(&["otlp_endpoint"], problem);
        problems
    }
}

fn default_level() -> String {
    "info".into()
}

fn default_format() -> LogFormat {
    LogFormat::Human
}

fn default_ratio() -> f64 {
    1.0
}

/// A typing error would otherwise silence the log.
fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let level = String::deserialize(deserializer)?;
    if LEVELS.contains(&level.as_str()) {
        return Ok(level);
    }
    Err(D::Error::custom(format!("expected one of {}, found \"{level}\"", LEVELS.join(", "))))
}

fn ratio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let ratio = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&ratio) {
        return Ok(ratio);
    }
    Err(D::Error::custom(format!("expected a share from 0 to 1, found {ratio}")))
}

/// The reason telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The trace exporter cannot be made.
    #[error("traces cannot be sent to {endpoint}: {reason}")]
    Exporter {
        /// The collector.
        endpoint: String,
        /// Why.
        reason: String,
    },
}

/// Spans that wait to be sent; beyond that they are dropped, never waited for.
const QUEUED_SPANS: usize = 8_192;
/// How long spans wait for company.
const SEND_EVERY: Duration = Duration::from_secs(2);
/// How long the collector may take for one batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A failing collector is told at most this often.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Running telemetry; keep it until the end of the process.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Starts logs, and traces where an endpoint is given, for the service `bolus-<service>`.
///
/// Traces hold the spans of our own crates from level `info` up, whatever the logs show. Needs a tokio runtime.
///
/// # Errors
/// [`TelemetryError`] where the endpoint is no URL. A collector that does not answer is no error: it costs its traces.
pub fn start(config: &TelemetryConfig, service: &str, version: &str) -> Result<Telemetry, TelemetryError> {
    quiet_pool_panics();
    let traces = tracer_provider(config, service, version)?;
    let trace_layer = traces.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("bolus"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| {
                metadata.target().starts_with("bolus") && *metadata.level() <= tracing::Level::INFO
            }))
    });
    let registry = tracing_subscriber::registry().with(trace_layer);
    let lines = tracing_subscriber::fmt::layer();
    // A second call (in tests) leaves the first logger in place. Records of the crate `log` are not taken in: one that a
    // layer's own filter turns away takes the next event of its thread with it.
    let _ = match config.log_format {
        LogFormat::Human => {
            let lines = lines.fmt_fields(fields()).with_writer(std::io::stderr).with_ansi(colours()).with_target(false);
            set_global_default(registry.with(lines.with_filter(filter(&config.log_level))))
        }
        LogFormat::Json => {
            let lines = lines.json().with_writer(|| PrintableWriter::json(std::io::stderr()));
            set_global_default(registry.with(lines.with_filter(filter(&config.log_level))))
        }
    };
    Ok(Telemetry { traces })
}

impl Telemetry {
    /// Sends what is left, for at most `deadline`.
    pub async fn shutdown(self, deadline: Duration) {
        let Some(traces) = self.traces else { return };
        let flush = tokio::task::spawn_blocking(move || traces.shutdown_with_timeout(deadline));
        match tokio::time::timeout(deadline, flush).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last traces were not sent"),
            Ok(Err(error)) => tracing::warn!(%error, "the last traces were not sent"),
            Err(_) => tracing::warn!("the last traces were not sent in time"),
        }
    }
}

/// Makes `span` a child of the trace that the W3C `traceparent` header names; without a valid one `span` stays a root.
///
/// To be called before the span is entered.
pub fn set_parent<'a>(span: &tracing::Span, headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
    let carrier: HashMap<String, String> = headers
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), std::str::from_utf8(value).ok()?.to_owned())))
        .collect();
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    if parent.span().span_context().is_valid() {
        // Refused only where the span is disabled or traces are off.
        let _ = span.set_parent(parent);
    }
}

/// The headers (`traceparent`, `tracestate`) that carry the trace of `span` on; none where traces are off.
#[must_use]
pub fn headers_of(span: &tracing::Span) -> Vec<(String, Vec<u8>)> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.into_bytes())).collect()
}

/// None where no endpoint is given.
fn tracer_provider(
    config: &TelemetryConfig,
    service: &str,
    version: &str,
) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    let from_environment = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let builder = opentelemetry_otlp::SpanExporter::builder().with_http().with_timeout(SEND_TIMEOUT);
    // The exporter reads the environment itself, headers included.
    let (endpoint, builder) = match (&config.otlp_endpoint, from_environment) {
        (Some(endpoint), _) => (endpoint.clone(), builder.with_endpoint(traces_url(endpoint))),
        (None, Some(endpoint)) => (endpoint, builder),
        (None, None) => return Ok(None),
    };
    let exporter = builder.build().map_err(|error| TelemetryError::Exporter { endpoint, reason: error.to_string() })?;
    let batches =
        BatchConfigBuilder::default().with_max_queue_size(QUEUED_SPANS).with_scheduled_delay(SEND_EVERY).build();
    let exporter =
        RuntimeExporter { exporter: Arc::new(exporter), runtime: Handle::current(), warned: Mutex::default() };
    let resource = Resource::builder()
        .with_service_name(format!("bolus-{service}"))
        .with_attribute(KeyValue::new("service.version", version.to_owned()))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.trace_ratio))))
        .with_resource(resource)
        .build();
    Ok(Some(provider))
}

/// The collector's base URL with OTLP's path for traces.
fn traces_url(endpoint: &str) -> String {
    const PATH: &str = "/v1/traces";
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
}

/// Runs an exporter that needs tokio for the batch thread, which has none, and tells failures without flooding the log.
#[derive(Debug)]
struct RuntimeExporter<E> {
    exporter: Arc<E>,
    runtime: Handle,
    warned: Mutex<Option<Instant>>,
}

impl<E: SpanExporter + 'static> SpanExporter for RuntimeExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (spans, exporter) = (batch.len(), Arc::clone(&self.exporter));
        let sent = self.runtime.spawn(async move { exporter.export(batch).await }).await;
        let result = sent.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        if let Err(error) = &result
            && self.may_warn()
        {
            tracing::warn!(%error, spans, "traces were not sent and are lost");
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(exporter) = Arc::get_mut(&mut self.exporter) {
            exporter.set_resource(resource);
        }
    }
}

impl<E> RuntimeExporter<E> {
    fn may_warn(&self) -> bool {
        let (now, mut warned) = (Instant::now(), self.warned.lock().unwrap_or_else(PoisonError::into_inner));
        let due = warned.is_none_or(|last| now.duration_since(last) >= WARN_EVERY);
        if due {
            *warned = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Tracer;

    use super::*;
    use crate::config::Loader;

    /// An address that nobody listens on: bound, never accepting.
    fn silent_collector() -> (std::net::TcpListener, TelemetryConfig) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        (listener, TelemetryConfig { otlp_endpoint: Some(endpoint), ..TelemetryConfig::default() })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_that_does_not_answer_delays_nobody() {
        let (_listener, config) = silent_collector();
        let traces = tracer_provider(&config, "worker", "1.2.3").unwrap();
        let started = Instant::now();
        for _ in 0..3 * QUEUED_SPANS {
            drop(traces.as_ref().unwrap().tracer("bolus").start("event"));
        }
        assert!(started.elapsed() < SEND_TIMEOUT / 2, "spans waited: {:?}", started.elapsed());
        let stopping = Instant::now();
        Telemetry { traces }.shutdown(Duration::from_millis(300)).await;
        assert!(stopping.elapsed() < SEND_TIMEOUT / 2, "shutdown waited: {:?}", stopping.elapsed());
    }

    #[tokio::test]
    async fn a_failing_collector_is_told_once_a_minute() {
        let exporter = RuntimeExporter { exporter: Arc::new(()), runtime: Handle::current(), warned: Mutex::default() };
        assert!(exporter.may_warn());
        assert!(!exporter.may_warn());
        *exporter.warned.lock().unwrap() = Instant::now().checked_sub(WARN_EVERY);
        assert!(exporter.may_warn());
    }

    #[tokio::test]
    async fn an_endpoint_that_is_no_url_is_named() {
        let config = TelemetryConfig { otlp_endpoint: Some("not a url".into()), ..TelemetryConfig::default() };
        let error = tracer_provider(&config, "worker", "1.2.3").unwrap_err().to_string();
        assert!(error.starts_with("traces cannot be sent to not a url: "), "{error}");
        for (endpoint, is_fine) in [("not a url", false), ("otel:4318", false), ("http://otel:4318", true)] {
            let config = TelemetryConfig { otlp_endpoint: Some(endpoint.into()), ..TelemetryConfig::default() };
            assert_eq!(config.problems().first().is_none(), is_fine, "{endpoint}");
        }
    }

    #[test]
    fn base_urls_get_the_path_for_traces() {
        for endpoint in ["http://otel:4318", "http://otel:4318/", "http://otel:4318/v1/traces"] {
            assert_eq!(traces_url(endpoint), "http://otel:4318/v1/traces");
        }
    }

    #[test]
    fn odd_levels_and_shares_are_refused() {
        let load = |toml: &str| Loader::new("X").text("x.toml", toml).load::<TelemetryConfig>();
        assert_eq!(load("log_format = 'json'\ntrace_ratio = 1").unwrap().log_format, LogFormat::Json);
        let error = load("log_level = 'loud'").unwrap_err().to_string();
        assert_eq!(error, "`log_level` (x.toml:1): expected one of error, warn, info, debug, trace, found \"loud\"");
        let error = load("trace_ratio = 2.0").unwrap_err().to_string();
        assert_eq!(error, "`trace_ratio` (x.toml:1): expected a share from 0 to 1, found 2");
    }

    #[test]
    fn a_span_without_traces_carries_no_headers() {
        assert_eq!(headers_of(&tracing::info_span!("event")), Vec::new());
    }
}
