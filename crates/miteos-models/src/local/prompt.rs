//! The prompt of a local model: ChatML, as the Qwen2.5 family was trained on, with tools described in the system turn.
//!
//! Control marks and text are kept apart to the end, so that no tool result or user can write a turn of its own. The
//! prompt of a later step begins with the prompt of the step before: only so can its computed state be used again.

use miteos_core::tool::ToolSpec;
use serde_json::{Value, json};

use super::{block, describe, schema, stream};
use crate::call::{CallRef, Message, Request, ToolChoice};

/// A piece of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A mark of the template.
    Mark(&'static str),
    /// Text; what looks like a mark in it is none.
    Text(String),
}

/// What the model is offered and must write.
#[derive(Debug)]
pub struct Shape {
    pub pieces: Vec<Piece>,
    /// `None`: free text.
    pub grammar: Option<super::grammar::Grammar>,
    /// The function whose argument is the answer's text, where it is offered.
    pub finish_tool: Option<String>,
    /// Of each offered tool that has one: the argument that is written as a block.
    pub blocks: Vec<(String, String)>,
}

/// What the request forces is not among its tools.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call forces {0:?}, which is not among its tools")]
pub struct UnknownTool(pub String);

const START: &str = "<|im_start|>";
const END: &str = "<|im_end|>";
/// How a turn of the model begins.
const ASSISTANT: &str = "assistant\n";
/// Names of the function that answers; the first that no tool has is taken.
const FINISH_NAMES: [&str; 3] = ["final_answer", "finish_with_answer", "answer_and_finish"];

const CALLING: &str = "# Tools\n\nEvery reply is one JSON object that calls one tool: \
    {\"name\": \"<tool>\", \"arguments\": {...}}. The next message holds its result. When a call failed, correct it or take \
    another way; do not repeat a call with the same arguments.";

const BLOCKS: &str = "A long text, such as a program or the content of a file, stands behind the call between two lines of \
    three backticks, as it is, with its line breaks:\n{\"name\": \"<tool>\", \"arguments\": {...}}\n```\nfirst line\nsecond \
    line\n```";

/// Makes the prompt and the grammar of a request.
pub fn shape(request: &Request) -> Result<Shape, UnknownTool> {
    let finish_tool = match &request.choice {
        ToolChoice::Force(_) => None,
        ToolChoice::Auto | ToolChoice::None if request.tools.is_empty() => None,
        ToolChoice::Auto | ToolChoice::None => finish_name(&request.tools),
    };
    let answer_schema =
        json!({"type": "object", "required": ["answer"], "properties": {"answer": {"type": "string"}}});
    let mut functions: Vec<schema::Function<'_>> = Vec::with_capacity(request.tools.len() + 1);
    let stuck = stuck_tool(&request.messages);
    let offered = |tool: &ToolSpec| match &request.choice {
        ToolChoice::Force(name) => tool.name == *name,
        ToolChoice::Auto => finish_tool.is_none() || stuck != Some(tool.name.as_str()),
        ToolChoice::None => false,
    };
    for tool in request.tools.iter().filter(|tool| offered(tool)) {
        functions.push(schema::Function { name: &tool.name, schema: &tool.schema });
    }
    match (&request.choice, &finish_tool) {
        (ToolChoice::Force(name), _) if functions.is_empty() => return Err(UnknownTool(name.clone())),
        (ToolChoice::Auto, Some(name)) => functions.push(schema::Function { name, schema: &answer_schema }),
        _ => {}
    }
    let blocks = functions
        .iter()
        .filter_map(|function| Some((function.name.to_owned(), block::field(function.schema)?.to_owned())))
        .collect();
    let grammar = (!functions.is_empty()).then(|| schema::call_grammar(&functions));
    Ok(Shape { pieces: pieces(request, finish_tool.as_deref()), grammar, finish_tool, blocks })
}

/// The tool that was called twice in a row with the same arguments and the same result. A small model would go on so
/// whatever it is told, so its next call has to be another one. The prompt stays as it is.
fn stuck_tool(messages: &[Message]) -> Option<&str> {
    let mut rounds = messages.rchunks(2).map(|round| match round {
        [Message::Assistant { calls, .. }, Message::ToolResult { text, is_error, .. }]
            if calls.len() == 1 =>
        {
            let call = calls.first()?;
            Some((call.tool.as_str(), &call.arguments, text, *is_error))
        }
        _ => None,
    });
    let last = rounds.next().flatten()?;
    (rounds.next().flatten() == Some(last)).then_some(last.0)
}

/// After a failed result the model has to be free to write something else: at 0 it reads the error and writes the same
/// again, byte by byte.
const AFTER_FAILURE: f32 = 0.5;

