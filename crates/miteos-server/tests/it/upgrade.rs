//! Data of earlier versions: each release leaves a backup of a server with tasks in every state under `fixtures/`, and
//! every later version takes it up. What is in a fixture stands beside it. CONTRIBUTING.md says how one is added.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use miteos_server::{SystemClock, Unfinished};
use serde_json::{Value, json};
use sha2::Digest;

use crate::backup::{back_up, deliverables, in_test_mode, restored, see_to_its_end};
use crate::harness::TestServer;
use crate::receiver::{Answer, Receiver};

/// Every version that was released, and the present one. A name is added, none is taken away.
const VERSIONS: [&str; 1] = ["version-1"];
/// Set to a version's name to make its fixture.
const MAKE: &str = "MAKE_FIXTURE";
/// Of a fixture (bytes).
const MAX_FIXTURE_BYTES: u64 = 200 * 1024;
/// A secret that a client chose, so that it is known.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

async fn create(server: &TestServer, prompt: &str, autonomy: u32) -> String {
    server.create(prompt, json!({"autonomy_level": autonomy})).await
}

/// A server with a bit of everything, backed up while it works. Gives the archive and what is in it.
async fn make(temp: &Path) -> (PathBuf, Value) {
    let server = in_test_mode(&temp.join("made")).await;
    let finished = create(&server, "Finish it [test:agents=2][test:deliverable=1KiB]", 100).await;
    server.ended(&finished).await;
    let failed = create(&server, "Fail [test:fail]", 100).await;
    server.ended(&failed).await;
    let waiting = create(&server, "Ask first [test:approval]", 50).await;
    server.asked(&waiting).await;
    let cancelled = create(&server, "Stop it [test:slow=60s]", 100).await;
    server.until(&cancelled, |task| task["status"] == "running").await;
    server.expect(200, "POST", &format!("/tasks/{cancelled}/cancel"), None).await;
    let paused = create(&server, "Hold it [test:slow=500ms]", 100).await;
    server.expect(200, "POST", &format!("/tasks/{paused}/pause"), None).await;
    server.until(&paused, |task| task["status"] == "paused").await;
    let key = json!({"name": "reader", "environment": "test", "scopes": ["tasks.read"], "tier": "pro"});
    let key = server.expect(201, "POST", "/api-keys", Some(key)).await;
    let hook = json!({"url": "http://127.0.0.1:9/hook", "events": ["task.complete"], "secret": SECRET});
    let hook = server.expect(201, "POST", "/webhooks", Some(hook)).await;
    server.expect(200, "PUT", "/approval-policy", Some(json!({"tools": {"publish": "never"}}))).await;
    let running = create(&server, "Go on [test:agents=2][test:slow=2s]", 100).await;
    server.until(&running, |task| task["agents"][0]["status"] == "thinking").await;
    let made = back_up(&server.folder, &temp.join("made.tar")).await;
    let mut tasks = serde_json::Map::new();
    for (task, state) in [
        (finished, "complete"),
        (failed, "failed"),
        (cancelled, "cancelled"),
        (paused, "paused"),
        (waiting, "running"),
        (running, "running"),
    ] {
        let over = matches!(state, "complete" | "failed" | "cancelled");
        let events = if over { server.events(&task).await.len() } else { 0 };
        let files = deliverables(&server, &task).await;
        tasks.insert(
            task,
            json!({"status": state, "events": events, "files": if over { json!(files) } else { json!({}) }}),
        );
    }
    let told = json!({
        "keys": {"live": keys(&server)["live"], "test": server.test_key, "reader": key["key"]},
        "webhook": hook["id"],
        "tasks": tasks,
    });
    (made.path, told)
}

fn keys(server: &TestServer) -> Value {
    serde_json::from_slice(&std::fs::read(server.folder.join("keys.json")).unwrap()).unwrap()
}

