//! What records say of money: what is set aside, what was billed, and what may have been.

use crate::chat::ModelCall;
use crate::event::Billed;
use crate::ids::AgentId;
use crate::money::MicroUsd;
use crate::task::{Reserved, Task};

impl Task {
    /// A reservation that still stands is of a call that was lost: the provider may have billed it.
    pub(super) fn reserve(&mut self, agent: Option<AgentId>, worst: MicroUsd) {
        let lost = self.release(agent);
        self.uncertain += lost;
        self.reserved.push(Reserved { agent, worst });
    }

    pub(super) fn release(&mut self, agent: Option<AgentId>) -> MicroUsd {
        let stood = self.reserved.iter().filter(|r| r.agent == agent).map(|r| r.worst).sum();
        self.reserved.retain(|r| r.agent != agent);
        stood
    }

    pub(super) fn bill(&mut self, agent: Option<AgentId>, billed: &Billed) {
        self.release(agent);
        match (billed, agent) {
            (Billed::Nothing, _) => {}
            (Billed::Reported(call), None) => self.account(call),
            (Billed::Reported(call), Some(id)) => {
                self.model_calls += 1;
                if let Some(agent) = self.agent_mut(id) {
                    agent.account(call);
                }
            }
            (Billed::AtMost(Some(worst)), _) => self.uncertain += *worst,
            (Billed::AtMost(None), None) => self.cost_known = false,
            (Billed::AtMost(None), Some(id)) => {
                if let Some(agent) = self.agent_mut(id) {
                    agent.cost_known = false;
                }
            }
        }
    }

    pub(super) fn account(&mut self, call: &ModelCall) {
        self.release(None);
        self.model_calls += 1;
        self.own_usage += call.usage;
        match call.cost {
            Some(cost) => self.own_cost += cost,
            None => self.cost_known = false,
        }
    }
}
