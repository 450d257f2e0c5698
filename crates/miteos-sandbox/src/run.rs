//! One run as the server sees it: start the helper, send the order, read, watch, end.
//!
//! It knows nothing of queues or of which backend is best; it is told the method.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::capture::{Budget, Capture, Lines, read};
use crate::egress::Egress;
use crate::error::SandboxError;
use crate::handover::{self, First};
use crate::probe;
use crate::proxy::Proxy;
use crate::spec::{
    Captured, Exit, HOME_DIR, MAX_STDIN_BYTES, Network, PROXY_URL, ReadOnly, RunOutcome, RunSpec,
    SYSTEM_PATH, Stream, WORKSPACE_DIR,
};
use crate::watch::{self, Quotas};
use crate::wire::{InnerMode, MAX_REPORT_BYTES, Method, OUTER_ARGUMENT, Order, Plan, Raw, Report, frame};

/// A helper that was told to end everything and has not after this long is killed itself.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// After the last process is dead its pipes are closed; this is only for a pipe that was handed out of reach.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// Variables that every program gets.
pub(crate) const BASE_VARIABLES: [&str; 8] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TMPDIR", "TERM"];

/// Variables by which programs of every kind find a proxy. The one for plain HTTP is named so that a program is told
/// why it gets nothing.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Variables with the hosts that are reached without it, and those: the program's own servers.
const DIRECT_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];
const OWN_HOSTS: &str = "localhost,127.0.0.1,::1";

/// Bytes of a helper's or bubblewrap's message that go into an error.
const MESSAGE_BYTES: usize = 600;

/// Everything about a run that is not its specification.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub method: Method,
    pub helper: PathBuf,
    pub runtime_dir: PathBuf,
    pub read_only_binds: Vec<PathBuf>,
    pub hidden_folders: Vec<PathBuf>,
    /// The user that owns the workspace and runs the program, when the server is root.
    pub user: Option<u32>,
    pub show_binary: bool,
}

impl Means {
    fn isolated(&self) -> bool {
        !matches!(self.method, Method::None)
    }
}

/// Runs a program to its end. When this returns, all its processes are dead; when the future is dropped, they
/// die soon after.
pub(crate) async fn drive(
    means: &Means,
    spec: RunSpec,
    cancel: CancellationToken,
) -> Result<RunOutcome, SandboxError> {
    let order = order(means, &spec)?;
    let quotas = watch::prepare(&spec, means.user).await?;
    let started = Instant::now();
    let mut process = Running::start(means, spec, order, started)?;
    let reason = process.supervise(&cancel, &quotas).await;
    let (report, stdout, stderr) = process.finish().await;
    // A program that ends while its last output is read is over the limit all the same.
    let flooded = process.budget.exceeded.is_cancelled().then_some(Exit::OutputLimit);
    let reason = reason.or(flooded);
    quotas.tidy().await;
    let outcome = |exit| RunOutcome {
        exit,
        stdout: stdout.clone(),
        stderr: stderr.clone(),
        wall_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        isolated: means.isolated(),
    };
    if let Some(exit) = reason {
        return Ok(outcome(exit));
    }
    match report? {
        Report::Code(code) => Ok(outcome(Exit::Code(code))),
        Report::Signal(signal) => Ok(outcome(Exit::Signal(signal))),
        Report::MemoryLimit => Ok(outcome(Exit::MemoryLimit)),
        Report::TemporaryFilesLimit => Ok(outcome(Exit::WorkspaceLimit)),
        // Without a reason of ours only the helper's own time limit is left.
        Report::Killed => Ok(outcome(Exit::TimedOut)),
        Report::Program { cause } => Err(SandboxError::Program { program: process.program, cause }),
        Report::Setup { stage, detail, .. } => {
            let message = excerpt(&stderr);
            Err(SandboxError::Setup { stage, detail: join(&detail, &message) })
        }
    }
}

fn join(detail: &str, message: &str) -> String {
    if message.is_empty() { detail.to_owned() } else { format!("{detail}: {message}") }
}

fn excerpt(stderr: &Captured) -> String {
    let text = stderr.to_text();
    text.trim().chars().take(MESSAGE_BYTES).collect()
}

