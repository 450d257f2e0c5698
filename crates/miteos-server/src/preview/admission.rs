//! Who may look at a preview: everybody, or who shows a link or the cookie that it was exchanged for. The cookie is the
//! only one that the preview host reads or sets. It belongs to one host name alone, and scripts cannot read it.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use miteos_core::time::Timestamp;
use miteos_store::{PreviewRow, StoreError, Visibility};

use super::Inner;
use super::links::{self, Pass, Told, Use};
use super::pages::Page;

/// Where TLS is spoken. The prefix keeps other hosts of the domain from setting it.
const SECURE_NAME: &str = "__Host-miteos-preview";
/// At home, where not every browser takes a secure cookie.
const PLAIN_NAME: &str = "miteos-preview";

/// What becomes of a request.
pub enum Admission {
    Granted,
    /// Sent on to its address without the token, with a cookie in its place.
    Exchanged(Response),
    Refused(Page),
}

/// Judges a request. `path` is the address that is asked for, encoded, and `query` what follows it.
pub async fn judge(
    inner: &Inner,
    row: &PreviewRow,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Admission, StoreError> {
    let told = match query.and_then(token) {
        Some(token) => Some(read(inner, Use::Link, row, token, now).await?),
        None => None,
    };
    if let Some(Told::Good(pass)) = told {
        return Ok(Admission::Exchanged(exchange(inner, row, path, query, pass, now)));
    }
    if row.visibility == Visibility::Public || has_cookie(inner, row, headers, now).await? {
        return Ok(Admission::Granted);
    }
    Ok(Admission::Refused(if told == Some(Told::Ended) { Page::LinkEnded } else { Page::LinkNeeded }))
}

/// What a token says. The link of one that was signed is looked for: it may have been taken back.
async fn read(
    inner: &Inner,
    of: Use,
    row: &PreviewRow,
    token: &str,
    now: Timestamp,
) -> Result<Told, StoreError> {
    let told = links::read(&inner.master, of, row, token, now);
    if let Told::Good(Pass { link: Some(link), .. }) = told
        && !inner.store.has_preview_link(link).await?
    {
        return Ok(Told::Ended);
    }
    Ok(told)
}

/// The token of a link, if there is one. A site may use the same word for something of its own.
fn token(query: &str) -> Option<&str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == links::PARAMETER).map(|(_, token)| token)
}

async fn has_cookie(
    inner: &Inner,
    row: &PreviewRow,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let name = cookie_name(inner);
    let lists = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let ours = lists.flat_map(|list| list.split(';')).filter_map(|pair| pair.trim().split_once('='));
    for (_, token) in ours.filter(|(given, _)| *given == name) {
        if let Told::Good(_) = read(inner, Use::Cookie, row, token, now).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn cookie_name(inner: &Inner) -> &'static str {
    if inner.hosts.is_secure() { SECURE_NAME } else { PLAIN_NAME }
}

/// Sets the cookie and sends the browser on, so that the token stands neither in its address line nor in what the site's
/// scripts can read.
fn exchange(
    inner: &Inner,
    row: &PreviewRow,
    path: &str,
    query: Option<&str>,
    pass: Pass,
    now: Timestamp,
) -> Response {
    let token = links::sign(&inner.master, Use::Cookie, row, pass);
    let (name, lives_s) = (cookie_name(inner), pass.end.since(now) / 1000);
    let secure = if inner.hosts.is_secure() { "; Secure" } else { "" };
    let cookie = format!("{name}={token}; Path=/; Max-Age={lives_s}; HttpOnly; SameSite=Lax{secure}");
    let rest: Vec<&str> = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(links::PARAMETER))
        .collect();
    let location = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    let (Ok(cookie), Ok(location)) = (HeaderValue::try_from(cookie), HeaderValue::try_from(location)) else {
        return Page::BadAddress.answer();
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let fields = response.headers_mut();
    fields.insert(SET_COOKIE, cookie);
    fields.insert(LOCATION, location);
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
