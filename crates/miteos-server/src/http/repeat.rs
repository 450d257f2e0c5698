//! `Idempotency-Key`: a request that is sent again gets the first one's answer, and does nothing. The answer is stored
//! in the transaction of the effect, so that there is never the one without the other.
//!
//! A handler of a POST takes [`Once`] in place of `Body` (or [`OnceBare`], where there is no body to read) and hands
//! [`Repeatable::row`] to the call that writes. It is not called at all for a request that has been answered before.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use miteos_api::Success;
use miteos_core::ids::KeyId;
use miteos_core::time::Timestamp;
use miteos_store::IdempotencyRow;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Digest;

use super::App;
use super::auth::{Caller, unauthorised};
use super::error::ApiError;
use super::extract::{from_json, read_body};
use crate::secrets::Sealed;

/// Longest key (bytes).
const MAX_NAME_BYTES: usize = 255;
const HEADER: &str = "idempotency-key";

/// What a request is known by when it comes again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Named {
    key: KeyId,
    method: String,
    path: String,
    name: String,
}

/// Requests with an idempotency key that are being answered now.
#[derive(Default)]
pub struct InFlight {
    named: Mutex<HashSet<Named>>,
}

/// A request's place among them, until it has been answered.
struct Turn {
    all: Arc<InFlight>,
    named: Named,
}

impl InFlight {
    /// `None` while a twin of the request is being answered.
    fn enter(self: &Arc<Self>, named: Named) -> Option<Turn> {
        let entered = self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(named.clone());
        entered.then(|| Turn { all: Arc::clone(self), named })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all.named.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.named);
    }
}

/// A request that may come again. Held until it is answered, so that a twin that comes meanwhile is told so.
pub struct Repeatable {
    /// `None`: it carries no key and is always new.
    turn: Option<Turn>,
    fingerprint: Vec<u8>,
}

/// Whether a request has been answered before.
pub enum Begun {
    New(Repeatable, Bytes),
    Again(Box<IdempotencyRow>),
}

/// Reads a request's body and looks whether it has been answered. For handlers whose answers cannot be told again as
/// they are stored; the others take [`Once`].
pub async fn begin(app: &App, request: Request) -> Result<Begun, ApiError> {
    let mut repeat = Repeatable::enter(app, &request)?;
    let body = read_body(request).await?;
    repeat.fingerprint = sha2::Sha256::digest(&body).to_vec();
    match repeat.known(app).await? {
        None => Ok(Begun::New(repeat, body)),
        Some(row) => repeat.same(row).map(Begun::Again),
    }
}

impl Repeatable {
    /// Takes the request's turn. 409 while a twin has it.
    pub fn enter(app: &App, request: &Request) -> Result<Self, ApiError> {
        let caller = request.extensions().get::<Caller>();
        let caller = caller.ok_or_else(|| unauthorised(request.headers()))?;
        let Some(name) = name(request.headers())? else {
            return Ok(Self { turn: None, fingerprint: Vec::new() });
        };
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let named = Named { key: caller.key.id, method, path, name };
        match app.in_flight.enter(named) {
            Some(turn) => Ok(Self { turn: Some(turn), fingerprint: Vec::new() }),
            None => Err(ApiError::new(
                StatusCode::CONFLICT,
                "a request with this Idempotency-Key is being answered; send it again for its answer",
            )),
        }
    }

    /// The answer stored under the request's key, whatever its body was.
    pub async fn known(&self, app: &App) -> Result<Option<Box<IdempotencyRow>>, ApiError> {
        let Some(Turn { named, .. }) = &self.turn else { return Ok(None) };
        let Named { key, method, path, name } = named.clone();
        let now = app.deps.clock.now();
        Ok(app.deps.tasks.store.answer(key, method, path, name, now).await?.map(Box::new))
    }

    /// For bodies that are not read as a whole: what was read of them.
    pub fn set_fingerprint(&mut self, fingerprint: Vec<u8>) {
        self.fingerprint = fingerprint;
    }

    /// The stored answer, if it is that of the same request.
    pub fn same(&self, row: Box<IdempotencyRow>) -> Result<Box<IdempotencyRow>, ApiError> {
        if row.fingerprint == self.fingerprint {
            return Ok(row);
        }
        let detail = "this Idempotency-Key was used for a request with another body; use a new one";
        Err(ApiError::new(StatusCode::CONFLICT, detail))
    }

