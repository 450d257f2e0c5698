//! The nodes of a task's plan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;
use crate::words::{AgentType, SubtaskStatus};

/// One node of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subtask {
    /// `st_…`
    #[schemars(with = "text::SubtaskId")]
    pub id: String,
    pub agent_type: AgentType,
    /// A few words, for lists and trees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What its agent is told, word for word.
    pub prompt: String,
    pub status: SubtaskStatus,
    /// Ids of the subtasks that must be complete first.
    #[serde(default)]
    #[schemars(with = "Vec<text::SubtaskId>")]
    pub depends_on: Vec<String>,
    /// What its result has to be like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
    /// The agent that works on it, once there is one.
    #[serde(default)]
    #[schemars(with = "Option<text::AgentId>")]
    pub agent_id: Option<String>,
    /// Prompt and answer tokens of its model calls.
    #[serde(default)]
    pub tokens_used: u64,
    /// `provider/model` of its latest call.
    #[serde(default)]
    pub model_used: Option<String>,
}
