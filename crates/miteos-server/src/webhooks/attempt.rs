//! One attempt: the message is made and signed, sent through the client that judges addresses, and what came of it
//! is turned into what is recorded.

use std::time::Duration;

use bytes::Bytes;
use miteos_core::time::Timestamp;
use miteos_store::{Attempt, Blame, DeliveryRow, Settled, StoreError, Tried, WebhookRow};
use miteos_tools::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use miteos_tools::http::{HttpError, Method, Redirects, Request, Response, StatusCode, Url};
use tokio_util::sync::CancellationToken;

use super::schedule::{self, FAILING_LIMIT_MS};
use super::{Parts, Secret, message};
use crate::errors::chain;
use crate::metrics::Ended;
use crate::project;
use crate::secrets::Sealed;
use crate::traces::Open;

/// Of an answer, at most this much is read before the connection is let go (bytes).
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Why a disabled webhook is disabled.
const GONE: &str = "the receiver answered 410: it wants no more events";
const FAILING: &str = "every attempt of five days has failed";

/// What came of sending.
#[derive(Debug)]
pub struct Outcome {
    pub attempt: Attempt,
    pub taken: bool,
    /// The receiver wants no more of anything.
    gone: bool,
    /// How long the receiver wants to be left alone (ms).
    wait_ms: Option<u64>,
    blame: Blame,
    /// Another attempt would fail the same way.
    hopeless: bool,
}

/// Why a message could not even be made.
enum Unsent {
    /// What it tells of is gone.
    Gone(String),
    /// Something of this server's is in the way; it may be put right.
    Later(String),
}

impl Outcome {
    fn failed(at: Timestamp, duration_ms: u64, response: Option<u16>, error: String) -> Self {
        let attempt = Attempt { at, duration_ms, response, error: Some(error) };
        Self { attempt, taken: false, gone: false, wait_ms: None, blame: Blame::Receiver, hopeless: false }
    }

    /// When it is tried again, unless it was taken; `None`: it is not.
    fn again(&self, delivery: &DeliveryRow) -> Option<Timestamp> {
        let tries = delivery.attempts.saturating_add(1);
        schedule::next(delivery.id, tries, self.attempt.at, self.wait_ms).filter(|_| !self.hopeless)
    }

    /// What is recorded of it.
    pub fn tried(self, delivery: &DeliveryRow) -> Tried {
        let at = self.attempt.at;
        let settled = match self.again(delivery) {
            _ if self.taken => Settled::Delivered,
            Some(due_at) => Settled::Again { due_at },
            None => Settled::Failed,
        };
        let limit = Timestamp::from_millis(at.millis().saturating_sub(FAILING_LIMIT_MS));
        Tried {
            delivery: delivery.id,
            attempts_before: delivery.attempts,
            attempt: self.attempt,
            settled,
            blame: self.blame,
            disable: self.gone.then(|| GONE.to_owned()),
            failing_limit: (limit, FAILING.to_owned()),
        }
    }
}

/// Makes the attempt. `None` if it was cancelled, so that nobody knows what came of it.
pub async fn make(
    parts: &Parts,
    webhook: &WebhookRow,
    delivery: &DeliveryRow,
    cancel: &CancellationToken,
) -> Result<Option<Outcome>, StoreError> {
    let at = parts.clock.now();
    let begun = tokio::time::Instant::now();
    let span = parts.traces.delivery(webhook, delivery);
    let request = match prepared(parts, webhook, delivery, at).await? {
        Ok(request) => request,
        Err(unsent) => {
            let (hopeless, why) = match unsent {
                Unsent::Gone(why) => (true, why),
                Unsent::Later(why) => (false, why),
            };
            let failed = Outcome::failed(at, 0, None, why);
            let outcome = Outcome { hopeless, blame: Blame::Us, ..failed };
            seen(parts, delivery, Some(&outcome), &span, begun.elapsed());
            return Ok(Some(outcome));
        }
    };
    let answer = parts.http.send(request.timeout(parts.timeout), cancel).await;
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let outcome = match answer {
        Ok(response) => Some(judged(parts, response, at, duration_ms).await),
        Err(HttpError::Cancelled) => None,
        Err(error) => Some(Outcome::failed(at, duration_ms, None, error.to_string())),
    };
    seen(parts, delivery, outcome.as_ref(), &span, begun.elapsed());
    Ok(outcome)
}

