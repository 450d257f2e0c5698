//! The effects of one task that are under way: begun once, cancelled when they are no longer wanted, and always
//! waited for until they are really over.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use miteos_core::command::Command;
use miteos_core::event::Event;
use miteos_core::ids::{CallId, WorkspaceId};
use miteos_core::pending::{Effect, EffectKey};
use miteos_core::task::Task;
use miteos_core::time::Timestamp;
use miteos_store::StoreError;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::budget::Budget;
use super::conversation::Conversations;
use super::effects::{Landed, Work};
use super::{Deps, effects};
use crate::traces::Open;

/// How long a cancelled effect may take to clean up before it is dropped.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);

pub struct Flight {
    deps: Arc<Deps>,
    set: JoinSet<Landed>,
    begun: HashMap<EffectKey, CancellationToken>,
    keys: HashMap<Id, EffectKey>,
    landed: Vec<Command>,
    /// Storage failed under an effect that has no other way to say so.
    failed: Option<StoreError>,
    /// Effects whose outcome is about to be recorded.
    settling: Vec<EffectKey>,
    budget: Budget,
    /// `once` calls that this process has recorded as started: they run. Any other started call is settled first.
    started_here: HashSet<CallId>,
    conversations: Conversations,
    /// What the spans of effects stand below.
    span: Open,
}

