//! Making an older deployment the live one again, where its provider can. That it is wanted is recorded first, and takes
//! the place of the workspace and the target, as a deployment does. Then its runner asks the provider; after a crash once
//! more, since the same release is made live twice without harm.

use std::time::Duration;

use miteos_core::deployment::{Command, Deployment, Environment, Event, Release, Stage, Visibility};
use miteos_core::ids::DeploymentId;
use miteos_deploy::DeployError;
use miteos_store::{IdempotencyRow, Reopened};
use tokio_util::sync::CancellationToken;

use super::configs::{Opened, kind};
use super::keep::{CommandError, DeploymentError, MAX_CONFLICTS, append};
use super::{Deployments, Parts};
use crate::errors::chain;

/// How long a provider may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long whoever asked for it waits: longer than the provider may take.
const PATIENCE: Duration = Duration::from_secs(75);

/// What asking for one came to.
#[derive(Debug, PartialEq, Eq)]
pub enum RollbackAsked {
    /// It will be done, if the provider does it; the record is that of this version.
    Recorded { version: u64 },
    /// Why not: there is no such thing for it, or something is in the way.
    Refused(String),
}

/// What came of it.
#[derive(Debug)]
pub enum RolledBack {
    /// It is the live one again.
    Done(Box<Deployment>),
    /// The provider refused it, or could not be asked.
    Refused(String),
    /// It goes on by itself.
    UnderWay,
}

/// What the provider made of it.
pub enum Back {
    Done,
    /// The server stops. What the provider has done is not known, and it is asked again.
    CutOff,
    Refused(String),
}

impl Deployments {
    /// Has an older one made the live one again, whether the caller goes away or not. The answer that repeats of the
    /// request are to get is made of the state in which it is recorded.
    pub async fn roll_back(
        &self,
        deployment: &Deployment,
        answer: impl Fn(&Deployment) -> Option<IdempotencyRow> + Send + 'static,
    ) -> Result<RollbackAsked, CommandError> {
        if let Some(why) = self.inner.parts.why_not_back(deployment).await? {
            return Ok(RollbackAsked::Refused(why));
        }
        let (deployments, id) = (self.clone(), deployment.id);
        let work = async move {
            let asked = deployments.inner.parts.request_rollback(id, answer).await;
            // Whatever came of it: a write that failed may have been made.
            deployments.wake(id);
            asked
        };
        tokio::spawn(work).await.unwrap_or_else(|_| Err(super::panicked("roll a deployment back").into()))
    }

    /// Waits for what came of the one that was recorded with this version.
    pub async fn rolled_back(&self, id: DeploymentId, version: u64) -> Result<RolledBack, DeploymentError> {
        let ended = self.until(id, |now| now.version > version || !now.is_under_way());
        let found = tokio::select! {
            ended = tokio::time::timeout(PATIENCE, ended) => ended,
            () = self.inner.stop.cancelled() => return Ok(RolledBack::UnderWay),
        };
        let Ok(found) = found else { return Ok(RolledBack::UnderWay) };
        let gone = || RolledBack::Refused("the deployment is not there any more".to_owned());
        let Some(deployment) = found? else { return Ok(gone()) };
        // Nothing but its end can follow it.
        let after = self.inner.parts.store.deployment_records_after(id, version, 1).await?;
        let Some(record) = after.first() else { return Ok(gone()) };
        let event = serde_json::from_str(&record.body);
        let event: Event = event.map_err(|source| DeploymentError::Damaged { id, source })?;
        if let Event::NotRolledBack { why } = event {
            return Ok(RolledBack::Refused(why));
        }
        Ok(RolledBack::Done(Box::new(deployment)))
    }
}

impl Parts {
    /// Why it cannot be made the live one again, whatever its provider says.
    async fn why_not_back(&self, deployment: &Deployment) -> Result<Option<String>, DeploymentError> {
        let because = |why: &str| Ok(Some(why.to_owned()));
        let (Stage::Live { release } | Stage::RollingBack { release }) = &deployment.stage else {
            return because("the deployment is not live, so there is nothing to go back to");
        };
        if kind(deployment.about.target).is_none() {
            return because(
                "a preview keeps its own address, and what is there never changes; open it, or deploy again",
            );
        }
        if deployment.about.environment == Environment::Preview {
            return because(
                "a deployment to the environment preview never was the live one; deploy to production",
            );
        }
        if !deployment.live {
            return Ok(None);
        }
        let (Some(config), Some(_), Some(_)) =
            (deployment.about.config, &release.project, &release.deployment)
        else {
            return because("the provider's ids of this deployment are not known");
        };
        Ok(self.open_config(config).await?.err().map(|failure| failure.message))
    }

    /// Records that it is wanted, if nothing of the same files to the same target is under way.
    async fn request_rollback(
        &self,
        id: DeploymentId,
        answer: impl Fn(&Deployment) -> Option<IdempotencyRow>,
    ) -> Result<RollbackAsked, CommandError> {
        for _ in 0..MAX_CONFLICTS {
            let mut deployment = self.load(id).await?.ok_or(CommandError::NotFound)?;
            let (before, now) = (deployment.version, self.clock.now());
            let events = deployment.handle(Command::RollBack, now)?;
            let (version, answer) = (deployment.version, answer(&deployment));
            if events.is_empty() {
                if let Some(answer) = answer {
                    self.store.insert_answer(answer).await.map_err(DeploymentError::from)?;
                }
                return Ok(RollbackAsked::Recorded { version });
            }
            let mut append = append(&deployment, before, &events, now)?;
            append.idempotency = answer;
            match self.store.reopen_deployment(append).await.map_err(DeploymentError::from)? {
                Reopened::Reopened(committed) => {
                    self.tell(&deployment, committed, &events, now);
                    return Ok(RollbackAsked::Recorded { version });
                }
                Reopened::Conflict => {}
                Reopened::Active(other) => {
                    return Ok(RollbackAsked::Refused(format!(
                        "{other} of this workspace to {} is not over; wait for its end or cancel it",
                        deployment.about.target.as_str()
                    )));
                }
            }
        }
        Err(DeploymentError::Conflict { id }.into())
    }
}

/// Asks the provider.
pub async fn ask_back(release: &Release, opened: &Opened, cancel: &CancellationToken) -> Back {
    let (Some(project), Some(deployment)) = (&release.project, &release.deployment) else {
        return Back::Refused("the provider's ids of this deployment are not known".to_owned());
    };
    let to = miteos_deploy::Release {
        project_id: project.clone(),
        deployment_id: deployment.clone(),
        url: release.url.clone(),
        visibility: match release.visibility {
            Visibility::Public | Visibility::Link => miteos_deploy::Visibility::Public,
            Visibility::Perhaps => miteos_deploy::Visibility::Perhaps,
            Visibility::Account => miteos_deploy::Visibility::Account,
        },
    };
    match tokio::time::timeout(TIMEOUT, opened.target.roll_back(&to, cancel)).await {
        Ok(Ok(_)) => Back::Done,
        Ok(Err(_)) if cancel.is_cancelled() => Back::CutOff,
        Ok(Err(error)) => Back::Refused(told(error, &opened.secrets)),
        Err(_) => Back::Refused("the provider has not answered in time; look at it there".to_owned()),
    }
}

fn told(error: DeployError, secrets: &[String]) -> String {
    tracing::info!(error = %chain(&error), "a deployment was not rolled back");
    // Cleaned where it was made; whoever adds a message must not be the only one who has to think of it.
    secrets.iter().fold(error.message, |text, secret| text.replace(secret.as_str(), "***"))
}
