//! `Idempotency-Key`: a request that is sent again gets the first one's answer, and does nothing. The answer is stored
//! in the transaction of the effect, so that there is never the one without the other.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use miteos_core::ids::KeyId;
use miteos_core::time::Timestamp;
use miteos_store::IdempotencyRow;
use sha2::Digest;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::read_body;
use crate::secrets::Sealed;

/// Longest key (bytes).
const MAX_NAME_BYTES: usize = 255;

/// A request that may come again.
pub struct Repeatable {
    key: KeyId,
    method: String,
    path: String,
    /// `None`: it carries no key and is always new.
    name: Option<String>,
    fingerprint: Vec<u8>,
}

impl Repeatable {
    /// Takes what identifies a request, and its body.
    pub async fn read(caller: &Caller, request: Request) -> Result<(Self, Bytes), ApiError> {
        let name = match request.headers().get("idempotency-key") {
            None => None,
            Some(value) => Some(checked(value)?),
        };
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let body = read_body(request).await?;
        let fingerprint = sha2::Sha256::digest(&body).to_vec();
        Ok((Self { key: caller.key.id, method, path, name, fingerprint }, body))
    }

    /// The answer that the request has had already.
    pub async fn known(&self, app: &App) -> Result<Option<Response>, ApiError> {
        self.stored(app).await?.map(|row| self.again(&row)).transpose()
    }

    /// As [`Self::known`], for answers that were stored with [`Self::sealed_row`].
    pub async fn known_sealed(&self, app: &App) -> Result<Option<Response>, ApiError> {
        self.stored(app).await?.map(|row| self.again_sealed(app, row)).transpose()
    }

    async fn stored(&self, app: &App) -> Result<Option<IdempotencyRow>, ApiError> {
        let Some(name) = &self.name else { return Ok(None) };
        let store = &app.deps.tasks.store;
        Ok(store.answer(self.key, self.method.clone(), self.path.clone(), name.clone()).await?)
    }

    /// The stored answer again, if it is that of the same request.
    pub fn again(&self, row: &IdempotencyRow) -> Result<Response, ApiError> {
        if row.fingerprint != self.fingerprint {
            let detail = "this Idempotency-Key was used for a request with another body; use a new one";
            return Err(ApiError::new(StatusCode::CONFLICT, detail));
        }
        let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::OK);
        let mut response = json_answer(status, row.body.clone());
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        Ok(response)
    }

    /// As [`Self::again`], for an answer that was stored with [`Self::sealed_row`].
    pub fn again_sealed(&self, app: &App, row: IdempotencyRow) -> Result<Response, ApiError> {
        if row.fingerprint != self.fingerprint {
            return self.again(&row);
        }
        let opened = app.master.open(Sealed::Answer, &self.owner(), &row.body);
        let body = opened.map_err(|error| ApiError::internal(&error))?;
        self.again(&IdempotencyRow { body, ..row })
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
        let sealed = app.master.seal(Sealed::Answer, &self.owner(), body);
        let body = sealed.map_err(|error| ApiError::internal(&error))?;
        Ok(Some(IdempotencyRow { body, ..row }))
    }

    /// What a sealed answer is bound to: this request.
    fn owner(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        format!("{} {} {} {name}", self.key, self.method, self.path)
    }

    /// What is stored with the effect.
    pub fn row(&self, status: StatusCode, body: &[u8], at: Timestamp) -> Option<IdempotencyRow> {
        let name = self.name.clone()?;
        Some(IdempotencyRow {
            key: self.key,
            method: self.method.clone(),
            path: self.path.clone(),
            name,
            fingerprint: self.fingerprint.clone(),
            status: status.as_u16(),
            body: body.to_vec(),
            at,
        })
    }
}

fn checked(value: &HeaderValue) -> Result<String, ApiError> {
    let bytes = value.as_bytes();
    let visible = bytes.iter().all(|byte| matches!(byte, 0x21..=0x7e));
    match std::str::from_utf8(bytes) {
        Ok(text) if visible && !bytes.is_empty() && bytes.len() <= MAX_NAME_BYTES => Ok(text.to_owned()),
        _ => Err(ApiError::malformed(format!(
            "Idempotency-Key must be 1 to {MAX_NAME_BYTES} visible ASCII characters"
        ))),
    }
}

/// An answer of JSON that is serialised already.
pub fn json_answer(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
