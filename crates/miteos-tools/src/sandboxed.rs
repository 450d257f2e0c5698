//! Programs of tools, run by the sandbox, and the way out of those that have one. Only translates: what limits there
//! are and how they hold is the sandbox's, and which addresses may be reached is the guarded client's.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use miteos_sandbox::{
    Dial, DialError, Dialing, Exit, HostPort, Limits, Network, OutputChunk, RunOutcome, RunSpec, Sandbox,
    SandboxError, State,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::http::{Guarded, HttpError};
use crate::services::{CodeEnd, CodeError, CodeJob, CodeLimits, CodeOutcome, CodeRunner};

/// Live lines that may wait for whoever watches.
const WAITING_LINES: usize = 256;

#[async_trait]
impl CodeRunner for Sandbox {
    fn unavailable(&self) -> Option<String> {
        match self.status().state {
            State::Isolated { .. } | State::Unsandboxed => None,
            State::Unavailable { reason, mend } => {
                Some(SandboxError::Unavailable { reason, mend }.to_string())
            }
        }
    }

    async fn run(&self, job: CodeJob, cancel: CancellationToken) -> Result<CodeOutcome, CodeError> {
        let limits = limits(&job);
        let spec = RunSpec {
            program: job.command.into_iter().map(OsString::from).collect(),
            workspace: job.workspace,
            cwd: PathBuf::new(),
            home_cache: None,
            read_only: Vec::new(),
            env: Vec::new(),
            stdin: job.stdin,
            limits,
            network: Network::Off,
            output: job.progress.map(lines),
        };
        let outcome = Sandbox::run(self, spec, cancel).await.map_err(not_run)?;
        ended(outcome, &limits)
    }
}

/// The proxy of a sandbox connects as every outgoing call does: a listed name that leads to a private address is
/// refused, unless the owner allowed that address.
impl Dial for Guarded {
    fn dial<'a>(&'a self, to: &'a HostPort) -> Dialing<'a> {
        Box::pin(async move {
            self.connect(to.host(), to.port()).await.map_err(|error| match error {
                HttpError::Refused { what, .. } => DialError::Refused(format!(
                    "its address is not a public one ({what}); the server's owner can allow it with MITEOS_EGRESS_ALLOW"
                )),
                HttpError::NoSuchName { .. } => {
                    DialError::Unreachable("the name cannot be looked up".to_owned())
                }
                HttpError::Unreachable { why, .. } => DialError::Unreachable(why.to_owned()),
                other => DialError::Unreachable(other.to_string()),
            })
        })
    }
}

/// The sandbox's own limits, with the time the program was given.
fn limits(job: &CodeJob) -> Limits {
    let own = match job.limits {
        CodeLimits::Snippet => Limits::snippet(),
        CodeLimits::Shell => Limits::shell(),
    };
    let wall_ms = u64::try_from(job.timeout.as_millis()).unwrap_or(u64::MAX);
    Limits { wall_ms, cpu_s: own.cpu_s.max(job.timeout.as_secs()), ..own }
}

/// Passes live output on as text. Ends with the run, when the sandbox drops its end.
fn lines(progress: mpsc::Sender<String>) -> mpsc::Sender<OutputChunk> {
    let (sender, mut receiver) = mpsc::channel::<OutputChunk>(WAITING_LINES);
    tokio::spawn(async move {
        while let Some(chunk) = receiver.recv().await {
            // Whoever watches may be slow or gone; the program does not wait for them.
            let _ = progress.try_send(String::from_utf8_lossy(&chunk.bytes).trim_end().to_owned());
        }
    });
    sender
}

