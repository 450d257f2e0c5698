//! Drives one deployment: look what is owed, perform it, record what came of it, again. Leaves when nothing is owed any
//! more or the server stops; what was under way then is taken up at the next start.

mod back;
mod changes;
mod end;

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use miteos_core::deployment::{
    Built, Command, Deployment, Effect, Failure, FailureCode, FailureStep, Release, Stage, Target, Visibility,
};
use miteos_core::ids::{AccountId, DeploymentId};
use miteos_deploy::ExpoAction;
use miteos_tools::Workspace;
use tokio_util::sync::CancellationToken;

use super::builder::{BuildError, BuildJob, BuiltFolder};
use super::configs::{self, Opened};
use super::expo;
use super::files::{self, NotTaken, Places, Taken, Taking};
use super::keep::{CommandError, DeploymentError, scope};
use super::log::{FLUSH_EVERY, Log};
use super::provider::{self, Ended, Provider};
use super::publisher::{PublishError, PublishJob};
use super::turns::{Seat, Turn};
use super::visit::Visit;
use super::{Parts, configs::kind, staged};
use crate::errors::chain;
use crate::runner::Slot;

/// How a runner left its deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing is owed any more.
    Finished,
    Shutdown,
}

struct Runner {
    parts: Arc<Parts>,
    id: DeploymentId,
    slot: Arc<Slot>,
    stop: CancellationToken,
    log: Log,
    /// Held while it works.
    at_work: Mutex<Option<Turn>>,
    /// The files, if this runner has made them.
    taken: Option<Taken>,
}

/// A runner's own place.
struct Chair<'a> {
    runner: &'a Runner,
    account: AccountId,
}

#[async_trait]
impl Seat for Chair<'_> {
    fn leave(&self) {
        drop(self.runner.at_work().take());
    }

    async fn take(&self) {
        if self.runner.at_work().is_none() {
            let turn = self.runner.parts.turns.take(self.account).await;
            *self.runner.at_work() = turn.ok();
        }
    }
}

/// Runs a deployment until it has ended or the server stops.
pub async fn run(
    parts: Arc<Parts>,
    id: DeploymentId,
    slot: Arc<Slot>,
    stop: CancellationToken,
) -> Result<Left, DeploymentError> {
    let Some(deployment) = parts.load(id).await? else { return Ok(Left::Finished) };
    let span = parts.traces.deployment(&deployment);
    let log = Log::open(id, parts.store.clone(), Arc::clone(&parts.clock), parts.moves.of(id)).await?;
    let mut runner = Runner { parts, id, slot, stop, log, at_work: Mutex::default(), taken: None };
    let left = Box::pin(span.around(runner.turn())).await;
    runner.log.flush().await?;
    left
}

impl Runner {
    async fn turn(&mut self) -> Result<Left, DeploymentError> {
        loop {
            self.slot.take_dirty();
            let Some(deployment) = self.parts.load(self.id).await? else { return Ok(Left::Finished) };
            let Some(effect) = deployment.pending() else {
                self.parts.tidy(self.id).await;
                return Ok(Left::Finished);
            };
            if self.stop.is_cancelled() {
                return Ok(Left::Shutdown);
            }
            // Its end, or what a person asks for after it: neither is a matter of the task that made it, nor needs a place.
            let is_ended = matches!(effect, Effect::Stop { .. } | Effect::RollBack { .. });
            if !is_ended && self.parts.is_unwanted(&deployment).await? {
                self.log.say("the task that asked for it was stopped");
                self.record(Command::Cancel).await?;
                continue;
            }
            let rests = is_ended || provider::only_waits(&deployment);
            if !rests && self.at_work().is_none() {
                self.take_turn(deployment.account).await;
                continue;
            }
            match effect {
                Effect::Begin => self.record(Command::Begin).await?,
                Effect::Build => self.build(&deployment).await?,
                Effect::Step { .. } if !deployment.live => self.pretend(&deployment).await?,
                Effect::Step { .. } => match kind(deployment.about.target) {
                    Some(_) => self.deploy(&deployment).await?,
                    None => self.publish(&deployment).await?,
                },
                Effect::Stop { .. } => self.end(&deployment).await?,
                Effect::RollBack { release } => self.go_back(&deployment, release).await?,
            }
        }
    }

