//! Calls to a provider's API through the guarded client: authorisation, bounded answers, repeats where a repeat does no
//! harm, and one reading of what went wrong. Knows no single provider; each brings its base, its token and its way to
//! read refusals.

mod redact;
mod refusal;
mod wait;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use miteos_tools::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use miteos_tools::http::{Guarded, HttpError, Method, Redirects, Request, Url};
use miteos_tools::secret::Secret;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::body::Payload;
use crate::error::{DeployError, ErrorKind};
use crate::target::{TargetKind, Tools};

pub(crate) use redact::Redactor;
pub(crate) use refusal::Refusal;
pub(crate) use wait::asked_wait_ms;

/// The biggest answer that is read (bytes).
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// For a call without a body to speak of.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// An upload may take a call's time and, for its bytes, as long as a line of this speed needs (bytes a second).
const SLOWEST_UPLOAD: u64 = 32 * 1024;
/// When a deployment is cancelled, the answer of a call that makes something is waited for so long all the same: it may be
/// carried out, and then the answer says what has to be ended.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// No single upload may take longer.
const MAX_UPLOAD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// What time it is.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// How often and how fast calls are repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Attempts of one call, the first included.
    pub attempts: u32,
    /// The first pause; each later one is twice as long.
    pub base_ms: u64,
    pub cap_ms: u64,
    /// A provider that asks for a longer pause is not waited for inside a step; the caller is told until when.
    pub max_inline_ms: u64,
    /// Between two questions whether the provider is done, at most.
    pub max_poll_ms: u64,
    /// Uploads at the same time.
    pub parallel: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            attempts: 5,
            base_ms: 500,
            cap_ms: 15_000,
            max_inline_ms: 60_000,
            max_poll_ms: 30_000,
            parallel: 5,
        }
    }
}

impl Pace {
    /// The pause after so many failures: between half and the whole of the backoff, but at least what was asked for.
    pub fn pause_ms(&self, failed: u32, asked: Option<u64>) -> u64 {
        let full = self.base_ms.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(self.cap_ms);
        let share = getrandom::u32().map_or(1.0, |n| f64::from(n) / f64::from(u32::MAX));
        let jittered = (full as f64 * (0.5 + 0.5 * share)) as u64;
        asked.map_or(jittered, |asked| asked.max(jittered))
    }

    /// The pause before the next question, by how long the provider has been asked: the official clients' cadence.
    pub(crate) fn poll_ms(&self, waited_ms: u64) -> u64 {
        let pause = match waited_ms {
            0..15_000 => 1_000,
            15_000..60_000 => 5_000,
            60_000..300_000 => 15_000,
            _ => 30_000,
        };
        pause.min(self.max_poll_ms)
    }
}

/// Where a provider's API is.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    url: Url,
    /// The server's owner named it, so it may be private.
    is_owners: bool,
}

/// Where the APIs are. Only the server's owner can name others, never a client.
#[derive(Debug, Clone)]
pub struct Bases {
    netlify: Base,
    vercel: Base,
    cloudflare: Base,
    appstore: Base,
}

impl Default for Bases {
    #[expect(clippy::expect_used, reason = "fixed addresses, parsed by a test")]
    fn default() -> Self {
        let official = |url: &str| Base { url: Url::parse(url).expect("a fixed address"), is_owners: false };
        Self {
            netlify: official("https://api.netlify.com/api/v1/"),
            vercel: official("https://api.vercel.com/"),
            cloudflare: official("https://api.cloudflare.com/client/v4/"),
            appstore: official("https://api.appstoreconnect.apple.com/"),
        }
    }
}

impl Bases {
    /// The same with another address for one provider; `None` when the text is no address or the target has none.
    pub fn with(mut self, target: TargetKind, url: &str) -> Option<Self> {
        let mut url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let base = Base { url, is_owners: true };
        match target {
            TargetKind::Netlify => self.netlify = base,
            TargetKind::Vercel => self.vercel = base,
            TargetKind::Cloudflare => self.cloudflare = base,
            TargetKind::Appstore => self.appstore = base,
            TargetKind::Expo => return None,
        }
        Some(self)
    }

    fn of(&self, target: TargetKind) -> Option<&Base> {
        match target {
            TargetKind::Netlify => Some(&self.netlify),
            TargetKind::Vercel => Some(&self.vercel),
            TargetKind::Cloudflare => Some(&self.cloudflare),
            TargetKind::Appstore => Some(&self.appstore),
            TargetKind::Expo => None,
        }
    }
}

/// Whether a call may be made again when it is not known what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Made twice it does what it does once.
    Safe,
    /// It makes something. It is only made again when the provider said that it did not take it; otherwise the
    /// caller looks what came of it.
    Once,
}

pub(crate) enum Content {
    None,
    Json(Value),
    Payload { payload: Payload, content_type: String },
}

