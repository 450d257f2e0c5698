//! Tries the local model for real: a plan, a run of tool calls to a final answer, free text, a cancelled call. Prints
//! what came and how fast, and ends with an error if something is not as it must be.
//!
//! `cargo run --release -p miteos-models --features embedded-llm --example local_smoke -- MODELS_DIR [MODEL]`, where
//! the folder holds a pulled model.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use miteos_core::tool::ToolSpec;
use miteos_models::{Answer, CallRef, Finish, Message, Provider, Request, ToolChoice, local};
use serde_json::{Value, json};

/// Calls of one run.
const MAX_STEPS: u32 = 10;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder holds the models?")?;
    let model = arguments.next().unwrap_or_else(|| format!("local/{}", local::catalog::CATALOG[0].id));
    let provider = local::provider(Path::new(&folder));
    let blank = Request {
        model: model.parse()?,
        system: "".into(),
        tools: Arc::new([]),
        messages: Vec::new().into(),
        choice: ToolChoice::Auto,
        max_output_tokens: 1024,
        call_id: "smoke".into(),
        temperature: None,
    };
    plan(provider.as_ref(), &blank).await?;
    work(provider.as_ref(), &blank).await?;
    free_text(provider.as_ref(), &blank).await?;
    cancelled(provider.as_ref(), &blank).await
}

fn user(text: &str) -> Message {
    Message::User { text: text.into() }
}

fn tool(name: &str, description: &str, schema: Value) -> ToolSpec {
    ToolSpec { name: name.into(), description: description.into(), schema }
}

/// Makes a call and prints how fast it was.
async fn call(provider: &dyn Provider, request: &Request) -> Result<Answer, Failure> {
    let started = Instant::now();
    let mut first = None;
    let answer = provider
        .call(request, &mut |_| {
            first.get_or_insert_with(|| started.elapsed());
        })
        .await?;
    let (whole, usage) = (started.elapsed(), answer.usage);
    println!(
        "  {} prompt tokens ({} reused), {} written, first news after {:.1} s, all after {:.1} s, {:?}",
        usage.input,
        usage.cache_read,
        usage.output,
        first.unwrap_or(whole).as_secs_f64(),
        whole.as_secs_f64(),
        answer.finish
    );
    Ok(answer)
}

async fn plan(provider: &dyn Provider, blank: &Request) -> Result<(), Failure> {
    println!("plan");
    let schema = json!({"type": "object", "required": ["subtasks"], "properties": {"subtasks": {
        "type": "array", "minItems": 1, "maxItems": 20, "items": {"type": "object",
        "required": ["id", "agent_type", "title", "prompt", "depends_on", "acceptance"], "properties": {
            "id": {"type": "string"}, "agent_type": {"enum": ["researcher", "builder", "analyst"]},
            "title": {"type": "string"}, "prompt": {"type": "string"},
            "depends_on": {"type": "array", "items": {"type": "string"}},
            "acceptance": {"type": "array", "items": {"type": "string"}}}}}}});
    let request = Request {
        system: "You plan how agents carry out a task: researcher (finds things out), builder (writes programs, pages \
                 and files), analyst (works with data). Use as few subtasks as will do."
            .into(),
        tools: Arc::new([tool("submit_plan", "Hands in the plan.", schema)]),
        messages: vec![user("Compare three Rust web frameworks and write a report as report.md.")].into(),
        choice: ToolChoice::Force("submit_plan".into()),
        ..blank.clone()
    };
    let answer = call(provider, &request).await?;
    let made = answer.calls.first().ok_or("no call")?;
    let plan = made.arguments.as_ref().map_err(|text| format!("no JSON: {text}"))?;
    let nodes = plan["subtasks"].as_array().filter(|nodes| !nodes.is_empty()).ok_or("no subtasks")?;
    for node in nodes {
        println!("  {} {} after {}: {}", node["id"], node["agent_type"], node["depends_on"], node["title"]);
    }
    Ok(())
}