/// The order for the helper, once the specification makes sense.
fn order(means: &Means, spec: &RunSpec) -> Result<Order, SandboxError> {
    let invalid = |what: &str| Err(SandboxError::Invalid(what.to_owned()));
    if spec.program.first().is_none_or(|name| name.is_empty()) {
        return invalid("the program has no name");
    }
    if !spec.workspace.is_absolute() {
        return invalid("the workspace is not an absolute path");
    }
    if spec.home_cache.as_ref().is_some_and(|home| !home.is_absolute()) {
        return invalid("the home cache is not an absolute path");
    }
    if !spec.cwd.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return invalid("the folder to start in must be relative and without `..`");
    }
    if spec.stdin.len() > MAX_STDIN_BYTES {
        return Err(SandboxError::Invalid(format!("stdin is longer than {MAX_STDIN_BYTES} bytes")));
    }
    let isolated = means.isolated();
    let read_only = shown(means, &spec.read_only)?;
    let (base, home) = if isolated {
        (PathBuf::from(WORKSPACE_DIR), PathBuf::from(HOME_DIR))
    } else {
        let home = spec.home_cache.clone().unwrap_or_else(|| means.runtime_dir.join("home"));
        (spec.workspace.clone(), home)
    };
    let proxy = isolated && matches!(spec.network, Network::Proxy(_));
    let mode = match &means.method {
        Method::Namespaces { .. } => InnerMode::Isolated,
        Method::Bwrap { .. } => InnerMode::IsolatedWatchingFiles,
        Method::None => InnerMode::Bare,
    };
    let plan = Plan {
        program: spec.program.iter().cloned().map(Raw).collect(),
        cwd: Raw(base.join(&spec.cwd).into_os_string()),
        env: environment(&home, proxy, &spec.env)?,
        limits: spec.limits,
        mode,
    };
    Ok(Order {
        method: means.method.clone(),
        plan,
        workspace: spec.workspace.as_path().into(),
        home_cache: spec.home_cache.as_deref().map(Raw::from),
        read_only,
        hidden_folders: means.hidden_folders.iter().map(|path| path.as_path().into()).collect(),
        root_point: means.runtime_dir.join("root").as_path().into(),
        become_user: means.user.filter(|_| isolated),
        show_binary: means.show_binary || matches!(means.method, Method::Bwrap { .. }),
        proxy,
    })
}

/// The operator's folders, and those of this run.
fn shown(means: &Means, wanted: &[ReadOnly]) -> Result<Vec<(Raw, Raw)>, SandboxError> {
    let mut all: Vec<(Raw, Raw)> =
        means.read_only_binds.iter().map(|path| (path.as_path().into(), path.as_path().into())).collect();
    for ReadOnly { source, seen_at } in wanted {
        let own = means.hidden_folders.iter().chain([&means.runtime_dir]);
        let overlaps = |own: &PathBuf| own.starts_with(source) || source.starts_with(own);
        let why = probe::refusal(seen_at).or_else(|| match source.is_absolute() {
            false => Some("it is not an absolute path"),
            true => own.clone().any(overlaps).then_some("it holds the server's own folder"),
        });
        if let Some(why) = why {
            let text = format!("{} cannot be shown at {}: {why}", source.display(), seen_at.display());
            return Err(SandboxError::Invalid(text));
        }
        all.push((source.as_path().into(), seen_at.as_path().into()));
    }
    Ok(all)
}

fn environment(
    home: &Path,
    proxy: bool,
    wanted: &[(String, String)],
) -> Result<Vec<(Raw, Raw)>, SandboxError> {
    let values: [OsString; 8] = [
        SYSTEM_PATH.into(),
        home.into(),
        "sandbox".into(),
        "sandbox".into(),
        "/bin/sh".into(),
        "C.UTF-8".into(),
        "/tmp".into(),
        "dumb".into(),
    ];
    let mut variables: Vec<(Raw, Raw)> =
        BASE_VARIABLES.iter().zip(values).map(|(name, value)| (Raw::from(*name), Raw(value))).collect();
    if proxy {
        variables.extend(PROXY_VARIABLES.iter().map(|name| (Raw::from(*name), PROXY_URL.into())));
        variables.extend(DIRECT_VARIABLES.iter().map(|name| (Raw::from(*name), OWN_HOSTS.into())));
    }
    for (name, value) in wanted {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(SandboxError::Invalid(format!("`{name}` cannot be an environment variable")));
        }
        variables.retain(|(present, _)| present.0 != name.as_str());
        variables.push((name.as_str().into(), value.as_str().into()));
    }
    Ok(variables)
}

/// A helper at work.
struct Running {
    program: String,
    child: Child,
    reader: Option<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    order: Vec<u8>,
    stdin: Vec<u8>,
    deadline: Instant,
    budget: Arc<Budget>,
    stdout: Capture,
    stderr: Capture,
    readers: JoinSet<()>,
    report: Vec<u8>,
    egress: Option<Arc<Egress>>,
    proxy: Option<Proxy>,
}

