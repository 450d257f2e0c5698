//! Providers against a scripted server on loopback, in each wire format.

mod anthropic;
mod chat;
mod failures;
mod gemini;
mod responses;
mod stand_in;

use std::sync::Arc;
use std::time::Duration;

use miteos_core::money::Usage;
use miteos_core::tool::ToolSpec;
use serde_json::{Value, json};

use self::stand_in::{Reply, StandIn};
use super::*;
use crate::call::{CallRef, Finish, ToolChoice};
use crate::config::Secret;

const KEY: &str = "key-that-nobody-may-see";

/// Long enough for a busy machine.
const LIMITS: Limits = Limits {
    first_byte: Duration::from_secs(30),
    idle: Duration::from_secs(30),
    whole: Duration::from_secs(60),
    answer_bytes: 2 << 20,
    stream_bytes: MAX_STREAM_BYTES,
};

/// A provider of this name that is really the stand-in.
fn cloud(name: &str, server: &StandIn) -> Cloud {
    let endpoint = Endpoint { base_url: Some(server.base_url()), key: Some(Secret::new(KEY)) };
    Cloud::new(name, &endpoint, LIMITS, &Http::default())
}

fn request(model: &str) -> Request {
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]});
    let tool = |name: &str| ToolSpec {
        name: name.into(),
        description: format!("does {name}"),
        schema: schema.clone(),
    };
    Request {
        model: model.parse().unwrap(),
        system: "You are careful.".into(),
        tools: Arc::from([tool("read_file"), tool("list_files")]),
        messages: vec![Message::User { text: "What is in notes.md?".into() }].into(),
        choice: ToolChoice::Auto,
        max_output_tokens: 1000,
        call_id: "tsk_1/agt_2/3".into(),
        temperature: Some(0.5),
    }
}

/// A conversation with one earlier call.
fn with_history(model: &str, opaque: Option<Value>) -> Request {
    let mut request = request(model);
    request.messages.push(Message::Assistant {
        text: "".into(),
        calls: vec![CallRef {
            id: "call/7".into(),
            tool: "read_file".into(),
            arguments: r#"{"path":"notes.md"}"#.into(),
        }],
        opaque,
    });
    request.messages.push(Message::ToolResult {
        call_id: "call/7".into(),
        tool: "read_file".into(),
        text: "milk, eggs".into(),
        is_error: true,
    });
    request
}

/// The outcome of one call against one reply, with the deltas.
async fn outcome(provider: &str, model: &str, reply: Reply) -> (Result<Answer, ModelError>, Vec<Delta>) {
    let server = StandIn::start(reply).await;
    let mut deltas = Vec::new();
    let request = request(&format!("{provider}/{model}"));
    let outcome = cloud(provider, &server).call(&request, &mut |delta| deltas.push(delta)).await;
    (outcome, deltas)
}

async fn error(provider: &str, reply: Reply) -> ModelError {
    let error = outcome(provider, "some-model", reply).await.0.expect_err("the call should fail");
    let mut shown = format!("{error} {error:?} {}", error.message);
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        shown.push_str(&format!("{inner} {inner:?}"));
        cause = inner.source();
    }
    assert!(!shown.contains(KEY), "the key shows: {shown}");
    assert!(!error.message.contains("127.0.0.1"), "an address shows: {}", error.message);
    error
}

fn texts(deltas: &[Delta]) -> String {
    deltas
        .iter()
        .filter_map(|delta| if let Delta::Text(text) = delta { Some(text.as_str()) } else { None })
        .collect()
}

fn names(deltas: &[Delta]) -> Vec<&str> {
    deltas
        .iter()
        .filter_map(|delta| if let Delta::ToolName(name) = delta { Some(name.as_str()) } else { None })
        .collect()
}
