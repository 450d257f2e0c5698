//! The one run of the tool beside a project's own files: a native build, whose archive it packs. There it is shown to the
//! sandbox, so that no name in the project's configuration, such as that of an icon, leads to a file of the server. Nothing
//! of the project is run even so; the token is in reach here.
//!
//! The way out is a list of Expo's hosts. One that is asked for in vain is named in the failure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use miteos_sandbox::{
    AllowList, Dial, Egress, EgressLimits, Exit, HostPort, Limits, Network, OutputChunk, RunOutcome, RunSpec,
    Sandbox, State, Stream, WORKSPACE_DIR,
};
use miteos_tools::Workspace;
use miteos_tools::workspace::SnapshotLimits;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::runner::{Command, Lines, Ran, RunnerError};
use crate::build::Tools;

/// Hosts that the tool talks to, as its source (24.8.0) has it: the API (`getExpoApiBaseUrl`, for GraphQL, questions of
/// version 2, and the state of the service), and Google's storage, where the API's upload session has the archive put
/// (`uploadFileAtPathToGCSAsync`, by an address that is signed there). What else stands in it are links for people
/// (`expo.dev`, `status.expo.dev`), and what is switched off: figures about its users (`cdp.expo.dev`, by
/// `DISABLE_EAS_ANALYTICS`) and the look for newer versions (the registry of npm, by `EAS_SKIP_NEW_VERSION_CHECK`).
const HOSTS: [&str; 2] = ["api.expo.dev", "storage.googleapis.com"];
/// The port of each.
const HTTPS_PORT: u16 = 443;
/// What an archive may have, with all else that is sent (bytes).
const MAX_UP_BYTES: u64 = 3 << 30;
/// What a copy of the tool or of a project may hold.
const COPIED: SnapshotLimits = SnapshotLimits { max_entries: 200_000, max_bytes: 2 << 30 };
/// The sandbox's folder may hold both, and the archive of the second.
const MAX_FOLDER_BYTES: u64 = 8 << 30;
/// Lines that may wait to be handed on.
const WAITING_LINES: usize = 256;
/// Names below the folder that the sandbox sees.
const TOOL: &str = "tool";
const PROJECT: &str = "project";
/// Links to the owner's programs.
const PROGRAMS: &str = "programs";
/// What a shell, or `env`, answers when a program is not there.
const NO_SUCH_PROGRAM: i32 = 127;

/// Gives the sandbox, once it is there.
#[async_trait]
pub trait Sandboxes: Send + Sync {
    async fn sandbox(&self) -> &Sandbox;
}

/// Where native builds are packed.
#[derive(Clone)]
pub struct Jail {
    pub sandboxes: Arc<dyn Sandboxes>,
    /// Connects to the hosts.
    pub dial: Arc<dyn Dial>,
}

/// The tool as it is found on this machine.
pub(super) enum Tool<'a> {
    /// The folder it is installed in, and the program below it.
    Folder(&'a Path, &'a str),
    /// A program that the sandbox sees where it is, or not at all.
    Program(&'a Path),
}

