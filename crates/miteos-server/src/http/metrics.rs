//! The server's own figures, for whoever the server's owner has given the token, or on an address of their own.
//!
//! They tell of all accounts together, so no API key opens them. Whether a peer is on this machine says nothing about
//! who asks: a proxy in front of the server is on this machine, too, and not every one says that it is one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::App;
use super::auth::bearer;
use super::error::ApiError;
use super::layers;
use crate::config::Secret;
use crate::errors::chain;
use crate::metrics::{Format, Seen};

/// How often the store is asked at the most: a scraper in a hurry is shown what it said last.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a scrape waits for the store. Its other figures are wanted most when the store hangs.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// Who may read the figures.
#[derive(Clone, Default)]
pub struct Reading {
    /// The digest of the owner's token.
    token: Option<[u8; 32]>,
    /// They have an address of their own, and are not shown on the API's.
    elsewhere: bool,
}

impl Reading {
    pub fn new(token: Option<&Secret>, elsewhere: bool) -> Self {
        Self { token: token.map(|token| digest(token.expose())), elsewhere }
    }

    /// 401 unless the request shows the token.
    fn token_shown(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(token) = &self.token else { return Ok(()) };
        // Digests are compared, so that the time it takes tells nothing of the token.
        if bearer(headers).is_some_and(|shown| digest(shown) == *token) {
            return Ok(());
        }
        let detail = "the figures need the header Authorization: Bearer <token>, with the token of MITEOS_METRICS_TOKEN";
        Err(ApiError::new(StatusCode::UNAUTHORIZED, detail))
    }

    /// Whether a request to the API's own address may read them.
    fn at_the_api(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.elsewhere || self.token.is_none() {
            let detail = "the figures are not at this address; MITEOS_METRICS_TOKEN or MITEOS_METRICS_LISTEN turns them on";
            return Err(ApiError::new(StatusCode::NOT_FOUND, detail));
        }
        self.token_shown(headers)
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The figures as text for Prometheus.
pub async fn scrape(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    app.reading.at_the_api(&headers)?;
    Ok(shown(&app, &headers).await)
}

async fn shown(app: &App, headers: &HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::asked_for(accept);
    let text = text(app, format).await;
    let head = [(CONTENT_TYPE, format.content_type()), (CACHE_CONTROL, "no-store")];
    (head, text).into_response()
}

async fn text(app: &App, format: Format) -> String {
    let metrics = &app.deps.tasks.metrics;
    let now = app.deps.clock.now();
    // Held while the store is asked: of many scrapers at once one asks.
    let mut looked = metrics.looked.lock().await;
    let stored = match &*looked {
        Some((at, stored)) if at.elapsed() < LOOK_EVERY => Some(stored.clone()),
        Some(_) | None => match tokio::time::timeout(LOOK_TIMEOUT, app.deps.tasks.store.gauges(now)).await {
            Ok(Ok(stored)) => {
                *looked = Some((Instant::now(), stored.clone()));
                Some(stored)
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "the store cannot be asked for its figures");
                None
            }
            Err(_) => {
                tracing::warn!("the store does not answer with its figures");
                None
            }
        },
    };
    let (sse, websockets) = app.connections.open_now();
    let seen = Seen { stored, runners: app.engine.running(), sse, websockets };
    // Still held, so that two scrapes do not write over each other's gauges.
    metrics.text(&seen, now, format)
}

/// What is served at the address of their own: the figures and nothing else.
pub fn own_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(scrape_own))
        .route("/v1/metrics", get(scrape_own))
        .fallback(layers::no_such_path)
        .method_not_allowed_fallback(layers::no_such_method)
        .layer(from_fn_with_state(Arc::clone(&app), layers::identify))
        .with_state(app)
}

async fn scrape_own(State(app): State<Arc<App>>, request: Request) -> Response {
    match app.reading.token_shown(request.headers()) {
        Ok(()) => shown(&app, request.headers()).await,
        Err(error) => error.into_response(),
    }
}
