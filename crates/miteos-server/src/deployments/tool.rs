//! `deploy`: an agent, or a task at its end, publishes what was made.
//!
//! The deployment has the call's id, so the same call is the same deployment however often it is made, and after a crash
//! the deployment itself says what became of the call. It goes on by itself: a call that is not waited for any more, such
//! as when the server stops, takes nothing away from it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use miteos_api::DeployTarget;
use miteos_core::deployment::{About, BuildWishes, Created, Deployment, Environment, Stage, Target};
use miteos_core::ids::{DeployConfigId, DeploymentId, TaskId};
use miteos_core::task::{Stage as TaskStage, Task};
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use miteos_store::{DeployConfigRow, Scope};
use miteos_tools::{Needs, Settled, Tool, ToolContext, ToolError, ToolOutput};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::configs::{self, MAX_BUILD_CHARS};
use super::{Deployments, Made, core_target, kind};
use crate::tasks::Tasks;

/// How long a call waits for its deployment, which goes on after it.
const WAIT: Duration = Duration::from_secs(15 * 60);
/// How long the end of a cancelled deployment is waited for.
const END_WAIT: Duration = Duration::from_secs(30);

/// The arguments. All but the first are bound when the call is proposed, where they are not given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Input {
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config_id: Option<String>,
    /// For whoever is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config_name: Option<String>,
    /// As which the configuration was last changed: as another one it was not agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config_as_of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    /// What is published, below the workspace. Not known before the build where nobody names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
}

/// What a call does.
struct Plan {
    task: Task,
    target: Target,
    config: Option<DeployConfigRow>,
    environment: Environment,
    folder: Option<String>,
}

impl Plan {
    /// Whether it is what the arguments say: between a call and its run the configuration may have become another.
    fn check(&self, input: &Input) -> Result<(), String> {
        let Some(row) = &self.config else { return Ok(()) };
        let (id, name, as_of) = (row.id, &row.name, row.updated_at.to_string());
        if input.config_as_of.as_ref().is_some_and(|asked| *asked != as_of) {
            return Err(format!(
                "the deploy configuration {name} ({id}) was changed after this call was agreed to; call deploy again"
            ));
        }
        let named = [
            ("config_name", input.config_name.as_deref(), name.as_str()),
            ("environment", input.environment.as_deref(), self.environment.as_str()),
        ];
        for (argument, asked, found) in named {
            if asked.is_some_and(|asked| asked != found) {
                return Err(format!("{argument}: the deploy configuration {name} ({id}) has {found}"));
            }
        }
        Ok(())
    }

    /// The arguments that say all of it.
    fn bound(self) -> Input {
        let config = self.config.as_ref();
        Input {
            target: self.target.as_str().to_owned(),
            config_id: config.map(|row| row.id.to_string()),
            config_name: config.map(|row| row.name.clone()),
            config_as_of: config.map(|row| row.updated_at.to_string()),
            environment: config.map(|_| self.environment.as_str().to_owned()),
            folder: self.folder,
        }
    }
}

fn arguments(input: Value) -> Result<Input, ToolError> {
    serde_json::from_value(input).map_err(|error| ToolError::Failed(format!("wrong arguments: {error}")))
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
                "folder": {"type": "string", "maxLength": MAX_BUILD_CHARS, "description": "Which folder of the workspace is published. Default: as configured, or what the build makes."},
                "environment": {"type": "string", "enum": ["production", "preview"], "description": "Whether it takes the place of what is live. The configuration decides that; it is filled in."},
                "config_name": {"type": "string", "description": "Filled in."},
                "config_as_of": {"type": "string", "description": "Filled in."},
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

    /// What the arguments come to now.
    async fn plan(&self, task: TaskId, input: &Input) -> Result<Plan, ToolError> {
        let (deployments, tasks) = self.connected()?;
        let target = input.target.parse::<DeployTarget>();
        let target = core_target(target.map_err(|error| ToolError::failed(format!("target: {error}")))?);
        let task = tasks.load(task).await.map_err(ToolError::internal("read the task"))?;
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
        let (mut environment, mut folder) = (Environment::Preview, None);
        if let Some(row) = &config {
            let opened = deployments.parts().unseal(row);
            let (_, parsed) = opened.map_err(|failure| ToolError::Failed(failure.message))?;
            environment = configs::environment(&parsed.config);
            folder = configs::output(&parsed);
        }
        let folder = input.folder.clone().or(folder);
        let plan = Plan { task, target, config, environment, folder };
        plan.check(input).map_err(ToolError::Failed)?;
        Ok(plan)
    }

    async fn create(&self, ctx: &ToolContext, input: &Input) -> Result<Made, ToolError> {
        let (deployments, _) = self.connected()?;
        let Plan { task, target, config, environment, folder } = self.plan(ctx.task, input).await?;
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
        let wishes = BuildWishes { output: folder, ..BuildWishes::default() };
        let created = Created { account: task.account, live: task.live, about, wishes };
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
    let found = deployments.until(id, Deployment::is_finished).await;
    let found = found.map_err(ToolError::internal("read a deployment"))?;
    found.ok_or_else(|| ToolError::failed("the deployment is not there any more"))
}

/// In words for the model.
fn told(deployment: &Deployment) -> Result<String, String> {
    let (id, target) = (deployment.id, deployment.about.target.as_str());
    match &deployment.stage {
        Stage::Live { release } | Stage::RollingBack { release } => {
            Ok(format!("live at {} ({id}, {target})", release.url))
        }
        Stage::Failed { failure } => {
            Err(format!("{id} to {target} failed ({}): {}", failure.code.as_str(), failure.message))
        }
        Stage::Pending | Stage::Building | Stage::Deploying | Stage::Stopping { .. } => {
            Ok(format!("{id} is still under way"))
        }
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

    async fn bind(&self, task: TaskId, input: Value) -> Result<Value, ToolError> {
        // Of a model that repeats an earlier call: what that was bound to is over.
        let input = Input { config_name: None, config_as_of: None, ..arguments(input)? };
        let bound = self.plan(task, &input).await?.bound();
        serde_json::to_value(bound).map_err(ToolError::internal("write the arguments of a deployment"))
    }

    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        match self.create(ctx, &arguments(input)?).await? {
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
