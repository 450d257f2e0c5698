//! What has happened: the records of a task's journal. Facts, never refused, never changed, names never reused.
//!
//! A record that clients see carries everything they are shown, so that the public log needs nothing else.

mod names;

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
        /// The answer ran into its limit and is not whole.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cut: bool,
    },
    /// The agent has given the task's last answer, and now the output is to be deployed, as the task was asked to. The call
    /// is the server's: the model neither made it nor sees what came of it.
    DeployProposed {
        agent: AgentId,
        result: Content,
        call: CallFacts,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}
