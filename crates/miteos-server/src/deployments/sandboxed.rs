//! Builds in the sandbox. Only translates: how a project is built is the deploy crate's, how a program is held the
//! sandbox's.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::deployment::{Failure, FailureCode, FailureStep};
use miteos_deploy::build::{Build, BuildErrorKind, BuildFailure, BuildLimits, RegistrySource, ToolSource};
use miteos_tools::http::Guarded;
use tokio::sync::Semaphore;

use super::builder::{BuildError, BuildJob, Builder, BuiltFolder, Place};
use crate::errors::chain;
use crate::sandbox::LateSandbox;

/// Builds what has to be built, and takes the rest as it is.
pub struct Sandboxed {
    sandbox: Arc<LateSandbox>,
    http: Guarded,
    registries: RegistrySource,
    tools: ToolSource,
    places: Semaphore,
}

impl Sandboxed {
    pub fn new(
        sandbox: Arc<LateSandbox>,
        http: Guarded,
        registries: RegistrySource,
        tools: ToolSource,
    ) -> Self {
        // The other half of the sandbox is the agents'.
        let places = Semaphore::new((sandbox.places() / 2).max(1));
        Self { sandbox, http, registries, tools, places }
    }
}

#[async_trait]
impl Builder for Sandboxed {
    async fn build(&self, job: BuildJob<'_>) -> Result<BuiltFolder, BuildError> {
        let build = Build {
            workspace: job.workspace,
            settings: job.settings,
            folder: job.scratch,
            sandbox: self.sandbox.get().await,
            dial: Arc::new(self.http.clone()),
            registries: &self.registries,
            tools: &self.tools,
            limits: BuildLimits::default(),
            places: &self.places,
            cancel: job.cancel,
            log: job.log,
        };
        let built = Box::pin(build.run()).await.map_err(|failure| failed(&job, failure))?;
        let place = match built.below_folder() {
            Some(name) => Place::Scratch(name),
            None => Place::Workspace(built.output),
        };
        Ok(BuiltFolder { place, index: built.index })
    }
}

fn failed(job: &BuildJob<'_>, failure: BuildFailure) -> BuildError {
    if failure.source.is_some() {
        tracing::error!(deployment = %job.deployment, error = %chain(&failure), "a build failed inside the server");
    }
    let (code, step) = match failure.kind {
        BuildErrorKind::Cancelled => return BuildError::Cancelled,
        BuildErrorKind::Config => (FailureCode::ConfigInvalid, FailureStep::Prepare),
        BuildErrorKind::Install => (FailureCode::InstallFailed, FailureStep::Install),
        BuildErrorKind::Build => (FailureCode::BuildFailed, FailureStep::Build),
        BuildErrorKind::NoOutput => (FailureCode::NoOutput, FailureStep::Build),
        BuildErrorKind::TimedOut => (FailureCode::Timeout, FailureStep::Build),
    };
    BuildError::Failed(Failure::new(code, step, failure.message))
}
