//! Deployments that nobody wants any more, because the task or the agent that asked for them was stopped. Whoever stops one
//! ends its deployment, too; but he may die before he gets to it, so each runner asks by itself.

use miteos_core::agent::AgentStatus;
use miteos_core::deployment::Deployment;
use miteos_core::task::{Stage, Task, TaskStatus};

use super::Parts;
use super::keep::DeploymentError;
use crate::errors::chain;
use crate::tasks::{TaskError, Tasks};

impl Parts {
    /// Whether the call that made it was stopped.
    pub async fn is_unwanted(&self, deployment: &Deployment) -> Result<bool, DeploymentError> {
        let (Some(task), Some(_)) = (deployment.about.task, deployment.about.call) else { return Ok(false) };
        let tasks = Tasks {
            store: self.store.clone(),
            feed: self.feed.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        match tasks.load(task).await {
            Ok(live) => Ok(live.is_some_and(|live| is_stopped(&live.task, deployment))),
            Err(TaskError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(deployment = %deployment.id, error = %chain(&error), "whether its task was stopped cannot be told; it goes on");
                Ok(false)
            }
        }
    }
}

/// A task that is complete may have left a deployment behind that takes long; one that was ended has not.
fn is_stopped(task: &Task, deployment: &Deployment) -> bool {
    let stopped = |status| matches!(status, AgentStatus::Cancelled);
    let agent = deployment.about.agent.and_then(|id| task.agent(id));
    matches!(task.stage, Stage::Stopping { .. })
        || task.is_finished() && task.status() != TaskStatus::Complete
        || agent.is_some_and(|agent| agent.stopping || stopped(agent.status()))
}
