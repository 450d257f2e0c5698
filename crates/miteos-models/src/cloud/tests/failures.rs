//! How calls fail, and as what kind.

use super::stand_in::Then;
use super::*;

const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"half"}}]}"#;

fn limited(retry_after_ms: u64) -> ErrorKind {
    ErrorKind::RateLimited { retry_after_ms: Some(retry_after_ms) }
}

const PASSING: ErrorKind = ErrorKind::Transient { retry_after_ms: None };

fn with_headers(status: u16, headers: &[(&'static str, &str)]) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Reply::Whole { status, headers, body: r#"{"error":{"message":"slow down","type":"requests"}}"#.into() }
}

/// Some servers repeat the request in what they answer, and an answer is nobody's business but its task's.
#[tokio::test]
async fn a_cause_for_the_log_repeats_neither_prompt_nor_answer() {
    const SECRET: &str = "the merger is on Tuesday";
    let echo =
        json!({"detail": [{"loc": ["body"], "input": {"messages": [{"content": SECRET}]}}]}).to_string();
    let frame = json!({"error": {"message": SECRET, "type": "server_error"}}).to_string();
    let broken = format!("{{\"choices\": \"{SECRET}");
    for reply in [
        Reply::status(422, &echo),
        Reply::status(400, SECRET),
        Reply::status(200, &broken),
        Reply::status(200, SECRET),
        Reply::frames(&[TEXT, &frame], Then::End),
        Reply::frames(&[TEXT, &broken], Then::End),
    ] {
        let Err(error) = outcome("openai", "some-model", reply).await.0 else { continue };
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(!cause.contains("merger"), "{cause}");
    }
}

#[tokio::test]
async fn a_wait_is_read_in_both_forms() {
    assert_eq!(error("openai", with_headers(429, &[("retry-after", "7")])).await.kind, limited(7_000));
    assert_eq!(error("openai", with_headers(529, &[("retry-after-ms", "250")])).await.kind, limited(250));
    let dates = [("date", "Sun, 22 Nov 2026 10:00:00 GMT"), ("retry-after", "Sun, 22 Nov 2026 10:01:30 GMT")];
    assert_eq!(error("openai", with_headers(429, &dates)).await.kind, limited(90_000));
    let bare = error("openai", with_headers(429, &[])).await;
    assert_eq!(bare.kind, ErrorKind::RateLimited { retry_after_ms: None });
    assert!(bare.message.contains("openai") && bare.message.contains("slow down"), "{}", bare.message);
    let busy = error("openai", with_headers(503, &[("retry-after", "2")])).await;
    assert_eq!(busy.kind, ErrorKind::Transient { retry_after_ms: Some(2_000) });
}

#[tokio::test]
async fn statuses_have_their_kinds() {
    let said = |message: &str, code: &str| json!({"error": {"message": message, "code": code}}).to_string();
    let cases = [
        (500, said("oops", "server_error"), PASSING),
        (502, "<html>Bad Gateway</html>".to_owned(), PASSING),
        (408, String::new(), PASSING),
        (401, said("Incorrect API key provided: sk-abcdefghijklmnop", "invalid_api_key"), ErrorKind::Auth),
        (403, said("not for you", "x"), ErrorKind::Auth),
        (400, said("too many tokens", "context_length_exceeded"), ErrorKind::TooLong),
        (400, said("This model's maximum context length is 8192 tokens.", ""), ErrorKind::TooLong),
        (413, String::new(), ErrorKind::TooLong),
        (
            429,
            said("Request too large for m on tokens per min (TPM)", "rate_limit_exceeded"),
            ErrorKind::TooLong,
        ),
        (400, said("flagged", "content_policy_violation"), ErrorKind::Refused),
        (429, said("You exceeded your current quota", "insufficient_quota"), ErrorKind::Fatal),
        (402, said("pay first", ""), ErrorKind::Fatal),
        (404, said("no such model", "model_not_found"), ErrorKind::Fatal),
        (400, said("what?", "invalid_request_error"), ErrorKind::Fatal),
        (302, String::new(), ErrorKind::Fatal),
    ];
    for (status, body, kind) in cases {
        let error = error("openai", Reply::status(status, &body)).await;
        assert_eq!(error.kind, kind, "{status} {body}: {}", error.message);
        assert!(!error.may_be_billed, "{status}: a refusal is not billed");
        assert!(!error.message.contains("sk-abc") && !error.message.contains('<'), "{}", error.message);
    }
}

#[tokio::test]
async fn a_cut_stream_is_no_answer() {
    let call = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"read_file","arguments":"{\"pa"}}]}}]}"#;
    for frames in [vec![], vec![TEXT], vec![TEXT, call]] {
        for then in [Then::End, Then::Break] {
            let error = error("openai", Reply::frames(&frames, then)).await;
            assert_eq!(error.kind, PASSING, "{frames:?} {then:?}");
            assert!(error.may_be_billed, "the provider had begun");
        }
    }
    // The marker without a reason is a proxy's, not the model's.
    assert_eq!(error("openai", Reply::chat(&[TEXT])).await.kind, PASSING);
}

#[tokio::test]
async fn what_is_no_stream_of_json_is_passing() {
    assert_eq!(error("openai", Reply::frames(&[TEXT, "{oops"], Then::End)).await.kind, PASSING);
    let page = Reply::Whole {
        status: 200,
        headers: vec![("content-type", "text/html".into())],
        body: "<p>hi</p>".into(),
    };
    let error = error("openai", page).await;
    assert_eq!(error.kind, PASSING);
    assert!(error.message.contains("no stream of events"), "{}", error.message);
}

