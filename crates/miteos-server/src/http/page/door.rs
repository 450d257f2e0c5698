//! `POST /sign-in`: the code of the link that `serve` prints, for keys that this browser alone has. Only for browsers of
//! this machine, which speak to it directly.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use miteos_core::ids::{AccountId, KeyId};
use miteos_core::time::Timestamp;
use miteos_store::{KeyRow, StoreError};
use serde::{Deserialize, Serialize};

use super::super::error::ApiError;
use super::super::extract::{from_json, read_body};
use super::super::steer::whole;
use super::super::{App, api_keys};
use crate::keys;
use crate::serve::Peer;

/// How long the keys of a sign-in open anything (ms): a week. Signing out revokes them before.
const KEYS_LIFE_MS: u64 = 7 * 24 * 3600 * 1000;
/// What a proxy adds. Behind one, a caller from elsewhere looks like one of this machine.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

#[derive(Deserialize)]
struct Asked {
    code: String,
}

#[derive(Serialize)]
struct Made {
    id: String,
    key: String,
}

#[derive(Serialize)]
struct Keys {
    live: Made,
    test: Made,
}

pub async fn enter(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    if let Err(why) = from_this_machine(peer, request.headers()) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, why));
    }
    let asked: Asked = from_json(&read_body(request).await?)?;
    let now = app.deps.clock.now();
    let claim = app.sign_in.claim(&asked.code, now).ok_or_else(|| {
        let why = "this link was used already, is older than ten minutes, or belongs to an earlier start of the server; start it again for a new one, or sign in with a key";
        ApiError::new(StatusCode::FORBIDDEN, why)
    })?;
    let owner = app.deps.tasks.store.accounts(None, 1).await?.first().map(|account| account.id);
    let owner = owner.ok_or_else(|| ApiError::not_found("account"))?;
    let ((live, live_row), (test, test_row)) = (make(&app, owner, true, now), make(&app, owner, false, now));
    let store = app.deps.tasks.store.clone();
    // To the end, even if the browser goes away in between: whoever got keys has used the code up.
    let added = whole(async move {
        let added = store.add_keys(vec![live_row, test_row], api_keys::MAX_KEYS).await;
        if added.is_ok() {
            claim.use_up();
        }
        added
    });
    added.await?.map_err(too_many)?;
    let made = Keys { live, test };
    let mut response = Json(made).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A key that can do all that the owner's first keys can, for a while.
fn make(app: &App, account: AccountId, live: bool, now: Timestamp) -> (Made, KeyRow) {
    let secret = keys::new_secret(live);
    let row = KeyRow {
        id: KeyId(app.ids.ulid(now)),
        account,
        live,
        name: "signed-in browser".to_owned(),
        hash: keys::hash(&secret).to_vec(),
        prefix: keys::shown(&secret),
        scopes: vec!["*".to_owned()],
        tier: "enterprise".to_owned(),
        created_at: now,
        expires_at: Some(now.plus_ms(KEYS_LIFE_MS)),
        revoked_at: None,
        requests_per_minute: None,
    };
    (Made { id: row.id.to_string(), key: secret }, row)
}

fn too_many(error: StoreError) -> ApiError {
    match error {
        StoreError::TooLarge { limit, .. } => ApiError::refused(format!(
            "the account has {limit} keys already; sign in with one of them and revoke those that nobody needs"
        )),
        other => other.into(),
    }
}

/// Whether the request comes from a page of this server in a browser of this machine. Each of these alone would let
/// somebody in: another machine; a page elsewhere, whose origin is its own; a foreign name that was made to lead here; a
/// proxy, which stands on this machine and speaks for others.
fn from_this_machine(peer: Option<SocketAddr>, headers: &HeaderMap) -> Result<(), &'static str> {
    if !peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return Err("only a browser on the server's own machine is signed in by a link; sign in with a key");
    }
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return Err("a link signs nobody in through a proxy; sign in with a key");
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(HOST).ok_or("the request does not say which host it is for")?;
    if !is_loopback_name(host) {
        return Err("a link works under the address that the server printed alone");
    }
    let same_origin = text(ORIGIN).is_some_and(|origin| origin == format!("http://{host}"));
    let fetched_here = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    if !same_origin || !fetched_here {
        return Err("only the server's own page can use a link");
    }
    if !text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json")) {
        return Err("the code is sent as JSON");
    }
    Ok(())
}

/// Whether a `Host` names this machine: `localhost`, or an address that leads nowhere else, with or without a port.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for name in ["localhost", "LOCALHOST:7700", "127.0.0.1:7700", "127.8.8.8", "[::1]:7700", "[::1]"] {
            assert!(is_loopback_name(name), "{name}");
        }
        for name in
            ["", "example.com", "localhost.example.com:7700", "127.0.0.1.example.com", "10.0.0.1", "[::2]:1"]
        {
            assert!(!is_loopback_name(name), "{name}");
        }
    }
}
