//! Plain calls: what is sent, what is retried and with which key, and how errors come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Response};
use miteos_client::ClientError;
use miteos_client::api::{CreateApiKey, CreateTask, DecideApproval, ListTasks, ListUsage, UpdateTask};

use crate::standin::{Standin, broken, client, json, task};

fn prompt() -> CreateTask {
    CreateTask { prompt: "p".into(), ..CreateTask::default() }
}

fn cut() -> Response<Body> {
    Response::new(broken(vec![]))
}

/// Answers with each of `answers` in turn, and with the last one for ever.
fn script(
    answers: Vec<fn() -> Response<Body>>,
) -> impl FnMut(&crate::standin::Seen) -> Response<Body> + Send {
    let mut turn = 0;
    move |_| {
        let answer = answers[turn.min(answers.len() - 1)];
        turn += 1;
        answer()
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_repeated_under_the_same_key() {
    let answers: Vec<fn() -> Response<Body>> = vec![
        cut,
        || json(503, r#"{"detail":"starting"}"#),
        || json(409, r#"{"detail":"in flight"}"#),
        || task("pending"),
    ];
    let server = Standin::start(script(answers)).await;
    let made = server.client.create_task(&prompt()).await.unwrap();
    assert_eq!(made.id, "task_1");
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    let keys: Vec<_> = seen.iter().map(|request| request.header("idempotency-key").unwrap()).collect();
    assert!(keys.iter().all(|key| *key == keys[0] && key.len() == 32), "{keys:?}");
    assert!(seen.iter().all(|request| request.body == seen[0].body));
    assert_eq!(&*seen[0].body, br#"{"prompt":"p"}"#);
    assert_eq!(seen[0].header("authorization"), Some("Bearer mt_test_key"));
    assert_eq!(seen[0].uri.path(), "/v1/tasks");

    server.client.create_task(&prompt()).await.unwrap();
    let second = server.seen()[4].clone();
    assert_ne!(second.header("idempotency-key").unwrap(), keys[0], "another call is another key");
}

#[tokio::test]
async fn a_conflict_at_the_first_attempt_is_the_callers() {
    let server = Standin::start(|_| json(409, r#"{"detail":"same key, other body"}"#)).await;
    let error = server.client.create_task(&prompt()).await.unwrap_err();
    assert_eq!(error.status(), Some(409));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn errors_carry_the_servers_sentence_and_the_requests_id() {
    let server =
        Standin::start(|_| json(422, r#"{"detail":"config.max_agents is 99; 1 to 20 would be right"}"#))
            .await;
    match server.client.task("task_1").await.unwrap_err() {
        ClientError::Api { status, detail, request_id, .. } => {
            assert_eq!(status, 422);
            assert_eq!(detail, "config.max_agents is 99; 1 to 20 would be right");
            assert_eq!(request_id.as_deref(), Some("req_1"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.seen().len(), 1, "a refusal is not repeated");
}

#[tokio::test]
async fn a_rate_limit_is_waited_out_and_an_overlong_one_is_told() {
    let limited = || {
        let mut answer = json(429, r#"{"detail":"slow down"}"#);
        answer.headers_mut().insert("retry-after", "0".parse().unwrap());
        answer
    };
    let server = Standin::start(script(vec![limited, limited, || task("running")])).await;
    assert!(server.client.task("task_1").await.is_ok());
    assert_eq!(server.seen().len(), 3);

    let server = Standin::start(|_| {
        let mut answer = json(429, r#"{"detail":"come back tomorrow"}"#);
        answer.headers_mut().insert("retry-after", "86400".parse().unwrap());
        answer
    })
    .await;
    match server.client.task("task_1").await.unwrap_err() {
        ClientError::Api { status: 429, retry_after, .. } => {
            assert_eq!(retry_after, Some(Duration::from_secs(86400)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url).task("task_1").await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Unreachable { url: named, source: Some(_) } if *named == url),
        "{error:?}"
    );
    assert_eq!(error.to_string(), format!("cannot reach the server at {url}"));
}

#[tokio::test]
async fn another_program_on_the_port_is_recognised() {
    let server = Standin::start(|_| Response::new(Body::from("<html>hello</html>"))).await;
    assert!(matches!(server.client.task("task_1").await, Err(ClientError::Protocol { .. })));
    let server = Standin::start(|_| {
        Response::builder().status(403).body(Body::from("<html>forbidden</html>")).unwrap()
    })
    .await;
    let error = server.client.task("task_1").await.unwrap_err();
    assert_eq!(error.to_string(), "the server answered 403 Forbidden: <html>forbidden</html>");
}

#[tokio::test]
async fn a_delete_that_was_lost_and_had_worked_is_a_success() {
    let server =
        Standin::start(script(vec![cut_early, || json(404, r#"{"detail":"no such workspace"}"#)])).await;
    server.client.delete_workspace("ws_1").await.unwrap();
    let server = Standin::start(|_| json(404, r#"{"detail":"no such workspace"}"#)).await;
    assert_eq!(server.client.delete_workspace("ws_1").await.unwrap_err().status(), Some(404));
}

fn cut_early() -> Response<Body> {
    json(502, "")
}

#[tokio::test]
async fn every_call_goes_where_the_contract_says() {
    let hits = Arc::new(AtomicUsize::new(0));
    let count = hits.clone();
    let server = Standin::start(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        json(200, r#"{"success":true}"#)
    })
    .await;
    let client = &server.client;
    client.cancel_task("t").await.unwrap();
    client.pause_task("t").await.unwrap();
    client.resume_task("t").await.unwrap();
    client.guide_task("t", "left").await.unwrap();
    client.pause_agent("a").await.unwrap();
    client.resume_agent("a").await.unwrap();
    client.cancel_agent("a").await.unwrap();
    client.guide_agent("a", "right").await.unwrap();
    let no = DecideApproval { approved: false, reason: Some("why".into()), input: None };
    client.approve("a", "p", &no).await.unwrap();
    client.delete_file("w", "dir/a b.txt").await.unwrap();
    client.revoke_share("s").await.unwrap();
    client.revoke_api_key("k").await.unwrap();
    let key = CreateApiKey { name: "n".into(), scopes: vec!["*".into()], ..CreateApiKey::default() };
    assert!(client.create_api_key(&key).await.is_err());
    assert!(client.list_api_keys().await.is_err());
    let days = ListUsage { from: Some("2026-11-01".into()), ..ListUsage::default() };
    assert!(client.usage(&days).await.is_err());
    let query = ListTasks { status: Some("running".into()), limit: Some(5), ..ListTasks::default() };
    assert!(client.list_tasks(&query).await.is_err(), "the stand-in has no list to give");
    let change = UpdateTask::default();
    assert!(client.update_task("t", &change).await.is_err());
    let lines: Vec<String> = server
        .seen()
        .iter()
        .map(|request| {
            format!("{} {} {}", request.method, request.uri, String::from_utf8_lossy(&request.body))
                .trim()
                .to_owned()
        })
        .collect();
    assert_eq!(
        lines,
        [
            "POST /v1/tasks/t/cancel {}",
            "POST /v1/tasks/t/pause {}",
            "POST /v1/tasks/t/resume {}",
            r#"POST /v1/tasks/t/guide {"message":"left"}"#,
            "POST /v1/agents/a/pause {}",
            "POST /v1/agents/a/resume {}",
            "POST /v1/agents/a/cancel {}",
            r#"POST /v1/agents/a/guide {"message":"right"}"#,
            r#"POST /v1/agents/a/approve/p {"approved":false,"reason":"why"}"#,
            "DELETE /v1/workspaces/w/files/dir/a%20b.txt",
            "DELETE /v1/shares/s",
            "DELETE /v1/api-keys/k",
            r#"POST /v1/api-keys {"name":"n","environment":"","scopes":["*"],"tier":""}"#,
            "GET /v1/api-keys",
            "GET /v1/usage?from=2026-11-01",
            "GET /v1/tasks?limit=5&status=running",
            r#"PATCH /v1/tasks/t {"config":{}}"#,
        ]
    );
    assert!(
        server.seen().iter().all(|r| (r.method == Method::POST) == r.header("idempotency-key").is_some())
    );
    assert_eq!(hits.load(Ordering::SeqCst), lines.len());
}
