//! A program of the machine's owner, run to its end with an environment of its own. It is held on a leash: a pipe from
//! this process, at whose end a shell in the program's process group waits. When the pipe closes, because the run is
//! over, was cancelled or dropped, or because this process was killed, everything in the group is killed. So no run goes
//! on behind a server's back, and none is there twice after a crash. Knows nothing of Expo.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use miteos_tools::secret::Secret;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

use super::runner::{Lines, Ran};

/// The leash: what waits at the end of the pipe, on which nothing is ever written, and then the program in the shell's
/// own place.
const LEASH: &str = "exec 3<&0; { read -r _ <&3; kill -9 0; } >/dev/null 2>&1 & exec \"$@\" 3<&- </dev/null";
/// Kept of each output (bytes); what comes behind it is read and dropped.
const MAX_OUTPUT_BYTES: usize = 4 * 1024 * 1024;
/// A longer line is handed on in pieces (bytes).
const MAX_LINE_BYTES: usize = 4 * 1024;
/// Read at once (bytes).
const PIECE: usize = 16 * 1024;
/// A group that was killed is waited for so long.
const ENDING: Duration = Duration::from_secs(10);

/// What a shell answers when a program cannot be run, and when there is none.
const NOT_RUNNABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// One program.
pub(super) struct Start<'a> {
    /// A path, or a name that is looked up in `PATH`.
    pub program: &'a Path,
    pub arguments: &'a [String],
    /// All of it.
    pub environment: Vec<(String, Secret)>,
    pub folder: &'a Path,
    pub timeout: Duration,
}

#[derive(Debug)]
pub(super) enum Cut {
    /// The machine has no such program, or it cannot be run.
    NoProgram,
    Io(io::Error),
    TimedOut,
    Cancelled,
}

impl Start<'_> {
    /// Runs it. `lines` gets what it writes to its error output.
    pub async fn run(self, lines: Lines<'_>, cancel: &CancellationToken) -> Result<Ran, Cut> {
        let mut child = self.spawn().map_err(Cut::Io)?;
        let (leash, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(Cut::Io(io::Error::other("a program without outputs")));
        };
        let over = CancellationToken::new();
        let program = async {
            let status = child.wait().await;
            // Whatever it left running in its group holds the outputs open.
            over.cancel();
            status
        };
        let hold = async {
            over.cancelled().await;
            drop(leash);
        };
        let all = async { tokio::join!(program, hold, keep(stdout, &|_| {}), keep(stderr, lines)) };
        let mut all = std::pin::pin!(all);
        let cut = tokio::select! {
            (status, (), stdout, stderr) = &mut all => {
                let status = status.map_err(Cut::Io)?;
                let (stdout, stderr) = (stdout.map_err(Cut::Io)?, stderr.map_err(Cut::Io)?);
                return match status.code() {
                    Some(NOT_RUNNABLE | NOT_FOUND) => Err(Cut::NoProgram),
                    exit_code => Ok(Ran { exit_code, stdout, stderr }),
                };
            }
            () = cancel.cancelled() => Cut::Cancelled,
            () = tokio::time::sleep(self.timeout) => Cut::TimedOut,
        };
        over.cancel();
        if tokio::time::timeout(ENDING, &mut all).await.is_err() {
            tracing::error!(program = %self.program.display(), "a program that was killed has not ended");
        }
        Err(cut)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a tool of the machine's owner, which runs nothing of a project"
    )]
    fn spawn(&self) -> io::Result<tokio::process::Child> {
        let mut command = tokio::process::Command::new("/bin/sh");
        command.args(["-c", LEASH, "leash"]).arg(self.program).args(self.arguments);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value.reveal())));
        command.current_dir(self.folder).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // The group is what is killed, and this process is in another one.
        #[cfg(unix)]
        command.process_group(0);
        command.spawn()
    }
}

/// Reads to the end, keeps the beginning, and hands lines on.
async fn keep(mut from: impl AsyncRead + Unpin, lines: Lines<'_>) -> io::Result<Vec<u8>> {
    let (mut kept, mut line) = (Vec::new(), Vec::new());
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        let piece = &piece[..read];
        kept.extend_from_slice(&piece[..read.min(MAX_OUTPUT_BYTES.saturating_sub(kept.len()))]);
        for byte in piece {
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() == MAX_LINE_BYTES {
                lines(&String::from_utf8_lossy(&line));
                line.clear();
            }
        }
        if read == 0 {
            if !line.is_empty() {
                lines(&String::from_utf8_lossy(&line));
            }
            return Ok(kept);
        }
    }
}
