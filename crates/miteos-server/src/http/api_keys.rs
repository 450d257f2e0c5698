//! API keys: made, listed, revoked. The key itself is told once, and again only to the same request sent again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use miteos_api::{ApiKey, CreateApiKey, CreatedApiKey, Environment, SCOPES, Success, Tier};
use miteos_core::ids::KeyId;
use miteos_core::time::Timestamp;
use miteos_store::{IdempotencyRow, KeyRow, RevokedKey};
use serde::{Deserialize, Serialize};

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Path, from_json, in_range, named};
use super::repeat::{self, Begun, Repeatable, json_answer, replayed, to_json};
use super::steer::whole;
use crate::clock::random;
use crate::{keys, tier};

/// Longest name (characters).
const MAX_NAME_CHARS: usize = 100;
/// Keys of one account in one world that open something.
pub const MAX_KEYS: u64 = 100;
/// The largest limit of requests a minute that a key can be given.
const MAX_REQUESTS_PER_MINUTE: i64 = 1_000_000;
/// Random bytes that a key is derived from where its answer may be asked for again.
const SEED_BYTES: usize = 16;

/// What is stored of the answer: the key is derived from the seed when the answer is told again, so that the database
/// alone gives no key away.
#[derive(Serialize, Deserialize)]
struct Kept {
    api_key: ApiKey,
    seed: String,
}

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (repeat, body) = match repeat::begin(&app, request).await? {
        Begun::New(repeat, body) => (repeat, body),
        Begun::Again(row) => return again(&app, &row),
    };
    let now = app.deps.clock.now();
    let mut row = checked(&caller, from_json(&body)?, KeyId(app.ids.ulid(now)), now)?;
    let (secret, seed) = secret(&app, &repeat, &row);
    row.hash = keys::hash(&secret).to_vec();
    row.prefix = keys::shown(&secret);
    let api_key = shown(&row, None)?;
    let kept = Kept { api_key: api_key.clone(), seed };
    let answer = repeat.row(StatusCode::CREATED, &to_json(&kept), now);
    app.deps.tasks.store.add_key(row, MAX_KEYS, answer).await?;
    Ok(json_answer(StatusCode::CREATED, to_json(&CreatedApiKey { api_key, key: secret })))
}

/// A new secret. One whose answer may be asked for again is derived from a seed; the others are random throughout.
fn secret(app: &App, repeat: &Repeatable, row: &KeyRow) -> (String, String) {
    if !repeat.is_named() {
        return (keys::new_secret(row.live), String::new());
    }
    let mut bytes = [0_u8; SEED_BYTES];
    random(&mut bytes);
    let seed = hex::encode(bytes);
    (keys::derived_secret(&app.master, row.live, row.id, &seed), seed)
}

fn again(app: &App, stored: &IdempotencyRow) -> Result<Response, ApiError> {
    let Kept { api_key, seed } = serde_json::from_slice(&stored.body)?;
    let id: KeyId = api_key.id.parse().map_err(|error| ApiError::internal(&error))?;
    let live = api_key.environment == Environment::Live;
    let key = keys::derived_secret(&app.master, live, id, &seed);
    if keys::shown(&key) != api_key.prefix {
        let detail = format!(
            "the key {id} was made by this request before the server's master key was changed, so it cannot be told again; revoke it and make another"
        );
        return Err(ApiError::new(StatusCode::CONFLICT, detail));
    }
    Ok(replayed(json_answer(StatusCode::CREATED, to_json(&CreatedApiKey { api_key, key }))))
}

/// The row of the key that was asked for, but for its secret. Nobody gives away more than they have.
fn checked(caller: &Caller, asked: CreateApiKey, id: KeyId, now: Timestamp) -> Result<KeyRow, ApiError> {
    let name = named(&asked.name, MAX_NAME_CHARS)?;
    let world: Environment =
        asked.environment.parse().map_err(|error| ApiError::refused(format!("environment: {error}")))?;
    let live = world == Environment::Live;
    if live && !caller.key.live {
        return Err(forbidden("a test key makes test keys only: ask for the environment test"));
    }
    let scopes = scopes(caller, asked.scopes)?;
    let level: Tier = asked.tier.parse().map_err(|error| ApiError::refused(format!("tier: {error}")))?;
    let requests_per_minute = requests_per_minute(caller, level, asked.requests_per_minute)?;
    let expires_at = match asked.expires_at {
        None => None,
        Some(text) => Some(expiry(&text, now)?),
    };
    if let Some(own) = caller.key.expires_at
        && expires_at.is_none_or(|at| at > own)
    {
        return Err(forbidden(format!(
            "this key expires at {own}, so it cannot make one that lasts longer: give that expires_at or an earlier one"
        )));
    }
    Ok(KeyRow {
        id,
        account: caller.key.account,
        live,
        name: name.to_owned(),
        hash: Vec::new(),
        prefix: String::new(),
        scopes,
        tier: level.as_str().to_owned(),
        created_at: now,
        expires_at,
        revoked_at: None,
        requests_per_minute,
    })
}

fn forbidden(detail: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, detail)
}

