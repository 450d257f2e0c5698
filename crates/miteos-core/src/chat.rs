//! An agent's conversation with its model, as the journal remembers it. It only grows, but for compaction.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::content::Content;
use crate::ids::CallId;
use crate::money::{MicroUsd, Usage};

/// What one model call took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCall {
    /// The model that really answered, `provider/model`.
    pub model: String,
    pub usage: Usage,
    /// `None`: the model has no known price.
    pub cost: Option<MicroUsd>,
    pub duration_ms: u64,
}

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Turn {
    User {
        text: Content,
    },
    Assistant {
        text: Content,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<CallRecord>,
        /// What the provider wants back unchanged (thinking signatures).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opaque: Option<Value>,
    },
    Results {
        results: Vec<ResultRecord>,
    },
}

/// A tool call that the model asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    pub call: CallId,
    pub tool: String,
    /// The arguments as JSON text.
    pub input: Content,
}

/// What came of it, as the model is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRecord {
    pub call: CallId,
    pub tool: String,
    pub ok: bool,
    pub output: Content,
    /// A remark of the server's, set behind the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The output was cut to a stub that says where the whole is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stubbed: bool,
}

/// A text's size in tokens, guessed high: no tokenizer of a known model makes more of ordinary text.
pub fn guess_tokens(bytes: u64) -> u64 {
    bytes / 3 + 1
}

/// What a content weighs in a prompt (bytes): a stored one is shown by its ends alone.
pub fn shown_bytes(content: &Content) -> u64 {
    match content {
        Content::Inline(text) => text.len() as u64,
        Content::Stored { head, tail, .. } => (head.len() + tail.len() + 128) as u64,
    }
}

impl Turn {
    /// The turn's weight in a prompt, in bytes. Answers and arguments are sent whole, results by their ends.
    pub fn weight(&self) -> u64 {
        match self {
            Self::User { text } => text.bytes(),
            Self::Assistant { text, calls, .. } => {
                text.bytes() + calls.iter().map(|c| c.input.bytes() + c.tool.len() as u64 + 32).sum::<u64>()
            }
            Self::Results { results } => results.iter().map(|r| shown_bytes(&r.output) + 32).sum(),
        }
    }
}
