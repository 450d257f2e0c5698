//! The client itself: one connection pool, one key, and the retry rules that every call shares.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::ClientError;
use crate::retry::RetryPolicy;

/// A server that cannot be connected to within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that is silent for this long is dead; event streams have a sign of life every 15 s.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Of an error answer that is not ours, this much is shown.
const SHOWN_OF_FOREIGN_ERROR: usize = 200;
/// An answer that should be JSON and is larger than this is not read to its end.
const MAX_JSON_BYTES: usize = 64 * 1024 * 1024;

/// A connection to one Miteos server with one API key. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    /// For long bodies: the time to read an answer in begins when the request does, so it has none. Whoever sends
    /// with it watches the body's progress.
    uploads: reqwest::Client,
    base: Url,
    retry: RetryPolicy,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

/// Makes a [`Client`] that differs from the usual one.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    retry: Option<RetryPolicy>,
}

impl Builder {
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// See [`Client::new`].
    pub fn build(self, base_url: &str, key: &str) -> Result<Client, ClientError> {
        let base = parse_base(base_url)?;
        let http = build(http_client(&base, key)?.read_timeout(READ_TIMEOUT))?;
        let uploads = build(http_client(&base, key)?)?;
        Ok(Client { inner: Arc::new(Inner { http, uploads, base, retry: self.retry.unwrap_or_default() }) })
    }
}