    /// What is stored with the effect; `None` for a request without a key.
    pub fn row(&self, status: StatusCode, body: &[u8], at: Timestamp) -> Option<IdempotencyRow> {
        let Named { key, method, path, name } = self.turn.as_ref()?.named.clone();
        Some(IdempotencyRow {
            key,
            method,
            path,
            name,
            fingerprint: self.fingerprint.clone(),
            status: status.as_u16(),
            body: body.to_vec(),
            at,
        })
    }

    /// As [`Self::row`], for commands that answer `{"success": true}`.
    pub fn success(&self, at: Timestamp) -> Option<IdempotencyRow> {
        self.row(StatusCode::OK, &to_json(&Success::YES), at)
    }

    /// As [`Self::row`], for an answer that shows a secret: only the master key can read what is stored.
    pub fn sealed_row(
        &self,
        app: &App,
        status: StatusCode,
        body: &[u8],
        at: Timestamp,
    ) -> Result<Option<IdempotencyRow>, ApiError> {
        let Some(row) = self.row(status, &[], at) else { return Ok(None) };
        let sealed = app.master.seal(Sealed::Answer, &owner(&row), body);
        let body = sealed.map_err(|error| ApiError::internal(&error))?;
        Ok(Some(IdempotencyRow { body, ..row }))
    }

    /// Whether the request carries a key.
    pub fn is_named(&self) -> bool {
        self.turn.is_some()
    }
}

/// A JSON body of a request that may come again.
pub struct Once<T> {
    pub repeat: Repeatable,
    pub body: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Once<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        match begin(app, request).await.map_err(IntoResponse::into_response)? {
            Begun::Again(row) => Err(again(&row)),
            Begun::New(repeat, bytes) => {
                let body = from_json(&bytes).map_err(IntoResponse::into_response)?;
                Ok(Self { repeat, body })
            }
        }
    }
}

/// A request that may come again and whose body says nothing.
pub struct OnceBare(pub Repeatable);

impl FromRequest<Arc<App>> for OnceBare {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        match begin(app, request).await.map_err(IntoResponse::into_response)? {
            Begun::Again(row) => Err(again(&row)),
            Begun::New(repeat, _) => Ok(Self(repeat)),
        }
    }
}

/// As [`OnceBare`], for a request that is answered when something has ended: its repeat waits for that end, too.
pub struct OnceEnded(pub Begun);

impl FromRequest<Arc<App>> for OnceEnded {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        begin(app, request).await.map(Self).map_err(IntoResponse::into_response)
    }
}

impl OnceEnded {
    /// What is stored with the effect of a new request; `Err` with the stored answer of one that had its effect.
    pub fn success(&self, at: Timestamp) -> Result<Option<IdempotencyRow>, &IdempotencyRow> {
        match &self.0 {
            Begun::New(repeat, _) => Ok(repeat.success(at)),
            Begun::Again(row) => Err(row),
        }
    }
}

fn name(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let bytes = first.as_bytes();
    let visible = bytes.iter().all(|byte| matches!(byte, 0x21..=0x7e));
    match std::str::from_utf8(bytes) {
        Ok(text)
            if visible && !bytes.is_empty() && bytes.len() <= MAX_NAME_BYTES && values.next().is_none() =>
        {
            Ok(Some(text.to_owned()))
        }
        _ => Err(ApiError::malformed(format!(
            "Idempotency-Key must be 1 to {MAX_NAME_BYTES} visible ASCII characters, and sent once"
        ))),
    }
}

/// A stored answer, told again as it was.
pub fn again(row: &IdempotencyRow) -> Response {
    let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::OK);
    replayed(json_answer(status, row.body.clone()))
}

/// As [`again`], for an answer that was stored with [`Repeatable::sealed_row`].
pub fn again_sealed(app: &App, row: IdempotencyRow) -> Result<Response, ApiError> {
    let opened = app.master.open(Sealed::Answer, &owner(&row), &row.body);
    let body = opened.map_err(|error| ApiError::internal(&error))?;
    Ok(again(&IdempotencyRow { body, ..row }))
}

/// What a sealed answer is bound to: its request.
fn owner(row: &IdempotencyRow) -> String {
    format!("{} {} {} {}", row.key, row.method, row.path, row.name)
}

/// Marks an answer as one that was given before.
pub fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

/// An answer as it is stored and sent. The wire types always serialise: they hold texts and numbers.
pub fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// An answer of JSON that is serialised already.
pub fn json_answer(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
