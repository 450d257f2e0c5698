//! The script's behaviour, as a server drives it.

use std::collections::BTreeSet;
use std::sync::Arc;

use miteos_core::plan::{MAX_NODES, submit_plan_schema, submit_result_schema, validate};
use miteos_core::tool::ToolSpec;
use serde_json::json;

use super::*;
use crate::call::CallRef;
use crate::prices;

fn tool(name: &str, schema: Value) -> ToolSpec {
    ToolSpec { name: name.into(), description: String::new(), schema }
}

fn file_tools() -> Vec<ToolSpec> {
    let path = json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]});
    let write = json!({
        "type": "object",
        "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
        "required": ["path", "content"]
    });
    vec![
        tool("list_files", json!({"type": "object"})),
        tool("write_file", write),
        tool("publish", path.clone()),
        tool("delete_file", path),
    ]
}

fn with_mail() -> Vec<ToolSpec> {
    let mail = json!({
        "type": "object",
        "properties": {"to": {"type": "array", "items": {"type": "string"}}, "subject": {"type": "string"}, "body": {"type": "string"}},
        "required": ["to", "subject", "body"]
    });
    let mut tools = file_tools();
    tools.push(tool("send_email", mail));
    tools
}

fn request(prompt: &str, tools: Vec<ToolSpec>, choice: ToolChoice) -> Request {
    Request {
        model: model_for(prompt).unwrap(),
        system: "system".into(),
        tools: tools.into(),
        messages: vec![Message::User { text: prompt.into() }].into(),
        choice,
        max_output_tokens: 1000,
        call_id: String::new(),
        temperature: None,
    }
}

fn planner(prompt: &str) -> Request {
    request(
        prompt,
        vec![tool("submit_plan", submit_plan_schema(MAX_NODES))],
        ToolChoice::Force("submit_plan".into()),
    )
}

async fn call(request: &Request) -> Result<Answer, ModelError> {
    Scripted.call(request, &mut |_| ()).await
}

async fn plan(request: &Request) -> Vec<miteos_core::plan::Node> {
    let answer = call(request).await.unwrap();
    assert_eq!(answer.calls.len(), 1);
    let arguments = answer.calls[0].arguments.clone().unwrap();
    validate(&arguments, &BTreeSet::new()).expect("the plan is valid")
}

/// Appends the answer's calls with results.
fn go_on(request: &mut Request, answer: &Answer) {
    let made = request.messages.len();
    let call = |(nth, call): (usize, &RequestedCall)| CallRef {
        id: format!("{made}-{nth}"),
        tool: call.tool.clone(),
        arguments: call.arguments.clone().unwrap().to_string().into(),
    };
    let calls: Vec<CallRef> = answer.calls.iter().enumerate().map(call).collect();
    request.messages.push(Message::Assistant {
        text: answer.text.as_str().into(),
        calls: calls.clone(),
        opaque: None,
    });
    for call in calls {
        let result =
            Message::ToolResult { call_id: call.id, tool: call.tool, text: "ok".into(), is_error: false };
        request.messages.push(result);
    }
}

/// Lets an agent work to its end; the calls and its report.
async fn work(request: &mut Request) -> (Vec<(String, Value)>, String) {
    let mut made = Vec::new();
    loop {
        assert!(made.len() < 20, "the script does not end");
        let answer = call(request).await.unwrap();
        if answer.calls.is_empty() {
            return (made, answer.text);
        }
        made.extend(answer.calls.iter().map(|call| (call.tool.clone(), call.arguments.clone().unwrap())));
        go_on(request, &answer);
    }
}

#[tokio::test]
async fn plans_have_the_size_that_is_asked_for() {
    let one = plan(&planner("Write a note")).await;
    assert_eq!(one.len(), 1);
    assert!(one[0].depends_on.is_empty());
    let five = plan(&planner("Write a book [test:agents=5]")).await;
    assert_eq!(five.len(), 5);
    assert!(five[..4].iter().all(|node| node.depends_on.is_empty()));
    assert_eq!(five[4].depends_on, ["1", "2", "3", "4"]);
    assert_eq!(plan(&planner("Much [test:agents=99]")).await.len(), MAX_AGENTS);
}

#[tokio::test]
async fn an_agent_looks_writes_publishes_and_reports() {
    let mut request = request("Write a note", file_tools(), ToolChoice::Auto);
    let (calls, report) = work(&mut request).await;
    let names: Vec<_> = calls.iter().map(|(tool, _)| tool.as_str()).collect();
    assert_eq!(names, ["list_files", "write_file", "publish"]);
    assert_eq!(calls[1].1["path"], calls[2].1["path"]);
    assert!(calls[1].1["content"].as_str().unwrap().contains("Write a note"));
    assert!(report.contains(calls[1].1["path"].as_str().unwrap()));
}

