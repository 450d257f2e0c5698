//! The one place where a provider's failure becomes an error with a kind. It knows every provider's way to say no,
//! and nothing about what the caller does then.
//!
//! The rules are tried in this order, because providers use one status for many things:
//!
//! 1. the conversation is too long, also where that is said with 429 (a request larger than the whole allowance);
//! 2. the content is forbidden;
//! 3. the account is out of credit (402, `insufficient_quota`): `Fatal`, as no wait and no new key mends it;
//! 4. the key is wrong or may not do this;
//! 5. too many requests or an overloaded provider;
//! 6. whatever else may pass: time-outs, 5xx, broken streams;
//! 7. the rest is the request's fault: `Fatal`.

use genai::webc::StreamTimeout;
use jiff::fmt::rfc2822;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::redact::Redactor;
use crate::error::{ErrorKind, ModelError};

/// The longest wait that a provider can ask for; a longer one is cut to it.
pub const MAX_RETRY_AFTER_MS: u64 = 24 * 60 * 60 * 1000;

const RETRY_AFTER: &str = "retry-after";
const RETRY_AFTER_MS: &str = "retry-after-ms";

/// What is known about a failure, whatever form it came in.
#[derive(Debug, Default)]
struct Signal {
    status: Option<u16>,
    /// The provider's type, code and status words, lower case, between spaces.
    words: String,
    /// What the provider says to people.
    said: String,
    retry_after_ms: Option<u64>,
    /// The request never got there.
    unreached: bool,
    /// What to tell if the provider says nothing.
    otherwise: &'static str,
}

/// The error of a failed call. `failure` is an error object that was seen in the stream.
pub(crate) fn classify(
    error: &genai::Error,
    failure: Option<Value>,
    provider: &str,
    redact: &Redactor,
) -> ModelError {
    let mut signal = signal(error);
    if let Some(body) = failure {
        signal.read_body(&body);
    }
    let cause = redact.clean_long(&chain(error));
    signal.into_error(provider, redact).with_source(cause)
}

/// The error of a stream that told its failure in a frame and then simply ended.
pub(crate) fn told_in_stream(body: &Value, provider: &str, redact: &Redactor) -> ModelError {
    let mut signal = Signal { otherwise: "gave up while it answered", ..Signal::default() };
    signal.read_body(body);
    signal.into_error(provider, redact)
}

/// What failed, for logs: without what was sent and without what came, because both hold prompts and answers.
fn chain(error: &genai::Error) -> String {
    use genai::Error as E;
    match error {
        E::HttpError { status, .. } => format!("status {status}"),
        E::WebModelCall { webc_error, .. } | E::WebAdapterCall { webc_error, .. } => call(webc_error),
        E::WebStream { error, .. } => match error.downcast_ref::<E>() {
            Some(inner) => format!("in the stream: {}", chain(inner)),
            None => format!("in the stream: {}", causes(&**error)),
        },
        E::ChatResponse { .. } => "an error event in the stream".to_owned(),
        E::ChatResponseGeneration { .. } => "the answer has another form".to_owned(),
        E::StreamParse { serde_error, .. } | E::SerdeJson(serde_error) => no_json(serde_error),
        E::JsonValueExt(_) => "a field of the answer is missing or of another type".to_owned(),
        // Faults of the set-up and of the request: they name models, and no content.
        other => causes(other),
    }
}

fn call(error: &genai::webc::Error) -> String {
    use genai::webc::Error as W;
    match error {
        W::ResponseFailedStatus { status, .. } => format!("status {status}"),
        W::ResponseFailedNotJson { content_type, .. } => format!("the answer is {content_type} and no JSON"),
        W::ResponseFailedInvalidJson { .. } => "the answer is no whole JSON".to_owned(),
        W::JsonValueExt(_) => "a field of the answer is missing or of another type".to_owned(),
        W::Reqwest(error) => causes(error),
    }
}

