//! Gets the pinned tool from the machine's npm registry, once. Packages' own scripts are not run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use miteos_tools::secret::Secret;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::eas::{Programs, base};
use super::leash::{Cut, Start};
use super::runner::{EAS_CLI_VERSION, Lines, Ran, RunnerError};
use crate::build::{RegistrySource, write_settings};
use crate::detect::{PackageManager, Plan};

/// How long getting it may take: it has some hundred packages.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How much of npm's complaint is told (characters).
const SHOWN_CHARS: usize = 400;
/// The tool, below the folder it is installed in.
pub(super) const PROGRAM: &str = "node_modules/.bin/eas";
/// Its manifest, which says its version.
const MANIFEST: &str = "node_modules/eas-cli/package.json";
/// Where it is before it is whole.
const NEW: &str = "new";
/// What it is installed with, below it: links to programs, and what is downloaded.
const PROGRAMS: &str = "programs";
const CACHE: &str = "cache";

pub(super) struct Install {
    work: Arc<Work>,
}

struct Work {
    folder: PathBuf,
    registries: RegistrySource,
    /// One installs, the others find it done.
    turn: Mutex<()>,
}

impl Install {
    pub fn new(folder: PathBuf, registries: RegistrySource) -> Self {
        Self { work: Arc::new(Work { folder, registries, turn: Mutex::new(()) }) }
    }

    /// The folder that the tool is in. Who asks first waits for its installation; it goes on when nobody waits any more.
    pub async fn place(
        &self,
        programs: Programs,
        lines: Lines<'_>,
        cancel: &CancellationToken,
    ) -> Result<PathBuf, RunnerError> {
        let place = self.work.place();
        if is_there(&place.join(PROGRAM)).await {
            return Ok(place);
        }
        lines(&format!("installing eas-cli {EAS_CLI_VERSION}, once for this server"));
        let work = Arc::clone(&self.work);
        let installing = tokio::spawn(async move { work.install(&programs).await });
        tokio::select! {
            done = installing => match done {
                Ok(done) => done.map(|()| place),
                Err(panic) => Err(RunnerError::Machine { why: panic.to_string() }),
            },
            () = cancel.cancelled() => Err(RunnerError::Cancelled),
        }
    }
}

impl Work {
    fn place(&self) -> PathBuf {
        self.folder.join(format!("eas-cli-{EAS_CLI_VERSION}"))
    }

    async fn install(&self, programs: &Programs) -> Result<(), RunnerError> {
        let _turn = self.turn.lock().await;
        let place = self.place();
        if is_there(&place.join(PROGRAM)).await {
            return Ok(());
        }
        let new = self.folder.join(NEW);
        fresh(&new).await?;
        let ran = self.npm(programs, &new).await?;
        if ran.exit_code != Some(0) {
            let said: String = last_lines(&ran.stderr).chars().take(SHOWN_CHARS).collect();
            return Err(unavailable(format!("npm could not install version {EAS_CLI_VERSION}: {said}")));
        }
        let manifest = tokio::fs::read(new.join(MANIFEST)).await.unwrap_or_default();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap_or_default();
        if manifest["version"] != EAS_CLI_VERSION {
            let why =
                format!("npm installed something else than version {EAS_CLI_VERSION}; look at its registry");
            return Err(unavailable(why));
        }
        clear(&place).await?;
        tokio::fs::rename(&new, &place).await.map_err(|error| machine("move", &error))
    }

    async fn npm(&self, programs: &Programs, new: &Path) -> Result<Ran, RunnerError> {
        // It ends with its own time, whoever waits for it.
        let cancel = CancellationToken::new();
        let registries = self.registries.of(&plan(), &cancel).await;
        let registries = registries.map_err(|error| unavailable(error.to_string()))?.found;
        let (links, cache) = (new.join(PROGRAMS), new.join(CACHE));
        let mut environment = base(&programs.link(&links)?, new);
        environment.push(("npm_config_cache".to_owned(), Secret::new(cache.display().to_string())));
        if let Some(url) = &registries.npm {
            environment.push(("npm_config_registry".to_owned(), Secret::new(url.as_str())));
        }
        write_settings(new, &registries).map_err(|error| machine("write npm's settings", &error))?;
        let package = format!("eas-cli@{EAS_CLI_VERSION}");
        let arguments = [
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--save-exact",
            &package,
        ];
        let arguments = arguments.map(str::to_owned);
        let start = Start {
            program: Path::new("npm"),
            arguments: &arguments,
            environment,
            folder: new,
            timeout: INSTALL_TIMEOUT,
        };
        let ran = start.run(&|_| {}, &cancel).await.map_err(|cut| match cut {
            Cut::NoProgram => unavailable(format!(
                "npm was found neither on the server's PATH nor with the system's programs ({}), and eas-cli \
                 {EAS_CLI_VERSION} is not installed yet; install Node.js 20 or newer with npm there, or name an eas \
                 (MITEOS_EAS)",
                programs.path
            )),
            Cut::Io(error) => machine("run npm", &error),
            Cut::TimedOut => {
                unavailable(format!("npm has not installed it within {} s", INSTALL_TIMEOUT.as_secs()))
            }
            Cut::Cancelled => RunnerError::Cancelled,
        })?;
        // What is downloaded is kept nowhere but where it is used.
        clear(&cache).await?;
        clear(&links).await?;
        Ok(ran)
    }
}

/// What is asked for: npm's own registries.
fn plan() -> Plan {
    Plan {
        manager: Some(PackageManager::Npm),
        framework: None,
        commands: Vec::new(),
        installs: true,
        outputs: Vec::new(),
        notes: Vec::new(),
    }
}

async fn is_there(path: &Path) -> bool {
    tokio::fs::try_exists(path).await.unwrap_or(false)
}

/// An empty folder with a manifest, in place of whatever is there.
async fn fresh(folder: &Path) -> Result<(), RunnerError> {
    clear(folder).await?;
    let made = async {
        tokio::fs::create_dir_all(folder).await?;
        tokio::fs::write(folder.join("package.json"), r#"{"private":true}"#).await
    };
    made.await.map_err(|error| machine("make a folder", &error))
}

async fn clear(folder: &Path) -> Result<(), RunnerError> {
    let folder = folder.to_owned();
    match tokio::task::spawn_blocking(move || miteos_tools::Workspace::remove(&folder)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(RunnerError::Machine { why: format!("a folder cannot be removed ({error})") }),
        Err(panic) => Err(RunnerError::Machine { why: panic.to_string() }),
    }
}

fn last_lines(output: &[u8]) -> String {
    const LINES: usize = 4;
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    last.join(" ").chars().filter(|c| !c.is_control()).collect()
}

fn unavailable(why: String) -> RunnerError {
    RunnerError::Unavailable { why }
}

fn machine(doing: &str, error: &std::io::Error) -> RunnerError {
    RunnerError::Machine { why: format!("cannot {doing} ({error})") }
}
