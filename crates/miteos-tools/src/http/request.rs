//! An outgoing call before it is made.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::AsyncRead;
use url::Url;

/// How long a call may take from start to the last byte, unless it says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What is done with an answer that sends elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// Go there, up to five times, each address judged anew; headers that the caller set stay behind when it is
    /// another origin.
    Follow,
    /// Give the answer to the caller.
    Return,
}

pub(super) enum Content {
    None,
    Bytes(Bytes),
    Reader { reader: Box<dyn AsyncRead + Send + Unpin>, bytes: u64 },
}

/// One call.
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    pub(super) timeout: Duration,
    pub(super) redirects: Redirects,
}

impl Request {
    pub fn new(method: Method, url: Url, redirects: Redirects) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            content: Content::None,
            timeout: DEFAULT_TIMEOUT,
            redirects,
        }
    }

    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url, Redirects::Follow)
    }

    /// A POST of a JSON value, whose answer is not followed elsewhere.
    pub fn post_json(url: Url, body: &serde_json::Value) -> Self {
        Self::new(Method::POST, url, Redirects::Return)
            .header(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Bytes::from(body.to_string()))
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// A header that holds a key: it is kept out of debug prints. A key no header can carry is left out, and the
    /// other side then says that it is missing.
    pub fn secret_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.content = Content::Bytes(body.into());
        self
    }

    /// A body of exactly `bytes` bytes that is never held whole. It can be sent once, so it is never sent elsewhere.
    pub fn body_reader(mut self, reader: Box<dyn AsyncRead + Send + Unpin>, bytes: u64) -> Self {
        self.content = Content::Reader { reader, bytes };
        self.redirects = Redirects::Return;
        self
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
