//! Deployments whose target is this server itself, as their driver asks for them.

use async_trait::async_trait;
use miteos_core::deployment::{Failure, FailureCode, FailureStep, Visibility};
use miteos_core::ids::DeploymentId;
use miteos_store::{Scope, StoreError};

use super::{Owner, Previews, SiteError};
use crate::deployments::{PublishError, PublishJob, Published, Publisher, TakeInError, TakeInJob, TakenIn};

fn owner(deployment: DeploymentId, scope: Scope) -> Owner {
    Owner { deployment, account: scope.account, live: scope.live }
}

#[async_trait]
impl Publisher for Previews {
    async fn take_in(&self, job: TakeInJob<'_>) -> Result<TakenIn, TakeInError> {
        self.take_in_site(owner(job.deployment, job.scope), job.survey, job.cancel).await
    }

    async fn publish(&self, job: PublishJob<'_>) -> Result<Published, PublishError> {
        let owner = owner(job.deployment, job.scope);
        let shown = self.publish_site(owner, job.site, job.cancel).await.map_err(told)?;
        Ok(Published {
            visibility: match shown.row.visibility {
                miteos_store::Visibility::Public => Visibility::Public,
                miteos_store::Visibility::Link => Visibility::Link,
            },
            url: shown.url,
            manifest: shown.manifest_sha256,
            files: shown.files,
            bytes: shown.bytes,
            new_files: shown.new_files,
            new_bytes: shown.new_bytes,
        })
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

/// Why a site is not shown, in the words of deployments.
pub(super) fn told(error: SiteError) -> PublishError {
    let refused = |code, step| PublishError::Refused(Failure::new(code, step, error.to_string()));
    match &error {
        SiteError::Canceled => PublishError::Cancelled,
        SiteError::BadPath { .. } | SiteError::Hidden { .. } => {
            refused(FailureCode::OutputRefused, FailureStep::Prepare)
        }
        SiteError::NoRoom(_) => refused(FailureCode::Quota, FailureStep::Prepare),
        SiteError::TooManyNames { .. } => refused(FailureCode::OutputTooLarge, FailureStep::Prepare),
        SiteError::Changed { .. } | SiteError::Unreadable { .. } => {
            refused(FailureCode::UploadFailed, FailureStep::Upload)
        }
        SiteError::Deleted => refused(FailureCode::Canceled, FailureStep::Publish),
        SiteError::Store(error) => PublishError::Store(error.clone()),
    }
}
