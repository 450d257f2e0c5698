//! Webhooks: made, changed, tested, and what became of each event.

mod create;
mod deliveries;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use miteos_api::{RotateSecret, RotatedSecret, Success, UpdateWebhook, Webhook, WebhookStatus};
use miteos_core::ids::WebhookId;
use miteos_store::{StoreError, WebhookChange, WebhookRow, WebhookState};

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Body, Path, from_json};
use super::repeat::{Begun, again_sealed, begin, json_answer, to_json};
use super::steer::whole;
use crate::secrets::Sealed;
use crate::webhooks::Secret;

pub use create::create;
pub use deliveries::{list as deliveries, redeliver, test};

/// After a rotation the secret before lives on for this long (ms).
const OLD_SECRET_LIVES_MS: u64 = 24 * 3_600_000;
/// Why a webhook is disabled that somebody disabled.
const BY_HAND: &str = "disabled by its owner";

/// The caller's webhook. Another's, or the other world's, is not found, like one that does not exist.
async fn find(app: &App, caller: &Caller, id: &str) -> Result<WebhookRow, ApiError> {
    let missing = || ApiError::not_found("webhook");
    let id: WebhookId = id.parse().map_err(|_| missing())?;
    caller.own(app.deps.tasks.store.webhook(id).await?).ok_or_else(missing)
}

fn shown(app: &App, row: &WebhookRow) -> Webhook {
    let now = app.deps.clock.now();
    let (status, disabled_reason) = match &row.state {
        WebhookState::Enabled => (WebhookStatus::Enabled, None),
        WebhookState::Disabled { reason } => (WebhookStatus::Disabled, Some(reason.clone())),
    };
    let old = row.old_secret.as_ref().filter(|old| old.until > now);
    Webhook {
        id: row.id.to_string(),
        url: row.url.clone(),
        events: row.events.clone(),
        description: row.description.clone(),
        status,
        disabled_reason,
        failing_since: row.failing_since.map(|at| at.to_string()),
        previous_secret_expires_at: old.map(|old| old.until.to_string()),
        created_at: row.created_at.to_string(),
    }
}

/// The secret that was given, or a new one.
fn secret(given: Option<&str>) -> Result<Secret, ApiError> {
    let parsed = given.map(Secret::parse).transpose();
    let parsed = parsed.map_err(|error| ApiError::refused(error.to_string()))?;
    Ok(parsed.unwrap_or_else(Secret::generate))
}

fn seal(app: &App, id: WebhookId, secret: &Secret) -> Result<Vec<u8>, ApiError> {
    let sealed = app.master.seal(Sealed::WebhookSecret, &id.to_string(), secret.bytes());
    sealed.map_err(|error| ApiError::internal(&error))
}

pub async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Vec<Webhook>>, ApiError> {
    let rows = app.deps.tasks.store.webhooks(caller.key.account, caller.key.live).await?;
    Ok(Json(rows.iter().map(|row| shown(&app, row)).collect()))
}

pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Webhook>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    Ok(Json(shown(&app, &row)))
}

pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<UpdateWebhook>,
) -> Result<Json<Webhook>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let change = change(&app, asked, &row).await?;
    if change.events.is_some() {
        app.webhooks.catch_up(row.id).await?;
    }
    let (store, webhooks) = (app.deps.tasks.store.clone(), app.webhooks.clone());
    let changed = whole(async move {
        let changed = store.change_webhook(row.id, change).await;
        if let Ok(Some(changed)) = &changed {
            webhooks.put(changed);
        }
        changed
    });
    let changed = changed.await??.ok_or_else(|| ApiError::not_found("webhook"))?;
    Ok(Json(shown(&app, &changed)))
}

async fn change(app: &App, asked: UpdateWebhook, row: &WebhookRow) -> Result<WebhookChange, ApiError> {
    let events = asked.events.map(|events| create::events(&events)).transpose()?;
    let description = asked.description.map(create::description).transpose()?;
    let status = asked.status.map(|word| word.parse::<WebhookStatus>()).transpose();
    let status = status.map_err(|error| ApiError::refused(format!("status: {error}")))?;
    // Last, because it asks others.
    let url = match asked.url {
        Some(url) => Some(create::vetted(app, &url).await?),
        None => None,
    };
    let state = match (status, &row.state) {
        (None, _) => None,
        (Some(WebhookStatus::Enabled), _) => Some(WebhookState::Enabled),
        // The reason it has says more.
        (Some(WebhookStatus::Disabled), WebhookState::Disabled { .. }) => None,
        (Some(WebhookStatus::Disabled), WebhookState::Enabled) => {
            Some(WebhookState::Disabled { reason: BY_HAND.to_owned() })
        }
    };
    Ok(WebhookChange { url, events, description, state })
}

pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let (store, webhooks) = (app.deps.tasks.store.clone(), app.webhooks.clone());
    let deleted = whole(async move {
        let deleted = store.delete_webhook(row.id).await;
        if deleted.is_ok() {
            webhooks.remove(row.id);
        }
        deleted
    });
    if deleted.await?? { Ok(Json(Success::YES)) } else { Err(ApiError::not_found("webhook")) }
}

pub async fn rotate_secret(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let row = find(&app, &caller, &id).await?;
    let (repeat, body) = match begin(&app, request).await? {
        Begun::New(repeat, body) => (repeat, body),
        Begun::Again(row) => return again_sealed(&app, *row),
    };
    // Nothing has to be said, so the body may be missing.
    let asked: RotateSecret = if body.is_empty() { RotateSecret::default() } else { from_json(&body)? };
    let secret = secret(asked.secret.as_deref())?;
    let sealed = seal(&app, row.id, &secret)?;
    let now = app.deps.clock.now();
    let until = now.plus_ms(OLD_SECRET_LIVES_MS);
    let rotated = RotatedSecret { secret: secret.text(), previous_secret_expires_at: until.to_string() };
    let answer = to_json(&rotated);
    let kept = repeat.sealed_row(&app, StatusCode::OK, &answer, now)?;
    match app.deps.tasks.store.rotate_webhook_secret(row.id, sealed, until, kept).await {
        Ok(Some(_)) => Ok(json_answer(StatusCode::OK, answer)),
        Ok(None) => Err(ApiError::not_found("webhook")),
        Err(StoreError::Repeated(first)) => again_sealed(&app, *repeat.same(first)?),
        Err(error) => Err(error.into()),
    }
}
