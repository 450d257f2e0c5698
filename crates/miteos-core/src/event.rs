//! What has happened: the records of a task's journal. Facts, never refused, never changed, names never reused.
//!
//! A record that clients see carries everything they are shown, so that the public log needs nothing else.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::Approval;
use crate::chat::ModelCall;
use crate::content::{Content, Sha256};
use crate::ids::{AccountId, AgentId, CallId, DeliverableId, SubtaskId, WorkspaceId};
use crate::money::MicroUsd;
use crate::settings::{Settings, TaskConfig};
use crate::time::Timestamp;
use crate::tool::{AgentType, RetryClass, Risk};

/// The first record of every journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    pub account: AccountId,
    /// `false`: made with a test key; nothing leaves the workspace.
    pub live: bool,
    pub tier: String,
    pub prompt: Content,
    pub workspace: WorkspaceId,
    pub config: TaskConfig,
    pub settings: Settings,
}

/// A node of the plan with the ids it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSubtask {
    pub id: SubtaskId,
    pub agent: AgentId,
    /// The planner's own name for it.
    pub key: String,
    pub agent_type: AgentType,
    pub title: String,
    pub prompt: String,
    pub depends_on: Vec<SubtaskId>,
    pub acceptance: Vec<String>,
}

/// A wait before another attempt, and on which model it will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts on this model that have failed.
    pub failed: u32,
    /// Index into the list of models.
    pub model: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// What the orchestrator asks the planner's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    Plan,
    Replan,
    Conclude,
}

/// A tool call as the model asked for it and the registry judged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFacts {
    pub call: CallId,
    pub tool: String,
    pub input: Content,
    pub input_sha256: Sha256,
    pub risk: Risk,
    pub read_only: bool,
    pub retry: RetryClass,
    /// Why it cannot run at all: unknown tool, arguments that do not match. Told to the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A file handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliverable {
    pub id: DeliverableId,
    pub name: String,
    pub media_type: String,
    pub sha256: Sha256,
    pub bytes: u64,
}

/// Who a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    Agent(AgentId),
    All,
}

/// How a task ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Failed { error: String },
    Cancelled,
}

/// A call by its id and its tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallName {
    pub call: CallId,
    pub tool: String,
}

/// What is known of the price of a model call that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Billed {
    /// The provider turned it away, or was not reached.
    Nothing,
    /// The provider counted it all the same.
    Reported(ModelCall),
    /// It broke off: the provider may bill anything up to this. `None`: the model has no known price.
    AtMost(Option<MicroUsd>),
}

impl Billed {
    /// The call, if the provider counted it.
    pub fn reported(&self) -> Option<&ModelCall> {
        match self {
            Self::Reported(call) => Some(call),
            Self::Nothing | Self::AtMost(_) => None,
        }
    }
}

/// What one agent has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub subtask: SubtaskId,
    pub tokens: u64,
    pub cost: MicroUsd,
}

