//! Calls on tasks.

use miteos_api::{CreateTask, EventPage, Guide, ListEvents, ListTasks, Success, Task, TaskList, UpdateTask};
use reqwest::Method;

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// `POST /tasks`. Repeated by itself under one idempotency key, so that a lost answer makes no twin.
    pub async fn create_task(&self, task: &CreateTask) -> Result<Task, ClientError> {
        self.json(&self.post(&["tasks"], task)?).await
    }

    /// `GET /tasks`, newest first.
    pub async fn list_tasks(&self, query: &ListTasks) -> Result<TaskList, ClientError> {
        self.json(&self.get(&["tasks"])?.query(query)?).await
    }

    /// `GET /tasks/{id}`.
    pub async fn task(&self, id: &str) -> Result<Task, ClientError> {
        self.json(&self.get(&["tasks", id])?).await
    }

    /// `PATCH /tasks/{id}`. Sets values, so it may be repeated.
    pub async fn update_task(&self, id: &str, change: &UpdateTask) -> Result<Task, ClientError> {
        self.json(&self.call(Method::PATCH, &["tasks", id])?.json(change)?).await
    }

    /// `POST /tasks/{id}/cancel`: its processes are dead before the task says `cancelled`.
    pub async fn cancel_task(&self, id: &str) -> Result<(), ClientError> {
        self.command(&["tasks", id, "cancel"], &Empty {}).await
    }

    /// `POST /tasks/{id}/pause`: all its agents.
    pub async fn pause_task(&self, id: &str) -> Result<(), ClientError> {
        self.command(&["tasks", id, "pause"], &Empty {}).await
    }

    /// `POST /tasks/{id}/resume`: all its agents.
    pub async fn resume_task(&self, id: &str) -> Result<(), ClientError> {
        self.command(&["tasks", id, "resume"], &Empty {}).await
    }

    /// `POST /tasks/{id}/guide`: to every active agent.
    pub async fn guide_task(&self, id: &str, message: &str) -> Result<(), ClientError> {
        self.command(&["tasks", id, "guide"], &Guide { message: message.to_owned() }).await
    }

    /// `GET /tasks/{id}/events`: one page of the log, beginning after `after`.
    pub async fn events(&self, id: &str, after: u64, limit: u32) -> Result<EventPage, ClientError> {
        let query = ListEvents {
            after: i64::try_from(after).ok(),
            limit: Some(i64::from(limit)),
            ..ListEvents::default()
        };
        self.json(&self.get(&["tasks", id, "events"])?.query(&query)?).await
    }

    /// A POST whose answer says only that it worked.
    pub(crate) async fn command<B: serde::Serialize>(
        &self,
        segments: &[&str],
        body: &B,
    ) -> Result<(), ClientError> {
        let answer: Success = self.json(&self.post(segments, body)?).await?;
        if answer.success { Ok(()) } else { Err(ClientError::protocol("it says success: false")) }
    }
}

/// `{}`
#[derive(serde::Serialize)]
pub(crate) struct Empty {}
