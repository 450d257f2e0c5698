//! The payloads of events. Which type carries which stands at each.
//!
//! Every field that a reader can do without is optional, so that old logs stay readable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::words::{AgentType, Risk, TaskStatus};
use crate::{Subtask, TaskConfig, text};

/// `task.*`: the state it is in now, and what changed with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskData {
    pub status: TaskStatus,
    /// `task.created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// `task.created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::WorkspaceId>")]
    pub workspace_id: Option<String>,
    /// `task.created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<TaskConfig>,
    /// `task.planned`, and again after a replan: the whole plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtasks: Option<Vec<Subtask>>,
    /// `task.planned`: the failed subtasks that these stand for; empty for the first plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<text::SubtaskId>>")]
    pub replaces: Option<Vec<String>>,
    /// `task.planned`, when a skill is the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::SkillId>")]
    pub skill_id: Option<String>,
    /// `task.complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// `task.failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `task.cancelled`: the calls that took effect and cannot be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_effect: Option<Vec<CallName>>,
    /// `task.cancelled`: the calls that were broken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Vec<CallName>>,
    /// Terminal events.
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    pub totals: Option<Totals>,
}

/// A tool call, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallName {
    #[schemars(with = "text::CallId")]
    pub call_id: String,
    pub tool: String,
}

/// What a task has used so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentStarted {
    #[schemars(with = "text::SubtaskId")]
    pub subtask_id: String,
    #[serde(rename = "type")]
    pub kind: AgentType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Tokens of one model call. `input` counts cached tokens too, `output` reasoning too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TokenUsage")]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AgentThinking")]
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
    #[schemars(range(min = 0, max = 100))]
    pub progress: Option<u8>,
}

/// `agent.action`: a tool call starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AgentAction")]
pub struct Action {
    /// Ties it to its result.
    #[schemars(with = "text::CallId")]
    pub call_id: String,
    pub tool: String,
    /// The exact arguments.
    #[serde(default)]
    pub input: Value,
    pub risk: Risk,
}

/// `agent.result`: a tool call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AgentResult")]
pub struct ActionResult {
    #[schemars(with = "text::CallId")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AgentMessage")]
pub struct Message {
    /// An agent's id, or `all`.
    pub to: String,
    pub text: String,
}

/// `agent.guided`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AgentGuided")]
pub struct Guided {
    pub message: String,
}

/// `agent.complete`, `agent.error` and `agent.cancelled`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentEnded {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::SubtaskId>")]
    pub subtask_id: Option<String>,
    /// `agent.complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// `agent.error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `agent.cancelled`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `agent.cancelled`: whether it never began, because something it depends on did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<bool>,
    /// `agent.cancelled`: the calls that took effect and cannot be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_effect: Option<Vec<CallName>>,
    /// `agent.cancelled`: the calls that were broken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Vec<CallName>>,
    #[serde(default)]
    pub tokens_used: u64,
    /// US dollars.
    #[serde(default)]
    pub cost: f64,
}

/// `billing.credit_low`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreditLow {
    pub budget_cents: u64,
    /// US dollars still left.
    pub left: f64,
}
