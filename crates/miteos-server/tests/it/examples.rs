//! The examples that the product was asked for in, sent with curl as they are written there, but for host, key and ids.
//! What comes back has the documented shape. Where an example disagrees with the contract, the contract decides, and
//! the place says so. What is not built yet stands in a list that can only become shorter.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer};
use crate::standin::Script;

/// Operations that examples speak of and that are not there yet. One that arrives fails the test below: its example is
/// then added to this file, and its line goes.
const NOT_YET: [&str; 3] = ["POST /skills/compile", "POST /skills", "GET /skills"];

#[test]
fn what_is_not_there_yet_is_still_not_there() {
    let there: Vec<String> =
        miteos_server::operations().iter().map(|one| format!("{} {}", one.method, one.path)).collect();
    for operation in NOT_YET {
        assert!(
            !there.iter().any(|one| one == operation),
            "{operation} is there: send its example in this file, and take it off the list"
        );
    }
}

const CREATE: &str = r#"curl -X POST https://api.miteos.com/v1/tasks \
  -H "Authorization: Bearer mt_live_xxxxxxxxxxxx" \
  -H "Content-Type: application/json" \
  -d '{
    "prompt": "Research the top 5 open-source vector databases and produce a comparison report as a Markdown file.",
    "config": {
      "max_agents": 3,
      "autonomy_level": 70,
      "auto_deploy": false
    }
  }'"#;
const CREATED: &str = r#"{
  "id": "task_01hwxyz4k8p3mq9rbn2csved",
  "status": "pending",
  "prompt": "Research the top 5 open-source vector databases and produce a comparison report as a Markdown file.",
  "config": {"max_agents": 3, "autonomy_level": 70, "auto_deploy": false, "deploy_target": null},
  "created_at": "2025-01-15T10:23:44Z"
}"#;

const LIST: &str = r#"curl "https://api.miteos.com/v1/tasks?status=running&limit=20&offset=0" \
  -H "Authorization: Bearer mt_live_xxxxxxxxxxxx""#;
const LISTED: &str = r#"{
  "tasks": [
    {
      "id": "task_01hwxyz4k8p3mq9rbn2csved",
      "status": "running",
      "prompt": "Research the top 5 open-source vector databases...",
      "created_at": "2025-01-15T10:23:44Z"
    }
  ],
  "total": 2,
  "limit": 20,
  "offset": 0
}"#;

const GET: &str = r#"curl "https://api.miteos.com/v1/tasks/task_01hwxyz4k8p3mq9rbn2csved" \
  -H "Authorization: Bearer mt_live_xxxxxxxxxxxx""#;
const GOT: &str = r#"{
  "id": "task_01hwxyz4k8p3mq9rbn2csved",
  "status": "running",
  "prompt": "Research the top 5 open-source vector databases and produce a comparison report as a Markdown file.",
  "config": {"max_agents": 3, "autonomy_level": 70, "auto_deploy": false, "deploy_target": null},
  "agents": [
    {
      "id": "agnt_01hwxyz9r4m7nk2tsd6pvqcb",
      "type": "researcher",
      "status": "acting",
      "current_tool": null,
      "progress": 45
    }
  ],
  "cost": 0.042,
  "deliverables_count": 0,
  "created_at": "2025-01-15T10:23:44Z"
}"#;
/// The same call as another page shows its answer. Its ids have other prefixes; the contract's are those of the first.
const GOT_WITH_SUBTASKS: &str = r#"{
  "id": "task_abc123",
  "prompt": "Research competitor pricing...",
  "status": "running",
  "total_tokens_used": 4521,
  "total_cost_cents": 2,
  "created_at": "2026-06-20T10:00:00Z",
  "subtasks": [{"id": "st_1", "agent_type": "researcher", "status": "complete"}]
}"#;

const CANCEL: &str = r#"curl -X POST "https://api.miteos.com/v1/tasks/task_01hwxyz4k8p3mq9rbn2csved/cancel" \
  -H "Authorization: Bearer mt_live_xxxxxxxxxxxx""#;

const DELIVERABLES: &str = r#"curl "https://api.miteos.com/v1/tasks/task_01hwxyz4k8p3mq9rbn2csved/deliverables" \
  -H "Authorization: Bearer mt_live_xxxxxxxxxxxx""#;
const DELIVERED: &str = r#"[
  {
    "id": "dlvr_01hwxyzb2c9pk5rt8nv7gmwxq",
    "name": "vector-database-comparison.md",
    "type": "text/markdown",
    "size_bytes": 14823,
    "download_url": "https://cdn.miteos.com/deliverables/dlvr_01hwxyzb2c9pk5rt8nv7gmwxq?sig=...",
    "created_at": "2025-01-15T10:47:11Z"
  }
]"#;

