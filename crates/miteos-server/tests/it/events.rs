//! The log as pages and as a stream: resumed anywhere, nothing is lost and nothing comes twice.

use futures::StreamExt;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer};
use crate::standin::{Reply, Script, call, slow, text};

fn busy() -> Script {
    let mut replies: Vec<Reply> =
        (0..6).map(|n| call("write_file", json!({"path": format!("{n}.txt"), "content": "x"}))).collect();
    replies.push(text("done"));
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

/// Reads a stream: every frame's id and event, until it ends or `most` have come.
async fn stream(
    server: &TestServer,
    path: &str,
    last: Option<u64>,
    most: usize,
) -> (u16, Vec<(String, Value)>) {
    let mut request = server
        .http
        .get(format!("{}/v1{path}", server.url))
        .bearer_auth(&server.key)
        .header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let mut bytes = response.bytes_stream();
    let (mut buffer, mut found) = (String::new(), Vec::new());
    let read = async {
        while let Some(Ok(chunk)) = bytes.next().await {
            buffer.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some(end) = buffer.find("\n\n") {
                let frame: String = buffer.drain(..end + 2).collect();
                let field = |name: &str| {
                    frame.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_owned())
                };
                if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                    let event: Value = serde_json::from_str(&data).unwrap();
                    assert_eq!(field("event:").unwrap(), event["type"].as_str().unwrap());
                    found.push((id, event));
                }
                if found.len() >= most {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the stream ends in time");
    (status, found)
}

#[tokio::test]
async fn a_stream_cut_at_every_event_resumes_without_gap_or_double() {
    let server = TestServer::start(busy()).await;
    let task = server.create("stream", json!({})).await;
    let path = format!("/tasks/{task}/events");
    let (mut seen, mut last) = (Vec::new(), None);
    // One event for each connection: the worst client there is.
    loop {
        let (status, found) = stream(&server, &path, last, 1).await;
        if status == 204 {
            break;
        }
        let (id, event) = found[0].clone();
        assert_eq!(id, event["seq"].to_string());
        last = event["seq"].as_u64();
        seen.push(event);
    }
    assert_eq!(seen, server.events(&task).await);
    assert_eq!(seen.last().unwrap()["type"], "task.complete");
}

#[tokio::test]
async fn a_stream_ends_with_the_terminal_event_and_replays_for_latecomers() {
    let server = TestServer::start(busy()).await;
    let task = server.create("stream", json!({})).await;
    let path = format!("/tasks/{task}/events");
    let (_, live) = stream(&server, &path, None, usize::MAX).await;
    let (_, late) = stream(&server, &path, None, usize::MAX).await;
    assert_eq!(live, late);
    assert_eq!(live.last().unwrap().1["type"], "task.complete");
    let (_, rest) = stream(&server, &format!("{path}?after=5"), None, usize::MAX).await;
    assert_eq!(rest.len(), live.len() - 5);
}

#[tokio::test]
async fn closing_a_stream_cancels_nothing() {
    let script =
        Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", vec![slow(200, text("done"))]);
    let server = TestServer::start(script).await;
    let task = server.create("watch me", json!({})).await;
    stream(&server, &format!("/tasks/{task}/events"), None, 2).await;
    assert_eq!(server.ended(&task).await["status"], "complete");
}

#[tokio::test]
async fn the_account_has_one_stream_for_all_its_tasks() {
    let server = TestServer::start(busy()).await;
    let one = server.run("one", json!({})).await;
    let two = server.run("two", json!({})).await;
    let count = |task: &Value| server.events(task["id"].as_str().unwrap_or_default().to_owned().leak());
    let total = count(&one).await.len() + count(&two).await.len();
    let (_, found) = stream(&server, "/events?after=0", None, total).await;
    assert_eq!(found.len(), total);
    let cursor: u64 = found[total / 2].0.parse().unwrap();
    let (_, rest) = stream(&server, "/events", Some(cursor), total - total / 2 - 1).await;
    assert_eq!(rest, found[total / 2 + 1..]);
}

#[tokio::test]
async fn pages_go_through_the_log_once() {
    let server = TestServer::start(busy()).await;
    let task = server.run("page", json!({})).await;
    let id = task["id"].as_str().unwrap();
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = server.get(&format!("/tasks/{id}/events?after={after}&limit=4")).await;
        seen.extend(page["events"].as_array().unwrap().clone());
        after = page["next_after"].as_u64().unwrap();
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, server.events(id).await);
}

#[tokio::test]
async fn a_page_has_an_end_in_bytes_as_well() {
    let server = TestServer::start(crate::sockets::endless()).await;
    let task = server.create("hear much", json!({})).await;
    server.until(&task, |task| task["agents"][0]["status"] == "thinking").await;
    let message = "x".repeat(99_000);
    for _ in 0..50 {
        let body = json!({ "message": message });
        server.expect(200, "POST", &format!("/tasks/{task}/guide"), Some(body)).await;
    }
    let (mut after, mut sizes) = (0, Vec::new());
    loop {
        let page = server.get(&format!("/tasks/{task}/events?limit=1000&after={after}")).await;
        let events = page["events"].as_array().unwrap();
        for event in events {
            after += 1;
            assert_eq!(event["seq"], after, "no gap");
        }
        assert_eq!(page["next_after"], after);
        sizes.push(events.len());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(sizes.len(), 2, "{sizes:?}");
    assert!(after > 50 && sizes[0] < 50, "{sizes:?}");
}
