//! The local engine: sees to it that every task that is owed something has exactly one runner, in this process.
//!
//! It knows when to look at a task (a wake-up, its time, a free place) and nothing of what is done with it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use miteos_core::command::Command;
use miteos_core::ids::TaskId;
use miteos_store::{Scope, Store, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::clock::Clock;
use crate::runner::{self, Left, Slot};
use crate::tasks::{CommandError, Tasks};
use crate::tier;

/// How often due tasks are looked for although no timer said so (ms): what a lost wake-up costs at most.
const SWEEP_MS: u64 = 30_000;
/// Due tasks taken at once, beside those that run already.
const DUE_AT_ONCE: usize = 1_000;
/// The shortest rest between two looks for due tasks (ms).
const REST_MS: u64 = 20;
/// How long a task rests after its runner failed, for the first time (ms); it doubles up to the longest.
const FAILED_FIRST_MS: u64 = 500;
const FAILED_MAX_MS: u64 = 60_000;

#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    tasks: Tasks,
    deps: Arc<runner::Deps>,
    running: Mutex<HashMap<TaskId, Arc<Slot>>>,
    failures: Mutex<HashMap<TaskId, u32>>,
    admissions: mpsc::UnboundedSender<Scope>,
    timer: Notify,
    tracker: TaskTracker,
    shutdown: CancellationToken,
    turning: AtomicBool,
}

