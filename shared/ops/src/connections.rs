//! Connections of the small web server: few, short and small, so that nobody who opens them takes descriptors or memory from the work.
//!
//! A client is answered once and let go. One that says nothing, or says it a byte at a time, or does not take its answer, is cut off
//! by the clock; beyond the most connections at a time the oldest goes, so that many such clients keep no other one out.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Connections at a time: each is a descriptor, and a task of some kilobytes.
const MOST_CONNECTIONS: usize = 64;
/// Bytes of a request that are read; more are answered with 431.
const REQUEST_BYTES: usize = 16 << 10;
/// Header fields of a request.
const REQUEST_FIELDS: usize = 64;
/// Pause after the system has given no connection, as where descriptors have run out.
const PAUSE: Duration = Duration::from_millis(200);

/// How long clients are waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a request.
    pub request: Duration,
    /// For all of a connection, its answer included.
    pub whole: Duration,
}

impl Patience {
    /// Metrics are some hundred kilobytes, which the slowest network takes in this time.
    pub const STANDARD: Self = Self { request: Duration::from_secs(5), whole: Duration::from_secs(20) };
}

/// Answers who connects to `listener` by `router`, until `cancel`; then the answers under way are given.
pub(crate) async fn serve(listener: TcpListener, router: Router, patience: Patience, cancel: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                failing = false;
                oldest_first.retain(|connection| !connection.is_finished());
                if oldest_first.len() >= MOST_CONNECTIONS
                    && let Some(oldest) = oldest_first.pop_front()
                {
                    oldest.abort();
                }
                oldest_first.push_back(connections.spawn(answer(stream, router.clone(), patience)));
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "the metrics server cannot take a connection, and tries again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn answer(stream: TcpStream, router: Router, patience: Patience) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.request)
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES)
        .max_headers(REQUEST_FIELDS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // How a client ends is its own affair.
    let _ = tokio::time::timeout(patience.whole, connection).await;
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn started(patience: Patience) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let router = Router::new().route("/healthz", get(|| async { "well" }));
        tokio::spawn(serve(listener, router, patience, cancel.clone()));
        (address, cancel)
    }

    async fn fetch(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server that closes with something unread resets the connection.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: bolus\r\n\r\n";

    fn open_descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[tokio::test]
    async fn half_open_connections_keep_nobody_out_and_take_few_descriptors() {
        crate::raise_open_files();
        let (address, cancel) = started(Patience::STANDARD).await;
        let before = open_descriptors();
        let mut clients = Vec::new();
        for number in 0..6 * MOST_CONNECTIONS {
            let mut client = TcpStream::connect(address).await.unwrap();
            if number % 2 == 0 {
                client.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").await.unwrap();
            }
            clients.push(client);
            if number % 16 == 0 {
                assert!(fetch(address, HEALTH).await.ends_with("well"), "after {number} half-open connections");
            }
        }
        assert!(fetch(address, HEALTH).await.ends_with("well"));
        // Other tests of this process open some as well.
        let taken = open_descriptors() - before - clients.len();
        assert!(taken <= MOST_CONNECTIONS + 40, "{taken} descriptors beside the clients' own");
        cancel.cancel();
    }

    #[tokio::test]
    async fn who_says_nothing_or_does_not_listen_is_cut_off_by_the_clock() {
        let short = Duration::from_millis(200);
        let long = Duration::from_secs(3_600);
        for (patience, beginning) in [
            (Patience { request: short, whole: long }, ""),
            (Patience { request: short, whole: long }, "GET /healthz HTTP/1.1\r\nX-Slow: "),
            (Patience { request: long, whole: short }, "GET /healthz HTTP/1.1\r\nX-Slow: "),
        ] {
            let (address, _cancel) = started(patience).await;
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(beginning.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(60), client.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "{patience:?} {beginning:?}: waited for for ever");
        }
    }

    #[tokio::test]
    async fn requests_are_small() {
        let (address, _cancel) = started(Patience::STANDARD).await;
        let long = format!("GET /healthz HTTP/1.1\r\nX-Long: {}\r\n\r\n", "x".repeat(4 * REQUEST_BYTES));
        assert!(!fetch(address, &long).await.contains("well"));
        let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "X-Many: x\r\n".repeat(2 * REQUEST_FIELDS));
        assert!(!fetch(address, &many).await.contains("well"));
        assert!(fetch(address, HEALTH).await.ends_with("well"));
    }
}
