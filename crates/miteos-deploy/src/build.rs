//! Building a site: a copy of the workspace, the project's own commands in the sandbox, and the folder that they wrote.
//!
//! The commands reach the package registries and nothing else, and get no credential of anybody. Knows nothing of
//! deployments, of providers or of where the files go; whether they may be published is found out by
//! [`scan`](crate::site::scan).

mod ask;
mod environment;
mod failure;
mod log;
mod project;
mod registries;
mod run;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miteos_sandbox::{Dial, Limits, Sandbox, State};
use miteos_tools::Workspace;
use miteos_tools::workspace::{Name, SnapshotLimits};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::detect::{BuildSettings, Plan, detect};
use crate::site::Index;
pub use ask::{AskError, Asking, Machine, Question};
pub use environment::trusted_certificates;
pub(crate) use environment::write_settings;
pub use failure::{BuildErrorKind, BuildFailure};
use log::Log;
pub use registries::{BadRegistry, Registries, RegistrySource};
pub use tools::ToolSource;
pub(crate) use tools::Tools;

/// Names below a build's folder: the copy of the workspace, and the home of the commands.
const SOURCE: &str = "source";
const HOME: &str = "home";
/// Links to programs, below that home.
const LINKS: &str = ".tools";

const GIB: u64 = 1 << 30;

/// What a build may use.
#[derive(Debug, Clone, Copy)]
pub struct BuildLimits {
    /// Of the sandbox, for each command; the time is for all of them together.
    pub sandbox: Limits,
    pub snapshot: SnapshotLimits,
}

impl Default for BuildLimits {
    fn default() -> Self {
        Self {
            sandbox: Limits::build(),
            snapshot: SnapshotLimits { max_entries: 100_000, max_bytes: 2 * GIB },
        }
    }
}

/// One build.
pub struct Build<'a> {
    pub workspace: &'a Workspace,
    pub settings: &'a BuildSettings,
    /// A folder for this build alone; what an earlier build left there is removed. Whoever asked for the build removes it,
    /// with the output in it, by [`clear`].
    pub folder: &'a Path,
    pub sandbox: &'a Sandbox,
    /// Connects to the registries.
    pub dial: Arc<dyn Dial>,
    pub registries: &'a RegistrySource,
    /// Finds the owner's package managers.
    pub tools: &'a ToolSource,
    pub limits: BuildLimits,
    /// How many builds run commands at once; this one waits for its place. It has to leave some of the sandbox's places
    /// to others.
    pub places: &'a Semaphore,
    pub cancel: &'a CancellationToken,
    /// Takes lines while they come.
    pub log: &'a (dyn Fn(String) + Send + Sync),
}

/// What is there to be published.
#[derive(Clone)]
pub struct Built {
    /// The workspace itself where nothing had to be built, else the copy.
    pub workspace: Workspace,
    /// The output in it.
    pub output: Name,
    /// Whether the output has to have a page at its top.
    pub index: Index,
    /// Whether commands were run.
    pub was_built: bool,
}

impl Built {
    /// The output below the build's folder; nothing where it is in the workspace itself.
    pub fn below_folder(&self) -> Option<Name> {
        let below = match self.output.as_str() {
            "" => SOURCE.to_owned(),
            output => format!("{SOURCE}/{output}"),
        };
        // A name that was parsed stays one behind another.
        Name::parse(&below).ok().filter(|_| self.was_built)
    }
}

