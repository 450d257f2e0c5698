//! What must go on although somebody went away or something failed in between: callers that hang up, places that get
//! free, storage that takes no writes, calls that end without a word.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use miteos_core::money::Price;
use miteos_server::Config;
use miteos_server::models::{Answer, Delta, ModelError, Override, Provider, Request};
use miteos_store::{Append, Fault, NewRecord, Store, StoreConfig};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, TestServer, wait_until};
use crate::standin::{Reply, Script, StandIn, slow, text};
use crate::tiers::folder_of;

/// Far less than the sweep takes to find what was lost.
const SOON: Duration = Duration::from_secs(12);

fn one(replies: Vec<Reply>) -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

/// Waits until the task is as it should be, and fails before a sweep could have helped.
async fn soon(server: &TestServer, task: &str, good: impl Fn(&Value) -> bool) -> Value {
    let waited = tokio::time::timeout(SOON, server.until(task, good)).await;
    waited.expect("it goes on without the sweep")
}

fn ended(task: &Value) -> bool {
    matches!(task["status"].as_str(), Some("complete" | "failed" | "cancelled"))
}

/// Holds the store after a commit, before anybody is told of it.
#[derive(Default)]
struct Hold {
    armed: AtomicBool,
    held: AtomicBool,
    go: (Mutex<bool>, Condvar),
}

impl Hold {
    fn hook(self: &Arc<Self>) -> miteos_server::CrashHook {
        let hold = Arc::clone(self);
        Arc::new(move |_| {
            if hold.armed.swap(false, Ordering::SeqCst) {
                hold.held.store(true, Ordering::SeqCst);
                let (go, told) = &hold.go;
                drop(told.wait_timeout_while(go.lock().unwrap(), PATIENCE, |go| !*go).unwrap());
            }
        })
    }

    /// Sends a request, and hangs up between its commit and its answer.
    async fn cut_off(&self, server: &TestServer, path: &str, body: &str) {
        self.armed.store(true, Ordering::SeqCst);
        let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
        let (key, length) = (&server.key, body.len());
        let request = format!(
            "POST /v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        wait_until("the commit is held", || self.held.load(Ordering::SeqCst)).await;
        drop(stream);
        // Meanwhile the server notices: it has answered others that came later.
        for _ in 0..20 {
            server.get("/tasks").await;
        }
        *self.go.0.lock().unwrap() = true;
        self.go.1.notify_all();
    }
}

#[tokio::test]
async fn a_task_whose_creator_hangs_up_runs() {
    let temp = tempfile::tempdir().unwrap();
    folder_of(temp.path(), "free", &["tasks.write", "tasks.read"], None).await;
    let standin = StandIn::start(one(vec![text("done")])).await;
    let hold = Arc::new(Hold::default());
    let server = TestServer::over(temp.path(), standin, |config| config.crash = Some(hold.hook())).await;
    hold.cut_off(&server, "/tasks", &json!({"prompt": "and away"}).to_string()).await;
    let listed = server.get("/tasks").await;
    assert_eq!(listed["total"], 1);
    let task = soon(&server, listed["tasks"][0]["id"].as_str().unwrap(), ended).await;
    assert_eq!(task["status"], "complete");
}

#[tokio::test]
async fn a_cancel_whose_caller_hangs_up_takes_hold() {
    let hold = Arc::new(Hold::default());
    let hook = hold.hook();
    let script = one(vec![slow(600_000, text("never"))]);
    let server = TestServer::start_with(script, move |config| config.crash = Some(Arc::clone(&hook))).await;
    let task = server.create("long", json!({})).await;
    wait_until("the agent is asked", || server.standin.requests().len() == 2).await;
    hold.cut_off(&server, &format!("/tasks/{task}/cancel"), "").await;
    assert_eq!(soon(&server, &task, ended).await["status"], "cancelled");
}

#[tokio::test]
async fn a_task_of_a_limited_key_gets_the_place_of_an_unlimited_one() {
    let server = TestServer::start(one(vec![slow(1_000, text("done"))])).await;
    let (free, _) = server.make_key("live", "free", &["tasks.write", "tasks.read"]).await;
    let first = server.create("of the first key", json!({})).await;
    wait_until("it runs", || server.standin.requests().len() == 2).await;
    let (status, second) = server.call_as(&free, "POST", "/tasks", Some(json!({"prompt": "x"}))).await;
    assert_eq!(status, 201);
    let second = second["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/tasks/{second}")).await["status"], "pending");
    assert_eq!(soon(&server, &first, ended).await["status"], "complete");
    assert_eq!(soon(&server, second, ended).await["status"], "complete");
}