/// Sums at a task's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    pub cost: MicroUsd,
    pub tokens: u64,
    pub model_calls: u32,
    pub deliverables: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    TaskCreated(Box<Created>),
    TaskPlanning,
    /// The planner's or the concluder's answer did not validate.
    AnswerRefused {
        question: Question,
        problems: Vec<String>,
        model_call: ModelCall,
    },
    QuestionRetried {
        question: Question,
        retry: Retry,
        reason: String,
    },
    /// A plan, or the replacement of the failed part of one.
    TaskPlanned {
        subtasks: Vec<PlannedSubtask>,
        replaces: Vec<SubtaskId>,
        model_call: ModelCall,
    },
    TaskRunning,
    ReplanAsked {
        failed: Vec<SubtaskId>,
    },
    ConclusionAsked,
    Concluded {
        summary: Content,
        paths: Vec<String>,
        model_call: ModelCall,
    },
    /// The pause of the whole was asked for: its own questions rest, too.
    TaskHoldAsked,
    TaskHoldLifted,
    TaskPaused,
    /// `planning`: it goes on with its plan, else with its work.
    TaskResumed {
        planning: bool,
    },
    AutonomySet {
        autonomy_level: u8,
    },
    BudgetSet {
        budget_cents: Option<u64>,
    },
    /// The task will end this way once everything it runs is dead.
    StopAsked {
        ending: Ending,
    },
    TaskComplete {
        result: Content,
        totals: Totals,
    },
    TaskFailed {
        error: String,
        totals: Totals,
    },
    TaskCancelled {
        totals: Totals,
        /// Calls that had changed something.
        took_effect: Vec<CallName>,
        /// Calls that had begun and whose end nobody saw: they may have changed something.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        interrupted: Vec<CallName>,
    },

    /// A model call may cost this much and is about to be made. `None`: one of the task's own questions.
    ModelReserved {
        agent: Option<AgentId>,
        worst: MicroUsd,
    },
    /// A model call that gave no answer that counts.
    ModelUnanswered {
        agent: Option<AgentId>,
        billed: Billed,
    },
    /// Less than a tenth of the budget is left.
    CreditLow {
        budget_cents: u64,
        left: MicroUsd,
    },

    AgentStarted {
        agent: AgentId,
        subtask: SubtaskId,
        agent_type: AgentType,
        title: String,
        brief: Content,
    },
    ModelRetried {
        agent: AgentId,
        retry: Retry,
        reason: String,
    },
    AgentThought {
        agent: AgentId,
        text: Content,
        calls: Vec<CallFacts>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opaque: Option<Value>,
        model_call: ModelCall,
        /// How many waiting messages the model had been given.
        heard: usize,
        /// The agent's progress with this call, 0 to 100.
        progress: u8,
    },
    /// A word of the server's to the model.
    AgentHinted {
        agent: AgentId,
        hint: String,
    },
    /// Tool results in the first `turns` turns are cut to stubs.
    HistoryStubbed {
        agent: AgentId,
        turns: usize,
    },
    /// The turns 1 to `turns` are replaced by a summary.
    HistorySummarised {
        agent: AgentId,
        turns: usize,
        summary: Content,
        model_call: ModelCall,
    },
    SummaryAsked {
        agent: AgentId,
    },
    /// The call may run, with exactly this input.
    CallAuthorised {
        agent: AgentId,
        call: CallId,
        tool: String,
        input: Content,
        risk: Risk,
    },
    /// A call that must not be made twice is about to be made.
    CallStarted {
        agent: AgentId,
        call: CallId,
    },
    /// It was found not to have been made after all.
    CallReset {
        agent: AgentId,
        call: CallId,
    },
    CallFinished {
        agent: AgentId,
        call: CallId,
        tool: String,
        ok: bool,
        output: Content,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        duration_ms: u64,
        /// Recorded starts of a `once` call.
        #[serde(default, skip_serializing_if = "is_zero")]
        attempts: u32,
    },
    ApprovalRequired {
        approval: Box<Approval>,
    },
    ApprovalResolved {
        approval: Box<Approval>,
    },
    MessageSent {
        from: AgentId,
        to: Recipient,
        text: String,
    },
    DeliverableCreated {
        agent: Option<AgentId>,
        deliverable: Deliverable,
    },
    AgentGuided {
        agent: AgentId,
        message: String,
    },
    HoldAsked {
        agent: AgentId,
    },
    AgentPaused {
        agent: AgentId,
    },
    AgentResumed {
        agent: AgentId,
    },
    AgentStopAsked {
        agent: AgentId,
    },
    AgentComplete {
        agent: AgentId,
        result: Content,
        spent: Spent,
    },
    AgentFailed {
        agent: AgentId,
        error: String,
        spent: Spent,
    },
    AgentCancelled {
        agent: AgentId,
        reason: String,
        spent: Spent,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        took_effect: Vec<CallName>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        interrupted: Vec<CallName>,
    },
    /// The agent never started: what it depended on failed or was cancelled.
    AgentSkipped {
        agent: AgentId,
        reason: String,
        spent: Spent,
    },
}