#[tokio::test]
async fn agents_of_one_task_write_different_files() {
    let mut files = BTreeSet::new();
    for node in plan(&planner("Parts [test:agents=3]")).await {
        let prompt = format!("Parts [test:agents=3]\n\n{}", node.prompt);
        let (calls, _) = work(&mut request(&prompt, file_tools(), ToolChoice::Auto)).await;
        assert!(files.insert(calls[1].1["path"].to_string()), "{files:?}");
    }
}

#[tokio::test]
async fn without_tools_it_just_answers() {
    let (calls, report) = work(&mut request("Say hello", vec![], ToolChoice::Auto)).await;
    assert!(calls.is_empty() && report.contains("Say hello"));
    let (calls, _) = work(&mut request("Say hello", file_tools(), ToolChoice::None)).await;
    assert!(calls.is_empty());
}

#[tokio::test]
async fn the_summary_names_the_files() {
    let tools = vec![tool("submit_result", submit_result_schema())];
    let mut request = request("Write [test:agents=2]", tools, ToolChoice::Force("submit_result".into()));
    let said = "The result is in scripted-part-1.md. And scripted-part-2.md, too";
    request.messages.push(Message::User { text: said.into() });
    let answer = call(&request).await.unwrap();
    let arguments = answer.calls[0].arguments.clone().unwrap();
    assert_eq!(arguments["deliverables"], json!(["scripted-part-1.md", "scripted-part-2.md"]));
    assert!(arguments["summary"].as_str().unwrap().contains("Write"));
}

#[tokio::test]
async fn approval_makes_one_risky_call() {
    let prompt = "Tell them [test:approval]";
    let nodes = plan(&planner(prompt)).await;
    assert_eq!(nodes[0].agent_type, miteos_core::tool::AgentType::Email);
    let text = format!("{prompt}\n{}", nodes[0].prompt);
    let (calls, _) = work(&mut request(&text, with_mail(), ToolChoice::Auto)).await;
    let risky: Vec<_> = calls.iter().filter(|(tool, _)| tool == "send_email").collect();
    assert_eq!(risky.len(), 1);
    assert_eq!(risky[0].1["to"], json!(["someone@example.com"]));
    let (calls, _) = work(&mut request(&text, file_tools(), ToolChoice::Auto)).await;
    assert_eq!(calls.last().unwrap().0, "delete_file");
    let second = format!("{prompt} [test:node=2/2]");
    let (calls, _) = work(&mut request(&second, with_mail(), ToolChoice::Auto)).await;
    assert!(calls.iter().all(|(tool, _)| tool != "send_email"));
}

#[tokio::test]
async fn fail_fails_every_agent_but_not_the_plan() {
    let nodes = plan(&planner("No [test:fail]")).await;
    let text = format!("No [test:fail]\n{}", nodes[0].prompt);
    let error = call(&request(&text, file_tools(), ToolChoice::Auto)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal);
    let again = format!("{text} [test:replacement]");
    assert!(call(&request(&again, file_tools(), ToolChoice::Auto)).await.is_err());
}

#[tokio::test]
async fn an_agents_error_is_mended_by_a_replacement() {
    let prompt = "Try [test:agent_error] [test:agents=3]";
    let nodes = plan(&planner(prompt)).await;
    let first = format!("{prompt}\n{}", nodes[0].prompt);
    assert!(call(&request(&first, file_tools(), ToolChoice::Auto)).await.is_err());
    let second = format!("{prompt}\n{}", nodes[1].prompt);
    assert!(call(&request(&second, file_tools(), ToolChoice::Auto)).await.is_ok());

    let mut replan = planner(prompt);
    let failed = format!("These parts failed, plan a replacement: {}", nodes[0].title);
    replan.messages.push(Message::User { text: failed.as_str().into() });
    let replacement = plan(&replan).await;
    assert_eq!(replacement.len(), 1);
    assert!(nodes.iter().all(|node| node.key != replacement[0].key));
    let text = format!("{prompt}\n{}", replacement[0].prompt);
    let (calls, _) = work(&mut request(&text, file_tools(), ToolChoice::Auto)).await;
    assert_eq!(calls[1].1["path"], "scripted-replacement.md");
}

#[tokio::test]
async fn a_replan_in_one_message_is_seen() {
    let prompt = "Try [test:agent_error]";
    let nodes = plan(&planner(prompt)).await;
    let text = format!("{prompt}\n\nThe node \"{}\" failed.", nodes[0].title);
    assert_eq!(plan(&planner(&text)).await[0].key, "r1");
    // A prompt that only speaks of replacements is no replan.
    assert_eq!(plan(&planner("Find a replacement part")).await[0].key, "1");
}

