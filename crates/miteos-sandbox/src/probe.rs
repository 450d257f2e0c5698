//! Finds the backend that holds on this machine, by trying, and remembers why the others do not.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::{BackendChoice, DROP_UID_COUNT, SandboxConfig};
use crate::error::SandboxError;
use crate::helper::{Findings, Question, SYSTEM_FOLDERS, SelfTest};
use crate::limits::Limits;
use crate::mend;
use crate::run::{Means, drive};
use crate::sandbox::user_for;
use crate::spec::{Exit, Network, RunSpec};
use crate::status::{Attempt, Backend, ProcVariant, State};
use crate::sys::process::{effective_uid, has_admin_capability};
use crate::wire::{BwrapFeatures, INNER_BINARY, Method, SELF_TEST_ARGUMENT};

/// Where distributions put bubblewrap. `PATH` is not asked: a program found there could be anybody's.
const BWRAP_PATHS: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

/// A self-test that takes longer has failed.
const SELF_TEST_TIME: Duration = Duration::from_secs(10);

/// Bubblewrap's list of options is printed at once.
const HELP_TIME: Duration = Duration::from_secs(5);

/// What a self-test needs and an interrupted one leaves behind.
const LEFTOVERS: [&str; 2] = ["canary", "probe"];

/// Folders inside that a bind of the operator must not cover.
const RESERVED: [&str; 9] =
    ["/workspace", "/home/sandbox", "/proc", "/dev", "/tmp", "/var/tmp", "/run", "/etc", "/sys"];

/// The probe's result.
#[derive(Debug)]
pub(crate) struct Probed {
    pub state: State,
    pub method: Option<Method>,
    pub failed: Vec<Attempt>,
    pub helper: PathBuf,
    pub read_only_binds: Vec<PathBuf>,
    pub hidden_folders: Vec<PathBuf>,
    pub probe_ms: u64,
}

pub(crate) async fn probe(config: &SandboxConfig) -> Probed {
    let started = Instant::now();
    let mut failed = Vec::new();
    let helper = helper_path(&config.helper);
    let read_only_binds = read_only_binds(config);
    let hidden_folders = hidden_folders(config);
    let shown = Shown { read_only_binds: &read_only_binds, hidden_folders: &hidden_folders };
    let (state, method) = match prepare_runtime(&config.runtime_dir) {
        Ok(()) if config.backend == BackendChoice::None => (State::Unsandboxed, Some(Method::None)),
        Ok(()) => search(config, &helper, shown, &mut failed).await,
        Err(error) => {
            let reason = format!("the folder {}: {error}", config.runtime_dir.display());
            let mend = "give the server a folder of its own that it can write".to_owned();
            (State::Unavailable { reason, mend }, None)
        }
    };
    if let Err(error) = remove_leftovers(&config.runtime_dir) {
        tracing::debug!(%error, "cannot tidy up after the self-test");
    }
    let probe_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Probed { state, method, failed, helper, read_only_binds, hidden_folders, probe_ms }
}

/// The running program under a name that stays valid when its file is replaced by an upgrade.
fn helper_path(helper: &Path) -> PathBuf {
    let own = Path::new("/proc/self/exe");
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let running = identity(own);
    if running.is_some() && identity(helper) == running { own.to_owned() } else { helper.to_owned() }
}

/// The operator's folders that exist and hide nothing of the sandbox.
fn read_only_binds(config: &SandboxConfig) -> Vec<PathBuf> {
    let mut binds = Vec::new();
    for path in &config.read_only_binds {
        let refused = refusal(path).or_else(|| {
            if config.runtime_dir.starts_with(path) {
                Some("it holds the server's own folder")
            } else if !path.exists() {
                Some("it does not exist")
            } else {
                None
            }
        });
        match refused {
            None => binds.push(path.clone()),
            Some(why) => tracing::warn!(path = %path.display(), why, "folder not shown to programs"),
        }
    }
    binds
}

/// Why nothing can be shown to programs at this place.
pub(crate) fn refusal(seen_at: &Path) -> Option<&'static str> {
    let covers = |inside: &str| Path::new(inside).starts_with(seen_at) || seen_at.starts_with(inside);
    let clean = seen_at.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    if !seen_at.is_absolute() || !clean {
        Some("it is not an absolute path")
    } else if RESERVED.iter().any(|inside| covers(inside)) {
        Some("it would cover a folder of the sandbox")
    } else {
        None
    }
}

/// What programs see besides the system, and what they do not.
#[derive(Clone, Copy)]
struct Shown<'a> {
    read_only_binds: &'a [PathBuf],
    hidden_folders: &'a [PathBuf],
}

