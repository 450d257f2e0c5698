//! What holds for every path: JSON errors, `Allow`, `HEAD`, `OPTIONS`, times.

use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::standin::Script;

async fn send(server: &TestServer, method: &str, path: &str) -> reqwest::Response {
    let method = method.parse().unwrap();
    let request = server.http.request(method, format!("{}{path}", server.url)).bearer_auth(&server.key);
    request.send().await.unwrap()
}

#[tokio::test]
async fn what_does_not_exist_is_told_in_json() {
    let server = TestServer::start(Script::default()).await;
    for (method, path, status, allow) in [
        ("GET", "/", 404, ""),
        ("GET", "/v1", 404, ""),
        ("GET", "/v1/nothing", 404, ""),
        ("GET", "/v1/tasks/", 404, ""),
        ("POST", "/v2/tasks", 404, ""),
        ("DELETE", "/v1/tasks", 405, "GET,HEAD,POST"),
        ("PUT", "/v1/tasks/task_1", 405, "GET,HEAD,PATCH"),
        ("GET", "/v1/tasks/task_1/cancel", 405, "POST"),
        ("BREW", "/v1/healthz", 405, "GET,HEAD"),
    ] {
        let response = send(&server, method, path).await;
        assert_eq!(response.status(), status, "{method} {path}");
        assert!(response.headers().contains_key("request-id"));
        assert_eq!(response.headers()["content-type"], "application/json", "{method} {path}");
        let mut allowed: Vec<String> = response
            .headers()
            .get_all("allow")
            .iter()
            .flat_map(|value| value.to_str().unwrap().split(',').map(|word| word.trim().to_owned()))
            .collect();
        allowed.sort();
        assert_eq!(allowed.join(","), allow, "{method} {path}");
        let body: Value = response.json().await.unwrap();
        assert!(body["detail"].is_string() && body.as_object().unwrap().len() == 1, "{body}");
    }
    let options = send(&server, "OPTIONS", "/v1/tasks").await;
    assert_eq!(options.status(), 204);
    assert!(options.headers().contains_key("allow"));
    let head = send(&server, "HEAD", "/v1/tasks").await;
    assert_eq!(head.status(), 200);
    assert!(head.headers().contains_key("x-ratelimit-limit"));
    assert!(head.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn bodies_that_are_too_large_or_packed_are_refused_in_json() {
    let server = TestServer::start(Script::default()).await;
    let task = server.create("x", json!({})).await;
    for path in ["/v1/tasks".to_owned(), format!("/v1/tasks/{task}/pause")] {
        let post = || server.http.post(format!("{}{path}", server.url)).bearer_auth(&server.key);
        let large = post().body(vec![b' '; 1024 * 1024 + 1]).send().await.unwrap();
        assert_eq!(large.status(), 413, "{path}");
        assert!(large.json::<Value>().await.unwrap()["detail"].as_str().unwrap().contains("1048576"));
        let packed = post().header("content-encoding", "gzip").body("x").send().await.unwrap();
        assert_eq!(packed.status(), 400, "{path}");
        assert!(packed.json::<Value>().await.unwrap()["detail"].is_string());
    }
}

#[tokio::test]
async fn times_are_rfc_3339_in_utc() {
    let server = TestServer::start(Script::default()).await;
    let task = server.get(&format!("/tasks/{}", server.create("x", json!({})).await)).await;
    let key = server.get("/api-keys").await[0].clone();
    let workspace = server.get("/workspaces").await[0].clone();
    for object in [task, key, workspace] {
        let text = object["created_at"].as_str().unwrap();
        assert!(text.ends_with('Z') && text.parse::<miteos_core::time::Timestamp>().is_ok(), "{text}");
        assert_eq!(text.len(), "2026-11-22T10:00:00.000Z".len());
    }
}
