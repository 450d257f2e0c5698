//! Webhooks: what a receiver gets, and what it takes to lose an event.

mod attacks;
mod contract;
mod crash;
mod lives;
mod retries;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use miteos_core::time::Timestamp;
use miteos_server::{Clock, Config, EgressPolicy, SystemClock};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer};
use crate::receiver::{Answer, Receiver, Seen, TestClock};
use crate::standin::{Script, text};

/// A secret that a client chose.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A task with one agent that answers at once.
fn short() -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", vec![text("done")])
}

/// A server whose receivers may be on loopback.
fn open(config: &mut Config) {
    config.egress = EgressPolicy::parse("127.0.0.1/32").unwrap();
}

/// A server on the test's clock, and a receiver beside it.
struct Scene {
    server: TestServer,
    clock: Arc<TestClock>,
    receiver: Receiver,
}

impl Scene {
    async fn new(answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_timeout(Duration::from_secs(20), answer).await
    }

    async fn with_timeout(
        timeout: Duration,
        answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let clock = TestClock::new();
        let receiver = Receiver::start(clock.clone(), answer).await;
        let for_server = clock.clone();
        let server = TestServer::start_with(short(), move |config| {
            open(config);
            config.clock = for_server.clone();
            config.webhook_timeout = timeout;
        })
        .await;
        Self { server, clock, receiver }
    }

    /// Makes a webhook; gives its id and secret.
    async fn hook(&self, path: &str, events: &[&str]) -> (String, String) {
        make(&self.server, &self.receiver.url(path), events).await
    }

    async fn delivery(&self, hook: &str) -> Value {
        let list = self.server.get(&format!("/webhooks/{hook}/deliveries")).await;
        list["deliveries"][0].clone()
    }

    /// Waits until the newest delivery is as it should be.
    async fn until(&self, hook: &str, good: impl Fn(&Value) -> bool) -> Value {
        until(&self.server, &format!("/webhooks/{hook}/deliveries?limit=100"), |list| {
            good(&list["deliveries"][0])
        })
        .await["deliveries"][0]
            .clone()
    }

    async fn webhook_until(&self, hook: &str, good: impl Fn(&Value) -> bool) -> Value {
        until(&self.server, &format!("/webhooks/{hook}"), good).await
    }
}

async fn until(server: &TestServer, path: &str, good: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let shown = server.get(path).await;
        if good(&shown) {
            return shown;
        }
        assert!(begun.elapsed() < PATIENCE, "not in time: {shown:#}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn make(server: &TestServer, url: &str, events: &[&str]) -> (String, String) {
    let (status, made) = server.call("POST", "/webhooks", Some(json!({"url": url, "events": events}))).await;
    assert_eq!(status, 201, "{made}");
    (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

/// Milliseconds since 1970 of an RFC 3339 text.
fn millis(time: &Value) -> u64 {
    let at: Timestamp = serde_json::from_value(time.clone()).unwrap();
    at.millis()
}

/// Lets the official libraries verify messages, each with all these secrets.
async fn officially_verified(messages: &[(Seen, Vec<String>)]) {
    let list: Vec<Value> = messages
        .iter()
        .map(|(seen, secrets)| json!({"headers": seen.headers, "body": seen.body, "at": seen.at / 1_000, "secrets": secrets}))
        .collect();
    let expected: usize = messages.iter().map(|(_, secrets)| secrets.len()).sum();
    assert!(expected > 0);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!(list).to_string()).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
    let libraries = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../clients");
    let (python, node) = (libraries.join("python/bin/python"), libraries.join("node"));
    for needed in [&python, &node.join("node_modules/standardwebhooks")] {
        let mend = "run ./scripts/test-clients.sh, which installs what these tests need";
        assert!(needed.exists(), "{} is missing: {mend}", needed.display());
    }
    let by_python = [scripts.join("verify_webhooks.py"), file.path().to_owned()];
    let by_node = [scripts.join("verify_webhooks.mjs"), file.path().to_owned(), node];
    assert_eq!(count(&python, &by_python).await, expected, "by Python");
    assert_eq!(count(Path::new("node"), &by_node).await, expected, "by JavaScript");
}

#[expect(clippy::disallowed_methods, reason = "the official libraries run in programs of their own")]
async fn count(program: &Path, arguments: &[PathBuf]) -> usize {
    let mut command = tokio::process::Command::new(program);
    let run = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {out}{err}", program.display());
    out.trim().parse().unwrap_or_else(|_| panic!("{}: {out}{err}", program.display()))
}

#[tokio::test]
async fn every_event_arrives_signed_and_as_it_stands_in_the_log() {
    let scene = Scene::new(|_, _| Answer::Big(200, 1 << 20)).await;
    let body = json!({"url": scene.receiver.url("/all?x=1"), "events": ["*"], "secret": SECRET});
    let (status, made) = scene.server.call("POST", "/webhooks", Some(body)).await;
    assert_eq!((status, made["secret"].as_str().unwrap()), (201, SECRET));
    let (few, other_secret) = scene.hook("/few", &["task.complete", "task.created"]).await;
    let task = scene.server.run("send all", json!({})).await;
    let events = scene.server.events(task["id"].as_str().unwrap()).await;
    scene.receiver.wait_for(events.len() + 2).await;
    for event in &events {
        let id = event["id"].as_str().unwrap();
        let seen: Vec<_> = scene.receiver.at("/all").into_iter().filter(|seen| seen.id() == id).collect();
        assert_eq!(seen.len(), 1, "{event}");
        seen[0].check(&[SECRET]);
        let expected =
            json!({"id": id, "type": event["type"], "timestamp": event["created_at"], "data": event});
        assert_eq!(seen[0].json(), expected);
    }
    let kinds: Vec<_> = scene.receiver.at("/few").iter().map(Seen::kind).collect();
    assert_eq!(kinds.len(), 2);
    for seen in scene.receiver.at("/few") {
        seen.check(&[&other_secret]);
    }
    let all = made["id"].as_str().unwrap();
    let path = format!("/webhooks/{all}/deliveries?limit=100");
    let list = until(&scene.server, &path, |list| {
        list["deliveries"].as_array().unwrap().iter().all(|one| one["status"] == "delivered")
    })
    .await;
    let rows = list["deliveries"].as_array().unwrap();
    assert_eq!((rows.len(), list["total"].as_u64().unwrap()), (events.len(), events.len() as u64));
    for (row, event) in rows.iter().rev().zip(&events) {
        assert_eq!((&row["event_id"], &row["type"]), (&event["id"], &event["type"]));
        assert_eq!((&row["task_id"], &row["seq"]), (&task["id"], &event["seq"]));
        assert_eq!((&row["attempts"], &row["response_status"]), (&json!(1), &json!(200)));
        assert!(row["error"].is_null() && row["next_attempt_at"].is_null() && row["duration_ms"].is_u64());
    }
    let last = scene.until(&few, |row| row["status"] == "delivered").await;
    assert_eq!(last["type"], "task.complete");
    let messages: Vec<_> =
        scene.receiver.at("/all").into_iter().map(|seen| (seen, vec![SECRET.to_owned()])).collect();
    officially_verified(&messages).await;
}

/// The clock of the machine, for receivers of servers that run on it.
fn real() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
