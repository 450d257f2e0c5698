//! What the previews of an account may take up: a limit that nobody passes, alone or with many at once.

use serde_json::{Value, json};

use crate::deployments::ended;
use crate::harness::TestServer;
use crate::previews::visit;
use crate::standin::Script;

/// What all previews may take up here, and what each site of these tests has (bytes).
const LIMIT: u64 = 100_000;
const SITE: usize = 40_000;

async fn server() -> TestServer {
    TestServer::start_with(Script::default(), |config| config.preview.max_bytes = LIMIT).await
}

/// A workspace with a site that is like no other's.
async fn workspace(server: &TestServer, name: &str, bytes: usize) -> String {
    let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": name}))).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let folder = server.folder.join("workspaces").join(&id);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("index.html"), name.repeat(bytes / name.len() + 1).get(..bytes).unwrap())
        .unwrap();
    id
}

async fn begun(server: &TestServer, workspace: &str) -> String {
    let body = json!({"workspace_id": workspace, "target": "preview"});
    server.expect(201, "POST", "/deployments", Some(body)).await["id"].as_str().unwrap().to_owned()
}

async fn deployed(server: &TestServer, workspace: &str) -> Value {
    ended(server, &begun(server, workspace).await).await
}

fn is_refused(deployment: &Value) -> bool {
    let (status, code) = (&deployment["status"], &deployment["error"]["code"]);
    (status, code) == (&json!("failed"), &json!("quota"))
}

async fn kept(server: &TestServer) -> (u64, u64) {
    let storage = &server.get("/usage").await["storage"];
    assert_eq!(storage["preview_limit_bytes"], LIMIT);
    (storage["previews"].as_u64().unwrap(), storage["preview_bytes"].as_u64().unwrap())
}

#[tokio::test]
async fn a_site_without_room_is_refused_before_its_bytes_are_stored() {
    let server = server().await;
    assert_eq!(kept(&server).await, (0, 0));
    let (one, two) = (workspace(&server, "one", SITE).await, workspace(&server, "two", SITE).await);
    let (first, second) = (deployed(&server, &one).await, deployed(&server, &two).await);
    assert_eq!((&first["status"], &second["status"]), (&json!("live"), &json!("live")));
    assert_eq!(kept(&server).await, (2, 2 * SITE as u64));
    let stored = blobs(&server);
    let three = workspace(&server, "three", SITE).await;
    let refused = deployed(&server, &three).await;
    assert!(is_refused(&refused), "{refused:#}");
    let message = refused["error"]["message"].as_str().unwrap();
    for word in ["40000 bytes", "80000", "100000", "GET /v1/previews", "MITEOS_PREVIEW_MAX_MIB"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(blobs(&server), stored, "nothing of it was stored");
    // The same site again takes nothing, and the first one is not harmed.
    let again = deployed(&server, &one).await;
    assert!(is_refused(&again), "while it is looked through it needs room: {again:#}");
    assert_eq!(visit(&server, first["url"].as_str().unwrap()).await.0, 200);
    // Room is made at once.
    let path = format!("/deployments/{}/preview", second["id"].as_str().unwrap());
    server.expect(200, "DELETE", &path, None).await;
    assert_eq!(kept(&server).await, (1, SITE as u64));
    let again = deployed(&server, &one).await;
    assert_eq!(again["status"], "live", "{again:#}");
    assert_eq!(kept(&server).await, (2, SITE as u64), "equal sites count once");
    let third = deployed(&server, &three).await;
    assert_eq!(third["status"], "live", "{third:#}");
    assert_eq!(kept(&server).await, (3, 2 * SITE as u64));
}

/// How many files the store of blobs has.
fn blobs(server: &TestServer) -> usize {
    fn count(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
    }
    count(&server.folder.join("blobs"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_do_not_pass_the_limit_together() {
    let server = server().await;
    let mut sites = Vec::new();
    for n in 0..8 {
        sites.push(workspace(&server, &format!("site {n} "), SITE).await);
    }
    let begun = futures::future::join_all(sites.iter().map(|site| begun(&server, site))).await;
    let ended = futures::future::join_all(begun.iter().map(|id| ended(&server, id))).await;
    let live = ended.iter().filter(|one| one["status"] == "live").count();
    let refused = ended.iter().filter(|one| is_refused(one)).count();
    assert_eq!((live, refused), (2, 6), "{ended:#?}");
    assert_eq!(kept(&server).await, (2, 2 * SITE as u64));
    // What was refused holds no room.
    let path = format!(
        "/deployments/{}/preview",
        ended.iter().find(|one| one["status"] == "live").unwrap()["id"].as_str().unwrap()
    );
    server.expect(200, "DELETE", &path, None).await;
    let late = ended.iter().position(is_refused).unwrap();
    assert_eq!(deployed(&server, &sites[late]).await["status"], "live");
}

#[tokio::test]
async fn a_built_site_and_one_that_is_too_big_by_itself_are_refused_too() {
    let server = server().await;
    let big = workspace(&server, "big", 100_001).await;
    assert!(is_refused(&deployed(&server, &big).await));
    let whole = workspace(&server, "whole", 100_000).await;
    assert_eq!(deployed(&server, &whole).await["status"], "live");
    // The test world stores nothing, so it needs no room.
    let mut server = server;
    server.key = server.test_key.clone();
    let test = workspace(&server, "test", SITE).await;
    assert_eq!(deployed(&server, &test).await["status"], "live");
    assert_eq!(kept(&server).await, (1, 0));
}
