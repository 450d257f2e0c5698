//! Deployments: made, driven to their end by one runner each, cancelled. What is owed is asked of the state; so a start
//! takes up whatever the last process left.

mod builder;
mod configs;
mod damaged;
mod expo;
mod files;
mod keep;
mod log;
mod moves;
mod passing;
mod provider;
mod publisher;
mod rollback;
mod run;
mod sandboxed;
mod shown;
mod staged;
mod tool;
mod traced;
mod turns;
mod unwanted;
mod visit;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use miteos_core::deployment::{Command, Created, Deployment};
use miteos_core::ids::{DeploymentId, WorkspaceId};
use miteos_store::{IdempotencyRow, Store, StoreError};
use miteos_tools::Workspace;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use builder::{BuildError, BuildJob, Builder, BuiltFolder, Place};
pub use configs::{Parsed, environment, kind, parse, wishes};
pub use damaged::damaged;
pub use keep::{CommandError, DeploymentError, Made, read};
pub use moves::Moves;
pub use passing::Passing;
pub use publisher::{
    Changes, PublishError, PublishJob, Published, Publisher, TakeInError, TakeInJob, TakenIn,
};
pub use rollback::{RollbackAsked, RolledBack};
pub use sandboxed::Sandboxed;
pub use shown::{core_target, public, shown};
pub use staged::check as can_be_staged;
pub use tool::Deploy;
pub use turns::Turns;

use crate::clock::Clock;
use crate::errors::chain;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::runner::Slot;
use crate::secrets::MasterKey;
use crate::traces::Traces;
use run::Left;

/// Active ones that are read at once at the start.
const LOAD_PAGE: usize = 500;
/// How often whoever waits for one looks without being told.
const LOOK_ANYWAY: Duration = Duration::from_millis(500);
/// How long one rests after its runner failed, for the first time (ms); it doubles up to the longest.
const FAILED_FIRST_MS: u64 = 500;
const FAILED_MAX_MS: u64 = 60_000;

/// What deployments are driven with.
pub struct Parts {
    pub store: Store,
    pub feed: Arc<Feed>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub traces: Traces,
    pub master: MasterKey,
    /// The folder that holds one folder for each workspace.
    pub workspaces: PathBuf,
    /// The folder that holds one folder for each deployment under way.
    pub folder: PathBuf,
    pub tools: miteos_deploy::Tools,
    pub builder: Arc<dyn Builder>,
    /// `None`: this server serves no sites itself.
    pub publisher: Option<Arc<dyn Publisher>>,
    /// How often a published address is looked at.
    pub visits: u32,
    pub moves: Moves,
    pub turns: Turns,
}

impl Parts {
    fn workspace(&self, id: WorkspaceId) -> Workspace {
        Workspace::on_demand(self.workspaces.join(id.to_string()))
    }

    /// A deployment's own folder, as long as it is not over.
    fn scratch(&self, id: DeploymentId) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// What was kept for a deployment that is over is of no use any more.
    async fn tidy(&self, id: DeploymentId) {
        let scratch = self.scratch(id);
        match tokio::task::spawn_blocking(move || files::remove(&scratch)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(deployment = %id, error = %chain(&error), "the folder of a deployment could not be removed");
            }
            Err(panic) => tracing::error!(deployment = %id, %panic, "removing a folder panicked"),
        }
    }
}

/// The server's clock, for targets.
pub struct TargetClock(pub Arc<dyn Clock>);

impl miteos_deploy::Clock for TargetClock {
    fn now_ms(&self) -> u64 {
        self.0.now().millis()
    }
}

#[derive(Clone)]
pub struct Deployments {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Arc<Parts>,
    running: Mutex<HashMap<DeploymentId, Arc<Slot>>>,
    tracker: TaskTracker,
    stop: CancellationToken,
    turning: AtomicBool,
}