/// A server of today on what an archive holds: everything is as it was, and what was not over comes to its end.
async fn take_up(archive: &Path, told: &Value, folder: &Path) {
    restored(archive, folder, Unfinished::GoOn).unwrap();
    let server = in_test_mode(folder).await;
    assert_eq!(keys(&server)["live"], told["keys"]["live"]);
    let reader = told["keys"]["reader"].as_str().unwrap();
    assert_eq!(server.call_as(reader, "GET", "/tasks", None).await.0, 200);
    assert_eq!(server.call_as(reader, "GET", "/webhooks", None).await.0, 403);
    let policy = server.get("/approval-policy").await;
    assert_eq!(policy["tools"]["publish"], "never", "{policy}");
    for (task, was) in told["tasks"].as_object().unwrap() {
        let events = usize::try_from(was["events"].as_u64().unwrap()).unwrap();
        if events > 0 {
            let shown = server.get(&format!("/tasks/{task}")).await;
            assert_eq!(shown["status"], was["status"], "{shown:#}");
            assert_eq!(server.events(task).await.len(), events, "{task}");
        } else {
            if was["status"] == "paused" {
                server.until(task, |task| task["status"] == "paused").await;
                server.expect(200, "POST", &format!("/tasks/{task}/resume"), None).await;
            }
            assert_eq!(see_to_its_end(&server, task).await["status"], "complete");
            server.events(task).await;
        }
        let files = deliverables(&server, task).await;
        for (file, sha256) in was["files"].as_object().unwrap() {
            assert_eq!(files.get(file), Some(sha256), "{task}");
            let bytes = server.bytes(&format!("/tasks/{task}/deliverables/{file}/download")).await;
            assert_eq!(*sha256, hex::encode(sha2::Sha256::digest(bytes)));
        }
    }
    // The secret of the webhook can be opened, and signs.
    let receiver = Receiver::start(Arc::new(SystemClock), |_, _| Answer::Status(200)).await;
    let path = format!("/webhooks/{}", told["webhook"].as_str().unwrap());
    server.expect(200, "PATCH", &path, Some(json!({"url": receiver.url("/moved")}))).await;
    server.expect(200, "POST", &format!("{path}/test"), None).await;
    receiver.wait_for(1).await.iter().for_each(|seen| seen.check(&[SECRET]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_of_every_earlier_version_is_taken_up() {
    for name in VERSIONS {
        let packed = fixture(&format!("{name}.tar.gz"));
        assert!(packed.metadata().unwrap().len() < MAX_FIXTURE_BYTES, "{name} is too big to be kept");
        let temp = tempfile::tempdir().unwrap();
        let mut archive = Vec::new();
        GzDecoder::new(std::fs::File::open(packed).unwrap()).read_to_end(&mut archive).unwrap();
        std::fs::write(temp.path().join("old.tar"), archive).unwrap();
        let told = std::fs::read(fixture(&format!("{name}.json"))).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        take_up(&temp.path().join("old.tar"), &told, &temp.path().join("new")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "whoever makes a release says by the environment which one")]
async fn a_fixture_can_be_made_of_this_version() {
    let temp = tempfile::tempdir().unwrap();
    let (archive, told) = make(temp.path()).await;
    take_up(&archive, &told, &temp.path().join("new")).await;
    let Ok(name) = std::env::var(MAKE) else { return };
    assert!(VERSIONS.contains(&name.as_str()), "{name} is to be added to the versions first");
    let packed = fixture(&format!("{name}.tar.gz"));
    assert!(!packed.exists(), "{} is there: what was released is not changed", packed.display());
    std::fs::create_dir_all(packed.parent().unwrap()).unwrap();
    let mut file = GzEncoder::new(std::fs::File::create(packed).unwrap(), Compression::best());
    file.write_all(&std::fs::read(archive).unwrap()).unwrap();
    file.finish().unwrap();
    let text = serde_json::to_string_pretty(&told).unwrap();
    std::fs::write(fixture(&format!("{name}.json")), format!("{text}\n")).unwrap();
}