/// Serde's own text repeats the value that it did not expect.
fn no_json(error: &serde_json::Error) -> String {
    format!("no fitting JSON at line {} column {} ({:?})", error.line(), error.column(), error.classify())
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn signal(error: &genai::Error) -> Signal {
    use genai::Error as E;
    match error {
        E::HttpError { status, body, headers, .. } => {
            Signal::from_response(status.as_u16(), body, Some(headers))
        }
        // In a stream the library wraps the error that matters.
        E::WebStream { error, .. } => match error.downcast_ref::<E>() {
            Some(inner) => signal(inner),
            None => from_transport(&**error),
        },
        E::ChatResponse { body, .. } => {
            let mut signal = Signal { otherwise: "broke off its answer", ..Signal::default() };
            signal.read_body(body);
            signal
        }
        E::WebModelCall { webc_error, .. } | E::WebAdapterCall { webc_error, .. } => match webc_error {
            genai::webc::Error::ResponseFailedStatus { status, body, headers } => {
                Signal::from_response(status.as_u16(), body, Some(headers))
            }
            genai::webc::Error::Reqwest(error) => from_transport(error),
            genai::webc::Error::ResponseFailedNotJson { .. }
            | genai::webc::Error::ResponseFailedInvalidJson { .. }
            | genai::webc::Error::JsonValueExt(_) => garbled(),
        },
        E::StreamParse { .. }
        | E::JsonValueExt(_)
        | E::SerdeJson(_)
        | E::InvalidJsonResponseElement { .. } => garbled(),
        E::RequiresApiKey { .. } | E::NoAuthResolver { .. } | E::NoAuthData { .. } | E::Resolver { .. } => {
            Signal { status: Some(401), otherwise: "has no key", ..Signal::default() }
        }
        _ => Signal { status: Some(400), otherwise: "cannot be sent this request", ..Signal::default() },
    }
}

fn garbled() -> Signal {
    Signal { otherwise: "sent something that is no JSON", ..Signal::default() }
}

fn from_transport(error: &(dyn std::error::Error + 'static)) -> Signal {
    let otherwise = if error.downcast_ref::<StreamTimeout>().is_some() {
        "did not answer in time"
    } else if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        if error.is_builder() {
            return Signal {
                status: Some(400),
                otherwise: "cannot be sent this request",
                ..Signal::default()
            };
        } else if error.is_timeout() {
            "did not answer in time"
        } else if error.is_connect() {
            "cannot be reached; is it running, and is its address right?"
        } else {
            "broke the connection"
        }
    } else {
        "broke off its answer"
    };
    let unreached = error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect);
    Signal { otherwise, unreached, ..Signal::default() }
}

impl Signal {
    fn from_response(status: u16, body: &str, headers: Option<&HeaderMap>) -> Self {
        let mut signal = Self { status: Some(status), otherwise: "failed", ..Self::default() };
        match serde_json::from_str::<Value>(body) {
            Ok(body) => signal.read_body(&body),
            // A proxy's page; its text is not for users.
            Err(_) => signal.words = format!(" {} ", first_words(body)),
        }
        if let Some(wait) = headers.and_then(retry_after) {
            signal.retry_after_ms = Some(wait);
        }
        signal
    }

    /// Takes the words of an error object: `{"error": {…}}`, the object itself, a list of one, or a text.
    fn read_body(&mut self, body: &Value) {
        let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
        let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
        for key in ["type", "code", "status", "reason", "finishReason"] {
            match error.get(key) {
                Some(Value::String(word)) => self.word(word),
                Some(Value::Number(number)) if self.status.is_none() => {
                    self.status = number
                        .as_u64()
                        .and_then(|n| u16::try_from(n).ok())
                        .filter(|n| (400..600).contains(n));
                }
                _ => {}
            }
        }
        for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
            if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
                self.word(reason);
            }
            if let Some(delay) = detail.get("retryDelay").and_then(Value::as_str) {
                self.retry_after_ms = seconds(delay.trim_end_matches('s'));
            }
        }
        let said = error.get("message").or(Some(error)).and_then(Value::as_str);
        if let Some(said) = said {
            said.clone_into(&mut self.said);
        }
    }

    fn word(&mut self, word: &str) {
        self.words.push(' ');
        self.words.push_str(&word.to_lowercase());
        self.words.push(' ');
    }

    fn has(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.words.contains(&format!(" {word} ")))
    }

    fn says(&self, phrases: &[&str]) -> bool {
        let said = self.said.to_lowercase();
        phrases.iter().any(|phrase| said.contains(phrase) || self.words.contains(phrase))
    }

    fn status_in(&self, list: &[u16]) -> bool {
        self.status.is_some_and(|status| list.contains(&status))
    }

    fn kind(&self) -> ErrorKind {
        let retry_after_ms = self.retry_after_ms;
        if self.is_too_long() {
            ErrorKind::TooLong
        } else if self.is_forbidden() {
            ErrorKind::Refused
        } else if self.status_in(&[402]) || self.has(CREDIT_WORDS) || self.says(CREDIT_PHRASES) {
            ErrorKind::Fatal
        } else if self.status_in(&[401, 403]) || self.has(AUTH_WORDS) || self.says(AUTH_PHRASES) {
            ErrorKind::Auth
        } else if self.status_in(&[429, 529]) || self.has(LIMIT_WORDS) {
            ErrorKind::RateLimited { retry_after_ms }
        } else if self.may_pass() {
            ErrorKind::Transient { retry_after_ms }
        } else {
            ErrorKind::Fatal
        }
    }

    fn is_too_long(&self) -> bool {
        let fits = self.status.is_none_or(|status| matches!(status, 400 | 413 | 422 | 429 | 500));
        fits && (self.status_in(&[413]) || self.has(LENGTH_WORDS) || self.says(LENGTH_PHRASES))
    }

    fn is_forbidden(&self) -> bool {
        let fits = self.status.is_none_or(|status| matches!(status, 400 | 403 | 422));
        fits && (self.has(FILTER_WORDS) || self.says(FILTER_PHRASES))
    }

    fn may_pass(&self) -> bool {
        match self.status {
            None => true,
            Some(status) => matches!(status, 408 | 409 | 425 | 500..=599),
        }
    }

    fn into_error(self, provider: &str, redact: &Redactor) -> ModelError {
        let kind = self.kind();
        let what = match kind {
            ErrorKind::RateLimited { .. } => "is busy or takes no more requests now",
            ErrorKind::Transient { .. } => self.otherwise,
            ErrorKind::TooLong => "cannot take a conversation of this length",
            ErrorKind::Refused => "refuses this content",
            ErrorKind::Auth => "does not accept the key, or the key may not use this model",
            ErrorKind::Fatal
                if self.status_in(&[402]) || self.has(CREDIT_WORDS) || self.says(CREDIT_PHRASES) =>
            {
                "has no credit left on this account"
            }
            ErrorKind::Fatal => "does not accept the request",
        };
        let mut message = format!("model provider {provider} {what}");
        if let Some(status) = self.status {
            message.push_str(&format!(" (status {status})"));
        }
        let said = redact.clean_short(&self.said);
        if !said.is_empty() {
            message.push_str(": ");
            message.push_str(&said);
        }
        let refused = self.status.is_some() || self.unreached;
        ModelError::new(kind, message).perhaps_billed(!refused)
    }
}

