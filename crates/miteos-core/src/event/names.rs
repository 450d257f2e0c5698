//! What records are called, in the journal and to clients, and what each is about.

use super::Event;
use crate::chat::ModelCall;
use crate::ids::AgentId;

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
            Self::DeployProposed { .. } => "internal.deploy_proposed",
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
            | Self::DeployProposed { .. }
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
            | Self::DeployProposed { .. }
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
            | Self::DeployProposed { agent, .. }
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
