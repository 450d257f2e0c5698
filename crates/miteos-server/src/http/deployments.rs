//! Deployments: made, listed, read, cancelled. Their logs have a file of their own.

mod logs;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use miteos_api::{
    CreateDeployment, DeployTarget, DeployVisibility, DeploymentList, ListDeployments, Success,
};
use miteos_core::deployment::{About, Created, Deployment, Environment, Rejected, Status, Target};
use miteos_core::ids::{DeployConfigId, DeploymentId, WorkspaceId};
use miteos_store::{DeployConfigRow, Visibility};

use super::App;
use super::auth::Caller;
use super::deploy_configs;
use super::error::ApiError;
use super::extract::{Path, Query, page};
use super::repeat::{Begun, Once, OnceEnded, again, json_answer, replayed, to_json};
use super::workspaces;
use crate::deployments::{
    self, CommandError, DeploymentError, Made, RollbackAsked, RolledBack, core_target, environment, read,
    shown,
};

pub use logs::logs;
pub use stage::stage;

/// How long a cancel waits for everything to have ended before it answers.
const CANCEL_WAIT: Duration = Duration::from_secs(15);

/// The caller's deployment. Another's, or the other world's, is not found, like one that does not exist.
async fn find(app: &App, caller: &Caller, id: &str) -> Result<Deployment, ApiError> {
    let missing = || ApiError::not_found("deployment");
    let id: DeploymentId = id.parse().map_err(|_| missing())?;
    caller.own(app.deployments.load(id).await?).ok_or_else(missing)
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Once { repeat, body: asked }: Once<CreateDeployment>,
) -> Result<Response, ApiError> {
    let target = asked.target.parse::<DeployTarget>();
    let target = target.map_err(|error| ApiError::refused(format!("target: {error}")))?;
    let wishes = deployments::wishes(asked.settings.unwrap_or_default()).map_err(ApiError::refused)?;
    let workspace = workspaces::find(&app, &caller, &asked.workspace_id).await?;
    let target = core_target(target);
    let config = config(&app, &caller, target, asked.config_id.as_deref()).await?;
    let environment = match &config {
        Some(row) => {
            let opened = app.deployments.parts().unseal(row);
            let (_, parsed) = opened.map_err(|failure| ApiError::refused(failure.message))?;
            environment(&parsed.config)
        }
        None => Environment::Preview,
    };
    let now = app.deps.clock.now();
    let about = About {
        workspace: workspace.id,
        target,
        config: config.map(|row| row.id),
        environment,
        task: None,
        agent: None,
        call: None,
        deliverable: None,
        created_at: now,
    };
    let created = Created { account: caller.key.account, live: caller.key.live, about, wishes };
    let id = DeploymentId(app.ids.ulid(now));
    let repeat = Arc::new(repeat);
    let kept = Arc::clone(&repeat);
    let answer = move |made: &Deployment| kept.row(StatusCode::CREATED, &to_json(&shown(made)), now);
    match app.deployments.create(id, created, answer).await? {
        Made::New(made) | Made::Known(made) => Ok(json_answer(StatusCode::CREATED, to_json(&shown(&made)))),
        Made::Active(other) => Err(ApiError::refused(format!(
            "{other} of this workspace to {} is not over; wait for its end or cancel it",
            target.as_str()
        ))),
    }
}

/// The configuration to deploy with: the one that is named, or the only one for the target. This server itself needs
/// none.
pub(super) async fn config(
    app: &App,
    caller: &Caller,
    target: Target,
    named: Option<&str>,
) -> Result<Option<DeployConfigRow>, ApiError> {
    let word = target.as_str();
    if deployments::kind(target).is_none() {
        if named.is_some() {
            return Err(ApiError::refused(format!("config_id: {word} needs no deploy configuration")));
        }
        if caller.key.live && app.deployments.parts().publisher.is_none() {
            return Err(ApiError::refused("target: this server has no preview host"));
        }
        return Ok(None);
    }
    if let Some(id) = named {
        let row = deploy_configs::find(app, caller, id).await?;
        if row.target != word {
            let detail = format!("config_id: {id} is for {}, not for {word}", row.target);
            return Err(ApiError::refused(detail));
        }
        return Ok(Some(row));
    }
    let scope = caller.scope();
    let mut fitting = app.deps.tasks.store.deploy_configs(scope).await?;
    fitting.retain(|row| row.target == word);
    match fitting.len() {
        0 => Err(ApiError::refused(format!(
            "there is no deploy configuration for {word}; make one with POST /v1/deploy-configs, or deploy to preview"
        ))),
        1 => Ok(fitting.pop()),
        _ => {
            let ids: Vec<DeployConfigId> = fitting.iter().map(|row| row.id).collect();
            let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Err(ApiError::refused(format!(
                "config_id is missing: there is more than one deploy configuration for {word} ({ids})"
            )))
        }
    }
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListDeployments>,
) -> Result<Json<DeploymentList>, ApiError> {
    let page = page(query.limit, query.offset)?;
    let scope = caller.scope();
    let workspace = match &query.workspace_id {
        None => None,
        Some(id) => match id.parse::<WorkspaceId>() {
            Ok(id) => Some(id),
            Err(error) => return Err(ApiError::refused(format!("workspace_id: {error}"))),
        },
    };
    let store = &app.deps.tasks.store;
    // One more tells whether there are more.
    let mut rows = store.deployments(scope, workspace, page.limit + 1, page.offset).await?;
    let has_more = rows.len() > page.limit;
    rows.truncate(page.limit);
    // One that cannot be read hides none of the others.
    let readable = |row| match read(row) {
        Ok(deployment) => Some(deployment),
        Err(error) => {
            tracing::error!(error = %crate::errors::chain(&error), "a deployment is left out of a list");
            None
        }
    };
    let found: Vec<Deployment> = rows.iter().filter_map(readable).collect();
    let data = as_they_are(&app, &found).await?;
    Ok(Json(DeploymentList { data, has_more }))
}

pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<miteos_api::Deployment>, ApiError> {
    Ok(Json(as_it_is(&app, &find(&app, &caller, &id).await?).await?))
}

/// As clients see it now.
async fn as_it_is(app: &App, deployment: &Deployment) -> Result<miteos_api::Deployment, ApiError> {
    let mut shown = as_they_are(app, std::slice::from_ref(deployment)).await?;
    shown.pop().ok_or_else(|| ApiError::not_found("deployment"))
}

/// Several at once. What its owner has decided about a preview since it went live is in no journal.
async fn as_they_are(app: &App, all: &[Deployment]) -> Result<Vec<miteos_api::Deployment>, ApiError> {
    let is_preview = |one: &&Deployment| one.about.target == Target::Preview && one.status() == Status::Live;
    let previews: Vec<DeploymentId> = all.iter().filter(is_preview).map(|one| one.id).collect();
    let mut seen: Vec<miteos_api::Deployment> = all.iter().map(shown).collect();
    if previews.is_empty() {
        return Ok(seen);
    }
    let now = app.deps.clock.now();
    let rows = app.deps.tasks.store.previews_of(previews).await?;
    for (deployment, shown) in all.iter().zip(&mut seen) {
        if let Some(row) = rows.iter().find(|row| row.deployment == deployment.id) {
            let word = match row.visibility {
                Visibility::Public => DeployVisibility::Public,
                Visibility::Link => DeployVisibility::Link,
            };
            shown.visibility = Some(word).filter(|_| row.is_there(now));
        }
    }
    Ok(seen)
}

/// Answers when nothing of it runs any more, here or at the provider.
pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    once: OnceEnded,
) -> Result<Response, ApiError> {
    let id = find(&app, &caller, &id).await?.id;
    let answer = match once.success(app.deps.clock.now()) {
        Ok(answer) => {
            app.deployments.cancel(id, answer).await?;
            Json(Success::YES).into_response()
        }
        Err(row) => again(row),
    };
    // What does not end in time is still being ended then; it is not called failed before.
    let _ = tokio::time::timeout(CANCEL_WAIT, app.deployments.until(id, Deployment::is_finished)).await;
    match app.deployments.load(id).await? {
        Some(late) if late.status() == Status::Live => Err(CommandError::Rejected(Rejected::IsLive).into()),
        Some(_) | None => Ok(answer),
    }
}

/// Makes an older deployment the live one again, where its provider can. What is stored of the request is which record it
/// made: a repeat of it, be it after a crash, is told what came of that.
pub async fn roll_back(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    OnceEnded(begun): OnceEnded,
) -> Result<Response, ApiError> {
    let deployment = find(&app, &caller, &id).await?;
    // Held until the answer, so that a twin that comes meanwhile is told so.
    let (version, first) = match begun {
        Begun::New(repeat, _) => {
            let (first, now) = (Arc::new(repeat), app.deps.clock.now());
            let kept = Arc::clone(&first);
            let answer = move |asked: &Deployment| kept.row(StatusCode::OK, &to_json(&asked.version), now);
            match app.deployments.roll_back(&deployment, answer).await? {
                RollbackAsked::Recorded { version } => (version, Some(first)),
                RollbackAsked::Refused(why) => return Err(ApiError::refused(why)),
            }
        }
        Begun::Again(row) => match serde_json::from_slice(&row.body) {
            Ok(version) => (version, None),
            // Stored by an earlier version: the answer itself.
            Err(_) => return Ok(again(&row)),
        },
    };
    match app.deployments.rolled_back(deployment.id, version).await? {
        RolledBack::Done(live) => {
            let answer = json_answer(StatusCode::OK, to_json(&shown(&live)));
            Ok(if first.is_some() { answer } else { replayed(answer) })
        }
        RolledBack::Refused(why) => Err(ApiError::refused(why)),
        RolledBack::UnderWay => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the provider has not answered yet; it goes on by itself, and the deployment's log tells its end",
        )),
    }
}

impl From<DeploymentError> for ApiError {
    fn from(error: DeploymentError) -> Self {
        match error {
            DeploymentError::Store(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound => Self::not_found("deployment"),
            CommandError::Rejected(rejected) => Self::refused(rejected.to_string()),
            CommandError::Deployment(error) => error.into(),
        }
    }
}
