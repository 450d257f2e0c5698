//! `remember` and `recall`: what a workspace knows from task to task.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::tool::{RetryClass, Risk};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Declared, EVERYBODY, Work, arguments, declare};
use crate::services::MemoryError;
use crate::tool::{Tool, ToolContext, ToolError, ToolOutput};

const MAX_KEY_CHARS: usize = 128;
const MAX_VALUE_CHARS: usize = 4000;
const MAX_QUERY_CHARS: usize = 400;
/// At most this many memos are given at once.
const MAX_MEMOS: usize = 10;

#[derive(Deserialize)]
struct RememberInput {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct RecallInput {
    query: String,
}

struct Remember;
struct Recall;

pub(super) fn remember() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "key": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS, "description": "Short name. An older value of the same key is replaced."},
            "value": {"type": "string", "minLength": 1, "maxLength": MAX_VALUE_CHARS},
        },
        "required": ["key", "value"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "remember",
            description: "Keep a fact for later tasks in this workspace. Never passwords or keys.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Low,
            read_only: false,
            retry: RetryClass::Repeatable,
        },
        Remember,
    )
}

pub(super) fn recall() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "query": {"type": "string", "minLength": 1, "maxLength": MAX_QUERY_CHARS, "description": "A few words about what you look for."},
        },
        "required": ["query"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "recall",
            description: "Look up facts that were remembered in this workspace.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Low,
            read_only: true,
            retry: RetryClass::Repeatable,
        },
        Recall,
    )
}

#[async_trait]
impl Work for Remember {
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let RememberInput { key, value } = arguments(input)?;
        let key = key.trim();
        if key.is_empty() {
            return Err(ToolError::failed("key is empty; give a short name"));
        }
        ctx.services.memory.remember(ctx.task, key, &value).await.map_err(told)?;
        Ok(format!("remembered {key}").into())
    }
}

#[async_trait]
impl Work for Recall {
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let RecallInput { query } = arguments(input)?;
        let memos = ctx.services.memory.recall(ctx.task, &query, MAX_MEMOS).await.map_err(told)?;
        if memos.is_empty() {
            return Ok(ToolOutput::text("nothing is remembered about that"));
        }
        Ok(memos.iter().map(|memo| format!("{}: {}\n", memo.key, memo.value)).collect::<String>().into())
    }
}

fn told(error: MemoryError) -> ToolError {
    match error {
        MemoryError::Refused(why) => ToolError::Failed(why),
        MemoryError::Storage(source) => ToolError::Internal { doing: "asked the memory", source },
    }
}
