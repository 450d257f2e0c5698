//! Approvals: the question whether one exact action may be taken, and its answer.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::numbers::whole;
use crate::text;
use crate::words::{ApprovalStatus, Risk};

/// Why a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The dial is below the risk's threshold, or the account's rule says so.
    Policy,
    /// It was started before the server restarted, and nobody can tell what came of it.
    MayHaveHappened,
}

/// Whether a tool's calls are asked for, whatever the dial says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolRule {
    Always,
    Never,
}

/// `GET` and `PUT /approval-policy`: from which dial setting on a call of each risk runs without asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalPolicy {
    /// 101 asks at any setting.
    #[schemars(range(max = 101))]
    pub low: u8,
    #[schemars(range(max = 101))]
    pub medium: u8,
    #[schemars(range(max = 101))]
    pub high: u8,
    #[schemars(range(max = 101))]
    pub critical: u8,
    /// By the tool's name.
    #[serde(default)]
    pub tools: BTreeMap<String, ToolRule>,
}

/// `PUT /approval-policy`. What is absent has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetApprovalPolicy {
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 20, max = 101))]
    pub low: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 50, max = 101))]
    pub medium: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 100, max = 101))]
    pub high: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 100, max = 101))]
    pub critical: Option<i64>,
    /// `always` or `never`, by the tool's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, ToolRule>")]
    pub tools: BTreeMap<String, String>,
}

/// A request for approval. It binds these arguments and no others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// `appr_…`
    #[schemars(with = "text::ApprovalId")]
    pub id: String,
    #[schemars(with = "text::TaskId")]
    pub task_id: String,
    #[schemars(with = "text::AgentId")]
    pub agent_id: String,
    /// The call that waits: the `call_id` of its `agent.action` and `agent.result`, and the key that a provider is
    /// given so that it does the same thing once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::CallId>")]
    pub call_id: Option<String>,
    /// Why a person is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// How often the call's start was recorded before: it may have happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    pub tool: String,
    /// The arguments, exactly as the tool would get them.
    pub input: Value,
    pub risk: Risk,
    /// What would happen, in one sentence.
    pub summary: String,
    pub status: ApprovalStatus,
    /// What the person who decided said.
    #[serde(default)]
    pub reason: Option<String>,
    #[schemars(with = "text::Time")]
    pub created_at: String,
    /// When it counts as rejected if nobody answers.
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub expires_at: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub decided_at: Option<String>,
}

/// `POST /agents/{id}/approve/{approval_id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecideApproval {
    pub approved: bool,
    /// Told to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Arguments to use in place of the proposed ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Map<String, Value>>,
}

/// The query of `GET /approvals`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListApprovals {
    /// Only approvals in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ApprovalStatus>")]
    pub status: Option<String>,
    /// Only approvals of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::TaskId>")]
    pub task_id: Option<String>,
    /// 1 to 100, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("default" = 20))]
    pub limit: Option<i64>,
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64), extend("default" = 0))]
    pub offset: Option<i64>,
}

/// `GET /approvals`, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalList {
    pub approvals: Vec<Approval>,
    /// How many there are in all.
    pub total: u64,
    pub limit: u32,
    pub offset: u64,
}
