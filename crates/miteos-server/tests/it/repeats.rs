//! The same request sent again, on every operation that makes or changes something: the first answer, and nothing done
//! twice.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use miteos_deploy::TargetKind;
use miteos_server::{CrashHook, operations};
use miteos_standins::Standin;
use miteos_standins::netlify::Netlify;
use serde_json::{Value, json};

use crate::harness::{HandClock, TestServer};
use crate::plug::Gate;
use crate::standin::{Script, StandIn, call, slow, text};

const START_MS: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

struct Answer {
    status: u16,
    replayed: bool,
    body: String,
}

async fn post(server: &TestServer, path: &str, name: &str, body: &str) -> Answer {
    let request = server.http.post(format!("{}/v1{path}", server.url)).bearer_auth(&server.key);
    let response = request.header("idempotency-key", name).body(body.to_owned()).send().await.unwrap();
    let replayed = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
    Answer { status: response.status().as_u16(), replayed, body: response.text().await.unwrap() }
}

/// Sends a request twice under one name, and then another body under it.
async fn twice(server: &TestServer, path: &str, name: &str, body: &str) -> Value {
    let first = post(server, path, name, body).await;
    assert!(matches!(first.status, 200 | 201) && !first.replayed, "{path}: {} {}", first.status, first.body);
    let again = post(server, path, name, body).await;
    assert_eq!((again.status, again.replayed), (first.status, true), "{path}: {}", again.body);
    assert_eq!(again.body, first.body, "{path}");
    let other = post(server, path, name, &format!("{body} ")).await;
    assert_eq!((other.status, other.replayed), (409, false), "{path}: {}", other.body);
    serde_json::from_str(&first.body).unwrap()
}

fn script() -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent(
        "alpha",
        vec![
            call("write_file", json!({"path": "a.txt", "content": "a"})),
            call("write_file", json!({"path": "b.txt", "content": "b"})),
            slow(600_000, text("never")),
        ],
    )
}

async fn open_approval(server: &TestServer, task: &str, file: &str) -> (String, String) {
    let waits = |t: &Value| t["approvals"][0]["input"]["path"] == file;
    let shown = server.until(task, waits).await;
    let open = &shown["approvals"][0];
    (open["agent_id"].as_str().unwrap().to_owned(), open["id"].as_str().unwrap().to_owned())
}

/// Every POST, and where it is repeated if not in the test below.
const POSTS: [&str; 24] = [
    "/tasks",
    "/tasks/{id}/cancel",
    "/tasks/{id}/pause",
    "/tasks/{id}/resume",
    "/tasks/{id}/guide",
    "/agents/{id}/pause",
    "/agents/{id}/resume",
    "/agents/{id}/cancel",
    "/agents/{id}/guide",
    "/agents/{id}/approve/{approval}",
    "/workspaces",
    "/api-keys",
    "/webhooks",
    "/webhooks/{id}/test",
    "/webhooks/{id}/deliveries/{delivery}/redeliver",
    "/webhooks/{id}/rotate-secret",
    "/deployments",
    "/deployments/{id}/cancel",
    "/deployments/{id}/rollback",
    "/deploy-configs",
    "/deployments/{id}/preview/links",
    // In shares.rs, with a file to share.
    "/tasks/{id}/deliverables/{file}/share",
    // In staging.rs, with files that are sites.
    "/tasks/{id}/deliverables/{file}/stage",
    // In uploads.rs, with bodies that are read as they come.
    "/workspaces/{id}/files",
];

