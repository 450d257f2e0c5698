//! What may be asked of a task: by people, by the engine, and by effects that report their outcome.

use serde_json::Value;

use crate::chat::ModelCall;
use crate::content::{Content, Sha256};
use crate::event::{Billed, Deliverable, Question, Recipient};
use crate::ids::{AgentId, ApprovalId, CallId};
use crate::money::MicroUsd;
use crate::tool::{RetryClass, Risk};

/// A tool call as a model asked for it, judged by the registry; core gives it its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedCall {
    pub tool: String,
    pub input: Content,
    pub input_sha256: Sha256,
    pub risk: Risk,
    pub read_only: bool,
    pub retry: RetryClass,
    pub problem: Option<String>,
}

/// Why a model call failed, by what has to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Wait (as long as the provider says) and try again.
    Trouble { retry_after_ms: Option<u64> },
    /// The prompt does not fit.
    TooLong,
    /// The provider will not answer this.
    Refused,
    /// This model cannot be used: credentials, configuration, a request it does not take.
    Unusable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFailure {
    pub kind: FailureKind,
    /// `provider/model: what it said`, fit for people.
    pub message: String,
}

/// What a tool call did besides its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEffect {
    Publish(Deliverable),
    Message { to: Recipient, text: String },
}

/// Arguments that a person put in place of the proposed ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    pub input: Content,
    pub input_sha256: Sha256,
    /// Of the call with these arguments.
    pub risk: Risk,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The agent is told a reason that is given.
    Approve {
        replacement: Option<Replacement>,
        reason: Option<String>,
    },
    Reject {
        reason: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    // The engine.
    Admit,

    // Outcomes.
    QuestionAnswered {
        question: Question,
        /// As in the effect that it is the outcome of.
        round: u32,
        arguments: Result<Value, String>,
        model_call: ModelCall,
    },
    QuestionErred {
        question: Question,
        round: u32,
        failure: ModelFailure,
    },
    AgentReady {
        agent: AgentId,
        brief: Content,
    },
    ModelAnswered {
        agent: AgentId,
        step: u32,
        heard: usize,
        text: Content,
        calls: Vec<ProposedCall>,
        opaque: Option<Value>,
        /// The answer ran into its limit and is not whole.
        cut: bool,
        /// If this is its last word, and the task is to be deployed at its end: the call that does so, with all that is
        /// decided by now, so that a person who is asked sees it.
        closing: Option<Box<ProposedCall>>,
        model_call: ModelCall,
    },
    SummaryAnswered {
        agent: AgentId,
        step: u32,
        turns: usize,
        summary: Content,
        model_call: ModelCall,
    },
    ModelErred {
        agent: AgentId,
        step: u32,
        failure: ModelFailure,
    },
    CallStarting {
        agent: AgentId,
        call: CallId,
    },
    CallNotStarted {
        agent: AgentId,
        call: CallId,
    },
    /// A started call's outcome cannot be found out.
    CallUnsettled {
        agent: AgentId,
        call: CallId,
    },
    CallEnded {
        agent: AgentId,
        call: CallId,
        ok: bool,
        output: Content,
        effects: Vec<CallEffect>,
        duration_ms: u64,
    },
    Published {
        deliverables: Vec<Deliverable>,
    },
    Held {
        agent: AgentId,
    },
    Stopped {
        agent: AgentId,
    },
    AllStopped,
    /// None of the task's own questions is in the air.
    TaskHeld,
    /// A model call of this worst case is about to be made.
    ModelReserving {
        agent: Option<AgentId>,
        worst: MicroUsd,
    },
    /// A model call ended without an answer.
    ModelUnanswered {
        agent: Option<AgentId>,
        billed: Billed,
    },
    Expire {
        approval: ApprovalId,
    },
    BudgetExhausted,

    // People.
    PauseAgent {
        agent: AgentId,
    },
    ResumeAgent {
        agent: AgentId,
    },
    CancelAgent {
        agent: AgentId,
    },
    GuideAgent {
        agent: AgentId,
        message: String,
    },
    Decide {
        agent: AgentId,
        approval: ApprovalId,
        decision: Decision,
    },
    PauseTask,
    ResumeTask,
    CancelTask,
    GuideTask {
        message: String,
    },
    SetAutonomy {
        autonomy_level: u8,
    },
    SetBudget {
        budget_cents: Option<u64>,
    },
}

/// A command that is not carried out; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The outcome of something that is no longer owed; to be dropped.
    #[error("the outcome is of an attempt that no longer counts")]
    Stale,
    /// Told to the caller.
    #[error("{0}")]
    WrongState(String),
    #[error("there is no such {0} in this task")]
    NotFound(&'static str),
}
