//! Approvals: a question to a person, bound to one call with exactly these arguments, answered once.

use serde::{Deserialize, Serialize};

use crate::content::{Content, Sha256};
use crate::ids::{AgentId, ApprovalId, CallId, TaskId};
use crate::time::Timestamp;
use crate::tool::Risk;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    Pending,
    Approved,
    Rejected,
    Expired,
    Cancelled,
}

impl ApprovalStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The call's risk is above the dial.
    Policy,
    /// It was started before a crash and may have happened.
    MayHaveHappened,
}

/// How an approval was settled: enough to know the same decision when it comes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    pub agent: AgentId,
    pub status: ApprovalStatus,
    /// The arguments that were let run.
    pub input_sha256: Sha256,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub id: ApprovalId,
    pub task: TaskId,
    pub agent: AgentId,
    pub call: CallId,
    pub tool: String,
    pub input: Content,
    pub input_sha256: Sha256,
    pub risk: Risk,
    pub asked: Asked,
    /// Recorded starts of the call so far: more than none when it may have happened.
    #[serde(default)]
    pub attempts: u32,
    /// The arguments that an approval let run, when a person put others in place of the proposed ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Sha256>,
    pub status: ApprovalStatus,
    pub reason: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub decided_at: Option<Timestamp>,
}
