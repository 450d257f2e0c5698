//! The log, as pages and as a stream. A stream is a cursor over the journal: it holds one page at the most, and what
//! it sends is durable.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use miteos_api::{Event, EventPage, ListEvents};
use miteos_core::ids::TaskId;
use miteos_store::Scope;
use tokio::sync::watch;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Path, Query, in_range};
use crate::keys::Held;
use crate::project;

/// Events of a page unless asked otherwise, and at most.
const DEFAULT_EVENTS: i64 = 100;
const MAX_EVENTS: i64 = 1_000;
/// Events that a stream reads at once.
const STREAM_PAGE: usize = 64;
/// A comment this often keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub async fn of_task(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let Query(query) = Query::<ListEvents>::from_request_parts(&mut parts, &app).await?;
    let live = app.task(&caller, &id).await?;
    let (task, last) = (live.task.id, live.task.seq);
    let after = cursor(&parts.headers, &query)?;
    let after = in_range("after", after, 0, i64::try_from(last).unwrap_or(i64::MAX))?;
    let after = u64::try_from(after).unwrap_or(0);
    if !wants_stream(&parts.headers) {
        return Ok(Json(page(&app, task, after, &query).await?).into_response());
    }
    if live.task.is_finished() && after >= last {
        // Nothing will ever follow: this status tells an EventSource not to connect again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let source = Source::Task { task, after, news: app.deps.tasks.feed.watch(task) };
    let held = app.keys.hold(caller.key).await?;
    Ok(stream(app, source, held))
}

/// All tasks of the account, by a cursor of its own.
pub async fn of_account(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let Query(query) = Query::<ListEvents>::from_request_parts(&mut parts, &app).await?;
    let scope = Scope { account: caller.key.account, live: caller.key.live };
    let news = app.deps.tasks.feed.watch_account(scope);
    let last = app.deps.tasks.store.account_cursor(scope.account, scope.live).await?;
    let asked = parts.headers.contains_key("last-event-id") || query.after.is_some();
    let after = if asked { in_range("after", cursor(&parts.headers, &query)?, 0, last)? } else { last };
    let held = app.keys.hold(caller.key).await?;
    Ok(stream(app, Source::Account { scope, after, news }, held))
}

fn wants_stream(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"))
}

/// Where to go on: `Last-Event-ID`, which a browser sends by itself, before `after`.
fn cursor(headers: &HeaderMap, query: &ListEvents) -> Result<i64, ApiError> {
    match headers.get("last-event-id") {
        None => Ok(query.after.unwrap_or(0)),
        Some(value) => {
            let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
            number.ok_or_else(|| ApiError::malformed("Last-Event-ID is not a number"))
        }
    }
}

async fn page(app: &App, task: TaskId, after: u64, query: &ListEvents) -> Result<EventPage, ApiError> {
    let limit = in_range("limit", query.limit.unwrap_or(DEFAULT_EVENTS), 1, MAX_EVENTS)?;
    let limit = usize::try_from(limit).unwrap_or(1);
    let records = app.deps.tasks.store.events_after(task, after, limit + 1).await?;
    let mut events = Vec::with_capacity(records.len());
    for record in records.iter().take(limit) {
        events.extend(project::event(task, record).map_err(|error| ApiError::internal(&error))?);
    }
    let next_after = events.last().map_or(after, |event| event.seq);
    Ok(EventPage { events, next_after, has_more: records.len() > limit })
}

/// What a stream reads.
enum Source {
    Task { task: TaskId, after: u64, news: watch::Receiver<u64> },
    Account { scope: Scope, after: i64, news: watch::Receiver<u64> },
}

impl Source {
    /// The next frames, and whether the last of them ends the stream.
    async fn read(&mut self, app: &App) -> Result<(Vec<Bytes>, bool), ApiError> {
        let store = &app.deps.tasks.store;
        let mut frames = Vec::new();
        match self {
            Self::Task { task, after, news } => {
                news.borrow_and_update();
                let records = store.events_after(*task, *after, STREAM_PAGE).await?;
                let mut ends = false;
                for record in &records {
                    if let Some(event) =
                        project::event(*task, record).map_err(|error| ApiError::internal(&error))?
                    {
                        *after = event.seq;
                        ends = event.kind.is_terminal();
                        frames.push(frame(&event.seq.to_string(), &event)?);
                    }
                }
                Ok((frames, ends))
            }
            Self::Account { scope, after, news } => {
                news.borrow_and_update();
                let records =
                    store.account_events_after(scope.account, scope.live, *after, STREAM_PAGE).await?;
                for found in &records {
                    *after = found.cursor;
                    if let Some(event) = project::event(found.task, &found.record)
                        .map_err(|error| ApiError::internal(&error))?
                    {
                        frames.push(frame(&found.cursor.to_string(), &event)?);
                    }
                }
                Ok((frames, false))
            }
        }
    }

    async fn news(&mut self) {
        let (Self::Task { news, .. } | Self::Account { news, .. }) = self;
        if news.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn frame(id: &str, event: &Event) -> Result<Bytes, ApiError> {
    let data = serde_json::to_string(event)?;
    Ok(format!("id: {id}\nevent: {}\ndata: {data}\n\n", event.kind).into())
}

struct Reader {
    app: Arc<App>,
    source: Source,
    /// A stream ends when its key does.
    held: Held,
    ready: VecDeque<Bytes>,
    ended: bool,
}

fn stream(app: Arc<App>, source: Source, held: Held) -> Response {
    let first = VecDeque::from([Bytes::from_static(b"retry: 1000\n\n")]);
    let reader = Reader { app, source, held, ready: first, ended: false };
    let frames = futures::stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((Ok::<_, Infallible>(frame), reader))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        // Asks reverse proxies not to hold events back.
        (axum::http::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.held.is_over(self.app.deps.clock.now()) {
                return None;
            }
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            if self.ended || self.app.stop.is_cancelled() {
                return None;
            }
            let (frames, ends) = match self.source.read(&self.app).await {
                Ok(read) => read,
                // The client comes back with its cursor; the reason is in the log.
                Err(_) => return None,
            };
            self.ended = ends;
            if !frames.is_empty() {
                self.ready.extend(frames);
                continue;
            }
            let Self { app, source, held, .. } = self;
            tokio::select! {
                () = source.news() => {}
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b": keep-alive\n\n")),
                () = app.stop.cancelled() => return None,
                () = held.ended(app.deps.clock.as_ref()) => return None,
            }
        }
    }
}
