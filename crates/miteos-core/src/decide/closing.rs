//! The end of an agent's work, and what the task's configuration asks for then: the deployment of what was made.
//!
//! The last agent of a task with `auto_deploy` does not end with its answer. One more call is proposed for it, as if its
//! model had made it, so that everything that holds for calls holds here: the dial and the person who is asked, the
//! recorded start, what is settled after a crash, cancelling, the pause. Whatever comes of it, the agent is complete then.

use serde_json::json;

use super::Decision;
use crate::command::ProposedCall;
use crate::content::{Content, Sha256};
use crate::event::{CallFacts, CallName, Event};
use crate::ids::{AgentId, CallId};
use crate::task::{Replan, Stage, SubtaskStatus};
use crate::tool::{RetryClass, Risk};

/// The tool that deploys.
const DEPLOY: &str = "deploy";

impl Decision<'_> {
    /// The agent has given its answer. `closing` is the call that deploys, if whoever asked the model has prepared it.
    pub(super) fn complete_agent(
        &mut self,
        id: AgentId,
        result: Content,
        closing: Option<Box<ProposedCall>>,
    ) {
        match self.deployment_due(id, closing) {
            Some(call) => {
                self.emit(Event::DeployProposed { agent: id, result, call });
                self.open_calls(id);
            }
            None => {
                let spent = self.spent(id);
                self.emit(Event::AgentComplete { agent: id, result, spent });
            }
        }
    }

    /// The call at the end is over, one way or another.
    pub(super) fn close_agent(&mut self, id: AgentId, result: &Content, ok: bool, told: &Content) {
        let result = match result {
            Content::Inline(text) if ok => Content::from(format!("{text}\n\n{}", told.abridged())),
            Content::Inline(text) => Content::from(format!("{text}\n\nNot deployed: {}", told.abridged())),
            // Too long to be put together here; the call's own result says it.
            Content::Stored { .. } => result.clone(),
        };
        let spent = self.spent(id);
        self.emit(Event::AgentComplete { agent: id, result, spent });
    }

    /// The deployment that the task asks for at its end, if this agent is the last one and nobody has deployed.
    fn deployment_due(&mut self, id: AgentId, closing: Option<Box<ProposedCall>>) -> Option<CallFacts> {
        let config = &self.task.config;
        let target = config.deploy_target.as_ref().filter(|_| config.auto_deploy)?;
        let deployed = |call: &CallName| call.tool == DEPLOY;
        if self.task.agents.iter().any(|agent| agent.took_effect.iter().any(deployed)) {
            return None;
        }
        let asks_again = matches!(self.task.stage, Stage::Working { replan: Replan::Asking { .. } });
        let over = |status: SubtaskStatus, replaced: bool| match status {
            SubtaskStatus::Pending | SubtaskStatus::Running => false,
            SubtaskStatus::Failed => replaced,
            SubtaskStatus::Complete | SubtaskStatus::Cancelled | SubtaskStatus::Skipped => true,
        };
        let others = || self.task.subtasks.iter().filter(|subtask| subtask.agent != id);
        if asks_again || !others().all(|subtask| over(subtask.status, subtask.replaced)) {
            return None;
        }
        if let Some(closing) = closing {
            return Some(CallFacts {
                call: CallId(self.mint.ulid()),
                tool: closing.tool,
                input: closing.input,
                input_sha256: closing.input_sha256,
                risk: closing.risk,
                read_only: closing.read_only,
                retry: closing.retry,
                problem: closing.problem,
            });
        }
        let mut input = json!({ "target": target });
        if let Some(config) = &config.deploy_config_id {
            input["config_id"] = json!(config);
        }
        let text = input.to_string();
        Some(CallFacts {
            call: CallId(self.mint.ulid()),
            tool: DEPLOY.to_owned(),
            input_sha256: Sha256::of(text.as_bytes()),
            input: Content::from(text),
            risk: Risk::Critical,
            read_only: false,
            retry: RetryClass::Once,
            problem: None,
        })
    }
}