impl Running {
    fn start(means: &Means, spec: RunSpec, order: Order, now: Instant) -> Result<Self, SandboxError> {
        let order =
            frame(&order, spec.stdin.len()).map_err(|error| SandboxError::Invalid(error.to_string()))?;
        let (ours, theirs) = socket_pair().map_err(|error| SandboxError::setup("make a socket", error))?;
        let egress = match &spec.network {
            Network::Off => None,
            Network::Proxy(egress) => means.isolated().then(|| Arc::clone(egress)),
        };
        let mut child = spawn(&means.helper, theirs).map_err(|error| {
            SandboxError::setup("start the helper", format!("{}: {error}", means.helper.display()))
        })?;
        let (reader, writer) = ours.into_split();
        let budget = Budget::new(spec.limits.output_read_bytes);
        let stdout = Capture::new(spec.limits.output_kept_bytes);
        let stderr = Capture::new(spec.limits.output_kept_bytes);
        let mut readers = JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            let lines = Lines::new(spec.output.clone(), Stream::Stdout);
            readers.spawn(read(pipe, stdout.clone(), Arc::clone(&budget), lines));
        }
        if let Some(pipe) = child.stderr.take() {
            let lines = Lines::new(spec.output, Stream::Stderr);
            readers.spawn(read(pipe, stderr.clone(), Arc::clone(&budget), lines));
        }
        Ok(Self {
            program: spec.program.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            deadline: now + Duration::from_millis(spec.limits.wall_ms),
            child,
            reader: Some(reader),
            writer,
            order,
            stdin: spec.stdin,
            budget,
            stdout,
            stderr,
            readers,
            report: Vec::new(),
            egress,
            proxy: None,
        })
    }

    /// Waits until the helper has ended. Returns why the server ended the run, if it did.
    async fn supervise(&mut self, cancel: &CancellationToken, quotas: &Quotas) -> Option<Exit> {
        let (order, stdin) = (std::mem::take(&mut self.order), std::mem::take(&mut self.stdin));
        let reader = self.reader.take()?;
        let egress = self.egress.take();
        let mut report = std::pin::pin!(read_report(reader, egress, &mut self.proxy, &mut self.report));
        let reason = {
            let writer = &mut self.writer;
            // After the order nothing is sent, so this future never ends by itself.
            let send = async {
                let sent = async {
                    writer.write_all(&order).await?;
                    writer.write_all(&stdin).await
                };
                if let Err(error) = sent.await {
                    tracing::debug!(%error, "a sandbox helper ended before it had read its order");
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = &mut report => None,
                () = cancel.cancelled() => Some(Exit::Cancelled),
                () = self.budget.exceeded.cancelled() => Some(Exit::OutputLimit),
                () = tokio::time::sleep_until(self.deadline) => Some(Exit::TimedOut),
                () = quotas.exceeded() => Some(Exit::WorkspaceLimit),
                () = send => None,
            }
        };
        if reason.is_some() {
            // Closing this direction is the order to kill. The helper closes the other one when all are dead.
            let shut = self.writer.shutdown().await;
            if shut.is_err() || tokio::time::timeout(KILL_GRACE, report).await.is_err() {
                tracing::warn!("a sandbox helper did not end in time and is killed");
                if let Err(error) = self.child.start_kill() {
                    tracing::warn!(%error, "cannot kill a sandbox helper");
                }
            }
        }
        reason
    }

    /// Collects the helper and what it and the program said.
    async fn finish(&mut self) -> (Result<Report, SandboxError>, Captured, Captured) {
        if let Some(proxy) = self.proxy.take() {
            proxy.end().await;
        }
        let status = self.child.wait().await;
        let drained = async { while self.readers.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIME, drained).await.is_err() {
            self.readers.abort_all();
        }
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let line = self.report.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let report = serde_json::from_slice::<Report>(line).map_err(|_| {
            let ended = match status {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            SandboxError::Lost { detail: join(&ended, &excerpt(&stderr)) }
        });
        (report, stdout, stderr)
    }
}

/// Reads until the helper has closed its end, which it does when nothing of the sandbox is left. With a way out the
/// first thing that comes is the socket of the proxy, unless the sandbox could not be made.
async fn read_report(
    reader: OwnedReadHalf,
    egress: Option<Arc<Egress>>,
    proxy: &mut Option<Proxy>,
    into: &mut Vec<u8>,
) {
    if let Some(egress) = egress {
        let first =
            reader.as_ref().async_io(Interest::READABLE, || handover::receive(reader.as_ref().as_fd())).await;
        match first {
            Ok(First::Socket(socket)) => match Proxy::start(socket.into(), egress) {
                Ok(started) => *proxy = Some(started),
                // The program finds a port that nobody answers at, and says so.
                Err(error) => tracing::warn!(%error, "the proxy of a sandbox could not be started"),
            },
            Ok(First::Byte(byte)) => into.push(byte),
            Ok(First::End) => return,
            Err(error) => {
                tracing::debug!(%error, "cannot read from a sandbox helper");
                return;
            }
        }
    }
    if let Err(error) = reader.take(MAX_REPORT_BYTES as u64).read_to_end(into).await {
        tracing::debug!(%error, "cannot read the report of a sandbox helper");
    }
}

fn socket_pair() -> std::io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs.into()))
}

/// Starts the helper. It is not killed when its handle is dropped: it ends by itself when the socket closes, and
/// takes the sandbox with it, which a killed helper without namespaces could not.
#[expect(clippy::disallowed_methods, reason = "this is the sandbox; the program is the server's own binary")]
fn spawn(helper: &Path, control: OwnedFd) -> std::io::Result<Child> {
    tokio::process::Command::new(helper)
        .arg(OUTER_ARGUMENT)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(control))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(false)
        .spawn()
}
