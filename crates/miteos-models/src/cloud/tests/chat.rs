//! OpenAI's chat completions, which most servers speak.

use super::stand_in::Then;
use super::*;

const STOP: &str =
    r#"{"id":"x","model":"real-model-7","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const CALLS_STOP: &str = r#"{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
const USAGE: &str = r#"{"id":"x","choices":[],"usage":{"prompt_tokens":120,"completion_tokens":40,"total_tokens":160,
"prompt_tokens_details":{"cached_tokens":100},"completion_tokens_details":{"reasoning_tokens":25}}}"#;

fn text(piece: &str) -> String {
    json!({"id": "x", "model": "real-model-7", "choices": [{"index": 0, "delta": {"content": piece}}]})
        .to_string()
}

fn piece(piece: Value) -> String {
    json!({"id": "x", "choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]}).to_string()
}

#[tokio::test]
async fn text_is_streamed_and_counted() {
    let usage = USAGE.replace('\n', "");
    let reply = Reply::chat(&[&text("milk"), &text(" and eggs"), STOP, &usage]);
    let (answer, deltas) = outcome("openai", "asked-model", reply).await;
    let answer = answer.unwrap();
    assert_eq!(answer.text, "milk and eggs");
    assert_eq!(texts(&deltas), answer.text);
    assert_eq!(answer.finish, Finish::Stop);
    assert_eq!(answer.model, "openai/real-model-7");
    assert_eq!(answer.opaque, None);
    assert_eq!(
        answer.usage,
        Usage { input: 120, output: 40, cache_read: 100, cache_write: 0, reasoning: 25 }
    );
}

#[tokio::test]
async fn the_request_is_shaped_as_asked() {
    let server = StandIn::start(Reply::chat(&[&text("ok"), STOP])).await;
    let mut request = with_history("openai/mistral-medium", None);
    request.choice = ToolChoice::Force("read_file".into());
    cloud("openai", &server).call(&request, &mut |_| ()).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.path, "/v1/chat/completions");
    assert!(asked.headers.contains(&format!("authorization: bearer {KEY}")));
    assert!(asked.headers.contains("idempotency-key: tsk_1/agt_2/3"));
    let body = asked.body;
    // Names that end like an effort stay whole.
    assert_eq!(body["model"], "mistral-medium");
    assert_eq!(body.get("reasoning_effort"), None);
    assert_eq!(body["stream"], true);
    assert_eq!(body["stream_options"]["include_usage"], true);
    assert_eq!(body["max_tokens"], 1000);
    assert_eq!(body["temperature"], 0.5);
    assert_eq!(body["tool_choice"], json!({"type": "function", "function": {"name": "read_file"}}));
    assert_eq!(body["tools"][0]["function"]["name"], "read_file");
    assert_eq!(body["tools"][0]["function"]["parameters"]["required"], json!(["path"]));
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool"]);
    assert_eq!(messages[2]["tool_calls"][0]["id"], messages[3]["tool_call_id"]);
    assert_eq!(messages[2]["tool_calls"][0]["function"]["arguments"], r#"{"path":"notes.md"}"#);
    assert_eq!(messages[3]["content"], "milk, eggs");
}

#[tokio::test]
async fn the_prefix_only_grows() {
    let server = StandIn::start(Reply::chat(&[&text("ok"), STOP])).await;
    let provider = cloud("openai", &server);
    let mut request = with_history("openai/m", None);
    provider.call(&request, &mut |_| ()).await.unwrap();
    let first = server.asked().body["messages"].as_array().unwrap().clone();
    request.messages.push(Message::Assistant { text: "eggs".into(), calls: vec![], opaque: None });
    request.messages.push(Message::User { text: "and milk?".into() });
    provider.call(&request, &mut |_| ()).await.unwrap();
    let second = server.asked().body["messages"].as_array().unwrap().clone();
    assert_eq!(first, second[..first.len()]);
    assert_eq!(second.len(), first.len() + 2);
}

#[tokio::test]
async fn broken_histories_are_mended() {
    let server = StandIn::start(Reply::chat(&[&text("ok"), STOP])).await;
    let mut request = request("openai/m");
    let call = |id: &str, arguments: &str| CallRef {
        id: id.into(),
        tool: "read_file".into(),
        arguments: arguments.into(),
    };
    let orphan =
        Message::ToolResult { call_id: "gone".into(), tool: "old".into(), text: "x".into(), is_error: false };
    request.messages.push(orphan);
    let calls = vec![call("a", "{\"path\":"), call("b", "")];
    request.messages.push(Message::Assistant { text: "".into(), calls, opaque: None });
    request.messages.push(Message::User { text: "go on".into() });
    cloud("openai", &server).call(&request, &mut |_| ()).await.unwrap();
    let body = server.asked().body;
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "user", "assistant", "tool", "tool", "user"]);
    assert_eq!(messages[3]["tool_calls"][0]["function"]["arguments"], r#"{"not_an_object":"{\"path\":"}"#);
    assert_eq!(messages[3]["tool_calls"][1]["function"]["arguments"], "{}");
}

#[tokio::test]
async fn a_call_in_many_pieces_is_one_call() {
    let mut frames = vec![piece(
        json!({"index": 0, "id": "a", "type": "function", "function": {"name": "read_file", "arguments": ""}}),
    )];
    for letter in r#"{"path":"notes.md"}"#.chars() {
        frames.push(piece(json!({"index": 0, "function": {"arguments": letter.to_string()}})));
    }
    frames.push(CALLS_STOP.into());
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    let (answer, deltas) = outcome("openai", "m", Reply::chat(&frames)).await;
    let answer = answer.unwrap();
    assert_eq!(answer.finish, Finish::ToolCalls);
    assert_eq!(
        answer.calls,
        [RequestedCall { tool: "read_file".into(), arguments: Ok(json!({"path": "notes.md"})) }]
    );
    assert_eq!(names(&deltas), ["read_file"]);
}

