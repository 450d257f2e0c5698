//! Expo, through its own command-line tool: the web build on EAS Hosting, or a native build on Expo's machines. The
//! provider documents the tool and not the API behind it, so the tool is driven, in a pinned version, by a [`Runner`]
//! that the server gives. The tool has the token, so it is shown nothing that it would run: of a project it is told the
//! name and the id, and what is built by a project's own code was built before.
//!
//! A web deployment is made under an identifier of ours, the same at each attempt. A native build carries our mark as
//! its message, and builds are listed with theirs.

mod app;
mod eas;
mod install;
mod jail;
mod leash;
mod output;
mod room;
mod runner;
mod source;

use async_trait::async_trait;
use miteos_tools::Workspace;
use miteos_tools::secret::Secret;
use serde_json::Value;
use sha2::Digest as _;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::call::{Clock, Pace, Redactor, needed, text};
use crate::config::{ExpoAction, ExpoConfig, ExpoPlatform};
use crate::error::{DeployError, ErrorKind};
use crate::look;
use crate::site::{Artifact, Site};
use crate::state::{Release, State, Step, Visibility};
use crate::target::{Advance, Environment, Job, Next, Order, Target, TargetKind, Tools, Verified, settled};

pub use app::App;
pub use eas::Eas;
pub use jail::{Jail, Sandboxes};
pub use runner::{Command, EAS_CLI_VERSION, EXPORT_DIR, Folder, Lines, NoRunner, Ran, Runner, RunnerError};
pub use source::{LEFT_OUT, prepare as prepare_source};

/// A short question to the tool.
const ASK_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// An upload of a web build, or of a project to be built.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long a native build may take, its time in the queue included.
const MAX_WAIT_MS: u64 = 3 * 60 * 60 * 1000;
/// Builds in one answer, newest first: the most that the tool gives …
const PAGE_BUILDS: usize = 50;
/// … and answers that are looked through for ours. Others can have been made since ours was.
const MAX_PAGES: usize = 4;
/// Digits of the identifier of a web deployment.
const IDENTIFIER_DIGITS: usize = 10;
const KIND: TargetKind = TargetKind::Expo;
/// The part of a web deployment that is kept before it is made the production one.
const PRODUCTION: &str = "production";
/// No questions, no colours, no look at version control, no look for newer versions, and nothing told of its user.
const QUIET: [(&str, &str); 8] = [
    ("CI", "1"),
    ("DISABLE_EAS_ANALYTICS", "1"),
    ("DO_NOT_TRACK", "1"),
    ("EAS_NO_VCS", "1"),
    ("EAS_SKIP_NEW_VERSION_CHECK", "1"),
    ("EXPO_NO_TELEMETRY", "1"),
    ("NO_COLOR", "1"),
    ("TERM", "dumb"),
];

/// What is handed over of a project.
#[derive(Clone)]
pub struct Project {
    pub app: App,
    pub content: Content,
}

#[derive(Clone)]
pub enum Content {
    /// The files of a web build, looked through.
    Export(Arc<Site>),
    /// A copy of the project that [`prepare_source`] has made fit, for a native build.
    Source(Workspace),
}

/// How the tool is run.
struct Run<'a> {
    arguments: &'a [&'a str],
    folder: Folder,
    timeout: Duration,
    /// Whose log gets what it tells people; a question is not told.
    job: Option<&'a Job<'a>>,
    cancel: &'a CancellationToken,
}

pub(crate) struct Expo {
    config: ExpoConfig,
    runner: Arc<dyn Runner>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    redactor: Redactor,
}

impl Expo {
    pub fn new(config: ExpoConfig, tools: &Tools) -> Self {
        Self {
            redactor: Redactor::new(&[config.token.reveal()]),
            config,
            runner: Arc::clone(&tools.runner),
            clock: Arc::clone(&tools.clock),
            pace: tools.pace.clone(),
        }
    }

