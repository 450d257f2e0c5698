//! `POST /webhooks`: everything is checked before anything is made.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use miteos_api::{CreateWebhook, CreatedWebhook};
use miteos_core::ids::WebhookId;
use miteos_store::{StoreError, WebhookRow, WebhookState};

use super::super::App;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::extract::from_json;
use super::super::repeat::{Begun, again_sealed, begin, json_answer, to_json};
use crate::webhooks;

/// Longest address (characters).
const MAX_URL_CHARS: usize = 2_048;
/// Longest description (characters).
const MAX_DESCRIPTION_CHARS: usize = 1_000;

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (repeat, body) = match begin(&app, request).await? {
        Begun::New(repeat, body) => (repeat, body),
        Begun::Again(row) => return again_sealed(&app, *row),
    };
    let asked: CreateWebhook = from_json(&body)?;
    let events = events(&asked.events)?;
    let secret = super::secret(asked.secret.as_deref())?;
    let description = description(asked.description)?;
    let url = vetted(&app, &asked.url).await?;
    let now = app.deps.clock.now();
    let id = WebhookId(app.ids.ulid(now));
    let row = WebhookRow {
        id,
        account: caller.key.account,
        live: caller.key.live,
        url,
        events,
        description,
        secret: super::seal(&app, id, &secret)?,
        old_secret: None,
        state: WebhookState::Enabled,
        cursor: 0,
        failing_since: None,
        created_at: now,
    };
    let made = CreatedWebhook { webhook: super::shown(&app, &row), secret: secret.text() };
    let answer = to_json(&made);
    let kept = repeat.sealed_row(&app, StatusCode::CREATED, &answer, now)?;
    let (store, webhooks) = (app.deps.tasks.store.clone(), app.webhooks.clone());
    let inserted = super::whole(async move {
        let inserted = store.insert_webhook(row, kept).await?;
        webhooks.put(&inserted);
        Ok(())
    });
    match inserted.await? {
        Ok(()) => Ok(json_answer(StatusCode::CREATED, answer)),
        Err(StoreError::Repeated(first)) => again_sealed(&app, *repeat.same(first)?),
        Err(error) => Err(error.into()),
    }
}

/// Names of events that there are.
pub fn events(asked: &[String]) -> Result<Vec<String>, ApiError> {
    webhooks::checked(asked).map_err(ApiError::refused)
}

pub fn description(text: Option<String>) -> Result<Option<String>, ApiError> {
    if text.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION_CHARS) {
        return Err(ApiError::refused(format!(
            "description has more than {MAX_DESCRIPTION_CHARS} characters"
        )));
    }
    Ok(text)
}

/// An address that may be reached now. It is judged again at each connection.
pub async fn vetted(app: &App, url: &str) -> Result<String, ApiError> {
    let chars = url.chars().count();
    if chars > MAX_URL_CHARS {
        return Err(ApiError::refused(format!(
            "url has {chars} characters; at most {MAX_URL_CHARS} are taken"
        )));
    }
    let url = app.deps.services.http.vet(url).await;
    url.map(String::from).map_err(|error| ApiError::refused(format!("url: {error}")))
}