#[tokio::test]
async fn two_calls_at_once_and_broken_arguments() {
    let frames = [
        piece(
            json!({"index": 0, "id": "a", "function": {"name": "read_file", "arguments": "{\"path\":\"a\"}"}}),
        ),
        piece(
            json!({"index": 1, "id": "b", "function": {"name": "list_files", "arguments": "{\"path\": oops"}}),
        ),
        piece(json!({"index": 2, "id": "c", "function": {"name": "list_files", "arguments": ""}})),
    ];
    let reply = Reply::chat(&[&frames[0], &frames[1], &frames[2], STOP]);
    let (answer, deltas) = outcome("openai", "m", reply).await;
    let answer = answer.unwrap();
    // The server said "stop", but it calls.
    assert_eq!(answer.finish, Finish::ToolCalls);
    let arguments: Vec<_> = answer.calls.iter().map(|call| call.arguments.clone()).collect();
    assert_eq!(arguments, [Ok(json!({"path": "a"})), Err("{\"path\": oops".to_owned()), Ok(json!({}))]);
    assert_eq!(names(&deltas), ["read_file", "list_files", "list_files"]);
}

#[tokio::test]
async fn a_long_answer_is_taken_and_a_longer_one_refused() {
    let chunk = "0123456789abcdef".repeat(4096);
    let frame = text(&chunk);
    let mut frames = vec![frame.as_str(); 16];
    frames.push(STOP);
    let (answer, _) = outcome("openai", "m", Reply::chat(&frames)).await;
    assert_eq!(answer.unwrap().text.len(), 1 << 20);
    let frames = vec![frame.as_str(); 40];
    let error = error("openai", Reply::chat(&frames)).await;
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(error.message.contains("2097152 bytes"), "{}", error.message);
}

