//! Agents: read and steered one by one, and the answers to their questions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use miteos_api::{Agent, DecideApproval, Guide, ListAgents};
use miteos_core::command::{Command, Decision, Replacement};
use miteos_core::ids::{AgentId, ApprovalId};
use miteos_core::tool::Risk;
use serde_json::Value;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Path, Query};
use super::repeat::{Once, OnceBare, OnceEnded, Repeatable};
use super::steer::{Answer, success};
use crate::tasks::Live;
use crate::views;

/// The caller's agent and its task.
async fn find(app: &App, caller: &Caller, id: &str) -> Result<(AgentId, Live), ApiError> {
    let missing = || ApiError::not_found("agent");
    let id: AgentId = id.parse().map_err(|_| missing())?;
    let task = app.deps.tasks.store.task_of_agent(id).await?.ok_or_else(missing)?;
    let live = caller.own(app.deps.tasks.load(task).await?).ok_or_else(missing)?;
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
) -> Answer {
    let (agent, live) = find(app, caller, id).await?;
    let answer = repeat.success(app.deps.clock.now());
    app.steer(live.task.id, vec![command(agent)], answer).await.map(success)
}

pub async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    OnceBare(repeat): OnceBare,
) -> Answer {
    steer(&app, &caller, &id, &repeat, |agent| Command::PauseAgent { agent }).await
}

pub async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    OnceBare(repeat): OnceBare,
) -> Answer {
    steer(&app, &caller, &id, &repeat, |agent| Command::ResumeAgent { agent }).await
}

/// Answers when everything that the agent ran is dead.
pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    once: OnceEnded,
) -> Result<Response, ApiError> {
    let (agent, live) = find(&app, &caller, &id).await?;
    app.end(live.task.id, Command::CancelAgent { agent }, &once, |task| {
        task.agent(agent).is_none_or(miteos_core::agent::Agent::is_finished)
    })
    .await
}

pub async fn guide(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Once { repeat, body: guide }: Once<Guide>,
) -> Answer {
    steer(&app, &caller, &id, &repeat, |agent| Command::GuideAgent { agent, message: guide.message }).await
}

pub async fn approve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, approval)): Path<(String, String)>,
    Once { repeat, body: answer }: Once<DecideApproval>,
) -> Answer {
    let (_, live) = find(&app, &caller, &id).await?;
    let approval: ApprovalId = approval.parse().map_err(|_| ApiError::not_found("approval"))?;
    let decision = match (answer.approved, answer.input) {
        (false, _) => Decision::Reject { reason: answer.reason },
        (true, None) => Decision::Approve { replacement: None, reason: answer.reason },
        (true, Some(input)) => {
            let tool = live.task.approval(approval).map(|open| open.tool.clone());
            let replacement = replacement(&app, tool.as_deref(), Value::Object(input)).await?;
            Decision::Approve { replacement: Some(replacement), reason: answer.reason }
        }
    };
    steer(&app, &caller, &id, &repeat, |agent| Command::Decide { agent, approval, decision }).await
}

/// Arguments put in place of the proposed ones have to fit the tool, too, and are judged anew. `tool` is `None` when
/// the approval is not open: then its state answers, and only the hash matters.
async fn replacement(app: &App, tool: Option<&str>, input: Value) -> Result<Replacement, ApiError> {
    let mut risk = Risk::Low;
    if let Some(tool) = tool {
        app.deps.registry.check(tool, &input).map_err(|why| ApiError::refused(format!("input: {why}")))?;
        risk = app.deps.registry.get(tool).map_or(Risk::Critical, |tool| tool.risk(&input));
    }
    let text = input.to_string();
    let input_sha256 = miteos_core::content::Sha256::of(text.as_bytes());
    Ok(Replacement { input: app.deps.content(text, None).await?, input_sha256, risk })
}
