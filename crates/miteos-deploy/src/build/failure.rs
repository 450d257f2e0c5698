//! Why nothing was built, in the words of deployments' errors. The text is for users: what failed, the last lines of it,
//! and what would be right.

use std::error::Error;

use miteos_sandbox::SandboxError;
use miteos_tools::WorkspaceError;
use miteos_tools::workspace::SnapshotError;

use super::ask::AskError;
use crate::detect::{DetectError, OutputError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildErrorKind {
    /// The settings cannot work as they are.
    Config,
    /// Packages could not be installed.
    Install,
    /// The build itself failed, or could not be run here.
    Build,
    /// There is nothing to publish.
    NoOutput,
    TimedOut,
    Cancelled,
}

impl BuildErrorKind {
    /// The stable word for logs and clients.
    pub fn code(self) -> &'static str {
        match self {
            Self::Config => "config_invalid",
            Self::Install => "install_failed",
            Self::Build => "build_failed",
            Self::NoOutput => "no_output",
            Self::TimedOut => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BuildFailure {
    pub kind: BuildErrorKind,
    /// For users.
    pub message: String,
    /// For the operator's log.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl BuildFailure {
    pub fn new(kind: BuildErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(super) fn cancelled() -> Self {
        Self::new(BuildErrorKind::Cancelled, "the build was cancelled")
    }

    pub(super) fn no_sandbox(reason: &str, mend: &str) -> Self {
        let text = format!("no build can run here, since no sandbox works: {reason}; to mend it: {mend}");
        Self::new(BuildErrorKind::Build, text)
    }

    /// Something of this machine failed, which the user can do nothing about.
    pub(super) fn machine(what: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let message = format!("the server could not {what}; its log says why");
        Self { kind: BuildErrorKind::Build, message, source: Some(error.into()) }
    }
}

impl From<DetectError> for BuildFailure {
    fn from(error: DetectError) -> Self {
        let kind = match error {
            DetectError::Nothing => BuildErrorKind::NoOutput,
            DetectError::BadOutput { .. } => BuildErrorKind::Config,
            DetectError::BadPackageJson | DetectError::NeedsServer { .. } | DetectError::NoBuild => {
                BuildErrorKind::Build
            }
        };
        Self::new(kind, error.to_string())
    }
}

impl From<OutputError> for BuildFailure {
    fn from(error: OutputError) -> Self {
        Self::new(BuildErrorKind::NoOutput, error.to_string())
    }
}

impl From<WorkspaceError> for BuildFailure {
    fn from(error: WorkspaceError) -> Self {
        if error.is_callers() {
            Self::new(BuildErrorKind::Build, error.to_string())
        } else {
            Self::machine("read the workspace", error)
        }
    }
}

impl From<SnapshotError> for BuildFailure {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Cancelled => Self::cancelled(),
            SnapshotError::Workspace(error) => error.into(),
            SnapshotError::TooMany { .. }
            | SnapshotError::TooLarge { .. }
            | SnapshotError::TooDeep { .. } => Self::new(BuildErrorKind::Build, error.to_string()),
        }
    }
}

impl From<AskError> for BuildFailure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Cancelled => Self::cancelled(),
            unanswered @ (AskError::Unanswered { .. } | AskError::NotInstalled { .. }) => {
                Self::new(BuildErrorKind::Install, unanswered.to_string())
            }
        }
    }
}

impl From<SandboxError> for BuildFailure {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Unavailable { reason, mend } => Self::no_sandbox(&reason, &mend),
            SandboxError::Busy { .. } => Self::new(
                BuildErrorKind::Build,
                "too many programs wait for a place in the sandbox; deploy again in a moment",
            ),
            SandboxError::WorkspaceFull { what, .. } => Self::new(
                BuildErrorKind::Build,
                format!("the workspace is over its limit ({what}); delete files that are not needed"),
            ),
            other => Self::machine("set the sandbox up", other),
        }
    }
}
