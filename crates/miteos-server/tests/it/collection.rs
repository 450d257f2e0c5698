//! Blobs that nothing names any more are taken away while the server runs, and what anything names stays.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use miteos_server::Config;
use serde_json::{Value, json};

use crate::harness::{HandClock, PATIENCE, TestServer};
use crate::previews::{shown, visit};
use crate::standin::{Script, call, text};

/// 2026-11-22.
const NOW_MS: u64 = 1_795_305_600_000;
const HOUR: u64 = 3600 * 1000;

/// The sizes of all blobs, sorted.
fn blobs(folder: &Path) -> Vec<u64> {
    let mut sizes = Vec::new();
    for start in std::fs::read_dir(folder.join("blobs/sha256")).unwrap().flatten() {
        sizes.extend(std::fs::read_dir(start.path()).unwrap().flatten().map(|f| f.metadata().unwrap().len()));
    }
    sizes.sort_unstable();
    sizes
}

/// Time passes until there are as many blobs as this.
async fn until(clock: &HandClock, folder: &Path, count: usize) {
    let begun = Instant::now();
    loop {
        let found = blobs(folder);
        if found.len() == count {
            return;
        }
        assert!(begun.elapsed() < PATIENCE && found.len() > count, "{count} are wanted: {found:?}");
        clock.pass(HOUR);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn settled(clock: &HandClock, folder: &Path) -> Vec<u64> {
    for _ in 0..60 {
        clock.pass(HOUR);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    blobs(folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_only_of_a_deleted_preview_goes_and_all_else_stays() {
    let clock = HandClock::at(NOW_MS);
    let own = Arc::clone(&clock);
    let long = "x".repeat(20_000);
    let script = Script::default().plan(&[("1", "do alpha", &[])]).agent(
        "alpha",
        vec![
            call("write_file", json!({"path": "long.txt", "content": long})),
            call("publish", json!({"path": "long.txt"})),
            call("read_file", json!({"path": "long.txt"})),
            text("done"),
        ],
    );
    let server = TestServer::start_with(script, move |config: &mut Config| {
        config.clock = own.clone();
        config.collect_every = Duration::from_millis(1);
    })
    .await;
    let done = server.run("hand over a long text", json!({"autonomy_level": 100})).await;
    assert_eq!(done["status"], "complete", "{done:#}");
    let of_the_task = blobs(&server.folder);
    assert!(of_the_task.len() >= 2, "{of_the_task:?}");
    let both = ("shared.txt", "of both sites");
    let first = shown(&server, "first", &[("index.html", "the first page"), both]).await;
    let second = shown(&server, "second", &[("index.html", "the second"), both]).await;
    // Two pages, two lists, one shared file.
    let before = settled(&clock, &server.folder).await;
    assert_eq!(before.len(), of_the_task.len() + 5);
    let address = |live: &Value| live["url"].as_str().unwrap().to_owned();
    let path = format!("/deployments/{}/preview", first["id"].as_str().unwrap());
    server.expect(200, "DELETE", &path, None).await;
    assert_eq!(visit(&server, &address(&first)).await.0, 404);
    assert_eq!(blobs(&server.folder), before, "not before the grace is over");
    until(&clock, &server.folder, before.len() - 2).await;
    assert_eq!(settled(&clock, &server.folder).await.len(), before.len() - 2);
    assert!(visit(&server, &address(&second)).await.1.ends_with("the second"));
    let shared = visit(&server, &format!("{}shared.txt", address(&second))).await.1;
    assert!(shared.ends_with("of both sites"), "{shared}");
    // An end is a deletion, too.
    let path = format!("/deployments/{}/preview", second["id"].as_str().unwrap());
    server.expect(200, "PATCH", &path, Some(json!({"expires_in": 60}))).await;
    until(&clock, &server.folder, of_the_task.len()).await;
    assert_eq!(settled(&clock, &server.folder).await, of_the_task);
    let task = done["id"].as_str().unwrap();
    let listed = server.get(&format!("/tasks/{task}/deliverables")).await;
    let file = format!("/tasks/{task}/deliverables/{}/download", listed[0]["id"].as_str().unwrap());
    assert_eq!(server.bytes(&file).await, long.as_bytes());
    // What is published again is a new site.
    let third = shown(&server, "third", &[("index.html", "the first page"), both]).await;
    assert!(visit(&server, &address(&third)).await.1.ends_with("the first page"));
}