    fn at_work(&self) -> MutexGuard<'_, Option<Turn>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn, or for news.
    async fn take_turn(&self, account: AccountId) {
        tokio::select! {
            turn = self.parts.turns.take(account) => *self.at_work() = turn.ok(),
            () = self.slot.woken() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// What was refused is late: whatever took its place is looked at next.
    async fn record(&self, command: Command) -> Result<(), DeploymentError> {
        self.flush().await;
        // It may have been shown in the moment before a crash; nothing is that is called failed.
        if matches!(command, Command::Fail(_) | Command::Stopped)
            && let Some(publisher) = &self.parts.publisher
        {
            publisher.withdraw(self.id).await?;
        }
        match self.parts.command(self.id, command, None).await {
            Ok(_) | Err(CommandError::Rejected(_) | CommandError::NotFound) => Ok(()),
            Err(CommandError::Deployment(error)) => Err(error),
        }
    }

    /// What is recorded goes further than the log: to events, webhooks and models. So it hides what the log hides.
    async fn fail(&self, failure: Failure) -> Result<(), DeploymentError> {
        let lines = failure.message.lines().map(|line| self.log.cleaned(line));
        let failure = Failure { message: lines.collect::<Vec<_>>().join("\n"), ..failure };
        self.log.say(&format!("failed: {}", failure.message));
        self.record(Command::Fail(failure)).await
    }

    /// Performs something, writes the log meanwhile, and cancels it when the deployment is cancelled or the server
    /// stops. It is waited for all the same, also when nothing can be read any more: what it began must have ended before
    /// it may begin again.
    async fn attended<T>(
        &self,
        cancel: &CancellationToken,
        work: impl Future<Output = T> + Send,
    ) -> Result<T, DeploymentError> {
        let mut work = std::pin::pin!(work);
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        let mut broken = None;
        loop {
            tokio::select! {
                done = &mut work => return broken.map_or(Ok(done), Err),
                () = self.slot.woken() => match self.goes_on().await {
                    Ok(true) => {}
                    Ok(false) => cancel.cancel(),
                    Err(error) => {
                        broken = Some(error);
                        cancel.cancel();
                    }
                },
                // No part of the journal: lines that cannot be written now wait.
                _ = flush.tick() => self.flush().await,
            }
        }
    }

    /// Whether nobody has asked for its end. What is recorded of that comes with the next turn.
    async fn goes_on(&self) -> Result<bool, DeploymentError> {
        match self.parts.load(self.id).await? {
            Some(now) if matches!(now.stage, Stage::Stopping { .. }) => Ok(false),
            Some(now) => Ok(!self.parts.is_unwanted(&now).await?),
            None => Ok(false),
        }
    }

    async fn flush(&self) {
        if let Err(error) = self.log.flush().await {
            tracing::warn!(deployment = %self.id, error = %chain(&error), "lines of a deployment's log wait to be written");
        }
    }

    /// The deployment's configuration, whose secrets the log hides from then on; `None`: there is none.
    async fn opened(
        &self,
        deployment: &Deployment,
    ) -> Result<Result<Option<Opened>, Failure>, DeploymentError> {
        let Some(config) = deployment.about.config.filter(|_| deployment.live) else { return Ok(Ok(None)) };
        let opened = self.parts.open_config(config).await?;
        if let Ok(opened) = &opened {
            self.log.hide(opened.secrets.iter().map(String::as_str));
        }
        Ok(opened.map(Some))
    }

    async fn build(&mut self, deployment: &Deployment) -> Result<(), DeploymentError> {
        if !deployment.live {
            self.log.say("this is a test: nothing is built");
            let (digest, folder) = ("test".to_owned(), String::new());
            let built = Built { digest, folder, files: 0, bytes: 0, manifest: None };
            return self.record(Command::Built(built)).await;
        }
        let opened = match self.opened(deployment).await? {
            Ok(opened) => opened,
            Err(failure) => return self.fail(failure).await,
        };
        let cancel = self.stop.child_token();
        let span = self.parts.traces.build(deployment.about.target);
        let work = span.around(self.make(deployment, opened.as_ref(), &cancel));
        let outcome = self.attended(&cancel, work).await?;
        span.failed_with(outcome.as_ref().err().map(NotTaken::word));
        drop(span);
        if cancel.is_cancelled() {
            return Ok(());
        }
        match outcome {
            Ok(taken) => {
                let built = taken.built.clone();
                self.taken = Some(taken);
                self.log.say(&format!("{} files, {} bytes", built.files, built.bytes));
                self.record(Command::Built(built)).await
            }
            Err(NotTaken::Cancelled) => Ok(()),
            Err(NotTaken::Failed(failure)) => self.fail(failure).await,
            Err(NotTaken::Store(error)) => Err(error.into()),
        }
    }

    /// From a workspace to the files that are published.
    async fn make(
        &self,
        deployment: &Deployment,
        opened: Option<&Opened>,
        cancel: &CancellationToken,
    ) -> Result<Taken, NotTaken> {
        let scratch = self.parts.scratch(self.id);
        let emptied = scratch.clone();
        let fresh = tokio::task::spawn_blocking(move || files::fresh(&emptied)).await;
        if !matches!(fresh, Ok(Ok(()))) {
            tracing::error!(deployment = %self.id, ?fresh, "the folder for a build cannot be made");
            let message = "the server cannot make a folder for the build; its log has the reason";
            return Err(Failure::new(FailureCode::Interrupted, FailureStep::Prepare, message).into());
        }
        let say = |line: String| self.log.say(&line);
        let none = Default::default();
        let mut settings =
            configs::settings(&deployment.wishes, opened.map_or(&none, |opened| &opened.build));
        // The name that Expo's own tool has for it.
        settings.output =
            settings.output.or_else(|| opened.and_then(|opened| opened.expo.export_dir.clone()));
        let (places, target) = (self.places(deployment), deployment.about.target);
        let (publisher, scope) = (self.parts.publisher.as_deref(), scope(deployment));
        let taking = Taking { places: &places, publisher, deployment: self.id, scope, cancel, log: &say };
        if target == Target::Appstore {
            return taking.take_app(settings.output.as_deref()).await;
        }
        let app = match opened.filter(|_| target == Target::Expo) {
            Some(opened) if opened.expo.action == ExpoAction::Build => {
                let built = expo::take_source(&places, &self.log, cancel).await?;
                return Ok(Taken::in_place(built, None));
            }
            Some(_) => Some(expo::app(&places.workspace).await?),
            None => None,
        };
        if let Some(folder) = self.staged(deployment, &scratch, cancel).await? {
            return taking.take(folder, target, Vec::new()).await;
        }
        let job = BuildJob {
            deployment: self.id,
            workspace: &places.workspace,
            target,
            settings: &settings,
            scratch: &scratch,
            cancel,
            log: &say,
        };
        let folder = self.parts.builder.build(job).await?;
        if let Some(app) = app {
            expo::keep_app(&places.scratch, app).await?;
        }
        let forbidden = opened.map(|opened| opened.secrets.clone()).unwrap_or_default();
        taking.take(folder, target, forbidden).await
    }

    /// The site in the deliverable that takes the place of the workspace; `None`: there is none.
    async fn staged(
        &self,
        deployment: &Deployment,
        scratch: &Path,
        cancel: &CancellationToken,
    ) -> Result<Option<BuiltFolder>, BuildError> {
        let (Some(task), Some(id)) = (deployment.about.task, deployment.about.deliverable) else {
            return Ok(None);
        };
        let lost = |message: &str| {
            BuildError::Failed(Failure::new(FailureCode::Interrupted, FailureStep::Prepare, message))
        };
        let row = self.parts.store.deliverable(task, id).await.map_err(|error| {
            tracing::error!(deployment = %self.id, error = %chain(&error), "a deliverable cannot be read");
            lost("the file cannot be read here; the log of the server has the reason")
        })?;
        let row = row.ok_or_else(|| lost("the file is gone"))?;
        self.log.say(&format!("{}, {} bytes", row.name, row.size_bytes));
        staged::unpack(&self.parts.store, &row, scratch, cancel).await.map(Some)
    }

    fn places(&self, deployment: &Deployment) -> Places {
        Places {
            workspace: self.parts.workspace(deployment.about.workspace),
            scratch: Workspace::on_demand(self.parts.scratch(self.id)),
        }
    }

    /// In the test world nothing is pushed, and nobody is asked.
    async fn pretend(&self, deployment: &Deployment) -> Result<(), DeploymentError> {
        self.log.say("this is a test: nothing is pushed");
        let url = match &self.parts.publisher {
            Some(publisher) => publisher.stub(deployment.id, scope(deployment)).await?,
            None => {
                let label = deployment.id.to_string().replace('_', "-");
                format!("https://{label}.preview.invalid/")
            }
        };
        let release = Release {
            url,
            visibility: Visibility::Public,
            project: None,
            deployment: None,
            inspect_url: None,
            manifest: None,
        };
        self.record(Command::Released(release)).await
    }

    /// To a provider.
    async fn deploy(&self, deployment: &Deployment) -> Result<(), DeploymentError> {
        let Some(kind) = kind(deployment.about.target) else { return Ok(()) };
        let opened = match self.opened(deployment).await? {
            Ok(Some(opened)) => opened,
            Ok(None) => return self.fail(no_config()).await,
            Err(failure) => return self.fail(failure).await,
        };
        let workspace = self.workspace_name(deployment).await?;
        let (parts, log) = (&*self.parts, &self.log);
        let provider = Provider { parts, deployment, opened: &opened, log, workspace: &workspace };
        let cancel = self.stop.child_token();
        let seat = Chair { runner: self, account: deployment.account };
        let work = async {
            let made = self.taken.as_ref().and_then(|taken| taken.artifact.clone());
            let artifact = match made {
                Some(artifact) => Ok(Some(artifact)),
                None => provider.artifact_for_next(&self.places(deployment)).await,
            };
            match artifact {
                Ok(Some(artifact)) => provider.go(kind, artifact, &cancel, &seat).await,
                Ok(None) => Ok(Ended::CutOff),
                Err(failure) => Ok(Ended::Failed(failure)),
            }
        };
        match self.attended(&cancel, work).await?? {
            Ended::Released(release) => {
                let visit = Visit { parts: &self.parts, release: &release, log: &self.log };
                self.attended(&cancel, visit.make(&cancel)).await?;
                self.log.say(&format!("live at {}", release.url));
                self.record(Command::Released(release)).await
            }
            Ended::Failed(failure) => self.fail(failure).await,
            // The next look at the state says why.
            Ended::CutOff => Ok(()),
        }
    }

    /// On this server.
    async fn publish(&self, deployment: &Deployment) -> Result<(), DeploymentError> {
        let (Some(publisher), Some(built)) = (&self.parts.publisher, &deployment.built) else {
            let message = "this server has no preview host; deploy to a provider";
            return self.fail(Failure::new(FailureCode::ConfigInvalid, FailureStep::Prepare, message)).await;
        };
        let cancel = self.stop.child_token();
        let say = |line: String| self.log.say(&line);
        let work = async {
            // After a restart: the files as they were taken, whatever has become of the workspace since.
            if let (None, Some(manifest)) = (&self.taken, &built.manifest) {
                let kept = publisher.publish_kept(self.id, scope(deployment), manifest, &cancel);
                if let Some(published) = kept.await? {
                    return Ok(published);
                }
            }
            let target = deployment.about.target;
            let artifact = match self.taken.as_ref().and_then(|taken| taken.artifact.clone()) {
                Some(artifact) => Ok(artifact),
                None => files::again(&self.places(deployment), built, target, Vec::new()).await,
            };
            let site = match artifact.map_err(PublishError::Refused)? {
                miteos_deploy::Artifact::Site(site) => site,
                miteos_deploy::Artifact::Ipa(_)
                | miteos_deploy::Artifact::Project(_)
                | miteos_deploy::Artifact::Gone => {
                    let message = "there is no folder of files to publish";
                    let failure = Failure::new(FailureCode::NoOutput, FailureStep::Prepare, message);
                    return Err(PublishError::Refused(failure));
                }
            };
            let job = PublishJob {
                deployment: self.id,
                scope: scope(deployment),
                site: &site,
                cancel: &cancel,
                log: &say,
            };
            publisher.publish(job).await
        };
        let span = self.parts.traces.deploy_step(deployment.about.target.as_str(), "publish");
        let outcome = self.attended(&cancel, span.around(work)).await?;
        span.failed_with(outcome.as_ref().err().map(PublishError::word));
        drop(span);
        match outcome {
            Ok(published) => {
                self.tell_live(deployment, &published).await;
                let release = Release {
                    url: published.url,
                    visibility: published.visibility,
                    project: None,
                    deployment: None,
                    inspect_url: None,
                    manifest: Some(published.manifest),
                };
                self.record(Command::Released(release)).await
            }
            Err(PublishError::Cancelled) => Ok(()),
            Err(PublishError::Refused(failure)) => self.fail(failure).await,
            Err(PublishError::Store(error)) => Err(error.into()),
        }
    }

    async fn workspace_name(&self, deployment: &Deployment) -> Result<String, DeploymentError> {
        let row = self.parts.store.workspace(deployment.about.workspace).await?;
        Ok(row.map(|row| row.name).unwrap_or_default())
    }
}

fn no_config() -> Failure {
    let message = "the deployment has no configuration; deploy again and name one (config_id)";
    Failure::new(FailureCode::ConfigInvalid, FailureStep::Prepare, message)
}
