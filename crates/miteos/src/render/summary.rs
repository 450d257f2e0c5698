//! The end of a run: the result, what was written where, and what it took.

use std::path::PathBuf;
use std::time::Duration;

use miteos_client::api::TaskStatus;

use super::paint::{Theme, Tone};
use super::{text, units};
use crate::view::RunView;

/// A deliverable that now is a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub path: PathBuf,
    pub bytes: u64,
}

/// The result, wrapped; or why there is none.
pub fn result(view: &RunView, theme: Theme) -> Vec<String> {
    let mut lines = Vec::new();
    let block = |text: &str| text::wrap(text::block(text).trim_end(), theme.columns.saturating_sub(2));
    match (&view.result, &view.error) {
        (Some(result), _) if !result.trim().is_empty() => {
            lines.extend(block(result).into_iter().map(|line| format!(" {line}").trim_end().to_owned()));
        }
        (_, Some(error)) => {
            lines.extend(block(error).into_iter().map(|line| format!(" {}", theme.red(&line))));
        }
        (Some(_) | None, None) => {}
    }
    lines
}

/// The files that were written, aligned.
pub fn files(written: &[Written], theme: Theme) -> Vec<String> {
    let shown: Vec<String> =
        written.iter().map(|file| text::line(&file.path.display().to_string())).collect();
    let widest = shown.iter().map(|path| text::width(path)).max().unwrap_or(0);
    let widest = widest.min(theme.columns.saturating_sub(16));
    shown
        .iter()
        .zip(written)
        .map(|(path, file)| {
            let size = text::pad_left(&units::bytes(file.bytes), 9);
            format!(" {} {}  {}", theme.green("↓"), pad_end_first(path, widest), theme.dim(&size))
        })
        .collect()
}

/// A path is cut at its beginning: its end says more.
fn pad_end_first(path: &str, columns: usize) -> String {
    let mut kept = path;
    while text::width(kept) > columns.saturating_sub(1) && text::width(path) > columns {
        let Some(first) = kept.chars().next() else { break };
        kept = &kept[first.len_utf8()..];
    }
    let shown = if kept.len() < path.len() { format!("…{kept}") } else { kept.to_owned() };
    text::pad(&shown, columns)
}

/// `✓ complete in 1m 12s · 15.5k tokens · $0.027 · 7 model calls · 12 actions`
pub fn totals(view: &RunView, elapsed: Duration, theme: Theme) -> String {
    let (icon, tone) = match view.status {
        TaskStatus::Complete => ("✓", Tone::Good),
        TaskStatus::Failed => ("✗", Tone::Bad),
        TaskStatus::Cancelled => ("⊘", Tone::Attention),
        TaskStatus::Pending | TaskStatus::Planning | TaskStatus::Running | TaskStatus::Paused => {
            ("●", Tone::Busy)
        }
    };
    let head = format!("{icon} {} after {}", view.status, units::duration(elapsed));
    let plural = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut parts = vec![format!("{} tokens", units::count(view.tokens)), units::dollars(view.cost)];
    parts.push(plural(view.model_calls, "model call"));
    parts.push(plural(view.actions, "action"));
    let mut line = format!(" {}", theme.tone(tone, &head));
    for part in parts {
        line.push_str(&theme.dim(&format!(" · {part}")));
    }
    line
}
