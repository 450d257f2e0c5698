//! The sandbox as the rest of the server sees it: one probe at the start, then runs, some at a time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::config::{DROP_UID_COUNT, SandboxConfig};
use crate::error::SandboxError;
use crate::probe::{self, Probed};
use crate::run::{Means, drive};
use crate::spec::{Captured, Exit, RunOutcome, RunSpec};
use crate::status::{State, Status};
use crate::sys::process::effective_uid;
use crate::wire::Method;
use crate::workspace::slot;

/// Runs that may wait for a place; one more is refused as busy.
const MAX_WAITING: usize = 64;

/// Who owns the files of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// Runs programs, or refuses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: SandboxConfig,
    probed: Probed,
    places: Semaphore,
    running: AtomicUsize,
    waiting: AtomicUsize,
}

impl Sandbox {
    /// Finds a backend that holds, by running a self-test in it. Never fails: without one, every run is refused
    /// with the reasons found here.
    pub async fn probe(config: SandboxConfig) -> Self {
        let probed = probe::probe(&config).await;
        match &probed.state {
            State::Isolated { backend, .. } => {
                tracing::info!(backend = backend.name(), probe_ms = probed.probe_ms, "sandbox ready");
            }
            State::Unsandboxed => {
                tracing::warn!("programs run WITHOUT isolation, because the configuration says so");
            }
            State::Unavailable { reason, mend } => {
                tracing::warn!(%reason, %mend, "no sandbox works here; tools that run programs are off");
            }
        }
        let places = Semaphore::new(config.max_concurrent.clamp(1, Semaphore::MAX_PERMITS));
        let inner =
            Inner { config, probed, places, running: AtomicUsize::new(0), waiting: AtomicUsize::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// What the probe found, and the load now.
    pub fn status(&self) -> Status {
        let inner = &self.inner;
        Status {
            state: inner.probed.state.clone(),
            limits: probe::limits_in_force(&inner.probed.state).into_iter().map(str::to_owned).collect(),
            failed: inner.probed.failed.clone(),
            probe_ms: inner.probed.probe_ms,
            max_concurrent: inner.config.max_concurrent.max(1),
            running: inner.running.load(Ordering::Relaxed),
            waiting: inner.waiting.load(Ordering::Relaxed),
        }
    }

    /// The user that programs in this workspace run as, when it is not the server's own. Before each run every
    /// file in the workspace is given to it; a server that wants its new files to be writable for a program that
    /// already runs gives them itself.
    pub fn owner_of(&self, workspace: &Path) -> Option<Owner> {
        let isolated = matches!(self.inner.probed.state, State::Isolated { .. });
        (isolated && effective_uid() == 0).then(|| {
            let id = user_for(&self.inner.config, workspace);
            Owner { uid: id, gid: id }
        })
    }

    /// Runs a program to its end, or until a limit or `cancel` ends it. When this returns, every process of the
    /// run is dead. When the future is dropped, they are killed as if it had been cancelled.
    ///
    /// # Errors
    ///
    /// Only when the program was not run; see [`SandboxError`].
    pub async fn run(&self, spec: RunSpec, cancel: CancellationToken) -> Result<RunOutcome, SandboxError> {
        let inner = &self.inner;
        let method = match (&inner.probed.state, &inner.probed.method) {
            (State::Isolated { .. } | State::Unsandboxed, Some(method)) => method.clone(),
            (State::Unavailable { reason, mend }, _) => {
                return Err(SandboxError::Unavailable { reason: reason.clone(), mend: mend.clone() });
            }
            (State::Isolated { .. } | State::Unsandboxed, None) => {
                return Err(SandboxError::setup("choose a backend", "the probe left no method"));
            }
        };
        let isolated = !matches!(method, Method::None);
        let Some(_place) = self.place(&cancel).await? else {
            return Ok(RunOutcome {
                exit: Exit::Cancelled,
                stdout: Captured::default(),
                stderr: Captured::default(),
                wall_ms: 0,
                isolated,
            });
        };
        let _running = Counted::new(&inner.running);
        let means = Means {
            method,
            helper: inner.probed.helper.clone(),
            runtime_dir: inner.config.runtime_dir.clone(),
            read_only_binds: inner.probed.read_only_binds.clone(),
            hidden_folders: inner.probed.hidden_folders.clone(),
            user: self.owner_of(&spec.workspace).map(|owner| owner.uid),
            show_binary: false,
        };
        Box::pin(drive(&means, spec, cancel)).await
    }

    /// A place to run in; nothing when the wait was cancelled.
    async fn place(&self, cancel: &CancellationToken) -> Result<Option<SemaphorePermit<'_>>, SandboxError> {
        if let Ok(permit) = self.inner.places.try_acquire() {
            return Ok(Some(permit));
        }
        let waiting = Counted::new(&self.inner.waiting);
        if waiting.before >= MAX_WAITING {
            return Err(SandboxError::Busy { waiting: waiting.before });
        }
        tokio::select! {
            permit = self.inner.places.acquire() => {
                permit.map(Some).map_err(|error| SandboxError::setup("wait for a place", error))
            }
            () = cancel.cancelled() => Ok(None),
        }
    }
}

/// The user id of a workspace: always the same one.
pub(crate) fn user_for(config: &SandboxConfig, workspace: &Path) -> u32 {
    config.drop_uid_base.saturating_add(slot(workspace, DROP_UID_COUNT))
}

/// Adds one to a counter while it lives.
struct Counted<'a> {
    counter: &'a AtomicUsize,
    before: usize,
}

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        Self { counter, before: counter.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}
