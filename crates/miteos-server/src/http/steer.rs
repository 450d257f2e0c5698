//! What people ask of a task under way: one command or several at once, recorded before it is answered.

use std::time::Duration;

use axum::Json;
use miteos_api::Success;
use miteos_core::command::Command;
use miteos_core::ids::TaskId;
use miteos_core::task::Task;
use miteos_store::IdempotencyRow;

use super::App;
use super::error::ApiError;
use crate::feed::Log;
use crate::tasks::Live;

/// How long a cancel waits for everything to be dead before it answers.
const CANCEL_WAIT: Duration = Duration::from_secs(15);

pub type Answer = Result<Json<Success>, ApiError>;

pub fn success(_: Live) -> Json<Success> {
    Json(Success::YES)
}

impl App {
    /// All of the commands or none, with the answer that repeats are to get. The caller has been authorised.
    pub(super) async fn steer(
        &self,
        task: TaskId,
        commands: Vec<Command>,
        answer: Option<IdempotencyRow>,
    ) -> Result<Live, ApiError> {
        let live = self.deps.tasks.commands(task, &commands, answer).await?;
        self.engine.wake(task);
        Ok(live)
    }

    /// A command that brings something to its end, answered when the end is recorded. What does not die in time is
    /// still being killed then; it is not called cancelled before.
    pub(super) async fn end(
        &self,
        task: TaskId,
        command: Command,
        answer: Option<IdempotencyRow>,
        ended: impl Fn(&Task) -> bool + Send,
    ) -> Answer {
        let mut news = self.deps.tasks.feed.watch(Log::Task(task));
        self.steer(task, vec![command], answer).await?;
        let seen = async {
            loop {
                news.level();
                match self.deps.tasks.load(task).await {
                    Ok(Some(live)) if !ended(&live.task) => {}
                    Ok(_) | Err(_) => return,
                }
                news.changed().await;
            }
        };
        let _ = tokio::time::timeout(CANCEL_WAIT, seen).await;
        Ok(Json(Success::YES))
    }
}