/// The scopes, each once, in the order of the contract.
fn scopes(caller: &Caller, asked: Vec<String>) -> Result<Vec<String>, ApiError> {
    let known = || format!("one of {}, or *", SCOPES.join(", "));
    if asked.is_empty() {
        return Err(ApiError::refused(format!("scopes is empty; give at least one: {}", known())));
    }
    if let Some(unknown) = asked.iter().find(|word| *word != "*" && !SCOPES.contains(&word.as_str())) {
        let shown: String = unknown.chars().take(64).collect();
        return Err(ApiError::refused(format!("scopes: \"{shown}\" is no scope; {}", known())));
    }
    let all = ["*"].into_iter().chain(SCOPES.iter().copied());
    let wanted: Vec<&str> = all.filter(|scope| asked.iter().any(|word| word == scope)).collect();
    if let Some(more) = wanted.iter().find(|scope| !caller.has(scope)) {
        return Err(forbidden(format!("this key lacks the scope {more}, so it cannot give it to another")));
    }
    Ok(wanted.into_iter().map(str::to_owned).collect())
}

/// The limit of the new key, where it has one of its own.
fn requests_per_minute(caller: &Caller, level: Tier, asked: Option<i64>) -> Result<Option<u64>, ApiError> {
    let own: Tier = caller.key.tier.parse().unwrap_or(Tier::Free);
    if level > own {
        return Err(forbidden(format!(
            "this key is of the tier {own}, so it cannot make one of the tier {level}"
        )));
    }
    let number = match asked {
        None => None,
        Some(_) if level != Tier::Enterprise => {
            return Err(ApiError::refused(format!(
                "requests_per_minute goes with the tier enterprise; {level} has its own limit"
            )));
        }
        Some(number) => {
            Some(in_range("requests_per_minute", number, 1, MAX_REQUESTS_PER_MINUTE)?.unsigned_abs())
        }
    };
    if let Some(own) = caller.key.requests_per_minute
        && number.unwrap_or_else(|| tier::requests_per_minute(level.as_str())) > own
    {
        return Err(forbidden(format!(
            "this key may make {own} requests a minute, so it cannot make one with more: ask for the tier enterprise with a requests_per_minute of at most that"
        )));
    }
    Ok(number)
}

fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let at: Timestamp = text.parse().map_err(|error| ApiError::malformed(format!("expires_at: {error}")))?;
    if at <= now {
        return Err(ApiError::refused(format!("expires_at is {at}, which is past; it is {now} now")));
    }
    Ok(at)
}

fn shown(row: &KeyRow, last_used_at: Option<Timestamp>) -> Result<ApiKey, ApiError> {
    let tier = row.tier.parse().map_err(|error| ApiError::internal(&error))?;
    Ok(ApiKey {
        id: row.id.to_string(),
        name: row.name.clone(),
        prefix: row.prefix.clone(),
        environment: if row.live { Environment::Live } else { Environment::Test },
        scopes: row.scopes.clone(),
        tier,
        requests_per_minute: row.requests_per_minute,
        created_at: row.created_at.to_string(),
        expires_at: row.expires_at.map(|at| at.to_string()),
        last_used_at: last_used_at.map(|at| at.to_string()),
    })
}

/// The keys that this one may know of: a live key those of both worlds, since it makes them; a test key those of its
/// own.
pub async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Vec<ApiKey>>, ApiError> {
    let store = &app.deps.tasks.store;
    let account = caller.key.account;
    let mut rows = store.keys(account, false).await?;
    if caller.key.live {
        rows.extend(store.keys(account, true).await?);
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    }
    let marks = store.key_marks_of(account).await?;
    let used = |id: KeyId| {
        let written = marks.iter().find(|mark| mark.key == id).map(|mark| mark.last_used_at);
        app.limits.last_used(id).max(written)
    };
    let open = rows.iter().filter(|row| row.revoked_at.is_none());
    open.map(|row| shown(row, used(row.id))).collect::<Result<_, _>>().map(Json)
}

pub async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Success>, ApiError> {
    let missing = || ApiError::not_found("API key");
    let id: KeyId = id.parse().map_err(|_| missing())?;
    let row = app.deps.tasks.store.key(id).await?.ok_or_else(missing)?;
    if row.account != caller.key.account || (row.live && !caller.key.live) {
        return Err(missing());
    }
    if let Some(more) = row.scopes.iter().find(|scope| !caller.has(scope)) {
        return Err(forbidden(format!(
            "this key lacks the scope {more}, so it cannot revoke one that has it"
        )));
    }
    let (keys, connections, now) =
        (Arc::clone(&app.keys), Arc::clone(&app.connections), app.deps.clock.now());
    // Whole, also when the caller hangs up: its streams end with the key.
    let revoked = whole(async move {
        let revoked = keys.revoke(id, now).await;
        if matches!(revoked, Ok(RevokedKey::Revoked)) {
            connections.ended(id);
        }
        revoked
    });
    match revoked.await?? {
        RevokedKey::Revoked => Ok(Json(Success::YES)),
        RevokedKey::Missing => Err(missing()),
        RevokedKey::Last => Err(ApiError::refused(
            "no other live key could make keys with these scopes for as long: make one first, or nobody could any more",
        )),
    }
}
