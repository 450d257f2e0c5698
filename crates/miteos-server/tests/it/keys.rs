//! API keys through HTTP: made, shown once, never stronger than their maker, and gone at once when they are revoked.

use futures::StreamExt;
use miteos_server::config::Secret;
use serde_json::{Value, json};

use crate::harness::{HandClock, PATIENCE, TestServer};
use crate::standin::{Script, StandIn};

const START_MS: u64 = 1_800_000_000_000;
const LEAKED: &str = "mt_live_leaked_leaked_leaked";

fn asked(changes: Value) -> Value {
    let mut body = json!({"name": "n", "environment": "live", "scopes": ["tasks.read"], "tier": "pro"});
    for (field, value) in changes.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

async fn make(server: &TestServer, key: &str, changes: Value) -> (u16, Value) {
    server.call_as(key, "POST", "/api-keys", Some(asked(changes))).await
}

#[tokio::test]
async fn a_key_is_shown_once_works_and_is_revoked_at_once() {
    let server = TestServer::start(Script::default()).await;
    let (status, made) = make(&server, &server.key, json!({"name": "  ci ü "})).await;
    assert_eq!(status, 201, "{made}");
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert!(key.starts_with("mt_live_") && key.len() == 48 && id.starts_with("key_"));
    assert_eq!((&made["name"], &made["prefix"]), (&json!("ci ü"), &json!(key[..14])));
    assert_eq!(made["expires_at"], Value::Null);
    assert_eq!(server.call_as(key, "GET", "/tasks", None).await.0, 200);

    let listed = server.get("/api-keys").await;
    assert!(!listed.to_string().contains(key) && !listed.to_string().contains("\"key\""), "{listed}");
    let shown = &listed[0];
    assert_eq!(shown["id"], id, "newest first: {listed}");
    assert!(shown["last_used_at"].is_string(), "{shown}");
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let database = std::fs::read(server.folder.join("miteos.db")).unwrap();
    let log = std::fs::read(server.folder.join("miteos.db-wal")).unwrap_or_default();
    for bytes in [database, log] {
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "only its hash is stored");
    }

    let revoked = server.call("DELETE", &format!("/api-keys/{id}"), None).await;
    assert_eq!(revoked, (200, json!({"success": true})));
    assert_eq!(server.call_as(key, "GET", "/tasks", None).await.0, 401);
    assert_eq!(server.call("DELETE", &format!("/api-keys/{id}"), None).await.0, 404);
    assert_eq!(server.get("/api-keys").await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_with_what_could() {
    let server = TestServer::start(Script::default()).await;
    for (changes, status, word) in [
        (json!({"name": ""}), 422, "1 to 100"),
        (json!({"name": "x".repeat(101)}), 422, "1 to 100"),
        (json!({"name": "a\nb"}), 422, "control"),
        (json!({"name": 5}), 400, "string"),
        (json!({"environment": "prod"}), 422, "live, test"),
        (json!({"scopes": []}), 422, "at least one"),
        (json!({"scopes": ["tasks.read", "tasks.delete"]}), 422, "usage.read"),
        (json!({"scopes": "tasks.read"}), 400, "sequence"),
        (json!({"tier": "gold"}), 422, "enterprise"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), 422, "past"),
        (json!({"expires_at": "soon"}), 400, "2026-11-22T10:00:00Z"),
        (json!({"requests_per_minute": 5}), 422, "enterprise"),
        (json!({"tier": "enterprise", "requests_per_minute": 0}), 422, "1 to 1000000"),
    ] {
        let (got, body) = make(&server, &server.key, changes.clone()).await;
        assert_eq!(got, status, "{changes}: {body}");
        assert!(body["detail"].as_str().unwrap().contains(word), "{changes}: {body}");
    }
    for field in ["name", "environment", "scopes", "tier"] {
        let mut body = asked(json!({}));
        body.as_object_mut().unwrap().remove(field);
        let (status, answer) = server.call("POST", "/api-keys", Some(body)).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(field), "{answer}");
    }
    assert_eq!(server.get("/api-keys").await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn nobody_makes_a_key_that_can_do_more_than_their_own() {
    let server = TestServer::start(Script::default()).await;
    let (_, made) =
        make(&server, &server.key, json!({"scopes": ["keys.write", "keys.read", "tasks.read"]})).await;
    let key = made["key"].as_str().unwrap();
    for (changes, status, word) in [
        (json!({}), 201, ""),
        (json!({"environment": "test", "tier": "free"}), 201, ""),
        (json!({"scopes": ["tasks.write"]}), 403, "lacks the scope tasks.write"),
        (json!({"scopes": ["*"]}), 403, "lacks the scope *"),
        (json!({"tier": "power"}), 403, "of the tier pro"),
    ] {
        let (got, body) = make(&server, key, changes.clone()).await;
        assert_eq!(got, status, "{changes}: {body}");
        assert!(body.to_string().contains(word), "{changes}: {body}");
    }
    // The worlds: a live key knows both, a test key its own.
    let (status, body) = make(&server, &server.test_key, json!({})).await;
    assert_eq!(status, 403, "{body}");
    let (status, body) = make(&server, &server.test_key, json!({"environment": "test"})).await;
    assert_eq!(status, 201, "{body}");
    let seen = server.call_as(&server.test_key, "GET", "/api-keys", None).await.1;
    assert_eq!(seen.as_array().unwrap().len(), 3, "{seen}");
    assert!(seen.as_array().unwrap().iter().all(|key| key["environment"] == "test"));
    assert_eq!(server.get("/api-keys").await.as_array().unwrap().len(), 6);
    let live = made["id"].as_str().unwrap();
    let foreign = server.call_as(&server.test_key, "DELETE", &format!("/api-keys/{live}"), None).await;
    assert_eq!(foreign.0, 404);
}

#[tokio::test]
async fn the_last_key_that_makes_keys_stays() {
    let server = TestServer::start(Script::default()).await;
    let all = server.get("/api-keys").await;
    let own = all.as_array().unwrap().iter().find(|key| key["environment"] == "live").unwrap()["id"].clone();
    let path = format!("/api-keys/{}", own.as_str().unwrap());
    let (status, body) = server.call("DELETE", &path, None).await;
    assert_eq!(status, 422, "{body}");
    // One that can make less, or not for as long, does not stand in for it, and cannot take it away.
    let (weak, _) = server.make_key("live", "free", &["keys.write"]).await;
    let (status, body) = server.call_as(&weak, "DELETE", &path, None).await;
    assert_eq!(status, 403, "{body}");
    assert!(body["detail"].as_str().unwrap().contains("lacks the scope *"), "{body}");
    let short = json!({"scopes": ["*"], "tier": "enterprise", "expires_at": "2099-01-01T00:00:00Z"});
    let (status, short) = make(&server, &server.key, short).await;
    assert_eq!(status, 201, "{short}");
    assert_eq!(server.call("DELETE", &path, None).await.0, 422);
    let (next, _) = server.make_key("live", "free", &["*"]).await;
    assert_eq!(server.call_as(&next, "DELETE", &path, None).await.0, 200);
    assert_eq!(server.call("GET", "/tasks", None).await.0, 401);
    let short = format!("/api-keys/{}", short["id"].as_str().unwrap());
    assert_eq!(server.call_as(&next, "DELETE", &short, None).await.0, 200);
}

#[tokio::test]
async fn a_key_makes_none_that_outlives_it_or_asks_more() {
    let server = TestServer::start(Script::default()).await;
    let scopes = json!(["keys.write", "tasks.read"]);
    let end = "2099-01-01T00:00:00Z";
    let (_, made) = make(&server, &server.key, json!({"scopes": scopes, "expires_at": end})).await;
    let key = made["key"].as_str().unwrap();
    for (expires_at, status) in [
        (json!(null), 403),
        (json!("2099-01-01T00:00:01Z"), 403),
        (json!(end), 201),
        (json!("2098-01-01T00:00:00Z"), 201),
    ] {
        let (got, body) = make(&server, key, json!({"expires_at": expires_at})).await;
        assert_eq!(got, status, "{expires_at}: {body}");
    }
    let few = json!({"scopes": scopes, "tier": "enterprise", "requests_per_minute": 100});
    let (_, made) = make(&server, &server.key, few).await;
    let key = made["key"].as_str().unwrap();
    for (changes, status) in [
        (json!({"tier": "business"}), 403),
        (json!({"tier": "enterprise"}), 403),
        (json!({"tier": "enterprise", "requests_per_minute": 101}), 403),
        (json!({"tier": "enterprise", "requests_per_minute": 100}), 201),
        (json!({"tier": "free"}), 201),
    ] {
        let (got, body) = make(&server, key, changes.clone()).await;
        assert_eq!(got, status, "{changes}: {body}");
    }
}

#[tokio::test]
async fn no_start_brings_back_keys_of_an_account_that_is_there() {
    let clock = HandClock::at(START_MS);
    let folder = tempfile::tempdir().unwrap();
    let start = async |standin| {
        let change = |config: &mut miteos_server::Config| {
            config.clock = clock.clone();
            config.bootstrap_key = Some(Secret::new(LEAKED.to_owned()));
        };
        TestServer::over(folder.path(), standin, change).await
    };
    let mut server = start(StandIn::start(Script::default()).await).await;
    let all = server.get("/api-keys").await;
    let (next, _) = server.make_key("live", "enterprise", &["*"]).await;
    for key in all.as_array().unwrap() {
        let path = format!("/api-keys/{}", key["id"].as_str().unwrap());
        assert_eq!(server.call_as(&next, "DELETE", &path, None).await.0, 200);
    }
    server.stop().await;
    // Long enough for both rows to be forgotten.
    clock.pass(40 * 24 * 3600 * 1000);
    for _ in 0..2 {
        server = start(server.standin.clone()).await;
        assert_eq!(server.call_as(LEAKED, "GET", "/tasks", None).await.0, 401);
        assert_eq!(server.call_as(&next, "GET", "/tasks", None).await.0, 200);
        server.stop().await;
    }
}

#[tokio::test]
async fn an_account_has_a_number_of_keys() {
    let server = TestServer::start(Script::default()).await;
    for n in 0..99 {
        let (status, body) =
            make(&server, &server.key, json!({"environment": "test", "name": format!("{n}")})).await;
        assert_eq!(status, 201, "{n}: {body}");
    }
    let (status, body) = make(&server, &server.key, json!({"environment": "test"})).await;
    assert_eq!(status, 422);
    assert!(body["detail"].as_str().unwrap().contains("allowed are 100"), "{body}");
    assert_eq!(make(&server, &server.key, json!({})).await.0, 201, "the other world has its own number");
}

#[tokio::test]
async fn keys_expire_and_open_streams_end_with_their_key() {
    let clock = HandClock::at(START_MS);
    let server = TestServer::start_with(Script::default(), |config| config.clock = clock.clone()).await;
    let scopes = json!(["agents.read", "tasks.read"]);
    let (_, made) =
        make(&server, &server.key, json!({"scopes": scopes, "expires_at": "2027-01-15T09:00:00+00:30"}))
            .await;
    assert_eq!(made["expires_at"], "2027-01-15T08:30:00.000Z");
    let expiring = made["key"].as_str().unwrap().to_owned();
    let (_, made) = make(&server, &server.key, json!({"scopes": scopes})).await;
    let (revoked, id) = (made["key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap());
    let mut streams = Vec::new();
    for key in [&expiring, &revoked, &server.key] {
        let request = server.http.get(format!("{}/v1/events", server.url)).bearer_auth(key);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut stream = response.bytes_stream();
        assert!(stream.next().await.unwrap().is_ok(), "it is open");
        streams.push(stream);
    }
    assert_eq!(server.call("DELETE", &format!("/api-keys/{id}"), None).await.0, 200);
    let ended = tokio::time::timeout(PATIENCE, streams[1].next()).await.unwrap();
    assert!(ended.is_none(), "the revoked key's stream has ended");
    assert_eq!(server.call_as(&expiring, "GET", "/tasks", None).await.0, 200);
    clock.pass(30 * 60 * 1000);
    assert_eq!(server.call_as(&expiring, "GET", "/tasks", None).await.0, 401);
    let ended = tokio::time::timeout(PATIENCE, streams[0].next()).await.unwrap();
    assert!(ended.is_none(), "the expired key's stream has ended");
    assert!(futures::poll!(streams[2].next()).is_pending(), "the other one goes on");
}
