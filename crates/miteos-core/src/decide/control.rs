//! What people do to a running task, and how everything that runs is brought to an end.

use super::{Decision, Outcome};
use crate::agent::{Agent, Hold, Phase};
use crate::approval::ApprovalStatus;
use crate::command::Rejected;
use crate::event::{CallName, Ending, Event};
use crate::ids::AgentId;
use crate::task::Stage;

/// Longest word to an agent (bytes).
pub const MAX_GUIDANCE_BYTES: usize = 100_000;
/// Most words that may wait for an agent's next model call.
pub const MAX_WAITING_WORDS: usize = 256;

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
            // The whole is not paused any more; whoever else was held stays held.
            self.lift_hold();
            self.emit(Event::AgentResumed { agent: id });
            self.open_calls(id);
        }
        Ok(())
    }

    fn lift_hold(&mut self) {
        if self.task.hold != Hold::None {
            self.emit(Event::TaskHoldLifted);
        }
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
        let (took_effect, interrupted) =
            self.task.agent(id).map(|a| (a.took_effect.clone(), a.in_doubt())).unwrap_or_default();
        let reason = reason.to_owned();
        self.emit(Event::AgentCancelled { agent: id, reason, spent, took_effect, interrupted });
    }

    pub(super) fn guide_agent(&mut self, id: AgentId, message: String) -> Outcome {
        check_message(&message)?;
        self.steerable(id, "guided")?;
        self.has_room(id)?;
        self.emit(Event::AgentGuided { agent: id, message });
        Ok(())
    }

    /// Whether the whole task can be steered: not once it is being brought to its end.
    fn task_steerable(&self, verb: &str) -> Outcome {
        match &self.task.stage {
            Stage::Queued
            | Stage::Planning { .. }
            | Stage::Working { .. }
            | Stage::Concluding { .. }
            | Stage::Publishing { .. } => Ok(()),
            Stage::Stopping { .. } => Self::wrong(format!("the task is being stopped and cannot be {verb}")),
            Stage::Complete { .. } | Stage::Failed { .. } | Stage::Cancelled => {
                Self::wrong(format!("the task is {} and cannot be {verb}", self.task.status().as_str()))
            }
        }
    }

    fn active_agents(&self) -> Vec<AgentId> {
        self.task.agents.iter().filter(|a| !a.is_finished() && !a.stopping).map(|a| a.id).collect()
    }

    /// Holds every agent and the task's own questions. One that has no agents yet holds before they start.
    pub(super) fn pause_task(&mut self) -> Outcome {
        self.task_steerable("paused")?;
        for id in self.active_agents() {
            self.pause_agent(id)?;
        }
        if self.task.hold == Hold::None {
            self.emit(Event::TaskHoldAsked);
        }
        Ok(())
    }

    pub(super) fn task_held(&mut self) -> Outcome {
        if self.task.hold != Hold::Asked || !self.task.is_alone() || self.task.paused {
            return Err(Rejected::Stale);
        }
        match self.task.stage {
            Stage::Planning { .. }
            | Stage::Working { .. }
            | Stage::Concluding { .. }
            | Stage::Publishing { .. } => {
                self.emit(Event::TaskPaused);
                Ok(())
            }
            Stage::Queued
            | Stage::Stopping { .. }
            | Stage::Complete { .. }
            | Stage::Failed { .. }
            | Stage::Cancelled => Err(Rejected::Stale),
        }
    }

    pub(super) fn resume_task(&mut self) -> Outcome {
        self.task_steerable("resumed")?;
        self.lift_hold();
        for id in self.active_agents() {
            self.resume_agent(id)?;
        }
        Ok(())
    }

    pub(super) fn guide_task(&mut self, message: &str) -> Outcome {
        check_message(message)?;
        self.task_steerable("guided")?;
        let agents = self.active_agents();
        if agents.is_empty() {
            return Self::wrong(format!(
                "the task is {} and none of its agents is at work: nobody would hear it",
                self.task.status().as_str()
            ));
        }
        for id in &agents {
            self.has_room(*id)?;
        }
        for id in agents {
            self.emit(Event::AgentGuided { agent: id, message: message.to_owned() });
        }
        Ok(())
    }

    fn has_room(&self, id: AgentId) -> Outcome {
        if self.agent(id)?.inbox.len() >= MAX_WAITING_WORDS {
            return Self::wrong(format!(
                "agent {id} has {MAX_WAITING_WORDS} messages it has not read; wait until it has"
            ));
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
                let all = |of: fn(&Agent) -> &Vec<CallName>| {
                    self.task.agents.iter().flat_map(|a| of(a).iter().cloned()).collect()
                };
                let (took_effect, interrupted) = (all(|a| &a.took_effect), all(|a| &a.interrupted));
                self.emit(Event::TaskCancelled { totals, took_effect, interrupted });
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
        self.task_steerable("changed")
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