    /// Runs the tool and gives what it wrote to its output.
    async fn run(&self, run: Run<'_>) -> Result<String, DeployError> {
        // The token is never an argument, since those can be seen by every program of the machine.
        let mut environment: Vec<(String, Secret)> =
            QUIET.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
        environment.push(("EXPO_TOKEN".to_owned(), self.config.token.clone()));
        let command = Command {
            arguments: run.arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment,
            folder: run.folder,
            timeout: run.timeout,
        };
        let lines = |line: &str| {
            let line = self.redactor.clean(&output::uncoloured(line));
            if let Some(job) = run.job.filter(|_| !line.is_empty()) {
                job.say(format!("eas: {line}"));
            }
        };
        let ran = self.runner.run(&command, &lines, run.cancel).await.map_err(runner_failed)?;
        if ran.exit_code == Some(0) {
            return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
        }
        Err(output::failure(&ran, &self.redactor))
    }

    async fn json(&self, run: Run<'_>) -> Result<Value, DeployError> {
        let text = self.run(run).await?;
        output::json(&text).ok_or_else(|| {
            let message = format!(
                "eas-cli ended well and wrote no JSON; its version may not be the pinned one ({EAS_CLI_VERSION})"
            );
            DeployError::new(ErrorKind::Rejected, message)
        })
    }