impl Deployments {
    /// Takes up what the last process left.
    pub fn start(parts: Parts) -> Self {
        let inner = Arc::new(Inner {
            parts: Arc::new(parts),
            running: Mutex::default(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            turning: AtomicBool::new(false),
        });
        let deployments = Self { inner };
        deployments.inner.tracker.spawn(deployments.clone().take_up());
        deployments
    }

    pub fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    /// Whether what was left at the start has been taken up.
    pub fn is_turning(&self) -> bool {
        self.inner.turning.load(Ordering::SeqCst) && !self.inner.stop.is_cancelled()
    }

    pub async fn load(&self, id: DeploymentId) -> Result<Option<Deployment>, DeploymentError> {
        let found = self.inner.parts.load(id).await;
        if matches!(found, Err(DeploymentError::Damaged { .. })) {
            // If it is under way, its runner calls it failed.
            self.wake(id);
        }
        found
    }

    /// Waits until a deployment is as is wanted; `None` if it is gone.
    pub async fn until(
        &self,
        id: DeploymentId,
        wanted: impl Fn(&Deployment) -> bool,
    ) -> Result<Option<Deployment>, DeploymentError> {
        loop {
            let moved = self.follow(id);
            let found = self.load(id).await?;
            if found.as_ref().is_none_or(&wanted) {
                return Ok(found);
            }
            match moved {
                Some(mut moved) => {
                    // Looked at anyway, whether something moved or not.
                    let _ = tokio::time::timeout(LOOK_ANYWAY, moved.changed()).await;
                }
                None => tokio::time::sleep(LOOK_ANYWAY).await,
            }
        }
    }

    /// Makes a deployment and sees to it that it runs, even if the caller goes away in between.
    pub async fn create(
        &self,
        id: DeploymentId,
        created: Created,
        answer: impl FnOnce(&Deployment) -> Option<IdempotencyRow> + Send + 'static,
    ) -> Result<Made, DeploymentError> {
        let deployments = self.clone();
        let work = async move {
            let made = deployments.inner.parts.make(id, created, answer).await;
            // Whatever came of it: a write that failed may have been made.
            deployments.wake(id);
            made
        };
        tokio::spawn(work).await.unwrap_or_else(|_| Err(panicked("create a deployment")))
    }

    /// Asks for its end. What runs of it is ended by its runner.
    pub async fn cancel(
        &self,
        id: DeploymentId,
        answer: Option<IdempotencyRow>,
    ) -> Result<Deployment, CommandError> {
        let deployments = self.clone();
        let work = async move {
            let outcome = deployments.inner.parts.command(id, Command::Cancel, answer).await;
            deployments.wake(id);
            outcome
        };
        tokio::spawn(work).await.unwrap_or_else(|_| Err(panicked("cancel a deployment").into()))
    }

    /// Tells of every change of the deployment and of its log, as long as it runs here.
    pub fn follow(&self, id: DeploymentId) -> Option<watch::Receiver<u64>> {
        self.inner.parts.moves.follow(id)
    }

    /// Something has happened to it: its runner looks again, or it gets one.
    pub fn wake(&self, id: DeploymentId) {
        if self.inner.stop.is_cancelled() {
            return;
        }
        let mut running = self.running();
        if let Some(slot) = running.get(&id) {
            slot.wake();
            return;
        }
        let slot = Arc::new(Slot::default());
        running.insert(id, Arc::clone(&slot));
        // From now on it can be followed.
        self.inner.parts.moves.of(id);
        drop(running);
        let deployments = self.clone();
        self.inner.tracker.spawn(async move { deployments.drive(id, slot).await });
    }

    /// Begins nothing any more, and waits for what runs to leave. What does not in time is taken up at the next start.
    pub async fn stop(&self, patience: Duration) {
        self.inner.stop.cancel();
        self.inner.tracker.close();
        if tokio::time::timeout(patience, self.inner.tracker.wait()).await.is_err() {
            let left = self.running().len();
            tracing::warn!(
                left,
                "some deployments did not stop in time; they are taken up at the next start"
            );
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<DeploymentId, Arc<Slot>>> {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deployments of which there is a folder.
    async fn folders(&self) -> BTreeSet<DeploymentId> {
        let folder = self.inner.parts.folder.clone();
        let listed = tokio::task::spawn_blocking(move || files::folders(&folder)).await;
        let Ok(Ok(names)) = listed else {
            tracing::warn!(?listed, "what a crash left of deployments cannot be looked for");
            return BTreeSet::new();
        };
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// Removes what a crash left of deployments that are over: nobody else would. It may take long, and nobody waits for it.
    async fn sweep(&self, left: BTreeSet<DeploymentId>) {
        for id in left {
            if self.inner.stop.is_cancelled() {
                return;
            }
            // One that cannot be read may still be needed.
            let over = match self.inner.parts.load(id).await {
                Ok(found) => found.is_none_or(|deployment| deployment.is_finished()),
                Err(_) => false,
            };
            if over {
                self.inner.parts.tidy(id).await;
            }
        }
    }

    async fn take_up(self) {
        // Those that are there before any other is made. Who is taken up removes its own.
        let mut left = self.folders().await;
        let mut failures = 0;
        let mut after = None;
        while !self.inner.stop.is_cancelled() {
            match self.inner.parts.store.active_deployments(after, LOAD_PAGE).await {
                Ok(found) => {
                    for id in &found {
                        left.remove(id);
                        self.wake(*id);
                    }
                    if found.len() < LOAD_PAGE {
                        self.inner.turning.store(true, Ordering::SeqCst);
                        return self.sweep(left).await;
                    }
                    after = found.last().copied();
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error), "could not read the active deployments");
                    failures += 1;
                    self.rest(failures, std::future::pending()).await;
                }
            }
        }
    }

    async fn drive(self, id: DeploymentId, slot: Arc<Slot>) {
        let mut failures = 0;
        loop {
            let (parts, stop) = (Arc::clone(&self.inner.parts), self.inner.stop.clone());
            let work = run::run(parts, id, Arc::clone(&slot), stop);
            // A task of its own, so that a panic ends it alone and is seen.
            let left = match tokio::spawn(work).await {
                Ok(Ok(left)) => left,
                Ok(Err(DeploymentError::Store(StoreError::Closed))) => Left::Shutdown,
                Ok(Err(error)) => match self.given_up(id, error).await {
                    Ok(left) => left,
                    Err(error) => {
                        tracing::error!(deployment = %id, error = %chain(&error), "the runner of a deployment failed; it is taken up again");
                        failures += 1;
                        self.rest(failures, slot.woken()).await;
                        continue;
                    }
                },
                Err(panic) => {
                    tracing::error!(deployment = %id, %panic, "the runner of a deployment panicked; it is taken up again");
                    failures += 1;
                    self.rest(failures, slot.woken()).await;
                    continue;
                }
            };
            failures = 0;
            let mut running = self.running();
            if slot.take_dirty() && left == Left::Finished {
                continue;
            }
            running.remove(&id);
            self.inner.parts.moves.forget(id);
            return;
        }
    }

    /// One whose state cannot be read is not taken up again: it is over then. Any other error is given back.
    async fn given_up(&self, id: DeploymentId, error: DeploymentError) -> Result<Left, DeploymentError> {
        if !matches!(error, DeploymentError::Damaged { .. }) {
            return Err(error);
        }
        if self.inner.parts.give_up_damaged(id).await? {
            // Its runner looks once more, and finds out what is left to do.
            self.wake(id);
        } else {
            tracing::error!(deployment = %id, error = %chain(&error), "a deployment cannot be read");
        }
        Ok(Left::Finished)
    }

    /// Waits longer after each failure, but no longer than until there is news.
    async fn rest(&self, failures: u32, news: impl Future<Output = ()>) {
        let ms = (FAILED_FIRST_MS << failures.saturating_sub(1).min(16)).min(FAILED_MAX_MS);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
            () = news => {}
            () = self.inner.stop.cancelled() => {}
        }
    }
}

fn panicked(doing: &'static str) -> DeploymentError {
    DeploymentError::Store(StoreError::Panicked { doing })
}