#[tokio::test]
async fn every_post_gives_its_first_answer_again() {
    let netlify = crate::deployments::netlify().await;
    let here = crate::deployments::to(TargetKind::Netlify, &netlify.url);
    let server = TestServer::start_with(script(), here).await;
    let prompt = "{\"prompt\": \"x\", \"config\": {\"autonomy_level\": 30}}";
    let task = twice(&server, "/tasks", "one", prompt).await["id"].as_str().unwrap().to_owned();
    assert_eq!(server.get("/tasks").await["total"], 1);
    let (agent, approval) = open_approval(&server, &task, "a.txt").await;
    let approve = format!("/agents/{agent}/approve/{approval}");
    // The name may be the same elsewhere: its scope is the path.
    twice(&server, &format!("/tasks/{task}/pause"), "one", "").await;
    // What changes nothing has its answer kept, too.
    twice(&server, &format!("/tasks/{task}/pause"), "two", "{}").await;
    twice(&server, &format!("/tasks/{task}/resume"), "one", "").await;
    twice(&server, &format!("/tasks/{task}/guide"), "one", "{\"message\": \"left\"}").await;
    twice(&server, &format!("/agents/{agent}/pause"), "one", "").await;
    twice(&server, &format!("/agents/{agent}/resume"), "one", "").await;
    twice(&server, &format!("/agents/{agent}/guide"), "one", "{\"message\": \"right\"}").await;
    let guided = server.event_types(&task).await.iter().filter(|kind| *kind == "agent.guided").count();
    assert_eq!(guided, 2, "each once");
    twice(&server, &approve, "one", "{\"approved\": true}").await;
    // A repeat is answered although a new request would be refused by now.
    assert_eq!(post(&server, &approve, "two", "{\"approved\": false}").await.status, 422);
    open_approval(&server, &task, "b.txt").await;
    twice(&server, &format!("/agents/{agent}/cancel"), "one", "").await;
    server.ended(&task).await;
    let second = server.create("y", json!({"autonomy_level": 30})).await;
    twice(&server, &format!("/tasks/{second}/cancel"), "one", "").await;
    twice(&server, "/workspaces", "one", "{\"name\": \"w\"}").await;
    let key = "{\"name\": \"k\", \"environment\": \"live\", \"scopes\": [\"*\"], \"tier\": \"free\"}";
    let made = twice(&server, "/api-keys", "one", key).await;
    assert_eq!(server.call_as(made["key"].as_str().unwrap(), "GET", "/tasks", None).await.0, 200);

    let hook = "{\"url\": \"http://127.0.0.1:1/\", \"events\": [\"task.failed\"]}";
    let made = twice(&server, "/webhooks", "one", hook).await;
    let hook = format!("/webhooks/{}", made["id"].as_str().unwrap());
    let tested = twice(&server, &format!("{hook}/test"), "one", "").await;
    let delivery = format!("{hook}/deliveries/{}", tested["delivery_id"].as_str().unwrap());
    twice(&server, &format!("{delivery}/redeliver"), "one", "").await;
    let rotated = twice(&server, &format!("{hook}/rotate-secret"), "one", "").await;
    assert_ne!(rotated["secret"], made["secret"]);
    assert_eq!(server.get(&format!("{hook}/deliveries")).await["total"], 2, "each once");
    deployments_twice(&server, &netlify).await;

    let all: BTreeSet<&str> = operations().iter().filter(|o| o.method == "POST").map(|o| o.path).collect();
    assert_eq!(all, BTreeSet::from(POSTS), "every POST stands in these tests");
}

async fn deployments_twice(server: &TestServer, netlify: &Standin<Netlify>) {
    let config = format!(
        "{{\"name\": \"c\", \"target\": \"netlify\", \"credentials\": {{\"token\": \"{}\"}}}}",
        miteos_standins::netlify::TOKEN
    );
    twice(server, "/deploy-configs", "one", &config).await;
    assert_eq!(server.get("/deploy-configs").await.as_array().unwrap().len(), 1);
    netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    let workspace = crate::deployments::workspace(server, "a site").await;
    let body = format!("{{\"workspace_id\": \"{workspace}\", \"target\": \"netlify\"}}");
    let made = twice(server, "/deployments", "one", &body).await;
    twice(server, &format!("/deployments/{}/cancel", made["id"].as_str().unwrap()), "one", "").await;
    assert_eq!(server.get("/deployments").await["data"].as_array().unwrap().len(), 1);
    netlify.look(|netlify| netlify.polls_per_state = 1);
    let made = crate::deployments::deploy(server, &workspace).await;
    crate::deployments::ended(server, &made).await;
    twice(server, &format!("/deployments/{made}/rollback"), "one", "").await;
    assert_eq!(netlify.count("POST", "/restore"), 1);
    let body = format!("{{\"workspace_id\": \"{workspace}\", \"target\": \"preview\"}}");
    let made = twice(server, "/deployments", "two", &body).await["id"].as_str().unwrap().to_owned();
    crate::deployments::ended(server, &made).await;
    twice(server, &format!("/deployments/{made}/preview/links"), "one", "{}").await;
}

#[tokio::test]
async fn refusals_are_not_kept_and_twins_are_told() {
    let server = TestServer::start(Script::default()).await;
    assert_eq!(post(&server, "/tasks", "two", "{\"prompt\": \"\"}").await.status, 422);
    assert_eq!(post(&server, "/tasks", "two", "{\"prompt\": \"z\"}").await.status, 201);
    // Twins at the same time: one task, whoever is first; the others get its answer, or are told that it is coming.
    let twins =
        futures::future::join_all((0..10).map(|_| post(&server, "/tasks", "three", "{\"prompt\": \"x\"}")))
            .await;
    let made: Vec<&Answer> = twins.iter().filter(|twin| twin.status == 201).collect();
    assert_eq!(made.iter().filter(|twin| !twin.replayed).count(), 1);
    assert!(made.iter().all(|twin| twin.body == made[0].body));
    assert!(twins.iter().all(|twin| matches!(twin.status, 201 | 409)));
    assert_eq!(server.get("/tasks").await["total"], 2);
    // Another key is another scope.
    let (key, _) = server.make_key("live", "free", &["tasks.write"]).await;
    let request = server.http.post(format!("{}/v1/tasks", server.url)).bearer_auth(key);
    let request = request.header("idempotency-key", "three").json(&json!({"prompt": "x"}));
    assert!(!request.send().await.unwrap().headers().contains_key("idempotency-replayed"));
    assert_eq!(server.get("/tasks").await["total"], 3);
    let request = server.http.post(format!("{}/v1/tasks", server.url)).bearer_auth(&server.key);
    let request = request.header("idempotency-key", "a").header("idempotency-key", "b").body("{}");
    assert_eq!(request.send().await.unwrap().status(), 400, "two names");
}