    /// A question about a project.
    async fn ask(
        &self,
        app: &App,
        arguments: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Value, DeployError> {
        let folder = Folder::Named(app.clone());
        self.json(Run { arguments, folder, timeout: ASK_TIMEOUT, job: None, cancel }).await
    }

    /// A web deployment is the exported files, which were looked through; a native build is made of the project.
    fn project<'a>(&self, artifact: &'a Artifact) -> Result<&'a Arc<Project>, DeployError> {
        let refused = |message| Err(DeployError::new(ErrorKind::Config, message));
        let project = match artifact {
            Artifact::Project(project) => project,
            Artifact::Site(_) | Artifact::Ipa(_) | Artifact::Gone => {
                return refused("Expo is given a project that says which one it is");
            }
        };
        match (self.config.settings.action, &project.content) {
            (ExpoAction::Web, Content::Export(_)) | (ExpoAction::Build, Content::Source(_)) => Ok(project),
            (ExpoAction::Web, Content::Source(_)) => refused(
                "a web deployment to Expo publishes the exported folder, so that folder is looked through first",
            ),
            (ExpoAction::Build, Content::Export(_)) => {
                refused("Expo builds an app from the project, and not from its exported folder")
            }
        }
    }

    /// Which project it is, is known before anything is made.
    fn locate(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let project = self.project(job.artifact)?;
        let mut state = state.clone().at(Step::Create);
        state.project_id = Some(project.app.reference());
        if self.config.settings.action == ExpoAction::Web {
            // The identifier is ours.
            state.deployment_id = Some(identifier(job.order));
        }
        Ok(Advance::go(state))
    }

    async fn deploy_web(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let id = state.deployment()?;
        let project = self.project(job.artifact)?;
        let Content::Export(site) = &project.content else { return Err(DeployError::lost("files")) };
        let folder = Folder::Export(project.app.clone(), Arc::clone(site));
        let arguments = ["deploy", "--non-interactive", "--json", "--export-dir", EXPORT_DIR, "--id", id];
        let (timeout, cancel) = (UPLOAD_TIMEOUT, job.cancel);
        let run = Run { arguments: &arguments, folder, timeout, job: Some(job), cancel };
        let mut state = state.clone().at(Step::Publish);
        match self.json(run).await {
            Ok(deployed) => {
                state.url = text(&deployed, "url").map(str::to_owned);
                state.inspect_url = text(&deployed, "dashboardUrl").map(str::to_owned);
            }
            // An earlier attempt got as far as this.
            Err(error) if error.kind == ErrorKind::NameTaken && error.message.contains(id) => {}
            Err(error) => return Err(error),
        }
        job.say(format!("deployment {id}"));
        Ok(Advance::go(state))
    }

    async fn publish_web(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let (app, id) = (app(state)?, state.deployment()?);
        let mut state = state.clone();
        if self.config.settings.environment == Environment::Production {
            if state.part_id.is_none() {
                state.part_id = Some(PRODUCTION.to_owned());
                return Ok(Advance::go(state));
            }
            // From here on a cancel is too late: a run that is killed may have made it the live one already.
            let shown = self.assign(&app, id, &CancellationToken::new()).await?;
            state.url = Some(shown);
        } else if state.url.is_none() {
            // The answer that had it was lost.
            state.url = Some(self.alias(&app, id, job.cancel).await?);
        }
        state.live(Visibility::Public)
    }

    /// Makes a deployment the production one, and gives its address.
    async fn assign(&self, app: &App, id: &str, cancel: &CancellationToken) -> Result<String, DeployError> {
        let arguments = ["deploy:alias", "--prod", "--id", id, "--non-interactive", "--json"];
        let assigned = self.ask(app, &arguments, cancel).await?;
        let production = assigned.get("production").unwrap_or(&assigned);
        needed(KIND, production, "url")
    }

    /// Gives a deployment its identifier as a name, and with that an address.
    async fn alias(&self, app: &App, id: &str, cancel: &CancellationToken) -> Result<String, DeployError> {
        let arguments = ["deploy:alias", "--alias", id, "--id", id, "--non-interactive", "--json"];
        let assigned = self.ask(app, &arguments, cancel).await?;
        needed(KIND, assigned.pointer("/aliases/0").unwrap_or(&assigned), "url")
    }

    async fn find_build(
        &self,
        app: &App,
        order: &Order,
        cancel: &CancellationToken,
    ) -> Result<Option<Value>, DeployError> {
        let platform = self.platform()?;
        let (limit, mark) = (PAGE_BUILDS.to_string(), order.mark());
        for page in 0..MAX_PAGES {
            let offset = (page * PAGE_BUILDS).to_string();
            let arguments = [
                "build:list",
                "--platform",
                platform,
                "--limit",
                &limit,
                "--offset",
                &offset,
                "--non-interactive",
                "--json",
            ];
            let found = self.ask(app, &arguments, cancel).await.map_err(unanswered)?;
            let builds = found.as_array().map(Vec::as_slice).unwrap_or_default();
            let ours = builds.iter().rfind(|one| text(one, "message") == Some(mark.as_str()));
            if ours.is_some() || builds.len() < PAGE_BUILDS {
                return Ok(ours.cloned());
            }
        }
        Ok(None)
    }

    async fn create_build(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let build = match self.find_build(&app(state)?, job.order, job.cancel).await? {
            Some(build) => build,
            None => {
                let app = app(state)?;
                let find = || self.find_build(&app, job.order, job.cancel);
                look::made_after(self.make_build(job).await, &self.pace, job.cancel, find).await?
            }
        };
        let id = needed(KIND, &build, "id")?;
        job.say(format!("build {id}"));
        let mut state = state.clone().waiting(self.clock.now_ms());
        state.deployment_id = Some(id);
        Ok(Advance::go(state))
    }

    async fn make_build(&self, job: &Job<'_>) -> Result<Value, DeployError> {
        let project = self.project(job.artifact)?;
        let Content::Source(source) = &project.content else { return Err(DeployError::lost("project")) };
        let mark = job.order.mark();
        let profile = self.config.settings.profile.as_deref().unwrap_or("production");
        let arguments = [
            "build",
            "--platform",
            self.platform()?,
            "--profile",
            profile,
            "--message",
            &mark,
            "--non-interactive",
            "--json",
            "--no-wait",
        ];
        let (folder, timeout, cancel) = (Folder::Source(source.clone()), UPLOAD_TIMEOUT, job.cancel);
        let built = self.json(Run { arguments: &arguments, folder, timeout, job: Some(job), cancel }).await?;
        Ok(built.as_array().and_then(|list| list.first()).cloned().unwrap_or(built))
    }

    async fn view(&self, app: &App, id: &str, cancel: &CancellationToken) -> Result<Value, DeployError> {
        self.ask(app, &["build:view", id, "--json"], cancel).await.map_err(unanswered)
    }

    async fn wait_build(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let id = state.deployment()?;
        let build = self.view(&app(state)?, id, job.cancel).await?;
        let status = text(&build, "status").unwrap_or_default();
        match status {
            "FINISHED" => {}
            "ERRORED" | "CANCELED" => {
                let said =
                    build.pointer("/error/message").and_then(Value::as_str).unwrap_or("it gave no reason");
                let said = self.redactor.clean(said);
                let what = if status == "CANCELED" { "cancelled" } else { "could not finish" };
                return Err(DeployError::new(
                    ErrorKind::ProviderFailed,
                    format!("Expo {what} the build: {said}"),
                ));
            }
            _ => {
                let now = self.clock.now_ms();
                let waited = now.saturating_sub(state.waiting_since_ms.unwrap_or(now));
                if waited > MAX_WAIT_MS {
                    let message = format!(
                        "Expo has not finished the build after {} minutes (its status is {})",
                        MAX_WAIT_MS / 60_000,
                        self.redactor.clean(status)
                    );
                    return Err(DeployError::new(ErrorKind::TimedOut, message));
                }
                let next = Next::WaitMs(self.pace.poll_ms(waited));
                return Ok(Advance { state: state.clone(), next });
            }
        }
        let url = build.pointer("/artifacts/buildUrl").and_then(Value::as_str);
        let url = url.or_else(|| build.pointer("/artifacts/applicationArchiveUrl").and_then(Value::as_str));
        let url = url.map(str::to_owned).ok_or_else(|| DeployError::lost("address of the built app"))?;
        State { url: Some(url), ..state.clone() }.live(Visibility::Account)
    }

    fn platform(&self) -> Result<&'static str, DeployError> {
        match self.config.settings.platform {
            Some(ExpoPlatform::Ios) => Ok("ios"),
            Some(ExpoPlatform::Android) => Ok("android"),
            None => {
                Err(DeployError::new(ErrorKind::Config, "a build needs settings.platform, ios or android"))
            }
        }
    }
}

