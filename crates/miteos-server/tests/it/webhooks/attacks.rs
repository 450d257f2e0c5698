//! Addresses that must not be reached: at registration, at connection, and by a redirect.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use miteos_core::ids::{AccountId, KeyId};
use miteos_core::time::Timestamp;
use miteos_server::{EgressPolicy, Names};
use miteos_store::{AccountRow, KeyRow, Store, StoreConfig};
use serde_json::json;
use sha2::Digest;

use super::{Scene, make, open, real, short, until};
use crate::harness::TestServer;
use crate::receiver::{Answer, Receiver};
use crate::standin::{Script, StandIn};

#[tokio::test]
async fn inner_addresses_are_refused_at_registration() {
    let receiver = Receiver::start(real(), |_, _| Answer::Status(200)).await;
    let port = receiver.address.port();
    let server = TestServer::start(Script::default()).await;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "192.168.1.1",
        "[fe80::1]",
        "168.63.129.16",
    ] {
        let url = format!("http://{host}:{port}/");
        let (status, answer) =
            server.call("POST", "/webhooks", Some(json!({"url": url, "events": ["*"]}))).await;
        assert_eq!(status, 422, "{host}: {answer}");
        assert!(answer["detail"].as_str().unwrap().contains("not a public one"), "{host}: {answer}");
    }
    assert_eq!(server.get("/webhooks").await, json!([]));
    assert!(receiver.seen().is_empty());
}

/// A name that leads to a public address until it is told to lead inside.
struct Turning {
    inside: AtomicBool,
}

#[async_trait]
impl Names for Turning {
    async fn look_up(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        assert_eq!(host, "turning.test");
        let inside = self.inside.load(Ordering::SeqCst);
        Ok(vec![if inside { [127, 0, 0, 1] } else { [93, 184, 216, 34] }.into()])
    }
}

