//! One agent: a conversation with a model, and the calls it has open.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::approval::{Approval, Asked};
use crate::chat::{ModelCall, Turn, guess_tokens};
use crate::content::{Content, Sha256};
use crate::event::{CallFacts, CallName, Retry};
use crate::ids::{AgentId, CallId, SubtaskId};
use crate::money::{MicroUsd, Usage};
use crate::settings::{MAX_CIRCLE, REPEATS_END};
use crate::tool::{AgentType, RetryClass};

/// What an agent is doing. `Thinking` and `Acting` are the two halves of its loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Not started.
    Idle,
    /// The model's next answer is owed.
    Thinking {
        retry: Retry,
        summarise: bool,
    },
    /// Calls of the last answer are open.
    Acting {
        calls: Vec<Call>,
    },
    Complete {
        result: Content,
    },
    Error {
        error: String,
    },
    Cancelled {
        reason: String,
        skipped: bool,
    },
}

/// How far a pause has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    None,
    /// Asked for; what runs may end first.
    Asked,
    Holding,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub facts: CallFacts,
    pub state: CallState,
    /// A person approved it with other arguments than the model's.
    #[serde(default)]
    pub replaced: bool,
    /// Recorded starts, of a `once` call.
    #[serde(default)]
    pub attempts: u32,
}

impl Call {
    pub(crate) fn proposed(facts: &CallFacts) -> Self {
        Self { facts: facts.clone(), state: CallState::Proposed, replaced: false, attempts: 0 }
    }

    pub fn name(&self) -> CallName {
        CallName { call: self.facts.call, tool: self.facts.tool.clone() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CallState {
    /// Its turn has not come.
    Proposed,
    /// A person is asked.
    Waiting {
        approval: Box<Approval>,
    },
    /// May run.
    Ready,
    /// A `once` call that was started; the outcome is not known.
    Started,
    Done {
        ok: bool,
        output: Content,
        hint: Option<String>,
    },
}

/// The public states of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgentStatus {
    Idle,
    Thinking,
    Acting,
    Waiting,
    Paused,
    Complete,
    Error,
    Cancelled,
}

impl AgentStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Thinking => "thinking",
            Self::Acting => "acting",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The last answers' calls with their results, each as one digest, the newest last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Repeats {
    recent: VecDeque<Sha256>,
}

impl Repeats {
    /// How often the same calls have come round, if these come next: once for something new. A round is one answer,
    /// or a circle of up to [`MAX_CIRCLE`] answers.
    pub fn rounds_with(&self, next: &Sha256) -> u32 {
        let newest_first: Vec<&Sha256> = std::iter::once(next).chain(self.recent.iter().rev()).collect();
        let rounds = |circle: usize| {
            let same = newest_first.iter().zip(newest_first.iter().skip(circle)).take_while(|(a, b)| a == b);
            (same.count() + circle) / circle
        };
        let most = (1..=MAX_CIRCLE).map(rounds).max().unwrap_or(1);
        u32::try_from(most).unwrap_or(u32::MAX)
    }

