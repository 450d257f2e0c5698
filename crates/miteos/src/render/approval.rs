//! The card that asks whether an action may be taken. It shows the arguments exactly, never shortened in width:
//! what is approved is what was read.

use miteos_client::api::{Approval, Risk};
use serde_json::Value;

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
    let room = match extent {
        Extent::Beginning => MAX_ARGUMENT_LINES,
        Extent::Whole => usize::MAX,
    };
    let mut arguments = Arguments { columns: inner, theme, room, lines: Vec::new(), hidden: 0 };
    arguments.all(&approval.tool, &approval.input);
    let Arguments { lines: shown, hidden, .. } = arguments;
    body.extend(shown);
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

/// The arguments as indented JSON, wrapped. A text of several lines is shown as such, below its name. Beyond its room
/// lines are only counted.
struct Arguments {
    columns: usize,
    theme: Theme,
    room: usize,
    lines: Vec<String>,
    hidden: usize,
}

impl Arguments {
    fn all(&mut self, tool: &str, input: &Value) {
        let Some(fields) = input.as_object() else {
            return self.block("", Tone::Plain, &text::block(&pretty(input)));
        };
        if fields.is_empty() {
            return self.push(|| "no arguments".to_owned());
        }
        let changes: Vec<(&str, Change)> = changes(tool)
            .iter()
            .filter(|(name, _)| fields.get(*name).is_some_and(Value::is_string))
            .copied()
            .collect();
        let is_change = |name: &str| changes.iter().any(|(change, _)| *change == name);
        let others = || fields.iter().filter(|(name, _)| !is_change(name));
        let widest = others().map(|(name, _)| text::width(&text::line(name))).max().unwrap_or(0).min(20);
        for (name, value) in others() {
            self.argument(&text::line(name), value, widest);
        }
        for (name, change) in changes {
            let (mark, tone) = match change {
                Change::Taken => ("- ", Tone::Bad),
                Change::Put => ("+ ", Tone::Good),
            };
            if let Some(text) = fields.get(name).and_then(Value::as_str) {
                self.block(mark, tone, &text::block(text));
            }
        }
    }

    fn argument(&mut self, name: &str, value: &Value, widest: usize) {
        let room = self.columns.saturating_sub(widest + 2);
        let shown = match value {
            // A text that looks like something else keeps its quotes: "5" is not 5.
            Value::String(text) if serde_json::from_str::<Value>(text).is_err() => text.clone(),
            other => {
                let short = other.to_string();
                if text::width(&short) <= room { short } else { pretty(other) }
            }
        };
        let shown = text::block(&shown);
        let mut begin = text::pad(name, widest);
        if text::width(name) > widest {
            self.block("", Tone::Plain, name);
            begin = " ".repeat(widest);
        }
        for line in text::wrapped(&shown, room) {
            self.push(|| format!("{begin}  {line}"));
            begin = " ".repeat(widest);
        }
    }

    /// A text with the same mark before each of its lines; what is only wrapped has none.
    fn block(&mut self, mark: &str, tone: Tone, text: &str) {
        let (theme, columns) = (self.theme, self.columns.saturating_sub(mark.len()));
        for source in text.split('\n') {
            let mut begin = mark.to_owned();
            for line in text::wrapped(source, columns) {
                self.push(|| theme.tone(tone, &format!("{begin}{line}")));
                begin = " ".repeat(mark.len());
            }
        }
    }

    fn push(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < self.room { self.lines.push(line()) } else { self.hidden += 1 }
    }
}

/// What a text does to a file.
#[derive(Debug, Clone, Copy)]
enum Change {
    Taken,
    Put,
}

/// The arguments that are lines taken out of a file, or put into it.
fn changes(tool: &str) -> &'static [(&'static str, Change)] {
    match tool {
        "edit_file" => &[("old", Change::Taken), ("new", Change::Put)],
        "write_file" => &[("content", Change::Put)],
        _ => &[],
    }
}

fn pretty(value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            value.to_string()
        }
        other => serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string()),
    }
}
