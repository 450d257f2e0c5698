//! What runs the command-line tool. The server gives one that does so in its sandbox; nothing here starts a program.

use std::time::Duration;

use async_trait::async_trait;
use miteos_tools::secret::Secret;
use tokio_util::sync::CancellationToken;

/// The version of `eas-cli` whose output is read here. A runner installs this one into a folder of its own and never
/// takes one from the project's `node_modules`.
pub const EAS_CLI_VERSION: &str = "24.8.0";

/// One run of `eas`, in the project's folder.
#[derive(Debug, Clone)]
pub struct Command {
    /// Behind the name of the program.
    pub arguments: Vec<String>,
    /// All of the environment, but for `PATH` and `HOME`, which are the runner's.
    pub environment: Vec<(String, Secret)>,
    /// After this the run and all that it started are ended.
    pub timeout: Duration,
}

/// What came of a run. A runner keeps at most a few megabytes of each output.
#[derive(Debug, Clone)]
pub struct Ran {
    /// `None`: ended by a signal.
    pub exit_code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    #[error("eas-cli cannot run here: {why}")]
    Unavailable { why: String },
    #[error("eas-cli was not done within {seconds} s")]
    TimedOut { seconds: u64 },
    #[error("the run was cancelled")]
    Cancelled,
}

#[async_trait]
pub trait Runner: Send + Sync {
    async fn run(&self, command: &Command, cancel: &CancellationToken) -> Result<Ran, RunnerError>;
}

/// For a server without the tool.
pub struct NoRunner;

#[async_trait]
impl Runner for NoRunner {
    async fn run(&self, _command: &Command, _cancel: &CancellationToken) -> Result<Ran, RunnerError> {
        Err(RunnerError::Unavailable {
            why: format!("this server has no eas-cli {EAS_CLI_VERSION}; its owner has to install it"),
        })
    }
}
