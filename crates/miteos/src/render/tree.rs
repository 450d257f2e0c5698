//! The plan as a tree, with what each agent does now. The same drawing serves the live view, which is drawn
//! again and again, and the still one of a log.

use std::time::Duration;

use miteos_client::api::{AgentStatus, SubtaskStatus, TaskStatus};

use super::paint::{Theme, Tone};
use super::{text, units};
use crate::view::{Node, RunView};

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// Below this width the figures at the right are left out.
const FIGURES_FROM: usize = 64;
/// A title is never narrower than this.
const MIN_TITLE: usize = 10;

/// Which picture of the film it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Nothing moves.
    Still,
    /// The n-th picture, so long after the beginning.
    Live { turn: usize, elapsed: Duration },
}

/// The live view in at most `rows` lines: the tree and the line below it.
pub fn live(view: &RunView, theme: Theme, frame: Frame, rows: usize) -> Vec<String> {
    let foot = vec![String::new(), foot(view, theme, frame)];
    let room = rows.saturating_sub(foot.len());
    let mut lines = tree(view, theme, frame);
    if lines.len() > room {
        lines = shorter(view, theme, frame, room);
    }
    lines.extend(foot);
    lines
}

/// The prompt and its plan.
pub fn tree(view: &RunView, theme: Theme, frame: Frame) -> Vec<String> {
    let mut lines = vec![head(view, theme)];
    let layout = Layout::of(view, theme);
    for place in 0..view.nodes.len() {
        lines.push(layout.row(view, place, frame));
        lines.extend(layout.below(view, place));
    }
    lines
}

/// The tree when it does not fit: what works or waits for someone stands alone, the rest is counted.
fn shorter(view: &RunView, theme: Theme, frame: Frame, room: usize) -> Vec<String> {
    let layout = Layout::of(view, theme);
    let mut lines = vec![head(view, theme)];
    let mut hidden = 0;
    for place in 0..view.nodes.len() {
        let busy = view.nodes[place].status == SubtaskStatus::Running;
        if busy && lines.len() + 3 <= room {
            lines.push(layout.row(view, place, frame));
            lines.extend(layout.below(view, place));
        } else {
            hidden += 1;
        }
    }
    if hidden > 0 && lines.len() < room {
        lines.push(format!(" {} {}", theme.dim("└─"), theme.dim(&format!("… and {hidden} more"))));
    }
    lines.truncate(room);
    lines
}

fn head(view: &RunView, theme: Theme) -> String {
    format!(" {}", theme.bold(&text::fit(&text::line(&view.prompt), theme.columns - 2)))
}

/// State, progress and totals in one line.
fn foot(view: &RunView, theme: Theme, frame: Frame) -> String {
    let (icon, tone) = match view.status {
        TaskStatus::Complete => ("✓", Tone::Good),
        TaskStatus::Failed => ("✗", Tone::Bad),
        TaskStatus::Cancelled => ("⊘", Tone::Attention),
        TaskStatus::Paused => ("Ⅱ", Tone::Attention),
        TaskStatus::Pending | TaskStatus::Planning | TaskStatus::Running => (spinner(frame), Tone::Busy),
    };
    let mut parts = vec![theme.tone(tone, view.status.as_str())];
    if !view.nodes.is_empty() {
        parts.push(format!("{} of {} done", view.done(), view.nodes.len()));
    }
    parts.push(units::dollars(view.cost));
    if let Frame::Live { elapsed, .. } = frame {
        parts.push(units::clock(elapsed));
    }
    if view.tokens > 0 {
        parts.push(format!("{} tokens", units::count(view.tokens)));
    }
    let mut line = format!(" {} {}", theme.tone(tone, icon), parts.remove(0));
    for part in parts {
        let longer = format!("{line}{}{part}", theme.dim(" · "));
        if super::paint::painted_width(&longer) > theme.columns {
            break;
        }
        line = longer;
    }
    line
}

fn spinner(frame: Frame) -> &'static str {
    match frame {
        Frame::Still => "●",
        Frame::Live { turn, .. } => SPINNER[turn % SPINNER.len()],
    }
}

/// The columns, measured once over all rows.
struct Layout {
    theme: Theme,
    number: usize,
    kind: usize,
    title: usize,
    tokens: usize,
    cost: usize,
}

impl Layout {
    fn of(view: &RunView, theme: Theme) -> Self {
        let widest = |of: &dyn Fn(&Node) -> String| {
            view.nodes.iter().map(|node| text::width(&of(node))).max().unwrap_or(0)
        };
        let number = view.nodes.len().to_string().len();
        let kind = widest(&|node| node.kind.to_string());
        let figures = theme.columns >= FIGURES_FROM;
        let tokens = if figures { widest(&tokens) } else { 0 };
        let cost = if figures { widest(&cost) } else { 0 };
        let taken = 6 + number + 1 + kind + 2;
        let right = if tokens + cost > 0 { 2 + tokens + 2 + cost } else { 0 };
        let notes = view.nodes.iter().map(|node| text::width(&after(node))).max().unwrap_or(0);
        let right = right.max(if figures && notes > 0 { notes + 2 } else { 0 });
        let room = theme.columns.saturating_sub(taken + right).max(MIN_TITLE);
        let title = widest(&|node| text::line(&node.title)).min(room);
        Self { theme, number, kind, title, tokens, cost }
    }