const DOWNLOAD: &str = r#"curl -OJ "https://api.miteos.com/v1/tasks/task_01hwxyz4k8p3mq9rbn2csved/deliverables/dlvr_01hwxyzb2c9pk5rt8nv7gmwxq/download" \
  -H "Authorization: Bearer mt_live_xxxxxxxxxxxx""#;

/// Calls of agents: path below the agent, body. The pages name bodies by their fields and show none.
const OF_AGENTS: [(&str, Option<&str>); 5] = [
    ("pause", None),
    ("guide", Some(r#"{"message": "Only open-source ones"}"#)),
    ("guide", Some(r#"{"instructions": "Narrow it to five"}"#)),
    ("resume", None),
    ("cancel", None),
];

/// The server and one folder that commands run in.
struct Desk {
    server: TestServer,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        let mut server = TestServer::start(Script::default()).await;
        // A test key does what is written for a live one, without a model that costs.
        server.key = server.test_key.clone();
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    /// A command of a page, with this host, key and ids; gives what curl printed.
    async fn send(&self, command: &str, ids: &[(&str, &str)]) -> String {
        let mut command = command
            .replace("https://api.miteos.com", &self.server.url)
            .replace("mt_live_xxxxxxxxxxxx", &self.server.key)
            .replace("curl ", "curl -sS --noproxy '*' ");
        for (written, real) in ids {
            command = command.replace(written, real);
        }
        shell(&command, self.folder.path()).await
    }

    async fn json(&self, command: &str, ids: &[(&str, &str)]) -> Value {
        let text = self.send(command, ids).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{command}: {error}: {text}"))
    }

    /// With the task's id in place of the written one.
    async fn of_task(&self, command: &str, task: &str) -> Value {
        self.json(command, &[("task_01hwxyz4k8p3mq9rbn2csved", task)]).await
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the examples are commands, and curl is what they are written for"
)]
async fn shell(command: &str, folder: &Path) -> String {
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, shell.output()).await.unwrap().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {} {err}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Every field of the example is there with the same type, ids with the same prefix, times as times.
fn has_shape(answer: &Value, example: &str) {
    let example: Value = serde_json::from_str(example).unwrap();
    compare(answer, &example, "");
}

fn compare(answer: &Value, example: &Value, place: &str) {
    match (answer, example) {
        (Value::Object(answer), Value::Object(example)) => {
            for (name, inner) in example {
                let here = format!("{place}.{name}");
                let found = answer.get(name).unwrap_or_else(|| panic!("{here} is missing: {answer:#?}"));
                compare(found, inner, &here);
            }
        }
        (Value::Array(answer), Value::Array(example)) => {
            assert!(!answer.is_empty(), "{place} is empty");
            answer.iter().for_each(|one| compare(one, &example[0], place));
        }
        (Value::String(answer), Value::String(example)) => {
            if let Some((prefix, _)) = example.split_once('_').filter(|_| place.ends_with("id")) {
                assert!(answer.starts_with(&format!("{prefix}_")), "{place}: {answer}");
            }
            if place.ends_with("_at") {
                assert!(answer.ends_with('Z') && answer.as_bytes()[10] == b'T', "{place}: {answer}");
            }
            if place.ends_with("_url") {
                assert!(answer.starts_with("http"), "{place}: {answer}");
            }
        }
        // What may be absent is null in one of the two.
        (_, Value::Null) => {}
        (Value::Number(_), Value::Number(_)) | (Value::Bool(_), Value::Bool(_)) => {}
        _ => panic!("{place}: {answer} is not as {example}"),
    }
}

#[tokio::test]
async fn a_task_is_made_listed_read_and_its_files_are_fetched() {
    let desk = Desk::new().await;
    let created = desk.json(CREATE, &[]).await;
    has_shape(&created, CREATED);
    assert_eq!(created["status"], "pending");
    assert_eq!(created["config"]["autonomy_level"], 70);
    assert_eq!(created["prompt"], serde_json::from_str::<Value>(CREATED).unwrap()["prompt"]);
    let task = created["id"].as_str().unwrap();
    assert_eq!(desk.server.ended(task).await["status"], "complete");
    let got = desk.of_task(GET, task).await;
    has_shape(&got, GOT);
    has_shape(&got, GOT_WITH_SUBTASKS);
    let files = desk.of_task(DELIVERABLES, task).await;
    has_shape(&files, DELIVERED);
    let file = files[0]["id"].as_str().unwrap();
    let ids = [("task_01hwxyz4k8p3mq9rbn2csved", task), ("dlvr_01hwxyzb2c9pk5rt8nv7gmwxq", file)];
    assert_eq!(desk.send(DOWNLOAD, &ids).await, "", "it goes into a file");
    let written = std::fs::read_dir(desk.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let written: Vec<_> = written.collect();
    assert_eq!(written.len(), 1, "{written:?}");
    assert_eq!(written[0].metadata().unwrap().len(), files[0]["size_bytes"].as_u64().unwrap());
    // The link alone, without a key, as the page says.
    let link = format!("curl '{}'", files[0]["download_url"].as_str().unwrap());
    assert_eq!(desk.send(&link, &[]).await.into_bytes(), std::fs::read(&written[0]).unwrap());
    let share = "curl -X POST 'https://api.miteos.com/v1/tasks/task_01hwxyz4k8p3mq9rbn2csved/deliverables/\
        dlvr_01hwxyzb2c9pk5rt8nv7gmwxq/share' -H 'Authorization: Bearer mt_live_xxxxxxxxxxxx'";
    let shared = desk.json(share, &ids).await;
    let link = format!("curl '{}'", shared["url"].as_str().unwrap());
    assert_eq!(desk.send(&link, &[]).await.into_bytes(), std::fs::read(&written[0]).unwrap());
    let completed =
        r#"curl "https://api.miteos.com/v1/tasks/completed" -H "Authorization: Bearer mt_live_xxxxxxxxxxxx""#;
    let completed = desk.json(completed, &[]).await;
    has_shape(&completed, LISTED);
    assert!(completed["tasks"][0]["tools"].is_array() && completed["tasks"][0]["action_count"].is_u64());
}

#[tokio::test]
async fn a_running_task_is_listed_and_cancelled() {
    let desk = Desk::new().await;
    let task = desk.server.create("Build it [test:slow=60s]", json!({})).await;
    desk.server.until(&task, |shown| shown["status"] == "running").await;
    let listed = desk.json(LIST, &[]).await;
    has_shape(&listed, LISTED);
    assert_eq!((&listed["total"], &listed["tasks"][0]["id"]), (&json!(1), &json!(task)));
    has_shape(&desk.of_task(GET, &task).await, GOT);
    let cancelled = desk.of_task(CANCEL, &task).await;
    assert_eq!(cancelled, json!({"success": true}));
    assert_eq!(desk.of_task(GET, &task).await["status"], "cancelled");
    // Without the filter, as the page on tasks has it.
    let all = LIST.replace("?status=running&", "?");
    assert_eq!(desk.json(&all, &[]).await["tasks"][0]["status"], "cancelled");
}

#[tokio::test]
async fn a_task_is_made_with_a_workspace() {
    let desk = Desk::new().await;
    let create = r#"curl -X POST https://api.miteos.com/v1/tasks -H "Authorization: Bearer mt_live_xxxxxxxxxxxx" \
      -H "Content-Type: application/json" -d '{
  "prompt": "Research the top 5 SaaS competitors to Notion and create a feature comparison spreadsheet",
  "workspace_id": "optional-workspace-id"
}'"#;
    // The contract: a workspace that is not there is refused, and this name is no id.
    let refused = desk.json(create, &[]).await;
    assert!(refused["detail"].as_str().unwrap().contains("workspace"), "{refused}");
    let made = desk.server.expect(201, "POST", "/workspaces", Some(json!({"name": "one"}))).await;
    let id = made["id"].as_str().unwrap();
    let created = desk.json(create, &[("optional-workspace-id", id)]).await;
    has_shape(&created, CREATED);
    assert_eq!(created["workspace_id"], id);
    desk.server.ended(created["id"].as_str().unwrap()).await;
}

#[tokio::test]
async fn agents_are_steered_and_approvals_are_answered() {
    let desk = Desk::new().await;
    let call = |path: &str, body: Option<&str>| {
        let body =
            body.map(|body| format!("-H 'Content-Type: application/json' -d '{body}'")).unwrap_or_default();
        format!(
            "curl -X POST 'https://api.miteos.com/v1/agents/{path}' -H 'Authorization: Bearer mt_live_xxxxxxxxxxxx' {body}"
        )
    };
    let task = desk.server.create("Build it [test:slow=60s]", json!({})).await;
    let shown = desk.server.until(&task, |shown| shown["agents"][0]["status"] == "thinking").await;
    let agent = shown["agents"][0]["id"].as_str().unwrap();
    for (verb, body) in OF_AGENTS {
        let answer = desk.json(&call(&format!("{agent}/{verb}"), body), &[]).await;
        assert_eq!(answer, json!({"success": true}), "{verb}");
    }
    for answer in [r#"{"approved": true}"#, r#"{"approved": false, "reason": "not today"}"#] {
        let task = desk.server.create("Send it [test:approval]", json!({"autonomy_level": 10})).await;
        let approval = desk.server.asked(&task).await;
        // As the page on agents says, the one who waits says so.
        let shown = desk.of_task(GET, &task).await;
        assert_eq!(shown["agents"][0]["status"], "waiting");
        let path = format!(
            "{}/approve/{}",
            approval["agent_id"].as_str().unwrap(),
            approval["id"].as_str().unwrap()
        );
        assert_eq!(desk.json(&call(&path, Some(answer)), &[]).await, json!({"success": true}));
        desk.server.expect(200, "POST", &format!("/tasks/{task}/cancel"), None).await;
    }
}

#[tokio::test]
async fn errors_are_one_detail_and_every_answer_shows_the_rate() {
    let desk = Desk::new().await;
    let (none, _) = desk.server.make_key("test", "pro", &["usage.read"]).await;
    let cases: [(&str, &str, &str, &str); 5] = [
        ("400", "POST /tasks", &desk.server.key, "{"),
        ("401", "GET /tasks", "mt_test_nobody", ""),
        ("403", "GET /tasks", &none, ""),
        ("404", "GET /tasks/task_01arz3ndektsv4rrffq69g5fav", &desk.server.key, ""),
        ("422", "POST /tasks", &desk.server.key, r#"{"prompt": ""}"#),
    ];
    for (status, call, key, body) in cases {
        let (method, path) = call.split_once(' ').unwrap();
        let body = if body.is_empty() {
            String::new()
        } else {
            format!("-H 'Content-Type: application/json' -d '{body}'")
        };
        let command = format!(
            "curl -i -X {method} 'https://api.miteos.com/v1{path}' -H 'Authorization: Bearer {key}' {body}"
        );
        let answer = desk.send(&command, &[]).await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{call}: {head}");
        let head = head.to_lowercase();
        assert!(head.contains("content-type: application/json"), "{head}");
        let shown = ["x-ratelimit-limit: ", "x-ratelimit-remaining: "];
        // Who has no key has no limit to be shown.
        assert!(status == "401" || shown.iter().all(|name| head.contains(name)), "{call}: {head}");
        let fields: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["detail"], "{call}: {text}");
        assert!(fields["detail"].is_string());
    }
}

const DEPLOY: &str = r#"curl --request POST \
  --url https://api.miteos.com/v1/deployments \
  --header 'Authorization: Bearer mt_live_xxxxxxxxxxxx' \
  --header 'Content-Type: application/json' \
  --data '{
    "workspace_id": "ws_01hx4k2m8n",
    "target": "vercel",
    "config_id": "cfg_9v3pqr7t"
  }'"#;
const DEPLOYED: &str = r#"{
  "id": "dep_7z9wq1lc",
  "workspace_id": "ws_01hx4k2m8n",
  "target": "vercel",
  "status": "live",
  "url": "https://my-agent-app.vercel.app",
  "created_at": "2024-11-14T10:22:05Z",
  "completed_at": "2024-11-14T10:24:38Z"
}"#;
const DEPLOYMENTS: &str = r#"curl --request GET \
  --url https://api.miteos.com/v1/deployments \
  --header 'Authorization: Bearer mt_live_xxxxxxxxxxxx'"#;

#[tokio::test]
async fn a_workspace_is_deployed() {
    let desk = Desk::new().await;
    let server = &desk.server;
    let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": "one"}))).await;
    let config = json!({"name": "ours", "target": "vercel", "credentials": {"token": "0123456789"}});
    let config = server.expect(201, "POST", "/deploy-configs", Some(config)).await;
    let ids =
        [("ws_01hx4k2m8n", made["id"].as_str().unwrap()), ("cfg_9v3pqr7t", config["id"].as_str().unwrap())];
    let created = desk.json(DEPLOY, &ids).await;
    assert_eq!((&created["status"], &created["url"]), (&json!("pending"), &Value::Null));
    let id = created["id"].as_str().unwrap();
    crate::deployments::ended(server, id).await;
    let read = DEPLOYMENTS.replace("/deployments", &format!("/deployments/{id}"));
    let live = desk.json(&read, &[]).await;
    has_shape(&live, DEPLOYED);
    assert_eq!(live["status"], "live");
    assert_eq!(desk.json(DEPLOYMENTS, &[]).await, json!({"data": [live], "has_more": false}));
    let log = read.replace(id, &format!("{id}/logs"));
    assert!(desk.send(&log, &[]).await.contains("this is a test"));
    let refused = read.replace("GET", "POST").replace(id, &format!("{id}/cancel"));
    assert!(desk.json(&refused, &[]).await["detail"].as_str().unwrap().contains("is live"));
}