#[tokio::test]
async fn a_name_that_turns_inside_after_registration_gains_nothing() {
    let receiver = Receiver::start(real(), |_, _| Answer::Status(200)).await;
    let names = Arc::new(Turning { inside: AtomicBool::new(false) });
    let for_server = Arc::clone(&names);
    let server = TestServer::start_with(short(), move |config| config.names = for_server.clone()).await;
    let url = format!("http://turning.test:{}/", receiver.address.port());
    let (hook, _) = make(&server, &url, &["task.complete"]).await;
    names.inside.store(true, Ordering::SeqCst);
    let (status, answer) = server.call("POST", &format!("/webhooks/{hook}/test"), None).await;
    assert_eq!((status, &answer["ok"]), (200, &json!(false)));
    let said = answer["error"].as_str().unwrap();
    assert!(said.contains("not a public one") && !said.contains("127.0.0.1"), "{said}");
    server.run("one", json!({})).await;
    let path = format!("/webhooks/{hook}/deliveries");
    let list =
        until(&server, &path, |list| list["total"] == 2 && list["deliveries"][0]["attempts"] == 1).await;
    assert!(list["deliveries"][0]["error"].as_str().unwrap().contains("not a public one"), "{list}");
    assert!(receiver.seen().is_empty(), "nothing was reached");
    let change = json!({"url": url, "description": "again"});
    assert_eq!(server.call("PATCH", &format!("/webhooks/{hook}"), Some(change)).await.0, 422);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Receiver::start(real(), |_, _| Answer::Status(200)).await;
    let to = other.url("/stolen");
    let codes = [301, 302, 303, 307, 308];
    let scene = Scene::new(move |_, before| Answer::With(codes[before], "location", to.clone())).await;
    let (hook, _) = scene.hook("/", &["task.complete"]).await;
    scene.server.run("one", json!({})).await;
    for (n, code) in (1..).zip(codes) {
        let row = scene.until(&hook, |row| row["attempts"] == n).await;
        assert_eq!((&row["status"], &row["response_status"]), (&json!("pending"), &json!(code)));
        assert!(row["error"].as_str().unwrap().contains("redirects are not followed"), "{row}");
        scene.clock.go_to(super::millis(&row["next_attempt_at"]));
        if n == 4 {
            break;
        }
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn only_what_the_owner_allows_is_reached() {
    let receiver = Receiver::start(real(), |_, _| Answer::Status(200)).await;
    let allow = |blocks: &'static str| {
        move |config: &mut miteos_server::Config| config.egress = EgressPolicy::parse(blocks).unwrap()
    };
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(short()).await;
    let mut server = TestServer::over(temp.path(), standin.clone(), allow("127.0.0.1/32")).await;
    let (hook, _) = make(&server, &receiver.url("/"), &["task.complete"]).await;
    let path = format!("/webhooks/{hook}/test");
    assert_eq!(server.call("POST", &path, None).await.1["ok"], true);
    server.stop().await;
    // The owner has thought better of it.
    let server = TestServer::over(temp.path(), standin, allow("127.0.0.2/32")).await;
    let answer = server.call("POST", &path, None).await.1;
    assert_eq!(answer["ok"], false);
    assert!(answer["error"].as_str().unwrap().contains("not a public one"), "{answer}");
    assert_eq!(receiver.seen().len(), 1);
}

/// A data folder with another account's key and with keys that lack scopes.
async fn folder(path: &std::path::Path) {
    let store = Store::open(StoreConfig::in_folder(path)).await.unwrap();
    let at = Timestamp::from_millis(1_700_000_000_000);
    let id = |n: u128| ulid::Ulid::from_parts(at.millis(), n);
    let keys = [
        (1, true, "mt_live_of_the_owner", "*"),
        (1, false, "mt_test_of_the_owner", "*"),
        (1, true, "mt_live_that_may_read", "webhooks.read"),
        (1, true, "mt_live_that_may_not", "tasks.read"),
        (2, true, "mt_live_of_a_stranger", "*"),
        (2, false, "mt_test_of_a_stranger", "*"),
    ];
    for n in [1, 2] {
        let row = AccountRow { id: AccountId(id(n)), name: format!("account {n}"), created_at: at };
        store.insert_account(row).await.unwrap();
    }
    for (n, (account, live, secret, scope)) in (10..).zip(keys) {
        let row = KeyRow {
            id: KeyId(id(n)),
            account: AccountId(id(account)),
            live,
            name: "k".into(),
            hash: sha2::Sha256::digest(secret.as_bytes()).to_vec(),
            prefix: "mt_".into(),
            scopes: vec![scope.into()],
            tier: "enterprise".into(),
            created_at: at,
            expires_at: None,
            revoked_at: None,
            requests_per_minute: None,
        };
        store.insert_key(row, None).await.unwrap();
    }
    let written = json!({"live": "mt_live_of_the_owner", "test": "mt_test_of_the_owner"});
    std::fs::write(path.join("keys.json"), written.to_string()).unwrap();
    store.close().await;
}

#[tokio::test]
async fn strangers_find_nothing_and_scopes_are_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    folder(temp.path()).await;
    let receiver = Receiver::start(real(), |_, _| Answer::Status(200)).await;
    let server = TestServer::over(temp.path(), StandIn::start(short()).await, open).await;
    let (hook, _) = make(&server, &receiver.url("/"), &["*"]).await;
    server.call("POST", &format!("/webhooks/{hook}/test"), None).await;
    let rows = server.get(&format!("/webhooks/{hook}/deliveries")).await;
    let whd = rows["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let body = Some(json!({"url": receiver.url("/"), "events": ["*"]}));
    let calls = [
        ("GET", "/webhooks".to_owned(), None, "webhooks.read"),
        ("POST", "/webhooks".to_owned(), body, "webhooks.write"),
        ("GET", format!("/webhooks/{hook}"), None, "webhooks.read"),
        ("PATCH", format!("/webhooks/{hook}"), Some(json!({})), "webhooks.write"),
        ("GET", format!("/webhooks/{hook}/deliveries"), None, "webhooks.read"),
        ("POST", format!("/webhooks/{hook}/test"), None, "webhooks.write"),
        ("POST", format!("/webhooks/{hook}/rotate-secret"), None, "webhooks.write"),
        ("POST", format!("/webhooks/{hook}/deliveries/{whd}/redeliver"), None, "webhooks.write"),
        ("DELETE", format!("/webhooks/{hook}"), None, "webhooks.write"),
    ];
    for (method, path, body, scope) in calls {
        let ask = async |key: &str| server.call_as(key, method, &path, body.clone()).await;
        let (status, answer) = ask("mt_live_that_may_not").await;
        assert_eq!(status, 403, "{method} {path}");
        assert!(answer["detail"].as_str().unwrap().contains(scope), "{answer}");
        let reads = ask("mt_live_that_may_read").await.0;
        assert_eq!(reads, if scope == "webhooks.read" { 200 } else { 403 }, "{method} {path}");
        assert_eq!(ask("mt_live_nobody_knows").await.0, 401);
        if path != "/webhooks" {
            assert_eq!(ask("mt_live_of_a_stranger").await.0, 404, "{method} {path}");
        } else if method == "GET" {
            assert_eq!(ask("mt_live_of_a_stranger").await, (200, json!([])));
        }
    }
    // A stranger's task is no news here.
    make_strangers_task(&server).await;
    tokio::time::timeout(Duration::from_secs(20), async {
        server.run("mine", json!({})).await;
    })
    .await
    .unwrap();
    let mine = server.get("/tasks").await["tasks"][0]["id"].clone();
    receiver.wait_for(5).await;
    let others = receiver.seen().into_iter().filter(|seen| seen.kind() != "webhook.ping");
    assert!(others.into_iter().all(|seen| seen.json()["data"]["task_id"] == mine));
}

async fn make_strangers_task(server: &TestServer) {
    let body = Some(json!({"prompt": "not yours"}));
    let (status, task) = server.call_as("mt_live_of_a_stranger", "POST", "/tasks", body).await;
    assert_eq!(status, 201, "{task}");
}