fn not_run(error: SandboxError) -> CodeError {
    match error {
        SandboxError::Unavailable { .. } => CodeError::Unavailable(error.to_string()),
        SandboxError::Program { program, cause } => CodeError::NoInterpreter { program, cause },
        SandboxError::Busy { .. } | SandboxError::Invalid(_) => CodeError::NotRun(error.to_string()),
        SandboxError::WorkspaceFull { what, .. } => CodeError::NotRun(format!(
            "the workspace is over its limit ({what}); delete files that are not needed; nothing was run"
        )),
        SandboxError::Setup { .. } => {
            tracing::error!(%error, "a sandbox could not be set up");
            CodeError::NotRun(
                "the sandbox could not be set up this time; nothing was run; try again".to_owned(),
            )
        }
        SandboxError::Lost { .. } => CodeError::Internal(error.into()),
    }
}

fn ended(outcome: RunOutcome, limits: &Limits) -> Result<CodeOutcome, CodeError> {
    let end = match outcome.exit {
        Exit::Code(code) => CodeEnd::Exited(code),
        Exit::Signal(signal) => CodeEnd::Signal(signal),
        Exit::TimedOut => CodeEnd::TimedOut,
        Exit::Cancelled => return Err(CodeError::Cancelled),
        Exit::OutputLimit => {
            CodeEnd::Limit(format!("it printed more than {} bytes", limits.output_read_bytes))
        }
        Exit::MemoryLimit => {
            CodeEnd::Limit(format!("it used more than {} bytes of memory", limits.memory_bytes))
        }
        Exit::WorkspaceLimit => CodeEnd::Limit(format!(
            "it added more than {} bytes, there are more than {} files or {} bytes in all, folders are nested too \
             deep, a folder was left that cannot be read, or the server's disk ran out of room",
            limits.workspace_bytes, limits.workspace_files, limits.workspace_total_bytes
        )),
    };
    let notes =
        if outcome.isolated { Vec::new() } else { vec!["programs run without isolation here".to_owned()] };
    Ok(CodeOutcome {
        end,
        stdout: outcome.stdout.to_text(),
        stderr: outcome.stderr.to_text(),
        duration: Duration::from_millis(outcome.wall_ms),
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(limits: CodeLimits, seconds: u64) -> CodeJob {
        CodeJob {
            workspace: PathBuf::from("w"),
            command: vec!["x".to_owned()],
            stdin: Vec::new(),
            limits,
            timeout: Duration::from_secs(seconds),
            progress: None,
        }
    }

    #[test]
    fn a_program_gets_the_time_it_was_given() {
        let long = limits(&job(CodeLimits::Snippet, 300));
        assert_eq!((long.wall_ms, long.cpu_s), (300_000, 300));
        assert_eq!(long.memory_bytes, Limits::snippet().memory_bytes);
        let short = limits(&job(CodeLimits::Shell, 5));
        assert_eq!((short.wall_ms, short.cpu_s), (5000, 120));
        assert_eq!(short.output_read_bytes, Limits::shell().output_read_bytes);
    }

    #[test]
    fn ends_are_told_apart() {
        let outcome = |exit| RunOutcome {
            exit,
            stdout: miteos_sandbox::Captured { head: b"a".to_vec(), dropped_bytes: 7, tail: b"z".to_vec() },
            stderr: miteos_sandbox::Captured::default(),
            wall_ms: 1500,
            isolated: false,
        };
        let limits = Limits::snippet();
        let ran = ended(outcome(Exit::Code(3)), &limits).unwrap();
        assert_eq!((ran.end, ran.duration.as_millis(), ran.notes.len()), (CodeEnd::Exited(3), 1500, 1));
        assert!(ran.stdout.starts_with('a') && ran.stdout.ends_with('z') && ran.stdout.contains("7 bytes"));
        assert!(matches!(ended(outcome(Exit::Cancelled), &limits), Err(CodeError::Cancelled)));
        let full = ended(outcome(Exit::OutputLimit), &limits).unwrap().end;
        assert_eq!(full, CodeEnd::Limit("it printed more than 4194304 bytes".to_owned()));
        let gone = SandboxError::Program { program: "node".to_owned(), cause: "no such file".to_owned() };
        assert_eq!(not_run(gone).to_string(), "the program node could not be started: no such file");
    }
}
