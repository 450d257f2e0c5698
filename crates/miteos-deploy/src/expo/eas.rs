//! The tool itself, run on the server's machine: the pinned one, which is installed when it is first needed, or one that
//! the machine's owner names.
//!
//! It runs as the server does and not in the sandbox: it uploads to hosts that Expo names only then, and the sandbox's way
//! out is a list of hosts. In exchange there is nothing of a project in its folder but names that were read and files that
//! are only sent ([`Folder`]), and nothing of the server in its environment. What is built by a project's own code is built
//! before, in the sandbox and without the token. A native build needs the project itself; that run is in the [`Jail`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use miteos_tools::secret::Secret;
use tokio_util::sync::CancellationToken;

use super::install::{Install, PROGRAM};
use super::jail::{Jail, Tool};
use super::leash::{Cut, Start};
use super::room::Room;
use super::runner::{Command, EAS_CLI_VERSION, Folder, Lines, Ran, Runner, RunnerError};
use crate::build::{BuildErrorKind, BuildFailure, RegistrySource, ToolSource, Tools, trusted_certificates};

/// Where programs are looked for behind the owner's own folders.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin";
/// Where runs have their folders, below the runner's.
const RUNS: &str = "runs";

/// Runs `eas`. Cheap to clone.
#[derive(Clone)]
pub struct Eas {
    program: Program,
    folder: PathBuf,
    tools: ToolSource,
    /// Folders that programs are looked for in, when they are not among the tools.
    path: Arc<str>,
    jail: Option<Jail>,
}

#[derive(Clone)]
enum Program {
    Pinned(Arc<Install>),
    Named(PathBuf),
}

impl Eas {
    /// The pinned version, installed below `folder`, which is this runner's alone. It is run by the owner's node, which
    /// `tools` finds, as for builds.
    pub fn pinned(folder: PathBuf, registries: RegistrySource, tools: ToolSource) -> Self {
        let install = Install::new(folder.clone(), registries);
        Self::new(Program::Pinned(Arc::new(install)), folder, tools)
    }

    /// A program of the owner's choice, which is believed to be of the pinned version.
    pub fn named(folder: PathBuf, program: PathBuf, tools: ToolSource) -> Self {
        Self::new(Program::Named(program), folder, tools)
    }

    fn new(program: Program, folder: PathBuf, tools: ToolSource) -> Self {
        let own = tools.folders().iter().filter(|folder| folder.is_absolute());
        let mut path: Vec<String> = own.map(|folder| folder.display().to_string()).collect();
        path.push(SYSTEM_PATH.to_owned());
        Self { program, folder, path: path.join(":").into(), tools, jail: None }
    }

    /// Also makes native builds.
    pub fn with_jail(self, jail: Jail) -> Self {
        Self { jail: Some(jail), ..self }
    }

    /// Looks for node and npm in these folders, as a `PATH` names them, and nowhere else.
    pub fn looking_in(self, path: &str) -> Self {
        let folders = path.split(':').map(PathBuf::from).collect();
        Self { tools: self.tools.with_folders(folders), path: path.into(), ..self }
    }

    /// Removes what runs of an earlier process left. Blocks.
    pub fn sweep(&self) {
        if let Err(error) = miteos_tools::Workspace::remove(&self.folder.join(RUNS)) {
            tracing::warn!(%error, "what earlier runs of eas-cli left could not be removed");
        }
    }

    /// The folder of the pinned tool, or the owner's program.
    async fn found(
        &self,
        tools: &Arc<Tools>,
        lines: Lines<'_>,
        cancel: &CancellationToken,
    ) -> Result<Found, RunnerError> {
        match &self.program {
            Program::Pinned(install) => {
                let programs = Programs { tools: Arc::clone(tools), path: Arc::clone(&self.path) };
                install.place(programs, lines, cancel).await.map(Found::Folder)
            }
            Program::Named(path) => Ok(Found::Program(path.clone())),
        }
    }

    async fn room(&self, command: &Command) -> Result<Room, RunnerError> {
        let (below, folder) = (self.folder.join(RUNS), command.folder.clone());
        let made = tokio::task::spawn_blocking(move || Room::make(&below, &folder)).await;
        made.unwrap_or_else(|panic| Err(RunnerError::Machine { why: panic.to_string() }))
    }

