//! A target whose steps a collector of spans hears of. It changes nothing about them.

use async_trait::async_trait;
use miteos_deploy::{
    Advance, Artifact, DeployError, Job, Release, State, Step, Target, TargetKind, Verified,
};
use tokio_util::sync::CancellationToken;

use crate::traces::{Open, Traces};

pub struct Traced {
    pub target: Box<dyn Target>,
    pub traces: Traces,
}

fn word(step: Step) -> &'static str {
    match step {
        Step::Locate => "locate",
        Step::Stage => "stage",
        Step::Create => "create",
        Step::Upload => "upload",
        Step::Publish => "publish",
        Step::Wait => "wait",
        Step::Live => "live",
    }
}

impl Traced {
    fn span(&self, step: &'static str) -> Open {
        self.traces.deploy_step(self.target.kind().word(), step)
    }
}

fn told<T>(span: &Open, done: Result<T, DeployError>) -> Result<T, DeployError> {
    if let Err(error) = &done {
        span.failed(error.kind.code());
    }
    done
}

#[async_trait]
impl Target for Traced {
    fn kind(&self) -> TargetKind {
        self.target.kind()
    }

    async fn verify(&self, cancel: &CancellationToken) -> Result<Verified, DeployError> {
        self.target.verify(cancel).await
    }

    fn prepare(&self, artifact: Artifact) -> Result<Artifact, DeployError> {
        self.target.prepare(artifact)
    }

    async fn next(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let span = self.span(word(state.step));
        let done = span.around(self.target.next(state, job)).await;
        told(&span, done)
    }

    fn cancels_by_files(&self, state: &State) -> bool {
        self.target.cancels_by_files(state)
    }

    async fn cancel(&self, state: &State, job: &Job<'_>) -> Result<(), DeployError> {
        let span = self.span("cancel");
        let done = span.around(self.target.cancel(state, job)).await;
        told(&span, done)
    }

    async fn live_after_all(&self, state: &State, job: &Job<'_>) -> Result<Option<State>, DeployError> {
        let span = self.span("ask");
        let done = span.around(self.target.live_after_all(state, job)).await;
        told(&span, done)
    }

    async fn roll_back(&self, to: &Release, cancel: &CancellationToken) -> Result<Release, DeployError> {
        let span = self.span("roll_back");
        let done = span.around(self.target.roll_back(to, cancel)).await;
        told(&span, done)
    }
}