async fn work(provider: &dyn Provider, blank: &Request) -> Result<(), Failure> {
    println!("work");
    let path = json!({"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}}});
    let write = json!({"type": "object", "required": ["path", "content"], "properties": {
        "path": {"type": "string"}, "content": {"type": "string"}}});
    let mut request = Request {
        system: "You carry out a task with the tools.".into(),
        tools: Arc::new([
            tool("list_files", "Lists the files of the workspace.", json!({"type": "object"})),
            tool("write_file", "Writes a file.", write),
            tool("publish", "Makes a file a result of the task.", path),
        ]),
        messages: vec![user("Write notes/todo.md with three steps to launch a small shop, then publish it.")]
            .into(),
        ..blank.clone()
    };
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut published = false;
    for step in 0..MAX_STEPS {
        let answer = call(provider, &request).await?;
        let Some(made) = answer.calls.first() else {
            println!("  answer: {}", answer.text);
            return if published { Ok(()) } else { Err("it ended without publishing".into()) };
        };
        let arguments = made.arguments.as_ref().map_err(|text| format!("no JSON: {text}"))?;
        println!("  {} {arguments}", made.tool);
        let path = arguments["path"].as_str().unwrap_or_default().to_owned();
        let result = match made.tool.as_str() {
            "list_files" => format!("{:?}", files.keys().collect::<Vec<_>>()),
            "write_file" => {
                files.insert(path.clone(), arguments["content"].as_str().unwrap_or_default().to_owned());
                format!("wrote {path}")
            }
            _ if files.contains_key(&path) => {
                published = true;
                format!("published {path}")
            }
            _ => format!("there is no file {path}"),
        };
        let id = format!("call-{step}");
        let call =
            CallRef { id: id.clone(), tool: made.tool.clone(), arguments: arguments.to_string().into() };
        request.messages.push(Message::Assistant {
            text: answer.text.into(),
            calls: vec![call],
            opaque: None,
        });
        let tool = made.tool.clone();
        request.messages.push(Message::ToolResult {
            call_id: id,
            tool,
            text: result.into(),
            is_error: false,
        });
    }
    Err("it did not come to an end".into())
}

async fn free_text(provider: &dyn Provider, blank: &Request) -> Result<(), Failure> {
    println!("free text");
    let request = Request {
        system: "Answer in one sentence.".into(),
        messages: vec![user("What is a B-tree?")].into(),
        choice: ToolChoice::None,
        temperature: Some(0.7),
        ..blank.clone()
    };
    let answer = call(provider, &request).await?;
    println!("  {}", answer.text);
    let short = call(provider, &Request { max_output_tokens: 4, ..request.clone() }).await?;
    let stopped = short.finish == Finish::Length && short.usage.output <= 4;
    let long = Request { messages: vec![user(&"word ".repeat(20_000))].into(), ..request };
    let too_long = provider.call(&long, &mut |_| {}).await.err().ok_or("a prompt without end was taken")?;
    println!("  {too_long}");
    if stopped && !answer.text.is_empty() { Ok(()) } else { Err("the limits do not hold".into()) }
}

/// A call that nobody waits for any more gives way to the next one.
async fn cancelled(provider: &dyn Provider, blank: &Request) -> Result<(), Failure> {
    println!("cancelled");
    let endless = Request {
        system: "You write long stories.".into(),
        messages: vec![user("Write a very long story about a lighthouse.")].into(),
        choice: ToolChoice::None,
        max_output_tokens: 4096,
        ..blank.clone()
    };
    let cut = tokio::time::timeout(Duration::from_secs(5), provider.call(&endless, &mut |_| {})).await;
    if cut.is_ok() {
        return Err("the story was short".into());
    }
    let started = Instant::now();
    let next = Request { messages: vec![user("Say hello.")].into(), max_output_tokens: 8, ..endless };
    call(provider, &next).await?;
    println!("  the next call was done {:.1} s after the cut", started.elapsed().as_secs_f64());
    Ok(())
}
