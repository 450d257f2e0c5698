//! Deployments whose target is this server itself, as their driver asks for them.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::deployment::{Failure, FailureCode, FailureStep, Visibility};
use miteos_core::ids::DeploymentId;
use miteos_store::{Scope, StoreError};
use tokio_util::sync::CancellationToken;

use super::publish::Shown;
use super::{Owner, Previews, SiteError};
use crate::deployments::{
    Changes, PublishError, PublishJob, Published, Publisher, TakeInError, TakeInJob, TakenIn,
};

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

    async fn changes(&self, before: Option<&Sha256>, now: &Sha256) -> Result<Changes, StoreError> {
        let (manifests, blobs) = (&self.inner.manifests, self.inner.store.blobs());
        let now = manifests.read(blobs, now).await?;
        // It may have ended, and be gone.
        let before = match before {
            Some(before) => manifests.read(blobs, before).await.ok(),
            None => None,
        };
        let known: HashSet<_> =
            before.iter().flat_map(|before| before.files.values()).map(|entry| &entry.sha256).collect();
        let new: HashMap<_, _> = now
            .files
            .values()
            .filter(|entry| !known.contains(&entry.sha256))
            .map(|entry| (&entry.sha256, entry.bytes))
            .collect();
        Ok(Changes { files: new.len() as u64, bytes: new.into_values().sum() })
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
