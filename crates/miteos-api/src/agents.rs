//! Agents: what is shown of one, and what it can be told.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::Approval;
use crate::text;
use crate::words::{AgentStatus, AgentType};

/// An agent at work on one subtask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    /// `agnt_…`
    #[schemars(with = "text::AgentId")]
    pub id: String,
    #[schemars(with = "text::TaskId")]
    pub task_id: String,
    #[serde(default)]
    #[schemars(with = "Option<text::SubtaskId>")]
    pub subtask_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: AgentType,
    pub status: AgentStatus,
    /// The tool it is using at this moment.
    #[serde(default)]
    pub current_tool: Option<String>,
    /// 0 to 100; never falls.
    #[schemars(range(min = 0, max = 100))]
    pub progress: u8,
    /// The approval it waits for.
    #[serde(default)]
    pub pending_approval: Option<Approval>,
    /// Prompt and answer tokens of its model calls.
    #[serde(default)]
    pub tokens_used: u64,
    /// US dollars.
    #[serde(default)]
    pub cost: f64,
}

/// The query of `GET /agents`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListAgents {
    /// Only agents of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::TaskId>")]
    pub task_id: Option<String>,
}

/// `POST /agents/{id}/guide` and `POST /tasks/{id}/guide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guide {
    /// Given to the agent as a message in its next model call. `instructions` is read as the same.
    #[serde(alias = "instructions")]
    pub message: String,
}

/// One of the two names, and not both.
impl JsonSchema for Guide {
    fn schema_name() -> Cow<'static, str> {
        "Guide".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = |about: &str| json_schema!({"type": "string", "minLength": 1, "pattern": text::NOT_BLANK, "description": about});
        json_schema!({
            "description": "Words for an agent. Either `message` or `instructions`, at most 100,000 bytes of UTF-8.",
            "type": "object",
            "properties": {
                "message": text("Given to the agent as a message in its next model call."),
                "instructions": text("Another name for `message`."),
            },
            "oneOf": [{"required": ["message"]}, {"required": ["instructions"]}],
        })
    }
}
