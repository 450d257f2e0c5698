//! The plug is pulled after every durable write of a run with a webhook. Each event comes at least once, under one id,
//! and what the log says in the end was delivered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{SECRET, make, open, real, short, until};
use crate::harness::{TestServer, wait_until};
use crate::plug::{killed, order, pulled};
use crate::receiver::{Answer, Receiver};
use crate::standin::StandIn;

/// A folder with a webhook for everything.
async fn prepared(folder: &Path, standin: &StandIn, receiver: &Receiver) {
    let mut server = TestServer::over(folder, standin.clone(), open).await;
    let body = json!({"url": receiver.url("/"), "events": ["*"], "secret": SECRET});
    assert_eq!(server.call("POST", "/webhooks", Some(body)).await.0, 201);
    server.stop().await;
}

/// Runs the task until every event of it is delivered.
async fn carried_out(server: &TestServer) {
    if server.get("/tasks").await["total"] == 0 {
        server.create("crash test", json!({})).await;
    }
    let task = server.get("/tasks").await["tasks"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.ended(&task).await["status"], "complete");
    let events = server.events(&task).await.len();
    let hook = server.get("/webhooks").await[0]["id"].as_str().unwrap().to_owned();
    until(server, &format!("/webhooks/{hook}/deliveries?limit=100"), |list| {
        let rows = list["deliveries"].as_array().unwrap();
        rows.len() >= events && rows.iter().all(|row| row["status"] == "delivered")
    })
    .await;
}

/// What was there before the plug was pulled goes on; then everything must have come.
async fn recovered(folder: &Path, standin: &StandIn, receiver: &Receiver, k: u64) {
    let mut server = TestServer::over(folder, standin.clone(), open).await;
    carried_out(&server).await;
    let task = server.get("/tasks").await["tasks"][0]["id"].as_str().unwrap().to_owned();
    let events = server.events(&task).await;
    let mut bodies: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for seen in receiver.seen() {
        seen.check(&[SECRET]);
        bodies.entry(seen.id().to_owned()).or_default().push(seen.json()["data"].clone());
    }
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(bodies.keys().cloned().collect::<Vec<_>>(), sorted, "after write {k}: none lost, none other");
    for (id, event) in ids.iter().zip(&events) {
        assert!(bodies[id].iter().all(|body| body == event), "after write {k}: {id} is always the same");
    }
    let hook = server.get("/webhooks").await[0]["id"].as_str().unwrap().to_owned();
    let list = server.get(&format!("/webhooks/{hook}/deliveries?limit=100")).await;
    assert_eq!(list["total"], events.len(), "after write {k}: one delivery for each event");
    // At most what was in the air when the plug was pulled comes twice.
    let twice = receiver.seen().len() - events.len();
    assert!(twice <= 4, "after write {k}: {twice} came twice");
    server.stop().await;
}

/// Runs until the k-th durable write. False if everything was done before.
async fn crashed(folder: &Path, standin: &StandIn, k: u64) -> bool {
    let (folder, standin) = (folder.to_owned(), standin.clone());
    pulled(k, move |hook| async move {
        let server = TestServer::over(&folder, standin, |config| {
            open(config);
            config.crash = Some(Arc::clone(&hook));
        })
        .await;
        carried_out(&server).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_process_after_every_durable_write() {
    for k in 1.. {
        let temp = tempfile::tempdir().unwrap();
        let standin = StandIn::start(short()).await;
        let receiver = Receiver::start(real(), |_, _| Answer::Status(200)).await;
        prepared(temp.path(), &standin, &receiver).await;
        if !crashed(temp.path(), &standin, k).await {
            assert!(k > 8, "the run has {k} durable writes");
            break;
        }
        recovered(temp.path(), &standin, &receiver, k).await;
    }
}

/// Not a test by itself: the server that `kill_9_after_every_durable_write` kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_that_is_killed() {
    let Some((order, hook)) = order() else { return };
    let folder = PathBuf::from(order["folder"].as_str().unwrap());
    let standin = StandIn::at(order["model"].as_str().unwrap().parse().unwrap());
    let server = TestServer::over(&folder, standin, |config| {
        open(config);
        config.crash = Some(Arc::clone(&hook));
    })
    .await;
    carried_out(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_after_every_durable_write() {
    for k in 1.. {
        let temp = tempfile::tempdir().unwrap();
        let standin = StandIn::start(short()).await;
        let receiver = Receiver::start(real(), |_, _| Answer::Status(200)).await;
        prepared(temp.path(), &standin, &receiver).await;
        let order = json!({"folder": temp.path(), "model": standin.address.to_string()});
        if !killed("webhooks::crash::the_server_that_is_killed", &order, k).await {
            assert!(k > 8, "the run has {k} durable writes");
            break;
        }
        recovered(temp.path(), &standin, &receiver, k).await;
    }
}

/// While the receiver fails, too: an attempt that was recorded is not forgotten by a crash.
#[tokio::test]
async fn a_receiver_that_fails_at_first_beside_a_crash() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(short()).await;
    let receiver = Receiver::start(real(), |_, _| Answer::Status(500)).await;
    let mut server = TestServer::over(temp.path(), standin.clone(), open).await;
    let (hook, _) = make(&server, &receiver.url("/"), &["task.complete"]).await;
    server.run("one", json!({})).await;
    let path = format!("/webhooks/{hook}/deliveries");
    let before = until(&server, &path, |list| list["deliveries"][0]["attempts"] == 1).await;
    let since = server.get(&format!("/webhooks/{hook}")).await["failing_since"].clone();
    server.stop().await;
    let server = TestServer::over(temp.path(), standin, open).await;
    assert_eq!(server.get(&format!("/webhooks/{hook}")).await["failing_since"], since);
    let row = &before["deliveries"][0];
    assert_eq!(server.get(&path).await["deliveries"][0]["next_attempt_at"], row["next_attempt_at"]);
    receiver.now(|_, _| Answer::Status(200));
    let again = format!("{path}/{}/redeliver", row["id"].as_str().unwrap());
    assert_eq!(server.call("POST", &again, None).await.0, 200);
    wait_until("it comes", || receiver.seen().len() == 2).await;
}
