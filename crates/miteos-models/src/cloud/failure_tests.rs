//! The classifier's rules on the words that providers are known to use.

use serde_json::json;

use super::*;
use crate::config::Endpoint;

fn kind(status: Option<u16>, body: &Value) -> ErrorKind {
    let mut signal = Signal { status, ..Signal::default() };
    signal.read_body(body);
    signal.into_error("p", &Redactor::new(&Endpoint::default())).kind
}

#[test]
fn providers_have_their_own_words() {
    let anthropic =
        |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}});
    let gemini =
        |status: &str, message: &str| json!({"error": {"code": 400, "status": status, "message": message}});
    let limited = ErrorKind::RateLimited { retry_after_ms: None };
    let passing = ErrorKind::Transient { retry_after_ms: None };
    let cases = [
        (
            Some(400),
            anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000"),
            ErrorKind::TooLong,
        ),
        (Some(400), anthropic("invalid_request_error", "Your credit balance is too low"), ErrorKind::Fatal),
        (Some(401), anthropic("authentication_error", "invalid x-api-key"), ErrorKind::Auth),
        (None, anthropic("overloaded_error", "Overloaded"), limited),
        (None, anthropic("api_error", "Internal server error"), passing),
        (None, anthropic("rate_limit_error", "slow"), limited),
        (
            Some(400),
            gemini("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
            ErrorKind::Auth,
        ),
        (
            Some(400),
            gemini(
                "INVALID_ARGUMENT",
                "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            ),
            ErrorKind::TooLong,
        ),
        (Some(403), gemini("PERMISSION_DENIED", "no"), ErrorKind::Auth),
        (
            Some(503),
            json!({"error": {"status": "UNAVAILABLE", "message": "The model is overloaded."}}),
            passing,
        ),
        (
            Some(500),
            json!({"error": {"type": "exceed_context_size_error", "message": "the request exceeds the available context size"}}),
            ErrorKind::TooLong,
        ),
        (Some(403), json!({"error": {"message": "Content violates usage guidelines."}}), ErrorKind::Refused),
        (
            Some(400),
            json!({"error": {"code": "invalid_prompt", "message": "flagged as potentially violating our usage policy"}}),
            ErrorKind::Refused,
        ),
        (Some(402), json!({"error": {"message": "Insufficient Balance"}}), ErrorKind::Fatal),
        (Some(422), json!({"detail": [{"msg": "extra fields"}]}), ErrorKind::Fatal),
        (None, json!("something"), passing),
        (None, Value::Null, passing),
    ];
    for (status, body, expected) in cases {
        assert_eq!(kind(status, &body), expected, "{status:?} {body}");
    }
}

#[test]
fn a_wait_in_the_body_is_read() {
    let body = json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "quota",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}}]);
    assert_eq!(kind(Some(429), &body), ErrorKind::RateLimited { retry_after_ms: Some(34_500) });
}

#[test]
fn waits_are_bounded() {
    let headers = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    };
    assert_eq!(retry_after(&headers("retry-after", "1.5")), Some(1_500));
    assert_eq!(retry_after(&headers("retry-after", "99999999999")), Some(MAX_RETRY_AFTER_MS));
    assert_eq!(retry_after(&headers("retry-after", "-3")), None);
    assert_eq!(retry_after(&headers("retry-after", "soon")), None);
    // A date says nothing without the other side's own clock.
    assert_eq!(retry_after(&headers("retry-after", "Sun, 22 Nov 2026 10:01:30 GMT")), None);
}
