//! Anthropic's messages.

use super::stand_in::Then;
use super::*;

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-real-1","content":[],"usage":{"input_tokens":20,"cache_creation_input_tokens":30,"cache_read_input_tokens":400,"output_tokens":1}}}"#;
const BLOCK_STOP: &str = r#"{"type":"content_block_stop","index":0}"#;
const TEXT_START: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const TEXT: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"milk"}}"#;
const END_TURN: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":55}}"#;
const TOOL_USE: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":55}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn call(index: u64, id: &str, pieces: &[&str]) -> Vec<String> {
    let block = json!({"type": "tool_use", "id": id, "name": "read_file", "input": {}});
    let mut frames =
        vec![json!({"type": "content_block_start", "index": index, "content_block": block}).to_string()];
    for piece in pieces {
        let delta = json!({"type": "input_json_delta", "partial_json": piece});
        frames.push(json!({"type": "content_block_delta", "index": index, "delta": delta}).to_string());
    }
    frames.push(json!({"type": "content_block_stop", "index": index}).to_string());
    frames
}

fn stream(frames: &[&str]) -> Reply {
    Reply::typed(frames, Then::End)
}

#[tokio::test]
async fn text_and_usage() {
    let (answer, deltas) =
        outcome("anthropic", "m", stream(&[START, TEXT_START, TEXT, BLOCK_STOP, END_TURN, STOP])).await;
    let answer = answer.unwrap();
    assert_eq!((answer.text.as_str(), texts(&deltas).as_str()), ("milk", "milk"));
    assert_eq!(answer.model, "anthropic/claude-real-1");
    assert_eq!(answer.finish, Finish::Stop);
    // What the cache read and wrote is part of the input.
    assert_eq!(
        answer.usage,
        Usage { input: 450, output: 55, cache_read: 400, cache_write: 30, reasoning: 0 }
    );
}

#[tokio::test]
async fn calls_and_thoughts_go_round() {
    let thinking = [
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"let me look"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#,
        BLOCK_STOP,
    ];
    let calls =
        [call(1, "toolu_1", &["{\"path\":", "\"a\"}"]), call(2, "toolu_2", &["{\"path\": oops"])].concat();
    let mut frames = vec![START];
    frames.extend(thinking);
    frames.extend(calls.iter().map(String::as_str));
    frames.extend([TOOL_USE, STOP]);
    let (answer, deltas) = outcome("anthropic", "m", stream(&frames)).await;
    let answer = answer.unwrap();
    assert_eq!(answer.finish, Finish::ToolCalls);
    let arguments: Vec<_> = answer.calls.iter().map(|call| call.arguments.clone()).collect();
    assert_eq!(arguments, [Ok(json!({"path": "a"})), Err("{\"path\": oops".to_owned())]);
    assert_eq!(names(&deltas), ["read_file", "read_file"]);
    assert!(deltas.contains(&Delta::Reasoning("let me look".into())));

    let server = StandIn::start(stream(&[START, TEXT_START, TEXT, BLOCK_STOP, END_TURN, STOP])).await;
    let request = with_history("anthropic/claude-sonnet-4-5", answer.opaque);
    cloud("anthropic", &server).call(&request, &mut |_| ()).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.path, "/v1/messages");
    assert!(asked.headers.contains(&format!("x-api-key: {KEY}")));
    let messages = asked.body["messages"].as_array().unwrap();
    let thought = json!({"type": "thinking", "thinking": "let me look", "signature": "c2ln"});
    assert_eq!(messages[1]["content"][0], thought);
    assert_eq!(messages[1]["content"][1]["type"], "tool_use");
    let result = &messages[2]["content"][0];
    assert_eq!(result["tool_use_id"], messages[1]["content"][1]["id"]);
    assert_eq!((&result["is_error"], &result["content"]), (&json!(true), &json!("milk, eggs")));
    // The prefix is marked for the cache: behind the system prompt and behind the end.
    assert_eq!(asked.body["system"][0]["cache_control"]["type"], "ephemeral");
    assert_eq!(result["cache_control"]["type"], "ephemeral");
    assert_eq!(asked.body["max_tokens"], 1000);
    assert_eq!(asked.body["temperature"], 0.5);
}