#[tokio::test]
async fn arguments_count_as_answer() {
    let chunk = "x".repeat(1 << 20);
    let first = piece(json!({"index": 0, "id": "a", "function": {"name": "read_file", "arguments": chunk}}));
    let more = piece(json!({"index": 0, "function": {"arguments": chunk}}));
    let error = error("openai", Reply::chat(&[&first, &more, &more, CALLS_STOP])).await;
    assert_eq!(error.kind, ErrorKind::Fatal);
}

#[tokio::test]
async fn the_output_limit_shows() {
    let cut = r#"{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#;
    let (answer, _) = outcome("openai", "m", Reply::chat(&[&text("half a"), cut])).await;
    assert_eq!(answer.unwrap().finish, Finish::Length);
    let filtered = r#"{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}"#;
    let (answer, _) = outcome("openai", "m", Reply::chat(&[&text("no"), filtered])).await;
    assert_eq!(answer.unwrap().finish, Finish::Refused);
}

#[tokio::test]
async fn a_count_is_taken_wherever_it_stands() {
    let usage = r#"{"prompt_tokens":120,"completion_tokens":40,"total_tokens":160}"#;
    let beside =
        format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":null}}],"usage":{usage}}}"#);
    let (answer, _) = outcome("openai", "m", Reply::chat(&[&text("milk"), STOP, &beside])).await;
    assert_eq!(answer.unwrap().usage, Usage { input: 120, output: 40, ..Usage::default() });
    let null = r#"{"choices":[{"index":0,"delta":{},"finish_reason":null}],"usage":null}"#;
    let (answer, _) = outcome("openai", "m", Reply::chat(&[&beside, STOP, null])).await;
    assert_eq!(answer.unwrap().usage, Usage { input: 120, output: 40, ..Usage::default() });
}

#[tokio::test]
async fn unknown_ends_are_told_apart() {
    for (word, finish) in
        [("model_length", Finish::Length), ("max_tokens", Finish::Length), ("tired", Finish::Other)]
    {
        let (answer, _) = outcome(
            "openai",
            "m",
            Reply::chat(&[&text("half a"), &STOP.replace("\"stop\"", &format!("\"{word}\""))]),
        )
        .await;
        assert_eq!(answer.unwrap().finish, finish, "{word}");
    }
    // A call that was cut is not called whole.
    let call = piece(json!({"index": 0, "id": "a", "function": {"name": "read_file", "arguments": "{\"pa"}}));
    let (answer, _) =
        outcome("openai", "m", Reply::chat(&[&call, &STOP.replace("\"stop\"", "\"length\"")])).await;
    let answer = answer.unwrap();
    assert_eq!((answer.finish, answer.calls.len()), (Finish::Length, 1));
}

#[tokio::test]
async fn what_is_not_counted_is_guessed_high() {
    let (answer, _) = outcome("openai", "m", Reply::chat(&[&text("milk and eggs"), STOP])).await;
    let usage = answer.unwrap().usage;
    assert!(usage.input > 20 && usage.output >= 4, "{usage:?}");
}

#[tokio::test]
async fn a_server_without_a_key_gets_none() {
    let server = StandIn::start(Reply::chat(&[&text("ok"), STOP])).await;
    let endpoint = Endpoint { base_url: Some(server.base_url()), key: None };
    let provider = Cloud::new("ollama", &endpoint, LIMITS, &Http::default());
    let mut request = request("ollama/qwen3:8b");
    request.tools = request.tools[..1].into();
    request.choice = ToolChoice::Force("read_file".into());
    provider.call(&request, &mut |_| ()).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.path, "/v1/chat/completions");
    assert!(!asked.headers.contains("authorization"), "{}", asked.headers);
    assert_eq!(asked.body["model"], "qwen3:8b");
    assert_eq!(asked.body["tool_choice"], "required");
}

