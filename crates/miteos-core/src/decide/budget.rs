//! Money: what a model call may cost before it is made, and what one without an answer has cost.

use super::{Decision, Outcome};
use crate::agent::{Hold, Phase};
use crate::chat::ModelCall;
use crate::command::Rejected;
use crate::event::{Billed, Ending, Event, Question};
use crate::ids::AgentId;
use crate::money::MicroUsd;
use crate::settings::CREDIT_LOW_DIVISOR;
use crate::task::{Reserved, Stage};

impl Decision<'_> {
    /// The last fence: whatever else is in the air, the worst case has to fit beside what is spent and reserved.
    pub(super) fn model_reserving(&mut self, agent: Option<AgentId>, worst: MicroUsd) -> Outcome {
        let Some(left) = self.task.budget_left().filter(|_| self.may_call(agent)) else {
            return Err(Rejected::Stale);
        };
        let others = |r: &&Reserved| r.agent != agent;
        let mut needed: MicroUsd = self.task.reserved.iter().filter(others).map(|r| r.worst).sum();
        // An older reservation of the same caller is of a call that was lost, and counts as spent from now on.
        needed += self.task.reserved.iter().filter(|r| !others(r)).map(|r| r.worst).sum();
        if needed + worst > left {
            return Err(Rejected::Stale);
        }
        self.emit(Event::ModelReserved { agent, worst });
        Ok(())
    }

    /// Whether this caller is owed a model call now.
    fn may_call(&self, agent: Option<AgentId>) -> bool {
        match agent {
            Some(id) => self.task.agent(id).is_some_and(|a| {
                matches!(a.phase, Phase::Thinking { .. })
                    && a.hold == Hold::None
                    && !a.stopping
                    && self.working()
            }),
            None => {
                self.task.hold == Hold::None
                    && [Question::Plan, Question::Replan, Question::Conclude]
                        .into_iter()
                        .any(|question| self.task.asking(question).is_some())
            }
        }
    }

    pub(super) fn model_unanswered(&mut self, agent: Option<AgentId>, billed: Billed) -> Outcome {
        if self.task.is_finished() {
            return Err(Rejected::Stale);
        }
        if billed != Billed::Nothing || self.task.reserved.iter().any(|r| r.agent == agent) {
            self.emit(Event::ModelUnanswered { agent, billed });
        }
        Ok(())
    }

    /// An answer that came too late to count was paid for all the same.
    pub(super) fn paid_in_vain(&mut self, agent: Option<AgentId>, call: ModelCall) -> Outcome {
        self.model_unanswered(agent, Billed::Reported(call))
    }

    pub(super) fn budget_exhausted(&mut self) -> Outcome {
        match self.task.stage {
            Stage::Planning { .. }
            | Stage::Working { .. }
            | Stage::Concluding { .. }
            | Stage::Publishing { .. } => {
                let ending = Ending::Failed { error: "budget exhausted".to_owned() };
                self.emit(Event::StopAsked { ending });
                Ok(())
            }
            Stage::Queued
            | Stage::Stopping { .. }
            | Stage::Complete { .. }
            | Stage::Failed { .. }
            | Stage::Cancelled => Err(Rejected::Stale),
        }
    }

    /// Tells once of each budget that its end is near.
    pub(super) fn settle_credit(&mut self) {
        let (Some(budget_cents), Some(budget), Some(left)) =
            (self.task.config.budget_cents, self.task.budget(), self.task.budget_left())
        else {
            return;
        };
        let low = left.0.saturating_mul(CREDIT_LOW_DIVISOR) < budget.0;
        if low && !self.task.credit_told && !self.task.is_finished() {
            self.emit(Event::CreditLow { budget_cents, left });
        }
    }
}
