//! Tasks over their tier's limit wait their turn, first come first served, also across a restart.

use std::path::Path;

use miteos_core::ids::{AccountId, KeyId};
use miteos_core::time::Timestamp;
use miteos_store::{AccountRow, KeyRow, Store, StoreConfig};
use serde_json::json;
use sha2::Digest;

use crate::harness::{TestServer, wait_until};
use crate::standin::{Script, StandIn, slow, text};

/// A data folder whose first keys are of this tier.
async fn folder_of_tier(folder: &Path, tier: &str) {
    folder_of(folder, tier, &["tasks.write", "tasks.read"], None).await;
}

/// A data folder whose first keys are of this tier, with these scopes, and perhaps an end.
pub async fn folder_of(folder: &Path, tier: &str, scopes: &[&str], expires_at: Option<Timestamp>) {
    let store = Store::open(StoreConfig::in_folder(folder)).await.unwrap();
    let at = Timestamp::from_millis(1_700_000_000_000);
    let id = |n: u128| ulid::Ulid::from_parts(at.millis(), n);
    let account = AccountId(id(1));
    store.insert_account(AccountRow { id: account, name: "free".into(), created_at: at }).await.unwrap();
    for (n, live, secret) in [(2, true, "mt_live_of_a_free_account"), (3, false, "mt_test_of_a_free_account")]
    {
        let row = KeyRow {
            id: KeyId(id(n)),
            account,
            live,
            name: "k".into(),
            hash: sha2::Sha256::digest(secret.as_bytes()).to_vec(),
            prefix: "mt_".into(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            tier: tier.into(),
            created_at: at,
            expires_at,
            revoked_at: None,
            // What is tested here is not the number of requests.
            requests_per_minute: Some(1_000_000),
        };
        store.insert_key(row, None).await.unwrap();
    }
    let keys = json!({"live": "mt_live_of_a_free_account", "test": "mt_test_of_a_free_account"});
    std::fs::write(folder.join("keys.json"), keys.to_string()).unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_free_account_runs_one_task_at_a_time() {
    let temp = tempfile::tempdir().unwrap();
    folder_of_tier(temp.path(), "free").await;
    let script =
        Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", vec![slow(300, text("done"))]);
    let standin = StandIn::start(script).await;
    let mut server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
    let mut tasks = Vec::new();
    for n in 0..3 {
        tasks.push(server.create(&format!("task {n}"), json!({})).await);
    }
    wait_until("the first one works", || standin.requests().len() == 2).await;
    assert_eq!(server.get(&format!("/tasks/{}", tasks[1])).await["status"], "pending");
    assert_eq!(server.get("/tasks?status=pending").await["total"], 2);
    // The queue survives a restart.
    server.stop().await;
    let server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
    let mut started = Vec::new();
    for task in &tasks {
        let ended = server.ended(task).await;
        assert_eq!(ended["status"], "complete");
        started.push((
            ended["started_at"].as_str().unwrap().to_owned(),
            ended["completed_at"].as_str().unwrap().to_owned(),
        ));
    }
    assert!(started.windows(2).all(|pair| pair[0].1 <= pair[1].0), "one after the other: {started:?}");
}

#[tokio::test]
async fn a_pending_task_that_is_cancelled_gives_its_place_to_the_next() {
    let temp = tempfile::tempdir().unwrap();
    folder_of_tier(temp.path(), "free").await;
    let script =
        Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", vec![slow(300, text("done"))]);
    let standin = StandIn::start(script).await;
    let server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
    let first = server.create("first", json!({})).await;
    let second = server.create("second", json!({})).await;
    let third = server.create("third", json!({})).await;
    assert_eq!(server.call("POST", &format!("/tasks/{second}/cancel"), None).await.0, 200);
    assert_eq!(server.get(&format!("/tasks/{second}")).await["status"], "cancelled");
    assert_eq!(server.ended(&first).await["status"], "complete");
    assert_eq!(server.ended(&third).await["status"], "complete");
}

#[tokio::test]
async fn a_key_without_the_scope_is_told_which_one_it_lacks() {
    let temp = tempfile::tempdir().unwrap();
    folder_of_tier(temp.path(), "pro").await;
    let server = TestServer::over(temp.path(), StandIn::start(Script::default()).await, |_| {}).await;
    let (status, body) = server.call("GET", "/workspaces", None).await;
    assert_eq!((status, body["detail"].as_str().unwrap()), (403, "this key lacks the scope workspaces.read"));
    let (status, body) = server.call("GET", "/approvals", None).await;
    assert_eq!((status, body["detail"].as_str().unwrap()), (403, "this key lacks the scope agents.read"));
}