const LENGTH_WORDS: &[&str] =
    &["context_length_exceeded", "string_above_max_length", "exceed_context_size_error", "request_too_large"];
const LENGTH_PHRASES: &[&str] = &[
    "maximum context length",
    "context window",
    "context size",
    "context length",
    "prompt is too long",
    "input is too long",
    "prompt too long",
    "too many input tokens",
    "input token count",
    "maximum number of tokens allowed",
    "request too large for",
    "too large for model with",
];
const FILTER_WORDS: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "cyber_policy",
    "refusal",
    "safety",
    "prohibited_content",
    "blocklist",
    "spii",
    "image_safety",
];
const FILTER_PHRASES: &[&str] = &[
    "content policy",
    "usage policy",
    "content management policy",
    "usage guidelines",
    "requires moderation",
    "flagged as potentially",
    "content filter",
];
const CREDIT_WORDS: &[&str] =
    &["insufficient_quota", "billing_hard_limit_reached", "billing_error", "insufficient_balance"];
const CREDIT_PHRASES: &[&str] =
    &["credit balance is too low", "insufficient balance", "insufficient credits", "requires more credits"];
const AUTH_WORDS: &[&str] = &[
    "authentication_error",
    "permission_error",
    "permission_denied",
    "unauthenticated",
    "invalid_api_key",
    "api_key_invalid",
    "invalid_authentication",
];
const AUTH_PHRASES: &[&str] =
    &["api key not valid", "incorrect api key", "invalid api key", "api key expired"];
const LIMIT_WORDS: &[&str] = &[
    "rate_limit_error",
    "rate_limit_exceeded",
    "rate_limited",
    "overloaded_error",
    "overloaded",
    "server_is_overloaded",
    "slow_down",
    "resource_exhausted",
    "too_many_requests",
];

fn first_words(body: &str) -> String {
    body.chars().take(300).collect::<String>().to_lowercase()
}

/// `Retry-After-Ms`, or `Retry-After` in seconds or as a date; a date counts from the response's own date, so that
/// neither clock matters.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text(RETRY_AFTER_MS).and_then(|ms| ms.parse::<f64>().ok()) {
        return bounded(ms);
    }
    let wait = text(RETRY_AFTER)?;
    seconds(wait).or_else(|| {
        let parser = rfc2822::DateTimeParser::new();
        let until = parser.parse_timestamp(wait).ok()?;
        let now = parser.parse_timestamp(text("date")?).ok()?;
        bounded((until.as_millisecond() - now.as_millisecond()).max(0) as f64)
    })
}

fn seconds(text: &str) -> Option<u64> {
    text.parse::<f64>().ok().and_then(|seconds| bounded(seconds * 1000.0))
}

fn bounded(ms: f64) -> Option<u64> {
    // The range is checked, so nothing is lost but fractions.
    (ms.is_finite() && ms >= 0.0).then(|| ms.min(MAX_RETRY_AFTER_MS as f64) as u64)
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
