//! A server of its own for each test: its own data folder, its own scripted model, and a client.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use miteos_core::time::Timestamp;
use miteos_server::models::{Endpoint, ModelsConfig, Override, Secret};
use miteos_server::{Clock, Config, Server, StartError, SystemClock};
use miteos_store::StoreError;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::standin::{Script, StandIn};

/// The model of the stand-in, by the name that tasks use.
pub const MODEL: &str = "openai/scripted-1";

/// The machine's clock, set forward.
pub struct Later(pub Duration);

#[async_trait::async_trait]
impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(u64::try_from(self.0.as_millis()).unwrap())
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(Duration::from_millis(at.since(self.now()))).await;
    }
}

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct TestServer {
    pub url: String,
    pub key: String,
    pub test_key: String,
    pub folder: PathBuf,
    pub standin: StandIn,
    pub http: reqwest::Client,
    /// Where the figures are read, if they have an address of their own.
    pub metrics: Option<std::net::SocketAddr>,
    /// Where previews are.
    pub preview: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
    _temp: Option<tempfile::TempDir>,
}

/// A clock that stands still until it is told.
pub struct HandClock(AtomicU64);

impl HandClock {
    pub fn at(ms: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(ms)))
    }

    pub fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, _: Timestamp) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The configuration that a test server runs with.
pub fn config(folder: &Path, standin: &StandIn) -> Config {
    let mut config =
        Config::new(folder.to_owned(), "127.0.0.1:0".parse().unwrap(), PathBuf::from("/nonexistent"));
    let base_url = format!("http://{}/v1/", standin.address);
    let endpoint = Endpoint { base_url: Some(base_url), key: Some(Secret::new("sk-test")) };
    config.models = ModelsConfig {
        default: Some(MODEL.parse().unwrap()),
        endpoints: BTreeMap::from([("openai".to_owned(), endpoint)]),
        overrides: BTreeMap::from([(
            MODEL.parse().unwrap(),
            Override {
                price: Some(miteos_core::money::Price {
                    input: 1_000_000,
                    output: 2_000_000,
                    cache_read: None,
                    cache_write: None,
                }),
                ..Override::default()
            },
        )]),
        ..ModelsConfig::default()
    };
    config
}

impl TestServer {
    pub async fn start(script: Script) -> Self {
        Self::start_with(script, |_| {}).await
    }

    pub async fn start_with(script: Script, change: impl Fn(&mut Config)) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let standin = StandIn::start(script).await;
        let mut server = Self::over(temp.path(), standin, change).await;
        server._temp = Some(temp);
        server
    }

    /// A server on a folder that may hold another's data.
    pub async fn over(folder: &Path, standin: StandIn, change: impl Fn(&mut Config)) -> Self {
        let begun = Instant::now();
        let server = loop {
            let mut config = config(folder, &standin);
            change(&mut config);
            match Server::start(config).await {
                Ok(server) => break server,
                // The one before is still letting go of the folder: its last tasks are being dropped.
                Err(StartError::Store(StoreError::InUse { .. })) if begun.elapsed() < PATIENCE => {}
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let (url, metrics, preview) = (server.url(), server.metrics_address(), server.preview_address());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            server.run_until(shutdown).await.unwrap();
        });
        let keys: Value = serde_json::from_slice(&std::fs::read(folder.join("keys.json")).unwrap()).unwrap();
        Self {
            url,
            key: keys["live"].as_str().unwrap().to_owned(),
            test_key: keys["test"].as_str().unwrap().to_owned(),
            folder: folder.to_owned(),
            standin,
            http: client(),
            metrics,
            preview,
            stop: Some(stop),
            running: Some(running),
            _temp: None,
        }
    }

    /// Stops the server gracefully and waits for its end.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(running) = self.running.take() {
            running.await.unwrap();
        }
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.call_as(&self.key, method, path, body).await
    }

    pub async fn call_as(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method: reqwest::Method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}/v1{path}", self.url)).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        assert!(response.headers().contains_key("request-id"));
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Makes a key with these scopes, and gives it and its id.
    pub async fn make_key(&self, environment: &str, tier: &str, scopes: &[&str]) -> (String, String) {
        let asked = json!({"name": "made", "environment": environment, "scopes": scopes, "tier": tier});
        let (status, body) = self.call("POST", "/api-keys", Some(asked)).await;
        assert_eq!(status, 201, "{body}");
        (body["key"].as_str().unwrap().to_owned(), body["id"].as_str().unwrap().to_owned())
    }

    pub async fn create(&self, prompt: &str, config: Value) -> String {
        let (status, body) =
            self.call("POST", "/tasks", Some(json!({"prompt": prompt, "config": config}))).await;
        assert_eq!(status, 201, "{body}");
        assert_eq!(body["status"], "pending");
        body["id"].as_str().unwrap().to_owned()
    }

    /// A call that must be answered with this status.
    pub async fn expect(&self, status: u16, method: &str, path: &str, body: Option<Value>) -> Value {
        let (got, answer) = self.call(method, path, body).await;
        assert_eq!(got, status, "{method} {path}: {answer}");
        answer
    }

    /// Waits until an approval is open, and gives it.
    pub async fn asked(&self, task: &str) -> Value {
        let open = |task: &Value| task["approvals"].as_array().is_some_and(|open| !open.is_empty());
        self.until(task, open).await["approvals"][0].clone()
    }

    /// Waits until the task has ended, and gives it.
    pub async fn ended(&self, task: &str) -> Value {
        self.until(task, |task| matches!(task["status"].as_str(), Some("complete" | "failed" | "cancelled")))
            .await
    }

    pub async fn until(&self, task: &str, good: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let shown = self.get(&format!("/tasks/{task}")).await;
            if good(&shown) {
                return shown;
            }
            assert!(begun.elapsed() < PATIENCE, "not in time: {shown:#}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn run(&self, prompt: &str, config: Value) -> Value {
        let task = self.create(prompt, config).await;
        self.ended(&task).await
    }

    pub async fn events(&self, task: &str) -> Vec<Value> {
        let page = self.get(&format!("/tasks/{task}/events?limit=1000")).await;
        assert_eq!(page["has_more"], false);
        let events = page["events"].as_array().unwrap().clone();
        for (n, event) in events.iter().enumerate() {
            assert_eq!(event["seq"], n as u64 + 1, "the log has no gap");
        }
        events
    }

    pub async fn event_types(&self, task: &str) -> Vec<String> {
        self.events(task).await.iter().map(|e| e["type"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn bytes(&self, path: &str) -> Vec<u8> {
        let response =
            self.http.get(format!("{}/v1{path}", self.url)).bearer_auth(&self.key).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.bytes().await.unwrap().to_vec()
    }

    /// The stand-in saw nothing wrong.
    pub fn check_conversations(&self) {
        assert_eq!(self.standin.problems(), Vec::<String>::new());
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's own client, to the test's own server")]
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Waits for a condition of the test's own.
pub async fn wait_until(what: &str, good: impl Fn() -> bool) {
    let begun = Instant::now();
    while !good() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
