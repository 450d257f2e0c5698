//! What the world owes a task: derived from its state, so that after a crash one only has to ask again.

use std::collections::BTreeSet;

use crate::agent::{Agent, CallState, Hold, Phase};
use crate::event::{Question, Retry};
use crate::ids::{AgentId, ApprovalId, CallId};
use crate::task::{Asking, Replan, Stage, Subtask, SubtaskStatus, Task};
use crate::time::Timestamp;
use crate::tool::RetryClass;

/// More than the refused answers that one round of failures can have.
const REFUSALS_OF_A_ROUND: usize = 8;

/// Names one owed effect; the same as long as it is the same debt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EffectKey {
    Ask { question: Question, round: u32 },
    StartAgent { agent: AgentId },
    CallModel { agent: AgentId, step: u32, summary: bool },
    Call { agent: AgentId, call: CallId },
    PublishFiles,
    Hold { agent: AgentId },
    HoldTask,
    StopAgent { agent: AgentId },
    StopAll,
    Expire { approval: ApprovalId },
}

impl EffectKey {
    /// The agent whose pause or end waits for this effect.
    pub fn agent(&self) -> Option<AgentId> {
        match self {
            Self::CallModel { agent, .. } | Self::Call { agent, .. } | Self::StartAgent { agent } => {
                Some(*agent)
            }
            Self::Ask { .. }
            | Self::PublishFiles
            | Self::Hold { .. }
            | Self::HoldTask
            | Self::StopAgent { .. }
            | Self::StopAll
            | Self::Expire { .. } => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the planner's model.
    Ask {
        question: Question,
        round: u32,
        retry: Retry,
    },
    /// Write the agent's first message.
    StartAgent {
        agent: AgentId,
    },
    /// The agent's next model call. `last`: it has to answer now.
    CallModel {
        agent: AgentId,
        step: u32,
        retry: Retry,
        heard: usize,
        last: bool,
    },
    /// Summarise the turns 1 to `turns`.
    Summarise {
        agent: AgentId,
        step: u32,
        retry: Retry,
        turns: usize,
    },
    /// Record the start of a `once` call.
    StartCall {
        agent: AgentId,
        call: CallId,
    },
    /// Run a call. `started`: its start is recorded; if this process did not start it, settle it first.
    RunCall {
        agent: AgentId,
        call: CallId,
        started: bool,
    },
    PublishFiles {
        paths: Vec<String>,
    },
    /// Report when nothing of the agent runs any more.
    Hold {
        agent: AgentId,
    },
    /// Report when none of the task's own questions is in the air.
    HoldTask,
    /// Stop all the agent runs, and report when it is dead.
    StopAgent {
        agent: AgentId,
    },
    StopAll,
    Expire {
        approval: ApprovalId,
        at: Timestamp,
    },
}

impl Effect {
    pub fn key(&self) -> EffectKey {
        match self {
            Self::Ask { question, round, .. } => EffectKey::Ask { question: *question, round: *round },
            Self::StartAgent { agent } => EffectKey::StartAgent { agent: *agent },
            Self::CallModel { agent, step, .. } => {
                EffectKey::CallModel { agent: *agent, step: *step, summary: false }
            }
            Self::Summarise { agent, step, .. } => {
                EffectKey::CallModel { agent: *agent, step: *step, summary: true }
            }
            Self::StartCall { agent, call } | Self::RunCall { agent, call, .. } => {
                EffectKey::Call { agent: *agent, call: *call }
            }
            Self::PublishFiles { .. } => EffectKey::PublishFiles,
            Self::Hold { agent } => EffectKey::Hold { agent: *agent },
            Self::HoldTask => EffectKey::HoldTask,
            Self::StopAgent { agent } => EffectKey::StopAgent { agent: *agent },
            Self::StopAll => EffectKey::StopAll,
            Self::Expire { approval, .. } => EffectKey::Expire { approval: *approval },
        }
    }

    /// Not to be begun before this time.
    pub fn not_before(&self) -> Option<Timestamp> {
        match self {
            Self::Ask { retry, .. } | Self::CallModel { retry, .. } | Self::Summarise { retry, .. } => {
                retry.not_before
            }
            Self::Expire { at, .. } => Some(*at),
            Self::StartAgent { .. }
            | Self::StartCall { .. }
            | Self::RunCall { .. }
            | Self::PublishFiles { .. }
            | Self::Hold { .. }
            | Self::HoldTask
            | Self::StopAgent { .. }
            | Self::StopAll => None,
        }
    }
}

/// Whether effects of held agents count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Rest,
    Count,
}

impl Task {
    /// The effects that are owed now or at their time.
    pub fn pending(&self) -> Vec<Effect> {
        self.owed(Held::Rest)
    }

    /// The effects that still matter if they are under way. What a held agent had begun may end.
    pub fn wanted(&self) -> BTreeSet<EffectKey> {
        self.owed(Held::Count).iter().map(Effect::key).collect()
    }

