//! Deploy configurations: made and changed only when the provider takes them, and never shown with their credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use miteos_api::{CreateDeployConfig, DeployConfig, DeployTarget, Success, UpdateDeployConfig};
use miteos_core::ids::{DeployConfigId, DeploymentId};
use miteos_deploy::{DeployError, ErrorKind, Retry, TargetKind};
use miteos_store::{ConfigChanged, DeployConfigRow};
use serde_json::{Map, Value};

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Body, Path, named};
use super::repeat::{Once, json_answer, to_json};
use crate::deployments::{self, Parsed, core_target};
use crate::errors::chain;

/// Longest name (characters).
const MAX_NAME_CHARS: usize = 200;

/// The caller's configuration. Another's, or the other world's, is not found, like one that does not exist.
pub async fn find(app: &App, caller: &Caller, id: &str) -> Result<DeployConfigRow, ApiError> {
    let missing = || ApiError::not_found("deploy configuration");
    let id: DeployConfigId = id.parse().map_err(|_| missing())?;
    caller.own(app.deps.tasks.store.deploy_config(id).await?).ok_or_else(missing)
}

fn shown(row: &DeployConfigRow) -> Result<DeployConfig, ApiError> {
    let target: DeployTarget = row.target.parse().map_err(|error| ApiError::internal(&error))?;
    Ok(DeployConfig {
        id: row.id.to_string(),
        name: row.name.clone(),
        target,
        settings: serde_json::from_str(&row.settings)?,
        provider_account: row.provider_account.clone(),
        provider_project: row.provider_project.clone(),
        verified_at: row.verified_at.map(|at| at.to_string()),
        created_at: row.created_at.to_string(),
        updated_at: row.updated_at.to_string(),
    })
}

fn kind(word: &str) -> Result<TargetKind, ApiError> {
    let target = word.parse::<DeployTarget>();
    let target = target.map_err(|error| ApiError::refused(format!("target: {error}")))?;
    deployments::kind(core_target(target)).ok_or_else(|| {
        ApiError::refused(format!("target: {word} is built in and needs no deploy configuration"))
    })
}

/// Checks them, and in the live world asks the provider. The row says then what it answered.
async fn checked(
    app: &App,
    row: &mut DeployConfigRow,
    kind: TargetKind,
    credentials: &Value,
    settings: &Map<String, Value>,
) -> Result<(), ApiError> {
    let Parsed { config, .. } = deployments::parse(kind, credentials, settings).map_err(ApiError::refused)?;
    if row.live {
        let secrets: Vec<String> = config.secrets().into_iter().map(str::to_owned).collect();
        let verified = app.deployments.parts().verify(config).await;
        let verified = verified.map_err(|error| refused(error, &secrets))?;
        row.provider_account = Some(verified.account);
        row.provider_project = verified.project;
        row.verified_at = Some(app.deps.clock.now());
    }
    let sealed = app.deployments.parts().seal_credentials(row.id, credentials);
    row.credentials = sealed.map_err(|error| ApiError::internal(&error))?;
    row.settings = Value::Object(settings.clone()).to_string();
    row.updated_at = app.deps.clock.now();
    Ok(())
}

/// Nothing was stored: the provider does not take it, or could not be asked.
fn refused(mut error: DeployError, secrets: &[String]) -> ApiError {
    tracing::info!(error = %chain(&error), "a deploy configuration was not taken");
    // Cleaned where it was made; this is the second line.
    error.message = secrets.iter().fold(error.message, |text, secret| text.replace(secret.as_str(), "***"));
    match error.kind.retry() {
        Retry::Never if error.kind != ErrorKind::TimedOut => ApiError::refused(error.message),
        Retry::Never | Retry::Soon | Retry::At { .. } => {
            ApiError::refused(format!("the provider could not be asked: {}", error.message))
        }
    }
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Once { repeat, body: asked }: Once<CreateDeployConfig>,
) -> Result<Response, ApiError> {
    let name = named(&asked.name, MAX_NAME_CHARS)?.to_owned();
    let kind = kind(&asked.target)?;
    let now = app.deps.clock.now();
    let mut row = DeployConfigRow {
        id: DeployConfigId(app.ids.ulid(now)),
        account: caller.key.account,
        live: caller.key.live,
        name,
        target: kind.word().to_owned(),
        settings: String::new(),
        credentials: Vec::new(),
        provider_account: None,
        provider_project: None,
        verified_at: None,
        created_at: now,
        updated_at: now,
    };
    let settings = asked.settings.unwrap_or_default();
    checked(&app, &mut row, kind, &Value::Object(asked.credentials), &settings).await?;
    let body = to_json(&shown(&row)?);
    let answer = repeat.row(StatusCode::CREATED, &body, app.deps.clock.now());
    app.deps.tasks.store.insert_deploy_config(row, answer).await?;
    Ok(json_answer(StatusCode::CREATED, body))
}

pub async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Vec<DeployConfig>>, ApiError> {
    let scope = caller.scope();
    let rows = app.deps.tasks.store.deploy_configs(scope).await?;
    Ok(Json(rows.iter().map(shown).collect::<Result<_, _>>()?))
}

pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeployConfig>, ApiError> {
    Ok(Json(shown(&find(&app, &caller, &id).await?)?))
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<UpdateDeployConfig>,
) -> Result<Json<DeployConfig>, ApiError> {
    let before = find(&app, &caller, &id).await?;
    let mut after = before.clone();
    if let Some(name) = &asked.name {
        after.name = named(name, MAX_NAME_CHARS)?.to_owned();
        after.updated_at = app.deps.clock.now();
    }
    if asked.credentials.is_some() || asked.settings.is_some() {
        let credentials = match asked.credentials {
            Some(credentials) => Value::Object(credentials),
            None => {
                let opened = app.deployments.parts().unseal(&before);
                opened.map_err(|failure| ApiError::refused(failure.message))?.0
            }
        };
        let settings = match asked.settings {
            Some(settings) => settings,
            None => serde_json::from_str(&before.settings)?,
        };
        checked(&app, &mut after, kind(&before.target)?, &credentials, &settings).await?;
    }
    let body = shown(&after)?;
    done(app.deps.tasks.store.change_deploy_config(before, after).await?)?;
    Ok(Json(body))
}

pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    done(app.deps.tasks.store.delete_deploy_config(row.id).await?)?;
    Ok(Json(Success::YES))
}

fn done(changed: ConfigChanged) -> Result<(), ApiError> {
    let in_use = |user: DeploymentId| {
        ApiError::refused(format!("{user} uses this deploy configuration; wait for its end or cancel it"))
    };
    match changed {
        ConfigChanged::Done => Ok(()),
        ConfigChanged::Missing => Err(ApiError::not_found("deploy configuration")),
        ConfigChanged::InUse(user) => Err(in_use(user)),
        ConfigChanged::Late => Err(ApiError::refused(
            "somebody else has changed this deploy configuration meanwhile; read it and change it again",
        )),
    }
}
