//! Receivers of webhooks on loopback whose answers are scripted, and a clock that stands still until it is told to move.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use miteos_core::time::Timestamp;
use miteos_server::Clock;
use serde_json::Value;
use tokio::sync::watch;

use crate::harness::{PATIENCE, wait_until};

/// A clock that moves when the test says so.
pub struct TestClock(watch::Sender<u64>);

impl TestClock {
    #[expect(clippy::disallowed_methods, reason = "the test's clock begins with the present")]
    pub fn new() -> Arc<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Arc::new(Self(watch::Sender::new(u64::try_from(now).unwrap())))
    }

    pub fn advance(&self, ms: u64) {
        self.0.send_modify(|now| *now += ms);
    }

    /// Goes to this time, unless it is over already.
    pub fn go_to(&self, at: u64) {
        self.0.send_modify(|now| *now = at.max(*now));
    }

    pub fn millis(&self) -> u64 {
        *self.0.borrow()
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis())
    }

    async fn sleep_until(&self, at: Timestamp) {
        let _ = self.0.subscribe().wait_for(|now| *now >= at.millis()).await;
    }
}

/// One message as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// Milliseconds on the server's clock.
    pub at: u64,
}

impl Seen {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// The time that it was signed with.
    pub fn seconds(&self) -> u64 {
        self.headers["webhook-timestamp"].parse().unwrap()
    }

    /// Checks form, time and signature: one for each secret, in this order, and no other.
    pub fn check(&self, secrets: &[&str]) {
        let seconds = self.seconds();
        // On the machine's clock the way from there to here takes a moment.
        assert!((0..=PATIENCE.as_secs()).contains(&(self.at / 1_000 - seconds)), "signed at the attempt");
        assert_eq!(self.headers["content-type"], "application/json");
        assert!(self.headers["user-agent"].starts_with("miteos/"));
        let message = self.json();
        assert_eq!(message["id"], *self.headers["webhook-id"]);
        assert!(message["timestamp"].as_str().unwrap().ends_with('Z'));
        let signed = format!("{}.{seconds}.{}", self.id(), self.body);
        let expected: Vec<String> = secrets.iter().map(|secret| sign(secret, &signed)).collect();
        assert_eq!(self.headers["webhook-signature"], expected.join(" "));
    }
}

fn sign(secret: &str, text: &str) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(text.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// What a receiver does with a message.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16),
    /// With one more header.
    With(u16, &'static str, String),
    /// With a body of this many bytes.
    Big(u16, usize),
    /// Never answers.
    Hang,
}

type Script = Box<dyn Fn(&Seen, usize) -> Answer + Send + Sync>;

struct Inner {
    clock: Arc<dyn Clock>,
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
}

#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

impl Receiver {
    /// `script` is told the message and how often its id has come to that path before.
    pub async fn start(
        clock: Arc<dyn Clock>,
        script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner { clock, script: Mutex::new(Box::new(script)), seen: Mutex::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&inner);
        let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            take(Arc::clone(&shared), uri, headers, body)
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inner }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Another script from now on.
    pub fn now(&self, script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) {
        *self.inner.script.lock().unwrap() = Box::new(script);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    pub fn at(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path == path).collect()
    }

    pub fn ids(&self) -> BTreeSet<String> {
        self.seen().iter().map(|seen| seen.id().to_owned()).collect()
    }

    pub async fn wait_for(&self, count: usize) -> Vec<Seen> {
        wait_until(&format!("{count} messages"), || self.seen().len() >= count).await;
        self.seen()
    }
}

async fn take(inner: Arc<Inner>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let headers =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let at = inner.clock.now().millis();
    let seen =
        Seen { path: uri.path().to_owned(), headers, body: String::from_utf8(body.to_vec()).unwrap(), at };
    let answer = {
        let mut all = inner.seen.lock().unwrap();
        let before = all.iter().filter(|one| one.path == seen.path && one.id() == seen.id()).count();
        let answer = (inner.script.lock().unwrap())(&seen, before);
        all.push(seen);
        answer
    };
    let status = |code: u16| StatusCode::from_u16(code).unwrap();
    match answer {
        Answer::Status(code) => status(code).into_response(),
        Answer::With(code, name, value) => (status(code), [(name, value)], "moved").into_response(),
        Answer::Big(code, bytes) => (status(code), vec![b'x'; bytes]).into_response(),
        Answer::Hang => std::future::pending().await,
    }
}