#[tokio::test]
async fn a_model_that_cannot_be_forced_is_told() {
    let server = StandIn::start(stream(&[START, TEXT_START, TEXT, BLOCK_STOP, END_TURN, STOP])).await;
    let mut request = request("anthropic/claude-sonnet-5-5");
    request.choice = ToolChoice::Force("read_file".into());
    let provider = cloud("anthropic", &server);
    provider.call(&request, &mut |_| ()).await.unwrap();
    let body = server.asked().body;
    assert_eq!(body["tool_choice"]["type"], "auto");
    assert!(body["system"][0]["text"].as_str().unwrap().contains("`read_file`"));
    assert_eq!(body.get("temperature"), None);
    request.model = "anthropic/claude-sonnet-4-5".parse().unwrap();
    provider.call(&request, &mut |_| ()).await.unwrap();
    let body = server.asked().body;
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "read_file"}));
    assert_eq!(body.get("thinking"), None);
    // This one thinks unless it is told not to, which does not go with force.
    request.model = "anthropic/claude-sonnet-5".parse().unwrap();
    provider.call(&request, &mut |_| ()).await.unwrap();
    assert_eq!(server.asked().body["thinking"], json!({"type": "disabled"}));
}

#[tokio::test]
async fn overload_is_told_in_the_stream_and_by_status() {
    let busy = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let kind = error("anthropic", stream(&[START, TEXT_START, TEXT, busy])).await.kind;
    assert_eq!(kind, ErrorKind::RateLimited { retry_after_ms: None });
    for status in [429, 529] {
        let reply = Reply::Whole { status, headers: vec![("retry-after", "12".into())], body: busy.into() };
        let kind = error("anthropic", reply).await.kind;
        assert_eq!(kind, ErrorKind::RateLimited { retry_after_ms: Some(12_000) });
    }
}

#[tokio::test]
async fn a_cut_answer_costs_what_was_counted() {
    let counted = Usage { input: 450, output: 1, cache_read: 400, cache_write: 30, reasoning: 0 };
    // The prompt is counted at the start; of the output, what came is guessed.
    let error_at = async |frames: &[&str]| {
        let error = error("anthropic", stream(frames)).await;
        (error.usage, error.usage_is_guess)
    };
    assert_eq!(error_at(&[START, TEXT_START]).await, (Some(counted), false));
    let long = TEXT.replace("milk", &"milk ".repeat(60));
    let (usage, is_guess) = error_at(&[START, TEXT_START, &long]).await;
    let usage = usage.unwrap();
    assert_eq!(Usage { output: 1, ..usage }, counted);
    assert!(usage.output >= 100 && is_guess, "{usage:?}");
    let whole = Usage { output: 55, ..counted };
    assert_eq!(error_at(&[START, TEXT_START, &long, BLOCK_STOP, END_TURN]).await, (Some(whole), false));
}

#[tokio::test]
async fn cut_streams_and_refusals() {
    for frames in [vec![START, TEXT_START, TEXT], vec![START, TEXT_START, TEXT, BLOCK_STOP, END_TURN]] {
        let kind = error("anthropic", stream(&frames)).await.kind;
        assert_eq!(kind, ErrorKind::Transient { retry_after_ms: None });
    }
    let odd = END_TURN.replace("end_turn", "pause_turn");
    let (answer, _) =
        outcome("anthropic", "m", stream(&[START, TEXT_START, TEXT, BLOCK_STOP, &odd, STOP])).await;
    assert_eq!(answer.unwrap().finish, Finish::Other);
    let refusal = END_TURN.replace("end_turn", "refusal");
    let (answer, _) =
        outcome("anthropic", "m", stream(&[START, TEXT_START, TEXT, BLOCK_STOP, &refusal, STOP])).await;
    assert_eq!(answer.unwrap().finish, Finish::Refused);
    let limit = END_TURN.replace("end_turn", "max_tokens");
    let (answer, _) =
        outcome("anthropic", "m", stream(&[START, TEXT_START, TEXT, BLOCK_STOP, &limit, STOP])).await;
    assert_eq!(answer.unwrap().finish, Finish::Length);
}
