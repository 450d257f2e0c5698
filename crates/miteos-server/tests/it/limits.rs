//! Requests a minute: exact under load, told on every answer, and not forgotten by a restart.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{HandClock, TestServer, wait_until};
use crate::standin::{Script, StandIn};

/// A time that is no whole second.
const START_MS: u64 = 1_800_000_000_400;

async fn server(clock: &Arc<HandClock>) -> TestServer {
    TestServer::start_with(Script::default(), |config| config.clock = clock.clone()).await
}

async fn get(server: &TestServer, key: &str, path: &str) -> reqwest::Response {
    server.http.get(format!("{}/v1{path}", server.url)).bearer_auth(key).send().await.unwrap()
}

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_times_the_limit_from_fifty_connections_exactly_the_limit_is_answered() {
    let clock = HandClock::at(START_MS);
    let server = server(&clock).await;
    for (tier, limit) in [("free", 60), ("pro", 300)] {
        let (key, _) = server.make_key("live", tier, &["tasks.read"]).await;
        let (answered, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let one = |_| async {
            let client = crate::harness::client();
            for _ in 0..limit * 10 / 50 {
                let url = format!("{}/v1/tasks", server.url);
                let response = client.get(url).bearer_auth(&key).send().await.unwrap();
                assert_eq!(header(&response, "x-ratelimit-limit"), limit.to_string());
                match response.status().as_u16() {
                    200 => answered.fetch_add(1, Ordering::SeqCst),
                    429 => refused.fetch_add(1, Ordering::SeqCst),
                    status => panic!("{status}"),
                };
            }
        };
        futures::future::join_all((0..50).map(one)).await;
        assert_eq!(answered.load(Ordering::SeqCst), limit, "{tier}");
        assert_eq!(refused.load(Ordering::SeqCst), limit * 9, "{tier}");
    }
}

#[tokio::test]
async fn every_answer_tells_the_limit_and_429_when_to_come_back() {
    let clock = HandClock::at(START_MS);
    let server = server(&clock).await;
    let (key, _) = server.make_key("live", "free", &["tasks.read"]).await;
    let second = START_MS / 1000;
    let paths = ["/tasks", "/workspaces", "/nothing", "/tasks/task_x", "/healthz"];
    for (n, (path, status)) in paths.into_iter().zip([200, 403, 404, 404, 200]).enumerate() {
        let response = get(&server, &key, path).await;
        assert_eq!(response.status(), status, "{path}");
        let left = 59 - n;
        assert_eq!(header(&response, "x-ratelimit-limit"), "60");
        assert_eq!(header(&response, "x-ratelimit-remaining"), left.to_string());
        assert_eq!(header(&response, "x-ratelimit-reset"), (second + 60).to_string());
        assert_eq!(header(&response, "ratelimit"), format!("\"minute\";r={left};t=60"));
        assert_eq!(header(&response, "ratelimit-policy"), "\"minute\";q=60;w=60");
        assert!(!response.headers().contains_key("retry-after"));
    }
    let wrong =
        server.http.delete(format!("{}/v1/tasks", server.url)).bearer_auth(&key).send().await.unwrap();
    assert_eq!((wrong.status().as_u16(), header(&wrong, "x-ratelimit-remaining")), (405, "54"));
    clock.pass(10_000);
    for _ in 0..54 {
        assert_eq!(get(&server, &key, "/tasks").await.status(), 200);
    }
    let refused = get(&server, &key, "/tasks").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), "50");
    assert_eq!(header(&refused, "ratelimit"), "\"minute\";r=0;t=50");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(
        body,
        json!({"detail": "this key may make 60 requests a minute and has made them; try again in 50 s"})
    );
    let other = get(&server, &server.key, "/tasks").await;
    assert_eq!((other.status().as_u16(), header(&other, "x-ratelimit-limit")), (200, "1000000000"));
    clock.pass(49_000);
    assert_eq!(get(&server, &key, "/tasks").await.status(), 429);
    clock.pass(1_000);
    let open = get(&server, &key, "/tasks").await;
    assert_eq!((open.status().as_u16(), header(&open, "x-ratelimit-remaining")), (200, "5"));
    // Who is nobody is told nothing.
    let nobody = get(&server, "mt_live_nobody", "/tasks").await;
    assert_eq!((nobody.status().as_u16(), header(&nobody, "x-ratelimit-limit")), (401, ""));
}