    fn row(&self, view: &RunView, place: usize, frame: Frame) -> String {
        let theme = self.theme;
        let node = &view.nodes[place];
        let last = place + 1 == view.nodes.len();
        let branch = theme.dim(if last { "└─" } else { "├─" });
        let (icon, tone) = icon(node, frame);
        let number = theme.dim(&text::pad_left(&(place + 1).to_string(), self.number));
        let kind = text::pad(node.kind.as_str(), self.kind);
        let quiet = matches!(node.status, SubtaskStatus::Pending | SubtaskStatus::Skipped);
        let kind = if quiet { theme.dim(&kind) } else { theme.tone(Tone::Busy, &kind) };
        let title = text::pad(&text::line(&node.title), self.title);
        let title = if quiet { theme.dim(&title) } else { title };
        let mut row = format!(" {branch} {} {number} {kind}  {title}", theme.tone(tone, icon));
        if theme.columns >= FIGURES_FROM {
            row.push_str(&self.figures(node));
        }
        row.trim_end().to_owned()
    }

    fn figures(&self, node: &Node) -> String {
        let note = after(node);
        if node.status == SubtaskStatus::Pending && !note.is_empty() {
            return format!("  {}", self.theme.dim(&note));
        }
        if node.tokens == 0 {
            return String::new();
        }
        let tokens = text::pad_left(&tokens(node), self.tokens);
        let cost = text::pad_left(&cost(node), self.cost);
        format!("  {}  {}", self.theme.dim(&tokens), self.theme.dim(&cost))
    }

    /// What the agent does, or why it does nothing, on a line of its own.
    fn below(&self, view: &RunView, place: usize) -> Option<String> {
        let theme = self.theme;
        let node = &view.nodes[place];
        let (tone, what) = now(view, node)?;
        let last = place + 1 == view.nodes.len();
        let trunk = theme.dim(if last { "  " } else { "│ " });
        let indent = 2 + self.number;
        let room = theme.columns.saturating_sub(4 + indent + 1);
        let what = text::fit(&what, room);
        Some(format!(" {trunk} {}{}", " ".repeat(indent), theme.tone(tone, &what)))
    }
}

fn tokens(node: &Node) -> String {
    if node.tokens == 0 { String::new() } else { format!("{} tok", units::count(node.tokens)) }
}

fn cost(node: &Node) -> String {
    if node.tokens == 0 { String::new() } else { units::dollars(node.cost) }
}

/// `after 1, 2`
fn after(node: &Node) -> String {
    if node.after.is_empty() {
        return String::new();
    }
    let places: Vec<String> = node.after.iter().map(|place| (place + 1).to_string()).collect();
    format!("after {}", places.join(", "))
}

fn icon(node: &Node, frame: Frame) -> (&'static str, Tone) {
    match node.status {
        SubtaskStatus::Pending => ("○", Tone::Quiet),
        SubtaskStatus::Complete => ("✓", Tone::Good),
        SubtaskStatus::Failed => ("✗", Tone::Bad),
        SubtaskStatus::Cancelled => ("⊘", Tone::Attention),
        SubtaskStatus::Skipped => ("–", Tone::Quiet),
        SubtaskStatus::Running => match node.agent {
            AgentStatus::Waiting => ("◆", Tone::Attention),
            AgentStatus::Paused => ("Ⅱ", Tone::Attention),
            AgentStatus::Idle
            | AgentStatus::Thinking
            | AgentStatus::Acting
            | AgentStatus::Complete
            | AgentStatus::Error
            | AgentStatus::Cancelled => (spinner(frame), Tone::Busy),
        },
    }
}

fn now(view: &RunView, node: &Node) -> Option<(Tone, String)> {
    if let Some(error) = &node.error {
        return Some((Tone::Bad, text::line(error)));
    }
    if node.status != SubtaskStatus::Running {
        return None;
    }
    match node.agent {
        AgentStatus::Waiting => {
            let open =
                view.approvals.iter().find(|approval| Some(&approval.agent_id) == node.agent_id.as_ref());
            let tool = open.map_or(String::new(), |approval| format!(": {}", text::line(&approval.tool)));
            Some((Tone::Attention, format!("waits for approval{tool}")))
        }
        AgentStatus::Paused => Some((Tone::Attention, "paused".to_owned())),
        AgentStatus::Acting => {
            let doing = node.doing.as_ref()?;
            Some((Tone::Quiet, format!("{}  {}", text::line(&doing.tool), text::line(&doing.gist))))
        }
        AgentStatus::Thinking => Some((Tone::Quiet, "thinks".to_owned())),
        AgentStatus::Idle | AgentStatus::Complete | AgentStatus::Error | AgentStatus::Cancelled => None,
    }
}
