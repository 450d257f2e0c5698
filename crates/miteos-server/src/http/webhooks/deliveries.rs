//! What became of events on their way to a webhook: the list, a test, and sending one again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use miteos_api::{Delivery, DeliveryList, DeliveryStatus, ListDeliveries, WebhookTest};
use miteos_core::ids::{DeliveryId, Source};
use miteos_store::{DeliveryRow, DeliveryState, StoreError, WebhookRow, WebhookState};

use super::super::App;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::extract::{Path, Query, page};
use super::super::repeat::{OnceBare, Repeatable, again, json_answer, to_json};
use super::super::steer::whole;

fn shown(row: &DeliveryRow) -> Delivery {
    let (status, due_at) = match row.state {
        DeliveryState::Pending { due_at } => (DeliveryStatus::Pending, Some(due_at)),
        DeliveryState::Delivered => (DeliveryStatus::Delivered, None),
        DeliveryState::Failed => (DeliveryStatus::Failed, None),
    };
    let last = row.last.as_ref();
    let (task_id, deployment_id) = match row.source.map(|(source, _)| source) {
        Some(Source::Task(task)) => (Some(task.to_string()), None),
        Some(Source::Deployment(id)) => (None, Some(id.to_string())),
        None => (None, None),
    };
    Delivery {
        id: row.id.to_string(),
        webhook_id: row.webhook.to_string(),
        event_id: row.event.to_string(),
        kind: row.kind.clone(),
        task_id,
        deployment_id,
        seq: row.source.map(|(_, seq)| seq),
        status,
        attempts: row.attempts,
        created_at: row.created_at.to_string(),
        last_attempt_at: last.map(|attempt| attempt.at.to_string()),
        next_attempt_at: due_at.map(|at| at.to_string()),
        response_status: last.and_then(|attempt| attempt.response),
        duration_ms: last.map(|attempt| attempt.duration_ms),
        error: last.and_then(|attempt| attempt.error.clone()),
    }
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<ListDeliveries>,
) -> Result<Json<DeliveryList>, ApiError> {
    let webhook = super::find(&app, &caller, &id).await?;
    let page = page(query.limit, query.offset)?;
    let (rows, total) = app.deps.tasks.store.deliveries(webhook.id, page.limit, page.offset).await?;
    Ok(Json(DeliveryList {
        deliveries: rows.iter().map(shown).collect(),
        total,
        limit: page.told().0,
        offset: page.offset as u64,
    }))
}

/// Sends a test event, and answers when it is known what came of it.
pub async fn test(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    OnceBare(repeat): OnceBare,
) -> Result<Response, ApiError> {
    let webhook = super::find(&app, &caller, &id).await?;
    let stopping = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping");
    let row = app.webhooks.test(&webhook).await?.ok_or_else(stopping)?;
    let last = row.last.as_ref();
    let answer = to_json(&WebhookTest {
        ok: row.state == DeliveryState::Delivered,
        response_status: last.and_then(|attempt| attempt.response),
        duration_ms: last.map_or(0, |attempt| attempt.duration_ms),
        error: last.and_then(|attempt| attempt.error.clone()),
        delivery_id: row.id.to_string(),
    });
    store(&app, &repeat, row, StatusCode::OK, answer).await
}

/// Sends an event again, under its old id. One that waits for its next attempt is tried at once.
pub async fn redeliver(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, delivery)): Path<(String, String)>,
    OnceBare(repeat): OnceBare,
) -> Result<Response, ApiError> {
    let webhook = super::find(&app, &caller, &id).await?;
    let row = of_webhook(&app, &webhook, &delivery).await?;
    if webhook.state != WebhookState::Enabled {
        return Err(ApiError::refused("the webhook is disabled; enable it before anything is sent again"));
    }
    let (app, hook) = (Arc::clone(&app), webhook.id);
    // To its end even if the caller goes away: what is due is then also known to those who send.
    whole(async move {
        let answered = send_again(&app, &repeat, row).await;
        app.webhooks.wake(hook);
        answered
    })
    .await?
}

async fn send_again(app: &App, repeat: &Repeatable, row: DeliveryRow) -> Result<Response, ApiError> {
    let now = app.deps.clock.now();
    let pending = DeliveryState::Pending { due_at: now };
    if let DeliveryState::Pending { .. } = row.state {
        let answer = to_json(&shown(&DeliveryRow { state: pending, ..row.clone() }));
        let kept = repeat.row(StatusCode::OK, &answer, now);
        match app.deps.tasks.store.hurry_delivery(row.id, now, kept).await {
            Ok(true) => return Ok(json_answer(StatusCode::OK, answer)),
            // It was settled just now: it is sent again like any other.
            Ok(false) => {}
            Err(StoreError::Repeated(first)) => return Ok(again(&*repeat.same(first)?)),
            Err(error) => return Err(error.into()),
        }
    }
    let id = app.webhooks.delivery_id();
    let fresh = DeliveryRow { id, state: pending, attempts: 0, created_at: now, last: None, ..row };
    let answer = to_json(&shown(&fresh));
    store(app, repeat, fresh, StatusCode::CREATED, answer).await
}

async fn of_webhook(app: &App, webhook: &WebhookRow, id: &str) -> Result<DeliveryRow, ApiError> {
    let missing = || ApiError::not_found("delivery");
    let id: DeliveryId = id.parse().map_err(|_| missing())?;
    let row = app.deps.tasks.store.delivery(id).await?;
    row.filter(|row| row.webhook == webhook.id).ok_or_else(missing)
}

/// Stores a delivery with the answer that repeats of the request get.
async fn store(
    app: &App,
    repeat: &Repeatable,
    row: DeliveryRow,
    status: StatusCode,
    answer: Vec<u8>,
) -> Result<Response, ApiError> {
    let kept = repeat.row(status, &answer, app.deps.clock.now());
    match app.deps.tasks.store.insert_delivery(row, kept).await {
        Ok(()) => Ok(json_answer(status, answer)),
        Err(StoreError::Repeated(first)) => Ok(again(&*repeat.same(first)?)),
        Err(error) => Err(error.into()),
    }
}
