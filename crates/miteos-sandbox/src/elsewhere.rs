//! Systems other than Linux: nothing is isolated there, so nothing is run.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::config::SandboxConfig;
use crate::error::SandboxError;
use crate::spec::{RunOutcome, RunSpec};
use crate::status::{State, Status};

const REASON: &str = "this system is not Linux";
const MEND: &str = "run the server on Linux, in a virtual machine or a container";

/// Who owns the files of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// Refuses every run.
#[derive(Clone, Debug)]
pub struct Sandbox {
    max_concurrent: usize,
}

impl Sandbox {
    pub async fn probe(config: SandboxConfig) -> Self {
        tracing::warn!(reason = REASON, mend = MEND, "no sandbox works here");
        Self { max_concurrent: config.max_concurrent }
    }

    pub fn status(&self) -> Status {
        Status {
            state: State::Unavailable { reason: REASON.to_owned(), mend: MEND.to_owned() },
            limits: Vec::new(),
            failed: Vec::new(),
            probe_ms: 0,
            max_concurrent: self.max_concurrent,
            running: 0,
            waiting: 0,
        }
    }

    pub fn owner_of(&self, _workspace: &Path) -> Option<Owner> {
        None
    }

    /// # Errors
    ///
    /// Always.
    pub async fn run(&self, _spec: RunSpec, _cancel: CancellationToken) -> Result<RunOutcome, SandboxError> {
        Err(SandboxError::Unavailable { reason: REASON.to_owned(), mend: MEND.to_owned() })
    }
}

/// Nothing can be asked here.
pub fn run_helper_if_asked() {}
