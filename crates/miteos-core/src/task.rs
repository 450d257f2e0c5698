//! A task: the state that its journal folds into.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::agent::{Agent, AgentStatus, Hold};
use crate::approval::{Approval, Settlement};
use crate::content::Content;
use crate::event::{Ending, Retry, Totals};
use crate::ids::{AccountId, AgentId, ApprovalId, SubtaskId, TaskId, WorkspaceId};
use crate::money::{MicroUsd, Usage};
use crate::settings::{Settings, TaskConfig};
use crate::time::Timestamp;
use crate::tool::AgentType;

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Waits for a place of the account's tier.
    Queued,
    Planning {
        asking: Asking,
    },
    Working {
        replan: Replan,
    },
    Concluding {
        asking: Asking,
    },
    /// The summary is there; files it names are being published.
    Publishing {
        summary: Content,
        paths: Vec<String>,
    },
    /// Everything that runs is being stopped.
    Stopping {
        ending: Ending,
    },
    Complete {
        result: Content,
    },
    Failed {
        error: String,
    },
    Cancelled,
}

/// A question that the planner's model owes an answer to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Asking {
    /// Answers that did not validate, with the reasons given back.
    pub refused: Vec<Vec<String>>,
    pub retry: Retry,
}

/// A model call's worst case, set aside before it is made. `agent` is `None` for the task's own questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    pub agent: Option<AgentId>,
    pub worst: MicroUsd,
}

/// The one replacement of a failed part of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "replan", rename_all = "snake_case")]
pub enum Replan {
    Unused,
    Asking { asking: Asking, failed: Vec<SubtaskId> },
    Used,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubtaskStatus {
    Pending,
    Running,
    Complete,
    Failed,
    Cancelled,
    Skipped,
}

impl SubtaskStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    pub fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Complete | Self::Failed | Self::Cancelled | Self::Skipped => true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subtask {
    pub id: SubtaskId,
    pub agent: AgentId,
    pub key: String,
    pub agent_type: AgentType,
    pub title: String,
    pub prompt: String,
    pub depends_on: Vec<SubtaskId>,
    pub acceptance: Vec<String>,
    pub status: SubtaskStatus,
    /// A replacement stands for it: its failure no longer counts.
    pub replaced: bool,
}

/// The public states of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    Pending,
    Planning,
    Running,
    Paused,
    Complete,
    Failed,
    Cancelled,
}

impl TaskStatus {
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Planning,
        Self::Running,
        Self::Paused,
        Self::Complete,
        Self::Failed,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Planning => "planning",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Planning | Self::Running | Self::Paused => false,
            Self::Complete | Self::Failed | Self::Cancelled => true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    pub account: AccountId,
    pub live: bool,
    pub tier: String,
    pub prompt: Content,
    pub workspace: WorkspaceId,
    pub config: TaskConfig,
    pub settings: Settings,
    pub stage: Stage,
    pub subtasks: Vec<Subtask>,
    pub agents: Vec<Agent>,
    /// Tokens and cost of planning, replanning and the conclusion.
    pub own_usage: Usage,
    pub own_cost: MicroUsd,
    pub cost_known: bool,
    pub model_calls: u32,
    pub deliverables: u32,
    /// Tool calls that were let run, and the tools' names in the order of first use.
    pub actions: u64,
    pub tools: Vec<String>,
    /// Approvals that are settled, so that a decision given twice is recognised.
    pub settled: BTreeMap<ApprovalId, Settlement>,
    /// How far a pause of the whole has come. It holds the task's own questions, as each agent's holds the agent's.
    #[serde(default = "no_hold")]
    pub hold: Hold,
    /// Whether `task.paused` was the last of the two.
    pub paused: bool,
    /// The worst cases of model calls that are in the air, of tasks with a budget.
    #[serde(default)]
    pub reserved: Vec<Reserved>,
    /// The most that calls without an answer may have cost beside what providers reported.
    #[serde(default)]
    pub uncertain: MicroUsd,
    /// This budget's end was announced.
    #[serde(default)]
    pub credit_told: bool,
    /// Records so far.
    pub version: u64,
    /// Public events so far.
    pub seq: u64,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
}

impl Task {
    pub fn status(&self) -> TaskStatus {
        match &self.stage {
            Stage::Queued => TaskStatus::Pending,
            Stage::Planning { .. }
            | Stage::Working { .. }
            | Stage::Concluding { .. }
            | Stage::Publishing { .. }
                if self.paused =>
            {
                TaskStatus::Paused
            }
            Stage::Planning { .. } => TaskStatus::Planning,
            Stage::Working { .. } | Stage::Concluding { .. } | Stage::Publishing { .. } => {
                TaskStatus::Running
            }
            Stage::Stopping { .. } => self.status_before_stop(),
            Stage::Complete { .. } => TaskStatus::Complete,
            Stage::Failed { .. } => TaskStatus::Failed,
            Stage::Cancelled => TaskStatus::Cancelled,
        }
    }

    /// A task that is being stopped is still what it was: the end is told when everything is dead.
    fn status_before_stop(&self) -> TaskStatus {
        if self.paused {
            TaskStatus::Paused
        } else if !self.subtasks.is_empty() {
            TaskStatus::Running
        } else if self.started_at.is_some() {
            TaskStatus::Planning
        } else {
            TaskStatus::Pending
        }
    }

    pub fn is_finished(&self) -> bool {
        self.status().is_terminal()
    }