#[tokio::test(start_paused = true)]
async fn slow_waits_once_and_can_be_cancelled() {
    let started = tokio::time::Instant::now();
    let mut slow = request("Wait [test:slow=30s]", file_tools(), ToolChoice::Auto);
    work(&mut slow).await;
    assert_eq!(started.elapsed(), Duration::from_secs(30));
    let again = request("Wait [test:slow=30s]", file_tools(), ToolChoice::Auto);
    let cancelled = tokio::time::timeout(Duration::from_secs(1), call(&again)).await;
    assert!(cancelled.is_err());
    let started = tokio::time::Instant::now();
    plan(&planner("Wait [test:slow=30s]")).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn the_deliverable_has_its_size() {
    let prompt = "Ünïcödé subjects and a long file [test:deliverable=64KiB]";
    let (calls, _) = work(&mut request(prompt, file_tools(), ToolChoice::Auto)).await;
    assert_eq!(calls[1].1["content"].as_str().unwrap().len(), 65_536);
    for bytes in 1..40 {
        let prompt = format!("Ünïcödé [test:deliverable={bytes}]");
        let (calls, _) = work(&mut request(&prompt, file_tools(), ToolChoice::Auto)).await;
        assert_eq!(calls[1].1["content"].as_str().unwrap().len(), bytes);
    }
}

#[tokio::test]
async fn the_budget_runs_out_at_the_priced_model() {
    let request = request("Spend [test:budget]", file_tools(), ToolChoice::Auto);
    assert_eq!(request.model.model(), PRICED_MODEL);
    let usage = call(&request).await.unwrap().usage;
    let price = prices::look_up(&request.model).unwrap().price.unwrap();
    assert!(price.cost(&usage).dollars() >= 1000.0);
    assert_eq!(model_for("plain").unwrap().model(), MODEL);
}

#[tokio::test]
async fn the_same_request_has_the_same_answer() {
    for prompt in ["Write", "W [test:agents=4]", "W [test:deliverable=10KiB]", "W [test:approval]"] {
        let mut first = request(prompt, with_mail(), ToolChoice::Auto);
        let mut second = first.clone();
        second.call_id = "another".into();
        assert_eq!(work(&mut first).await, work(&mut second).await);
        assert_eq!(call(&planner(prompt)).await.unwrap(), call(&planner(prompt)).await.unwrap());
    }
}

#[tokio::test]
async fn any_forced_function_gets_fitting_arguments() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let force = ToolChoice::Force("fill".into());
    let answer = call(&request("Fill", vec![tool("fill", schema)], force.clone())).await.unwrap();
    assert!(answer.calls[0].arguments.clone().unwrap()["city"].is_string());
    assert!(call(&request("Fill", vec![], force)).await.is_err());
}

#[tokio::test]
async fn broken_conversations_are_refused() {
    let mut orphan = request("x", file_tools(), ToolChoice::Auto);
    let result =
        Message::ToolResult { call_id: "a".into(), tool: "t".into(), text: "".into(), is_error: false };
    orphan.messages.push(result.clone());
    assert!(call(&orphan).await.unwrap_err().message.contains("no open call"));
    let mut open = request("x", file_tools(), ToolChoice::Auto);
    let calls = vec![CallRef { id: "a".into(), tool: "t".into(), arguments: "{}".into() }];
    open.messages.push(Message::Assistant { text: "".into(), calls, opaque: None });
    assert!(call(&open).await.is_err());
    open.messages.push(result);
    assert!(call(&open).await.is_ok());
    open.messages.insert(2, Message::User { text: "wait".into() });
    assert!(call(&open).await.is_err());
    let mut empty = request("x", file_tools(), ToolChoice::Auto);
    empty.messages.clear();
    assert!(call(&empty).await.is_err());
}

#[tokio::test]
async fn pieces_make_up_the_text() {
    let mut deltas = Vec::new();
    let request = request("Say hello to everybody, please", vec![], ToolChoice::Auto);
    let answer = Scripted.call(&request, &mut |delta| deltas.push(delta)).await.unwrap();
    let text: String = deltas
        .iter()
        .filter_map(|delta| if let Delta::Text(text) = delta { Some(text.as_str()) } else { None })
        .collect();
    assert!(deltas.len() > 1);
    assert_eq!(text, answer.text);
    let shared: Arc<dyn Provider> = Arc::new(Scripted);
    assert_eq!(shared.offered().len(), 2);
}