/// The one place that makes a bare HTTP client.
#[expect(
    clippy::disallowed_methods,
    reason = "its only calls go to the user's own server, which is usually on a private address"
)]
fn http_client(base: &Url, key: &str) -> Result<reqwest::ClientBuilder, ClientError> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {key}"))
        .map_err(|_| invalid("the API key holds characters that no key has; one looks like mt_live_…"))?;
    bearer.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, bearer);
    // Fails only if the process has chosen its cryptography already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .default_headers(headers)
        .user_agent(concat!("miteos-client/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip();
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    Ok(builder)
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, ClientError> {
    builder.build().map_err(|error| invalid(format!("cannot set up connections: {error}")))
}

/// Whether a server address can only mean this machine. A name below `localhost` is none: not every system keeps it
/// from its name servers.
pub fn is_this_machine(base_url: &str) -> Result<bool, ClientError> {
    let base = parse_base(base_url)?;
    Ok(is_loopback(&base) && !base.host_str().is_some_and(|host| host.ends_with(".localhost")))
}

/// Whether two server addresses mean the same place, however they are written.
pub fn is_same_server(one: &str, other: &str) -> Result<bool, ClientError> {
    Ok(parse_base(one)? == parse_base(other)?)
}

fn is_loopback(base: &Url) -> bool {
    match base.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Accepts the address with or without `/v1` and a slash at its end.
fn parse_base(text: &str) -> Result<Url, ClientError> {
    let example = "one looks like http://127.0.0.1:7700";
    let mut url = Url::parse(text.trim())
        .map_err(|_| invalid(format!("\"{text}\" is no server address; {example}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(invalid(format!("\"{text}\" is no server address; {example}")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("a server address carries no user name or password; the API key is given apart"));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').trim_end_matches("/v1").trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

pub(crate) fn invalid(what: impl Into<String>) -> ClientError {
    ClientError::Invalid { what: what.into() }
}

/// One call, before it is sent; can be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub method: Method,
    pub url: Url,
    body: Option<Bytes>,
    idempotency_key: Option<String>,
    pub headers: Vec<(&'static str, String)>,
}

impl Client {
    /// A client for the server at `base_url` (`http://127.0.0.1:7700`) with an API key (`mt_live_…`).
    pub fn new(base_url: &str, key: &str) -> Result<Self, ClientError> {
        Self::builder().build(base_url, key)
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The server's address, without `/v1`.
    pub fn base_url(&self) -> &str {
        self.inner.base.as_str().trim_end_matches('/')
    }

    pub(crate) fn retry(&self) -> &RetryPolicy {
        &self.inner.retry
    }

    pub(crate) fn call(&self, method: Method, segments: &[&str]) -> Result<Call, ClientError> {
        let mut url = self.inner.base.clone();
        for segment in segments {
            if segment.is_empty() || matches!(*segment, "." | "..") {
                return Err(invalid(format!("\"{segment}\" cannot be a part of an address")));
            }
        }
        url.path_segments_mut()
            .map_err(|()| invalid("the server address cannot be built upon"))?
            .pop_if_empty()
            .push("v1")
            .extend(segments);
        Ok(Call { method, url, body: None, idempotency_key: None, headers: Vec::new() })
    }

    pub(crate) fn get(&self, segments: &[&str]) -> Result<Call, ClientError> {
        self.call(Method::GET, segments)
    }

    /// A POST with its own idempotency key, which every attempt shares.
    pub(crate) fn post<B: Serialize>(&self, segments: &[&str], body: &B) -> Result<Call, ClientError> {
        let mut call = self.call(Method::POST, segments)?.json(body)?;
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|_| invalid("the system has no random numbers to give"))?;
        call.idempotency_key = Some(hex::encode(random));
        Ok(call)
    }

    /// Sends and reads a JSON answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClientError> {
        let mut failed = 0;
        loop {
            let result = match self.send_once(call).await {
                Ok(response) => self.read_json(response).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(answer) => return Ok(answer),
                Err(error) => self.pause_or_give_up(call, &mut failed, error).await?,
            }
        }
    }

    /// Deletes. If an attempt was lost on the way, finding nothing afterwards is what was wanted.
    pub(crate) async fn delete(&self, segments: &[&str]) -> Result<(), ClientError> {
        let call = self.call(Method::DELETE, segments)?;
        let mut failed = 0;
        loop {
            match self.send_once(&call).await {
                Ok(_) => return Ok(()),
                Err(ClientError::Api { status: 404, .. }) if failed > 0 => return Ok(()),
                Err(error) => self.pause_or_give_up(&call, &mut failed, error).await?,
            }
        }
    }

    pub(crate) async fn pause_or_give_up(
        &self,
        call: &Call,
        failed: &mut u32,
        error: ClientError,
    ) -> Result<(), ClientError> {
        *failed += 1;
        let twin = call.is_twin_in_flight(*failed, &error);
        if *failed >= self.inner.retry.attempts || !(error.is_transient() || twin) {
            return Err(error);
        }
        match self.inner.retry.pause(*failed, error.retry_after()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error),
        }
        Ok(())
    }

    /// One attempt.
    pub(crate) async fn send_once(&self, call: &Call) -> Result<Response, ClientError> {
        let mut request = self.request(call);
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        self.send_request(request).await
    }

    fn request(&self, call: &Call) -> RequestBuilder {
        self.request_by(&self.inner.http, call)
    }

    /// For a long body whose progress the caller watches.
    pub(crate) fn upload_request(&self, call: &Call) -> RequestBuilder {
        self.request_by(&self.inner.uploads, call)
    }

    fn request_by(&self, http: &reqwest::Client, call: &Call) -> RequestBuilder {
        let mut request = http.request(call.method.clone(), call.url.clone());
        if let Some(key) = &call.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        request
    }

    /// Sends as it is; an answer that is no success becomes an error.
    pub(crate) async fn send_request(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(read_error(response).await)
    }

    /// Nothing moved for too long.
    pub(crate) fn stalled(&self) -> ClientError {
        ClientError::Unreachable { url: self.base_url().to_owned(), source: None }
    }

    pub(crate) fn unreachable(&self, error: reqwest::Error) -> ClientError {
        ClientError::Unreachable { url: self.base_url().to_owned(), source: Some(error.without_url()) }
    }

    pub(crate) async fn read_json<T: DeserializeOwned>(
        &self,
        mut response: Response,
    ) -> Result<T, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > MAX_JSON_BYTES {
                return Err(ClientError::protocol("it is larger than any answer should be"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| ClientError::protocol(error.to_string()))
    }
}

impl Call {
    /// Adds the fields that are set to the query. `query` must be a flat struct.
    pub fn query<Q: Serialize>(mut self, query: &Q) -> Result<Self, ClientError> {
        let value = serde_json::to_value(query).map_err(|error| invalid(error.to_string()))?;
        // Sorted, so that the same question is always the same address.
        let fields: BTreeMap<&String, &serde_json::Value> = value.as_object().into_iter().flatten().collect();
        for (name, value) in fields {
            match value {
                serde_json::Value::Null => {}
                serde_json::Value::String(text) => {
                    self.url.query_pairs_mut().append_pair(name, text);
                }
                other => {
                    self.url.query_pairs_mut().append_pair(name, &other.to_string());
                }
            }
        }
        Ok(self)
    }

    pub fn json<B: Serialize>(mut self, body: &B) -> Result<Self, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| invalid(error.to_string()))?;
        self.body = Some(body.into());
        Ok(self)
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A repeated POST whose key is our own can meet 409 only because its first attempt still runs.
    fn is_twin_in_flight(&self, failed: u32, error: &ClientError) -> bool {
        failed > 1 && self.idempotency_key.is_some() && error.status() == Some(StatusCode::CONFLICT.as_u16())
    }
}

async fn read_error(mut response: Response) -> ClientError {
    let status = response.status();
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request_id = header("request-id");
    let retry_after =
        header(RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let mut body = Vec::new();
    while body.len() < 64 * 1024
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    let detail = match serde_json::from_slice::<miteos_api::ErrorBody>(&body) {
        Ok(error) => error.detail,
        Err(_) => {
            let shown: String = String::from_utf8_lossy(&body).chars().take(SHOWN_OF_FOREIGN_ERROR).collect();
            format!("the server answered {status}: {}", shown.trim()).trim_end_matches([':', ' ']).to_owned()
        }
    };
    ClientError::Api { status: status.as_u16(), detail, request_id, retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_their_trimmings() {
        for text in ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", " http://h:1 "] {
            assert_eq!(parse_base(text).unwrap().as_str(), "http://h:1/", "{text}");
        }
        assert_eq!(parse_base("https://h/miteos/v1").unwrap().as_str(), "https://h/miteos");
        for bad in ["", "h:1", "ftp://h", "http://", "http://user:pw@h", "/v1"] {
            assert!(matches!(parse_base(bad), Err(ClientError::Invalid { .. })), "{bad}");
        }
    }

    #[test]
    fn only_loopback_is_this_machine() {
        for here in ["http://127.0.0.1:7700", "http://127.9.9.9", "http://[::1]:1/v1", "http://LOCALHOST:1"] {
            assert!(is_this_machine(here).unwrap(), "{here}");
        }
        for elsewhere in [
            "https://other.example",
            "http://127.0.0.1.other.example",
            "http://x.localhost",
            "http://0.0.0.0:7700",
            "http://10.0.0.1",
            "http://[::2]",
        ] {
            assert!(!is_this_machine(elsewhere).unwrap(), "{elsewhere}");
        }
        assert!(is_this_machine("http://127.0.0.1@other.example").is_err());
        assert!(is_same_server("http://H:80/v1/", "http://h").unwrap());
        for other in ["https://h", "http://h:81", "http://h.example", "http://h/base"] {
            assert!(!is_same_server("http://h", other).unwrap(), "{other}");
        }
    }

    #[test]
    fn names_cannot_climb_out_of_their_place() {
        let client = Client::new("http://h:1/base", "mt_test_x").unwrap();
        let url = client.get(&["tasks", "a/../b?c#d"]).unwrap().url;
        assert_eq!(url.as_str(), "http://h:1/base/v1/tasks/a%2F..%2Fb%3Fc%23d");
        for bad in ["", ".", ".."] {
            assert!(client.get(&["tasks", bad, "cancel"]).is_err(), "{bad}");
        }
        assert!(!format!("{client:?}").contains("mt_test_x"));
    }

    #[test]
    fn a_key_that_cannot_be_a_header_is_refused() {
        assert!(matches!(Client::new("http://h", "mt_live_\n"), Err(ClientError::Invalid { .. })));
    }
}
