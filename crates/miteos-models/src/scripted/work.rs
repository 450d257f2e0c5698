//! The scripted agent: looks at the workspace, writes one file, publishes it, does the risky thing if the prompt asks
//! for it, and says what it did. One call a turn.

use serde_json::{Value, json};

use super::plan::subject;
use super::{Draft, Script, sample};
use crate::call::{Message, ToolChoice};

pub(super) const FILE_START: &str = "scripted-";
pub(super) const FILE_END: &str = ".md";

/// Tools whose effect leaves the workspace, the first that is offered is taken; `delete_file` where none is.
const OUTBOUND: [&str; 5] = ["send_email", "social_post", "deploy", "place_order", STAND_IN];
/// The scripted agent deletes files for no other reason.
pub(super) const STAND_IN: &str = "delete_file";
const LINE: &str = "This line was written by the scripted model of test mode.\n";

/// The next step of the work.
pub(super) fn step(script: &Script<'_>) -> Draft {
    let done = script.calls_made().count();
    let next = planned_calls(script).into_iter().nth(done);
    match next {
        Some(tool) if script.request.choice == ToolChoice::Auto => {
            let arguments = arguments(script, tool);
            Draft { text: String::new(), calls: vec![(tool.to_owned(), arguments)] }
        }
        _ => Draft { text: report(script), calls: Vec::new() },
    }
}

/// All calls of this agent in their order, of the tools that it has.
fn planned_calls<'a>(script: &'a Script<'_>) -> Vec<&'a str> {
    let mut calls = vec!["list_files", "write_file", "publish"];
    calls.retain(|tool| script.offers(tool));
    let is_first = script.directives.node.is_none_or(|(nth, _)| nth == 1);
    if script.directives.approval && is_first {
        calls.extend(OUTBOUND.into_iter().find(|tool| script.offers(tool)));
    }
    calls
}

fn arguments(script: &Script<'_>, tool: &str) -> Value {
    let subject = subject(script.prompt);
    let schema =
        script.request.tools.iter().find(|offered| offered.name == tool).map(|offered| &offered.schema);
    let mut arguments = sample::value(schema.unwrap_or(&Value::Null), tool, &subject);
    if !arguments.is_object() {
        arguments = json!({});
    }
    match tool {
        "write_file" => {
            arguments["path"] = json!(file(script));
            arguments["content"] = json!(content(script, &subject));
        }
        "publish" | "delete_file" => arguments["path"] = json!(file(script)),
        _ => {}
    }
    arguments
}

/// A name of its own for every agent of a task.
fn file(script: &Script<'_>) -> String {
    let part = match (script.directives.node, script.directives.replacement) {
        (_, true) => "replacement".to_owned(),
        (Some((nth, count)), false) if count > 1 => format!("part-{nth}"),
        (Some(_) | None, false) => "result".to_owned(),
    };
    format!("{FILE_START}{part}{FILE_END}")
}

fn content(script: &Script<'_>, subject: &str) -> String {
    let head = format!("# {subject}\n\n{LINE}");
    let is_first = script.directives.node.is_none_or(|(nth, _)| nth == 1);
    let Some(bytes) = script.directives.deliverable_bytes.filter(|_| is_first) else { return head };
    let mut text = head;
    while text.len() < bytes {
        text.push_str(LINE);
    }
    // The subject may end in a letter of several bytes just where the file has to.
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(&" ".repeat(bytes - end));
    text
}

fn report(script: &Script<'_>) -> String {
    let failed = script
        .request
        .messages
        .iter()
        .filter(|message| matches!(message, Message::ToolResult { is_error: true, .. }));
    let made = script.calls_made().count();
    let wrote = script.calls_made().any(|tool| tool == "write_file");
    let mut text = format!("Done in test mode: {}.", subject(script.prompt));
    if wrote {
        text.push_str(&format!(" The result is in {}.", file(script)));
    }
    text.push_str(&format!(" Tool calls: {made}, of which {} did not succeed.", failed.count()));
    text
}
