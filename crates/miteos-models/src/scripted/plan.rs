//! The scripted planner: a plan of the size that the prompt asks for, its replacement, and the closing summary.

use serde_json::{Value, json};

use super::Script;
use super::directives::plain;
use super::work::{FILE_END, FILE_START};
use crate::call::Message;

pub(super) const SUBMIT_PLAN: &str = "submit_plan";
pub(super) const SUBMIT_RESULT: &str = "submit_result";

/// The types of parallel nodes, in turn.
const TYPES: [&str; 3] = ["researcher", "analyst", "builder"];
const MAX_SUBJECT_CHARS: usize = 60;
const TITLE: &str = "Scripted part";

/// One node, or N-1 at the same time and one that needs them all. After a failure, one node in place of the rest.
pub(super) fn submit_plan(script: &Script<'_>) -> Value {
    if is_replan(script) {
        let mut replacement = node(script, 1, 1, &[]);
        replacement["id"] = json!("r1");
        let prompt = replacement["prompt"].as_str().unwrap_or_default();
        replacement["prompt"] = json!(format!("{prompt} [test:replacement]"));
        return json!({"subtasks": [replacement]});
    }
    let count = script.directives.agents;
    let nodes: Vec<Value> = (1..=count)
        .map(|nth| {
            let needs: Vec<String> =
                if nth == count { (1..count).map(|n| n.to_string()).collect() } else { Vec::new() };
            node(script, nth, count, &needs)
        })
        .collect();
    json!({"subtasks": nodes})
}

fn node(script: &Script<'_>, nth: usize, count: usize, needs: &[String]) -> Value {
    let subject = subject(script.prompt);
    let agent_type = match nth {
        // The agents who write mail have the tool that the directive is about.
        1 if script.directives.approval => "email",
        _ if nth == count => "builder",
        _ => TYPES[(nth - 1) % TYPES.len()],
    };
    let prompt = if needs.is_empty() {
        format!("Write part {nth} of {count} of: {subject} [test:node={nth}/{count}]")
    } else {
        format!("Put the parts together for: {subject} [test:node={nth}/{count}]")
    };
    json!({
        "id": nth.to_string(),
        "agent_type": agent_type,
        "title": format!("{TITLE} {nth} of {count}"),
        "prompt": prompt,
        "depends_on": needs,
        "acceptance": ["a file is published"],
    })
}

/// A plan of the script's own, or a later wish for a replacement, is already in the conversation.
fn is_replan(script: &Script<'_>) -> bool {
    let mut is_first = true;
    script.request.messages.iter().any(|message| match message {
        Message::User { text } => {
            let words = text.to_lowercase();
            let asks = !is_first && (words.contains("replacement") || words.contains("replan"));
            is_first = false;
            asks || text.contains(TITLE)
        }
        Message::Assistant { calls, .. } => calls.iter().any(|call| call.tool == SUBMIT_PLAN),
        Message::ToolResult { .. } => false,
    })
}

/// A summary, and the files that the agents spoke of.
pub(super) fn submit_result(script: &Script<'_>) -> Value {
    let mut files: Vec<String> = Vec::new();
    for message in &script.request.messages {
        let (Message::User { text } | Message::Assistant { text, .. } | Message::ToolResult { text, .. }) =
            message;
        files.extend(file_names(text));
    }
    files.sort();
    files.dedup();
    let summary = format!("Done in test mode: {}", subject(script.prompt));
    json!({"summary": summary, "deliverables": files})
}

fn file_names(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let words = text.split(|c: char| !is_name(c)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| word.starts_with(FILE_START) && word.ends_with(FILE_END)).map(str::to_owned).collect()
}

/// The prompt in a few words.
pub(super) fn subject(prompt: &str) -> String {
    let text = plain(prompt);
    if text.chars().count() <= MAX_SUBJECT_CHARS {
        return if text.is_empty() { "the task".to_owned() } else { text };
    }
    format!("{}…", text.chars().take(MAX_SUBJECT_CHARS).collect::<String>())
}
