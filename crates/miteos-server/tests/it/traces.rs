//! Spans: what a collector is told of a task, what it is not told, and that nothing waits for it.

use std::time::{Duration, Instant};

use miteos_server::{Config, EgressPolicy, TraceConfig};
use serde_json::json;

use crate::collector::{Collector, Span};
use crate::harness::TestServer;
use crate::standin::{Script, call, text};

/// What must never leave without being asked for.
const PROMPT: &str = "the merger that nobody knows of";
const CONTENT: &str = "numbers that move markets";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn script() -> Script {
    Script::default()
        .plan(&[("1", "do alpha", &[])])
        .agent("alpha", vec![call("write_file", json!({"path": "a.txt", "content": CONTENT})), text("done")])
}

fn traces(endpoint: &str, more: &[(&str, &str)]) -> Option<TraceConfig> {
    let get = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.to_owned()),
        _ => more.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
    };
    TraceConfig::from_settings(&get).unwrap()
}

fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

/// The task's spans stand below its request, and its calls below the task.
fn check_work(spans: &[Span], root: &str, done: &serde_json::Value) {
    let task = done["id"].as_str().unwrap();
    let turns: Vec<&Span> = spans.iter().filter(|span| span.name == "task").collect();
    assert!(!turns.is_empty(), "{spans:#?}");
    let mut below = Vec::new();
    for turn in &turns {
        assert_eq!((turn.trace.as_str(), turn.parent.as_str(), turn.kind), (TRACE, root, 1));
        assert_eq!(turn.get("gen_ai.conversation.id"), task);
        below.extend(spans.iter().filter(|span| span.parent == turn.id));
    }
    let chats: Vec<&&Span> = below.iter().filter(|span| span.name == "chat scripted-1").collect();
    assert_eq!(chats.len(), 3, "the plan and two steps: {below:#?}");
    let agent = done["agents"][0]["id"].as_str().unwrap();
    assert_eq!(chats.iter().filter(|span| span.get("gen_ai.agent.id") == agent).count(), 2);
    for chat in &chats {
        assert_eq!((chat.trace.as_str(), chat.kind, chat.failed), (TRACE, 3, false));
        assert_eq!(chat.get("gen_ai.operation.name"), "chat");
        assert_eq!(chat.get("gen_ai.provider.name"), "openai");
        assert_eq!(chat.get("gen_ai.request.model"), "scripted-1");
        assert!(!chat.get("gen_ai.response.model").is_empty(), "{chat:?}");
        assert!(chat.get("gen_ai.usage.input_tokens").parse::<u64>().unwrap() > 0);
        assert!(!chat.get("gen_ai.usage.output_tokens").is_empty());
        assert!(!chat.get("gen_ai.response.finish_reasons").is_empty());
        assert_eq!(chat.get("gen_ai.conversation.id"), task);
    }
    let tool = one(spans, "execute_tool write_file");
    assert!(turns.iter().any(|turn| turn.id == tool.parent));
    assert_eq!(
        (tool.get("gen_ai.operation.name"), tool.get("gen_ai.tool.name")),
        ("execute_tool", "write_file")
    );
    assert_eq!((tool.get("gen_ai.agent.id"), tool.get("gen_ai.agent.name")), (agent, "builder"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_a_tree_below_the_request_that_made_it() {
    let collector = Collector::start().await;
    let url = collector.url();
    let change = |config: &mut Config| {
        let more = [
            ("OTEL_SERVICE_NAME", "miteos-test"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=nowhere"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=collector%20key"),
        ];
        config.traces = traces(&url, &more);
        config.egress = EgressPolicy::parse("127.0.0.1/32").unwrap();
    };
    let mut server = TestServer::start_with(script(), change).await;
    let hook = json!({"url": "http://127.0.0.1:1/secret-path?k=v", "events": ["task.complete"]});
    let hook = server.expect(201, "POST", "/webhooks", Some(hook)).await;
    let made = server
        .http
        .post(format!("{}/v1/tasks", server.url))
        .bearer_auth(&server.key)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .header("x-request-id", "their-17")
        .json(&json!({"prompt": PROMPT, "config": {"autonomy_level": 100}}))
        .send()
        .await
        .unwrap();
    let request_id = made.headers()["request-id"].to_str().unwrap().to_owned();
    let task: serde_json::Value = made.json().await.unwrap();
    let task = task["id"].as_str().unwrap();
    let done = server.ended(task).await;
    assert_eq!(done["status"], "complete", "{done}");
    let deliveries = format!("/webhooks/{}/deliveries", hook["id"].as_str().unwrap());
    let begun = Instant::now();
    while server.get(&deliveries).await["deliveries"][0]["attempts"].as_u64().unwrap_or(0) == 0 {
        assert!(begun.elapsed() < crate::harness::PATIENCE, "no attempt was made");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.stop().await;
    let spans = collector.spans();

    let root = one(&spans, "POST /v1/tasks");
    assert_eq!((root.trace.as_str(), root.parent.as_str(), root.kind), (TRACE, CALLER, 2));
    assert_eq!(root.get("miteos.request.id"), request_id);
    assert_eq!(root.get("miteos.client_request.id"), "their-17");
    assert_eq!((root.get("http.request.method"), root.get("http.route")), ("POST", "/v1/tasks"));
    assert_eq!(root.get("http.response.status_code"), "201");
    assert_eq!((root.scope.as_str(), root.resource["service.name"].as_str()), ("miteos", "miteos-test"));
    assert_eq!(root.resource["deployment.environment.name"], "nowhere");
    assert_eq!(root.schema, "https://opentelemetry.io/schemas/1.42.0");

    check_work(&spans, &root.id, &done);

    let delivery = spans.iter().find(|span| span.name == "POST" && span.kind == 3).unwrap();
    assert_eq!((delivery.get("server.address"), delivery.get("server.port")), ("127.0.0.1", "1"));
    assert!(delivery.failed && !delivery.get("error.type").is_empty());

    let all = format!("{spans:?}");
    for hidden in [PROMPT, CONTENT, "a.txt", "secret-path", &server.key, "collector key", "sk-test"] {
        assert!(!all.contains(hidden), "{hidden} stands in the spans");
    }
    assert!(collector.headers().iter().all(|headers| headers["api-key"] == "collector key"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_told_only_when_the_standard_variable_asks_for_them() {
    for (asked, told) in [("true", true), ("no_content", false)] {
        let collector = Collector::start().await;
        let url = collector.url();
        let variable = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
        let change = |config: &mut Config| config.traces = traces(&url, &[(variable, asked)]);
        let mut server = TestServer::start_with(Script::default(), change).await;
        // In test mode, with the built-in script.
        let body = json!({"prompt": PROMPT, "config": {"autonomy_level": 100}});
        let (status, task) = server.call_as(&server.test_key, "POST", "/tasks", Some(body)).await;
        assert_eq!(status, 201, "{task}");
        let path = format!("/tasks/{}", task["id"].as_str().unwrap());
        let begun = Instant::now();
        loop {
            let (_, shown) = server.call_as(&server.test_key, "GET", &path, None).await;
            if shown["completed_at"].is_string() {
                break;
            }
            assert!(begun.elapsed() < crate::harness::PATIENCE, "{shown}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.stop().await;
        let spans = collector.spans();
        let chats = spans.iter().filter(|span| span.get("gen_ai.operation.name") == "chat");
        let with = chats.filter(|span| span.get("gen_ai.input.messages").contains(PROMPT));
        assert_eq!(with.count() > 0, told, "{spans:#?}");
        let answers = spans.iter().filter(|span| !span.get("gen_ai.output.messages").is_empty()).count();
        assert_eq!(answers > 0, told);
        assert_eq!(format!("{spans:?}").contains(PROMPT), told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_collector_that_is_dead_or_slow() {
    // One takes the connection and never answers; at the other's address is nobody.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = format!("http://{}", silent.local_addr().unwrap());
    for endpoint in [slow.as_str(), "http://127.0.0.1:1"] {
        let small = [("OTEL_BSP_MAX_QUEUE_SIZE", "4"), ("OTEL_BSP_SCHEDULE_DELAY", "1")];
        let change = |config: &mut Config| config.traces = traces(endpoint, &small);
        let mut server = TestServer::start_with(script(), change).await;
        let done = server.run(PROMPT, json!({"autonomy_level": 100})).await;
        assert_eq!(done["status"], "complete", "{endpoint}: {done}");
        let log = server.events(done["id"].as_str().unwrap()).await;
        assert_eq!(log.last().unwrap()["type"], "task.complete");
        let begun = Instant::now();
        server.stop().await;
        // A second to flush, and what the rest of a stop takes on a busy machine; the call's own time-out is ten.
        assert!(begun.elapsed() < Duration::from_secs(8), "{endpoint}: {:?}", begun.elapsed());
    }
}
