//! The local engine: sees to it that every task that is owed something has exactly one runner, in this process.
//!
//! It knows when to look at a task (a wake-up, its time, a free place) and nothing of what is done with it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use miteos_core::command::Command;
use miteos_core::ids::TaskId;
use miteos_core::time::Timestamp;
use miteos_store::{Scope, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::clock::Clock;
use crate::runner::{self, Left, Slot};
use crate::tasks::{CommandError, TaskError, Tasks};
use crate::tier;

/// How often all tasks are looked at although no timer said so: what a lost wake-up costs at most.
const SWEEP: Duration = Duration::from_secs(30);
/// When they are looked at again after that failed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Due tasks read at once.
const DUE_AT_ONCE: usize = 1_000;
/// The shortest rest between two looks for due tasks.
const REST: Duration = Duration::from_millis(20);
/// Waiting tasks of an account that cannot be let in and are passed over in one round.
const PASSED_AT_MOST: usize = 100;
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
    /// The first time that a task has parked until since the last look for due tasks.
    soonest: Mutex<Option<Timestamp>>,
    /// There is an earlier one.
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
            soonest: Mutex::default(),
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
                    if self.recover(id).await {
                        continue;
                    }
                    Left::Shutdown
                }
                Err(panic) => {
                    tracing::error!(task = %id, %panic, "the runner panicked; the task is taken up again");
                    if self.recover(id).await {
                        continue;
                    }
                    Left::Shutdown
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
                Left::Parked { next_wake: Some(at) } => self.parked_until(at),
                // Whatever its own tier: the places are the account's, and who waits may be of another one.
                Left::Finished { scope } => self.admit(scope),
                Left::Parked { next_wake: None } | Left::Shutdown => {}
            }
            return;
        }
    }

    /// Rests after a failure, and until storage takes writes: before that nothing is begun, and paid for, whose
    /// outcome could not be recorded. False if the server stops first.
    async fn recover(&self, id: TaskId) -> bool {
        loop {
            self.rest(id).await;
            if self.inner.shutdown.is_cancelled() {
                return false;
            }
            match self.inner.tasks.store.check().await {
                Ok(()) => return true,
                Err(error) => {
                    tracing::error!(task = %id, error = %crate::errors::chain(&error), "storage takes no writes; the task waits");
                }
            }
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
    /// timers are one mechanism. A look for what has fallen due since the last one is cheap however many tasks run;
    /// the sweep looks at all of them.
    async fn keep_time(self) {
        let clock = Arc::clone(&self.inner.tasks.clock);
        let (mut seen, mut sweep_at) = (Timestamp::default(), Instant::now());
        while !self.inner.shutdown.is_cancelled() {
            let (now, sweeps) = (clock.now(), Instant::now() >= sweep_at);
            let looked = if sweeps { self.sweep(now).await } else { self.look(seen, now).await };
            let next = match looked {
                Ok(next) => {
                    seen = now;
                    if sweeps {
                        sweep_at = Instant::now() + SWEEP;
                        self.inner.turning.store(true, Ordering::SeqCst);
                    }
                    next
                }
                Err(error) => {
                    tracing::error!(error = %crate::errors::chain(&error), "could not look for due tasks");
                    sweep_at = Instant::now() + LOOK_AGAIN;
                    None
                }
            };
            self.sleep(clock.as_ref(), next, sweep_at).await;
        }
    }

    /// Until this time, or that of a task that parks meanwhile, or the sweep.
    async fn sleep(&self, clock: &dyn Clock, next: Option<Timestamp>, sweep_at: Instant) {
        let stopping = self.inner.shutdown.cancelled();
        let sleep = async {
            tokio::time::sleep(REST).await;
            loop {
                let first = next.into_iter().chain(*self.soonest()).min();
                let due = async {
                    match first {
                        Some(at) => clock.sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = due => return,
                    () = tokio::time::sleep_until(sweep_at) => return,
                    () = self.inner.timer.notified() => {}
                }
            }
        };
        tokio::select! {
            () = sleep => {}
            () = stopping => {}
        }
    }

    fn soonest(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.inner.soonest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task parked until this time. Only if it is the first one the timer has to know.
    fn parked_until(&self, at: Timestamp) {
        let mut soonest = self.soonest();
        if soonest.is_none_or(|first| at < first) {
            *soonest = Some(at);
            self.inner.timer.notify_one();
        }
    }

    /// Looks at every task that is owed something, and at every account in which tasks wait for a place: what a lost
    /// wake-up had left behind goes on here.
    async fn sweep(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let next = self.look(Timestamp::default(), now).await?;
        for scope in self.inner.tasks.store.accounts_with_pending().await? {
            self.admit(scope);
        }
        Ok(next)
    }

    /// Wakes the tasks whose time has come since `seen`, and gives the time of the next one. Who runs is told, too.
    async fn look(&self, seen: Timestamp, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        // A task that parked late may have a time that was looked at while it still ran.
        let parked = self.soonest().take();
        let mut behind = (parked.map_or(seen, |at| at.min(seen)), None);
        let store = &self.inner.tasks.store;
        loop {
            let due = store.due(behind, now, DUE_AT_ONCE).await?;
            due.iter().for_each(|head| self.wake(head.id));
            match due.last() {
                Some(last) if due.len() == DUE_AT_ONCE => {
                    behind = (last.wake_at.unwrap_or(now), Some(last.id));
                }
                Some(_) | None => return store.next_wake_after(now).await,
            }
            tokio::time::sleep(REST).await;
        }
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

    /// Lets in whoever is first, as long as there are places. One that cannot be let in now holds up none behind it;
    /// it is tried again with the next request, or at the sweep.
    async fn fill_places(&self, scope: Scope) -> Result<(), CommandError> {
        let store = &self.inner.tasks.store;
        let stored = |error: StoreError| CommandError::Task(error.into());
        let mut passed: HashSet<TaskId> = HashSet::new();
        let mut outcome = Ok(());
        while passed.len() <= PASSED_AT_MOST {
            let waiting = store.oldest_pending(scope.account, scope.live, passed.len() + 1).await;
            let waiting = waiting.map_err(stored)?;
            let Some(first) = waiting.iter().find(|head| !passed.contains(&head.id)) else { break };
            if let Some(limit) = tier::concurrent_tasks(&first.tier)
                && store.count_active(scope.account, scope.live).await.map_err(stored)? >= limit
            {
                break;
            }
            match self.inner.tasks.command(first.id, Command::Admit).await {
                Ok(_) => self.wake(first.id),
                // It is being cancelled, or its own runner took it in: that goes on by itself.
                Err(CommandError::Rejected(_) | CommandError::NotFound) => {
                    self.wake(first.id);
                    passed.insert(first.id);
                }
                Err(CommandError::Task(error @ TaskError::Damaged { .. })) => {
                    tracing::error!(error = %crate::errors::chain(&error), "a waiting task cannot be admitted");
                    passed.insert(first.id);
                }
                Err(error) => {
                    // What failed may have been written all the same.
                    self.wake(first.id);
                    passed.insert(first.id);
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }
}
