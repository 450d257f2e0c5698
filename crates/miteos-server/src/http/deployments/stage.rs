//! `POST /tasks/{id}/deliverables/{file}/stage`: a deliverable in the place of a workspace, to the preview host.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use miteos_core::deployment::{About, BuildWishes, Created, Deployment, Environment, Target};
use miteos_core::ids::{DeliverableId, DeploymentId};

use super::super::App;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::extract::Path;
use super::super::repeat::{OnceBare, json_answer, to_json};
use crate::deployments::{Made, can_be_staged, shown};

pub async fn stage(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, file)): Path<(String, String)>,
    OnceBare(repeat): OnceBare,
) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found("deliverable");
    let task = app.task(&caller, &id).await?.task;
    let file: DeliverableId = file.parse().map_err(|_| missing())?;
    let row = app.deps.tasks.store.deliverable(task.id, file).await?.ok_or_else(missing)?;
    can_be_staged(&row).map_err(ApiError::refused)?;
    let now = app.deps.clock.now();
    let about = About {
        workspace: row.workspace,
        target: Target::Preview,
        config: None,
        environment: Environment::Preview,
        task: Some(task.id),
        agent: None,
        call: None,
        deliverable: Some(row.id),
        created_at: now,
    };
    let wishes = BuildWishes::default();
    let created = Created { account: caller.key.account, live: caller.key.live, about, wishes };
    let repeat = Arc::new(repeat);
    let kept = Arc::clone(&repeat);
    let answer = move |made: &Deployment| kept.row(StatusCode::CREATED, &to_json(&shown(made)), now);
    match app.deployments.create(DeploymentId(app.ids.ulid(now)), created, answer).await? {
        Made::New(made) | Made::Known(made) => Ok(json_answer(StatusCode::CREATED, to_json(&shown(&made)))),
        Made::Active(other) => Err(ApiError::refused(format!(
            "{other} of this deliverable to preview is not over; wait for its end or cancel it"
        ))),
    }
}
