//! Approvals of the whole account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use miteos_api::{Approval, ApprovalList, ApprovalStatus, ListApprovals};

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Query, page};

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
    Ok(Json(ApprovalList {
        approvals,
        total,
        limit: u32::try_from(page.limit).unwrap_or(0),
        offset: page.offset as u64,
    }))
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
    Ok(Json(ApprovalList {
        approvals,
        total,
        limit: u32::try_from(page.limit).unwrap_or(0),
        offset: page.offset as u64,
    }))
}
