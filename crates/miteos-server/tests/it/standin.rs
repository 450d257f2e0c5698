//! A scripted model behind the OpenAI protocol. What it answers is a function of the request alone, so that a server
//! that was killed in the middle meets the same model again. It checks every conversation it is shown.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

/// One answer.
#[derive(Clone, Debug)]
pub enum Reply {
    Text(String),
    Calls(Vec<(&'static str, Value)>),
    /// A call whose arguments are this text.
    RawCall(&'static str, &'static str),
    Status(u16, Option<&'static str>),
    /// The stream ends in the middle.
    Cut,
    /// 200 with a body that is no event stream.
    Garbage,
    /// Nothing ever comes, the first time.
    Hang,
    /// The provider's filter ends the answer, and its tokens are counted.
    Refused(String),
    /// Nothing comes for this long, then the answer.
    Slow(Duration, Box<Reply>),
}

pub fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

pub fn call(tool: &'static str, input: Value) -> Reply {
    Reply::Calls(vec![(tool, input)])
}

pub fn slow(wait_ms: u64, then: Reply) -> Reply {
    Reply::Slow(Duration::from_millis(wait_ms), Box::new(then))
}

/// What the model says: plans in order of asking, and each agent's answers by a word of its prompt.
#[derive(Clone, Default)]
pub struct Script {
    pub plans: Vec<Reply>,
    pub replans: Vec<Reply>,
    pub conclusions: Vec<Reply>,
    pub agents: BTreeMap<&'static str, Vec<Reply>>,
}

impl Script {
    pub fn plan(mut self, nodes: &[(&str, &str, &[&str])]) -> Self {
        self.plans.push(Reply::Calls(vec![("submit_plan", plan(nodes))]));
        self
    }

    pub fn replan(mut self, nodes: &[(&str, &str, &[&str])]) -> Self {
        self.replans.push(Reply::Calls(vec![("submit_plan", plan(nodes))]));
        self
    }

    pub fn agent(mut self, word: &'static str, replies: Vec<Reply>) -> Self {
        self.agents.insert(word, replies);
        self
    }

    pub fn conclude(mut self, summary: &str, deliverables: &[&str]) -> Self {
        self.conclusions.push(Reply::Calls(vec![(
            "submit_result",
            json!({"summary": summary, "deliverables": deliverables}),
        )]));
        self
    }
}

/// A plan of nodes: key, prompt, dependencies.
pub fn plan(nodes: &[(&str, &str, &[&str])]) -> Value {
    let subtasks: Vec<_> = nodes
        .iter()
        .map(|(key, prompt, deps)| json!({"id": key, "agent_type": "builder", "title": format!("node {key}"), "prompt": prompt, "depends_on": deps, "acceptance": []}))
        .collect();
    json!({ "subtasks": subtasks })
}

struct Inner {
    script: Script,
    requests: Mutex<Vec<Value>>,
    /// Refused attempts by key, so that "fail twice, then answer" can be told.
    attempts: Mutex<HashMap<String, usize>>,
    /// Conversations seen, by their first user message.
    seen: Mutex<HashMap<String, Vec<Value>>>,
    problems: Mutex<Vec<String>>,
    open: AtomicUsize,
}

#[derive(Clone)]
pub struct StandIn {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

impl StandIn {
    pub async fn start(script: Script) -> Self {
        let inner = Arc::new(Inner {
            script,
            requests: Mutex::default(),
            attempts: Mutex::default(),
            seen: Mutex::default(),
            problems: Mutex::default(),
            open: AtomicUsize::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inner }
    }

    /// One that another process runs.
    pub fn at(address: SocketAddr) -> Self {
        let inner = Inner {
            script: Script::default(),
            requests: Mutex::default(),
            attempts: Mutex::default(),
            seen: Mutex::default(),
            problems: Mutex::default(),
            open: AtomicUsize::new(0),
        };
        Self { address, inner: Arc::new(inner) }
    }

    pub fn requests(&self) -> Vec<Value> {
        self.inner.requests.lock().unwrap().clone()
    }

    /// What was wrong with the conversations so far.
    pub fn problems(&self) -> Vec<String> {
        self.inner.problems.lock().unwrap().clone()
    }

    /// Requests that are being answered now.
    pub fn open(&self) -> usize {
        self.inner.open.load(Ordering::SeqCst)
    }
}

fn content(message: &Value) -> &str {
    message["content"].as_str().unwrap_or_default()
}

/// Each tool result has its call, each call its result, and what was said once stays as it was.
fn check(inner: &Inner, messages: &[Value]) {
    let mut open: Vec<String> = Vec::new();
    let mut problems = inner.problems.lock().unwrap();
    for message in messages {
        match message["role"].as_str() {
            Some("assistant") => {
                let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
                open.extend(calls.iter().filter_map(|c| c["id"].as_str()).map(str::to_owned));
            }
            Some("tool") => {
                match open.iter().position(|id| Some(id.as_str()) == message["tool_call_id"].as_str()) {
                    Some(at) => drop(open.remove(at)),
                    None => problems.push(format!("a result without its call: {message}")),
                }
            }
            _ if !open.is_empty() => problems.push(format!("calls without results: {open:?}")),
            _ => {}
        }
    }
    if !open.is_empty() {
        problems.push(format!("calls without results: {open:?}"));
    }
    let Some(first) = messages.iter().find(|m| m["role"] == "user") else { return };
    let mut seen = inner.seen.lock().unwrap();
    let before = seen.entry(content(first).to_owned()).or_default();
    let common = before.len().min(messages.len());
    if before[..common] != messages[..common] && !content(&messages[0]).contains("plan work") {
        problems.push(format!(
            "the prefix changed: {:?} then {:?}",
            before.last(),
            messages.get(common.saturating_sub(1))
        ));
    }
    if messages.len() >= before.len() {
        *before = messages.to_vec();
    }
}

fn choose(inner: &Inner, messages: &[Value]) -> Reply {
    let script = &inner.script;
    let system = content(&messages[0]);
    let user = messages.iter().find(|m| m["role"] == "user").map(content).unwrap_or_default().to_owned();
    let asked = messages.iter().filter(|m| m["role"] == "user").count() - 1;
    let (key, list, step) = if system.starts_with("You plan work") && user.contains("A plan was carried out")
    {
        ("replan".to_owned(), &script.replans, asked)
    } else if system.starts_with("You plan work") {
        ("plan".to_owned(), &script.plans, asked)
    } else if system.starts_with("Several agents") {
        ("conclude".to_owned(), &script.conclusions, asked)
    } else {
        let part = user.split("What to do:").last().unwrap_or_default();
        let part = part.split("You do this part of it:").last().unwrap_or_default();
        let part = part.split("\nResult of").next().unwrap_or_default();
        let found = script.agents.iter().find(|(word, _)| part.contains(**word));
        let Some((word, list)) = found else { return text("nobody knows this agent") };
        ((*word).to_owned(), list, messages.iter().filter(|m| m["role"] == "assistant").count())
    };
    // Replies that are failures stand before the answer that follows them: they are gone through by attempts.
    let mut attempts = inner.attempts.lock().unwrap();
    let failures =
        |reply: &Reply| matches!(reply, Reply::Status(..) | Reply::Cut | Reply::Garbage | Reply::Hang);
    let mut at = 0;
    let mut answered = 0;
    while at < list.len() {
        if failures(&list[at]) && answered == step {
            let count = attempts.entry(format!("{key}.{at}")).or_default();
            if *count == 0 {
                *count += 1;
                return list[at].clone();
            }
        }
        if !failures(&list[at]) {
            if answered == step {
                return list[at].clone();
            }
            answered += 1;
        }
        at += 1;
    }
    list.last().cloned().unwrap_or_else(|| text("the script is over"))
}

struct OpenCount(Arc<Inner>);

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(State(inner): State<Arc<Inner>>, body: String) -> Response {
    inner.open.fetch_add(1, Ordering::SeqCst);
    let _open = OpenCount(Arc::clone(&inner));
    let request: Value = serde_json::from_str(&body).unwrap();
    let messages = request["messages"].as_array().cloned().unwrap();
    check(&inner, &messages);
    let reply = choose(&inner, &messages);
    inner.requests.lock().unwrap().push(request);
    respond(reply).await
}

async fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Text(text) => stream(&json!({"content": text}), "stop"),
        Reply::Calls(calls) => {
            let calls: Vec<_> = calls
                .iter()
                .enumerate()
                .map(|(n, (name, input))| json!({"index": n, "id": format!("c{n}"), "type": "function", "function": {"name": name, "arguments": input.to_string()}}))
                .collect();
            stream(&json!({ "tool_calls": calls }), "tool_calls")
        }
        Reply::RawCall(name, raw) => {
            let call = json!({"index": 0, "id": "c0", "type": "function", "function": {"name": name, "arguments": raw}});
            stream(&json!({ "tool_calls": [call] }), "tool_calls")
        }
        Reply::Status(status, retry_after) => {
            let mut response = (
                StatusCode::from_u16(status).unwrap(),
                json!({"error": {"message": "scripted trouble", "type": "server_error"}}).to_string(),
            )
                .into_response();
            response.headers_mut().insert("content-type", "application/json".parse().unwrap());
            if let Some(seconds) = retry_after {
                response.headers_mut().insert("retry-after", seconds.parse().unwrap());
            }
            response
        }
        Reply::Cut => {
            let chunk = frame(&json!({"content": "half an ans"}), None);
            ([("content-type", "text/event-stream")], chunk).into_response()
        }
        Reply::Garbage => ([("content-type", "text/event-stream")], "data: {not json}\n\n").into_response(),
        Reply::Hang => std::future::pending().await,
        Reply::Refused(text) => stream(&json!({ "content": text }), "content_filter"),
        Reply::Slow(wait, then) => {
            tokio::time::sleep(wait).await;
            Box::pin(respond(*then)).await
        }
    }
}

fn frame(delta: &Value, finish: Option<&str>) -> String {
    let chunk = json!({"id": "x", "object": "chat.completion.chunk", "model": "scripted-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    format!("data: {chunk}\n\n")
}

fn stream(delta: &Value, finish: &str) -> Response {
    let usage = json!({"id": "x", "object": "chat.completion.chunk", "model": "scripted-1", "choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}});
    let text =
        format!("{}{}data: {usage}\n\ndata: [DONE]\n\n", frame(delta, None), frame(&json!({}), Some(finish)));
    ([("content-type", "text/event-stream")], Body::from(text)).into_response()
}