    /// When something falls due by itself after this time. What fell due before is under way, and would hide the rest.
    pub fn next_wake(&self, after: Timestamp) -> Option<Timestamp> {
        self.pending().iter().filter_map(Effect::not_before).filter(|at| *at > after).min()
    }

    /// Which time an open question is being asked: another one after each answer that did not validate, and after each
    /// part that failed while its replacement was asked for. An answer of another round is to another question.
    pub fn round(&self, question: Question) -> Option<u32> {
        let asking = self.asking(question)?;
        let failed = match &self.stage {
            Stage::Working { replan: Replan::Asking { failed, .. } } => failed.len(),
            _ => 0,
        };
        let round = asking.refused.len() + failed * REFUSALS_OF_A_ROUND;
        Some(u32::try_from(round).unwrap_or(u32::MAX))
    }

    fn ask(&self, question: Question, asking: &Asking) -> Effect {
        Effect::Ask { question, round: self.round(question).unwrap_or_default(), retry: asking.retry }
    }

    fn owed(&self, held: Held) -> Vec<Effect> {
        match &self.stage {
            Stage::Queued | Stage::Complete { .. } | Stage::Failed { .. } | Stage::Cancelled => Vec::new(),
            Stage::Planning { asking } => self.own(held, self.ask(Question::Plan, asking)),
            Stage::Concluding { asking } => self.own(held, self.ask(Question::Conclude, asking)),
            Stage::Publishing { paths, .. } => self.own(held, Effect::PublishFiles { paths: paths.clone() }),
            Stage::Stopping { .. } => vec![Effect::StopAll],
            Stage::Working { replan } => {
                let mut effects = match replan {
                    Replan::Asking { asking, .. } => self.own(held, self.ask(Question::Replan, asking)),
                    Replan::Unused | Replan::Used => Vec::new(),
                };
                let mut places = (self.config.max_agents as usize).saturating_sub(self.working());
                for agent in self.agents.iter().filter(|a| !a.is_finished()) {
                    self.owed_to(agent, held, &mut places, &mut effects);
                }
                effects
            }
        }
    }

    /// An effect of the task itself, which a pause of the whole holds.
    fn own(&self, held: Held, effect: Effect) -> Vec<Effect> {
        let mut effects = Vec::new();
        // While agents are unfinished the pause has come through when they hold.
        if self.hold == Hold::Asked && self.is_alone() {
            effects.push(Effect::HoldTask);
        }
        if self.hold == Hold::None || held == Held::Count {
            effects.push(effect);
        }
        effects
    }

    fn owed_to(&self, agent: &Agent, held: Held, places: &mut usize, effects: &mut Vec<Effect>) {
        if agent.stopping {
            effects.push(Effect::StopAgent { agent: agent.id });
            return;
        }
        for approval in agent.approvals() {
            effects.push(Effect::Expire { approval: approval.id, at: approval.expires_at });
        }
        if agent.hold == Hold::Asked {
            effects.push(Effect::Hold { agent: agent.id });
        }
        if agent.hold != Hold::None && held == Held::Rest {
            return;
        }
        match &agent.phase {
            Phase::Idle => {
                if *places > 0 && self.subtask(agent.subtask).is_some_and(|s| self.is_ready(s)) {
                    *places -= 1;
                    effects.push(Effect::StartAgent { agent: agent.id });
                }
            }
            Phase::Thinking { retry, summarise: true } => effects.push(Effect::Summarise {
                agent: agent.id,
                step: agent.model_calls,
                retry: *retry,
                turns: agent.summary_cut(),
            }),
            Phase::Thinking { retry, summarise: false } => effects.push(Effect::CallModel {
                agent: agent.id,
                step: agent.model_calls,
                retry: *retry,
                heard: agent.inbox.len(),
                last: agent.model_calls + 1 >= self.settings.max_model_calls,
            }),
            Phase::Acting { calls } => {
                for call in calls {
                    let (agent, id) = (agent.id, call.facts.call);
                    match (&call.state, call.facts.retry) {
                        (CallState::Ready, RetryClass::Repeatable) => {
                            effects.push(Effect::RunCall { agent, call: id, started: false });
                        }
                        (CallState::Ready, RetryClass::Once) => {
                            effects.push(Effect::StartCall { agent, call: id });
                        }
                        (CallState::Started, _) => {
                            effects.push(Effect::RunCall { agent, call: id, started: true });
                        }
                        (CallState::Proposed | CallState::Waiting { .. } | CallState::Done { .. }, _) => {}
                    }
                }
            }
            Phase::Complete { .. } | Phase::Error { .. } | Phase::Cancelled { .. } => {}
        }
    }

    fn is_ready(&self, subtask: &Subtask) -> bool {
        subtask
            .depends_on
            .iter()
            .all(|id| self.subtask(*id).is_some_and(|s| s.status == SubtaskStatus::Complete))
    }
}