#[async_trait]
impl Target for Expo {
    fn kind(&self) -> TargetKind {
        KIND
    }

    async fn verify(&self, cancel: &CancellationToken) -> Result<Verified, DeployError> {
        let (folder, timeout) = (Folder::Empty, ASK_TIMEOUT);
        let said = self.run(Run { arguments: &["whoami"], folder, timeout, job: None, cancel }).await?;
        let account = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("Expo");
        Ok(Verified { account: self.redactor.clean(account), project: None })
    }

    fn prepare(&self, artifact: Artifact) -> Result<Artifact, DeployError> {
        self.project(&artifact)?;
        Ok(artifact)
    }

    async fn next(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        match (self.config.settings.action, state.step) {
            (_, Step::Live) => state.clone().released(),
            (_, Step::Locate) => self.locate(state, job),
            (ExpoAction::Web, Step::Stage | Step::Create | Step::Upload) => self.deploy_web(state, job).await,
            (ExpoAction::Web, Step::Publish | Step::Wait) => self.publish_web(state, job).await,
            (ExpoAction::Build, Step::Stage | Step::Create | Step::Upload) => {
                self.create_build(state, job).await
            }
            (ExpoAction::Build, Step::Publish | Step::Wait) => self.wait_build(state, job).await,
        }
    }

