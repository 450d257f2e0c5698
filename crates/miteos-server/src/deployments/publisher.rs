//! What serves a site on this server itself. Knows nothing of how it is reached or kept.

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::deployment::{Failure, Visibility};
use miteos_core::ids::DeploymentId;
use miteos_deploy::Site;
use miteos_store::Scope;
use tokio_util::sync::CancellationToken;

/// A site to be served.
pub struct PublishJob<'a> {
    pub deployment: DeploymentId,
    pub scope: Scope,
    pub site: &'a Site,
    pub cancel: &'a CancellationToken,
    /// Takes lines for the deployment's log.
    pub log: &'a (dyn Fn(String) + Send + Sync),
}

/// Where it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub url: String,
    pub visibility: Visibility,
    /// The list of its files, as a blob.
    pub manifest: Sha256,
    pub files: u64,
    pub bytes: u64,
    /// What was not there already; of equal files, one counts.
    pub new_files: u64,
    pub new_bytes: u64,
}

/// Why it is not served.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("it was cancelled")]
    Cancelled,
    /// It cannot be served as it is.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// This server failed; the same may go through later.
    #[error("the site could not be stored")]
    Store(#[from] miteos_store::StoreError),
}

#[async_trait]
pub trait Publisher: Send + Sync {
    /// Keeps the files and serves them at an address of their own from then on. Asked again for the same deployment,
    /// it serves them at the same address, and nothing is kept twice.
    async fn publish(&self, job: PublishJob<'_>) -> Result<Published, PublishError>;

    /// An address for a deployment of the test world, at which nothing of it is served.
    async fn stub(&self, deployment: DeploymentId, scope: Scope) -> Result<String, miteos_store::StoreError>;
}