impl Build<'_> {
    /// Runs the build to its end. When it returns, every process of it is dead.
    ///
    /// # Errors
    ///
    /// See [`BuildErrorKind`]; the last lines of what failed are in the message and in the log.
    pub async fn run(&self) -> Result<Built, BuildFailure> {
        let mut log = Log::new(self.log);
        let (workspace, settings) = (self.workspace.clone(), self.settings.clone());
        let plan = blocking(move || {
            let project = project::look(&workspace)?;
            detect(&project, &settings).map_err(BuildFailure::from)
        })
        .await?;
        for note in &plan.notes {
            log.say(note);
        }
        if plan.commands.is_empty() {
            let built = self.output(self.workspace.clone(), plan, false).await?;
            match built.output.as_str() {
                "" => log.say("the workspace is published as it is"),
                folder => log.say(&format!("the folder {folder} is published as it is")),
            }
            return Ok(built);
        }
        if self.cancel.is_cancelled() {
            return Err(BuildFailure::cancelled());
        }
        if let State::Unavailable { reason, mend } = self.sandbox.status().state {
            return Err(BuildFailure::no_sandbox(&reason, &mend));
        }
        let tools = self.tools.find(self.cancel).await?;
        if let Some(lacking) = tools.lacking(&plan) {
            return Err(lacking);
        }
        let _place = self.place(&mut log).await?;
        let registries = self.registries.of(&plan, self.cancel).await?;
        for note in &registries.notes {
            log.say(note);
        }
        let registries = registries.found;
        let (source, home) = self.copy(&mut log).await?;
        let isolated = self.isolated();
        tools
            .link(&home.join(LINKS), isolated)
            .map_err(|error| BuildFailure::machine("link the programs of a build", error))?;
        write_settings(&home, &registries)
            .map_err(|error| BuildFailure::machine("write the settings of package managers", error))?;
        let (source_root, home, registries) = (source.root(), home.as_path(), &registries);
        let room = run::Room { build: self, source: source_root, home, registries, tools: &tools, isolated };
        // What a command waits for a place in the sandbox is not its time.
        let mut left_ms = self.limits.sandbox.wall_ms;
        for (number, line) in plan.commands.iter().enumerate() {
            let installs = plan.installs && number == 0;
            let took_ms = run::command(&room, line, installs, left_ms, &mut log).await?;
            left_ms = left_ms.saturating_sub(took_ms);
        }
        let built = self.output(source, plan, true).await?;
        log.say(&format!("the output is {}", shown(&built.output)));
        Ok(built)
    }

    /// A place among the builds that run commands.
    async fn place(&self, log: &mut Log<'_>) -> Result<SemaphorePermit<'_>, BuildFailure> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        log.say("it waits until another build is done");
        tokio::select! {
            place = self.places.acquire() => {
                place.map_err(|error| BuildFailure::machine("give the build a place", error))
            }
            () = self.cancel.cancelled() => Err(BuildFailure::cancelled()),
        }
    }

    fn isolated(&self) -> bool {
        matches!(self.sandbox.status().state, State::Isolated { .. })
    }

    /// The copy of the workspace, and a new home beside it.
    async fn copy(&self, log: &mut Log<'_>) -> Result<(Workspace, PathBuf), BuildFailure> {
        let (source, home) = (self.folder.join(SOURCE), self.folder.join(HOME));
        let (workspace, limits, cancel) = (self.workspace.clone(), self.limits.snapshot, self.cancel.clone());
        let (folder, into, made_home) = (self.folder.to_owned(), source.clone(), home.clone());
        let left_out = blocking(move || {
            clear(&into)?;
            clear(&made_home)?;
            std::fs::create_dir_all(&folder)
                .and_then(|()| std::fs::create_dir(&made_home))
                .map_err(|error| BuildFailure::machine("make the build's folder", error))?;
            project::copy(&workspace, &into, limits, &cancel)
        })
        .await?;
        for name in left_out {
            log.say(&format!("{name} stays out of the build, since it may hold secrets"));
        }
        let copy = Workspace::open(source).map_err(|error| BuildFailure::machine("open the copy", error))?;
        Ok((copy, home))
    }

    async fn output(&self, workspace: Workspace, plan: Plan, was_built: bool) -> Result<Built, BuildFailure> {
        let named = self.settings.output.is_some();
        blocking(move || {
            let (output, index) = project::output(&workspace, &plan, named)?;
            Ok(Built { workspace, output, index, was_built })
        })
        .await
    }
}

/// Removes a build's folder with everything in it. `Ok` when there is none.
///
/// # Errors
///
/// When something in it cannot be removed.
pub fn clear(folder: &Path) -> Result<(), miteos_tools::WorkspaceError> {
    Workspace::remove(folder)
}

fn shown(output: &Name) -> &str {
    if output.as_str().is_empty() { "the whole folder" } else { output.as_str() }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BuildFailure> + Send + 'static,
) -> Result<T, BuildFailure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(BuildFailure::machine("look at the files", error)),
    }
}
