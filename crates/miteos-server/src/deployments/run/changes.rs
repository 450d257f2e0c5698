//! What a runner tells of a preview that is live: how much of it is new. It is compared with what the same workspace showed
//! before, and with nothing else: what this server stores of others is nobody's business.

use miteos_core::content::Sha256;
use miteos_core::deployment::{Deployment, Stage, Target};

use super::super::keep::{DeploymentError, read};
use super::super::publisher::{Changes, Published};
use super::{Runner, scope};
use crate::errors::chain;

/// So many deployments of a workspace are looked through for the preview before this one.
const LOOKED_AT: usize = 50;

impl Runner {
    /// Says in the log where it is live, and how much of it is new if that can be found out: what is shown already does not
    /// wait for that.
    pub(super) async fn tell_live(&self, deployment: &Deployment, now: &Published) {
        let told = match self.changes(deployment, now).await {
            Ok(changes) => {
                format!("{} of {} files are new ({} bytes); ", changes.files, now.files, changes.bytes)
            }
            Err(error) => {
                tracing::warn!(deployment = %self.id, error = %chain(&error), "it is not known what is new in a preview");
                String::new()
            }
        };
        self.log.say(&format!("{told}live at {}", now.url));
    }

    async fn changes(&self, deployment: &Deployment, now: &Published) -> Result<Changes, DeploymentError> {
        let Some(publisher) = &self.parts.publisher else { return Ok(Changes::default()) };
        let before = self.shown_before(deployment).await?;
        Ok(publisher.changes(before.as_ref(), &now.manifest).await?)
    }

    /// The list of files of the workspace's preview before this one, or of the deliverable's.
    async fn shown_before(&self, deployment: &Deployment) -> Result<Option<Sha256>, DeploymentError> {
        let about = &deployment.about;
        let rows =
            self.parts.store.deployments(scope(deployment), Some(about.workspace), LOOKED_AT, 0).await?;
        let others =
            rows.iter().filter(|row| row.id != deployment.id && row.deliverable == about.deliverable);
        let mut previews = others.filter(|row| Target::parse(&row.target) == Some(Target::Preview));
        // One that cannot be read tells nothing.
        let found = previews.find_map(|row| match read(row).ok()?.stage {
            Stage::Live { release } | Stage::RollingBack { release } => release.manifest,
            _ => None,
        });
        Ok(found)
    }
}