/// One call.
pub(crate) struct Call {
    pub method: Method,
    pub url: Url,
    pub content: Content,
    pub repeat: Repeat,
    /// In place of the API's own token.
    pub bearer: Option<Secret>,
    pub headers: Vec<(String, String)>,
}

impl Call {
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url, Repeat::Safe)
    }

    pub fn new(method: Method, url: Url, repeat: Repeat) -> Self {
        Self { method, url, content: Content::None, repeat, bearer: None, headers: Vec::new() }
    }

    pub fn json(mut self, value: Value) -> Self {
        self.content = Content::Json(value);
        self
    }

    pub fn payload(mut self, payload: Payload, content_type: impl Into<String>) -> Self {
        self.content = Content::Payload { payload, content_type: content_type.into() };
        self
    }

    pub fn bearer(mut self, token: Secret) -> Self {
        self.bearer = Some(token);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// An answer with a status of success.
pub(crate) struct Answer {
    pub status: u16,
    pub json: Value,
}

/// Why there is none.
pub(crate) enum Problem {
    /// The provider answered no.
    Refused(Refusal),
    /// Anything else.
    Other(DeployError),
}

impl From<Problem> for DeployError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Refused(refusal) => refusal.into_error(),
            Problem::Other(error) => error,
        }
    }
}

/// How a provider's refusals are read: what its error object says beyond the status.
pub(crate) type Reading = fn(&mut Refusal);

/// One provider's API for one account.
#[derive(Clone)]
pub(crate) struct Api {
    http: Guarded,
    base: Url,
    target: TargetKind,
    pub clock: Arc<dyn Clock>,
    pub pace: Pace,
    token: Option<Secret>,
    redactor: Arc<Redactor>,
    reading: Reading,
}

impl Api {
    /// `secrets` never show in a message; `token` is sent with every call that brings no other.
    pub fn new(
        target: TargetKind,
        tools: &Tools,
        token: Option<Secret>,
        secrets: &[&str],
        reading: Reading,
    ) -> Self {
        let base = tools.bases.of(target).cloned().unwrap_or_else(|| tools.bases.netlify.clone());
        let http = if base.is_owners { tools.http.for_owner() } else { tools.http.clone() };
        Self {
            http,
            base: base.url,
            target,
            clock: Arc::clone(&tools.clock),
            pace: tools.pace.clone(),
            token,
            redactor: Arc::new(Redactor::new(secrets)),
            reading,
        }
    }

    /// The same through another client: for addresses that the provider itself names.
    pub fn through(&self, http: Guarded) -> Self {
        Self { http, ..self.clone() }
    }

    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// An address below the base. Segments are encoded here, so no value can become another path.
    pub fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    pub async fn get(&self, url: Url, cancel: &CancellationToken) -> Result<Value, Problem> {
        Ok(self.send(Call::get(url), cancel).await?.json)
    }

