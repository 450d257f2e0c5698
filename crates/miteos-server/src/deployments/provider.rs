//! A provider's part of a deployment: its steps, each kept before the next; its end where it must not go on; and what
//! its errors mean to people.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use miteos_core::deployment::{
    Command, Deployment, Failure, FailureCode, FailureStep, Release, Stage, Visibility,
};
use miteos_core::ids::DeploymentId;
use miteos_deploy::{
    Artifact, DeployError, ErrorKind, Job, Keeper, Line, Next, Order, Retry, State, Step, TargetKind, drive,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::configs::Opened;
use super::keep::{CommandError, DeploymentError};
use super::log::Log;
use super::turns::Seat;
use super::{Parts, files};
use crate::errors::chain;

/// How long a provider may take to end what it has begun.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is asked to at most. At the usual pace this is over half an hour.
const MAX_END_FAILURES: u32 = 150;
/// It is given up all the same when it has not answered for so long (milliseconds).
const MAX_UNHEARD_MS: u64 = 45 * 60 * 1000;
/// A provider that asks for a longer pause is not waited for (milliseconds).
const MAX_END_PAUSE_MS: u64 = 15 * 60 * 1000;
/// Letters of a workspace's name in the name of its project.
const MAX_NAME_CHARS: usize = 30;
/// Letters of its id behind them. They are its random end: 60 bits.
const ID_CHARS: usize = 12;

/// How the steps ended.
pub enum Ended {
    Released(Release),
    Failed(Failure),
    /// Somebody cancelled it, or the server stops.
    CutOff,
}

/// How ending it went.
pub enum Undone {
    /// Nothing of it is under way there.
    Ended,
    /// It had gone live by itself.
    Released(Release),
    /// The provider did not take it, and why. What became of it is not known.
    Unheard(String),
    /// The server stops.
    CutOff,
}

/// What the steps of one deployment are taken with.
pub struct Provider<'a> {
    pub parts: &'a Parts,
    pub deployment: &'a Deployment,
    pub opened: &'a Opened,
    pub log: &'a Log,
    /// The name of the workspace.
    pub workspace: &'a str,
}

