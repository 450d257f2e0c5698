//! The payloads of events. Which type carries which stands at each.
//!
//! Every field that a reader can do without is optional, so that old logs stay readable.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Subtask;
use crate::words::{AgentType, Risk, TaskStatus};

/// `task.*`: the state it is in now, and what changed with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskData {
    pub status: TaskStatus,
    /// `task.created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// `task.created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// `task.planned`, and again after a replan: the whole plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtasks: Option<Vec<Subtask>>,
    /// `task.planned`, when a skill is the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill_id: Option<String>,
    /// `task.complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// `task.failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Terminal events and `task.planned`.
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    pub totals: Option<Totals>,
}

/// What a task has used so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// US dollars.
    pub cost: f64,
    /// `cost` rounded up to whole cents.
    pub total_cost_cents: u64,
    pub total_tokens_used: u64,
    #[serde(default)]
    pub deliverables_count: u64,
}

/// `agent.started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentStarted {
    pub subtask_id: String,
    #[serde(rename = "type")]
    pub kind: AgentType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Tokens of one model call. `input` counts cached tokens too, `output` reasoning too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    #[serde(default)]
    pub input: u64,
    #[serde(default)]
    pub output: u64,
    #[serde(default)]
    pub cache_read: u64,
    #[serde(default)]
    pub cache_write: u64,
    #[serde(default)]
    pub reasoning: u64,
}

/// `agent.thinking`: a model call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thinking {
    /// What the model said besides its tool calls; may be empty.
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub usage: Usage,
    /// `provider/model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// US dollars, this call alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// The agent's progress now, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
}

/// `agent.action`: a tool call starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Ties it to its result.
    pub call_id: String,
    pub tool: String,
    /// The exact arguments.
    #[serde(default)]
    pub input: Value,
    pub risk: Risk,
}

/// `agent.result`: a tool call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionResult {
    pub call_id: String,
    pub tool: String,
    pub ok: bool,
    /// At most 8 KiB; the rest is in the file that `output_path` names.
    #[serde(default)]
    pub output: String,
    /// Where in the workspace the whole output is, when it was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_path: Option<String>,
    #[serde(default)]
    pub duration_ms: u64,
    /// Of a call that must not happen twice: how often its start was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

/// `agent.message`: one agent wrote to another or to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// An agent's id, or `all`.
    pub to: String,
    pub text: String,
}

/// `agent.guided`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guided {
    pub message: String,
}

/// `agent.complete`, `agent.error` and `agent.cancelled`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentEnded {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtask_id: Option<String>,
    /// `agent.complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// `agent.error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default)]
    pub tokens_used: u64,
    /// US dollars.
    #[serde(default)]
    pub cost: f64,
}

/// `billing.credit_low`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreditLow {
    pub budget_cents: u64,
    /// US dollars still left.
    pub left: f64,
}
