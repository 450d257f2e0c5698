//! Agents: what is shown of one, and what it can be told.

use serde::{Deserialize, Serialize};

use crate::Approval;
use crate::words::{AgentStatus, AgentType};

/// An agent at work on one subtask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// `agnt_…`
    pub id: String,
    pub task_id: String,
    #[serde(default)]
    pub subtask_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: AgentType,
    pub status: AgentStatus,
    /// The tool it is using at this moment.
    #[serde(default)]
    pub current_tool: Option<String>,
    /// 0 to 100; never falls.
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListAgents {
    /// Only agents of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
}

/// `POST /agents/{id}/guide` and `POST /tasks/{id}/guide`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guide {
    /// Given to the agent as a message in its next model call. `instructions` is read as the same.
    #[serde(alias = "instructions")]
    pub message: String,
}
