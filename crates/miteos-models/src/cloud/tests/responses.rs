//! OpenAI's responses, which its own address is asked for.

use super::stand_in::Then;
use super::*;

const CREATED: &str = r#"{"type":"response.created","response":{"id":"resp_1","status":"in_progress","model":"gpt-real-1","output":[]}}"#;
const TEXT: &str =
    r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"milk"}"#;
const REASONING: &str = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","encrypted_content":"b3BhcXVl","summary":[]}}"#;
const CALL: &str = r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"fc_1","call_id":"call_1","name":"read_file","arguments":""}}"#;
const PIECE: &str =
    r#"{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\"path\":\"a\"}"}"#;
const CALL_DONE: &str = r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"fc_1","call_id":"call_1","name":"read_file","arguments":"{\"path\":\"a\"}"}}"#;

fn end(kind: &str, more: Value) -> String {
    let mut response = json!({
        "id": "resp_1", "status": kind.trim_start_matches("response."), "model": "gpt-real-1", "output": [],
        "usage": {"input_tokens": 90, "input_tokens_details": {"cached_tokens": 64}, "output_tokens": 30,
            "output_tokens_details": {"reasoning_tokens": 12}, "total_tokens": 120}
    });
    for (key, value) in more.as_object().unwrap() {
        response[key] = value.clone();
    }
    json!({"type": kind, "response": response}).to_string()
}

/// The official address, but for the host.
fn official(server: &StandIn) -> Cloud {
    let mut provider = cloud("openai", server);
    provider.wire = Wire::Responses;
    provider
}

async fn of(frames: &[&str]) -> Result<Answer, ModelError> {
    let server = StandIn::start(Reply::typed(frames, Then::End)).await;
    official(&server).call(&request("openai/gpt-5"), &mut |_| ()).await
}

#[tokio::test]
async fn text_usage_and_shape() {
    let completed = end("response.completed", json!({}));
    let server = StandIn::start(Reply::typed(&[CREATED, TEXT, &completed], Then::End)).await;
    let answer = official(&server).call(&request("openai/gpt-5"), &mut |_| ()).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.finish), ("milk", Finish::Stop));
    assert_eq!(answer.model, "openai/gpt-real-1");
    assert_eq!(answer.usage, Usage { input: 90, output: 30, cache_read: 64, cache_write: 0, reasoning: 12 });
    let asked = server.asked();
    assert_eq!(asked.path, "/v1/responses");
    assert_eq!(asked.body["model"], "gpt-5");
    assert_eq!(asked.body["store"], false);
    assert_eq!(asked.body["instructions"], "You are careful.");
    assert_eq!(asked.body["max_output_tokens"], 1000);
    assert_eq!(asked.body["include"], json!(["reasoning.encrypted_content"]));
    // No summary of thoughts is asked for, and reasoning models take no temperature.
    assert_eq!(asked.body["reasoning"], Value::Null);
    assert_eq!(asked.body.get("temperature"), None);
}

#[tokio::test]
async fn older_models_are_asked_the_old_way() {
    let stop = r#"{"id":"x","choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}"#;
    let server = StandIn::start(Reply::chat(&[stop])).await;
    official(&server).call(&request("openai/gpt-4.1"), &mut |_| ()).await.unwrap();
    assert_eq!(server.asked().path, "/v1/chat/completions");
    assert_eq!(server.asked().body["temperature"], 0.5);
}

#[tokio::test]
async fn calls_and_encrypted_thoughts_go_round() {
    let completed = end("response.completed", json!({}));
    let answer = of(&[CREATED, REASONING, CALL, PIECE, CALL_DONE, &completed]).await.unwrap();
    assert_eq!(answer.finish, Finish::ToolCalls);
    assert_eq!(
        answer.calls,
        [RequestedCall { tool: "read_file".into(), arguments: Ok(json!({"path": "a"})) }]
    );

    let server = StandIn::start(Reply::typed(&[CREATED, TEXT, &completed], Then::End)).await;
    official(&server).call(&with_history("openai/gpt-5", answer.opaque), &mut |_| ()).await.unwrap();
    let body = server.asked().body;
    let input = body["input"].as_array().unwrap();
    assert_eq!(input[1]["type"], "reasoning");
    assert_eq!(input[1]["encrypted_content"], "b3BhcXVl");
    assert_eq!(input[2]["type"], "function_call");
    assert_eq!(input[3]["type"], "function_call_output");
    assert_eq!(input[2]["call_id"], input[3]["call_id"]);
}

