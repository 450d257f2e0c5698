//! Expo, through its own command-line tool: the web build on EAS Hosting, or a native build on Expo's machines. The
//! provider documents the tool and not the API behind it, so the tool is driven, in a pinned version, by a [`Runner`]
//! that the server gives: the project's configuration is code, and has to run where code of agents may.
//!
//! A web deployment is made under an identifier of ours, the same at each attempt. A native build carries our mark as
//! its message, and builds are listed with theirs.

mod output;
mod runner;

use async_trait::async_trait;
use miteos_tools::secret::Secret;
use serde_json::Value;
use sha2::Digest as _;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::call::{Clock, Pace, Redactor, needed, text};
use crate::config::{ExpoAction, ExpoConfig, ExpoPlatform};
use crate::error::{DeployError, ErrorKind};
use crate::site::Artifact;
use crate::state::{Release, State, Step, Visibility};
use crate::target::{Advance, Environment, Job, Next, Order, Target, TargetKind, Tools, Verified};

pub use runner::{Command, EAS_CLI_VERSION, NoRunner, Ran, Runner, RunnerError};

/// A short question to the tool.
const ASK_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// An upload of a web build, or of a project to be built.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long a native build may take, its time in the queue included.
const MAX_WAIT_MS: u64 = 3 * 60 * 60 * 1000;
/// Builds among which ours is looked for, newest first.
const LOOKED_AT: &str = "20";
/// Digits of the identifier of a web deployment.
const IDENTIFIER_DIGITS: usize = 10;
const KIND: TargetKind = TargetKind::Expo;

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
    async fn run(
        &self,
        arguments: &[&str],
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<String, DeployError> {
        let command = Command {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            // Nothing else: the runner adds a path and a home of its own. The token is never an argument, since
            // those can be seen by every program of the machine.
            environment: vec![
                ("CI".to_owned(), Secret::new("1")),
                ("EAS_NO_VCS".to_owned(), Secret::new("1")),
                ("EXPO_NO_TELEMETRY".to_owned(), Secret::new("1")),
                ("EXPO_TOKEN".to_owned(), self.config.token.clone()),
                ("TERM".to_owned(), Secret::new("dumb")),
            ],
            timeout,
        };
        let ran = self.runner.run(&command, cancel).await.map_err(runner_failed)?;
        if ran.exit_code == Some(0) {
            return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
        }
        Err(output::failure(&ran, &self.redactor))
    }

    async fn json(
        &self,
        arguments: &[&str],
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<Value, DeployError> {
        let text = self.run(arguments, timeout, cancel).await?;
        output::json(&text).ok_or_else(|| {
            let message = "eas-cli ended well and wrote no JSON; its version may not be the pinned one";
            DeployError::new(ErrorKind::Rejected, message)
        })
    }

    fn project(job: &Job<'_>) -> Result<(), DeployError> {
        match job.artifact {
            Artifact::Project => Ok(()),
            Artifact::Site(_) | Artifact::Ipa(_) => Err(wrong_artifact()),
        }
    }

    async fn deploy_web(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let id = state.deployment()?;
        let dir = self.config.settings.export_dir.as_deref().unwrap_or("dist");
        let arguments = ["deploy", "--non-interactive", "--json", "--export-dir", dir, "--id", id];
        let mut state = state.clone().at(Step::Publish);
        match self.json(&arguments, UPLOAD_TIMEOUT, job.cancel).await {
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
        let id = state.deployment()?;
        let mut state = state.clone().at(Step::Live);
        if self.config.settings.environment == Environment::Production {
            let shown = self.assign(id, job.cancel).await?;
            state.url = Some(shown);
        } else if state.url.is_none() {
            // The answer that had it was lost.
            state.url = Some(self.alias(id, job.cancel).await?);
        }
        let release = Release {
            project_id: state.project_id.clone().unwrap_or_default(),
            deployment_id: id.to_owned(),
            url: state.url.clone().ok_or_else(|| DeployError::lost("address"))?,
            visibility: Visibility::Public,
        };
        Ok(Advance { state, next: Next::Done(release) })
    }

    /// Makes a deployment the production one, and gives its address.
    async fn assign(&self, id: &str, cancel: &CancellationToken) -> Result<String, DeployError> {
        let arguments = ["deploy:alias", "--prod", "--id", id, "--non-interactive", "--json"];
        let assigned = self.json(&arguments, ASK_TIMEOUT, cancel).await?;
        let production = assigned.get("production").unwrap_or(&assigned);
        needed(KIND, production, "url")
    }

    /// Gives a deployment its identifier as a name, and with that an address.
    async fn alias(&self, id: &str, cancel: &CancellationToken) -> Result<String, DeployError> {
        let arguments = ["deploy:alias", "--alias", id, "--id", id, "--non-interactive", "--json"];
        let assigned = self.json(&arguments, ASK_TIMEOUT, cancel).await?;
        needed(KIND, assigned.pointer("/aliases/0").unwrap_or(&assigned), "url")
    }

    async fn find_build(
        &self,
        order: &Order,
        cancel: &CancellationToken,
    ) -> Result<Option<Value>, DeployError> {
        let platform = self.platform()?;
        let arguments =
            ["build:list", "--platform", platform, "--limit", LOOKED_AT, "--non-interactive", "--json"];
        let found = self.json(&arguments, ASK_TIMEOUT, cancel).await?;
        let mark = order.mark();
        let is_ours = |one: &&Value| text(one, "message") == Some(mark.as_str());
        Ok(found.as_array().into_iter().flatten().rfind(is_ours).cloned())
    }

    async fn create_build(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let build = match self.find_build(job.order, job.cancel).await? {
            Some(build) => build,
            None => {
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
                let built = self.json(&arguments, UPLOAD_TIMEOUT, job.cancel).await?;
                built.as_array().and_then(|list| list.first()).cloned().unwrap_or(built)
            }
        };
        let id = needed(KIND, &build, "id")?;
        job.say(format!("build {id}"));
        let mut state = state.clone().waiting(self.clock.now_ms());
        state.deployment_id = Some(id);
        Ok(Advance::go(state))
    }

    async fn wait_build(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let id = state.deployment()?;
        let build = self.json(&["build:view", id, "--json"], ASK_TIMEOUT, job.cancel).await?;
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
                        "Expo has not finished the build after {} minutes (its status is {status})",
                        MAX_WAIT_MS / 60_000
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
        let project = build.pointer("/project/id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut state = state.clone().at(Step::Live);
        state.url = Some(url.clone());
        let release = Release {
            project_id: project,
            deployment_id: id.to_owned(),
            url,
            visibility: Visibility::Account,
        };
        Ok(Advance { state, next: Next::Done(release) })
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
        let said = self.run(&["whoami"], ASK_TIMEOUT, cancel).await?;
        let account = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("Expo");
        Ok(Verified { account: self.redactor.clean(account), project: None })
    }

    fn prepare(&self, artifact: Artifact) -> Result<Artifact, DeployError> {
        match artifact {
            Artifact::Project => Ok(artifact),
            Artifact::Site(_) | Artifact::Ipa(_) => Err(wrong_artifact()),
        }
    }

    async fn next(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        Self::project(job)?;
        match (self.config.settings.action, state.step) {
            (ExpoAction::Web, Step::Locate) => {
                // The identifier is ours, so it is known before anything is made.
                let mut state = state.clone().at(Step::Create);
                state.deployment_id = Some(identifier(job.order));
                Ok(Advance::go(state))
            }
            (ExpoAction::Web, Step::Stage | Step::Create | Step::Upload) => self.deploy_web(state, job).await,
            (ExpoAction::Web, Step::Publish | Step::Wait | Step::Live) => self.publish_web(state, job).await,
            (ExpoAction::Build, Step::Locate) => Ok(Advance::go(state.clone().at(Step::Create))),
            (ExpoAction::Build, Step::Stage | Step::Create | Step::Upload) => {
                self.create_build(state, job).await
            }
            (ExpoAction::Build, Step::Publish | Step::Wait | Step::Live) => self.wait_build(state, job).await,
        }
    }

    async fn cancel(&self, state: &State, job: &Job<'_>) -> Result<(), DeployError> {
        let id = match (self.config.settings.action, &state.deployment_id, state.step) {
            // An upload that broke off is seen by nobody; one that is assigned is live.
            (ExpoAction::Web, _, _) | (ExpoAction::Build, None, Step::Locate) => return Ok(()),
            (ExpoAction::Build, Some(id), _) => id.clone(),
            (ExpoAction::Build, None, _) => {
                let found = self.find_build(job.order, job.cancel).await?;
                match found.as_ref().and_then(|build| text(build, "id")) {
                    Some(id) => id.to_owned(),
                    None => return Ok(()),
                }
            }
        };
        match self.run(&["build:cancel", &id, "--non-interactive"], ASK_TIMEOUT, job.cancel).await {
            Ok(_) => Ok(()),
            // It is over already.
            Err(error) if error.kind == ErrorKind::ProviderFailed => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn roll_back(&self, to: &Release, cancel: &CancellationToken) -> Result<Release, DeployError> {
        match self.config.settings.action {
            ExpoAction::Web => {
                let url = self.assign(&to.deployment_id, cancel).await?;
                Ok(Release { url, ..to.clone() })
            }
            ExpoAction::Build => Err(DeployError::new(
                ErrorKind::Config,
                "a native build cannot be taken back; build an older state anew",
            )),
        }
    }
}

/// The same for the same order.
fn identifier(order: &Order) -> String {
    let hash = hex::encode(sha2::Sha256::digest(order.mark().as_bytes()));
    hash[..IDENTIFIER_DIGITS].to_owned()
}

fn wrong_artifact() -> DeployError {
    DeployError::new(ErrorKind::Config, "Expo deploys a project folder, in which its tool runs")
}

fn runner_failed(error: RunnerError) -> DeployError {
    let kind = match error {
        RunnerError::Cancelled => return DeployError::cancelled(),
        RunnerError::TimedOut { .. } => ErrorKind::TimedOut,
        RunnerError::Unavailable { .. } => ErrorKind::Config,
    };
    DeployError::new(kind, error.to_string())
}
