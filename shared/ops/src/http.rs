//! The small web server of a service: metrics and health.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::connections::{self, Patience};
use crate::health::Health;
use crate::metrics::{CONTENT_TYPE, Metrics};

/// A client that is not done by then, after the token was cancelled, is cut off: it must not hold the process.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The `http` table of a service's configuration. The address is the service's own default.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where `/metrics`, `/healthz` and `/readyz` are served; port 0 lets the system choose.
    pub listen: SocketAddr,
}

/// The reason the server did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: choose another address or end what holds it")]
pub struct ServeError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: std::io::Error,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
    cancel: CancellationToken,
}

impl Server {
    /// The address it listens on; its port is chosen by the system where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the token it was started with is cancelled and answers under way are given, for two seconds at most.
    pub async fn stopped(mut self) {
        self.cancel.cancelled().await;
        match tokio::time::timeout(LAST_ANSWERS, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the metrics server failed"),
            // It owns no data.
            Err(_) => self.task.abort(),
        }
    }
}

/// Serves on `address` until `cancel`:
///
/// - `/metrics`: every metric of `metrics`;
/// - `/healthz`: 200 while every watched loop turns, else 503 and which does not;
/// - `/readyz`: 200 where the process is ready for work, else 503 and what it waits for.
///
/// Connections are bounded in number, time and size, whoever opens them.
///
/// # Errors
/// [`ServeError`] names an address that cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    health: Health,
    cancel: CancellationToken,
) -> Result<Server, ServeError> {
    let listener = TcpListener::bind(address).await.map_err(|source| ServeError { address, source })?;
    let address = listener.local_addr().map_err(|source| ServeError { address, source })?;
    let router = Router::new()
        .route("/metrics", get(show_metrics).with_state(metrics))
        .route("/healthz", get(show_live))
        .route("/readyz", get(show_ready))
        .with_state(health);
    let task = tokio::spawn(connections::serve(listener, router, Patience::STANDARD, cancel.clone()));
    Ok(Server { address, task, cancel })
}

async fn show_metrics(State(metrics): State<Arc<Metrics>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.encode()).into_response()
}

async fn show_live(State(health): State<Health>) -> Response {
    answer("live", &health.stale())
}

async fn show_ready(State(health): State<Health>) -> Response {
    answer("ready", &health.unready())
}

/// `{"ready":true,"reasons":{}}`, or 503 and `{"ready":false,"reasons":{"broker":"no answer"}}`.
fn answer(question: &str, reasons: &BTreeMap<&'static str, String>) -> Response {
    let (good, status) =
        if reasons.is_empty() { (true, StatusCode::OK) } else { (false, StatusCode::SERVICE_UNAVAILABLE) };
    let body = serde_json::json!({ question: good, "reasons": reasons }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: bolus\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn metrics_and_health_are_served_until_the_token_is_cancelled() {
        let (health, cancel) = (Health::new(), CancellationToken::new());
        let metrics = Arc::new(Metrics::new("worker", "1.2.3"));
        let server = serve(LOOPBACK, metrics, health.clone(), cancel.clone()).await.unwrap();
        let address = server.address();

        let answer = fetch(address, "/metrics").await;
        assert!(answer.contains("application/openmetrics-text"), "{answer}");
        assert!(answer.contains("bolus_worker_build_info"), "{answer}");

        health.set_ready("broker", false, "no answer");
        let answer = fetch(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.ends_with(r#"{"ready":false,"reasons":{"broker":"no answer"}}"#), "{answer}");
        health.set_ready("broker", true, "");
        assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 200"));

        assert!(fetch(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let _stopped_loop = health.heartbeat("poll", Duration::ZERO);
        let answer = fetch(address, "/healthz").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("poll"), "{answer}");

        cancel.cancel();
        server.stopped().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_does_not_hold_the_server() {
        let cancel = CancellationToken::new();
        let metrics = Arc::new(Metrics::new("worker", "1.2.3"));
        let server = serve(LOOPBACK, metrics, Health::new(), cancel.clone()).await.unwrap();
        let mut slow = TcpStream::connect(server.address()).await.unwrap();
        slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: bo").await.unwrap();
        // The server has this connection before it is told to stop: it answers a later one.
        assert!(fetch(server.address(), "/healthz").await.starts_with("HTTP/1.1 200"));
        cancel.cancel();
        tokio::time::timeout(3 * LAST_ANSWERS, server.stopped()).await.unwrap();
    }

    #[tokio::test]
    async fn a_taken_address_is_named() {
        let taken = TcpListener::bind(LOOPBACK).await.unwrap();
        let address = taken.local_addr().unwrap();
        let metrics = Arc::new(Metrics::new("worker", "1.2.3"));
        let error = serve(address, metrics, Health::new(), CancellationToken::new()).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
