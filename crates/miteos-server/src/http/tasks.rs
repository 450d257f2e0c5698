//! Tasks: made, listed, read, steered as a whole.

mod create;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use miteos_api::{CompletedTaskList, Guide, ListTasks, Task, TaskList, TaskStatus, UpdateTask};
use miteos_core::command::Command;
use miteos_core::ids::WorkspaceId;
use miteos_core::task::Stage;
use miteos_store::TaskRow;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Body, Page, Path, Query, in_range, page};
use super::repeat::{Once, OnceBare, OnceEnded, Repeatable};
use super::steer::{Answer, success};
use crate::tasks::Live;
use crate::{project, views};

pub use create::create;

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
    let live = app.task(&caller, &id).await?;
    Ok(Json(shown(&app, &live).await?))
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListTasks>,
) -> Result<Json<TaskList>, ApiError> {
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
    let page = page(query.limit, query.offset)?;
    let (rows, total) = rows(&app, &caller, Some(TaskStatus::Complete), None, page).await?;
    let tasks = rows.iter().map(views::completed).collect::<Result<_, _>>()?;
    Ok(Json(CompletedTaskList { tasks, total, limit: limit(page), offset: page.offset as u64 }))
}

/// A command on the caller's task; the engine looks at it right after.
async fn steer(app: &App, caller: &Caller, id: &str, command: Command, repeat: &Repeatable) -> Answer {
    let task = app.task(caller, id).await?.task.id;
    app.steer(task, vec![command], repeat.success(app.deps.clock.now())).await.map(success)
}

/// Answers when everything that the task ran is dead.
pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    once: OnceEnded,
) -> Result<Response, ApiError> {
    let task = app.task(&caller, &id).await?.task.id;
    app.end(task, Command::CancelTask, &once, miteos_core::task::Task::is_finished).await
}

pub async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    OnceBare(repeat): OnceBare,
) -> Answer {
    steer(&app, &caller, &id, Command::PauseTask, &repeat).await
}

pub async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    OnceBare(repeat): OnceBare,
) -> Answer {
    steer(&app, &caller, &id, Command::ResumeTask, &repeat).await
}

pub async fn guide(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Once { repeat, body: guide }: Once<Guide>,
) -> Answer {
    steer(&app, &caller, &id, Command::GuideTask { message: guide.message }, &repeat).await
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(update): Body<UpdateTask>,
) -> Result<Json<Task>, ApiError> {
    let live = app.task(&caller, &id).await?;
    let mut commands = Vec::new();
    if let Some(level) = update.config.autonomy_level {
        let level = in_range("config.autonomy_level", level, 0, 100)?;
        commands.push(Command::SetAutonomy { autonomy_level: u8::try_from(level).unwrap_or(0) });
    }
    if let Some(budget) = update.config.budget_cents {
        let budget =
            budget.map(|c| in_range("config.budget_cents", c, 0, create::MAX_BUDGET_CENTS)).transpose()?;
        if budget.is_some() {
            let settings = &live.task.settings;
            let names =
                settings.models.iter().chain(&settings.planner_models).flat_map(|name| name.parse().ok());
            create::priced(&app, &names.collect::<Vec<_>>())?;
        }
        commands
            .push(Command::SetBudget { budget_cents: budget.and_then(|cents| u64::try_from(cents).ok()) });
    }
    let live = app.steer(live.task.id, commands, None).await?;
    Ok(Json(shown(&app, &live).await?))
}