#[tokio::test]
async fn thoughts_go_back_to_who_wants_them() {
    let thought =
        json!({"id": "x", "choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}).to_string();
    let call = piece(json!({"index": 0, "id": "a", "function": {"name": "read_file", "arguments": "{}"}}));
    let reply = Reply::chat(&[&thought, &call, CALLS_STOP]);
    let (answer, deltas) = outcome("deepseek", "deepseek-v4-pro", reply.clone()).await;
    assert!(deltas.contains(&Delta::Reasoning("hm".into())));
    let opaque = answer.unwrap().opaque.expect("the thought is kept");
    let server = StandIn::start(reply.clone()).await;
    let request = with_history("deepseek/deepseek-v4-pro", Some(opaque.clone()));
    cloud("deepseek", &server).call(&request, &mut |_| ()).await.unwrap();
    assert_eq!(server.asked().body["messages"][2]["reasoning_content"], "hm");
    // Nobody else sees it.
    let request = with_history("groq/openai/gpt-oss-120b", Some(opaque));
    cloud("groq", &server).call(&request, &mut |_| ()).await.unwrap();
    assert_eq!(server.asked().body["messages"][2].get("reasoning_content"), None);
}

#[tokio::test]
async fn a_gateways_reasoning_blocks_go_round_unchanged() {
    let block = json!({"type": "reasoning.encrypted", "data": "abc", "index": 0});
    let detail =
        json!({"id": "x", "choices": [{"index": 0, "delta": {"reasoning_details": [block]}}]}).to_string();
    let reply = Reply::chat(&[&detail, &text("ok"), STOP]);
    let (answer, _) = outcome("openrouter", "openai/gpt-5", reply.clone()).await;
    let server = StandIn::start(reply).await;
    let request = with_history("openrouter/openai/gpt-5", answer.unwrap().opaque);
    cloud("openrouter", &server).call(&request, &mut |_| ()).await.unwrap();
    assert_eq!(server.asked().body["messages"][2]["reasoning_details"], json!([block]));
}

#[tokio::test]
async fn a_reasoning_block_in_fragments_goes_back_whole() {
    let fragment = |detail: Value| {
        json!({"id": "x", "choices": [{"index": 0, "delta": {"content": "", "reasoning_details": [detail]}}]})
            .to_string()
    };
    let frames = [
        fragment(
            json!({"type": "reasoning.text", "text": "let me ", "format": "anthropic-claude-v1", "index": 0}),
        ),
        fragment(
            json!({"type": "reasoning.text", "text": "look", "format": "anthropic-claude-v1", "index": 0}),
        ),
        fragment(
            json!({"type": "reasoning.text", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0}),
        ),
    ];
    let reply = Reply::chat(&[&frames[0], &frames[1], &frames[2], &text("ok"), STOP]);
    let (answer, _) = outcome("openrouter", "anthropic/claude-sonnet-4.5", reply.clone()).await;
    let server = StandIn::start(reply).await;
    let request = with_history("openrouter/anthropic/claude-sonnet-4.5", answer.unwrap().opaque);
    cloud("openrouter", &server).call(&request, &mut |_| ()).await.unwrap();
    let whole = json!({"type": "reasoning.text", "text": "let me look", "format": "anthropic-claude-v1", "index": 0, "signature": "c2ln"});
    assert_eq!(server.asked().body["messages"][2]["reasoning_details"], json!([whole]));
}

#[tokio::test]
async fn letting_go_of_the_call_closes_the_connection() {
    let mut server = StandIn::start(Reply::frames(&[&text("and then")], Then::Hang)).await;
    let provider = cloud("openai", &server);
    let request = request("openai/m");
    let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    let call =
        tokio::spawn(
            async move { provider.call(&request, &mut |_| begun.send(()).unwrap()).await.map(|_| ()) },
        );
    has_begun.recv().await.unwrap();
    call.abort();
    tokio::time::timeout(Duration::from_secs(10), server.is_left()).await.expect("the connection stays open");
}
