//! `deploy`: an agent, or a task at its end, publishes what was made.
//!
//! The deployment has the call's id, so the same call is the same deployment however often it is made, and after a crash
//! the deployment itself says what became of the call. It goes on by itself: a call that is not waited for any more, such
//! as when the server stops, takes nothing away from it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use miteos_api::DeployTarget;
use miteos_core::deployment::{About, BuildWishes, Created, Deployment, Environment, Stage};
use miteos_core::ids::{DeployConfigId, DeploymentId};
use miteos_core::task::Stage as TaskStage;
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use miteos_store::{DeployConfigRow, Scope};
use miteos_tools::{Needs, Settled, Tool, ToolContext, ToolError, ToolOutput};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Deployments, Made, core_target, environment, kind};
use crate::tasks::Tasks;

/// How long a call waits for its deployment, which goes on after it.
const WAIT: Duration = Duration::from_secs(15 * 60);
/// How often it looks without being told.
const LOOK_ANYWAY: Duration = Duration::from_millis(500);
/// How long the end of a cancelled deployment is waited for.
const END_WAIT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Input {
    target: String,
    config_id: Option<String>,
}

/// The tool, and where it finds the deployments once they run.
pub struct Deploy {
    spec: ToolSpec,
    tasks: OnceLock<(Deployments, Tasks)>,
}

impl Deploy {
    pub fn new() -> Arc<Self> {
        let targets: Vec<&str> = DeployTarget::ALL.iter().map(|target| target.as_str()).collect();
        let schema = json!({
            "type": "object",
            "properties": {
                "target": {"type": "string", "enum": targets, "description": "Where to. preview is this server's own address and needs no account."},
                "config_id": {"type": "string", "maxLength": 64, "description": "Which deploy configuration. Default: the only one for the target."},
            },
            "required": ["target"],
            "additionalProperties": false,
        });
        let spec = ToolSpec {
            name: "deploy".to_owned(),
            description: "Publish the workspace as a website: it is built if it has a build, and published. Waits until it is live and gives its address, or says what failed.".to_owned(),
            schema,
        };
        Arc::new(Self { spec, tasks: OnceLock::new() })
    }

    /// Calls work from here on.
    pub fn connect(&self, deployments: Deployments, tasks: Tasks) {
        // A second server in the same process has a tool of its own.
        let _ = self.tasks.set((deployments, tasks));
    }

    fn connected(&self) -> Result<&(Deployments, Tasks), ToolError> {
        self.tasks.get().ok_or_else(|| ToolError::failed("this server cannot deploy"))
    }

    async fn create(&self, ctx: &ToolContext, input: Input) -> Result<Made, ToolError> {
        let (deployments, tasks) = self.connected()?;
        let target = input.target.parse::<DeployTarget>();
        let target = core_target(target.map_err(|error| ToolError::failed(format!("target: {error}")))?);
        let task = tasks.load(ctx.task).await.map_err(ToolError::internal("read the task"))?;
        let task = task.ok_or_else(|| ToolError::failed("the task is not there any more"))?.task;
        if !task.settings.may_deploy {
            return Err(ToolError::failed(
                "this task may not deploy: the key that it was given with lacks the scope deployments.write",
            ));
        }
        let scope = Scope { account: task.account, live: task.live };
        let config = match kind(target) {
            None if input.config_id.is_some() => {
                return Err(ToolError::failed(format!(
                    "config_id: {} needs none; leave it out",
                    target.as_str()
                )));
            }
            None if task.live && deployments.parts().publisher.is_none() => {
                return Err(ToolError::failed("this server has no preview host; use another target"));
            }
            None => None,
            Some(_) => Some(choose(deployments, scope, target.as_str(), input.config_id.as_deref()).await?),
        };
        let environment = match &config {
            None => Environment::Preview,
            Some(row) => {
                let opened = deployments.parts().unseal(row);
                let (_, parsed) = opened.map_err(|failure| ToolError::Failed(failure.message))?;
                environment(&parsed.config)
            }
        };
        let about = About {
            workspace: task.workspace,
            target,
            config: config.map(|row| row.id),
            environment,
            task: Some(ctx.task),
            agent: Some(ctx.agent),
            call: Some(ctx.call_id),
            deliverable: None,
            created_at: deployments.parts().clock.now(),
        };
        let created =
            Created { account: task.account, live: task.live, about, wishes: BuildWishes::default() };
        let made = deployments.create(id_of(ctx), created, |_| None).await;
        made.map_err(ToolError::internal("made a deployment"))
    }

    /// Waits for the end, or until it takes too long.
    async fn wait(&self, ctx: &ToolContext) -> Result<Result<String, String>, ToolError> {
        let (deployments, tasks) = self.connected()?;
        let id = id_of(ctx);
        let waited = tokio::select! {
            ended = ended(deployments, id) => Some(ended?),
            () = tokio::time::sleep(WAIT) => None,
            () = ctx.cancel.cancelled() => {
                self.cancelled(ctx, deployments, tasks).await;
                return Err(ToolError::Cancelled);
            }
        };
        Ok(match waited {
            None => Ok(format!("{id} is still under way; its end is told by the deployment itself")),
            Some(deployment) => told(&deployment),
        })
    }