impl Provider<'_> {
    /// Takes steps from where the journal stands until it is live or cannot become so. The seat is left while nothing is done
    /// but to wait, or to ask until the provider is done.
    pub async fn go(
        &self,
        kind: TargetKind,
        artifact: Artifact,
        cancel: &CancellationToken,
        seat: &dyn Seat,
    ) -> Result<Ended, DeploymentError> {
        let artifact = match artifact {
            Artifact::Gone => Ok(artifact),
            Artifact::Site(_) | Artifact::Ipa(_) | Artifact::Project(_) => {
                self.opened.target.prepare(artifact)
            }
        };
        let artifact = match artifact {
            Ok(artifact) => artifact,
            Err(error) => return Ok(Ended::Failed(failure(&error, FailureStep::Prepare, self.log))),
        };
        let order = self.order();
        if let Err(error) = order.check() {
            return Ok(Ended::Failed(failure(&error, FailureStep::Prepare, self.log)));
        }
        let state = match state(self.deployment.provider.as_ref(), kind) {
            Ok(state) => state,
            Err(failure) => return Ok(Ended::Failed(failure)),
        };
        let journal = Journal {
            parts: self.parts,
            id: self.deployment.id,
            log: self.log,
            cancel,
            seat,
            seen: Mutex::new(Seen { last: state.clone(), failure: None }),
        };
        let say = |line: Line| self.log.say(&line.text);
        let job = Job { order: &order, artifact: &artifact, cancel, log: &say };
        let tools = &self.parts.tools;
        let driven = drive(&*self.opened.target, state, &job, &journal, &*tools.clock, &tools.pace).await;
        let Seen { last, failure: broken } =
            journal.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(broken) = broken {
            return Err(broken);
        }
        Ok(match driven {
            Ok(release) => Ended::Released(released(release, &last)),
            Err(error) if error.kind == ErrorKind::Cancelled => Ended::CutOff,
            Err(error) => Ended::Failed(failure(&error, step(last.step), self.log)),
        })
    }

    /// Ends what was begun. A provider that cannot be reached is asked again with the patience that it is waited for with:
    /// meanwhile it may go on by itself.
    pub async fn end(&self, kind: TargetKind, places: &files::Places, cancel: &CancellationToken) -> Undone {
        let Some(stored) = &self.deployment.provider else { return Undone::Ended };
        let Ok(state) = state(Some(stored), kind) else { return Undone::Ended };
        let order = self.order();
        let say = |line: Line| self.log.say(&line.text);
        let artifact = self.files_to_end(&state, places).await;
        let job = Job { order: &order, artifact: &artifact, cancel, log: &say };
        let tools = &self.parts.tools;
        let (mut failed, begun) = (0, tools.clock.now_ms());
        loop {
            let attempt = tokio::time::timeout(END_TIMEOUT, self.undo(&state, &job)).await;
            if cancel.is_cancelled() {
                return Undone::CutOff;
            }
            let (why, retry) = match attempt {
                Ok(Ok(Some(release))) => return Undone::Released(release),
                Ok(Ok(None)) => return Undone::Ended,
                Ok(Err(error)) => (error.message, error.kind.retry()),
                Err(_) => ("it has not answered".to_owned(), Retry::Soon),
            };
            failed += 1;
            let pause = match retry {
                Retry::Never => return Undone::Unheard(why),
                Retry::Soon => tools.pace.pause_ms(failed, None),
                Retry::At { ms } => ms.saturating_sub(tools.clock.now_ms()),
            };
            let unheard = tools.clock.now_ms().saturating_sub(begun);
            if failed >= MAX_END_FAILURES || unheard > MAX_UNHEARD_MS || pause > MAX_END_PAUSE_MS {
                return Undone::Unheard(why);
            }
            if failed == 1 {
                self.log.say(&format!("it cannot be ended at the provider yet ({why}); it is asked again"));
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
                () = cancel.cancelled() => return Undone::CutOff,
            }
        }
    }

    /// Ends it there, and asks then what became of it: a provider goes on by itself up to the last moment, and who comes
    /// too late has a live deployment.
    async fn undo(&self, state: &State, job: &Job<'_>) -> Result<Option<Release>, DeployError> {
        let target = &*self.opened.target;
        if state.step != Step::Live {
            target.cancel(state, job).await?;
        }
        let Some(state) = target.live_after_all(state, job).await? else { return Ok(None) };
        let Next::Done(release) = target.next(&state, job).await?.next else { return Ok(None) };
        Ok(Some(released(release, &state)))
    }

    /// The files, where only they tell what was begun for them. Reading them anew takes a while, so they are not read
    /// otherwise.
    async fn files_to_end(&self, state: &State, places: &files::Places) -> Artifact {
        if !self.opened.target.cancels_by_files(state) {
            return Artifact::Gone;
        }
        match self.artifact(places).await {
            Ok(Some(artifact)) => artifact,
            Ok(None) => Artifact::Gone,
            Err(failure) => {
                self.log.say(&failure.message);
                Artifact::Gone
            }
        }
    }

    /// The files again, if there is a step left that reads them. To read them anew takes a while, and that they are gone
    /// is no reason to end what goes live by itself.
    pub async fn artifact_for_next(&self, places: &files::Places) -> Result<Option<Artifact>, Failure> {
        match only_waits(self.deployment) {
            true => Ok(Some(Artifact::Gone)),
            false => self.artifact(places).await,
        }
    }

    async fn artifact(&self, places: &files::Places) -> Result<Option<Artifact>, Failure> {
        let Some(built) = &self.deployment.built else { return Ok(None) };
        let forbidden = self.opened.secrets.clone();
        files::again(places, built, self.deployment.about.target, forbidden).await.map(Some)
    }

    fn order(&self) -> Order {
        let deployment = self.deployment;
        Order {
            key: deployment.id.to_string(),
            project: project(self.workspace, &deployment.about.workspace.to_string()),
            message: "deployed by Miteos".to_owned(),
        }
    }
}

/// A name for the provider's project that is the same for every deployment of a workspace and no other's.
fn project(name: &str, id: &str) -> String {
    let plain = name.to_ascii_lowercase();
    let words = plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug: String = words.collect::<Vec<_>>().join("-").chars().take(MAX_NAME_CHARS).collect();
    let end: String = id.chars().skip(id.chars().count().saturating_sub(ID_CHARS)).collect();
    match slug.trim_end_matches('-') {
        "" => format!("ws-{end}"),
        slug => format!("{slug}-{end}"),
    }
}

/// Writes each state to the journal before the next step.
struct Journal<'a> {
    parts: &'a Parts,
    id: DeploymentId,
    log: &'a Log,
    cancel: &'a CancellationToken,
    seat: &'a dyn Seat,
    seen: Mutex<Seen>,
}

struct Seen {
    last: State,
    /// Why the last one could not be kept.
    failure: Option<DeploymentError>,
}

#[async_trait]
impl Keeper for Journal<'_> {
    async fn keep(&self, state: &State) -> Result<(), DeployError> {
        let stop = |message: &str| Err(DeployError::new(ErrorKind::Cancelled, message));
        match self.write(state).await {
            Ok(deployment) => {
                if matches!(deployment.stage, Stage::Stopping { .. }) {
                    self.cancel.cancel();
                }
                if is_waiting(state.step) {
                    self.seat.leave();
                }
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).last = state.clone();
                Ok(())
            }
            Err(CommandError::Deployment(error)) => {
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(error);
                stop("the state could not be kept")
            }
            Err(CommandError::NotFound | CommandError::Rejected(_)) => stop("the deployment has moved on"),
        }
    }

    fn rests(&self) {
        self.seat.leave();
    }

    async fn goes_on(&self) {
        let step = self.seen.lock().unwrap_or_else(PoisonError::into_inner).last.step;
        if !is_waiting(step) {
            self.seat.take().await;
        }
    }
}