#[tokio::test]
async fn answers_outlive_a_restart_and_end_after_a_day() {
    let temp = tempfile::tempdir().unwrap();
    let clock = HandClock::at(START_MS);
    let standin = StandIn::start(Script::default()).await;
    let start = || {
        let clock: Arc<HandClock> = clock.clone();
        TestServer::over(temp.path(), standin.clone(), move |config| config.clock = clock.clone())
    };
    let mut server = start().await;
    let key = "{\"name\": \"k\", \"environment\": \"test\", \"scopes\": [\"*\"], \"tier\": \"free\"}";
    let workspace = "{\"name\": \"w\"}";
    let made = twice(&server, "/api-keys", "one", key).await;
    let first = post(&server, "/workspaces", "one", workspace).await;
    server.stop().await;
    let mut server = start().await;
    clock.pass(DAY_MS - 1);
    let again = post(&server, "/api-keys", "one", key).await;
    assert!(again.replayed && serde_json::from_str::<Value>(&again.body).unwrap() == made, "{}", again.body);
    let again = post(&server, "/workspaces", "one", workspace).await;
    assert_eq!((again.replayed, &again.body), (true, &first.body));
    clock.pass(1);
    let late = post(&server, "/workspaces", "one", workspace).await;
    assert_eq!((late.status, late.replayed), (422, false), "a new request: the name is taken");
    let late = post(&server, "/workspaces", "one", "{\"name\": \"v\"}").await;
    assert_eq!((late.status, late.replayed), (201, false));
    // A seed without the master key that it was used with gives no key.
    let again = post(&server, "/api-keys", "two", key).await;
    assert_eq!(again.status, 201);
    server.stop().await;
    std::fs::write(temp.path().join("secret.key"), "another master key, long enough").unwrap();
    let server = start().await;
    let lost = post(&server, "/api-keys", "two", key).await;
    assert_eq!((lost.status, lost.replayed), (409, false), "{}", lost.body);
}

/// Sends a request to a server of its own whose plug is pulled when what the request did is durable and before anybody
/// is told.
async fn cut_off(folder: &Path, standin: &StandIn, path: &str, body: &'static str) {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel::<()>();
    let (gate, armed) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
    let (held, live) = (Arc::clone(&gate), Arc::clone(&armed));
    let hook: CrashHook = Arc::new(move |_| {
        if live.load(Ordering::SeqCst) {
            let _ = told.send(());
            held.wait();
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (folder, standin, path) = (folder.to_owned(), standin.clone(), path.to_owned());
    runtime.spawn(async move {
        let change = |config: &mut miteos_server::Config| config.crash = Some(Arc::clone(&hook));
        let server = TestServer::over(&folder, standin, change).await;
        if let Some(task) = server.get("/tasks").await["tasks"][0]["id"].as_str() {
            open_approval(&server, task, "a.txt").await;
        }
        armed.store(true, Ordering::SeqCst);
        let answer = post(&server, &path, "cut", body).await;
        panic!("it was told: {}", answer.body);
    });
    heard.recv().await.unwrap();
    runtime.shutdown_background();
    gate.open();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_between_effect_and_answer_the_answer_is_there() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(script()).await;
    let prompt = "{\"prompt\": \"x\", \"config\": {\"autonomy_level\": 30}}";
    let (mut task, mut agent) = (String::new(), String::new());
    for round in 0..4 {
        let (path, body) = match round {
            0 => ("/tasks".to_owned(), prompt),
            1 => (format!("/tasks/{task}/guide"), "{\"message\": \"left\"}"),
            2 => (format!("/agents/{agent}/pause"), ""),
            _ => (format!("/agents/{agent}/resume"), ""),
        };
        cut_off(temp.path(), &standin, &path, body).await;
        let mut server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
        let again = post(&server, &path, "cut", body).await;
        assert!(again.replayed && matches!(again.status, 200 | 201), "{path}: {}", again.body);
        let list = server.get("/tasks").await;
        assert_eq!(list["total"], 1);
        task = list["tasks"][0]["id"].as_str().unwrap().to_owned();
        agent = open_approval(&server, &task, "a.txt").await.0;
        server.stop().await;
    }
    let server = TestServer::over(temp.path(), standin, |_| {}).await;
    let types = server.event_types(&task).await;
    for kind in ["task.created", "agent.guided", "agent.paused", "agent.resumed"] {
        assert_eq!(types.iter().filter(|word| *word == kind).count(), 1, "{kind}: {types:?}");
    }
}
