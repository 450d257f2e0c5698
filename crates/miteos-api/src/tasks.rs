//! Tasks: asking for one, and what is shown of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::numbers::{whole, whole_or_null};
use crate::text;
use crate::words::{DeployTarget, TaskStatus};
use crate::{Agent, Approval, Subtask};

/// `POST /tasks`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreateTask {
    /// What is to be done, in plain words. 1 to 100,000 characters.
    #[schemars(length(min = 1, max = 100_000), extend("pattern" = text::NOT_BLANK))]
    pub prompt: String,
    /// The workspace to work in. Absent or null: one is made for the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::WorkspaceId>")]
    pub workspace_id: Option<String>,
    /// How it is to be done. Absent or null: the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<CreateTaskConfig>,
}

/// The settings of a new task; what is absent or null has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreateTaskConfig {
    /// Agents working at the same time, 1 to 20. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 20), extend("default" = 3))]
    pub max_agents: Option<i64>,
    /// 0 asks before every action, 100 never asks. Default 50: asks before what leaves the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 0, max = 100), extend("default" = 50))]
    pub autonomy_level: Option<i64>,
    /// Deploy the result when the task is complete. Default false; needs `deploy_target`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub auto_deploy: Option<bool>,
    /// `vercel`, `netlify`, `cloudflare`, `expo`, `appstore` or `preview`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<DeployTarget>")]
    pub deploy_target: Option<String>,
    /// Which stored deploy configuration. Default: the only one there is for the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::DeployConfigId>")]
    pub deploy_config_id: Option<String>,
    /// `provider/model`. Default: the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Model>")]
    pub model: Option<String>,
    /// Hard limit in US cents: no model call starts that could pass it. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 0, max = 10_000_000_000_i64))]
    pub budget_cents: Option<i64>,
    /// Use this skill. Default: the one that matches the prompt, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::SkillId>")]
    pub skill_id: Option<String>,
}

/// `PATCH /tasks/{id}`: takes effect at the task's next decision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateTask {
    #[serde(default)]
    pub config: UpdateTaskConfig,
}

/// What can be changed while a task runs; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateTaskConfig {
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 0, max = 100))]
    pub autonomy_level: Option<i64>,
    /// US cents; null takes the limit away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_or_null")]
    #[schemars(with = "Option<i64>", range(min = 0, max = 10_000_000_000_i64))]
    pub budget_cents: Option<Option<i64>>,
}

/// The query of `GET /tasks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListTasks {
    /// Only tasks in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::TaskStatusAsked>")]
    pub status: Option<String>,
    /// Only tasks of this workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::WorkspaceId>")]
    pub workspace_id: Option<String>,
    /// 1 to 100, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("default" = 20))]
    pub limit: Option<i64>,
    /// How many to leave out at the start. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64), extend("default" = 0))]
    pub offset: Option<i64>,
}

/// The settings a task runs with, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskConfig {
    /// Agents working at the same time, 1 to 20.
    #[schemars(range(min = 1, max = 20))]
    pub max_agents: u32,
    /// 0 asks before every action, 100 never asks.
    #[schemars(range(min = 0, max = 100))]
    pub autonomy_level: u8,
    pub auto_deploy: bool,
    pub deploy_target: Option<DeployTarget>,
    #[serde(default)]
    #[schemars(with = "Option<text::DeployConfigId>")]
    pub deploy_config_id: Option<String>,
    /// `provider/model`; null: the server's default at the time of each call.
    #[serde(default)]
    pub model: Option<String>,
    /// US cents; null: no limit.
    #[serde(default)]
    pub budget_cents: Option<u64>,
    #[serde(default)]
    #[schemars(with = "Option<text::SkillId>")]
    pub skill_id: Option<String>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// `task_…`
    #[schemars(with = "text::TaskId")]
    pub id: String,
    pub status: TaskStatus,
    pub prompt: String,
    /// `ws_…`
    #[schemars(with = "Option<text::WorkspaceId>")]
    pub workspace_id: Option<String>,
    pub config: TaskConfig,
    /// Its agents, oldest first. Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<Agent>>,
    /// Its plan, in the planner's order. Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtasks: Option<Vec<Subtask>>,
    /// The approvals that wait for an answer. Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Vec<Approval>>,
    /// The answer, once complete.
    pub result: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// The skill it was carried out with, if any.
    #[schemars(with = "Option<text::SkillId>")]
    pub skill_id: Option<String>,
    /// US dollars: the exact sum of its model calls.
    pub cost: f64,
    /// US dollars that providers may have billed beside it, at most: for calls that broke off, were cancelled or were
    /// in the air at a crash. A budget counts it.
    #[serde(default)]
    pub uncertain_cost: f64,
    /// `cost` rounded up to whole cents.
    pub total_cost_cents: u64,
    /// Prompt and answer tokens of all its model calls.
    pub total_tokens_used: u64,
    pub deliverables_count: u64,
    /// RFC 3339, UTC.
    #[schemars(with = "text::Time")]
    pub created_at: String,
    /// When planning began.
    #[schemars(with = "Option<text::Time>")]
    pub started_at: Option<String>,
    /// When it became `complete`, `failed` or `cancelled`.
    #[schemars(with = "Option<text::Time>")]
    pub completed_at: Option<String>,
}

/// `GET /tasks`, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskList {
    pub tasks: Vec<Task>,
    /// How many there are in all.
    pub total: u64,
    pub limit: u32,
    pub offset: u64,
}

/// A row of `GET /tasks/completed`: what the skill compiler needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompletedTask {
    #[serde(flatten)]
    pub task: Task,
    /// The names of the tools it used, in order.
    pub tools: Vec<String>,
    /// How many actions it took.
    pub action_count: u64,
}

/// `GET /tasks/completed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompletedTaskList {
    pub tasks: Vec<CompletedTask>,
    pub total: u64,
    pub limit: u32,
    pub offset: u64,
}
