//! Approvals: the question whether one exact action may be taken, and its answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::words::{ApprovalStatus, Risk};

/// A request for approval. It binds these arguments and no others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// `appr_…`
    pub id: String,
    pub task_id: String,
    pub agent_id: String,
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
    pub created_at: String,
    /// When it counts as rejected if nobody answers.
    #[serde(default)]
    pub expires_at: Option<String>,
    #[serde(default)]
    pub decided_at: Option<String>,
}

/// `POST /agents/{id}/approve/{approval_id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListApprovals {
    /// Only approvals in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Only approvals of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// 1 to 100, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
}

/// `GET /approvals`, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalList {
    pub approvals: Vec<Approval>,
    /// How many there are in all.
    pub total: u64,
    pub limit: u32,
    pub offset: u64,
}
