//! What a task's budget still allows. Each model call reserves its worst case before it begins; the reservation stands
//! until what the call really cost is in the journal, so that calls side by side cannot pass the budget together.
//!
//! A call that does not fit beside the others waits until they are settled. The reservation of a task with a budget is
//! in the journal, too: a call that a crash cut off may have been billed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miteos_core::command::Command;
use miteos_core::ids::AgentId;
use miteos_core::money::MicroUsd;
use miteos_core::pending::{Effect, EffectKey};
use miteos_core::task::Task;
use tokio::sync::{mpsc, oneshot};

type Standing = Arc<Mutex<HashMap<EffectKey, MicroUsd>>>;

fn locked(standing: &Standing) -> MutexGuard<'_, HashMap<EffectKey, MicroUsd>> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that wants to be made.
struct Ask {
    key: EffectKey,
    worst: MicroUsd,
    reply: oneshot::Sender<()>,
}

impl Ask {
    fn agent(&self) -> Option<AgentId> {
        self.key.agent()
    }
}

/// The money of one task, as its runner sees it.
pub struct Budget {
    standing: Standing,
    sender: mpsc::UnboundedSender<Ask>,
    receiver: mpsc::UnboundedReceiver<Ask>,
    waiting: Vec<Ask>,
}

impl Budget {
    pub fn new() -> Self {
        // Unbounded, but each call asks once, and no more calls are in the air than the task has agents.
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { standing: Standing::default(), sender, receiver, waiting: Vec::new() }
    }

    /// For a call that is about to begin.
    pub fn purse(&self, task: &Task, key: EffectKey) -> Purse {
        Purse {
            limited: task.budget().is_some(),
            key,
            standing: Arc::clone(&self.standing),
            asks: self.sender.clone(),
        }
    }

    /// Returns when a call asks.
    pub async fn asked(&mut self) {
        // This side holds a sender, so the channel never ends.
        if let Some(ask) = self.receiver.recv().await {
            self.waiting.push(ask);
        }
    }

    /// Who of those that ask may go. What is not owed any more, or rests, is sent back without a call.
    pub fn decide(&mut self, task: &Task, stopping: bool) -> Vec<Command> {
        while let Ok(ask) = self.receiver.try_recv() {
            self.waiting.push(ask);
        }
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let owed: HashSet<EffectKey> = task.pending().iter().map(Effect::key).collect();
        self.waiting.retain(|ask| !stopping && !ask.reply.is_closed() && owed.contains(&ask.key));
        let mut standing = locked(&self.standing);
        let Some(left) = task.budget_left() else {
            for ask in self.waiting.drain(..) {
                standing.insert(ask.key, ask.worst);
                let _ = ask.reply.send(());
            }
            return Vec::new();
        };
        let mut taken: MicroUsd = standing.values().copied().sum();
        let mut commands = Vec::new();
        for ask in &self.waiting {
            if taken + ask.worst <= left {
                taken += ask.worst;
                commands.push(Command::ModelReserving { agent: ask.agent(), worst: ask.worst });
            }
        }
        if commands.is_empty() && standing.is_empty() && !self.waiting.is_empty() {
            return vec![Command::BudgetExhausted];
        }
        commands
    }

    /// The reservation is durable: the call may be made.
    pub fn granted(&mut self, agent: Option<AgentId>, worst: MicroUsd) {
        // A caller has one call in the air at most, so its agent names it.
        let Some(at) = self.waiting.iter().position(|ask| ask.agent() == agent && ask.worst == worst) else {
            return;
        };
        let ask = self.waiting.swap_remove(at);
        locked(&self.standing).insert(ask.key, ask.worst);
        let _ = ask.reply.send(());
    }

    /// The call's cost is recorded, or it cost nothing.
    pub fn release(&self, key: EffectKey) {
        locked(&self.standing).remove(&key);
    }
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    Granted,
    /// It is not wanted any more.
    Refused,
    /// Nobody knows what it could cost, and there is a budget to keep.
    NoPrice,
}

/// What one call asks for its money.
pub struct Purse {
    limited: bool,
    key: EffectKey,
    standing: Standing,
    asks: mpsc::UnboundedSender<Ask>,
}

impl Purse {
    /// Whose call it is; `None`: the task's own.
    pub fn agent(&self) -> Option<AgentId> {
        self.key.agent()
    }

    /// Returns once the worst case is reserved, however long that takes.
    pub async fn reserve(&self, worst: Option<MicroUsd>) -> Leave {
        let Some(worst) = worst else {
            return if self.limited { Leave::NoPrice } else { Leave::Granted };
        };
        if !self.limited {
            // It stands nevertheless: a budget may be set while the call is in the air.
            locked(&self.standing).insert(self.key, worst);
            return Leave::Granted;
        }
        let (reply, granted) = oneshot::channel();
        if self.asks.send(Ask { key: self.key, worst, reply }).is_err() {
            return Leave::Refused;
        }
        match granted.await {
            Ok(()) => Leave::Granted,
            Err(_) => Leave::Refused,
        }
    }
}
