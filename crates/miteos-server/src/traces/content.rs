//! Messages as the conventions want them, for owners who asked to have them in their spans.

use miteos_models::{Answer, Message, Request};
use opentelemetry::KeyValue;
use serde_json::{Value, json};

use super::names;

/// The longest single text (bytes).
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// The most of one conversation, its newest end (bytes of its texts).
const MAX_CONVERSATION_BYTES: usize = 64 * 1024;

/// A text, cut where it is too long.
pub fn short(text: &str) -> String {
    text[..miteos_core::content::floor_boundary(text, MAX_TEXT_BYTES)].to_owned()
}

/// What a model is asked.
pub fn asked(request: &Request) -> [KeyValue; 2] {
    let mut left = MAX_CONVERSATION_BYTES;
    let mut messages: Vec<Value> = Vec::new();
    for message in request.messages.iter().rev() {
        let shown = shown(message);
        let bytes = shown.to_string().len();
        if bytes > left {
            break;
        }
        left -= bytes;
        messages.push(shown);
    }
    messages.reverse();
    let system = json!([{"type": "text", "content": short(&request.system)}]);
    [
        KeyValue::new(names::SYSTEM_INSTRUCTIONS, system.to_string()),
        KeyValue::new(names::INPUT_MESSAGES, Value::Array(messages).to_string()),
    ]
}

/// What it answered.
pub fn answered(answer: &Answer) -> KeyValue {
    let mut parts = vec![json!({"type": "text", "content": short(&answer.text)})];
    for call in &answer.calls {
        let arguments = match &call.arguments {
            Ok(value) => short(&value.to_string()),
            Err(raw) => short(raw),
        };
        parts.push(json!({"type": "tool_call", "name": call.tool, "arguments": arguments}));
    }
    let finish = names::finish(answer.finish);
    let message = json!([{"role": "assistant", "parts": parts, "finish_reason": finish}]);
    KeyValue::new(names::OUTPUT_MESSAGES, message.to_string())
}

fn shown(message: &Message) -> Value {
    match message {
        Message::User { text } => {
            json!({"role": "user", "parts": [{"type": "text", "content": short(text)}]})
        }
        Message::Assistant { text, calls, .. } => {
            let mut parts = vec![json!({"type": "text", "content": short(text)})];
            parts.extend(calls.iter().map(|call| {
                json!({"type": "tool_call", "id": call.id, "name": call.tool, "arguments": short(&call.arguments)})
            }));
            json!({"role": "assistant", "parts": parts})
        }
        Message::ToolResult { call_id, text, .. } => {
            let part = json!({"type": "tool_call_response", "id": call_id, "response": short(text)});
            json!({"role": "tool", "parts": [part]})
        }
    }
}