#[tokio::test]
async fn an_error_inside_the_stream_keeps_its_kind() {
    let overloaded = r#"{"error":{"message":"busy","type":"overloaded_error"}}"#;
    let kind = error("openai", Reply::frames(&[TEXT, overloaded], Then::End)).await.kind;
    assert_eq!(kind, ErrorKind::RateLimited { retry_after_ms: None });
    let broken = r#"{"error":{"message":"worker died","type":"server_error"}}"#;
    assert_eq!(error("openai", Reply::frames(&[TEXT, broken], Then::End)).await.kind, PASSING);
    let coded = r#"{"error":{"message":"Rate limit reached","code":429}}"#;
    let kind = error("openrouter", Reply::frames(&[coded], Then::End)).await.kind;
    assert_eq!(kind, ErrorKind::RateLimited { retry_after_ms: None });
}

#[tokio::test]
async fn silence_ends_in_time() {
    for silence in [Reply::Silence, Reply::frames(&[TEXT], Then::Hang)] {
        let server = StandIn::start(silence).await;
        let mut provider = cloud("openai", &server);
        let short = Duration::from_millis(100);
        provider.limits = Limits { first_byte: short, idle: short, ..LIMITS };
        let error = provider.call(&request("openai/m"), &mut |_| ()).await.unwrap_err();
        assert_eq!(error.kind, PASSING);
        assert!(error.message.contains("in time"), "{}", error.message);
    }
}

#[tokio::test]
async fn the_whole_call_is_bounded() {
    let server = StandIn::start(Reply::Silence).await;
    let mut provider = cloud("openai", &server);
    provider.limits =
        Limits { first_byte: Duration::from_secs(60), whole: Duration::from_millis(50), ..LIMITS };
    let error = provider.call(&request("openai/m"), &mut |_| ()).await.unwrap_err();
    assert_eq!(error.kind, PASSING);
    assert!(error.message.contains("was not done"), "{}", error.message);
}

#[tokio::test]
async fn what_never_ends_ends_in_time() {
    let short = Duration::from_millis(500);
    for (head, piece) in [(200, "data: x"), (500, "{")] {
        let server = StandIn::start(Reply::Endless { status: head, piece }).await;
        let mut provider = cloud("openai", &server);
        provider.limits = Limits { first_byte: short, idle: short, ..LIMITS };
        let error = provider.call(&request("openai/m"), &mut |_| ()).await.unwrap_err();
        assert_eq!((error.kind, error.usage), (PASSING, None));
        assert!(error.message.contains("in time"), "{}", error.message);
    }
}

#[tokio::test]
async fn an_answer_that_broke_off_is_accounted_for() {
    let long = TEXT.replace("half", &"half ".repeat(60));
    let cut = error("openai", Reply::frames(&[&long], Then::Break)).await;
    let usage = cut.usage.expect("it had begun to answer");
    assert!(cut.usage_is_guess && usage.input > 20 && usage.output >= 100, "{usage:?}");
    let counted = r#"{"choices":[],"usage":{"prompt_tokens":120,"completion_tokens":40}}"#;
    let cut = error("openai", Reply::frames(&[&long, counted], Then::Break)).await;
    assert_eq!(cut.usage, Some(Usage { input: 120, output: 40, ..Usage::default() }));
    assert!(!cut.usage_is_guess);
    // Thoughts and calls are answers, too.
    let call = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"read_file","arguments":"{\"pa"}}]}}]}"#;
    assert!(error("openai", Reply::frames(&[call], Then::End)).await.usage.is_some());
    let server = StandIn::start(Reply::frames(&[&long], Then::Hang)).await;
    let mut provider = cloud("openai", &server);
    provider.limits = Limits { whole: Duration::from_millis(500), ..LIMITS };
    let late = provider.call(&request("openai/m"), &mut |_| ()).await.unwrap_err();
    assert!(late.message.contains("was not done"), "{}", late.message);
    assert!(late.usage.is_some_and(|usage| usage.output >= 100), "{:?}", late.usage);
    // Nothing was answered, nothing is billed.
    let busy = r#"{"error":{"message":"busy","type":"overloaded_error"}}"#;
    for reply in [Reply::status(500, busy), Reply::frames(&[busy], Then::End), Reply::frames(&[], Then::End)]
    {
        assert_eq!(error("openai", reply).await.usage, None);
    }
}

#[tokio::test]
async fn nobody_there_is_passing_and_says_so() {
    let server = StandIn::start(Reply::Silence).await;
    let provider = cloud("openai", &server);
    drop(server);
    tokio::task::yield_now().await;
    let error = provider.call(&request("openai/m"), &mut |_| ()).await.unwrap_err();
    assert_eq!(error.kind, PASSING);
    assert!(error.message.contains("cannot be reached"), "{}", error.message);
    assert!(!error.message.contains("127.0.0.1"), "{}", error.message);
}

#[tokio::test]
async fn an_echoed_key_is_hidden_everywhere() {
    // `error` checks that the key shows in no form.
    let echo =
        json!({"error": {"message": format!("bad key {KEY}"), "type": "invalid_request_error"}}).to_string();
    assert!(error("openai", Reply::status(400, &echo)).await.message.contains("bad key ***"));
    let in_stream =
        json!({"error": {"message": format!("bad key {KEY}"), "type": "server_error"}}).to_string();
    error("openai", Reply::frames(&[&in_stream], Then::End)).await;
    error("anthropic", Reply::status(401, &echo)).await;
    error("gemini", Reply::status(400, &echo)).await;
}