    /// Makes the call, again where that does no harm, until it succeeds or there is no use in it.
    pub async fn send(&self, call: Call, cancel: &CancellationToken) -> Result<Answer, Problem> {
        let mut failed = 0;
        loop {
            let (problem, asked) = match self.attempt(&call, cancel).await {
                Ok(answer) => return Ok(answer),
                Err(Problem::Refused(refusal)) => {
                    let not_taken = refusal.status == 429 && refusal.may_pass();
                    let passes = refusal.may_pass() && call.repeat == Repeat::Safe;
                    if !not_taken && !passes {
                        return Err(Problem::Refused(refusal));
                    }
                    let asked = refusal.wait_ms;
                    (Problem::Refused(refusal), asked)
                }
                Err(Problem::Other(error)) => {
                    if error.kind != ErrorKind::Network || call.repeat == Repeat::Once {
                        return Err(Problem::Other(error));
                    }
                    (Problem::Other(error), None)
                }
            };
            failed += 1;
            let pause = self.pace.pause_ms(failed, asked);
            if failed >= self.pace.attempts || pause > self.pace.max_inline_ms {
                return Err(problem);
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Problem::Other(DeployError::cancelled())),
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            }
        }
    }

    async fn attempt(&self, call: &Call, cancel: &CancellationToken) -> Result<Answer, Problem> {
        let spoilt = Arc::new(OnceLock::new());
        let request = self.request(call, &spoilt);
        let makes = call.repeat == Repeat::Once;
        if makes && cancel.is_cancelled() {
            return Err(Problem::Other(DeployError::cancelled()));
        }
        let heard = if makes { CancellationToken::new() } else { cancel.clone() };
        let answered = async {
            let response = self.http.send(request, &heard).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.read_all(MAX_ANSWER_BYTES).await?;
            Ok::<_, HttpError>((status, headers, body))
        };
        let too_late = async {
            cancel.cancelled().await;
            tokio::time::sleep(LAST_ANSWER).await;
        };
        let answered = tokio::select! {
            answered = answered => answered,
            () = too_late, if makes => Err(HttpError::Cancelled),
        };
        if let (Some(fault), Ok(_)) = (spoilt.get(), &answered) {
            // Whatever was answered was answered to something else than what was to be sent.
            return Err(Problem::Other(fault.error()));
        }
        let (status, headers, body) = answered.map_err(|error| {
            // A body that could not be sent shows as a broken connection; the cause is ours.
            Problem::Other(spoilt.get().map_or_else(|| self.unreached(error), Fault::error))
        })?;
        self.read(status, &headers, &body)
    }

    fn request(&self, call: &Call, spoilt: &Arc<OnceLock<Fault>>) -> Request {
        let mut request = Request::new(call.method.clone(), call.url.clone(), Redirects::Return)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .timeout(CALL_TIMEOUT);
        if let Some(token) = call.bearer.as_ref().or(self.token.as_ref()) {
            request = request.secret_header(AUTHORIZATION, &format!("Bearer {}", token.reveal()));
        }
        for (name, value) in &call.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                request = request.header(name, value);
            }
        }
        match &call.content {
            Content::None => request,
            Content::Json(value) => {
                // The list of a big site's files has some megabytes.
                let body = Bytes::from(value.to_string());
                request
                    .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                    .timeout(upload_timeout(body.len() as u64))
                    .body(body)
            }
            Content::Payload { payload, content_type } => {
                let bytes = payload.bytes();
                if let Ok(value) = HeaderValue::from_str(content_type) {
                    request = request.header(CONTENT_TYPE, value);
                }
                request.timeout(upload_timeout(bytes)).body_reader(payload.open(spoilt), bytes)
            }
        }
    }

    fn read(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Problem> {
        let parsed = serde_json::from_slice(body);
        if (200..300).contains(&status) {
            // Some calls answer with nothing, or with a word such as `ok`.
            let json = parsed.unwrap_or(Value::Null);
            return Ok(Answer { status, json });
        }
        let wait_ms = asked_wait_ms(status, headers, self.now_ms());
        Err(Problem::Refused(self.refusal(status, parsed.unwrap_or(Value::Null), wait_ms)))
    }

    /// A refusal read as this provider means it.
    pub fn refusal(&self, status: u16, body: Value, wait_ms: Option<u64>) -> Refusal {
        let mut refusal = Refusal::new(self.target, status, body, wait_ms, self.now_ms());
        (self.reading)(&mut refusal);
        refusal.code = self.redactor.clean(&refusal.code);
        refusal.said = self.redactor.clean(&refusal.said);
        refusal
    }

    /// A provider's words, fit to be told: short, on one line, without credentials.
    pub fn clean(&self, text: &str) -> String {
        self.redactor.clean(text)
    }

    fn unreached(&self, error: HttpError) -> DeployError {
        let kind = match &error {
            HttpError::Cancelled => return DeployError::cancelled(),
            HttpError::NoSuchName { .. } | HttpError::Unreachable { .. } | HttpError::TimedOut { .. } => {
                ErrorKind::Network
            }
            HttpError::BadUrl { .. } | HttpError::Refused { .. } | HttpError::Unusable { .. } => {
                ErrorKind::Config
            }
            HttpError::TooManyRedirects { .. } | HttpError::BadRedirect { .. } | HttpError::TooBig { .. } => {
                ErrorKind::Rejected
            }
        };
        let message = format!("{} was not reached: {error}", name_of(self.target));
        DeployError::new(kind, message).with_source(error)
    }
}

/// How long a call with a body of so many bytes may take.
fn upload_timeout(bytes: u64) -> Duration {
    (CALL_TIMEOUT + Duration::from_secs(bytes / SLOWEST_UPLOAD)).min(MAX_UPLOAD_TIMEOUT)
}

/// Why a body of ours could not be sent to its end.
#[derive(Debug)]
pub(crate) struct Fault {
    pub kind: ErrorKind,
    pub message: String,
}

impl Fault {
    fn error(&self) -> DeployError {
        DeployError::new(self.kind, self.message.clone())
    }
}

/// The provider's name for people.
pub(crate) fn name_of(target: TargetKind) -> &'static str {
    match target {
        TargetKind::Netlify => "Netlify",
        TargetKind::Vercel => "Vercel",
        TargetKind::Cloudflare => "Cloudflare",
        TargetKind::Expo => "Expo",
        TargetKind::Appstore => "App Store Connect",
    }
}

/// A text of a JSON object; `None` also for null, which real answers hold where documents promise a text.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text that the answer must hold to go on.
pub(crate) fn needed(target: TargetKind, value: &Value, key: &str) -> Result<String, DeployError> {
    text(value, key).map(str::to_owned).ok_or_else(|| {
        let message = format!("the answer of {} has no {key}; its API may have changed", name_of(target));
        DeployError::new(ErrorKind::Rejected, message)
    })
}

#[cfg(test)]
#[path = "call/tests.rs"]
mod tests;
