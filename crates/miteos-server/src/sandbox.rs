//! The sandbox of this server: probed while the rest starts, so that nobody waits for it who does not run code.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use miteos_deploy::expo::Sandboxes;
use miteos_tools::CodeRunner;
use miteos_tools::services::{CodeEnd, CodeError, CodeJob, CodeOutcome};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::config::SandboxSettings;
use crate::metrics::{Ended, Metrics};

pub use miteos_sandbox::{
    Attempt, Backend, BackendChoice, Sandbox, SandboxConfig, State, Status, run_helper_if_asked,
};

/// The first of the user ids that programs run as when the server is root.
const DROP_UID_BASE: u32 = 64_000;
/// Programs at once for each processor, and at most.
const RUNS_PER_CPU: usize = 2;
const MAX_RUNS: usize = 8;

pub struct LateSandbox {
    config: SandboxConfig,
    cell: OnceCell<Sandbox>,
    metrics: Arc<Metrics>,
}

impl LateSandbox {
    /// Begins to probe in the background.
    pub fn probe(settings: &SandboxSettings, data_dir: &Path, metrics: Arc<Metrics>) -> Arc<Self> {
        let sandbox = Arc::new(Self { config: config(settings, data_dir), cell: OnceCell::new(), metrics });
        let probing = Arc::clone(&sandbox);
        tokio::spawn(async move {
            probing.get().await;
        });
        sandbox
    }

    /// The sandbox, once it is probed.
    pub async fn get(&self) -> &Sandbox {
        self.cell.get_or_init(|| Sandbox::probe(self.config.clone())).await
    }

    /// Programs at once.
    pub fn places(&self) -> usize {
        self.config.max_concurrent
    }

    pub async fn status(&self) -> Status {
        self.get().await.status()
    }
}

/// What the sandbox crate is given.
pub fn config(settings: &SandboxSettings, data_dir: &Path) -> SandboxConfig {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    SandboxConfig {
        backend: settings.backend,
        runtime_dir: data_dir.join("sandbox"),
        helper: settings.helper.clone(),
        read_only_binds: settings.read_only_binds.clone(),
        hidden_folders: vec![data_dir.to_owned()],
        max_concurrent: (cpus * RUNS_PER_CPU).min(MAX_RUNS),
        drop_uid_base: DROP_UID_BASE,
    }
}

#[async_trait]
impl Sandboxes for LateSandbox {
    async fn sandbox(&self) -> &Sandbox {
        self.get().await
    }
}

#[async_trait]
impl CodeRunner for LateSandbox {
    fn unavailable(&self) -> Option<String> {
        // Not probed yet: whoever asks to run something waits for the probe.
        self.cell.get().and_then(CodeRunner::unavailable)
    }

    async fn run(&self, job: CodeJob, cancel: CancellationToken) -> Result<CodeOutcome, CodeError> {
        let begun = std::time::Instant::now();
        let ran = CodeRunner::run(self.get().await, job, cancel).await;
        let outcome = match &ran {
            Ok(CodeOutcome { end: CodeEnd::Exited(_), .. }) => "exited",
            Ok(CodeOutcome { end: CodeEnd::Signal(_), .. }) => "signal",
            Ok(CodeOutcome { end: CodeEnd::TimedOut, .. }) => "timed_out",
            Ok(CodeOutcome { end: CodeEnd::Limit(_), .. }) => "limit",
            Err(CodeError::Cancelled) => "cancelled",
            Err(CodeError::Unavailable(_) | CodeError::NoInterpreter { .. } | CodeError::NotRun(_)) => {
                "not_run"
            }
            Err(CodeError::Internal(_)) => "error",
        };
        self.metrics.sandbox_ran(Ended { outcome, took: begun.elapsed() });
        ran
    }
}