    pub fn agent(&self, id: AgentId) -> Option<&Agent> {
        self.agents.iter().find(|a| a.id == id)
    }

    pub(crate) fn agent_mut(&mut self, id: AgentId) -> Option<&mut Agent> {
        self.agents.iter_mut().find(|a| a.id == id)
    }

    pub fn subtask(&self, id: SubtaskId) -> Option<&Subtask> {
        self.subtasks.iter().find(|s| s.id == id)
    }

    pub(crate) fn subtask_mut(&mut self, id: SubtaskId) -> Option<&mut Subtask> {
        self.subtasks.iter_mut().find(|s| s.id == id)
    }

    pub fn cost(&self) -> MicroUsd {
        self.own_cost + self.agents.iter().map(|a| a.cost).sum()
    }

    pub fn tokens(&self) -> u64 {
        self.own_usage.total() + self.agents.iter().map(|a| a.usage.total()).sum::<u64>()
    }

    pub fn totals(&self) -> Totals {
        Totals {
            cost: self.cost(),
            tokens: self.tokens(),
            model_calls: self.model_calls,
            deliverables: self.deliverables,
        }
    }

    pub fn budget(&self) -> Option<MicroUsd> {
        self.config.budget_cents.map(MicroUsd::from_cents)
    }

    /// What a budget counts as gone: what was reported, and what may have been billed beside it.
    pub fn spent_at_most(&self) -> MicroUsd {
        self.cost() + self.uncertain
    }

    /// What is left of the budget, reservations not counted; `None` without one.
    pub fn budget_left(&self) -> Option<MicroUsd> {
        self.budget().map(|budget| budget.saturating_sub(self.spent_at_most()))
    }

    /// Open approvals, whichever agent asked.
    pub fn approvals(&self) -> impl Iterator<Item = &Approval> {
        self.agents.iter().flat_map(Agent::approvals)
    }

    pub fn approval(&self, id: ApprovalId) -> Option<&Approval> {
        self.approvals().find(|a| a.id == id)
    }

    /// Names that a replacement plan may refer to: what is complete or still under way.
    pub fn usable_keys(&self) -> BTreeSet<String> {
        self.subtasks
            .iter()
            .filter(|s| {
                matches!(s.status, SubtaskStatus::Complete | SubtaskStatus::Running | SubtaskStatus::Pending)
            })
            .map(|s| s.key.clone())
            .collect()
    }

    /// The node's own result, if it is there.
    pub fn result_of(&self, subtask: SubtaskId) -> Option<&Content> {
        let subtask = self.subtask(subtask)?;
        match &self.agent(subtask.agent)?.phase {
            crate::agent::Phase::Complete { result } => Some(result),
            crate::agent::Phase::Idle
            | crate::agent::Phase::Thinking { .. }
            | crate::agent::Phase::Acting { .. }
            | crate::agent::Phase::Error { .. }
            | crate::agent::Phase::Cancelled { .. } => None,
        }
    }

    /// A copy without the agents' conversations: all that prompts about the whole need.
    pub fn without_turns(&self) -> Self {
        let light = |agent: &Agent| {
            let mut copy = Agent::new(agent.id, agent.subtask, agent.kind, agent.hold);
            copy.phase = agent.phase.clone();
            copy
        };
        Self {
            agents: self.agents.iter().map(light).collect(),
            id: self.id,
            account: self.account,
            live: self.live,
            tier: self.tier.clone(),
            prompt: self.prompt.clone(),
            workspace: self.workspace,
            config: self.config.clone(),
            settings: self.settings.clone(),
            stage: self.stage.clone(),
            subtasks: self.subtasks.clone(),
            own_usage: self.own_usage,
            own_cost: self.own_cost,
            cost_known: self.cost_known,
            model_calls: self.model_calls,
            deliverables: self.deliverables,
            actions: self.actions,
            tools: self.tools.clone(),
            settled: BTreeMap::new(),
            hold: self.hold,
            paused: self.paused,
            reserved: Vec::new(),
            uncertain: self.uncertain,
            credit_told: self.credit_told,
            version: self.version,
            seq: self.seq,
            created_at: self.created_at,
            started_at: self.started_at,
            completed_at: self.completed_at,
        }
    }

    /// Whether nothing but the task's own questions could be going on.
    pub(crate) fn is_alone(&self) -> bool {
        self.agents.iter().all(Agent::is_finished)
    }

    /// Whether all that could go on holds: every unfinished agent, or where there is none the task itself.
    pub(crate) fn is_held(&self) -> bool {
        match &self.stage {
            Stage::Working { .. } if !self.is_alone() => {
                self.agents.iter().all(|a| a.is_finished() || a.hold == Hold::Holding)
            }
            Stage::Planning { .. }
            | Stage::Working { .. }
            | Stage::Concluding { .. }
            | Stage::Publishing { .. } => self.hold == Hold::Holding,
            Stage::Queued
            | Stage::Stopping { .. }
            | Stage::Complete { .. }
            | Stage::Failed { .. }
            | Stage::Cancelled => false,
        }
    }

    pub(crate) fn working(&self) -> usize {
        self.agents.iter().filter(|a| a.is_working()).count()
    }

    /// Agents in a given public state.
    pub fn count(&self, status: AgentStatus) -> usize {
        self.agents.iter().filter(|a| a.status() == status).count()
    }
}

fn no_hold() -> Hold {
    Hold::None
}
