//! Why a run did not happen. A program that ran and failed is no error: see `RunOutcome`.
//!
//! `thiserror`, one enum for the crate. Sorted by who must react: the operator (`Unavailable`, `Setup`), the
//! caller, later (`Busy`), whoever wrote the command (`Program`, `Invalid`, `WorkspaceFull`).

use std::path::PathBuf;

/// A refused or failed start. Nothing of the program was run, except where `Lost` says so.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No backend passed its self-test.
    #[error("no sandbox works here: {reason}; to mend it: {mend}; nothing was run")]
    Unavailable { reason: String, mend: String },

    /// The queue in front of the sandbox is full.
    #[error("{waiting} runs already wait for a sandbox; try again when some have ended")]
    Busy { waiting: usize },

    /// The program does not exist in the sandbox or cannot be executed.
    #[error("program `{program}` cannot be started in the sandbox: {cause}")]
    Program { program: String, cause: String },

    /// The specification contradicts itself or a rule.
    #[error("invalid run: {0}")]
    Invalid(String),

    /// The workspace is over its limit before the program started.
    #[error("workspace {} is over its limit before the start: {what}", workspace.display())]
    WorkspaceFull { workspace: PathBuf, what: String },

    /// The sandbox could not be built this time, though its self-test passed.
    #[error("the sandbox could not be set up ({stage}): {detail}")]
    Setup { stage: String, detail: String },

    /// The helper went away without a report; its processes are dead.
    #[error("the sandbox helper ended without a report ({detail})")]
    Lost { detail: String },
}

impl SandboxError {
    #[cfg(target_os = "linux")]
    pub(crate) fn setup(stage: &str, detail: impl std::fmt::Display) -> Self {
        Self::Setup { stage: stage.to_owned(), detail: detail.to_string() }
    }
}
