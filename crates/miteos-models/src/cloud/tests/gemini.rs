//! Gemini's streamed content.

use super::stand_in::Then;
use super::*;

const HALF: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"milk"}]}}],"modelVersion":"gemini-real-1"}"#;
const REST: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":" and eggs"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":7,"thoughtsTokenCount":20,"cachedContentTokenCount":60,"totalTokenCount":127},"modelVersion":"gemini-real-1"}"#;
const CALLS: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"read_file","args":{"path":"a"}},"thoughtSignature":"c2lnMQ=="},{"functionCall":{"name":"list_files","args":{}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12}}"#;

fn stream(frames: &[&str]) -> Reply {
    Reply::frames(frames, Then::End)
}

#[tokio::test]
async fn text_and_usage() {
    let (answer, deltas) = outcome("gemini", "gemini-2.5-pro", stream(&[HALF, REST])).await;
    let answer = answer.unwrap();
    assert_eq!((answer.text.as_str(), texts(&deltas).as_str()), ("milk and eggs", "milk and eggs"));
    assert_eq!(answer.model, "gemini/gemini-real-1");
    assert_eq!(answer.finish, Finish::Stop);
    assert_eq!(answer.usage, Usage { input: 100, output: 27, cache_read: 60, cache_write: 0, reasoning: 20 });
}

#[tokio::test]
async fn calls_and_signatures_go_round() {
    let (answer, deltas) = outcome("gemini", "gemini-2.5-pro", stream(&[CALLS])).await;
    let answer = answer.unwrap();
    assert_eq!(answer.finish, Finish::ToolCalls);
    let calls: Vec<_> =
        answer.calls.iter().map(|call| (call.tool.as_str(), call.arguments.clone())).collect();
    assert_eq!(calls, [("read_file", Ok(json!({"path": "a"}))), ("list_files", Ok(json!({})))]);
    assert_eq!(names(&deltas), ["read_file", "list_files"]);

    let server = StandIn::start(stream(&[HALF, REST])).await;
    let request = with_history("gemini/gemini-2.5-pro", answer.opaque);
    cloud("gemini", &server).call(&request, &mut |_| ()).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked.path, "/v1/models/gemini-2.5-pro:streamgeneratecontent?alt=sse");
    assert!(asked.headers.contains(&format!("x-goog-api-key: {KEY}")));
    assert!(!asked.path.contains(KEY));
    let contents = asked.body["contents"].as_array().unwrap();
    assert_eq!(contents[1]["parts"][0]["thoughtSignature"], "c2lnMQ==");
    assert_eq!(contents[1]["parts"][0]["functionCall"]["args"], json!({"path": "notes.md"}));
    assert_eq!(contents[2]["parts"][0]["functionResponse"]["name"], "read_file");
    assert_eq!(asked.body["systemInstruction"]["parts"][0]["text"], "You are careful.");
    assert_eq!(asked.body["generationConfig"]["maxOutputTokens"], 1000);
    assert_eq!(asked.body.get("model"), None);
}

#[tokio::test]
async fn failures() {
    let limited = r#"{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3s"}]}}"#;
    let wait = ErrorKind::RateLimited { retry_after_ms: Some(3_000) };
    assert_eq!(error("gemini", Reply::status(429, limited)).await.kind, wait);
    assert_eq!(error("gemini", stream(&[HALF, limited])).await.kind, wait);
    let busy = r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    let passing = ErrorKind::Transient { retry_after_ms: None };
    assert_eq!(error("gemini", Reply::status(503, busy)).await.kind, passing);
    assert_eq!(error("gemini", stream(&[HALF, busy])).await.kind, passing);
    assert_eq!(error("gemini", stream(&[HALF])).await.kind, passing);
    assert_eq!(error("gemini", stream(&["{oops"])).await.kind, passing);
    let blocked =
        r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":9}}"#;
    assert_eq!(error("gemini", stream(&[blocked])).await.kind, ErrorKind::Refused);
    let malformed = REST.replace("STOP", "MALFORMED_FUNCTION_CALL");
    assert_eq!(error("gemini", stream(&[&malformed])).await.kind, passing);
    for (word, finish) in [("MAX_TOKENS", Finish::Length), ("OTHER", Finish::Other)] {
        let (answer, _) =
            outcome("gemini", "gemini-2.5-pro", stream(&[HALF, &REST.replace("STOP", word)])).await;
        assert_eq!(answer.unwrap().finish, finish, "{word}");
    }
    let cut = error("gemini", stream(&[&REST.replace("\"finishReason\":\"STOP\"", "\"index\":0")])).await;
    let usage = Usage { input: 100, output: 27, cache_read: 60, cache_write: 0, reasoning: 20 };
    assert_eq!((cut.usage, cut.usage_is_guess), (Some(usage), false));
    let safety = REST.replace("STOP", "SAFETY");
    let (answer, _) = outcome("gemini", "gemini-2.5-pro", stream(&[&safety])).await;
    assert_eq!(answer.unwrap().finish, Finish::Refused);
}
