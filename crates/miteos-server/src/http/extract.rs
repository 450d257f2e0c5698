//! Bodies, queries and numbers as the contract reads them: what cannot be read is 400, what is out of range 422.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_ENCODING;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Largest body of a request that is no upload (bytes).
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Rows of a page unless asked otherwise, and at most.
const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        from_json(&read_body(request).await?).map(Self)
    }
}

/// The bytes of a body, as far as the limit allows.
pub async fn read_body(request: Request) -> Result<Bytes, ApiError> {
    if let Some(encoding) = request.headers().get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let detail = "the body has a Content-Encoding; send it as it is";
        return Err(ApiError::malformed(detail));
    }
    Bytes::from_request(request, &()).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = format!("the body is larger than {MAX_BODY_BYTES} bytes");
            return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail);
        }
        ApiError::malformed("the body could not be read")
    })
}

/// Reads a body as JSON: an object, since every body of the contract is one. A list of its fields' values would fit,
/// too, if it were not refused.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {}
        None => return Err(ApiError::malformed("the body is empty; a JSON object is expected")),
        Some(_) => return Err(ApiError::malformed("the body is not as expected: it is no JSON object")),
    }
    let value = serde_json::from_slice(bytes);
    value.map_err(|error| ApiError::malformed(format!("the body is not as expected: {error}")))
}

/// The variable parts of the address.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|path| Self(path.0)).map_err(|rejection| {
            ApiError::malformed(format!("the address cannot be read: {}", rejection.body_text()))
        })
    }
}

/// The query string. Parameters that nobody knows are ignored.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        read.map(|query| Self(query.0)).map_err(|rejection| {
            let why = rejection.body_text();
            let detail = format!("the query is not as expected: {why}");
            // A number beyond every range is out of range, and still a number.
            if why.contains("too large to fit") || why.contains("too small to fit") {
                ApiError::refused(detail)
            } else {
                ApiError::malformed(detail)
            }
        })
    }
}

/// A number within its range, or 422.
pub fn in_range(name: &str, value: i64, least: i64, most: i64) -> Result<i64, ApiError> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(ApiError::refused(format!("{name} is {value}; it must be {least} to {most}")))
}

/// A name that people give: not blank, not too long, no control characters. White space around it is left out.
pub fn named(text: &str, max_chars: usize) -> Result<&str, ApiError> {
    let name = text.trim();
    if name.is_empty() || text.chars().count() > max_chars || text.chars().any(char::is_control) {
        let detail = format!(
            "name must have 1 to {max_chars} characters, not only white space, and no control characters"
        );
        return Err(ApiError::refused(detail));
    }
    Ok(name)
}

/// A page: how many rows, and how many to skip.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub limit: usize,
    pub offset: usize,
}

impl Page {
    /// As lists repeat it.
    pub fn told(self) -> (u32, u64) {
        (u32::try_from(self.limit).unwrap_or(u32::MAX), self.offset as u64)
    }
}

pub fn page(limit: Option<i64>, offset: Option<i64>) -> Result<Page, ApiError> {
    let limit = in_range("limit", limit.unwrap_or(DEFAULT_LIMIT), 1, MAX_LIMIT)?;
    let offset = in_range("offset", offset.unwrap_or(0), 0, i64::from(u32::MAX))?;
    // Both are small and not negative.
    Ok(Page { limit: usize::try_from(limit).unwrap_or(1), offset: usize::try_from(offset).unwrap_or(0) })
}