/// What operators see of an attempt.
fn seen(parts: &Parts, delivery: &DeliveryRow, outcome: Option<&Outcome>, span: &Open, took: Duration) {
    let word = match outcome {
        None => "cancelled",
        Some(outcome) if outcome.taken => "delivered",
        Some(outcome) => match outcome.again(delivery) {
            Some(_) => "retried",
            None => "failed",
        },
    };
    parts.metrics.delivered(Ended { outcome: word, took });
    let status = outcome.and_then(|outcome| outcome.attempt.response);
    if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) {
        span.responded(status);
    }
    if word != "delivered" {
        span.failed(&status.map_or_else(|| word.to_owned(), |status| status.to_string()));
    }
}

/// The request, or why there can be none.
async fn prepared(
    parts: &Parts,
    webhook: &WebhookRow,
    delivery: &DeliveryRow,
    at: Timestamp,
) -> Result<Result<Request, Unsent>, StoreError> {
    let body = match body(parts, delivery).await? {
        Ok(body) => body,
        Err(why) => return Ok(Err(why)),
    };
    let signed = match signature(parts, webhook, delivery, at, &body) {
        Ok(signed) => signed,
        Err(why) => return Ok(Err(Unsent::Later(why))),
    };
    let Ok(url) = Url::parse(&webhook.url) else {
        return Ok(Err(Unsent::Later("its address cannot be read".to_owned())));
    };
    let seconds = at.millis() / 1_000;
    let request = Request::new(Method::POST, url, Redirects::Return)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .secret_header(HeaderName::from_static("webhook-id"), &delivery.event.to_string())
        .header(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(seconds))
        .secret_header(HeaderName::from_static("webhook-signature"), &signed)
        .body(body);
    Ok(Ok(request))
}

/// The message, made from the journal each time: it is the same each time, because records never change.
async fn body(parts: &Parts, delivery: &DeliveryRow) -> Result<Result<Bytes, Unsent>, StoreError> {
    let unwritable =
        |error: serde_json::Error| Unsent::Later(format!("the event cannot be written: {error}"));
    let Some((source, seq)) = delivery.source else {
        let ping = message::of_ping(delivery.event, delivery.webhook, delivery.event_at);
        return Ok(ping.map_err(unwritable));
    };
    let records = parts.store.events_of(source, seq.saturating_sub(1), 1).await?;
    let event = match records.first().map(|record| project::event_of(source, record)) {
        Some(Ok(Some(event))) if event.seq == seq => event,
        Some(Ok(_)) | None => {
            return Ok(Err(Unsent::Gone("the event is not in the journal any more".to_owned())));
        }
        Some(Err(error)) => {
            tracing::error!(error = %chain(&error), "an event for a webhook cannot be read");
            let why = "the event cannot be read; the server's log has the reason".to_owned();
            return Ok(Err(Unsent::Later(why)));
        }
    };
    Ok(message::of_event(&event).map_err(unwritable))
}

/// One signature for each secret that lives, the newest first.
fn signature(
    parts: &Parts,
    webhook: &WebhookRow,
    delivery: &DeliveryRow,
    at: Timestamp,
    body: &[u8],
) -> Result<String, String> {
    let owner = webhook.id.to_string();
    let old = webhook.old_secret.as_ref().filter(|old| old.until > at).map(|old| &old.sealed);
    let mut parts_of_it = Vec::with_capacity(2);
    for sealed in [Some(&webhook.secret), old].into_iter().flatten() {
        let bytes = parts.master.open(Sealed::WebhookSecret, &owner, sealed).map_err(|error| {
            tracing::error!(webhook = %owner, %error, "a webhook cannot be signed for");
            "its secret cannot be opened with this master key; rotate it".to_owned()
        })?;
        let secret = Secret::from_bytes(bytes);
        parts_of_it.push(secret.sign(&delivery.event.to_string(), at.millis() / 1_000, body));
    }
    Ok(parts_of_it.join(" "))
}

async fn judged(parts: &Parts, response: Response, at: Timestamp, duration_ms: u64) -> Outcome {
    let status = response.status();
    let wait_ms = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            asked.and_then(|text| schedule::retry_after(text, parts.clock.now()))
        }
        _ => None,
    };
    // The status says all; what follows is only read so that the connection can be used again.
    let _ = response.read_up_to(MAX_ANSWER_BYTES).await;
    if status.is_success() {
        let attempt = Attempt { at, duration_ms, response: Some(status.as_u16()), error: None };
        let failed = Outcome::failed(at, duration_ms, None, String::new());
        return Outcome { attempt, taken: true, ..failed };
    }
    let why = if status.is_redirection() {
        format!("the answer was {}; redirects are not followed", status.as_u16())
    } else {
        format!("the answer was {}; 200 to 299 would mean that it was taken", status.as_u16())
    };
    let failed = Outcome::failed(at, duration_ms, Some(status.as_u16()), why);
    Outcome { gone: status == StatusCode::GONE, wait_ms, ..failed }
}
