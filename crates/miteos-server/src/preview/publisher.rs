//! Deployments whose target is this server itself, as their driver asks for them.

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::deployment::{Failure, FailureCode, FailureStep, Visibility};
use miteos_core::ids::DeploymentId;
use miteos_deploy::site::Survey;
use miteos_store::{Scope, StoreError};
use tokio_util::sync::CancellationToken;

use super::publish::Shown;
use super::{Owner, Previews, SiteError};
use crate::deployments::{PublishError, PublishJob, Published, Publisher, TakeInError, TakenIn};

fn owner(deployment: DeploymentId, scope: Scope) -> Owner {
    Owner { deployment, account: scope.account, live: scope.live }
}

#[async_trait]
impl Publisher for Previews {
    async fn take_in(&self, survey: Survey, cancel: &CancellationToken) -> Result<TakenIn, TakeInError> {
        self.take_in_site(survey, cancel).await
    }

    async fn publish(&self, job: PublishJob<'_>) -> Result<Published, PublishError> {
        let owner = owner(job.deployment, job.scope);
        Ok(published(self.publish_site(owner, job.site, job.cancel).await.map_err(told)?))
    }

    async fn publish_kept(
        &self,
        deployment: DeploymentId,
        scope: Scope,
        manifest: &Sha256,
        cancel: &CancellationToken,
    ) -> Result<Option<Published>, PublishError> {
        let shown = self.publish_listed(owner(deployment, scope), manifest, cancel).await;
        Ok(shown.map_err(told)?.map(published))
    }

    async fn withdraw(&self, deployment: DeploymentId) -> Result<(), StoreError> {
        let store = &self.inner.store;
        match store.preview(deployment).await? {
            Some(row) if row.deleted_at.is_none() => {
                store.delete_preview(deployment, self.inner.clock.now()).await.map(drop)
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn stub(&self, deployment: DeploymentId, scope: Scope) -> Result<String, StoreError> {
        let row = self.publish_stub(owner(deployment, scope)).await?;
        Ok(self.url(&row))
    }
}

fn published(shown: Shown) -> Published {
    Published {
        visibility: match shown.row.visibility {
            miteos_store::Visibility::Public => Visibility::Public,
            miteos_store::Visibility::Link => Visibility::Link,
        },
        url: shown.url,
        manifest: shown.manifest_sha256,
        files: shown.files,
        bytes: shown.bytes,
    }
}

/// Why a site is not shown, in the words of deployments.
fn told(error: SiteError) -> PublishError {
    let refused = |code, step| PublishError::Refused(Failure::new(code, step, error.to_string()));
    match &error {
        SiteError::Canceled => PublishError::Cancelled,
        SiteError::BadPath { .. } | SiteError::Hidden { .. } => {
            refused(FailureCode::OutputRefused, FailureStep::Prepare)
        }
        SiteError::TooManyNames { .. } => refused(FailureCode::OutputTooLarge, FailureStep::Prepare),
        SiteError::Changed { .. } | SiteError::Unreadable { .. } => {
            refused(FailureCode::UploadFailed, FailureStep::Upload)
        }
        SiteError::Deleted => refused(FailureCode::Canceled, FailureStep::Publish),
        SiteError::Store(error) => PublishError::Store(error.clone()),
    }
}