impl Event {
    /// The name in the journal's `kind` column, and the public type where there is one.
    pub fn kind(&self) -> &'static str {
        self.public_type().unwrap_or(match self {
            Self::AnswerRefused { .. } => "internal.answer_refused",
            Self::QuestionRetried { .. } => "internal.question_retried",
            Self::ReplanAsked { .. } => "internal.replan_asked",
            Self::ConclusionAsked => "internal.conclusion_asked",
            Self::Concluded { .. } => "internal.concluded",
            Self::AutonomySet { .. } => "internal.autonomy_set",
            Self::BudgetSet { .. } => "internal.budget_set",
            Self::StopAsked { .. } => "internal.stop_asked",
            Self::TaskHoldAsked => "internal.task_hold_asked",
            Self::TaskHoldLifted => "internal.task_hold_lifted",
            Self::ModelReserved { .. } => "internal.model_reserved",
            Self::ModelUnanswered { .. } => "internal.model_unanswered",
            Self::ModelRetried { .. } => "internal.model_retried",
            Self::AgentHinted { .. } => "internal.agent_hinted",
            Self::HistoryStubbed { .. } => "internal.history_stubbed",
            Self::HistorySummarised { .. } => "internal.history_summarised",
            Self::SummaryAsked { .. } => "internal.summary_asked",
            Self::CallStarted { .. } => "internal.call_started",
            Self::CallReset { .. } => "internal.call_reset",
            Self::HoldAsked { .. } => "internal.hold_asked",
            Self::AgentStopAsked { .. } => "internal.agent_stop_asked",
            _ => "internal",
        })
    }

    /// The type that clients see; `None`: the record is the server's own.
    pub fn public_type(&self) -> Option<&'static str> {
        Some(match self {
            Self::TaskCreated(_) => "task.created",
            Self::TaskPlanning => "task.planning",
            Self::TaskPlanned { .. } => "task.planned",
            Self::TaskRunning => "task.running",
            Self::TaskPaused => "task.paused",
            Self::TaskResumed { .. } => "task.resumed",
            Self::CreditLow { .. } => "billing.credit_low",
            Self::TaskComplete { .. } => "task.complete",
            Self::TaskFailed { .. } => "task.failed",
            Self::TaskCancelled { .. } => "task.cancelled",
            Self::AgentStarted { .. } => "agent.started",
            Self::AgentThought { .. } => "agent.thinking",
            Self::CallAuthorised { .. } => "agent.action",
            Self::CallFinished { .. } => "agent.result",
            Self::ApprovalRequired { .. } => "approval.required",
            Self::ApprovalResolved { .. } => "approval.resolved",
            Self::MessageSent { .. } => "agent.message",
            Self::DeliverableCreated { .. } => "deliverable.created",
            Self::AgentGuided { .. } => "agent.guided",
            Self::AgentPaused { .. } => "agent.paused",
            Self::AgentResumed { .. } => "agent.resumed",
            Self::AgentComplete { .. } => "agent.complete",
            Self::AgentFailed { .. } => "agent.error",
            Self::AgentCancelled { .. } | Self::AgentSkipped { .. } => "agent.cancelled",
            Self::AnswerRefused { .. }
            | Self::QuestionRetried { .. }
            | Self::ReplanAsked { .. }
            | Self::ConclusionAsked
            | Self::Concluded { .. }
            | Self::AutonomySet { .. }
            | Self::BudgetSet { .. }
            | Self::StopAsked { .. }
            | Self::TaskHoldAsked
            | Self::TaskHoldLifted
            | Self::ModelReserved { .. }
            | Self::ModelUnanswered { .. }
            | Self::ModelRetried { .. }
            | Self::AgentHinted { .. }
            | Self::HistoryStubbed { .. }
            | Self::HistorySummarised { .. }
            | Self::SummaryAsked { .. }
            | Self::CallStarted { .. }
            | Self::CallReset { .. }
            | Self::HoldAsked { .. }
            | Self::AgentStopAsked { .. } => return None,
        })
    }

    /// The model call that the record tells of: what was paid for, and is paid for once.
    pub fn model_call(&self) -> Option<&ModelCall> {
        match self {
            Self::AnswerRefused { model_call, .. }
            | Self::TaskPlanned { model_call, .. }
            | Self::Concluded { model_call, .. }
            | Self::AgentThought { model_call, .. }
            | Self::HistorySummarised { model_call, .. } => Some(model_call),
            Self::ModelUnanswered { billed, .. } => billed.reported(),
            Self::TaskCreated(_)
            | Self::TaskPlanning
            | Self::QuestionRetried { .. }
            | Self::TaskRunning
            | Self::ReplanAsked { .. }
            | Self::ConclusionAsked
            | Self::TaskPaused
            | Self::TaskResumed { .. }
            | Self::AutonomySet { .. }
            | Self::BudgetSet { .. }
            | Self::StopAsked { .. }
            | Self::TaskHoldAsked
            | Self::TaskHoldLifted
            | Self::ModelReserved { .. }
            | Self::CreditLow { .. }
            | Self::TaskComplete { .. }
            | Self::TaskFailed { .. }
            | Self::TaskCancelled { .. }
            | Self::DeliverableCreated { .. }
            | Self::MessageSent { .. }
            | Self::ApprovalRequired { .. }
            | Self::ApprovalResolved { .. }
            | Self::AgentStarted { .. }
            | Self::ModelRetried { .. }
            | Self::AgentHinted { .. }
            | Self::HistoryStubbed { .. }
            | Self::SummaryAsked { .. }
            | Self::CallAuthorised { .. }
            | Self::CallStarted { .. }
            | Self::CallReset { .. }
            | Self::CallFinished { .. }
            | Self::AgentGuided { .. }
            | Self::HoldAsked { .. }
            | Self::AgentPaused { .. }
            | Self::AgentResumed { .. }
            | Self::AgentStopAsked { .. }
            | Self::AgentComplete { .. }
            | Self::AgentFailed { .. }
            | Self::AgentCancelled { .. }
            | Self::AgentSkipped { .. } => None,
        }
    }

    /// The agent that the record is about.
    pub fn agent(&self) -> Option<AgentId> {
        match self {
            Self::AgentStarted { agent, .. }
            | Self::ModelRetried { agent, .. }
            | Self::AgentThought { agent, .. }
            | Self::AgentHinted { agent, .. }
            | Self::HistoryStubbed { agent, .. }
            | Self::HistorySummarised { agent, .. }
            | Self::SummaryAsked { agent }
            | Self::CallAuthorised { agent, .. }
            | Self::CallStarted { agent, .. }
            | Self::CallReset { agent, .. }
            | Self::CallFinished { agent, .. }
            | Self::AgentGuided { agent, .. }
            | Self::HoldAsked { agent }
            | Self::AgentPaused { agent }
            | Self::AgentResumed { agent }
            | Self::AgentStopAsked { agent }
            | Self::AgentComplete { agent, .. }
            | Self::AgentFailed { agent, .. }
            | Self::AgentCancelled { agent, .. }
            | Self::AgentSkipped { agent, .. } => Some(*agent),
            Self::MessageSent { from, .. } => Some(*from),
            Self::ApprovalRequired { approval } | Self::ApprovalResolved { approval } => Some(approval.agent),
            Self::DeliverableCreated { agent, .. }
            | Self::ModelReserved { agent, .. }
            | Self::ModelUnanswered { agent, .. } => *agent,
            Self::TaskCreated(_)
            | Self::TaskPlanning
            | Self::AnswerRefused { .. }
            | Self::QuestionRetried { .. }
            | Self::TaskPlanned { .. }
            | Self::TaskRunning
            | Self::ReplanAsked { .. }
            | Self::ConclusionAsked
            | Self::Concluded { .. }
            | Self::TaskHoldAsked
            | Self::TaskHoldLifted
            | Self::TaskPaused
            | Self::TaskResumed { .. }
            | Self::CreditLow { .. }
            | Self::AutonomySet { .. }
            | Self::BudgetSet { .. }
            | Self::StopAsked { .. }
            | Self::TaskComplete { .. }
            | Self::TaskFailed { .. }
            | Self::TaskCancelled { .. } => None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}