#[tokio::test]
async fn an_enterprise_key_has_its_own_number() {
    let clock = HandClock::at(START_MS);
    let server = server(&clock).await;
    let asked = json!({"name": "own", "environment": "live", "scopes": ["*"], "tier": "enterprise", "requests_per_minute": 3});
    let (status, made) = server.call("POST", "/api-keys", Some(asked.clone())).await;
    assert_eq!((status, &made["requests_per_minute"]), (201, &json!(3)));
    let key = made["key"].as_str().unwrap();
    let more = json!({"name": "more", "environment": "live", "scopes": ["*"], "tier": "enterprise"});
    let (status, body) = server.call_as(key, "POST", "/api-keys", Some(more)).await;
    assert_eq!(status, 403, "{body}");
    assert_eq!(server.call_as(key, "POST", "/api-keys", Some(asked)).await.0, 201);
    assert_eq!(server.call_as(key, "GET", "/tasks", None).await.0, 200);
    assert_eq!(server.call_as(key, "GET", "/tasks", None).await.0, 429);
}

#[tokio::test]
async fn a_restart_is_no_way_around_the_limit() {
    let temp = tempfile::tempdir().unwrap();
    let clock = HandClock::at(START_MS);
    let standin = StandIn::start(Script::default()).await;
    let start = || TestServer::over(temp.path(), standin.clone(), |config| config.clock = clock.clone());
    let mut server = start().await;
    let (key, _) = server.make_key("live", "free", &["tasks.read"]).await;
    for _ in 0..40 {
        assert_eq!(get(&server, &key, "/tasks").await.status(), 200);
    }
    server.stop().await;
    clock.pass(3_000);
    let mut server = start().await;
    for _ in 0..20 {
        assert_eq!(get(&server, &key, "/tasks").await.status(), 200);
    }
    assert_eq!(get(&server, &key, "/tasks").await.status(), 429);
    server.stop().await;
    let mut server = start().await;
    assert_eq!(get(&server, &key, "/tasks").await.status(), 429);
    server.stop().await;
    clock.pass(60_000);
    let server = start().await;
    assert_eq!(get(&server, &key, "/tasks").await.status(), 200);
}

/// Where the parent tells the child what to do.
const CHILD: &str = "MITEOS_TEST_LIMITS_CHILD";
/// Requests of the child before it dies.
const BEFORE_THE_END: usize = 40;

/// Not a test by itself: the server that `kill_9_is_no_way_around_the_limit` sees die.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the parent's instructions come by the environment")]
async fn the_limited_server_that_is_killed() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let folder = std::path::PathBuf::from(folder);
    let writes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&writes);
    let standin = StandIn::start(Script::default()).await;
    let server = TestServer::over(&folder, standin, |config| {
        config.clock = HandClock::at(START_MS);
        let counted = Arc::clone(&counted);
        config.fault = Some(Arc::new(move |nth| {
            counted.store(nth, Ordering::SeqCst);
            None
        }));
    })
    .await;
    let (key, _) = server.make_key("live", "free", &["tasks.read"]).await;
    std::fs::write(folder.join("free.key"), &key).unwrap();
    for _ in 1..BEFORE_THE_END {
        assert_eq!(get(&server, &key, "/tasks").await.status(), 200);
    }
    // The next writing-down knows of all of them; a write behind it is durable when it is.
    let before = writes.load(Ordering::SeqCst);
    assert_eq!(get(&server, &key, "/tasks").await.status(), 200);
    wait_until("the use of the key is written down", || writes.load(Ordering::SeqCst) > before).await;
    assert_eq!(get(&server, "nobody", "/readyz").await.status(), 200);
    let pid = std::process::id().to_string();
    let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
    std::thread::sleep(crate::harness::PATIENCE);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "this test is about a real process that dies")]
async fn kill_9_is_no_way_around_the_limit() {
    let temp = tempfile::tempdir().unwrap();
    let status = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "limits::the_limited_server_that_is_killed", "--nocapture"])
        .env(CHILD, temp.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
    let key = std::fs::read_to_string(temp.path().join("free.key")).unwrap();
    let clock = HandClock::at(START_MS);
    let standin = StandIn::start(Script::default()).await;
    let server = TestServer::over(temp.path(), standin, |config| config.clock = clock.clone()).await;
    let mut allowed = 0;
    while get(&server, &key, "/tasks").await.status() == 200 {
        allowed += 1;
    }
    assert!(allowed <= 60 - BEFORE_THE_END, "{allowed} more were answered in the same minute");
    clock.pass(60_000);
    assert_eq!(get(&server, &key, "/tasks").await.status(), 200, "and no longer than the minute");
}
