//! What the tools need of the house around them: the outgoing client, the search service, the sandbox, the
//! blob store and the workspace's memory. Knows none of their implementations but the client's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::ids::TaskId;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::http::Guarded;
use crate::search::SearchConfig;

/// The house, as the tools see it. One for the whole process.
pub struct Services {
    pub http: Guarded,
    pub search: SearchConfig,
    pub code: Arc<dyn CodeRunner>,
    pub blobs: Arc<dyn Blobs>,
    pub memory: Arc<dyn Memory>,
    /// A folder of the server's own, outside every workspace, where `once` tools note their starts and ends.
    /// With several nodes it lies on the volume they share.
    pub calls_dir: PathBuf,
}

/// Where published files go.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores everything the reader gives, without holding it in memory; gives its hash and size. Storing the
    /// same bytes twice is the same as once.
    async fn put(&self, reader: Box<dyn AsyncRead + Send + Unpin>) -> std::io::Result<(Sha256, u64)>;
}

/// One remembered thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memo {
    pub key: String,
    pub value: String,
}

/// What a workspace remembers from task to task. Asked by task, since the implementation knows the task's
/// workspace and must keep others' out.
#[async_trait]
pub trait Memory: Send + Sync {
    /// Keeps the value under the key, in place of an older one.
    async fn remember(&self, task: TaskId, key: &str, value: &str) -> Result<(), MemoryError>;

    /// The best matches first, at most `limit`.
    async fn recall(&self, task: TaskId, query: &str, limit: usize) -> Result<Vec<Memo>, MemoryError>;
}

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// Told to the model.
    #[error("{0}")]
    Refused(String),
    /// Told to the operator.
    #[error("the memory's storage failed")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Which limits a program gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeLimits {
    /// A snippet of Python or JavaScript.
    Snippet,
    /// A shell script, which may start other programs.
    Shell,
}

/// A program to run in the sandbox.
#[derive(Debug)]
pub struct CodeJob {
    /// The folder it works in, and the only one it can write.
    pub workspace: PathBuf,
    /// The program's name, looked up in the sandbox's own path, and its arguments. Names of files are relative to
    /// the workspace, which is the working folder.
    pub command: Vec<String>,
    pub stdin: Vec<u8>,
    pub limits: CodeLimits,
    /// Wall clock, after which the whole tree is killed.
    pub timeout: Duration,
    /// Takes output lines while they come.
    pub progress: Option<mpsc::Sender<String>>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeEnd {
    Exited(i32),
    /// Killed by a signal it did not get from the sandbox's limits.
    Signal(i32),
    TimedOut,
    /// Killed for passing a limit; the text names limit and value.
    Limit(String),
}

/// What a program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeOutcome {
    pub end: CodeEnd,
    /// Kept output: head and tail, with a note of what was left out between.
    pub stdout: String,
    pub stderr: String,
    pub duration: Duration,
    /// Things the model should know, such as that nothing isolates programs here.
    pub notes: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// Nothing was run: no sandbox works here. The text has the reason and the mend.
    #[error("{0}")]
    Unavailable(String),
    /// Nothing was run: the interpreter is not there, or the machine would not start it.
    #[error("the program {program} could not be started: {cause}")]
    NoInterpreter { program: String, cause: String },
    /// Nothing was run, for a reason that the model can be told, such as that too many others are waiting.
    #[error("{0}")]
    NotRun(String),
    #[error("the call was cancelled")]
    Cancelled,
    #[error("the sandbox failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Runs programs where they can do no harm, or refuses.
#[async_trait]
pub trait CodeRunner: Send + Sync {
    /// Why no program can run here, with the mend; `None` when one can.
    fn unavailable(&self) -> Option<String>;

    /// Runs the program to its end. When it returns, every process of it is dead.
    async fn run(&self, job: CodeJob, cancel: CancellationToken) -> Result<CodeOutcome, CodeError>;
}
