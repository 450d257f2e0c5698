//! Tasks: made, listed, read, steered as a whole.

mod create;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use miteos_api::{CompletedTaskList, Guide, ListTasks, Success, Task, TaskList, TaskStatus, UpdateTask};
use miteos_core::command::Command;
use miteos_core::ids::{TaskId, WorkspaceId};
use miteos_core::task::Stage;
use miteos_store::TaskRow;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Body, Page, Query, in_range, page};
use crate::feed::Log;
use crate::tasks::Live;
use crate::{project, views};

pub use create::create;

/// How long a cancel waits for everything to be dead before it answers.
const CANCEL_WAIT: Duration = Duration::from_secs(15);

/// The whole task, with its result at full length.
pub async fn shown(app: &App, live: &Live) -> Result<Task, ApiError> {
    let result = match &live.task.stage {
        Stage::Complete { result } => Some(app.deps.text(result).await?.to_string()),
        _ => None,
    };
    Ok(views::task(&live.task, project::whole(&live.task.prompt), result))
}

pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Task>, ApiError> {
    caller.may("tasks.read")?;
    let live = app.task(&caller, &id).await?;
    Ok(Json(shown(&app, &live).await?))
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListTasks>,
) -> Result<Json<TaskList>, ApiError> {
    caller.may("tasks.read")?;
    let status = query.status.map(|word| word.parse::<TaskStatus>()).transpose();
    let status = status.map_err(|error| ApiError::refused(error.to_string()))?;
    let workspace = match query.workspace_id {
        None => None,
        Some(text) => {
            Some(text.parse::<WorkspaceId>().map_err(|error| ApiError::refused(error.to_string()))?)
        }
    };
    let page = page(query.limit, query.offset)?;
    let (rows, total) = rows(&app, &caller, status, workspace, page).await?;
    let tasks = rows.iter().map(views::row).collect::<Result<_, _>>()?;
    Ok(Json(TaskList { tasks, total, limit: limit(page), offset: page.offset as u64 }))
}

async fn rows(
    app: &App,
    caller: &Caller,
    status: Option<TaskStatus>,
    workspace: Option<WorkspaceId>,
    page: Page,
) -> Result<(Vec<TaskRow>, u64), ApiError> {
    let store = &app.deps.tasks.store;
    let status = status.map(|status| status.as_str().to_owned());
    Ok(store
        .list_tasks(caller.key.account, caller.key.live, status, workspace, page.limit, page.offset)
        .await?)
}

fn limit(page: Page) -> u32 {
    u32::try_from(page.limit).unwrap_or(u32::MAX)
}

pub async fn completed(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListTasks>,
) -> Result<Json<CompletedTaskList>, ApiError> {
    caller.may("tasks.read")?;
    let page = page(query.limit, query.offset)?;
    let (rows, total) = rows(&app, &caller, Some(TaskStatus::Complete), None, page).await?;
    let tasks = rows.iter().map(views::completed).collect::<Result<_, _>>()?;
    Ok(Json(CompletedTaskList { tasks, total, limit: limit(page), offset: page.offset as u64 }))
}

/// A command on the caller's task; the engine looks at it right after.
async fn steer(app: &App, caller: &Caller, id: &str, command: Command) -> Result<TaskId, ApiError> {
    caller.may("tasks.write")?;
    let id = app.task(caller, id).await?.task.id;
    app.deps.tasks.command(id, command).await?;
    app.engine.wake(id);
    Ok(id)
}

pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    let task = app.task(&caller, &id).await?.task.id;
    let mut news = app.deps.tasks.feed.watch(Log::Task(task));
    steer(&app, &caller, &id, Command::CancelTask).await?;
    let ended = async {
        loop {
            news.level();
            match app.deps.tasks.store.task_row(task).await {
                Ok(Some(row)) if row.completed_at.is_none() => {}
                Ok(_) | Err(_) => return,
            }
            news.changed().await;
        }
    };
    // What does not die in time is still being killed; the task is not called cancelled before.
    let _ = tokio::time::timeout(CANCEL_WAIT, ended).await;
    Ok(Json(Success::YES))
}

pub async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    steer(&app, &caller, &id, Command::PauseTask).await?;
    Ok(Json(Success::YES))
}

pub async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    steer(&app, &caller, &id, Command::ResumeTask).await?;
    Ok(Json(Success::YES))
}

pub async fn guide(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(guide): Body<Guide>,
) -> Result<Json<Success>, ApiError> {
    steer(&app, &caller, &id, Command::GuideTask { message: guide.message }).await?;
    Ok(Json(Success::YES))
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(update): Body<UpdateTask>,
) -> Result<Json<Task>, ApiError> {
    caller.may("tasks.write")?;
    let dial = match update.config.autonomy_level {
        None => None,
        Some(level) => {
            let level = in_range("config.autonomy_level", level, 0, 100)?;
            Some(Command::SetAutonomy { autonomy_level: u8::try_from(level).unwrap_or(0) })
        }
    };
    let budget = match update.config.budget_cents {
        None => None,
        Some(None) => Some(Command::SetBudget { budget_cents: None }),
        Some(Some(cents)) => {
            let cents = in_range("config.budget_cents", cents, 0, create::MAX_BUDGET_CENTS)?;
            Some(Command::SetBudget { budget_cents: u64::try_from(cents).ok() })
        }
    };
    for command in dial.into_iter().chain(budget) {
        steer(&app, &caller, &id, command).await?;
    }
    let live = app.task(&caller, &id).await?;
    Ok(Json(shown(&app, &live).await?))
}
