//! Calls on agents.

use miteos_api::{Agent, DecideApproval, Guide, ListAgents};

use crate::client::Client;
use crate::error::ClientError;
use crate::tasks::Empty;

impl Client {
    /// `GET /agents/{id}`.
    pub async fn agent(&self, id: &str) -> Result<Agent, ClientError> {
        self.json(&self.get(&["agents", id])?).await
    }

    /// `GET /agents?task_id=…`.
    pub async fn list_agents(&self, task_id: &str) -> Result<Vec<Agent>, ClientError> {
        self.json(&self.get(&["agents"])?.query(&ListAgents { task_id: Some(task_id.to_owned()) })?).await
    }

    /// `POST /agents/{id}/pause`: the current tool call finishes first.
    pub async fn pause_agent(&self, id: &str) -> Result<(), ClientError> {
        self.command(&["agents", id, "pause"], &Empty {}).await
    }

    /// `POST /agents/{id}/resume`.
    pub async fn resume_agent(&self, id: &str) -> Result<(), ClientError> {
        self.command(&["agents", id, "resume"], &Empty {}).await
    }

    /// `POST /agents/{id}/cancel`: final; the task's other agents go on.
    pub async fn cancel_agent(&self, id: &str) -> Result<(), ClientError> {
        self.command(&["agents", id, "cancel"], &Empty {}).await
    }

    /// `POST /agents/{id}/guide`: in the agent's next model call.
    pub async fn guide_agent(&self, id: &str, message: &str) -> Result<(), ClientError> {
        self.command(&["agents", id, "guide"], &Guide { message: message.to_owned() }).await
    }

    /// `POST /agents/{id}/approve/{approval_id}`: approves or rejects. Decided once; the same decision again
    /// is no error, another one is (422).
    pub async fn approve(
        &self,
        agent_id: &str,
        approval_id: &str,
        decision: &DecideApproval,
    ) -> Result<(), ClientError> {
        self.command(&["agents", agent_id, "approve", approval_id], decision).await
    }
}