impl Flight {
    pub fn new(deps: Arc<Deps>, span: Open) -> Self {
        Self {
            deps,
            set: JoinSet::new(),
            begun: HashMap::new(),
            keys: HashMap::new(),
            landed: Vec::new(),
            failed: None,
            settling: Vec::new(),
            budget: Budget::new(),
            started_here: HashSet::new(),
            conversations: Conversations::default(),
            span,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.landed.is_empty()
    }

    /// Begins an effect unless it is under way. Effects that are only a matter of record are given back as commands.
    /// `stopping`: the server stops; nothing new is begun.
    pub fn begin(&mut self, task: &Task, effect: Effect, stopping: bool) -> Option<Command> {
        let key = effect.key();
        match effect {
            Effect::Hold { agent } => {
                return self.is_quiet(|key| key.agent() == Some(agent)).then_some(Command::Held { agent });
            }
            Effect::HoldTask => {
                return self.is_quiet(|key| key.agent().is_none()).then_some(Command::TaskHeld);
            }
            Effect::StopAgent { agent } => {
                self.cancel(|key| key.agent() == Some(agent));
                return self.is_quiet(|key| key.agent() == Some(agent)).then_some(Command::Stopped { agent });
            }
            Effect::StopAll => {
                self.cancel(|_| true);
                return self.is_quiet(|_| true).then_some(Command::AllStopped);
            }
            Effect::Expire { approval, .. } => return Some(Command::Expire { approval }),
            _ if stopping || self.begun.contains_key(&key) => return None,
            // The task's own questions share what is set aside for them: one is over before the next begins.
            Effect::Ask { .. } if !self.is_quiet(|key| matches!(key, EffectKey::Ask { .. })) => return None,
            Effect::StartCall { agent, call } => return Some(Command::CallStarting { agent, call }),
            Effect::Ask { .. }
            | Effect::StartAgent { .. }
            | Effect::CallModel { .. }
            | Effect::Summarise { .. }
            | Effect::RunCall { .. }
            | Effect::PublishFiles { .. } => {}
        }
        let cancel = CancellationToken::new();
        let deps = Arc::clone(&self.deps);
        let here = match effect {
            Effect::RunCall { call, .. } => self.started_here.contains(&call),
            _ => false,
        };
        let means = effects::Means {
            purse: self.budget.purse(task, key),
            here,
            cancel: cancel.clone(),
            background: TaskTracker::new(),
        };
        let background = means.background.clone();
        let work = effects::perform(deps, task, &mut self.conversations, effect, means);
        let work = self.span.place(task, key.agent()).with(to_the_end(work, cancel.clone(), background));
        let id = self.set.spawn(work.instrument(lines_of(task, key))).id();
        self.keys.insert(id, key);
        self.begun.insert(key, cancel);
        None
    }

    /// Who of the calls that ask for money may be made.
    pub fn spend(&mut self, task: &Task, stopping: bool) -> Vec<Command> {
        self.budget.decide(task, stopping)
    }

    /// Whether nothing of this kind is under way.
    fn is_quiet(&self, which: impl Fn(&EffectKey) -> bool) -> bool {
        !self.begun.keys().any(which)
    }

    fn cancel(&mut self, which: impl Fn(&EffectKey) -> bool) {
        self.begun.iter().filter(|(key, _)| which(key)).for_each(|(_, cancel)| cancel.cancel());
    }

    /// Cancels what the task no longer owes. What a held agent had begun may end.
    pub fn drop_unwanted(&mut self, task: &Task) {
        if self.begun.is_empty() {
            return;
        }
        let wanted = task.wanted();
        self.cancel(|key| !wanted.contains(key));
    }

    /// Waits until something ends, or a call asks for its money.
    pub async fn land(&mut self) {
        tokio::select! {
            Some(result) = self.set.join_next_with_id() => self.take(result),
            () = self.budget.asked() => {}
        }
    }

    /// The outcomes so far.
    pub fn landed(&mut self) -> Vec<Command> {
        while let Some(result) = self.set.try_join_next_with_id() {
            self.take(result);
        }
        std::mem::take(&mut self.landed)
    }

    /// Whether storage failed under an effect. Nothing is begun any more then; what is in the air may land.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Why the runner has to leave, once nothing is in the air.
    pub fn failure(&mut self) -> Option<StoreError> {
        if self.is_empty() { self.failed.take() } else { None }
    }

    fn take(&mut self, result: Result<(Id, Landed), tokio::task::JoinError>) {
        let id = match &result {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(key) = self.keys.remove(&id) else { return };
        self.begun.remove(&key);
        self.settling.push(key);
        match result {
            Ok((_, Ok(commands))) => {
                if commands.is_empty() {
                    self.landed.extend(self.budget.lost(key));
                }
                self.landed.extend(commands);
            }
            Ok((_, Err(error))) => self.failed = Some(error),
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                tracing::error!(?key, %error, "an effect panicked");
                self.landed.extend(self.budget.lost(key));
                self.landed.extend(effects::after_panic(key));
            }
        }
    }

    /// The outcomes that had landed are recorded, or did not count.
    pub fn settled(&mut self) {
        for key in self.settling.drain(..) {
            self.budget.release(key);
        }
    }

    /// Takes note of what has just become durable: which `once` calls this process has started, and what need not be
    /// remembered any longer.
    pub fn recorded(&mut self, task: &Task, events: &[(Event, Timestamp)]) {
        for (event, _) in events {
            match event {
                Event::CallStarted { call, .. } => {
                    self.started_here.insert(*call);
                }
                Event::ModelReserved { agent, worst } => self.budget.granted(*agent, *worst),
                Event::CallReset { call, .. } => {
                    self.started_here.remove(call);
                }
                Event::CallFinished { call, tool, .. } => {
                    self.started_here.remove(call);
                    self.forget_notes(task.workspace, *call, tool);
                }
                Event::AgentComplete { agent, .. }
                | Event::AgentFailed { agent, .. }
                | Event::AgentCancelled { agent, .. } => self.conversations.forget(*agent),
                _ => {}
            }
        }
    }

    /// What a tool wrote down about a call, in case of a crash, is of no use once the outcome is in the journal.
    fn forget_notes(&self, workspace: WorkspaceId, call: CallId, tool: &str) {
        if self.deps.registry.get(tool).is_none_or(|tool| !tool.leaves_notes()) {
            return;
        }
        let (door, services) = (self.deps.workspace(workspace), Arc::clone(&self.deps.services));
        // Nobody waits for it: notes that stay are only a little room.
        drop(tokio::task::spawn_blocking(move || {
            if let Err(error) = miteos_tools::forget(&services.calls_dir, &door, call) {
                tracing::warn!(%call, %error, "the notes of a finished call could not be removed");
            }
        }));
    }

    /// Ends everything without recording: the task is loaded afresh by whoever drives it next.
    pub async fn abandon(&mut self) {
        self.cancel(|_| true);
        let drained = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(CANCEL_PATIENCE, drained).await.is_err() {
            self.set.shutdown().await;
        }
        self.begun.clear();
        self.keys.clear();
    }
}

/// Whose work a line of the log is about.
fn lines_of(task: &Task, key: EffectKey) -> tracing::Span {
    match key.agent() {
        Some(agent) => tracing::error_span!("effect", task = %task.id, %agent),
        None => tracing::error_span!("effect", task = %task.id),
    }
}

/// The work and all it has begun. One that does not end after it was cancelled is dropped; what it left in the
/// background is waited for however long it takes, because only then is it dead.
async fn to_the_end(work: Work, cancel: CancellationToken, background: TaskTracker) -> Landed {
    let out_of_patience = async {
        cancel.cancelled().await;
        tokio::time::sleep(CANCEL_PATIENCE).await;
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = out_of_patience => Ok(Vec::new()),
    };
    background.close();
    background.wait().await;
    outcome
}