/// The server's own folders, by the names at which programs would see them.
fn hidden_folders(config: &SandboxConfig) -> Vec<PathBuf> {
    let mut hidden = Vec::new();
    for path in config.hidden_folders.iter().chain([&config.runtime_dir]) {
        let Ok(path) = std::fs::canonicalize(path) else { continue };
        if SYSTEM_FOLDERS.iter().any(|system| Path::new(system).starts_with(&path)) {
            tracing::warn!(path = %path.display(), "folder not hidden from programs, since it holds the system");
        } else if !hidden.iter().any(|other| path.starts_with(other)) {
            hidden.push(path);
        }
    }
    hidden
}

/// Makes the runtime folder, checks that it is ours alone, and removes what an earlier server left.
fn prepare_runtime(folder: &Path) -> std::io::Result<()> {
    // A root server's helpers are other users: they must be able to pass through, and no more.
    let mode = if effective_uid() == 0 { 0o711 } else { 0o700 };
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(folder)?;
    let found = std::fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != effective_uid() {
        return Err(std::io::Error::other("it is a link or belongs to somebody else"));
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode))?;
    remove_leftovers(folder)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder.join("root"))?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join("home"))
}

fn remove_leftovers(folder: &Path) -> std::io::Result<()> {
    for name in LEFTOVERS {
        let path = folder.join(name);
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => std::fs::remove_dir_all(&path)?,
            Ok(_) => std::fs::remove_file(&path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How limits are enforced in this state.
pub(crate) fn limits_in_force(state: &State) -> Vec<&'static str> {
    let always = [
        "wall clock: the server ends the whole tree",
        "output: reading stops and the tree is ended",
        "memory of the tree: added up every 100 ms",
        "memory, processor time, open files and file size of one process: resource limits",
        "workspace: measured before the start and every 2 s, with the room left on its disk",
    ];
    match state {
        State::Isolated { backend, .. } => {
            let mut all = always.to_vec();
            all.push("processes: resource limit in an own user namespace");
            all.push("temporary folders: size of their file systems");
            all.push(match backend {
                Backend::Namespaces => "entries of temporary folders: limit of their file systems",
                Backend::Bwrap => "entries of temporary folders: counted every 500 ms",
            });
            all
        }
        State::Unsandboxed => {
            let mut all = always.to_vec();
            all.push("processes and temporary folders: not limited");
            all
        }
        State::Unavailable { .. } => Vec::new(),
    }
}

/// Tries the wanted backends in order.
async fn search(
    config: &SandboxConfig,
    helper: &Path,
    shown: Shown<'_>,
    failed: &mut Vec<Attempt>,
) -> (State, Option<Method>) {
    let backends: &[Backend] = match config.backend {
        BackendChoice::Auto => &[Backend::Namespaces, Backend::Bwrap],
        BackendChoice::Namespaces => &[Backend::Namespaces],
        BackendChoice::Bwrap => &[Backend::Bwrap],
        BackendChoice::None => &[],
    };
    for backend in backends {
        for proc in [ProcVariant::Fresh, ProcVariant::Shared] {
            let method = match method(*backend, proc).await {
                Ok(method) => method,
                Err(reason) => {
                    let mend = mend::for_missing_bwrap().to_owned();
                    failed.push(Attempt { backend: *backend, proc, reason, mend });
                    break;
                }
            };
            match self_test(config, helper, shown, method.clone()).await {
                Ok(missing_layers) => {
                    let state = isolated(config, *backend, proc, missing_layers);
                    return (state, Some(method));
                }
                Err(reason) => {
                    let mend = mend::for_failure(*backend, &reason);
                    // Only a failure at /proc or the host name can be cured by sharing them.
                    let sharing_may_help = mend::is_about_proc(&reason);
                    failed.push(Attempt { backend: *backend, proc, reason, mend });
                    if !sharing_may_help {
                        break;
                    }
                }
            }
        }
    }
    (mend::unavailable(failed), None)
}

fn isolated(config: &SandboxConfig, backend: Backend, proc: ProcVariant, mut missing: Vec<String>) -> State {
    if proc == ProcVariant::Shared {
        missing.push("own /proc: the process names of this container are visible".to_owned());
    }
    if effective_uid() == 0 && !has_admin_capability() {
        missing.push(
            "staged mounts: without CAP_SYS_ADMIN, workspaces must lie in folders that every user can enter"
                .to_owned(),
        );
    }
    missing.push(
        "memory cgroup: memory is added up every 100 ms, and shared memory outside every process is not seen"
            .to_owned(),
    );
    let first = config.drop_uid_base;
    let dropped_uids = (effective_uid() == 0).then(|| (first, first.saturating_add(DROP_UID_COUNT - 1)));
    State::Isolated { backend, proc, dropped_uids, missing_layers: missing }
}

async fn method(backend: Backend, proc: ProcVariant) -> Result<Method, String> {
    match backend {
        Backend::Namespaces => Ok(Method::Namespaces { proc }),
        Backend::Bwrap => {
            let program = BWRAP_PATHS
                .iter()
                .map(Path::new)
                .find(|path| path.is_file())
                .ok_or_else(|| "bubblewrap (bwrap) is not installed".to_owned())?;
            let features = bwrap_features(program).await?;
            Ok(Method::Bwrap { program: program.into(), proc, features })
        }
    }
}

/// Asks bubblewrap which options it knows.
#[expect(clippy::disallowed_methods, reason = "a fixed path, a fixed argument, before any sandbox exists")]
async fn bwrap_features(program: &Path) -> Result<BwrapFeatures, String> {
    let asked = tokio::process::Command::new(program)
        .arg("--help")
        .env_clear()
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(HELP_TIME, asked)
        .await
        .map_err(|_| format!("{} --help does not end", program.display()))?
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let knows = |option: &str| text.split_whitespace().any(|word| word == option);
    // Without a size, a program could fill half of the memory with files.
    for needed in ["--as-pid-1", "--cap-drop", "--new-session", "--size"] {
        if !knows(needed) {
            return Err(format!("{} is too old: it does not know {needed}", program.display()));
        }
    }
    Ok(BwrapFeatures {
        size: knows("--size"),
        disable_userns: knows("--disable-userns"),
        perms: knows("--perms"),
    })
}

/// Runs the self-test in a sandbox of this method. Returns the layers this machine does not have.
async fn self_test(
    config: &SandboxConfig,
    helper: &Path,
    shown: Shown<'_>,
    method: Method,
) -> Result<Vec<String>, String> {
    let canary = config.runtime_dir.join("canary");
    let workspace = config.runtime_dir.join("probe");
    let ready = std::fs::write(&canary, "must not be readable")
        .and_then(|()| std::fs::set_permissions(&canary, std::fs::Permissions::from_mode(0o644)))
        .and_then(|()| std::fs::create_dir_all(&workspace));
    ready.map_err(|error| format!("prepare the self-test: {error}"))?;
    let listener =
        TcpListener::bind("127.0.0.1:0").map_err(|error| format!("listen on loopback: {error}"))?;
    let port = listener.local_addr().map_err(|error| format!("listen on loopback: {error}"))?.port();

    let limits = Limits { wall_ms: SELF_TEST_TIME.as_millis() as u64, ..Limits::snippet() };
    let questions = SelfTest {
        canary: canary.to_string_lossy().into_owned(),
        canary_port: port,
        shown: shown.read_only_binds.iter().map(|place| place.to_string_lossy().into_owned()).collect(),
        processes: limits.processes,
        open_files: limits.open_files,
    };
    let spec = RunSpec {
        program: vec![OsString::from(INNER_BINARY), OsString::from(SELF_TEST_ARGUMENT)],
        workspace: workspace.clone(),
        cwd: PathBuf::new(),
        home_cache: None,
        read_only: Vec::new(),
        env: Vec::new(),
        stdin: serde_json::to_vec(&questions).map_err(|error| error.to_string())?,
        limits,
        network: Network::Off,
        output: None,
    };
    let means = Means {
        method,
        helper: helper.to_owned(),
        runtime_dir: config.runtime_dir.clone(),
        read_only_binds: shown.read_only_binds.to_vec(),
        hidden_folders: shown.hidden_folders.to_vec(),
        user: (effective_uid() == 0).then(|| user_for(config, &workspace)),
        show_binary: true,
    };
    let outcome =
        Box::pin(drive(&means, spec, CancellationToken::new())).await.map_err(|error| match error {
            SandboxError::Setup { stage, detail } => format!("{stage}: {detail}"),
            other => other.to_string(),
        })?;
    if outcome.exit != Exit::Code(0) {
        return Err(format!("the self-test ended with {:?}: {}", outcome.exit, outcome.stderr.to_text()));
    }
    let findings: Findings = serde_json::from_slice(&outcome.stdout.head)
        .map_err(|error| format!("the self-test's answer cannot be read: {error}"))?;
    let missed: Vec<String> = findings
        .answers
        .iter()
        .filter(|(_, holds)| !**holds)
        .map(|(question, _): (&Question, _)| format!("{question:?}"))
        .collect();
    if missed.is_empty() && !findings.answers.is_empty() {
        Ok(findings.missing_layers)
    } else {
        Err(format!("the self-test found a hole: {}", missed.join(", ")))
    }
}