impl Jail {
    /// Runs the command in `folder`, which is this run's alone, on a copy of the project.
    pub(super) async fn run(
        &self,
        (tool, programs): (Tool<'_>, Arc<Tools>),
        source: &Workspace,
        folder: &Path,
        command: &Command,
        (lines, cancel): (Lines<'_>, &CancellationToken),
    ) -> Result<Ran, RunnerError> {
        let sandbox = self.sandboxes.sandbox().await;
        match sandbox.status().state {
            State::Isolated { .. } => {}
            State::Unsandboxed => {
                let why = "a native build is packed in the sandbox, and this server runs without one (MITEOS_SANDBOX)";
                return Err(RunnerError::Unavailable { why: why.to_owned() });
            }
            State::Unavailable { reason, mend } => {
                let why = format!(
                    "a native build is packed in the sandbox, which does not work here: {reason}; {mend}"
                );
                return Err(RunnerError::Unavailable { why });
            }
        }
        let program = match &tool {
            Tool::Folder(_, program) => format!("{WORKSPACE_DIR}/{TOOL}/{program}").into(),
            Tool::Program(path) => path.as_os_str().to_owned(),
        };
        let installed = match tool {
            Tool::Folder(folder, _) => Some(folder.to_owned()),
            Tool::Program(_) => None,
        };
        let shown = programs.shown.clone();
        copy((installed, programs), source.clone(), folder.to_owned(), cancel.clone()).await?;
        let limits = EgressLimits { up_bytes: MAX_UP_BYTES, ..EgressLimits::packages() };
        let egress = Egress::new(hosts(), Arc::clone(&self.dial), limits);
        let (sender, mut receiver) = mpsc::channel::<OutputChunk>(WAITING_LINES);
        let network = Network::Proxy(Arc::clone(&egress));
        let spec = RunSpec { read_only: shown, ..spec(program, folder, command, network, sender) };
        let told = async {
            while let Some(chunk) = receiver.recv().await {
                if chunk.stream == Stream::Stderr {
                    lines(String::from_utf8_lossy(&chunk.bytes).trim_end());
                }
            }
        };
        let (outcome, ()) = tokio::join!(sandbox.run(spec, cancel.clone()), told);
        let outcome = outcome.map_err(|error| RunnerError::Machine { why: error.to_string() })?;
        ran(outcome, &egress, command.timeout)
    }
}

fn hosts() -> AllowList {
    AllowList::new(HOSTS.iter().filter_map(|host| HostPort::new(host, HTTPS_PORT).ok()))
}

fn spec(
    program: OsString,
    folder: &Path,
    command: &Command,
    network: Network,
    output: mpsc::Sender<OutputChunk>,
) -> RunSpec {
    let arguments = command.arguments.iter().map(OsString::from);
    let mut env: Vec<(String, String)> =
        command.environment.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
    // The machine may know an authority that Node.js does not.
    let known = crate::build::trusted_certificates();
    env.extend(known.map(|file| ("NODE_EXTRA_CA_CERTS".to_owned(), file.to_owned())));
    env.push(("PATH".to_owned(), Tools::path(&Path::new(WORKSPACE_DIR).join(PROGRAMS))));
    let wall_ms = u64::try_from(command.timeout.as_millis()).unwrap_or(u64::MAX);
    RunSpec {
        program: std::iter::once(program).chain(arguments).collect(),
        workspace: folder.to_owned(),
        cwd: PathBuf::from(PROJECT),
        home_cache: None,
        read_only: Vec::new(),
        env,
        stdin: Vec::new(),
        limits: Limits { wall_ms, tmp_bytes: 2 << 30, workspace_bytes: MAX_FOLDER_BYTES, ..Limits::build() },
        network,
        output: Some(output),
    }
}

/// Copies the tool, so that nothing that runs there can change it for the next run, and the project, and makes links to
/// the owner's programs.
async fn copy(
    (tool, programs): (Option<PathBuf>, Arc<Tools>),
    source: Workspace,
    folder: PathBuf,
    cancel: CancellationToken,
) -> Result<(), RunnerError> {
    let copied = tokio::task::spawn_blocking(move || {
        if let Some(tool) = tool {
            let tool = Workspace::open(tool)?;
            tool.snapshot(&folder.join(TOOL), COPIED, &mut |_, _| false, &cancel)?;
        }
        source.snapshot(&folder.join(PROJECT), COPIED, &mut |_, _| false, &cancel)?;
        Ok(programs.link(&folder.join(PROGRAMS), true))
    });
    match copied.await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(RunnerError::Machine { why: format!("links cannot be made ({error})") }),
        Ok(Err(miteos_tools::workspace::SnapshotError::Cancelled)) => Err(RunnerError::Cancelled),
        Ok(Err(error)) => Err(RunnerError::Machine { why: format!("it cannot be copied ({error})") }),
        Err(panic) => Err(RunnerError::Machine { why: panic.to_string() }),
    }
}

fn ran(outcome: RunOutcome, egress: &Egress, timeout: Duration) -> Result<Ran, RunnerError> {
    let mut stderr = outcome.stderr.to_text();
    let exit_code = match outcome.exit {
        Exit::Code(code) => Some(code),
        Exit::TimedOut => return Err(RunnerError::TimedOut { seconds: timeout.as_secs() }),
        Exit::Cancelled => return Err(RunnerError::Cancelled),
        Exit::Signal(_) => None,
        Exit::OutputLimit | Exit::MemoryLimit | Exit::WorkspaceLimit => {
            stderr.push_str("\nit used more output, memory or room than it may and was ended");
            None
        }
    };
    if exit_code == Some(NO_SUCH_PROGRAM) {
        stderr.push_str(
            "\na program was not found: the sandbox sees what is below /usr on the server's machine, and node with its \
             package managers as the server's PATH has them",
        );
    }
    let refused = egress.refused();
    if exit_code != Some(0) && !refused.is_empty() {
        stderr.push_str(&format!(
            "\nit asked for {} and did not get it; it reaches {}",
            refused.join(", "),
            hosts()
        ));
    }
    Ok(Ran { exit_code, stdout: outcome.stdout.to_text().into_bytes(), stderr: stderr.into_bytes() })
}
