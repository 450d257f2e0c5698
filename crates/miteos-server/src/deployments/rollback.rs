//! Making an older deployment the live one again, where its provider can.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use miteos_core::deployment::{Deployment, Environment, Stage, Target, Visibility};
use miteos_core::ids::WorkspaceId;
use miteos_deploy::{DeployError, Release};
use miteos_store::Scope;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::configs::kind;
use super::keep::DeploymentError;
use super::log::Log;
use crate::errors::chain;

/// How long a provider may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Deployments of a workspace among which one under way is looked for, newest first.
const LOOKED_AT: usize = 100;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum RolledBack {
    /// It is the live one again.
    Done,
    /// Why not: there is no such thing for it, something is in the way, or the provider refused it.
    Refused(String),
}

impl Parts {
    /// Asks the provider. It may be asked again: the same release is made live twice.
    pub async fn roll_back(&self, deployment: &Deployment) -> Result<RolledBack, DeploymentError> {
        let refused = |why: &str| Ok(RolledBack::Refused(why.to_owned()));
        let Stage::Live { release } = &deployment.stage else {
            return refused("the deployment is not live, so there is nothing to go back to");
        };
        let word = deployment.about.target.as_str();
        if kind(deployment.about.target).is_none() {
            let why =
                "a preview keeps its own address, and what is there never changes; open it, or deploy again";
            return Ok(RolledBack::Refused(why.to_owned()));
        }
        if deployment.about.environment == Environment::Preview {
            let why = "a deployment to the environment preview never was the live one; deploy to production";
            return Ok(RolledBack::Refused(why.to_owned()));
        }
        let place = (deployment.about.workspace, deployment.about.target);
        let Some(_alone) = Alone::take(&self.rolling, place) else {
            let why = format!(
                "this workspace's deployment to {word} is being rolled back; wait for the end of that"
            );
            return Ok(RolledBack::Refused(why));
        };
        if let Some(other) = self.active_beside(deployment).await? {
            return Ok(RolledBack::Refused(format!(
                "{other} of this workspace to {word} is not over; wait for its end or cancel it"
            )));
        }
        if !deployment.live {
            return Ok(RolledBack::Done);
        }
        let (Some(config), Some(project), Some(id)) =
            (deployment.about.config, &release.project, &release.deployment)
        else {
            return refused("the provider's ids of this deployment are not known");
        };
        let opened = match self.open_config(config).await? {
            Ok(opened) => opened,
            Err(failure) => return Ok(RolledBack::Refused(failure.message)),
        };
        let to = Release {
            project_id: project.clone(),
            deployment_id: id.clone(),
            url: release.url.clone(),
            visibility: match release.visibility {
                Visibility::Public | Visibility::Link => miteos_deploy::Visibility::Public,
                Visibility::Perhaps => miteos_deploy::Visibility::Perhaps,
                Visibility::Account => miteos_deploy::Visibility::Account,
            },
        };
        let cancel = CancellationToken::new();
        match tokio::time::timeout(TIMEOUT, opened.target.roll_back(&to, &cancel)).await {
            Ok(Ok(_)) => {
                // It is done, whether that can be written or not.
                if let Err(error) = self.note(deployment, "made the live one again").await {
                    tracing::warn!(deployment = %deployment.id, error = %chain(&error), "a rollback could not be noted");
                }
                Ok(RolledBack::Done)
            }
            Ok(Err(error)) => Ok(not_done(error, &opened.secrets)),
            Err(_) => refused("the provider has not answered in time; look at it there"),
        }
    }

    async fn note(&self, deployment: &Deployment, line: &str) -> Result<(), DeploymentError> {
        let moved = self.moves.of(deployment.id);
        let log =
            Log::open(deployment.id, self.store.clone(), std::sync::Arc::clone(&self.clock), moved).await?;
        log.say(line);
        log.flush().await?;
        // It has no runner that would do so.
        self.moves.forget(deployment.id);
        Ok(())
    }

    /// Another one of this workspace to this target that is not over.
    async fn active_beside(
        &self,
        deployment: &Deployment,
    ) -> Result<Option<miteos_core::ids::DeploymentId>, DeploymentError> {
        let scope = Scope { account: deployment.account, live: deployment.live };
        let about = &deployment.about;
        let rows = self.store.deployments(scope, Some(about.workspace), LOOKED_AT, 0).await?;
        let beside =
            rows.iter().find(|row| row.target == about.target.as_str() && row.completed_at.is_none());
        Ok(beside.map(|row| row.id))
    }
}

/// What is rolled back now, by workspace and target.
pub type Rolling = Mutex<HashSet<(WorkspaceId, Target)>>;

/// Held while one is: two at once would leave it to chance which is live.
struct Alone<'a> {
    rolling: &'a Rolling,
    place: (WorkspaceId, Target),
}

impl<'a> Alone<'a> {
    fn take(rolling: &'a Rolling, place: (WorkspaceId, Target)) -> Option<Self> {
        let is_new = rolling.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
        is_new.then_some(Self { rolling, place })
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.rolling.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
    }
}

fn not_done(error: DeployError, secrets: &[String]) -> RolledBack {
    tracing::info!(error = %chain(&error), "a deployment was not rolled back");
    // Cleaned where it was made; whoever adds a message must not be the only one who has to think of it.
    let message = secrets.iter().fold(error.message, |text, secret| text.replace(secret.as_str(), "***"));
    RolledBack::Refused(message)
}
