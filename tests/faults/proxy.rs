//! An HTTP reverse proxy that does to a store's answers what networks and stores do to them at their worst.
//!
//! The Host header goes through untouched, so that signatures (SigV4) hold. Bodies are buffered: those of these tests are small.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use crate::rng::Rng;

/// What a rule does to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Forwards it late.
    Delay(Duration),
    /// Closes the connection instead of forwarding.
    Cut,
    /// Forwards it and closes the connection in the middle of the answer's body.
    CutBody,
    /// Answers with this status instead of forwarding.
    Answer(u16),
    /// Says nothing for so long, then closes the connection.
    Hang(Duration),
    /// Forwards it, lets it take effect, and closes the connection instead of answering.
    LoseAnswer,
    /// Forwards it, lets it take effect, and answers with this status.
    AnswerAfter(u16),
    /// Forwards it twice, as a middlebox that retries, and gives the second answer.
    Twice,
}

/// The requests that a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The creation of a version of the lake's log: the commit itself.
    Commit,
    /// Every other request below a `_delta_log`.
    Log,
    /// The writing of a Parquet file.
    Parquet,
    /// Reads of objects and listings outside the lake.
    Studies,
    /// Everything.
    Any,
}

impl Target {
    fn covers(self, method: &Method, uri: &Uri) -> bool {
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let in_log = path.contains("_delta_log") || query.contains("_delta_log");
        let commit = *method == Method::PUT && path.contains("/_delta_log/") && path.ends_with(".json");
        match self {
            Self::Commit => commit,
            Self::Log => in_log && !commit,
            Self::Parquet => *method == Method::PUT && path.ends_with(".parquet"),
            Self::Studies => *method != Method::PUT && !in_log && !path.ends_with(".parquet"),
            Self::Any => true,
        }
    }
}

/// A fault for some requests, for some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub target: Target,
    pub fault: Fault,
    /// The share of the covered requests that it befalls.
    pub share: f64,
    /// How many it befalls at most.
    pub times: u32,
}

type Body = BoxBody<Bytes, io::Error>;

/// Why a connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the fault proxy closes this connection")]
struct Closed;

struct State {
    upstream: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    rules: Mutex<Vec<(Rule, Instant)>>,
    rng: Mutex<Rng>,
    struck: Mutex<BTreeMap<String, u64>>,
}

/// A proxy that runs until it is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

impl FaultProxy {
    /// Starts one on a free port of the loopback interface, in front of `upstream`.
    pub async fn start(upstream: SocketAddr, rng: Rng) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            upstream,
            client: Client::builder(TokioExecutor::new()).build_http(),
            rules: Mutex::default(),
            rng: Mutex::new(rng),
            struck: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, task })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets `rule` work for `duration` from now, beside those that work already; the newest that covers a request wins.
    pub fn strike(&self, rule: Rule, duration: Duration) {
        let mut rules = lock(&self.state.rules);
        rules.retain(|(_, until)| *until > Instant::now());
        rules.push((rule, Instant::now() + duration));
    }

    /// Ends every rule.
    pub fn calm(&self) {
        lock(&self.state.rules).clear();
    }

    /// How often each fault struck so far.
    pub fn struck(&self) -> BTreeMap<String, u64> {
        lock(&self.state.struck).clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve(stream, Arc::clone(&state)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    // An error here is either a fault that was asked for or a client that is gone.
    let _closed = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, Closed> {
    let (parts, body) = request.into_parts();
    // A client that was killed in the middle of a write.
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let Some(fault) = state.fault_for(&parts) else { return state.forward(&parts, body).await };
    match fault {
        Fault::Delay(time) => {
            tokio::time::sleep(time).await;
            state.forward(&parts, body).await
        }
        Fault::Cut => Err(Closed),
        Fault::CutBody => cut_in_half(state.forward(&parts, body).await?).await,
        Fault::Answer(status) => Ok(refusal(status)),
        Fault::Hang(time) => {
            tokio::time::sleep(time).await;
            Err(Closed)
        }
        Fault::LoseAnswer => state.forward(&parts, body).await.and(Err(Closed)),
        Fault::AnswerAfter(status) => state.forward(&parts, body).await.and(Ok(refusal(status))),
        Fault::Twice => {
            state.forward(&parts, body.clone()).await?;
            state.forward(&parts, body).await
        }
    }
}

impl State {
    fn fault_for(&self, parts: &Parts) -> Option<Fault> {
        let now = Instant::now();
        let mut rules = lock(&self.rules);
        let (rule, _) = rules
            .iter_mut()
            .rev()
            .find(|(rule, until)| *until > now && rule.times > 0 && rule.target.covers(&parts.method, &parts.uri))?;
        if !lock(&self.rng).chance(rule.share) {
            return None;
        }
        rule.times -= 1;
        *lock(&self.struck).entry(format!("{:?} {:?}", rule.target, rule.fault)).or_default() += 1;
        Some(rule.fault)
    }

    /// Passes a request on and gives the store's answer; a store that does not answer closes the connection.
    async fn forward(&self, parts: &Parts, body: Bytes) -> Result<Response<Body>, Closed> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = format!("http://{}{path}", self.upstream).parse().map_err(|_| Closed)?;
        *request.headers_mut() = parts.headers.clone();
        request.headers_mut().remove(TRANSFER_ENCODING);
        let answer = self.client.request(request).await.map_err(|_| Closed)?;
        let (mut parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
        parts.headers.remove(TRANSFER_ENCODING);
        Ok(Response::from_parts(parts, Full::new(body).map_err(never).boxed()))
    }
}

fn never(error: Infallible) -> io::Error {
    match error {}
}

/// The first half of an answer, under the length of the whole.
async fn cut_in_half(answer: Response<Body>) -> Result<Response<Body>, Closed> {
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    if body.is_empty() {
        return Err(Closed);
    }
    parts.headers.insert(CONTENT_LENGTH, body.len().into());
    let half = body.slice(..body.len() / 2);
    let pieces = [Ok(Frame::data(half)), Err(io::Error::other("cut"))];
    Ok(Response::from_parts(parts, BodyExt::boxed(StreamBody::new(stream::iter(pieces)))))
}

/// An error as S3 words it.
fn refusal(status: u16) -> Response<Body> {
    let code = match status {
        409 => "ConditionalRequestConflict",
        429 | 503 => "SlowDown",
        _ => "InternalError",
    };
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>fault proxy</Message></Error>");
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(never).boxed());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}
