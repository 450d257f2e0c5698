//! What a task's budget still allows. Each model call reserves its worst case before it begins; the reservation stands
//! until what the call really cost is in the journal, so that calls side by side cannot pass the budget together.
//!
//! A call that does not fit beside the others waits until they are settled. The reservation of a task with a budget is
//! in the journal, too: a call that a crash cut off may have been billed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miteos_core::command::Command;
use miteos_core::event::Billed;
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
        // What is set aside in the journal counts as well: core does not let it be passed.
        let in_the_air: MicroUsd = standing.values().copied().sum();
        let set_aside: MicroUsd = task.reserved.iter().map(|reserved| reserved.worst).sum();
        let mut taken = in_the_air.max(set_aside);
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

    /// What is to be recorded of a call that ended without a word: it may have been billed.
    pub fn lost(&self, key: EffectKey) -> Option<Command> {
        let worst = *locked(&self.standing).get(&key)?;
        let billed = if worst == MicroUsd::ZERO { Billed::Nothing } else { Billed::AtMost(Some(worst)) };
        Some(Command::ModelUnanswered { agent: key.agent(), billed })
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

#[cfg(test)]
mod tests {
    use miteos_core::content::Content;
    use miteos_core::event::{Created, Question};
    use miteos_core::ids::{AccountId, TaskId, WorkspaceId};
    use miteos_core::settings::{Settings, TaskConfig};
    use miteos_core::task::Reserved;
    use miteos_core::time::Timestamp;
    use ulid::Ulid;

    use super::*;

    const PLAN: EffectKey = EffectKey::Ask { question: Question::Plan, round: 0 };

    /// A task that owes its plan, with two cents.
    fn task() -> Task {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let created = Created {
            account: AccountId(Ulid::from_parts(1, 1)),
            live: true,
            tier: "free".into(),
            prompt: Content::from("do it"),
            workspace: WorkspaceId(Ulid::from_parts(1, 2)),
            config: TaskConfig { budget_cents: Some(2), ..TaskConfig::default() },
            settings: Settings::default(),
        };
        let (mut task, _) = Task::create(TaskId(Ulid::from_parts(1, 3)), created, at);
        task.handle(Command::Admit, at).unwrap();
        task
    }

    /// The decision on a call that asks for so much.
    async fn asked_for(budget: &mut Budget, task: &Task, worst: u64) -> Vec<Command> {
        let purse = budget.purse(task, PLAN);
        tokio::spawn(async move { purse.reserve(Some(MicroUsd(worst))).await });
        budget.asked().await;
        budget.decide(task, false)
    }

    #[tokio::test]
    async fn what_the_journal_has_set_aside_is_not_asked_for_again() {
        let (mut budget, mut task) = (Budget::new(), task());
        let worst = MicroUsd(6_000);
        assert_eq!(
            asked_for(&mut budget, &task, worst.0).await,
            [Command::ModelReserving { agent: None, worst }]
        );
        // Core would refuse it, for ever.
        task.reserved.push(Reserved { agent: None, worst: MicroUsd(15_000) });
        let mut budget = Budget::new();
        assert_eq!(asked_for(&mut budget, &task, worst.0).await, [Command::BudgetExhausted]);
    }

    #[tokio::test]
    async fn a_call_that_ended_without_a_word_may_have_been_billed() {
        let (mut budget, task) = (Budget::new(), task());
        assert_eq!(budget.lost(PLAN), None, "it had not begun");
        asked_for(&mut budget, &task, 6_000).await;
        budget.granted(None, MicroUsd(6_000));
        let billed = Billed::AtMost(Some(MicroUsd(6_000)));
        assert_eq!(budget.lost(PLAN), Some(Command::ModelUnanswered { agent: None, billed }));
        budget.release(PLAN);
        assert_eq!(budget.lost(PLAN), None);
    }
}
