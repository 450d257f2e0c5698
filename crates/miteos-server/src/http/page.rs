//! The page for people at `/`: files that never change while the server runs, under a policy that lets it load and send
//! nothing elsewhere. It knows no key and no task: what the page shows it asks the API for.

mod door;

use std::collections::HashMap;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use super::App;
use super::layers::no_such_path;
use super::ranges::is_known;
use crate::config::PageFile;

/// The page itself, whose name never changes: asked for again each time.
const INDEX: &str = "/index.html";
const AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// Names below this folder hold a hash of what is in them.
const HASHED: &str = "/assets/";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// What the page may load, and whom it may speak to: this server. Pictures of a workspace are shown from memory. What would
/// turn text into HTML or a program is switched off.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
const NO_PERMISSIONS: HeaderValue =
    HeaderValue::from_static("camera=(), microphone=(), geolocation=(), payment=(), usb=()");
/// Characters of a hash that are enough for an `ETag`.
const TAG_CHARS: usize = 32;

/// The files, by where they are served.
pub struct Page(HashMap<&'static str, Served>);

struct Served {
    file: PageFile,
    tag: String,
    media_type: HeaderValue,
}

impl Page {
    pub fn new(files: &[PageFile]) -> Self {
        Self(files.iter().map(|file| (file.path, Served::new(*file))).collect())
    }
}

impl Served {
    fn new(file: PageFile) -> Self {
        let tag = hex::encode(Sha256::digest(file.bytes)).chars().take(TAG_CHARS).collect();
        let kind = mime_guess::from_path(file.path).first_or_octet_stream();
        let text = kind.type_() == "text" || kind.subtype() == "javascript";
        let kind = if text { format!("{kind}; charset=utf-8") } else { kind.to_string() };
        let media_type =
            HeaderValue::try_from(kind).unwrap_or(HeaderValue::from_static("application/octet-stream"));
        Self { file, tag, media_type }
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let packed = self.file.gzip.filter(|_| takes_gzip(asked));
        // Two forms of one file are two representations, each with its own tag.
        let tag = format!("\"{}{}\"", self.tag, if packed.is_some() { "-gz" } else { "" });
        let unchanged = is_known(asked, &tag);
        let body = if unchanged { Body::empty() } else { Body::from(packed.unwrap_or(self.file.bytes)) };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(ETAG, tag);
        }
        headers.insert(CACHE_CONTROL, if self.file.path.starts_with(HASHED) { FOR_EVER } else { AGAIN });
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        protect(headers);
        if unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, self.media_type.clone());
        if packed.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// What every answer of the page carries.
fn protect(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(OPENER, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE, HeaderValue::from_static("same-origin"));
    headers.insert(PERMISSIONS, NO_PERMISSIONS);
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let words = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    words.flat_map(|value| value.split(',')).any(|word| {
        let (name, weight) = word.split_once(';').unwrap_or((word, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// The page, its files, and its door. No other path is theirs.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(index))
        .route("/mark.svg", get(file))
        .route("/assets/{name}", get(file))
        .route("/sign-in", post(door::enter))
}

async fn index(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    find(&app, INDEX, &headers).await
}

async fn file(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    find(&app, uri.path(), &headers).await
}

async fn find(app: &App, path: &str, headers: &HeaderMap) -> Response {
    match app.page.0.get(path) {
        Some(served) => served.answer(headers),
        None => no_such_path().await.into_response(),
    }
}
