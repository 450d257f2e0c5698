//! Bad input gets the contract's answer and changes nothing.

use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::standin::Script;

async fn raw(server: &TestServer, path: &str, body: &str) -> (u16, String) {
    let url = format!("{}/v1{path}", server.url);
    let response = server.http.post(url).bearer_auth(&server.key).body(body.to_owned()).send().await.unwrap();
    let status = response.status().as_u16();
    let value: Value = response.json().await.unwrap();
    assert_eq!(value.as_object().unwrap().len(), 1, "detail and nothing else: {value}");
    (status, value["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn tasks_that_cannot_be_made_are_not_made() {
    let server = TestServer::start(Script::default()).await;
    let long = "x".repeat(100_001);
    let huge = format!("{{\"prompt\": \"{}\"}}", "x".repeat(1024 * 1024));
    let cases: Vec<(String, u16, &str)> = vec![
        ("{".into(), 400, "body is not as expected"),
        (String::new(), 400, "empty"),
        ("[]".into(), 400, "not as expected"),
        ("{}".into(), 400, "prompt"),
        ("{\"prompt\": 5}".into(), 400, "string"),
        (
            "{\"prompt\": \"x\", \"config\": {\"max_agents\": \"three\"}}".into(),
            400,
            "expected a JSON number",
        ),
        ("{\"prompt\": \"x\", \"config\": {\"max_agents\": 1.5}}".into(), 400, "1.5 is no whole number"),
        ("{\"prompt\": \"\"}".into(), 422, "empty"),
        ("{\"prompt\": \"  \\n \"}".into(), 422, "empty"),
        (json!({ "prompt": long }).to_string(), 422, "100001"),
        (huge, 413, "larger"),
        (json!({"prompt": "x", "config": {"max_agents": 0}}).to_string(), 422, "max_agents"),
        (json!({"prompt": "x", "config": {"max_agents": 21}}).to_string(), 422, "1 to 20"),
        (json!({"prompt": "x", "config": {"autonomy_level": 101}}).to_string(), 422, "autonomy_level"),
        (json!({"prompt": "x", "config": {"autonomy_level": -1}}).to_string(), 422, "0 to 100"),
        (json!({"prompt": "x", "config": {"budget_cents": -5}}).to_string(), 422, "budget_cents"),
        (json!({"prompt": "x", "config": {"deploy_target": "moon"}}).to_string(), 422, "vercel"),
        (json!({"prompt": "x", "config": {"auto_deploy": true}}).to_string(), 422, "deploy_target"),
        (json!({"prompt": "x", "config": {"model": "nonsense"}}).to_string(), 422, "config.model"),
        (json!({"prompt": "x", "config": {"model": "anthropic/x"}}).to_string(), 422, "ANTHROPIC_API_KEY"),
        (json!({"prompt": "x", "config": {"skill_id": "skl_1"}}).to_string(), 422, "skill"),
        (
            json!({"prompt": "x", "workspace_id": "ws_01jd3k7x8m9p2q4r6s8t0v2w4y"}).to_string(),
            422,
            "no workspace",
        ),
        (json!({"prompt": "x", "workspace_id": "../etc"}).to_string(), 422, "no workspace"),
    ];
    for (body, status, word) in cases {
        let shown: String = body.chars().take(80).collect();
        let (got, detail) = raw(&server, "/tasks", &body).await;
        assert_eq!(got, status, "{shown}: {detail}");
        assert!(detail.contains(word), "{shown}: {detail}");
    }
    assert_eq!(server.get("/tasks").await["total"], 0);
    let (status, _) =
        raw_ok(&server, "{\"prompt\": \"x\", \"unknown\": [1], \"config\": {\"new\": 1}}").await;
    assert_eq!(status, 201, "unknown fields are ignored");
    let (status, task) = raw_ok(&server, "{\"prompt\": \"x\", \"config\": {\"max_agents\": 4.0}}").await;
    assert_eq!(
        (status, &task["config"]["max_agents"]),
        (201, &json!(4)),
        "a whole number is one however it is written"
    );
}

async fn raw_ok(server: &TestServer, body: &str) -> (u16, Value) {
    server.call("POST", "/tasks", Some(serde_json::from_str(body).unwrap())).await
}

#[tokio::test]
async fn unknown_and_foreign_ids_are_not_found() {
    let server = TestServer::start(Script::default()).await;
    let made = server.call("POST", "/tasks", Some(json!({"prompt": "x"}))).await.1;
    let task = made["id"].as_str().unwrap().to_owned();
    let missing = "01jd3k7x8m9p2q4r6s8t0v2w4y";
    let foreign = &server.test_key;
    for path in [
        format!("/tasks/{task}"),
        format!("/tasks/{task}/events"),
        format!("/tasks/{task}/deliverables"),
        format!("/tasks/{task}/deliverables/dlvr_{missing}/download"),
        format!("/workspaces/{}", made["workspace_id"].as_str().unwrap()),
        format!("/workspaces/{}/files", made["workspace_id"].as_str().unwrap()),
        format!("/agents?task_id={task}"),
    ] {
        let (status, body) = server.call_as(foreign, "GET", &path, None).await;
        assert_eq!(status, 404, "{path}: {body}");
    }
    for verb in ["cancel", "pause", "resume"] {
        assert_eq!(server.call_as(foreign, "POST", &format!("/tasks/{task}/{verb}"), None).await.0, 404);
    }
    for id in [
        format!("task_{missing}"),
        "task_x".into(),
        "ws_1".into(),
        "..".into(),
        "%2e%2e%2f".into(),
        task.to_uppercase(),
    ] {
        let (status, body) = server.call("GET", &format!("/tasks/{id}"), None).await;
        assert_eq!(status, 404, "{id}: {body}");
        assert!(body["detail"].is_string());
    }
    assert_eq!(server.call("GET", &format!("/agents/agnt_{missing}"), None).await.0, 404);
    assert_eq!(server.call("POST", &format!("/agents/agnt_{missing}/pause"), None).await.0, 404);
    assert_eq!(server.call("GET", "/nothing", None).await.0, 404);
    assert_eq!(server.call("DELETE", "/tasks", None).await.0, 405);
}

#[tokio::test]
async fn limits_are_checked() {
    let server = TestServer::start(Script::default()).await;
    let task = server.create("x", json!({})).await;
    for (query, status) in [
        ("limit=0", 422),
        ("limit=101", 422),
        ("limit=abc", 400),
        ("limit=1.5", 400),
        ("offset=-1", 422),
        ("limit=99999999999999999999", 422),
        ("offset=-99999999999999999999", 422),
        ("limit=", 400),
        ("offset=x", 400),
        ("status=sleeping", 422),
        ("workspace_id=nope", 422),
        ("status=completed", 200),
        ("unknown=1&limit=5", 200),
    ] {
        let (got, body) = server.call("GET", &format!("/tasks?{query}"), None).await;
        assert_eq!(got, status, "{query}: {body}");
    }
    for (query, status) in
        [("after=-1", 422), ("after=100000", 422), ("after=x", 400), ("limit=1001", 422), ("limit=0", 422)]
    {
        let (got, body) = server.call("GET", &format!("/tasks/{task}/events?{query}"), None).await;
        assert_eq!(got, status, "{query}: {body}");
    }
    let (status, _) = server.call("POST", &format!("/tasks/{task}/guide"), Some(json!({"words": "x"}))).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn without_a_valid_key_there_is_nothing() {
    let server = TestServer::start(Script::default()).await;
    for path in [
        "/tasks",
        "/tasks/completed",
        "/events",
        "/agents",
        "/approvals",
        "/workspaces",
        "/tasks/task_1",
        "/tasks/x/deliverables/y/download",
    ] {
        let url = format!("{}/v1{path}", server.url);
        let bare = server.http.get(&url).send().await.unwrap();
        assert_eq!(bare.status(), 401, "{path}");
        for value in
            ["Bearer wrong", "Bearer mt_live_0000", "Basic abc", "Bearer", &format!("Bearer {}x", server.key)]
        {
            let sent = server.http.get(&url).header("authorization", value).send().await.unwrap();
            assert_eq!(sent.status(), 401, "{path} {value}");
        }
        let in_query = server.http.get(format!("{url}?token={}", server.key)).send().await.unwrap();
        assert_eq!(in_query.status(), 401, "never in the query");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.http.get(format!("{}/v1{path}", server.url)).send().await.unwrap().status(), 200);
    }
}