    /// A task or an agent that is stopped stops what it deploys. A server that stops does not: the next one goes on.
    /// What is lost of this on the way, the deployment's own runner finds out by itself.
    async fn cancelled(&self, ctx: &ToolContext, deployments: &Deployments, tasks: &Tasks) {
        let stopped = match tasks.load(ctx.task).await {
            Ok(Some(live)) => {
                let task = live.task;
                let stops = |agent: &miteos_core::agent::Agent| agent.stopping || agent.is_finished();
                matches!(task.stage, TaskStage::Stopping { .. })
                    || task.is_finished()
                    || task.agent(ctx.agent).is_none_or(stops)
            }
            Ok(None) => true,
            Err(error) => {
                tracing::warn!(task = %ctx.task, error = %crate::errors::chain(&error), "whether a deployment is to be stopped cannot be told yet");
                deployments.wake(id_of(ctx));
                false
            }
        };
        if !stopped {
            return;
        }
        let id = id_of(ctx);
        if let Err(error) = deployments.cancel(id, None).await {
            tracing::debug!(deployment = %id, error = %crate::errors::chain(&error), "a deployment was over before it could be stopped");
            return;
        }
        if tokio::time::timeout(END_WAIT, ended(deployments, id)).await.is_err() {
            tracing::warn!(deployment = %id, "a deployment is still being stopped");
        }
    }
}

/// The deployment of a call.
fn id_of(ctx: &ToolContext) -> DeploymentId {
    DeploymentId(ctx.call_id.0)
}

/// The configuration that is named, or the only one for the target.
async fn choose(
    deployments: &Deployments,
    scope: Scope,
    target: &str,
    named: Option<&str>,
) -> Result<DeployConfigRow, ToolError> {
    let all = deployments.parts().store.deploy_configs(scope).await;
    let mut fitting = all.map_err(ToolError::internal("read the deploy configurations"))?;
    fitting.retain(|row| row.target == target);
    let ids: Vec<String> = fitting.iter().map(|row| row.id.to_string()).collect();
    match (named, fitting.len()) {
        (Some(id), _) => {
            let wanted = id.parse::<DeployConfigId>().ok();
            let found = fitting.into_iter().find(|row| Some(row.id) == wanted);
            found.ok_or_else(|| {
                let known = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
                ToolError::Failed(format!("config_id: there is no {id} for {target}; there is: {known}"))
            })
        }
        (None, 1) => fitting.pop().ok_or_else(|| ToolError::failed("the deploy configuration is gone")),
        (None, 0) => Err(ToolError::Failed(format!(
            "there is no deploy configuration for {target}; the user has to make one, or use the target preview"
        ))),
        (None, _) => Err(ToolError::Failed(format!("config_id is missing; there are: {}", ids.join(", ")))),
    }
}

async fn ended(deployments: &Deployments, id: DeploymentId) -> Result<Deployment, ToolError> {
    loop {
        let moved = deployments.follow(id);
        let found = deployments.load(id).await.map_err(ToolError::internal("read a deployment"))?;
        match found {
            Some(deployment) if deployment.is_finished() => return Ok(deployment),
            Some(_) => {}
            None => return Err(ToolError::failed("the deployment is not there any more")),
        }
        match moved {
            Some(mut moved) => {
                // Looked at anyway, whether something moved or not.
                let _ = tokio::time::timeout(LOOK_ANYWAY, moved.changed()).await;
            }
            None => tokio::time::sleep(LOOK_ANYWAY).await,
        }
    }
}

/// In words for the model.
fn told(deployment: &Deployment) -> Result<String, String> {
    let (id, target) = (deployment.id, deployment.about.target.as_str());
    match &deployment.stage {
        Stage::Live { release, .. } => Ok(format!("live at {} ({id}, {target})", release.url)),
        Stage::Failed { failure, .. } => {
            Err(format!("{id} to {target} failed ({}): {}", failure.code.as_str(), failure.message))
        }
        _ => Ok(format!("{id} is still under way")),
    }
}

#[async_trait]
impl Tool for Deploy {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn agents(&self) -> &[AgentType] {
        &[AgentType::Builder]
    }

    fn risk(&self, _input: &Value) -> Risk {
        Risk::Critical
    }

    fn needs(&self) -> Needs {
        Needs::Deploy
    }

    fn read_only(&self) -> bool {
        false
    }

    fn retry(&self) -> RetryClass {
        RetryClass::Once
    }

    /// The deployment is the note.
    fn leaves_notes(&self) -> bool {
        false
    }

    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let input: Input = serde_json::from_value(input)
            .map_err(|error| ToolError::Failed(format!("wrong arguments: {error}")))?;
        match self.create(ctx, input).await? {
            Made::New(made) | Made::Known(made) => ctx.show(format!("{} begins", made.id)),
            Made::Active(other) => {
                return Err(ToolError::Failed(format!(
                    "{other} of this workspace to the same target is not over; call deploy again when it is"
                )));
            }
        }
        self.wait(ctx).await?.map(ToolOutput::text).map_err(ToolError::Failed)
    }

    async fn settle(&self, ctx: &ToolContext, _input: Value) -> Result<Settled, ToolError> {
        let (deployments, _) = self.connected()?;
        let found = deployments.load(id_of(ctx)).await.map_err(ToolError::internal("read a deployment"))?;
        if found.is_none() {
            return Ok(Settled::NotStarted);
        }
        Ok(match self.wait(ctx).await? {
            Ok(text) => Settled::Done(ToolOutput::text(text)),
            Err(text) => Settled::Interrupted(text),
        })
    }
}