    pub(crate) fn push(&mut self, digest: Sha256) {
        self.recent.push_back(digest);
        if self.recent.len() > MAX_CIRCLE * REPEATS_END as usize {
            self.recent.pop_front();
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    pub id: AgentId,
    pub subtask: SubtaskId,
    pub kind: AgentType,
    pub phase: Phase,
    pub hold: Hold,
    /// Asked to stop for good; waits for what it runs to die.
    pub stopping: bool,
    pub turns: Vec<Turn>,
    /// How often earlier turns were changed (compaction); while it stays, `turns` has only grown.
    pub history_epoch: u32,
    /// Turn 1 is a summary of what came before.
    #[serde(default)]
    pub summarised: bool,
    /// Words for the model that wait for its next call: guidance, messages, hints.
    pub inbox: Vec<Content>,
    /// Index of the model in use: a fallback is kept once taken.
    pub model: usize,
    pub model_calls: u32,
    pub empty_answers: u32,
    /// What the next prompt will weigh, in tokens: the provider's own count where it gave one.
    pub context_tokens: u64,
    pub usage: Usage,
    pub cost: MicroUsd,
    pub cost_known: bool,
    pub last_model: Option<String>,
    pub repeats: Repeats,
    /// Calls that took effect outside or in the workspace.
    pub took_effect: Vec<CallName>,
    /// Calls that were running when the agent was cancelled: nobody saw their end.
    #[serde(default)]
    pub interrupted: Vec<CallName>,
    /// Its answer, while the call that the task's configuration asks for at the end is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Content>,
}

impl Agent {
    pub fn new(id: AgentId, subtask: SubtaskId, kind: AgentType, hold: Hold) -> Self {
        Self {
            id,
            subtask,
            kind,
            phase: Phase::Idle,
            hold,
            stopping: false,
            turns: Vec::new(),
            history_epoch: 0,
            summarised: false,
            inbox: Vec::new(),
            model: 0,
            model_calls: 0,
            empty_answers: 0,
            context_tokens: 0,
            usage: Usage::default(),
            cost: MicroUsd::ZERO,
            cost_known: true,
            last_model: None,
            repeats: Repeats::default(),
            took_effect: Vec::new(),
            interrupted: Vec::new(),
            closing: None,
        }
    }

    pub fn is_finished(&self) -> bool {
        match self.phase {
            Phase::Complete { .. } | Phase::Error { .. } | Phase::Cancelled { .. } => true,
            Phase::Idle | Phase::Thinking { .. } | Phase::Acting { .. } => false,
        }
    }

    /// Started and not finished: takes one of the task's places.
    pub fn is_working(&self) -> bool {
        matches!(self.phase, Phase::Thinking { .. } | Phase::Acting { .. })
    }

    pub fn status(&self) -> AgentStatus {
        match &self.phase {
            Phase::Complete { .. } => AgentStatus::Complete,
            Phase::Error { .. } => AgentStatus::Error,
            Phase::Cancelled { .. } => AgentStatus::Cancelled,
            Phase::Idle | Phase::Thinking { .. } | Phase::Acting { .. } if self.hold == Hold::Holding => {
                AgentStatus::Paused
            }
            Phase::Idle => AgentStatus::Idle,
            Phase::Thinking { .. } => AgentStatus::Thinking,
            Phase::Acting { calls } => {
                let waits = calls.iter().any(|c| matches!(c.state, CallState::Waiting { .. }));
                let runs = calls.iter().any(|c| matches!(c.state, CallState::Ready | CallState::Started));
                if waits && !runs { AgentStatus::Waiting } else { AgentStatus::Acting }
            }
        }
    }

    /// 0 to 100; never falls, because the number of model calls never does.
    pub fn progress(&self) -> u8 {
        match self.phase {
            Phase::Complete { .. } => 100,
            Phase::Idle
            | Phase::Thinking { .. }
            | Phase::Acting { .. }
            | Phase::Error { .. }
            | Phase::Cancelled { .. } => Self::progress_after(self.model_calls),
        }
    }

    /// The progress of an agent at work that has made so many model calls.
    pub fn progress_after(model_calls: u32) -> u8 {
        let calls = u64::from(model_calls);
        u8::try_from(95 * calls / (calls + 4)).unwrap_or(95)
    }

    pub fn calls(&self) -> &[Call] {
        match &self.phase {
            Phase::Acting { calls } => calls,
            Phase::Idle
            | Phase::Thinking { .. }
            | Phase::Complete { .. }
            | Phase::Error { .. }
            | Phase::Cancelled { .. } => &[],
        }
    }

    pub fn call(&self, id: CallId) -> Option<&Call> {
        self.calls().iter().find(|c| c.facts.call == id)
    }

    pub fn call_mut(&mut self, id: CallId) -> Option<&mut Call> {
        match &mut self.phase {
            Phase::Acting { calls } => calls.iter_mut().find(|c| c.facts.call == id),
            Phase::Idle
            | Phase::Thinking { .. }
            | Phase::Complete { .. }
            | Phase::Error { .. }
            | Phase::Cancelled { .. } => None,
        }
    }

    pub fn current_tool(&self) -> Option<&str> {
        self.calls()
            .iter()
            .find(|c| matches!(c.state, CallState::Ready | CallState::Started | CallState::Waiting { .. }))
            .map(|c| c.facts.tool.as_str())
    }

    /// Open approvals of this agent.
    pub fn approvals(&self) -> impl Iterator<Item = &Approval> {
        self.calls().iter().filter_map(|c| match &c.state {
            CallState::Waiting { approval } => Some(approval.as_ref()),
            CallState::Proposed | CallState::Ready | CallState::Started | CallState::Done { .. } => None,
        })
    }

    /// Open calls that may have changed something already, though no outcome is recorded.
    pub(crate) fn in_doubt(&self) -> Vec<CallName> {
        let begun = |call: &&Call| {
            !call.facts.read_only
                && match &call.state {
                    CallState::Started => true,
                    CallState::Ready => call.facts.retry == RetryClass::Repeatable,
                    CallState::Waiting { approval } => approval.asked == Asked::MayHaveHappened,
                    CallState::Proposed | CallState::Done { .. } => false,
                }
        };
        self.calls().iter().filter(begun).map(Call::name).collect()
    }

    pub(crate) fn fresh_thinking(&self) -> Phase {
        Phase::Thinking { retry: Retry { model: self.model, ..Retry::default() }, summarise: false }
    }

    /// The digest of the open calls with their results, taking `last` for the one that is just ending.
    pub(crate) fn batch_digest(&self, last: CallId, ok: bool, output: &Content) -> Sha256 {
        let mut text = String::new();
        for call in self.calls() {
            let (ok, output) = match &call.state {
                CallState::Done { ok, output, .. } => (*ok, output),
                _ if call.facts.call == last => (ok, output),
                CallState::Proposed | CallState::Waiting { .. } | CallState::Ready | CallState::Started => {
                    continue;
                }
            };
            text.push_str(&format!("{}\0{}\0{ok}\0", call.facts.tool, call.facts.input_sha256));
            match output {
                Content::Inline(inline) => text.push_str(inline),
                Content::Stored { sha256, .. } => text.push_str(sha256.as_str()),
            }
            text.push('\0');
        }
        Sha256::of(text.as_bytes())
    }

    pub(crate) fn account(&mut self, call: &ModelCall) {
        self.usage += call.usage;
        match call.cost {
            Some(cost) => self.cost += cost,
            None => self.cost_known = false,
        }
        self.last_model = Some(call.model.clone());
    }

    /// Adds a turn and its weight.
    pub(crate) fn push(&mut self, turn: Turn) {
        self.context_tokens += guess_tokens(turn.weight());
        self.turns.push(turn);
    }
}
