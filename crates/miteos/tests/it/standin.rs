//! A server of one task, which goes through a short life: planned, one agent, one approval, one file.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use futures::StreamExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

mod deployments;
mod public;
mod webhooks;

pub const KEY: &str = "mt_test_standin";
pub const FILE: &[u8] = b"name,price\nnotion,10\n";

/// How the one task goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    Complete,
    Fail,
    /// Asks for something of this risk, and goes on with the answer.
    Ask(&'static str),
    /// Works until it is cancelled.
    Endless,
    /// As `Endless`, and no steering call is ever answered.
    Deaf,
    /// As `Endless`, and every steering call but `cancel` is refused.
    Unwilling,
    /// As `Complete`, with a file that never arrives.
    StuckFile,
}

/// One request: method, path with query, body.
pub type Seen = (Method, String, String);

struct Shared {
    story: Story,
    log: Vec<Value>,
    rest: VecDeque<Value>,
    status: &'static str,
    seen: Vec<Seen>,
    changed: tokio::sync::watch::Sender<u64>,
}

#[derive(Clone)]
struct App(Arc<Mutex<Shared>>);

pub struct Standin {
    pub address: SocketAddr,
    app: App,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Standin {
    pub async fn start(story: Story) -> Self {
        let shared = Shared {
            story,
            log: Vec::new(),
            rest: VecDeque::new(),
            status: "pending",
            seen: Vec::new(),
            changed: tokio::sync::watch::Sender::new(0),
        };
        let app = App(Arc::new(Mutex::new(shared)));
        let router = axum::Router::new().fallback(answer).with_state(app.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, app, server }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.app.0.lock().unwrap().seen.clone()
    }

    /// The bodies that were posted to a path.
    pub fn posted(&self, path: &str) -> Vec<Value> {
        let posts = self.seen().into_iter().filter(|(method, uri, _)| *method == Method::POST && uri == path);
        posts.map(|(_, _, body)| serde_json::from_str(&body).unwrap_or(Value::Null)).collect()
    }

    pub async fn wait_for(&self, path: &str) {
        let waiting = async {
            while !self.seen().iter().any(|(_, uri, _)| uri.starts_with(path)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    }
}

impl Shared {
    fn event(&mut self, kind: &str, agent: Option<&str>, data: Value) {
        let seq = self.log.len() + 1;
        self.log.push(json!({
            "id": format!("evt_{seq}"), "seq": seq, "type": kind, "task_id": "task_1", "agent_id": agent,
            "created_at": format!("2026-11-22T10:00:{seq:02}Z"), "data": data
        }));
        if let Some(status) = data_status(&self.log[seq - 1]) {
            self.status = status;
        }
        self.changed.send_modify(|n| *n += 1);
    }

    fn begin(&mut self, prompt: &str) {
        let subtask = json!({"id": "st_1", "agent_type": "analyst", "title": "Look at the prices", "prompt": "p", "status": "pending", "depends_on": []});
        self.event("task.created", None, json!({"status": "pending", "prompt": prompt}));
        self.event("task.planned", None, json!({"status": "running", "subtasks": [subtask]}));
        self.event("agent.started", Some("agnt_1"), json!({"subtask_id": "st_1", "type": "analyst"}));
        self.event(
            "agent.thinking",
            Some("agnt_1"),
            json!({"text": "Let me see", "usage": {"input": 900, "output": 100}, "cost": 0.004}),
        );
        self.event("agent.action", Some("agnt_1"), json!({"call_id": "c1", "tool": "web_search", "input": {"query": "prices\u{1b}[2J"}, "risk": "low"}));
        self.event(
            "agent.result",
            Some("agnt_1"),
            json!({"call_id": "c1", "tool": "web_search", "ok": true, "output": "x", "duration_ms": 20}),
        );
        match self.story {
            Story::Complete | Story::StuckFile => self.end_well("10 dollars"),
            Story::Fail => {
                self.event("task.failed", None, json!({"status": "failed", "error": "budget exhausted"}));
            }
            Story::Ask(risk) => {
                let mut asked = approval(risk);
                self.event("approval.required", Some("agnt_1"), asked.clone());
                asked["status"] = json!("approved");
                self.rest.push_back(asked);
            }
            Story::Endless | Story::Deaf | Story::Unwilling => {}
        }
    }

    fn end_well(&mut self, result: &str) {
        self.event("deliverable.created", Some("agnt_1"), json!({"id": "dlvr_1", "name": "../../prices.csv", "type": "text/csv", "size_bytes": FILE.len(), "created_at": "2026-11-22T10:00:00Z"}));
        self.event("agent.complete", Some("agnt_1"), json!({"result": result}));
        self.event("task.complete", None, json!({"status": "complete", "result": result}));
    }

    fn task(&self) -> Value {
        let last = self.log.last().map(|event| event["data"].clone()).unwrap_or_default();
        json!({
            "id": "task_1", "status": self.status, "prompt": "the prompt", "workspace_id": "ws_1",
            "config": {"max_agents": 3, "autonomy_level": 50, "auto_deploy": false, "deploy_target": null},
            "agents": [], "subtasks": [], "approvals": [], "result": last["result"], "error": last["error"],
            "skill_id": null, "cost": 0.004, "total_cost_cents": 1, "total_tokens_used": 1000,
            "deliverables_count": 1, "created_at": "2026-11-22T10:00:00Z", "started_at": "2026-11-22T10:00:00Z",
            "completed_at": if matches!(self.status, "complete" | "failed" | "cancelled") { json!("2026-11-22T10:01:12Z") } else { json!(null) }
        })
    }

    fn decided(&mut self, decision: &Value) -> Value {
        if let Some(mut asked) = self.rest.pop_front() {
            let approved = decision["approved"] == true;
            asked["status"] = json!(if approved { "approved" } else { "rejected" });
            self.event("approval.resolved", Some("agnt_1"), asked);
            self.end_well(if approved { "sent" } else { "not sent" });
        }
        json!({"success": true})
    }

    fn cancelled(&mut self) -> Value {
        if self.status != "cancelled" {
            self.event("task.cancelled", None, json!({"status": "cancelled"}));
        }
        json!({"success": true})
    }
}

fn data_status(event: &Value) -> Option<&'static str> {
    ["pending", "running", "complete", "failed", "cancelled"].into_iter().find(|word| {
        event["type"].as_str().is_some_and(|kind| kind.starts_with("task."))
            && event["data"]["status"] == *word
    })
}

fn approval(risk: &str) -> Value {
    json!({
        "id": "appr_1", "task_id": "task_1", "agent_id": "agnt_1", "tool": "send_email",
        "input": {"to": ["a@example.org"]}, "risk": risk, "summary": "Send an e-mail to 1 recipient", "status": "pending",
        "created_at": "2026-11-22T10:00:00Z", "expires_at": "2026-11-29T10:00:00Z"
    })
}

fn reply(status: u16, body: &Value) -> Response<Body> {
    let body = Body::from(body.to_string());
    Response::builder().status(status).header("request-id", "req_1").body(body).unwrap()
}

async fn answer(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let text = String::from_utf8_lossy(&body).into_owned();
    let path = uri.path().to_owned();
    let is_stream = headers.get("accept").is_some_and(|accept| accept == "text/event-stream");
    let story = {
        let mut shared = app.0.lock().unwrap();
        shared.seen.push((method.clone(), uri.to_string(), text.clone()));
        shared.story
    };
    let is_stuck = match story {
        Story::Deaf => steers(&path),
        Story::StuckFile => path.ends_with("/download"),
        Story::Complete | Story::Fail | Story::Ask(_) | Story::Endless | Story::Unwilling => false,
    };
    if is_stuck {
        std::future::pending::<()>().await;
    }
    let mut shared = app.0.lock().unwrap();
    if path == "/v1/healthz" {
        return reply(200, &json!({"status": "ok", "version": "9.9.9"}));
    }
    if headers.get("authorization").is_none_or(|value| value != &format!("Bearer {KEY}")) {
        return reply(401, &json!({"detail": "the API key is not known"}));
    }
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    if shared.story == Story::Unwilling && steers(&path) && !path.ends_with("/cancel") {
        return reply(422, &json!({"detail": "the task is planning\u{1b}[2J and cannot be steered"}));
    }
    let answer = match (method.as_str(), path.as_str()) {
        ("POST", "/v1/tasks") => {
            shared.begin(body["prompt"].as_str().unwrap());
            return reply(201, &shared.task());
        }
        ("GET", "/v1/tasks") => json!({"tasks": [shared.task()], "total": 1, "limit": 20, "offset": 0}),
        ("GET", "/v1/tasks/task_1") => shared.task(),
        ("GET", "/v1/tasks/task_1/events") if is_stream => return stream(&app, &shared, after(&uri)),
        ("GET", "/v1/tasks/task_1/events") => {
            let events: Vec<_> = shared.log.iter().skip(after(&uri)).cloned().collect();
            json!({"events": events, "next_after": shared.log.len(), "has_more": false})
        }
        ("POST", "/v1/tasks/task_1/cancel") => shared.cancelled(),
        ("GET", "/v1/tasks/task_1/deliverables") if shared.status == "complete" => json!([{
            "id": "dlvr_1", "name": "../../prices.csv", "type": "text/csv", "size_bytes": FILE.len(),
            "sha256": hex::encode(Sha256::digest(FILE)), "download_url": "http://h/x", "created_at": "2026-11-22T10:00:00Z"
        }]),
        ("GET", "/v1/tasks/task_1/deliverables") => json!([]),
        ("GET", "/v1/tasks/task_1/deliverables/dlvr_1/download") => return Response::new(Body::from(FILE)),
        ("POST", "/v1/agents/agnt_1/approve/appr_1") => shared.decided(&body),
        ("GET", "/v1/approvals") => {
            json!({"approvals": [approval("high")], "total": 1, "limit": 100, "offset": 0})
        }
        (_, path) if public::is_its(path) => return public::answer(&method, path),
        (_, path) if path.starts_with("/v1/deploy") => return deployments::answer(&method, path, is_stream),
        (_, path) if path.starts_with("/v1/webhooks") => return webhooks::answer(&method, path, &body),
        ("POST", _) if path.ends_with("/pause") || path.ends_with("/resume") || path.ends_with("/guide") => {
            json!({"success": true})
        }
        _ => match of_account(&method, &path, &body) {
            Some(answer) => answer,
            None => return reply(404, &json!({"detail": format!("there is nothing at {path}")})),
        },
    };
    reply(200, &answer)
}

/// What belongs to no task: workspaces, keys, usage.
fn of_account(method: &Method, path: &str, body: &Value) -> Option<Value> {
    Some(match (method.as_str(), path) {
        ("POST", "/v1/workspaces") => {
            json!({"id": "ws_1", "name": body["name"], "description": null, "status": "active", "file_count": 0, "created_at": "2026-11-22T10:00:00Z"})
        }
        ("GET", "/v1/workspaces") | ("POST", "/v1/workspaces/ws_1/files") => json!([]),
        ("POST", "/v1/api-keys") => {
            let mut made = api_key();
            made["key"] = json!("mt_test_0123456789abcdef0123456789abcdef01234567");
            made
        }
        ("GET", "/v1/api-keys") => json!([api_key()]),
        ("DELETE", "/v1/api-keys/key_1") => json!({"success": true}),
        ("GET", "/v1/usage") => usage(),
        ("GET", "/v1/models") => json!({"data": [
            {"id": "a/known", "default": true, "roles": ["default", "planner"], "input_usd_per_mtok": 3.0,
             "output_usd_per_mtok": 15.0, "context_tokens": 200_000, "max_output_tokens": 64_000, "local": false},
            {"id": "b/unheard-of", "default": false, "roles": [], "input_usd_per_mtok": null,
             "output_usd_per_mtok": null, "context_tokens": 128_000, "max_output_tokens": 8192, "local": false},
        ]}),
        _ => return None,
    })
}

fn steers(path: &str) -> bool {
    ["/pause", "/resume", "/guide", "/cancel"].iter().any(|end| path.ends_with(end))
}

fn after(uri: &Uri) -> usize {
    let query = uri.query().unwrap_or_default();
    query.split('&').find_map(|pair| pair.strip_prefix("after=")).map_or(0, |text| text.parse().unwrap())
}

/// Everything after the cursor, then what comes, to the terminal event.
fn stream(app: &App, shared: &Shared, after: usize) -> Response<Body> {
    let start = (app.clone(), shared.changed.subscribe(), after, false);
    let frames = futures::stream::unfold(start, |(app, mut changes, cursor, over)| async move {
        if over {
            return None;
        }
        loop {
            let next = app.0.lock().unwrap().log.get(cursor).cloned();
            if let Some(event) = next {
                let over = ["task.complete", "task.failed", "task.cancelled"]
                    .iter()
                    .any(|end| event["type"] == *end);
                let frame = format!("id: {}\ndata: {event}\n\n", cursor + 1);
                return Some((Ok::<_, std::io::Error>(Bytes::from(frame)), (app, changes, cursor + 1, over)));
            }
            changes.changed().await.ok()?;
        }
    });
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::from_stream(frames.boxed()))
        .unwrap()
}

fn api_key() -> Value {
    json!({
        "id": "key_1", "name": "ci", "prefix": "mt_test_012345", "environment": "test",
        "scopes": ["tasks.read", "agents.read", "usage.read"], "tier": "enterprise", "requests_per_minute": 90,
        "created_at": "2026-11-22T10:00:00Z", "expires_at": "2027-01-31T00:00:00Z", "last_used_at": null
    })
}

fn usage() -> Value {
    let sums = |tokens: u64, cost: f64, tasks: u64, unpriced: u64| {
        json!({
            "tokens": tokens, "input_tokens": tokens - 100, "output_tokens": 100, "cost": cost, "tasks": tasks,
            "model_calls": 2 * tasks, "unpriced_calls": unpriced
        })
    };
    let row = |model: &str, mut sums: Value| {
        sums["model"] = json!(model);
        sums
    };
    let mut usage = sums(5_600, 0.042, 3, 1);
    usage["rows"] =
        json!([row("anthropic/a", sums(4_500, 0.042, 2, 0)), row("ollama/b", sums(1_100, 0.0, 1, 1))]);
    usage["from"] = json!("2026-10-24");
    usage["to"] = json!("2026-11-22");
    usage["group_by"] = json!("model");
    usage["storage"] = json!({
        "workspaces": 1, "workspace_bytes": 14_823, "deliverables": 2, "deliverable_bytes": 2_000_000,
        "previews": 3, "preview_bytes": 30_000_000, "preview_limit_bytes": 10_737_418_240_u64
    });
    usage
}