impl Engine {
    /// Starts the timer and the admission; they take up what the last process left.
    pub fn start(tasks: Tasks, deps: Arc<runner::Deps>) -> Self {
        // Unbounded, but each message is one account that just got or lost a task; duplicates are merged.
        let (admissions, requests) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            tasks,
            deps,
            running: Mutex::default(),
            failures: Mutex::default(),
            admissions,
            timer: Notify::new(),
            tracker: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            turning: AtomicBool::new(false),
        });
        let engine = Self { inner };
        engine.inner.tracker.spawn(engine.clone().keep_time());
        engine.inner.tracker.spawn(engine.clone().admit_in_turn(requests));
        engine
    }

    /// Something has happened to the task: its runner looks at it again, or it gets one.
    pub fn wake(&self, id: TaskId) {
        if self.inner.shutdown.is_cancelled() {
            return;
        }
        let mut running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = running.get(&id) {
            slot.wake();
            return;
        }
        let slot = Arc::new(Slot::default());
        running.insert(id, Arc::clone(&slot));
        drop(running);
        let engine = self.clone();
        self.inner.tracker.spawn(async move { engine.drive(id, slot).await });
    }

    /// A task was made: it runs, or waits for its place.
    pub fn admit(&self, scope: Scope) {
        // Only a stopped engine has no receiver.
        let _ = self.inner.admissions.send(scope);
    }

    /// Whether the engine has taken up its work.
    pub fn is_turning(&self) -> bool {
        self.inner.turning.load(Ordering::SeqCst) && !self.inner.shutdown.is_cancelled()
    }

    /// Tasks that have a runner now.
    pub fn running(&self) -> usize {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Lets running calls record their outcome until the patience ends, then drops what is left: it is owed again
    /// at the next start.
    pub async fn stop(&self, patience: Duration) {
        self.inner.shutdown.cancel();
        self.inner.tracker.close();
        if tokio::time::timeout(patience, self.inner.tracker.wait()).await.is_err() {
            tracing::warn!(
                left = self.running(),
                "some calls did not end in time; they are taken up at the next start"
            );
        }
    }

    async fn drive(self, id: TaskId, slot: Arc<Slot>) {
        loop {
            let work =
                runner::run(Arc::clone(&self.inner.deps), id, Arc::clone(&slot), self.inner.shutdown.clone());
            // A runner of its own task, so that a panic ends it alone and is seen.
            let left = match tokio::spawn(work.instrument(tracing::error_span!("task", task = %id))).await {
                Ok(Ok(left)) => left,
                Ok(Err(error)) => {
                    tracing::error!(task = %id, error = %crate::errors::chain(&error), "the runner failed; the task is taken up again");
                    self.rest(id).await;
                    continue;
                }
                Err(panic) => {
                    tracing::error!(task = %id, %panic, "the runner panicked; the task is taken up again");
                    self.rest(id).await;
                    continue;
                }
            };
            self.inner.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            {
                let mut running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
                let stopped = matches!(left, Left::Shutdown);
                if slot.take_dirty() && !stopped {
                    continue;
                }
                running.remove(&id);
            }
            match left {
                Left::Parked { next_wake: Some(_) } => self.inner.timer.notify_one(),
                Left::Finished { scope, tier } if tier::concurrent_tasks(&tier).is_some() => {
                    self.admit(scope)
                }
                Left::Parked { next_wake: None } | Left::Finished { .. } | Left::Shutdown => {}
            }
            return;
        }
    }

    async fn rest(&self, id: TaskId) {
        let failures = {
            let mut failures = self.inner.failures.lock().unwrap_or_else(PoisonError::into_inner);
            let count = failures.entry(id).or_default();
            *count += 1;
            *count
        };
        let ms = (FAILED_FIRST_MS << (failures - 1).min(16)).min(FAILED_MAX_MS);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            () = self.inner.shutdown.cancelled() => {}
        }
    }

    /// Wakes tasks when their time comes. At the start that is every task that was owed something: recovery and
    /// timers are one mechanism.
    async fn keep_time(self) {
        let store = self.inner.tasks.store.clone();
        while !self.inner.shutdown.is_cancelled() {
            let wait = match self.wake_due(&store).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(error = %crate::errors::chain(&error), "could not look for due tasks");
                    Duration::from_secs(1)
                }
            };
            self.inner.turning.store(true, Ordering::SeqCst);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.inner.timer.notified() => {}
                () = self.inner.shutdown.cancelled() => {}
            }
        }
    }

    async fn wake_due(&self, store: &Store) -> Result<Duration, StoreError> {
        let clock: &dyn Clock = self.inner.tasks.clock.as_ref();
        let now = clock.now();
        let busy: HashSet<TaskId> = {
            let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.keys().copied().collect()
        };
        let due = store.due(now, DUE_AT_ONCE + busy.len()).await?;
        let more = due.len() >= DUE_AT_ONCE + busy.len();
        for head in due.iter().filter(|head| !busy.contains(&head.id)) {
            self.wake(head.id);
        }
        if !self.inner.turning.load(Ordering::SeqCst) {
            for scope in store.accounts_with_pending().await? {
                self.admit(scope);
            }
        }
        if more {
            return Ok(Duration::from_millis(REST_MS));
        }
        let next = store.next_wake_after(now).await?;
        let ms = next.map_or(SWEEP_MS, |at| at.since(clock.now())).clamp(REST_MS, SWEEP_MS);
        Ok(Duration::from_millis(ms))
    }

    /// Gives free places to waiting tasks, first come first served, one account at a time.
    async fn admit_in_turn(self, mut requests: mpsc::UnboundedReceiver<Scope>) {
        loop {
            let first = tokio::select! {
                request = requests.recv() => request,
                () = self.inner.shutdown.cancelled() => None,
            };
            let Some(first) = first else { return };
            let mut scopes = HashSet::from([first]);
            while let Ok(scope) = requests.try_recv() {
                scopes.insert(scope);
            }
            for scope in scopes {
                if let Err(error) = self.fill_places(scope).await {
                    tracing::error!(error = %crate::errors::chain(&error), "could not admit waiting tasks");
                    let engine = self.clone();
                    self.inner.tracker.spawn(async move {
                        tokio::select! {
                            () = tokio::time::sleep(Duration::from_secs(1)) => engine.admit(scope),
                            () = engine.inner.shutdown.cancelled() => {}
                        }
                    });
                }
            }
        }
    }

    async fn fill_places(&self, scope: Scope) -> Result<(), CommandError> {
        let store = &self.inner.tasks.store;
        let stored = |error: StoreError| CommandError::Task(error.into());
        loop {
            let waiting = store.oldest_pending(scope.account, scope.live, 1).await.map_err(stored)?;
            let Some(first) = waiting.first() else { return Ok(()) };
            if let Some(limit) = tier::concurrent_tasks(&first.tier)
                && store.count_active(scope.account, scope.live).await.map_err(stored)? >= limit
            {
                return Ok(());
            }
            match self.inner.tasks.command(first.id, Command::Admit).await {
                // Somebody cancelled it, or its own runner took it in.
                Ok(_) | Err(CommandError::Rejected(_) | CommandError::NotFound) => self.wake(first.id),
                Err(error) => return Err(error),
            }
        }
    }
}
