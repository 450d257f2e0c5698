//! What makes a folder of files out of a workspace, as the driver sees it. Knows nothing of how that is done.

use std::path::Path;

use async_trait::async_trait;
use miteos_core::deployment::{Failure, Target};
use miteos_core::ids::DeploymentId;
use miteos_deploy::detect::BuildSettings;
use miteos_deploy::site::Index;
use miteos_tools::Workspace;
use miteos_tools::workspace::Name;
use tokio_util::sync::CancellationToken;

/// One build.
pub struct BuildJob<'a> {
    pub deployment: DeploymentId,
    pub workspace: &'a Workspace,
    pub target: Target,
    pub settings: &'a BuildSettings,
    /// An empty folder outside of the workspace, for a copy of it and for what is written. It is there until the
    /// deployment is over.
    pub scratch: &'a Path,
    /// When it is cancelled, everything that runs is ended before the call returns.
    pub cancel: &'a CancellationToken,
    /// Takes lines for the deployment's log, as they come.
    pub log: &'a (dyn Fn(String) + Send + Sync),
}

/// The files to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFolder {
    pub place: Place,
    /// Whether it has to have a page at its top.
    pub index: Index,
}

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of the workspace; empty for the workspace itself.
    Workspace(Name),
    /// A folder below the scratch folder.
    Scratch(Name),
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the build was cancelled")]
    Cancelled,
    #[error("{}", .0.message)]
    Failed(Failure),
}

#[async_trait]
pub trait Builder: Send + Sync {
    async fn build(&self, job: BuildJob<'_>) -> Result<BuiltFolder, BuildError>;
}
