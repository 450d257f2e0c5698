//! The log, as pages and as a stream: who may read which, from where.

mod sse;

use std::num::IntErrorKind;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use miteos_api::{EventPage, ListEvents};
use miteos_core::ids::TaskId;
use miteos_store::{KeyRow, Scope};

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Path, Query, in_range};
use crate::connections::{Connection, Full, Transport};
use crate::feed::{Log, Subscription, Types};
use crate::project;

/// Events of a page unless asked otherwise, and at most.
const DEFAULT_EVENTS: i64 = 100;
const MAX_EVENTS: i64 = 1_000;
/// Records that are read at once for a page, and looked through at most for those of the types asked for.
const SCAN_AT_ONCE: usize = 1_000;
const MAX_SCANNED: usize = 10_000;
/// A page ends with the record that brings it to this size (bytes), however few they are then.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// When a refused stream may be tried again (s): a cut one is noticed by then.
const RETRY_AFTER_S: u32 = 5;

pub async fn of_task(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let Query(query) = Query::<ListEvents>::from_request_parts(&mut parts, &app).await?;
    let types = types(&query)?;
    let head = head(&app, &caller.key, &id).await?;
    let after = head.after(cursor(&parts.headers, query.after)?)?;
    if !wants_stream(&parts.headers) {
        return Ok(Json(page(&app, head.task, after, &query, types.as_ref()).await?).into_response());
    }
    if head.over && after >= head.seq {
        // Nothing will ever follow: this status tells an EventSource not to connect again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let connection = connect(&app, &caller.key, Transport::Sse)?;
    let subscription = subscribe(&app, Log::Task(head.task), after, types);
    Ok(sse::stream(subscription, connection, app.streams, sse::Start::Known))
}

/// All tasks of the account, by a cursor of its own.
pub async fn of_account(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let Query(query) = Query::<ListEvents>::from_request_parts(&mut parts, &app).await?;
    let types = types(&query)?;
    let scope = caller.scope();
    let chosen = cursor(&parts.headers, query.after)?;
    let after = account_after(&app, scope, chosen).await?;
    let start = if chosen.is_some() { sse::Start::Known } else { sse::Start::Told };
    let connection = connect(&app, &caller.key, Transport::Sse)?;
    Ok(sse::stream(subscribe(&app, Log::Account(scope), after, types), connection, app.streams, start))
}

/// What has to be known of a task before its log is read.
pub struct Head {
    pub task: TaskId,
    pub seq: u64,
    /// Whether its log has ended.
    pub over: bool,
}

impl Head {
    /// Where to begin: after this `seq`, or at the beginning.
    pub fn after(&self, after: Option<i64>) -> Result<u64, ApiError> {
        let last = i64::try_from(self.seq).unwrap_or(i64::MAX);
        in_range("after", after.unwrap_or(0), 0, last).map(i64::unsigned_abs)
    }
}

/// The task of the key's account with this id. Another's is not found, like one that does not exist.
pub async fn head(app: &App, key: &KeyRow, id: &str) -> Result<Head, ApiError> {
    let missing = || ApiError::not_found("task");
    let task: TaskId = id.parse().map_err(|_| missing())?;
    let row = app.deps.tasks.store.task_row(task).await?;
    let row = row.filter(|row| row.account == key.account && row.live == key.live).ok_or_else(missing)?;
    Ok(Head { task, seq: row.seq, over: row.completed_at.is_some() })
}

/// Where to begin in the account's log: after this cursor, or with what happens from now on.
pub async fn account_after(app: &App, scope: Scope, after: Option<i64>) -> Result<u64, ApiError> {
    let last = app.deps.tasks.store.account_cursor(scope.account, scope.live).await?;
    in_range("after", after.unwrap_or(last), 0, last).map(i64::unsigned_abs)
}

/// A place for one more stream, or 429.
pub fn connect(app: &App, key: &KeyRow, transport: Transport) -> Result<Connection, ApiError> {
    app.connections.open(key, transport).map_err(|full| ApiError::too_many(too_many(full), RETRY_AFTER_S))
}

pub fn too_many(full: Full) -> String {
    let Full { limit } = full;
    let streams = if limit == 1 { "stream" } else { "streams" };
    format!(
        "{limit} event {streams} (SSE and WebSocket together) may be open at once on this tier, and all are; close one"
    )
}

pub fn subscribe(app: &App, log: Log, after: u64, types: Option<Types>) -> Subscription {
    let tasks = &app.deps.tasks;
    Subscription::new(&tasks.feed, tasks.store.clone(), log, after, types.map(Arc::new))
}

pub fn wants_stream(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"))
}

/// Where to go on: `Last-Event-ID`, which a browser sends by itself, before `after`.
pub fn cursor(headers: &HeaderMap, asked: Option<i64>) -> Result<Option<i64>, ApiError> {
    if let Some(after) = asked {
        in_range("after", after, 0, i64::MAX)?;
    }
    match headers.get("last-event-id") {
        None => Ok(asked),
        Some(value) => match value.to_str().unwrap_or_default().trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(error) if matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => {
                Err(ApiError::refused(
                    "Last-Event-ID is beyond every log; send the id of the last event you have",
                ))
            }
            Err(_) => Err(ApiError::malformed("Last-Event-ID is not a number")),
        },
    }
}

fn types(query: &ListEvents) -> Result<Option<Types>, ApiError> {
    let read = |words: &String| Types::read(words.split(','));
    query.types.as_ref().map(read).transpose().map_err(ApiError::refused)
}

async fn page(
    app: &App,
    task: TaskId,
    after: u64,
    query: &ListEvents,
    types: Option<&Types>,
) -> Result<EventPage, ApiError> {
    let limit = in_range("limit", query.limit.unwrap_or(DEFAULT_EVENTS), 1, MAX_EVENTS)?;
    let limit = usize::try_from(limit).unwrap_or(1);
    let at_once = if types.is_some() { SCAN_AT_ONCE } else { limit };
    let mut page = EventPage { events: Vec::new(), next_after: after, has_more: true };
    let (mut scanned, mut bytes) = (0, 0_usize);
    while page.has_more && page.events.len() < limit && scanned < MAX_SCANNED && bytes < MAX_PAGE_BYTES {
        let room = MAX_PAGE_BYTES.saturating_sub(bytes);
        let records = app.deps.tasks.store.events_within(task, page.next_after, at_once + 1, room).await?;
        let read = records.iter().map(|record| record.body.len()).sum::<usize>();
        page.has_more = records.len() > at_once || read >= room;
        let mut rest = records.iter().take(at_once);
        for record in &mut rest {
            page.next_after = record.seq.unwrap_or(page.next_after);
            if types.is_none_or(|types| types.contains(&record.kind.as_str().into())) {
                page.events.extend(project::event(task, record).map_err(|error| ApiError::internal(&error))?);
                bytes = bytes.saturating_add(record.body.len());
            }
            if page.events.len() >= limit {
                break;
            }
        }
        page.has_more |= rest.next().is_some();
        scanned += records.len();
    }
    Ok(page)
}
