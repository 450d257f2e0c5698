//! What people do to a running task, and how everything that runs is brought to an end.

use super::{Decision, Outcome};
use crate::agent::{Hold, Phase};
use crate::approval::ApprovalStatus;
use crate::command::Rejected;
use crate::event::{Ending, Event};
use crate::ids::AgentId;
use crate::task::{Stage, TaskStatus};

/// Longest word to an agent (bytes).
pub const MAX_GUIDANCE_BYTES: usize = 100_000;

impl Decision<'_> {
    fn wrong<T>(text: impl Into<String>) -> Result<T, Rejected> {
        Err(Rejected::WrongState(text.into()))
    }

    /// The agent, if people can still steer it.
    fn steerable(&self, id: AgentId, verb: &str) -> Outcome {
        let agent = self.agent(id)?;
        if agent.is_finished() {
            return Self::wrong(format!("agent {id} is {} and cannot be {verb}", agent.status().as_str()));
        }
        if agent.stopping || !self.working() {
            return Self::wrong(format!("agent {id} is being stopped and cannot be {verb}"));
        }
        Ok(())
    }

    pub(super) fn pause_agent(&mut self, id: AgentId) -> Outcome {
        self.steerable(id, "paused")?;
        if self.agent(id)?.hold == Hold::None {
            self.emit(Event::HoldAsked { agent: id });
        }
        Ok(())
    }

    pub(super) fn held(&mut self, id: AgentId) -> Outcome {
        let agent = self.agent(id)?;
        if agent.hold != Hold::Asked || agent.is_finished() || !self.working() {
            return Err(Rejected::Stale);
        }
        self.emit(Event::AgentPaused { agent: id });
        Ok(())
    }

    pub(super) fn resume_agent(&mut self, id: AgentId) -> Outcome {
        self.steerable(id, "resumed")?;
        if self.agent(id)?.hold != Hold::None {
            self.emit(Event::AgentResumed { agent: id });
            self.open_calls(id);
        }
        Ok(())
    }

    pub(super) fn cancel_agent(&mut self, id: AgentId) -> Outcome {
        let agent = self.agent(id)?;
        match agent.phase {
            Phase::Cancelled { .. } => Ok(()),
            Phase::Complete { .. } | Phase::Error { .. } => {
                Self::wrong(format!("agent {id} is {} and cannot be cancelled", agent.status().as_str()))
            }
            Phase::Idle | Phase::Thinking { .. } | Phase::Acting { .. } if agent.stopping => Ok(()),
            Phase::Idle | Phase::Thinking { .. } | Phase::Acting { .. } => {
                self.steerable(id, "cancelled")?;
                self.emit(Event::AgentStopAsked { agent: id });
                Ok(())
            }
        }
    }

    pub(super) fn stopped(&mut self, id: AgentId) -> Outcome {
        if !self.agent(id)?.stopping || !self.working() {
            return Err(Rejected::Stale);
        }
        self.cancel_now(id, "a person cancelled it");
        Ok(())
    }

    /// Nothing of the agent runs any more: settle its approvals and end it.
    fn cancel_now(&mut self, id: AgentId, reason: &str) {
        let open: Vec<_> = self.task.agent(id).map(|a| a.approvals().cloned().collect()).unwrap_or_default();
        for approval in open {
            self.resolve(&approval, ApprovalStatus::Cancelled, Some("its agent was stopped".to_owned()));
        }
        let spent = self.spent(id);
        self.emit(Event::AgentCancelled { agent: id, reason: reason.to_owned(), spent });
    }

    pub(super) fn guide_agent(&mut self, id: AgentId, message: String) -> Outcome {
        check_message(&message)?;
        self.steerable(id, "guided")?;
        self.emit(Event::AgentGuided { agent: id, message });
        Ok(())
    }

    /// Whether the whole task can be steered: not before it has agents, not after its end.
    fn task_steerable(&self, verb: &str) -> Outcome {
        let status = self.task.status();
        match &self.task.stage {
            Stage::Working { .. } if self.task.agents.iter().any(|a| !a.is_finished()) => Ok(()),
            Stage::Working { .. } | Stage::Concluding { .. } | Stage::Publishing { .. } => {
                Self::wrong(format!("the task cannot be {verb} now: none of its agents is at work"))
            }
            Stage::Stopping { .. } => Self::wrong(format!("the task is being stopped and cannot be {verb}")),
            Stage::Queued | Stage::Planning { .. } => Self::wrong(format!(
                "the task is {} and cannot be {verb} before its agents run",
                status.as_str()
            )),
            Stage::Complete { .. } | Stage::Failed { .. } | Stage::Cancelled => {
                Self::wrong(format!("the task is {} and cannot be {verb}", status.as_str()))
            }
        }
    }

    fn active_agents(&self) -> Vec<AgentId> {
        self.task.agents.iter().filter(|a| !a.is_finished() && !a.stopping).map(|a| a.id).collect()
    }

    pub(super) fn pause_task(&mut self) -> Outcome {
        self.task_steerable("paused")?;
        for id in self.active_agents() {
            self.pause_agent(id)?;
        }
        Ok(())
    }

    pub(super) fn resume_task(&mut self) -> Outcome {
        self.task_steerable("resumed")?;
        for id in self.active_agents() {
            self.resume_agent(id)?;
        }
        Ok(())
    }

    pub(super) fn guide_task(&mut self, message: &str) -> Outcome {
        check_message(message)?;
        self.task_steerable("guided")?;
        for id in self.active_agents() {
            self.emit(Event::AgentGuided { agent: id, message: message.to_owned() });
        }
        Ok(())
    }

    pub(super) fn cancel_task(&mut self) -> Outcome {
        match &self.task.stage {
            Stage::Cancelled | Stage::Stopping { ending: Ending::Cancelled } => Ok(()),
            Stage::Complete { .. } | Stage::Failed { .. } => {
                Self::wrong(format!("the task is {} and cannot be cancelled", self.task.status().as_str()))
            }
            Stage::Stopping { ending: Ending::Failed { .. } } => {
                Self::wrong("the task is failing and cannot be cancelled")
            }
            Stage::Queued
            | Stage::Planning { .. }
            | Stage::Working { .. }
            | Stage::Concluding { .. }
            | Stage::Publishing { .. } => {
                self.emit(Event::StopAsked { ending: Ending::Cancelled });
                Ok(())
            }
        }
    }

    pub(super) fn budget_exhausted(&mut self) -> Outcome {
        if !matches!(self.task.status(), TaskStatus::Planning | TaskStatus::Running | TaskStatus::Paused)
            || matches!(self.task.stage, Stage::Stopping { .. })
        {
            return Err(Rejected::Stale);
        }
        self.emit(Event::StopAsked { ending: Ending::Failed { error: "budget exhausted".to_owned() } });
        Ok(())
    }

    pub(super) fn all_stopped(&mut self) -> Outcome {
        let Stage::Stopping { ending } = self.task.stage.clone() else { return Err(Rejected::Stale) };
        let reason = match &ending {
            Ending::Cancelled => "the task was cancelled",
            Ending::Failed { .. } => "the task failed",
        };
        let unfinished: Vec<_> = self.task.agents.iter().filter(|a| !a.is_finished()).map(|a| a.id).collect();
        for id in unfinished {
            self.cancel_now(id, reason);
        }
        let totals = self.task.totals();
        match ending {
            Ending::Failed { error } => self.emit(Event::TaskFailed { error, totals }),
            Ending::Cancelled => {
                let took_effect =
                    self.task.agents.iter().flat_map(|a| a.took_effect.iter().copied()).collect();
                self.emit(Event::TaskCancelled { totals, took_effect });
            }
        }
        Ok(())
    }

    pub(super) fn set_autonomy(&mut self, autonomy_level: u8) -> Outcome {
        self.changeable()?;
        if self.task.config.autonomy_level != autonomy_level {
            self.emit(Event::AutonomySet { autonomy_level });
        }
        Ok(())
    }

    pub(super) fn set_budget(&mut self, budget_cents: Option<u64>) -> Outcome {
        self.changeable()?;
        if self.task.config.budget_cents != budget_cents {
            self.emit(Event::BudgetSet { budget_cents });
        }
        Ok(())
    }

    fn changeable(&self) -> Outcome {
        match self.task.status() {
            TaskStatus::Pending | TaskStatus::Planning | TaskStatus::Running | TaskStatus::Paused => Ok(()),
            status @ (TaskStatus::Complete | TaskStatus::Failed | TaskStatus::Cancelled) => {
                Self::wrong(format!("the task is {} and cannot be changed", status.as_str()))
            }
        }
    }
}

fn check_message(message: &str) -> Outcome {
    if message.trim().is_empty() {
        return Err(Rejected::WrongState("the message is empty; say what the agent should do".to_owned()));
    }
    if message.len() > MAX_GUIDANCE_BYTES {
        let text = format!("the message has {} bytes; at most {MAX_GUIDANCE_BYTES} are taken", message.len());
        return Err(Rejected::WrongState(text));
    }
    Ok(())
}