impl Journal<'_> {
    async fn write(&self, state: &State) -> Result<Deployment, CommandError> {
        self.log.flush().await.map_err(DeploymentError::from)?;
        let unwritable = |source| DeploymentError::Unwritable { id: self.id, source };
        let state = serde_json::to_value(state).map_err(unwritable)?;
        self.parts.command(self.id, Command::Progress { state }, None).await
    }
}

/// What is left is the provider's work, and a few questions.
fn is_waiting(step: Step) -> bool {
    match step {
        Step::Wait | Step::Live => true,
        Step::Locate | Step::Stage | Step::Create | Step::Upload | Step::Publish => false,
    }
}

/// Whether a deployment that is taken up again has nothing to do but to ask.
pub fn only_waits(deployment: &Deployment) -> bool {
    let (Stage::Deploying, Some(kind)) = (&deployment.stage, super::kind(deployment.about.target)) else {
        return false;
    };
    deployment.provider.is_some()
        && state(deployment.provider.as_ref(), kind).is_ok_and(|state| is_waiting(state.step))
}

fn state(stored: Option<&Value>, kind: TargetKind) -> Result<State, Failure> {
    let Some(stored) = stored else { return Ok(State::new(kind)) };
    serde_json::from_value(stored.clone()).map_err(|_| {
        let message = "the stored state of the deployment cannot be read; deploy again";
        Failure::new(FailureCode::Interrupted, FailureStep::Upload, message)
    })
}

fn released(release: miteos_deploy::Release, state: &State) -> Release {
    Release {
        url: release.url,
        visibility: match release.visibility {
            miteos_deploy::Visibility::Public => Visibility::Public,
            miteos_deploy::Visibility::Perhaps => Visibility::Perhaps,
            miteos_deploy::Visibility::Account => Visibility::Account,
        },
        project: Some(release.project_id),
        deployment: Some(release.deployment_id),
        inspect_url: state.inspect_url.clone(),
        manifest: None,
    }
}

fn step(step: Step) -> FailureStep {
    match step {
        Step::Locate => FailureStep::Prepare,
        Step::Stage | Step::Create | Step::Upload => FailureStep::Upload,
        Step::Publish | Step::Wait | Step::Live => FailureStep::Publish,
    }
}

/// What an error means to people. Its causes go to the log of the server.
fn failure(error: &DeployError, step: FailureStep, log: &Log) -> Failure {
    tracing::warn!(error = %chain(error), "a deployment failed");
    Failure::new(code(error.kind), step, log.cleaned(&error.message))
}

/// The word for it.
fn code(kind: ErrorKind) -> FailureCode {
    match kind {
        ErrorKind::Config | ErrorKind::NotFound => FailureCode::ConfigInvalid,
        ErrorKind::BadCredentials => FailureCode::Auth,
        ErrorKind::Forbidden => FailureCode::Permission,
        ErrorKind::NameTaken => FailureCode::NameTaken,
        ErrorKind::Quota => FailureCode::Quota,
        ErrorKind::RejectedFile | ErrorKind::FileChanged => FailureCode::UploadFailed,
        ErrorKind::ProviderFailed
        | ErrorKind::RateLimited { .. }
        | ErrorKind::Unavailable
        | ErrorKind::Network => FailureCode::ProviderError,
        ErrorKind::Rejected => FailureCode::ProviderRejected,
        ErrorKind::TimedOut => FailureCode::Timeout,
        ErrorKind::Cancelled => FailureCode::Canceled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_named_after_its_workspace_and_is_no_others() {
        let id = "ws_01jd3k7x8n5b7c9d1f3g5h7j9k";
        let end = "9d1f3g5h7j9k";
        assert_eq!(project("My  Shop (2026)!", id), format!("my-shop-2026-{end}"));
        assert_eq!(project("größe", id), format!("gr-e-{end}"));
        assert_eq!(project("日本", id), format!("ws-{end}"));
        let long = project(&"a-".repeat(100), id);
        assert!(long.len() <= miteos_deploy::target::MAX_PROJECT_BYTES && !long.contains("--"), "{long}");
        for name in ["My  Shop (2026)!", "日本", &"x".repeat(300)] {
            let order = Order { key: "dep_1".into(), project: project(name, id), message: String::new() };
            order.check().unwrap();
        }
    }
}
