//! The answer to an outgoing call, read within limits.

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::error::HttpError;

/// An answer whose body is still to be read.
pub struct Response {
    pub(super) inner: reqwest::Response,
    /// Where it came from in the end.
    pub(super) url: Url,
    pub(super) redirects: usize,
    pub(super) seconds: u64,
    pub(super) cancel: CancellationToken,
}

/// A body as far as it was read.
#[derive(Debug, Clone)]
pub struct Body {
    pub bytes: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
}

impl Response {
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// How often it was sent elsewhere.
    pub fn redirects(&self) -> usize {
        self.redirects
    }

    /// The content type, empty if none was named.
    pub fn content_type(&self) -> &str {
        self.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The size that was announced, before any decompression.
    pub fn announced_bytes(&self) -> Option<u64> {
        let value = self.headers().get(reqwest::header::CONTENT_LENGTH)?;
        value.to_str().ok()?.parse().ok()
    }

    /// The next piece of the body, decompressed; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        let host = self.url.host_str().unwrap_or_default();
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(HttpError::Cancelled),
            chunk = self.inner.chunk() => chunk.map_err(|error| HttpError::of(host, self.seconds, error)),
        }
    }

    /// The body up to `max_bytes`; the rest is not read.
    pub async fn read_up_to(mut self, max_bytes: usize) -> Result<Body, HttpError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let room = max_bytes - bytes.len();
            if chunk.len() > room {
                bytes.extend_from_slice(&chunk[..room]);
                return Ok(Body { bytes, truncated: true });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes, truncated: false })
    }

    /// The whole body, which may not be bigger than `max_bytes`.
    pub async fn read_all(self, max_bytes: usize) -> Result<Vec<u8>, HttpError> {
        let host = self.url.host_str().unwrap_or_default().to_owned();
        let body = self.read_up_to(max_bytes).await?;
        if body.truncated {
            return Err(HttpError::TooBig { host, limit: max_bytes as u64 });
        }
        Ok(body.bytes)
    }
}
