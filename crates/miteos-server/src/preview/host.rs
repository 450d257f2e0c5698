//! The preview host itself: from a request to a file's bytes. There is one way through it for every request, and no
//! operation of the API on it.

use std::ops::Range;
use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST,
    LOCATION, RANGE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use futures::FutureExt;
use miteos_core::content::Sha256;
use miteos_store::{PreviewRow, StoreError};

use super::admission::{Admission, judge};
use super::manifest::Entry;
use super::pages::{METHODS, Page};
use super::route::{self, Found, OrElse};
use super::{Inner, Previews, gzip, headers};
use crate::errors::chain;
use crate::http::ranges::{Wanted, is_known};

/// The service of the preview host.
pub fn router(previews: Previews) -> Router {
    Router::new().fallback(serve).with_state(previews)
}

async fn serve(State(previews): State<Previews>, request: Request) -> Response {
    let inner = &previews.inner;
    let answered = AssertUnwindSafe(answer(inner, request)).catch_unwind().await;
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::error!(error = %chain(&error), "a preview could not be shown");
            Page::Failed.answer()
        }
        Err(_) => {
            tracing::error!("the preview host panicked");
            Page::Failed.answer()
        }
    };
    headers::always(response.headers_mut(), &inner.framing);
    inner.metrics.deployments.visited(response.status());
    response
}

async fn answer(inner: &Inner, request: Request) -> Result<Response, StoreError> {
    let (parts, _) = request.into_parts();
    let label = match host(&parts.uri, &parts.headers).map(|host| inner.hosts.label(host)) {
        Ok(Some(label)) => label,
        Ok(None) => return Ok(Page::WrongHost.answer()),
        Err(page) => return Ok(page.answer()),
    };
    match parts.method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(methods()),
        _ => return Ok(Page::WrongMethod.answer()),
    }
    let now = inner.clock.now();
    if !inner.pace.may_look(&label, now) {
        return Ok(Page::TooMany.answer());
    }
    let row = inner.store.preview_of_label(label).await?.filter(|row| row.is_there(now));
    let Some(row) = row else { return Ok(Page::NoSuchPreview.answer()) };
    inner.pace.found(&row.label);
    if !inner.pace.take(&row.label, now) {
        return Ok(Page::TooMany.answer());
    }
    let Ok(path) = route::decode(parts.uri.path()) else { return Ok(Page::BadAddress.answer()) };
    let encoded = route::encode(&path);
    match judge(inner, &row, &encoded, parts.uri.query(), &parts.headers, now).await? {
        Admission::Granted => {}
        Admission::Exchanged(response) => return Ok(response),
        Admission::Refused(page) => return Ok(page.answer()),
    }
    show(inner, &row, &path, parts.uri.query(), &parts.headers).await
}

/// The host that is asked for. Named twice, or two different ones, it is none.
fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Result<&'r str, Page> {
    let mut named = headers.get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else { return Err(Page::NoHost) };
    let host = host.to_str().map_err(|_| Page::NoHost)?;
    match uri.authority() {
        Some(other) if !other.as_str().eq_ignore_ascii_case(host) => Err(Page::WrongHost),
        Some(_) | None => Ok(host),
    }
}

fn methods() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

/// What the site has at a path.
async fn show(
    inner: &Inner,
    row: &PreviewRow,
    path: &str,
    query: Option<&str>,
    asked: &HeaderMap,
) -> Result<Response, StoreError> {
    let Some(site) = &row.site else {
        let page = if path.is_empty() { Page::Stub } else { Page::NoSuchFile };
        return Ok(page.answer());
    };
    let manifest = inner.manifests.read(inner.store.blobs(), &site.manifest).await?;
    let or_else = if row.single_page && wants_page(asked) { OrElse::FirstPage } else { OrElse::Missing };
    let file = |path, entry, status| File { inner, row, path, entry, status };
    match route::resolve(&manifest, path, or_else) {
        Found::File(path, entry) => file(path, entry, StatusCode::OK).answer(asked).await,
        Found::Folder => Ok(to_folder(path, query)),
        Found::Missing(Some((path, entry))) => file(path, entry, StatusCode::NOT_FOUND).answer(asked).await,
        Found::Missing(None) => Ok(Page::NoSuchFile.answer()),
    }
}

