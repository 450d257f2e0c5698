//! What serves a site on this server itself. Knows nothing of how it is reached or kept.

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::deployment::{Failure, FailureCode, Visibility};
use miteos_core::ids::DeploymentId;
use miteos_deploy::Site;
use miteos_deploy::site::{SiteError, Survey};
use miteos_store::{Hold, Scope, StoreError};
use tokio_util::sync::CancellationToken;

use crate::preview::Room;

/// A site to be served.
pub struct PublishJob<'a> {
    pub deployment: DeploymentId,
    pub scope: Scope,
    pub site: &'a Site,
    pub cancel: &'a CancellationToken,
    /// Takes lines for the deployment's log.
    pub log: &'a (dyn Fn(String) + Send + Sync),
}

/// A folder whose files are to be kept.
pub struct TakeInJob<'a> {
    pub deployment: DeploymentId,
    pub scope: Scope,
    pub survey: Survey,
    pub cancel: &'a CancellationToken,
}

/// A site whose files are kept here already.
pub struct TakenIn {
    pub site: Site,
    /// The list of the files, by which they can be served whatever becomes of the folder.
    pub manifest: Option<Sha256>,
    /// Keeps the files until the site is served.
    pub hold: Option<Hold>,
    /// What the site takes of its account's room until it is served.
    pub room: Option<Room>,
}

/// Why a site's files were not taken in.
#[derive(Debug, thiserror::Error)]
pub enum TakeInError {
    #[error("it was cancelled")]
    Cancelled,
    /// It cannot be served as it is.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// It cannot be served at all.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// This server failed; the same may go through later.
    #[error("the site could not be stored")]
    Store(#[from] StoreError),
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
}

/// Files whose content was not there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    pub files: u64,
    pub bytes: u64,
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
    Store(#[from] StoreError),
}

impl PublishError {
    /// In one word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Cancelled => FailureCode::Canceled.as_str(),
            Self::Refused(failure) => failure.code.as_str(),
            Self::Store(_) => "store",
        }
    }
}

#[async_trait]
pub trait Publisher: Send + Sync {
    /// Looks the files through and keeps them in the same go, so that each is read once. What was kept of a site that is
    /// not served in the end is nobody's, and goes.
    async fn take_in(&self, job: TakeInJob<'_>) -> Result<TakenIn, TakeInError>;

    /// Keeps the files and serves them at an address of their own from then on. Asked again for the same deployment,
    /// it serves them at the same address, and nothing is kept twice.
    async fn publish(&self, job: PublishJob<'_>) -> Result<Published, PublishError>;

    /// The same for files that were taken in, by their list. `None`: they are not all there any more.
    async fn publish_kept(
        &self,
        _deployment: DeploymentId,
        _scope: Scope,
        _manifest: &Sha256,
        _cancel: &CancellationToken,
    ) -> Result<Option<Published>, PublishError> {
        Ok(None)
    }

    /// What a list of files has that an earlier one has not.
    async fn changes(&self, before: Option<&Sha256>, now: &Sha256) -> Result<Changes, StoreError>;

    /// Serves a deployment no more, if it ever did. It is over, and did not go live.
    async fn withdraw(&self, deployment: DeploymentId) -> Result<(), StoreError>;

    /// An address for a deployment of the test world, at which nothing of it is served.
    async fn stub(&self, deployment: DeploymentId, scope: Scope) -> Result<String, StoreError>;
}
