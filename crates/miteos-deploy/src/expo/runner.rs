//! What runs the command-line tool, and in what folder. A server gives [`Eas`](super::Eas), tests something else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use miteos_tools::Workspace;
use miteos_tools::secret::Secret;
use tokio_util::sync::CancellationToken;

use super::app::App;
use crate::site::Site;

/// The version of `eas-cli` whose output is read here. A runner installs this one into a folder of its own and never
/// takes one from the project's `node_modules`.
pub const EAS_CLI_VERSION: &str = "24.8.0";
/// Where the tool finds the files of a web build.
pub const EXPORT_DIR: &str = "dist";

/// What the tool finds in the folder that it is started in. In none of them is there anything that it would run: it has
/// the token, and a project is written by whoever.
#[derive(Clone)]
pub enum Folder {
    Empty,
    /// Only which project it is.
    Named(App),
    /// That, and the files of a web build in [`EXPORT_DIR`].
    Export(App, Arc<Site>),
    /// The project itself, made fit for it. Nothing else uses it.
    Source(Workspace),
}

/// One run of `eas`.
#[derive(Clone)]
pub struct Command {
    /// Behind the name of the program.
    pub arguments: Vec<String>,
    /// All of the environment, but for what the runner needs to start it: paths, a home, and whom to trust.
    pub environment: Vec<(String, Secret)>,
    pub folder: Folder,
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
    /// This machine failed at it, perhaps not for long.
    #[error("eas-cli could not be started: {why}")]
    Machine { why: String },
    /// What is to be published is not what was looked through.
    #[error("{path} changed after it had been checked; deploy again when nothing writes to it")]
    Changed { path: String },
    #[error("eas-cli was not done within {seconds} s")]
    TimedOut { seconds: u64 },
    #[error("the run was cancelled")]
    Cancelled,
}

/// Takes what the tool tells people, line by line, as it comes. Nothing is hidden in it yet.
pub type Lines<'a> = &'a (dyn Fn(&str) + Send + Sync);

#[async_trait]
pub trait Runner: Send + Sync {
    /// When it returns, nothing of the run is alive.
    async fn run(
        &self,
        command: &Command,
        lines: Lines<'_>,
        cancel: &CancellationToken,
    ) -> Result<Ran, RunnerError>;
}

/// For whoever has no tool.
pub struct NoRunner;

#[async_trait]
impl Runner for NoRunner {
    async fn run(
        &self,
        _command: &Command,
        _lines: Lines<'_>,
        _cancel: &CancellationToken,
    ) -> Result<Ran, RunnerError> {
        Err(RunnerError::Unavailable {
            why: format!("this server has no eas-cli {EAS_CLI_VERSION}; its owner has to install it"),
        })
    }
}
