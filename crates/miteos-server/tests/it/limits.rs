//! Requests a minute: exact under load, told on every answer, and not forgotten by a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{HandClock, TestServer};
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