#[tokio::test]
async fn failures_inside_the_stream() {
    let passing = ErrorKind::Transient { retry_after_ms: None };
    let limited = ErrorKind::RateLimited { retry_after_ms: None };
    let failed = |code: &str| end("response.failed", json!({"error": {"code": code, "message": "no"}}));
    assert_eq!(of(&[CREATED, TEXT, &failed("server_error")]).await.unwrap_err().kind, passing);
    assert_eq!(of(&[CREATED, TEXT, &failed("rate_limit_exceeded")]).await.unwrap_err().kind, limited);
    assert_eq!(
        of(&[CREATED, &failed("context_length_exceeded")]).await.unwrap_err().kind,
        ErrorKind::TooLong
    );
    let error = r#"{"type":"error","code":"rate_limit_exceeded","message":"slow down","param":null}"#;
    assert_eq!(of(&[CREATED, error]).await.unwrap_err().kind, limited);
    // Without its last event there is no answer, though the library makes one up.
    assert_eq!(of(&[CREATED, TEXT]).await.unwrap_err().kind, passing);
    assert_eq!(of(&[CREATED, CALL, PIECE, CALL_DONE]).await.unwrap_err().kind, passing);
}

#[tokio::test]
async fn unreadable_events_are_not_skipped() {
    let completed = end("response.completed", json!({}));
    let frames = ["data: {oops\n\n".to_owned(), format!("data: {completed}\n\n")];
    let server = StandIn::start(Reply::Stream { pieces: frames.to_vec(), then: Then::End }).await;
    let error = official(&server).call(&request("openai/gpt-5"), &mut |_| ()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient { retry_after_ms: None });
}

#[tokio::test]
async fn incomplete_has_its_reasons() {
    let incomplete =
        |reason: &str| end("response.incomplete", json!({"incomplete_details": {"reason": reason}}));
    assert_eq!(of(&[CREATED, TEXT, &incomplete("max_output_tokens")]).await.unwrap().finish, Finish::Length);
    assert_eq!(of(&[CREATED, TEXT, &incomplete("content_filter")]).await.unwrap().finish, Finish::Refused);
    assert_eq!(of(&[CREATED, TEXT, &incomplete("tired")]).await.unwrap().finish, Finish::Other);
    let unsaid = end("response.incomplete", json!({"incomplete_details": null}));
    assert_eq!(of(&[CREATED, TEXT, &unsaid]).await.unwrap().finish, Finish::Length);
}

#[tokio::test]
async fn a_failure_costs_what_it_says() {
    let failed = end("response.failed", json!({"error": {"code": "server_error", "message": "no"}}));
    let error = of(&[CREATED, TEXT, &failed]).await.unwrap_err();
    let usage = Usage { input: 90, output: 30, cache_read: 64, cache_write: 0, reasoning: 12 };
    assert_eq!((error.usage, error.usage_is_guess), (Some(usage), false));
    assert_eq!(of(&[CREATED]).await.unwrap_err().usage, None);
}

#[test]
fn its_own_address_written_out_is_no_other_server() {
    for (url, wire) in [
        ("https://api.openai.com/v1", Wire::Responses),
        ("https://api.openai.com/v1/", Wire::Responses),
        ("https://models.example/v1", Wire::Chat),
    ] {
        let endpoint = Endpoint { base_url: Some(url.into()), key: Some(Secret::new(KEY)) };
        let provider = Cloud::new("openai", &endpoint, LIMITS, &Http::default());
        assert_eq!(provider.wire, wire, "{url}");
        let dialect = provider.dialect(&"openai/gpt-4.1".parse().unwrap());
        assert_eq!(dialect.compatible, wire == Wire::Chat, "{url}");
        assert!(provider.base_url.ends_with("/v1/"), "{}", provider.base_url);
    }
}
