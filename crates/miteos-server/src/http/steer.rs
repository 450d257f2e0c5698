//! What people ask of a task under way: one command or several at once, recorded before it is answered.

use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use miteos_api::Success;
use miteos_core::command::Command;
use miteos_core::ids::TaskId;
use miteos_core::task::Task;
use miteos_store::IdempotencyRow;

use super::App;
use super::error::ApiError;
use super::repeat::{OnceEnded, again};
use crate::feed::Log;
use crate::tasks::Live;

/// How long a cancel waits for everything to be dead before it answers.
const CANCEL_WAIT: Duration = Duration::from_secs(15);

pub type Answer = Result<Json<Success>, ApiError>;

pub fn success(_: Live) -> Json<Success> {
    Json(Success::YES)
}

/// Carries out what is written and then told to its end, even if the caller goes away in between: what is stored is
/// then also known to those who act on it.
pub(super) async fn whole<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::spawn(work).await.map_err(|panic| ApiError::internal(&panic))
}

impl App {
    /// All of the commands or none, with the answer that repeats are to get. The caller has been authorised.
    pub(super) async fn steer(
        &self,
        task: TaskId,
        commands: Vec<Command>,
        answer: Option<IdempotencyRow>,
    ) -> Result<Live, ApiError> {
        let (tasks, engine) = (self.deps.tasks.clone(), self.engine.clone());
        let outcome = whole(async move {
            let outcome = tasks.commands(task, &commands, answer).await;
            // Whatever came of it: a write that failed may have been made.
            engine.wake(task);
            outcome
        });
        Ok(outcome.await??)
    }

    /// A command that brings something to its end, answered when the end is recorded. What does not die in time is
    /// still being killed then; it is not called cancelled before.
    pub(super) async fn end(
        &self,
        task: TaskId,
        command: Command,
        once: &OnceEnded,
        ended: impl Fn(&Task) -> bool + Send,
    ) -> Result<Response, ApiError> {
        let mut news = self.deps.tasks.feed.watch(Log::Task(task));
        let answer = match once.success(self.deps.clock.now()) {
            Ok(answer) => {
                self.steer(task, vec![command], answer).await?;
                Json(Success::YES).into_response()
            }
            // Whoever hung up and asks again is told no sooner.
            Err(row) => again(row),
        };
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
        Ok(answer)
    }
}
