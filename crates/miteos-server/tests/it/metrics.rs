//! The server's own figures: who may read them, what they count, and that they tell of nobody.

use miteos_server::MetricsConfig;
use miteos_server::models::Secret;
use serde_json::json;

use crate::harness::{PATIENCE, TestServer};
use crate::standin::{Script, call, text};

const TOKEN: &str = "scrape-me-if-you-can-7f3a";

fn token() -> Option<Secret> {
    Some(Secret::new(TOKEN))
}

async fn read(server: &TestServer, url: &str, token: Option<&str>) -> (u16, String) {
    let request = server.http.get(url);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().await.unwrap();
    assert!(response.headers().contains_key("request-id"));
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The value of a series, as the text has it; 0 if it is not there.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

async fn scrape(server: &TestServer) -> String {
    let (status, text) = read(server, &format!("{}/v1/metrics", server.url), Some(TOKEN)).await;
    assert_eq!(status, 200, "{text}");
    text
}

/// Scrapes until a series has this value: what the store is asked for is remembered for a moment.
async fn until(server: &TestServer, series: &str, wanted: f64) {
    let begun = std::time::Instant::now();
    loop {
        let text = scrape(server).await;
        if value(&text, series) == wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{series} is not {wanted}:\n{text}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn without_a_token_of_the_owner_nobody_reads_them() {
    let server = TestServer::start(Script::default()).await;
    let url = format!("{}/v1/metrics", server.url);
    // The peer is on this machine, as a proxy would be, and has a key for everything.
    for shown in [None, Some(server.key.as_str()), Some(""), Some("undefined")] {
        let (status, body) = read(&server, &url, shown).await;
        assert_eq!(status, 404, "{shown:?}: {body}");
        assert!(!body.contains("miteos_"), "{body}");
    }
    for (name, value) in
        [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1"), ("host", "localhost")]
    {
        let response = server.http.get(&url).header(name, value).send().await.unwrap();
        assert_eq!(response.status(), 404, "{name}");
    }

    let change = |config: &mut miteos_server::Config| config.metrics.token = token();
    let server = TestServer::start_with(Script::default(), change).await;
    let url = format!("{}/v1/metrics", server.url);
    let beginning = &TOKEN[..TOKEN.len() - 1];
    let longer = format!("{TOKEN}x");
    let key = server.key.as_str();
    for shown in [None, Some(key), Some(server.test_key.as_str()), Some(beginning), Some(longer.as_str())] {
        let (status, body) = read(&server, &url, shown).await;
        assert_eq!(status, 401, "{shown:?}: {body}");
        assert!(!body.contains("miteos_") && !body.contains(TOKEN), "{body}");
    }
    let elsewhere = server.http.get(format!("{url}?token={TOKEN}")).send().await.unwrap();
    assert_eq!(elsewhere.status(), 401, "never in a query");
    let right = server.http.get(&url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(right.status(), 200);
    assert_eq!(right.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let open = server.http.get(&url).bearer_auth(TOKEN).header("accept", "application/openmetrics-text");
    let open = open.send().await.unwrap();
    assert!(open.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert!(open.text().await.unwrap().ends_with("# EOF\n"));
    // The token opens the figures alone.
    assert_eq!(server.call_as(TOKEN, "GET", "/tasks", None).await.0, 401);
}

#[tokio::test]
async fn an_address_of_their_own_serves_them_and_nothing_else() {
    let own = MetricsConfig { listen: Some("127.0.0.1:0".parse().unwrap()), token: None };
    let server = TestServer::start_with(Script::default(), |config| config.metrics = own.clone()).await;
    let address = format!("http://{}", server.metrics.unwrap());
    for path in ["/metrics", "/v1/metrics"] {
        let (status, text) = read(&server, &format!("{address}{path}"), None).await;
        assert_eq!(status, 200);
        assert!(text.contains("miteos_build_info{version="), "{text}");
    }
    for path in ["/v1/tasks", "/v1/api-keys", "/v1/healthz", "/"] {
        let (status, _) = read(&server, &format!("{address}{path}"), Some(&server.key)).await;
        assert_eq!(status, 404, "{path}");
    }
    let (status, _) = read(&server, &format!("{}/v1/metrics", server.url), None).await;
    assert_eq!(status, 404, "they are not at the API's address then");

    let own = MetricsConfig { token: token(), ..own };
    let server = TestServer::start_with(Script::default(), |config| config.metrics = own.clone()).await;
    let url = format!("http://{}/metrics", server.metrics.unwrap());
    assert_eq!(read(&server, &url, None).await.0, 401);
    assert_eq!(read(&server, &url, Some(&server.key)).await.0, 401);
    assert_eq!(read(&server, &url, Some(TOKEN)).await.0, 200);
    assert_eq!(read(&server, &format!("{}/v1/metrics", server.url), Some(TOKEN)).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_counted_and_nobody_is_named() {
    let script = Script::default().plan(&[("1", "do alpha", &[])]).agent(
        "alpha",
        vec![call("write_file", json!({"path": "a.txt", "content": "hushhush"})), text("done")],
    );
    let server = TestServer::start_with(script, |config| config.metrics.token = token()).await;
    let task = server.create("a very private matter", json!({"autonomy_level": 100})).await;
    let done = server.ended(&task).await;
    assert_eq!(done["status"], "complete", "{done}");
    until(&server, "miteos_tasks{state=\"running\"}", 0.0).await;
    until(&server, "miteos_agents_running", 0.0).await;
    let text = scrape(&server).await;
    let cost = (done["cost"].as_f64().unwrap() * 1e6).round();
    let model = "provider=\"openai\",model=\"scripted-1\"";
    assert!(cost > 0.0);
    for (series, wanted) in [
        ("miteos_tasks_created_total".to_owned(), 1.0),
        ("miteos_tasks_ended_total{outcome=\"complete\"}".to_owned(), 1.0),
        (format!("miteos_model_calls_total{{{model},outcome=\"answered\"}}"), 3.0),
        (format!("miteos_model_call_duration_seconds_count{{{model}}}"), 3.0),
        (format!("miteos_model_cost_micro_dollars_total{{{model}}}"), cost),
        ("miteos_tool_calls_total{tool=\"write_file\",outcome=\"ok\"}".to_owned(), 1.0),
        ("miteos_http_requests_total{method=\"POST\",path=\"/v1/tasks\",status=\"2xx\"}".to_owned(), 1.0),
        ("miteos_model_calls_in_flight".to_owned(), 0.0),
        ("miteos_tool_calls_in_flight".to_owned(), 0.0),
        ("miteos_agents_running".to_owned(), 0.0),
        // The one that is being answered.
        ("miteos_http_requests_in_flight".to_owned(), 1.0),
    ] {
        assert_eq!(value(&text, &series), wanted, "{series}\n{text}");
    }
    let tokens = value(&text, &format!("miteos_model_tokens_total{{{model},kind=\"input\"}}"))
        + value(&text, &format!("miteos_model_tokens_total{{{model},kind=\"output\"}}"));
    assert_eq!(tokens, done["total_tokens_used"].as_f64().unwrap());
    let events = server.events(&task).await.len();
    assert_eq!(value(&text, "miteos_journal_events_total"), events as f64);
    for at_least_one in [
        "miteos_store_commits_total{outcome=\"committed\"}",
        "miteos_store_commit_duration_seconds_count",
        "miteos_store_commit_writes_count",
        "miteos_http_requests_total{method=\"GET\",path=\"/v1/tasks/{id}\",status=\"2xx\"}",
        "miteos_http_request_duration_seconds_count{method=\"GET\",path=\"/v1/tasks/{id}\"}",
        "process_open_fds",
        "process_resident_memory_bytes",
    ] {
        assert!(value(&text, at_least_one) > 0.0, "{at_least_one}\n{text}");
    }
    let workspace = done["workspace_id"].as_str().unwrap();
    let agent = done["agents"][0]["id"].as_str().unwrap();
    for hidden in
        [&task, workspace, agent, &server.key, &server.key[..16], "private matter", "hushhush", "a.txt"]
    {
        assert!(!text.contains(hidden), "{hidden} stands in the figures");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_counted_while_it_waits() {
    let script = Script::default()
        .plan(&[("1", "do alpha", &[])])
        .agent("alpha", vec![call("write_file", json!({"path": "a.txt", "content": "x"})), text("done")]);
    let server = TestServer::start_with(script, |config| config.metrics.token = token()).await;
    let (free, _) = server.make_key("live", "free", &["*"]).await;
    let asked = json!({"prompt": "x", "config": {"autonomy_level": 30}});
    let (_, first) = server.call_as(&free, "POST", "/tasks", Some(asked.clone())).await;
    let (_, second) = server.call_as(&free, "POST", "/tasks", Some(asked)).await;
    let (first, second) = (first["id"].as_str().unwrap(), second["id"].as_str().unwrap());
    server.asked(first).await;
    until(&server, "miteos_tasks{state=\"pending\"}", 1.0).await;
    until(&server, "miteos_tasks{state=\"running\"}", 1.0).await;
    until(&server, "miteos_approvals_pending", 1.0).await;
    for task in [second, first] {
        server.expect(200, "POST", &format!("/tasks/{task}/cancel"), None).await;
    }
    until(&server, "miteos_tasks{state=\"pending\"}", 0.0).await;
    until(&server, "miteos_approvals_pending", 0.0).await;
    until(&server, "miteos_tasks_ended_total{outcome=\"cancelled\"}", 2.0).await;

    let path = "/events";
    let stream = crate::sse::Sse::open(&server.http, &server.url, &server.key, path, None).await;
    let stream = stream.unwrap().unwrap_or_else(|_| panic!("no stream"));
    until(&server, "miteos_streams_open{transport=\"sse\"}", 1.0).await;
    drop(stream);
    until(&server, "miteos_streams_open{transport=\"sse\"}", 0.0).await;
}

#[tokio::test]
async fn a_token_that_could_be_guessed_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let standin = crate::standin::StandIn::start(Script::default()).await;
    let mut config = crate::harness::config(temp.path(), &standin);
    config.metrics.token = Some(Secret::new("short"));
    let error = miteos_server::Server::start(config).await.err().unwrap().to_string();
    assert!(error.contains("at least 16 bytes") && !error.contains("short\""), "{error}");
}