    async fn cancel(&self, state: &State, job: &Job<'_>) -> Result<(), DeployError> {
        let id = match (self.config.settings.action, &state.deployment_id, state.step) {
            // An upload that broke off is seen by nobody; one that is assigned is live.
            (ExpoAction::Web, _, _) | (ExpoAction::Build, None, Step::Locate) => return Ok(()),
            (ExpoAction::Build, Some(id), _) => id.clone(),
            (ExpoAction::Build, None, _) => {
                let app = app(state)?;
                let find = || self.find_build(&app, job.order, job.cancel);
                let found = look::left_behind(&self.pace, job.cancel, find).await?;
                match found.as_ref().and_then(|build| text(build, "id")) {
                    Some(id) => id.to_owned(),
                    None => return Ok(()),
                }
            }
        };
        let (arguments, app) = (["build:cancel", &id, "--non-interactive"], app(state)?);
        let (folder, timeout, cancel) = (Folder::Named(app.clone()), ASK_TIMEOUT, job.cancel);
        match self.run(Run { arguments: &arguments, folder, timeout, job: None, cancel }).await {
            Ok(_) => Ok(()),
            // The tool says so of a build that is over already, and of any fault that it has no words for.
            Err(error) if error.kind == ErrorKind::ProviderFailed => {
                let build = self.view(&app, &id, job.cancel).await?;
                match text(&build, "status") {
                    Some("FINISHED" | "ERRORED" | "CANCELED" | "PENDING_CANCEL") => Ok(()),
                    _ => Err(unanswered(error)),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn live_after_all(&self, state: &State, job: &Job<'_>) -> Result<Option<State>, DeployError> {
        match self.config.settings.action {
            // Whether it was made the live one is not told by the tool, so what was begun is brought to its end.
            ExpoAction::Web if state.part_id.as_deref() == Some(PRODUCTION) => {
                let mut state = state.clone();
                while state.step != Step::Live {
                    state = self.publish_web(&state, job).await?.state;
                }
                Ok(Some(state))
            }
            ExpoAction::Web => Ok(Some(state.clone()).filter(|state| state.step == Step::Live)),
            ExpoAction::Build => settled(self, state, job).await,
        }
    }

    async fn roll_back(&self, to: &Release, cancel: &CancellationToken) -> Result<Release, DeployError> {
        match self.config.settings.action {
            ExpoAction::Web => {
                let app = App::from_reference(&to.project_id)?;
                let url = self.assign(&app, &to.deployment_id, cancel).await?;
                Ok(Release { url, ..to.clone() })
            }
            ExpoAction::Build => Err(DeployError::new(
                ErrorKind::Config,
                "a native build cannot be taken back; build an older state anew",
            )),
        }
    }
}

/// The project of a state.
fn app(state: &State) -> Result<App, DeployError> {
    App::from_reference(state.project()?)
}

/// The same for the same order.
fn identifier(order: &Order) -> String {
    let hash = hex::encode(sha2::Sha256::digest(order.mark().as_bytes()));
    hash[..IDENTIFIER_DIGITS].to_owned()
}

/// A question that the tool did not answer, in words that mean nothing else, says nothing of what was asked about.
fn unanswered(error: DeployError) -> DeployError {
    if error.kind == ErrorKind::ProviderFailed {
        return DeployError { kind: ErrorKind::Unavailable, ..error };
    }
    error
}

fn runner_failed(error: RunnerError) -> DeployError {
    let kind = match error {
        RunnerError::Cancelled => return DeployError::cancelled(),
        // The run was slow, not what it asked about: each step looks first at what came of the one before, and the
        // deadline of a build is its own.
        RunnerError::TimedOut { .. } => ErrorKind::Network,
        RunnerError::Machine { .. } => ErrorKind::Unavailable,
        RunnerError::Changed { .. } => ErrorKind::FileChanged,
        RunnerError::Unavailable { .. } => ErrorKind::Config,
    };
    DeployError::new(kind, error.to_string())
}
