//! Approvals of the whole account, and when its tasks ask for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use miteos_api::{Approval, ApprovalList, ApprovalPolicy, ApprovalStatus, ListApprovals, SetApprovalPolicy};
use miteos_core::policy::{ALWAYS_ASKS, Policy, ToolRule};
use miteos_core::tool::Risk;
use serde_json::Value;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Body, Query, in_range, page};
use crate::views;

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListApprovals>,
) -> Result<Json<ApprovalList>, ApiError> {
    let status = query.status.map(|word| word.parse::<ApprovalStatus>()).transpose();
    let status = status.map_err(|error| ApiError::refused(error.to_string()))?;
    let page = page(query.limit, query.offset)?;
    if let Some(task) = &query.task_id {
        return of_task(&app, &caller, task, status, page).await;
    }
    let store = &app.deps.tasks.store;
    let word = status.map(|status| status.as_str().to_owned());
    let (rows, total) =
        store.approvals(caller.key.account, caller.key.live, word, page.limit, page.offset).await?;
    let approvals =
        rows.iter().map(|row| serde_json::from_str(&row.body)).collect::<Result<Vec<Approval>, _>>()?;
    Ok(Json(ApprovalList { approvals, total, limit: page.told().0, offset: page.offset as u64 }))
}

/// A task's open approvals are part of its state.
async fn of_task(
    app: &App,
    caller: &Caller,
    task: &str,
    status: Option<ApprovalStatus>,
    page: super::extract::Page,
) -> Result<Json<ApprovalList>, ApiError> {
    if status.is_some_and(|status| status != ApprovalStatus::Pending) {
        return Err(ApiError::refused(
            "task_id goes with status=pending; the task's events have the settled ones",
        ));
    }
    let live = app.task(caller, task).await?;
    let open: Vec<Approval> = live.task.approvals().map(crate::project::approval).collect();
    let total = open.len() as u64;
    let approvals = open.into_iter().skip(page.offset).take(page.limit).collect();
    Ok(Json(ApprovalList { approvals, total, limit: page.told().0, offset: page.offset as u64 }))
}

/// The policy that the account's next task takes.
pub async fn policy_of(app: &App, caller: &Caller) -> Result<Policy, ApiError> {
    let key = &caller.key;
    match app.deps.tasks.store.approval_policy(key.account, key.live).await? {
        Some(body) => Ok(serde_json::from_str(&body)?),
        None => Ok(Policy::default()),
    }
}

pub async fn policy(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<ApprovalPolicy>, ApiError> {
    Ok(Json(views::approval_policy(policy_of(&app, &caller).await?)))
}

/// Replaces the account's policy. Tasks that exist keep the one they were made with.
pub async fn set_policy(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(wanted): Body<SetApprovalPolicy>,
) -> Result<Json<ApprovalPolicy>, ApiError> {
    let policy = checked(&app, wanted)?;
    let body = serde_json::to_string(&policy)?;
    let (key, now) = (&caller.key, app.deps.clock.now());
    app.deps.tasks.store.set_approval_policy(key.account, key.live, body, now).await?;
    Ok(Json(views::approval_policy(policy)))
}

/// A threshold may be raised, never lowered below the default; a tool that can do critical harm is never let run
/// unasked.
fn checked(app: &App, wanted: SetApprovalPolicy) -> Result<Policy, ApiError> {
    let default = Policy::default();
    let raised = |name: &str, value: Option<i64>, least: u8| match value {
        None => Ok(least),
        Some(value) => in_range(name, value, i64::from(least), i64::from(ALWAYS_ASKS))
            .map(|value| u8::try_from(value).unwrap_or(ALWAYS_ASKS)),
    };
    let mut tools = BTreeMap::new();
    for (name, word) in wanted.tools {
        let Some(tool) = app.deps.registry.get(&name) else {
            return Err(ApiError::refused(format!("tools: there is no tool \"{name}\"")));
        };
        let rule = match word.as_str() {
            "always" => ToolRule::Always,
            "never" if tool.risk(&Value::Null) == Risk::Critical => {
                return Err(ApiError::refused(format!(
                    "tools.{name}: what it does can be critical, so it cannot be set to never"
                )));
            }
            "never" => ToolRule::Never,
            other => {
                return Err(ApiError::refused(format!(
                    "tools.{name}: \"{other}\" is no rule; there are always and never"
                )));
            }
        };
        tools.insert(name, rule);
    }
    Ok(Policy {
        low: raised("low", wanted.low, default.low)?,
        medium: raised("medium", wanted.medium, default.medium)?,
        high: raised("high", wanted.high, default.high)?,
        critical: raised("critical", wanted.critical, default.critical)?,
        tools,
    })
}
