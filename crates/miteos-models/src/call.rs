//! One model call as data: what is asked and what came back. It knows no provider's wire format.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use miteos_core::money::Usage;
use miteos_core::tool::ToolSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::ModelName;

/// One call on one model.
#[derive(Debug, Clone)]
pub struct Request {
    pub model: ModelName,
    pub system: Arc<str>,
    pub tools: Arc<[ToolSpec]>,
    pub messages: Messages,
    pub choice: ToolChoice,
    pub max_output_tokens: u32,
    /// The caller's own key for this call, the same when it is repeated; sent as idempotency key where a provider
    /// takes one.
    pub call_id: String,
    /// `None`: what the provider takes by default. Not sent to models that refuse it.
    pub temperature: Option<f32>,
}

/// Whether the model may, must not or must call a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    Auto,
    None,
    /// Exactly this function.
    Force(String),
}

/// A turn of the conversation, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    User {
        text: Arc<str>,
    },
    Assistant {
        text: Arc<str>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallRef>,
        /// [`Answer::opaque`] of the answer that this turn was, unchanged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opaque: Option<Value>,
    },
    ToolResult {
        /// [`CallRef::id`] of the call that it answers.
        call_id: String,
        tool: String,
        text: Arc<str>,
        #[serde(default)]
        is_error: bool,
    },
}

/// A conversation, oldest turn first. A clone shares the turns until one of the two is changed, so that a long
/// conversation costs a call no more than a short one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Messages(Arc<Vec<Message>>);

impl From<Vec<Message>> for Messages {
    fn from(messages: Vec<Message>) -> Self {
        Self(Arc::new(messages))
    }
}

impl Deref for Messages {
    type Target = Vec<Message>;

    fn deref(&self) -> &Vec<Message> {
        &self.0
    }
}

impl DerefMut for Messages {
    /// Copies the turns first if they are shared.
    fn deref_mut(&mut self) -> &mut Vec<Message> {
        Arc::make_mut(&mut self.0)
    }
}

impl<'a> IntoIterator for &'a Messages {
    type Item = &'a Message;
    type IntoIter = std::slice::Iter<'a, Message>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A tool call of an earlier turn. The ids are the caller's own; what a provider needs is made of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRef {
    pub id: String,
    pub tool: String,
    /// JSON text; what the model wrote, also if it is no JSON.
    pub arguments: Arc<str>,
}

/// A piece of an answer that is still being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    Text(String),
    Reasoning(String),
    /// The model has begun to call this tool.
    ToolName(String),
}

/// A whole answer. A stream that broke off is never one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub text: String,
    pub calls: Vec<RequestedCall>,
    /// What the provider wants to see again with this turn (signatures of its thinking). Nobody else reads it.
    pub opaque: Option<Value>,
    pub usage: Usage,
    /// `provider/model` as the provider named the model that answered.
    pub model: String,
    pub finish: Finish,
}

/// A tool call that the model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestedCall {
    pub tool: String,
    /// A JSON object, or the text as the model wrote it where it is none.
    pub arguments: Result<Value, String>,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    Stop,
    ToolCalls,
    /// It ran into the output limit; the answer is not finished.
    Length,
    /// The provider's filter ended it.
    Refused,
    Other,
}

impl RequestedCall {
    /// Reads the arguments as the model wrote them. No text at all stands for no arguments.
    pub fn from_text(tool: String, raw: String) -> Self {
        if raw.trim().is_empty() {
            return Self { tool, arguments: Ok(Value::Object(serde_json::Map::new())) };
        }
        let arguments = match serde_json::from_str::<Value>(&raw) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) | Err(_) => Err(raw),
        };
        Self { tool, arguments }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_or_the_raw_text() {
        let read = |raw: &str| RequestedCall::from_text("t".into(), raw.into()).arguments;
        assert_eq!(read(r#"{"a":1}"#), Ok(serde_json::json!({"a": 1})));
        assert_eq!(read("  "), Ok(serde_json::json!({})));
        assert_eq!(read("[1]"), Err("[1]".to_owned()));
        assert_eq!(read(r#"{"a":"#), Err(r#"{"a":"#.to_owned()));
    }
}
