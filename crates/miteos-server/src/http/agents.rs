//! Agents: read and steered one by one, and the answers to their questions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use miteos_api::{Agent, DecideApproval, Guide, ListAgents, Success};
use miteos_core::command::{Command, Decision, Replacement};
use miteos_core::ids::{AgentId, ApprovalId};
use serde_json::Value;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Path, Query};
use super::repeat::{Once, OnceBare, Repeatable};
use crate::tasks::Live;
use crate::views;

/// The caller's agent and its task.
async fn find(app: &App, caller: &Caller, id: &str) -> Result<(AgentId, Live), ApiError> {
    let missing = || ApiError::not_found("agent");
    let id: AgentId = id.parse().map_err(|_| missing())?;
    let task = app.deps.tasks.store.task_of_agent(id).await?.ok_or_else(missing)?;
    let live = app.deps.tasks.load(task).await?.filter(|live| caller.owns(&live.task)).ok_or_else(missing)?;
    Ok((id, live))
}

pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Agent>, ApiError> {
    let (id, live) = find(&app, &caller, &id).await?;
    let agent = live.task.agent(id).ok_or_else(|| ApiError::not_found("agent"))?;
    Ok(Json(views::agent(&live.task, agent)))
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListAgents>,
) -> Result<Json<Vec<Agent>>, ApiError> {
    let task = query
        .task_id
        .ok_or_else(|| ApiError::malformed("task_id is missing: name the task whose agents you want"))?;
    let live = app.task(&caller, &task).await?;
    Ok(Json(live.task.agents.iter().map(|agent| views::agent(&live.task, agent)).collect()))
}

async fn steer(
    app: &App,
    caller: &Caller,
    id: &str,
    repeat: &Repeatable,
    command: impl FnOnce(AgentId) -> Command,
) -> Result<Json<Success>, ApiError> {
    let (agent, live) = find(app, caller, id).await?;
    let answer = repeat.success(app.deps.clock.now());
    app.deps.tasks.command_once(live.task.id, command(agent), answer).await?;
    app.engine.wake(live.task.id);
    Ok(Json(Success::YES))
}

pub async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    OnceBare(repeat): OnceBare,
) -> Result<Json<Success>, ApiError> {
    steer(&app, &caller, &id, &repeat, |agent| Command::PauseAgent { agent }).await
}

pub async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    OnceBare(repeat): OnceBare,
) -> Result<Json<Success>, ApiError> {
    steer(&app, &caller, &id, &repeat, |agent| Command::ResumeAgent { agent }).await
}

pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    OnceBare(repeat): OnceBare,
) -> Result<Json<Success>, ApiError> {
    steer(&app, &caller, &id, &repeat, |agent| Command::CancelAgent { agent }).await
}

pub async fn guide(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Once { repeat, body: guide }: Once<Guide>,
) -> Result<Json<Success>, ApiError> {
    steer(&app, &caller, &id, &repeat, |agent| Command::GuideAgent { agent, message: guide.message }).await
}

pub async fn approve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, approval)): Path<(String, String)>,
    Once { repeat, body: answer }: Once<DecideApproval>,
) -> Result<Json<Success>, ApiError> {
    let (_, live) = find(&app, &caller, &id).await?;
    let approval: ApprovalId = approval.parse().map_err(|_| ApiError::not_found("approval"))?;
    let decision = match (answer.approved, answer.input) {
        (false, _) => Decision::Reject { reason: answer.reason },
        (true, None) => Decision::Approve { replacement: None },
        (true, Some(input)) => {
            let tool = live.task.approval(approval).map(|open| open.tool.clone());
            Decision::Approve { replacement: replacement(&app, tool.as_deref(), Value::Object(input)).await? }
        }
    };
    steer(&app, &caller, &id, &repeat, |agent| Command::Decide { agent, approval, decision }).await
}

/// Arguments put in place of the proposed ones have to fit the tool, too.
async fn replacement(app: &App, tool: Option<&str>, input: Value) -> Result<Option<Replacement>, ApiError> {
    // An approval that is no longer open is answered by its state.
    let Some(tool) = tool else { return Ok(None) };
    app.deps.registry.check(tool, &input).map_err(|why| ApiError::refused(format!("input: {why}")))?;
    let text = input.to_string();
    let input_sha256 = miteos_core::content::Sha256::of(text.as_bytes());
    Ok(Some(Replacement { input: app.deps.content(text, None).await?, input_sha256 }))
}
