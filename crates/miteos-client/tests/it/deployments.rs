//! A deployment's log under every cut there is, and what is given up on.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Response;
use futures::StreamExt;
use miteos_client::{ClientError, DeploymentNews};

use crate::standin::{Seen, Standin, broken, json};

const LINES: u64 = 5;

fn deployment(status: &str) -> String {
    format!(
        r#"{{"id":"dep_1","workspace_id":"ws_1","target":"preview","status":"{status}","created_at":"2026-11-22T10:00:00Z","environment":"preview","log_url":"/x"}}"#
    )
}

/// The stream from behind a line: the state so far comes again on each connection.
fn rest(after: u64) -> Vec<u8> {
    let line = |no: u64| {
        format!("id: {no}\nevent: log\ndata: {{\"at\":\"2026-11-22T10:00:00Z\",\"text\":\"line {no}\"}}\n\n")
    };
    let mut text = format!("retry: 1000\n\nevent: status\ndata: {}\n\n: alive\n\n", deployment("building"));
    text.extend((after + 1..=LINES).map(line));
    text += &format!("id: {}\nevent: status\ndata: {}\n\n", LINES + 1, deployment("live"));
    text.into_bytes()
}

fn sse(body: Body) -> Response<Body> {
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

fn after(request: &Seen) -> u64 {
    request.query("after").map_or(0, |text| text.parse().unwrap())
}

async fn told(server: &Standin) -> Vec<String> {
    let news: Vec<_> = server.client.follow_deployment("dep_1", 0).collect().await;
    let word = |news| match news {
        DeploymentNews::Line { no, line } => format!("{no} {}", line.text),
        DeploymentNews::Status(deployment) => deployment.status.to_string(),
    };
    news.into_iter().map(|news| word(news.unwrap())).collect()
}

#[tokio::test]
async fn a_cut_at_every_byte_loses_and_doubles_nothing() {
    let whole = rest(0);
    let all = ["building", "1 line 1", "2 line 2", "3 line 3", "4 line 4", "5 line 5", "live"];
    let cut: Arc<Mutex<Option<usize>>> = Arc::default();
    let (first, bytes) = (cut.clone(), whole.clone());
    let server = Standin::start(move |request| match first.lock().unwrap().take() {
        Some(at) => sse(broken(vec![bytes[..at].to_vec()])),
        None => sse(Body::from(rest(after(request)))),
    })
    .await;
    for at in 0..whole.len() {
        *cut.lock().unwrap() = Some(at);
        assert_eq!(told(&server).await, all, "cut at {at}");
    }
}

#[tokio::test]
async fn what_cannot_be_mended_ends_it() {
    let server = Standin::start(|_| json(404, r#"{"detail":"there is no such deployment"}"#)).await;
    let mut news = server.client.follow_deployment("dep_1", 0);
    let error = news.next().await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Api { status: 404, .. }), "{error}");
    assert!(news.next().await.is_none());
    let server = Standin::start(|_| sse(Body::from("event: log\ndata: {}\n\n"))).await;
    let error = server.client.follow_deployment("dep_1", 0).next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no number"), "{error}");
    // A stream that ends again and again before its time is given up.
    let server = Standin::start(|_| sse(Body::from(": nothing\n\n"))).await;
    assert!(server.client.follow_deployment("dep_1", 0).next().await.unwrap().is_err());
    assert_eq!(server.seen().len(), 6);
}