    fn missing(&self) -> RunnerError {
        let why = match &self.program {
            Program::Pinned(_) => format!(
                "node was found neither on the server's PATH nor with the system's programs ({}); install Node.js 20 or \
                 newer there, or name an eas of version {EAS_CLI_VERSION} (MITEOS_EAS)",
                self.path
            ),
            Program::Named(path) => {
                format!(
                    "{} (MITEOS_EAS) is no program that can be started, or what it needs is not there",
                    path.display()
                )
            }
        };
        RunnerError::Unavailable { why }
    }
}

/// What runs the tool's and npm's scripts: links that were found, and folders that are looked in behind them.
#[derive(Clone)]
pub(super) struct Programs {
    pub tools: Arc<Tools>,
    pub path: Arc<str>,
}

impl Programs {
    /// Makes the links in a new folder, and gives a `PATH` that begins with it.
    pub fn link(&self, folder: &Path) -> Result<String, RunnerError> {
        let failed = |error| RunnerError::Machine { why: format!("links cannot be made ({error})") };
        self.tools.link(folder, false).map_err(failed)?;
        Ok(format!("{}:{}", folder.display(), self.path))
    }
}

/// The tool on this machine.
enum Found {
    Folder(PathBuf),
    Program(PathBuf),
}

#[async_trait]
impl Runner for Eas {
    async fn run(
        &self,
        command: &Command,
        lines: Lines<'_>,
        cancel: &CancellationToken,
    ) -> Result<Ran, RunnerError> {
        let tools = Arc::new(self.tools.find(cancel).await.map_err(not_found)?);
        let found = self.found(&tools, lines, cancel).await?;
        let room = tokio::select! {
            room = self.room(command) => room?,
            () = cancel.cancelled() => return Err(RunnerError::Cancelled),
        };
        if let Folder::Source(source) = &command.folder {
            let tool = match &found {
                Found::Folder(folder) => Tool::Folder(folder, PROGRAM),
                Found::Program(path) => Tool::Program(path),
            };
            let Some(jail) = &self.jail else {
                let why = "this runner makes no native builds".to_owned();
                return Err(RunnerError::Unavailable { why });
            };
            return jail.run((tool, tools), source, &room.project, command, (lines, cancel)).await;
        }
        let program = match found {
            Found::Folder(folder) => folder.join(PROGRAM),
            Found::Program(path) => path,
        };
        let programs = Programs { tools, path: Arc::clone(&self.path) };
        let mut environment = base(&programs.link(&room.programs())?, &room.home());
        let temporary = room.temporary();
        environment.push(("TMPDIR".to_owned(), Secret::new(temporary.display().to_string())));
        environment.extend(command.environment.iter().cloned());
        let start = Start {
            program: &program,
            arguments: &command.arguments,
            environment,
            folder: &room.project,
            timeout: command.timeout,
        };
        start.run(lines, cancel).await.map_err(|cut| match cut {
            Cut::NoProgram => self.missing(),
            Cut::Io(error) => RunnerError::Machine { why: error.to_string() },
            Cut::TimedOut => RunnerError::TimedOut { seconds: command.timeout.as_secs() },
            Cut::Cancelled => RunnerError::Cancelled,
        })
    }
}

fn not_found(failure: BuildFailure) -> RunnerError {
    match failure.kind {
        BuildErrorKind::Cancelled => RunnerError::Cancelled,
        BuildErrorKind::Config
        | BuildErrorKind::Install
        | BuildErrorKind::Build
        | BuildErrorKind::NoOutput
        | BuildErrorKind::TimedOut => RunnerError::Machine { why: failure.message },
    }
}

/// What every program here is given.
pub(super) fn base(path: &str, home: &Path) -> Vec<(String, Secret)> {
    let mut all = vec![
        ("PATH".to_owned(), Secret::new(path)),
        ("HOME".to_owned(), Secret::new(home.display().to_string())),
        ("LANG".to_owned(), Secret::new("C.UTF-8")),
    ];
    // The machine may know an authority that Node.js does not.
    all.extend(trusted_certificates().map(|file| ("NODE_EXTRA_CA_CERTS".to_owned(), Secret::new(file))));
    all
}