/// Whether the browser goes to an address, and does not load something for a page.
fn wants_page(asked: &HeaderMap) -> bool {
    asked
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|list| list.contains("text/html"))
}

/// A folder's page has its relative addresses right only behind a slash.
fn to_folder(path: &str, query: Option<&str>) -> Response {
    let plain = route::encode(&format!("{path}/"));
    let whole = query.map_or(plain.clone(), |query| format!("{plain}?{query}"));
    let location = HeaderValue::try_from(whole).or_else(|_| HeaderValue::try_from(plain));
    let Ok(location) = location else { return Page::BadAddress.answer() };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    // A site that is published again may have a file there.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A file on its way out.
struct File<'a> {
    inner: &'a Inner,
    row: &'a PreviewRow,
    path: &'a str,
    entry: &'a Entry,
    status: StatusCode,
}

impl File<'_> {
    async fn answer(self, asked: &HeaderMap) -> Result<Response, StoreError> {
        // What stands in for a missing page is sent whole: its status is what matters.
        let is_found = self.status == StatusCode::OK;
        let wants_part = is_found && asked.contains_key(RANGE);
        let packed = if wants_part { None } else { self.packed(asked).await? };
        let sha256 = &self.entry.sha256;
        let tag = if packed.is_some() { format!("\"{sha256}-gzip\"") } else { format!("\"{sha256}\"") };
        let mut fields = self.fields(&tag);
        if is_found && is_known(asked, &tag) {
            return Ok(respond(StatusCode::NOT_MODIFIED, fields, Body::empty()));
        }
        put(&mut fields, CONTENT_TYPE, &self.entry.media_type);
        if let Some(packed) = packed {
            put(&mut fields, CONTENT_ENCODING, "gzip");
            fields.insert(CONTENT_LENGTH, HeaderValue::from(packed.len()));
            return Ok(respond(self.status, fields, Body::from(packed)));
        }
        let bytes = self.entry.bytes;
        let wanted = if wants_part { Wanted::of(asked, &tag, bytes) } else { Wanted::Whole };
        let said = wanted.say(&mut fields, bytes);
        if wanted == Wanted::Nothing {
            fields.remove(CONTENT_TYPE);
            return Ok(respond(said, fields, Body::empty()));
        }
        let status = if is_found { said } else { self.status };
        Ok(respond(status, fields, self.body(wanted.part()).await?))
    }

    /// Headers of the file, whatever is sent of it.
    fn fields(&self, tag: &str) -> HeaderMap {
        let mut fields = HeaderMap::new();
        put(&mut fields, ETAG, tag);
        let cached = headers::cached(self.path, &self.entry.media_type, self.row.visibility);
        fields.insert(CACHE_CONTROL, cached);
        fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if gzip::is_worth_it(self.entry) {
            fields.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        fields
    }

    async fn packed(&self, asked: &HeaderMap) -> Result<Option<Bytes>, StoreError> {
        if !gzip::is_worth_it(self.entry) || !gzip::is_taken(asked) {
            return Ok(None);
        }
        self.inner.packed.get(self.inner.store.blobs(), self.entry).await
    }

    async fn body(&self, range: Option<Range<u64>>) -> Result<Body, StoreError> {
        let sha256 = &self.entry.sha256;
        let stream = self.inner.store.blobs().stream(sha256, range).await?;
        Ok(Body::from_stream(stream.ok_or_else(|| gone(sha256))?.chunks))
    }
}

fn respond(status: StatusCode, fields: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

fn gone(sha256: &Sha256) -> StoreError {
    StoreError::Damaged { what: format!("the blob {sha256}"), why: "it is missing".to_owned() }
}

/// Types, hashes and numbers of ours are always header values.
fn put(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        fields.insert(name, value);
    }
}