/// How freely the next answer is drawn, unless the request says.
pub fn temperature(messages: &[Message]) -> f32 {
    let failed = match messages.last() {
        Some(Message::ToolResult { text, is_error, .. }) => {
            *is_error || (text.starts_with("exit code ") && !text.starts_with("exit code 0"))
        }
        _ => false,
    };
    if failed { AFTER_FAILURE } else { 0.0 }
}

fn finish_name(tools: &[ToolSpec]) -> Option<String> {
    FINISH_NAMES.into_iter().find(|name| !tools.iter().any(|tool| tool.name == *name)).map(str::to_owned)
}

fn pieces(request: &Request, finish_tool: Option<&str>) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(request.messages.len() * 3 + 5);
    turn(&mut pieces, "system", &system(request, finish_tool));
    let mut results: Vec<String> = Vec::new();
    for message in &request.messages {
        if !matches!(message, Message::ToolResult { .. }) {
            flush(&mut pieces, &mut results);
        }
        match message {
            Message::User { text } => turn(&mut pieces, "user", text),
            Message::Assistant { text, calls, .. } => {
                // A piece of its own, so that the tokens which the model wrote can be found again by it.
                pieces.push(Piece::Mark(START));
                pieces.push(Piece::Text(ASSISTANT.to_owned()));
                pieces.push(Piece::Text(assistant(text, calls, &request.tools, finish_tool)));
                pieces.push(Piece::Mark(END));
                pieces.push(Piece::Text("\n".to_owned()));
            }
            Message::ToolResult { text, is_error, .. } => results.push(result(text, *is_error)),
        }
    }
    flush(&mut pieces, &mut results);
    if request.choice == ToolChoice::None && !request.tools.is_empty() {
        turn(&mut pieces, "user", "Reply in plain text now, without a tool call.");
    }
    pieces.push(Piece::Mark(START));
    pieces.push(Piece::Text(ASSISTANT.to_owned()));
    pieces
}

fn turn(pieces: &mut Vec<Piece>, role: &str, text: &str) {
    pieces.push(Piece::Mark(START));
    pieces.push(Piece::Text(format!("{role}\n{text}")));
    pieces.push(Piece::Mark(END));
    pieces.push(Piece::Text("\n".to_owned()));
}

/// All results that follow one another are one turn.
fn flush(pieces: &mut Vec<Piece>, results: &mut Vec<String>) {
    if !results.is_empty() {
        turn(pieces, "user", &results.join("\n"));
        results.clear();
    }
}

fn result(text: &str, is_error: bool) -> String {
    let kind = if is_error { "error: " } else { "" };
    format!("<tool_response>\n{kind}{}\n</tool_response>", text.trim_end())
}

fn system(request: &Request, finish_tool: Option<&str>) -> String {
    let mut text = request.system.trim().to_owned();
    if request.tools.is_empty() {
        return text;
    }
    text.push_str("\n\n");
    text.push_str(CALLING);
    if request.tools.iter().any(|tool| block::field(&tool.schema).is_some()) {
        text.push(' ');
        text.push_str(BLOCKS);
    }
    for tool in request.tools.iter() {
        text.push_str("\n\n");
        text.push_str(&describe::tool(tool));
    }
    if let Some(name) = finish_tool {
        text.push_str("\n\n## ");
        text.push_str(name);
        text.push_str(
            "\nEnds your work. Call it when everything that was asked for is done, or when no tool is needed.\n\
             arguments: {\"answer\": string}\n- answer: your whole reply, in plain words",
        );
    }
    text
}

/// An earlier turn of the model, as the grammar would have written it.
fn assistant(text: &str, calls: &[CallRef], tools: &[ToolSpec], finish_tool: Option<&str>) -> String {
    if calls.is_empty() {
        return match finish_tool {
            Some(name) => call(name, &format!("{{\"answer\"{}{}}}", schema::COLON, Value::from(text))),
            None => text.to_owned(),
        };
    }
    let mut lines: Vec<String> = Vec::with_capacity(calls.len() + 1);
    if !text.trim().is_empty() {
        lines.push(text.trim().to_owned());
    }
    for made in calls {
        let spec = tools.iter().find(|tool| tool.name == made.tool);
        let schema = spec.map_or(&Value::Null, |spec| &spec.schema);
        lines.push(match serde_json::from_str::<Value>(&made.arguments) {
            Ok(mut value) => {
                let text = block::take(schema, &mut value);
                let block = text.map_or_else(String::new, |text| block::written(&text));
                format!("{}{block}", call(&made.tool, &describe::arguments(&value, schema)))
            }
            Err(_) => call(&made.tool, &made.arguments),
        });
    }
    lines.join("\n")
}

fn call(name: &str, arguments: &str) -> String {
    format!("{}{name}{}{arguments}}}", stream::NAME_HEAD, stream::ARGUMENTS_HEAD)
}

#[cfg(test)]
#[path = "prompt_tests.rs"]
mod tests;
