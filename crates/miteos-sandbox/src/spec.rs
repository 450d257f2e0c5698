//! What to run, and what came of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::egress::Egress;
use crate::limits::Limits;

/// Where an isolated program sees its workspace.
pub const WORKSPACE_DIR: &str = "/workspace";

/// Where an isolated program sees its home.
pub const HOME_DIR: &str = "/home/sandbox";

/// Where a program with a way out finds its proxy.
pub const PROXY_URL: &str = "http://127.0.0.1:3128";

/// Where an isolated program looks for programs, unless its environment says otherwise.
pub const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Most bytes that a run may be given on stdin.
pub const MAX_STDIN_BYTES: usize = 16 * 1024 * 1024;

/// Which hosts a program can reach.
#[derive(Clone, Debug, Default)]
pub enum Network {
    /// None: a network of its own with nothing but a loopback interface.
    #[default]
    Off,
    /// As `Off`, but for a proxy on that loopback, which the environment names. It connects to listed hosts, and lives
    /// as long as the run. With the backend `none` there is no network of its own, so there is no proxy either.
    Proxy(Arc<Egress>),
}

/// A file or folder of this machine that a program may read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadOnly {
    /// Where it is; a link is followed.
    pub source: PathBuf,
    /// Where an isolated program sees it. The folders above are made.
    pub seen_at: PathBuf,
}

/// One run.
#[derive(Debug)]
pub struct RunSpec {
    /// The program and its arguments. A name without a slash is looked up in `PATH`.
    pub program: Vec<OsString>,
    /// Folder on this machine that the program may read and write, seen as [`WORKSPACE_DIR`].
    pub workspace: PathBuf,
    /// Where to start, relative to the workspace and inside it.
    pub cwd: PathBuf,
    /// Folder on this machine kept as the program's home between runs; without one the home is temporary.
    pub home_cache: Option<PathBuf>,
    /// What an isolated program may read besides the system and the operator's folders. One that holds a folder of the
    /// server's own, or that would cover a folder of the sandbox, is refused.
    pub read_only: Vec<ReadOnly>,
    /// Added to the few variables every program gets (PATH, HOME, USER, LANG, TMPDIR, TERM); wins over them. The
    /// server's own environment is never passed on.
    pub env: Vec<(String, String)>,
    /// At most [`MAX_STDIN_BYTES`].
    pub stdin: Vec<u8>,
    pub limits: Limits,
    pub network: Network,
    /// Gets each line as it is written. A slow receiver loses lines (it is told how many) and never slows the
    /// program or its limits.
    pub output: Option<mpsc::Sender<OutputChunk>>,
}

/// Where a piece of output was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// A line of live output, with its line end; the last one may have none, and a very long line comes in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputChunk {
    pub stream: Stream,
    pub bytes: Vec<u8>,
    /// Chunks of this stream that were lost before this one because the receiver was slow.
    pub lost_before: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Exit {
    /// The program ended by itself.
    Code(i32),
    /// The program was ended by a signal: its own fault, or RLIMIT_CPU (24) or RLIMIT_FSIZE (25).
    Signal(i32),
    TimedOut,
    Cancelled,
    OutputLimit,
    MemoryLimit,
    /// The workspace, the home or a temporary folder grew past its limit.
    WorkspaceLimit,
}

/// The beginning and the end of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    pub head: Vec<u8>,
    /// Bytes between head and tail that were read and not kept.
    pub dropped_bytes: u64,
    /// Empty when everything fits in the head.
    pub tail: Vec<u8>,
}

impl Captured {
    /// As text for a reader: invalid UTF-8 replaced, the gap named.
    pub fn to_text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.dropped_bytes > 0 {
            text.push_str(&format!("\n[{} bytes left out]\n", self.dropped_bytes));
        }
        text.push_str(&String::from_utf8_lossy(&self.tail));
        text
    }

    /// Bytes that the program wrote, as far as they were read.
    pub fn total_bytes(&self) -> u64 {
        self.head.len() as u64 + self.dropped_bytes + self.tail.len() as u64
    }
}

/// What came of a run. When it is returned, every process of the run is dead.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunOutcome {
    pub exit: Exit,
    pub stdout: Captured,
    pub stderr: Captured,
    pub wall_ms: u64,
    /// False only for the backend `none`.
    pub isolated: bool,
}
