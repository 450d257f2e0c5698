//! The card that asks whether an action may be taken. It shows the arguments exactly, never shortened in width:
//! what is approved is what was read.

use miteos_client::api::{Approval, Risk};

use super::paint::{Theme, Tone, painted_width};
use super::{text, units};
use crate::view::RunView;

/// Lines of arguments that are shown at first; the rest on demand.
pub const MAX_ARGUMENT_LINES: usize = 40;
/// A card is no wider than this, however wide the terminal.
const MAX_COLUMNS: usize = 100;

/// How much of the arguments is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Beginning,
    Whole,
}

/// The card, and how many lines of the arguments it leaves out.
pub fn card(
    view: Option<&RunView>,
    approval: &Approval,
    theme: Theme,
    extent: Extent,
) -> (Vec<String>, usize) {
    let columns = theme.columns.min(MAX_COLUMNS);
    let tone = tone(approval.risk);
    let edge = |text: &str| theme.tone(tone, text);
    let inner = columns - 4;
    let mut body = Vec::new();
    body.push(format!("{} wants to use {}", who(view, approval), theme.bold(&text::line(&approval.tool))));
    body.extend(text::wrap(&text::line(&approval.summary), inner));
    body.push(String::new());
    let mut arguments = arguments(&approval.input, inner);
    let hidden = match extent {
        Extent::Beginning => arguments.len().saturating_sub(MAX_ARGUMENT_LINES),
        Extent::Whole => 0,
    };
    arguments.truncate(arguments.len() - hidden);
    body.extend(arguments);
    if hidden > 0 {
        body.push(theme.bold(&format!("… {hidden} more lines; v shows all of them")));
    }

    let title = format!(" approval · {} risk ", approval.risk);
    let mut lines = vec![edge(&format!("╭─{title}{}╮", rule(columns, text::width(&title) + 1)))];
    for line in body {
        // Only the first line can be too wide, by a long tool name.
        let line =
            if painted_width(&line) > inner { text::fit(&super::paint::strip(&line), inner) } else { line };
        let fill = " ".repeat(inner.saturating_sub(painted_width(&line)));
        lines.push(format!("{} {line}{fill} {}", edge("│"), edge("│")));
    }
    let end = text::fit(&format!(" {}{} ", text::line(&approval.id), expiry(approval)), columns - 6);
    lines.push(edge(&format!("╰─{end}{}╯", rule(columns, text::width(&end) + 1))));
    (lines, hidden)
}

fn rule(columns: usize, taken: usize) -> String {
    "─".repeat(columns.saturating_sub(taken + 2))
}

fn tone(risk: Risk) -> Tone {
    match risk {
        Risk::Low | Risk::Medium => Tone::Busy,
        Risk::High => Tone::Attention,
        Risk::Critical => Tone::Bad,
    }
}

fn who(view: Option<&RunView>, approval: &Approval) -> String {
    let node =
        view.and_then(|view| view.node_of(&approval.agent_id).map(|place| (place, &view.nodes[place])));
    match node {
        Some((place, node)) => format!("{} {}", place + 1, node.kind),
        None => text::fit(&text::line(&approval.agent_id), 40),
    }
}

fn expiry(approval: &Approval) -> String {
    match &approval.expires_at {
        Some(time) => format!(" · open until {}", units::day_and_minute(time)),
        None => String::new(),
    }
}

/// The arguments as indented JSON, wrapped. A text of several lines is shown as such, below its name.
fn arguments(input: &serde_json::Value, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    match input.as_object() {
        Some(fields) if !fields.is_empty() => {
            let widest = fields.keys().map(|name| text::width(&text::line(name))).max().unwrap_or(0).min(20);
            for (name, value) in fields {
                argument(&text::line(name), value, widest, columns, &mut lines);
            }
        }
        Some(_) => lines.push("no arguments".to_owned()),
        None => lines.extend(text::wrap(&text::block(&pretty(input)), columns)),
    }
    lines
}

fn argument(name: &str, value: &serde_json::Value, widest: usize, columns: usize, lines: &mut Vec<String>) {
    let indent = " ".repeat(widest + 2);
    let room = columns.saturating_sub(widest + 2);
    let shown = match value {
        // A text that looks like something else keeps its quotes: "5" is not 5.
        serde_json::Value::String(text) if serde_json::from_str::<serde_json::Value>(text).is_err() => {
            text.clone()
        }
        other if text::width(&other.to_string()) <= room => other.to_string(),
        other => pretty(other),
    };
    let shown = text::block(&shown);
    let mut wrapped = text::wrap(&shown, room).into_iter();
    let first = wrapped.next().unwrap_or_default();
    if text::width(name) > widest {
        lines.extend(text::wrap(name, columns));
        lines.push(format!("{indent}{first}"));
    } else {
        lines.push(format!("{}  {first}", text::pad(name, widest)));
    }
    lines.extend(wrapped.map(|line| format!("{indent}{line}")));
}

fn pretty(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            value.to_string()
        }
        other => serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string()),
    }
}
