//! The part that all stand-ins share: listening, faults, the record of requests, and the line at which a test may stop
//! the world.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use bytes::Bytes;
use futures::StreamExt as _;
use ring::digest;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fault::{Fault, Faults, What};
use crate::record::Recorded;

/// The biggest request that is taken (bytes).
const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;

/// For tools outside of the process: what was asked since the last time it was read, as JSON.
const RECORD_PATH: &str = "/__recorded";

/// A request as a provider sees it.
pub struct Asked {
    pub method: String,
    pub path: String,
    /// In order, decoded.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whatever the content type says: one of the official tools sends JSON as text.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub fn bearer(&self) -> &str {
        self.header("authorization").strip_prefix("Bearer ").unwrap_or_default()
    }

    /// The path's parts, decoded.
    pub fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect()
    }
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

impl Reply {
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, body }
    }

    pub fn ok(body: Value) -> Self {
        Self::new(200, body)
    }
}

/// One provider's behaviour.
pub trait Provider: Send + 'static {
    fn answer(&mut self, asked: &Asked) -> Reply;
    /// The moment of a fault's own answers, for those that date themselves.
    fn base_path(&self) -> &'static str {
        ""
    }
}

struct Shared<P> {
    provider: Mutex<P>,
    faults: Mutex<Faults>,
    recorded: Mutex<Vec<Recorded>>,
    /// How many requests have been met so far; it goes up before a request is carried out and after, before its answer.
    marks: watch::Sender<u64>,
    stop_at: Mutex<Option<u64>>,
    /// Whether requests wait.
    held: watch::Sender<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running stand-in. It ends when it is dropped.
pub struct Standin<P> {
    /// Where it listens, with the path of the provider's API.
    pub url: String,
    shared: Arc<Shared<P>>,
    task: JoinHandle<()>,
}

impl<P> Drop for Standin<P> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<P: Provider> Standin<P> {
    /// On any free port, or on this one.
    pub(crate) async fn start(provider: P, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
        let url = format!("http://{}{}", listener.local_addr()?, provider.base_path());
        let shared = Arc::new(Shared {
            provider: Mutex::new(provider),
            faults: Mutex::default(),
            recorded: Mutex::default(),
            marks: watch::Sender::new(0),
            stop_at: Mutex::new(None),
            held: watch::Sender::new(false),
        });
        let state = Arc::clone(&shared);
        let router = Router::new().fallback(move |request: Request<Body>| meet(Arc::clone(&state), request));
        let task = tokio::spawn(async move {
            // It ends only when the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, shared, task })
    }

    pub fn fault(&self, fault: Fault) {
        lock(&self.shared.faults).add(fault);
    }

    pub fn no_faults(&self) {
        lock(&self.shared.faults).clear();
    }

    /// What was asked so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        lock(&self.shared.recorded).clone()
    }

    pub fn forget_recorded(&self) {
        lock(&self.shared.recorded).clear();
    }

    /// How often it was asked for something of this method whose path has this part.
    pub fn count(&self, method: &str, path: &str) -> usize {
        lock(&self.shared.recorded)
            .iter()
            .filter(|one| one.method == method && one.path.contains(path))
            .count()
    }

    /// Looks at the provider's state.
    pub fn look<T>(&self, look: impl FnOnce(&mut P) -> T) -> T {
        look(&mut lock(&self.shared.provider))
    }

    /// From now on the request at this mark never gets an answer: an even mark (0, 2, …) stops before a request is
    /// carried out, an odd one after. The future is ready when that happens.
    pub fn stop_at(&self, mark: u64) -> impl Future<Output = ()> + use<P> {
        self.shared.marks.send_replace(0);
        *lock(&self.shared.stop_at) = Some(mark);
        let mut marks = self.shared.marks.subscribe();
        async move {
            // An error means that the stand-in is gone; then there is nothing to wait for.
            let _ = marks.wait_for(|seen| *seen > mark).await;
        }
    }

    /// Ready when the request at this mark, counted from now, is met. It is not stopped.
    pub fn reached(&self, mark: u64) -> impl Future<Output = ()> + use<P> {
        self.shared.marks.send_replace(0);
        let mut marks = self.shared.marks.subscribe();
        async move {
            // As above.
            let _ = marks.wait_for(|seen| *seen > mark).await;
        }
    }

    /// Requests that come from now on wait until they are let go. The future is ready when the first has come.
    pub fn hold(&self) -> impl Future<Output = ()> + use<P> {
        self.shared.marks.send_replace(0);
        self.shared.held.send_replace(true);
        let mut marks = self.shared.marks.subscribe();
        async move {
            // An error means that the stand-in is gone; then there is nothing to wait for.
            let _ = marks.wait_for(|seen| *seen > 0).await;
        }
    }

    pub fn let_go(&self) {
        self.shared.held.send_replace(false);
    }

    pub fn go_on(&self) {
        *lock(&self.shared.stop_at) = None;
    }
}

impl<P> Shared<P> {
    /// Counts a mark; waits for ever if it is the one to stop at.
    async fn mark(&self) {
        let mut here = 0;
        self.marks.send_modify(|seen| {
            here = *seen;
            *seen += 1;
        });
        let stop = *lock(&self.stop_at);
        if stop.is_some_and(|stop| here >= stop) {
            std::future::pending::<()>().await;
        }
    }
}

async fn meet<P: Provider>(shared: Arc<Shared<P>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    if path == RECORD_PATH {
        let list: Vec<Value> =
            std::mem::take(&mut *lock(&shared.recorded)).iter().map(Recorded::json).collect();
        return answer(200, &[], Value::from(list).to_string());
    }
    shared.mark().await;
    // The sender is as old as the stand-in.
    let _ = shared.held.subscribe().wait_for(|held| !held).await;
    let fault = lock(&shared.faults).meet(&method, &path);
    match &fault {
        Some(What::CutUpload) => {
            let mut body = body.into_data_stream();
            // The first piece is taken, and then nothing more.
            let _ = body.next().await;
            record(&shared, Recorded::broken_off(&method, &path));
            return cut();
        }
        Some(What::Slow(pause)) => tokio::time::sleep(*pause).await,
        Some(What::Answer { .. } | What::CutAnswer) | None => {}
    }
    // A body that breaks off is no request: nothing is done with it.
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        record(&shared, Recorded::broken_off(&method, &path));
        return cut();
    };
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked { method, path, query: pairs(query), headers: parts.headers, body };
    if let Some(What::Answer { status, headers, body }) = fault {
        let reply = Reply::new(status, Value::Null);
        record(&shared, Recorded::of(&asked, reply.status));
        return answer(status, &headers, body);
    }
    let reply = lock(&shared.provider).answer(&asked);
    record(&shared, Recorded::of(&asked, reply.status));
    shared.mark().await;
    if matches!(fault, Some(What::CutAnswer)) {
        return cut();
    }
    let body = if reply.body.is_null() { String::new() } else { reply.body.to_string() };
    answer(reply.status, &[], body)
}

fn record<P>(shared: &Shared<P>, one: Recorded) {
    lock(&shared.recorded).push(one);
}

fn answer(status: u16, headers: &[(String, String)], body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// An answer that announces more than it has and then breaks off: the connection is closed.
fn cut() -> Response<Body> {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut off")) });
    let mut response = Response::new(Body::from_stream(broken));
    response.headers_mut().insert("content-length", HeaderValue::from_static("1000"));
    response
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(&key.replace('+', " ")), decoded(&value.replace('+', " ")))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The hash that Netlify and Vercel know a file by.
pub(crate) fn sha1(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes))
}

/// An object with the fields of both; the second's count.
pub(crate) fn merged(mut base: Value, more: Value) -> Value {
    if let (Some(base), Value::Object(more)) = (base.as_object_mut(), more) {
        base.extend(more);
    }
    base
}

/// An error object without content, for what should not happen.
pub(crate) fn not_found(path: &str) -> Reply {
    Reply::new(404, json!({ "code": 404, "message": format!("Not Found: {path}") }))
}