/// Appends a record that nobody understands.
async fn damage(folder: &Path, task: &str) {
    let store = Store::open(StoreConfig::in_folder(folder)).await.unwrap();
    let mut row = store.load(task.parse().unwrap()).await.unwrap().unwrap().row;
    row.version += 1;
    let record = NewRecord {
        seq: None,
        kind: "internal.nonsense",
        agent: None,
        at: row.created_at,
        body: "{}".into(),
    };
    store.append(Append::new(row.version - 1, row, vec![record])).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_damaged_task_at_the_head_of_the_queue_holds_up_none_behind_it() {
    let temp = tempfile::tempdir().unwrap();
    folder_of(temp.path(), "free", &["tasks.write", "tasks.read"], None).await;
    let standin = StandIn::start(one(vec![slow(300, text("done"))])).await;
    let mut server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
    let mut tasks = Vec::new();
    for n in 0..3 {
        tasks.push(server.create(&format!("task {n}"), json!({})).await);
    }
    server.stop().await;
    damage(temp.path(), &tasks[1]).await;
    let server = TestServer::over(temp.path(), standin, |_| {}).await;
    assert_eq!(soon(&server, &tasks[0], ended).await["status"], "complete");
    assert_eq!(soon(&server, &tasks[2], ended).await["status"], "complete");
}

/// A store that takes no writes while it is told so; counts what it refused.
#[derive(Default)]
struct Broken {
    now: AtomicBool,
    refused: AtomicUsize,
}

impl Broken {
    fn hook(self: &Arc<Self>) -> miteos_server::FaultHook {
        let broken = Arc::clone(self);
        Arc::new(move |_| {
            let now = broken.now.load(Ordering::SeqCst);
            now.then(|| {
                broken.refused.fetch_add(1, Ordering::SeqCst);
                Fault::Write
            })
        })
    }

    /// A server whose store breaks while its agent's model thinks.
    async fn under_a_call() -> (Arc<Self>, TestServer, String) {
        let broken = Arc::new(Self::default());
        let hook = broken.hook();
        let script = one(vec![slow(400, text("done"))]);
        let server =
            TestServer::start_with(script, move |config| config.fault = Some(Arc::clone(&hook))).await;
        let task = server.create("pay once", json!({})).await;
        wait_until("the agent is asked", || server.standin.requests().len() == 2).await;
        broken.now.store(true, Ordering::SeqCst);
        // The answer itself, and twice a look whether it is better now.
        wait_until("it is tried again", || broken.refused.load(Ordering::SeqCst) >= 3).await;
        (broken, server, task)
    }
}

#[tokio::test]
async fn no_model_is_called_while_its_answer_could_not_be_recorded() {
    let (broken, server, task) = Broken::under_a_call().await;
    assert_eq!(server.standin.requests().len(), 2, "nothing is paid for in vain");
    broken.now.store(false, Ordering::SeqCst);
    assert_eq!(soon(&server, &task, ended).await["status"], "complete");
    assert_eq!(server.standin.requests().len(), 3);
}

#[tokio::test]
async fn a_server_whose_storage_is_broken_stops_in_time() {
    let (_broken, mut server, _) = Broken::under_a_call().await;
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_first_message_that_cannot_be_stored_is_tried_again_with_rests() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(one(vec![text("done")])).await;
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    let server = TestServer::over(temp.path(), standin, |config| {
        let counted = Arc::clone(&counted);
        config.fault = Some(Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            None
        }));
    })
    .await;
    let (blobs, aside) = (temp.path().join("blobs"), temp.path().join("aside"));
    std::fs::rename(&blobs, &aside).unwrap();
    std::fs::write(&blobs, "no folder").unwrap();
    let task = server.create(&"long ".repeat(4_000), json!({})).await;
    server.until(&task, |task| task["status"] == "running").await;
    let before = writes.load(Ordering::SeqCst);
    let begun = Instant::now();
    // Before each attempt it is made sure that storage takes writes.
    wait_until("two more attempts", || writes.load(Ordering::SeqCst) >= before + 2).await;
    assert!(begun.elapsed() < SOON && begun.elapsed() > Duration::from_millis(500), "{:?}", begun.elapsed());
    std::fs::remove_file(&blobs).unwrap();
    std::fs::rename(&aside, &blobs).unwrap();
    assert_eq!(soon(&server, &task, ended).await["status"], "complete");
}

struct Panics;

#[async_trait]
impl Provider for Panics {
    async fn call(&self, _: &Request, _: &mut (dyn FnMut(Delta) + Send)) -> Result<Answer, ModelError> {
        panic!("on purpose, in the middle of a call")
    }
}

#[tokio::test]
async fn a_call_that_ends_without_a_word_gives_its_money_back_or_counts() {
    let model = "panics/one";
    let server = TestServer::start_with(Script::default(), move |config: &mut Config| {
        config.providers.push(("panics".to_owned(), Arc::new(Panics)));
        config.models.default = Some(model.parse().unwrap());
        let price = Price { input: 1_000_000, output: 2_000_000, cache_read: None, cache_write: None };
        let known = Override { price: Some(price), max_output_tokens: Some(6_000), ..Override::default() };
        config.models.overrides.insert(model.parse().unwrap(), known);
    })
    .await;
    // The first call may have cost more than a half of it, so there is no second one.
    let task = server.create("panic", json!({"budget_cents": 2})).await;
    let shown = soon(&server, &task, ended).await;
    assert_eq!((&shown["status"], &shown["error"]), (&json!("failed"), &json!("budget exhausted")));
    let uncertain = shown["uncertain_cost"].as_f64().unwrap();
    assert!((0.012..0.02).contains(&uncertain), "{shown:#}");
}
