//! A runner ends what its deployment has begun.

use miteos_core::deployment::{Command, Deployment, Failure, FailureCode, FailureStep};

use super::super::configs::kind;
use super::super::keep::DeploymentError;
use super::super::provider::{Provider, Undone};
use super::Runner;

impl Runner {
    /// Ends what was begun, and then calls it failed.
    pub(super) async fn end(&self, deployment: &Deployment) -> Result<(), DeploymentError> {
        match self.undo(deployment).await? {
            Undone::Ended => self.record(Command::Stopped).await,
            Undone::CutOff => Ok(()),
            Undone::Released(release) => {
                self.log.say(&format!("it went live before it could be stopped, at {}", release.url));
                self.record(Command::Released(release)).await
            }
            Undone::Unheard(why) => {
                self.log.say(&format!("it could not be ended at the provider ({why}); look at it there"));
                // What failed has a reason of its own; what was cancelled may go live all the same.
                let end = match deployment.is_being_cancelled() {
                    true => Command::Abandon(not_heard(&self.log.cleaned(&why))),
                    false => Command::Stopped,
                };
                self.record(end).await
            }
        }
    }

    async fn undo(&self, deployment: &Deployment) -> Result<Undone, DeploymentError> {
        let kind = kind(deployment.about.target).filter(|_| deployment.provider.is_some());
        let Some(kind) = kind else { return Ok(Undone::Ended) };
        let opened = match self.opened(deployment).await? {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Undone::Ended),
            Err(failure) => {
                self.log.say(&format!("nothing can be ended at the provider: {}", failure.message));
                return Ok(Undone::Ended);
            }
        };
        let workspace = self.workspace_name(deployment).await?;
        let (parts, log) = (&*self.parts, &self.log);
        let provider = Provider { parts, deployment, opened: &opened, log, workspace: &workspace };
        let cancel = self.stop.child_token();
        let undone = provider.end(kind, &self.places(deployment), &cancel).await;
        self.flush().await;
        Ok(undone)
    }
}

fn not_heard(why: &str) -> Failure {
    let message = format!(
        "it was cancelled, and the provider could not be told ({why}), so it is not known whether it went live; look at \
         it there"
    );
    Failure::new(FailureCode::Interrupted, FailureStep::Publish, message)
}
