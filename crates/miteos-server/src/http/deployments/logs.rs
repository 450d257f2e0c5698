//! A deployment's log, as text and as a stream: its lines as they come, and each state as it is reached. The stream
//! ends with the last state.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use miteos_api::{DeploymentLogLine, ReadDeploymentLog};
use miteos_core::deployment::Status;
use miteos_core::ids::DeploymentId;
use miteos_store::{LogLine, Store};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::App;
use super::super::auth::Caller;
use super::super::error::ApiError;
use super::super::events::{connect, cursor, wants_stream};
use super::super::extract::{Path, Query, in_range};
use super::super::files;
use super::{as_it_is, find};
use crate::connections::{Connection, Transport};

/// Lines that are read at once.
const PAGE: usize = 1_000;
/// How often a stream looks although nobody told it of news.
const LOOK_ANYWAY: Duration = Duration::from_secs(2);
/// A comment: keeps proxies from closing a quiet stream.
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

pub async fn logs(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let Query(query) = Query::<ReadDeploymentLog>::from_request_parts(&mut parts, &app).await?;
    let deployment = find(&app, &caller, &id).await?;
    let after = cursor(&parts.headers, query.after)?.unwrap_or(0);
    let after = in_range("after", after, 0, i64::MAX)?.unsigned_abs();
    if !wants_stream(&parts.headers) {
        return text(&app.deps.tasks.store, deployment.id, after).await;
    }
    let last = app.deps.tasks.store.deployment_log_size(deployment.id).await?.last;
    // The last state counts as one line more.
    if deployment.is_finished() && after > last {
        // Nothing will ever follow: this status tells an EventSource not to connect again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let connection = connect(&app, &caller.key, Transport::Sse)?;
    Ok(stream(app, deployment.id, after, connection))
}

async fn text(store: &Store, id: DeploymentId, after: u64) -> Result<Response, ApiError> {
    let (mut text, mut after) = (String::new(), after);
    // The log is bounded, so the whole of it is.
    loop {
        let lines = store.deployment_log_after(id, after, PAGE).await?;
        for line in &lines {
            text += &format!("{} {}\n", line.at, line.text);
            after = line.no;
        }
        if lines.len() < PAGE {
            break;
        }
    }
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    // A build says what it likes.
    Ok((headers, [(CONTENT_SECURITY_POLICY, files::POLICY)], text).into_response())
}

fn stream(app: Arc<App>, id: DeploymentId, after: u64, connection: Connection) -> Response {
    let times = app.streams;
    let reader = Reader {
        moved: app.deployments.follow(id),
        app,
        id,
        after,
        told: None,
        waiting: VecDeque::from([Bytes::from(format!("retry: {}\n\n", times.retry.as_millis()))]),
        ended: false,
        keep_alive: times.keep_alive,
        sent_at: Instant::now(),
        over: Box::pin(connection.over()),
        _connection: connection,
    };
    let frames = futures::stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((Ok::<_, Infallible>(frame), reader))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // Asks reverse proxies not to hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

struct Reader {
    app: Arc<App>,
    id: DeploymentId,
    /// The number of the last line that was sent.
    after: u64,
    /// The state that was sent last.
    told: Option<Status>,
    waiting: VecDeque<Bytes>,
    ended: bool,
    moved: Option<watch::Receiver<u64>>,
    keep_alive: Duration,
    sent_at: Instant,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Holds the place of this stream.
    _connection: Connection,
}

impl Reader {
    /// What goes out next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        let bytes = self.due().await?;
        self.sent_at = Instant::now();
        Some(bytes)
    }

    async fn due(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Some(frame);
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.read().await {
                // The client comes back with its cursor; the reason went to the log.
                drop(error);
                return None;
            }
            if !self.waiting.is_empty() || self.ended {
                continue;
            }
            let look = tokio::time::sleep(LOOK_ANYWAY);
            let quiet = tokio::time::sleep_until(self.sent_at + self.keep_alive);
            let moved = async {
                match &mut self.moved {
                    Some(moved) => moved.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut self.over => return None,
                alive = moved => if !alive { self.moved = None },
                () = look => self.moved = self.moved.take().or_else(|| self.app.deployments.follow(self.id)),
                () = quiet => return Some(Bytes::from_static(KEEP_ALIVE)),
            }
        }
    }

    /// The state is read before the lines: when it is the last one, all lines are there.
    async fn read(&mut self) -> Result<(), ApiError> {
        if let Some(moved) = &mut self.moved {
            moved.mark_unchanged();
        }
        let deployment = self.app.deployments.load(self.id).await?;
        let lines = self.app.deps.tasks.store.deployment_log_after(self.id, self.after, PAGE).await?;
        let more = lines.len() == PAGE;
        for line in lines {
            self.after = line.no;
            self.waiting.push_back(log_frame(&line)?);
        }
        let Some(deployment) = deployment else {
            self.ended = true;
            return Ok(());
        };
        let status = deployment.status();
        if more || self.told == Some(status) {
            return Ok(());
        }
        self.told = Some(status);
        self.ended = status.is_terminal();
        let json = serde_json::to_string(&as_it_is(&self.app, &deployment).await?)?;
        let id = if self.ended { format!("id: {}\n", self.after + 1) } else { String::new() };
        self.waiting.push_back(format!("{id}event: status\ndata: {json}\n\n").into());
        Ok(())
    }
}

fn log_frame(line: &LogLine) -> Result<Bytes, ApiError> {
    let shown = DeploymentLogLine { at: line.at.to_string(), text: line.text.clone() };
    Ok(format!("id: {}\nevent: log\ndata: {}\n\n", line.no, serde_json::to_string(&shown)?).into())
}
