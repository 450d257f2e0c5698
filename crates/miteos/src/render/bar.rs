//! A progress bar in one line.

use std::time::Duration;

use super::paint::Theme;
use super::{text, units};

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    /// `None`: not known.
    pub total: Option<u64>,
    /// What was done already when this run began: it says nothing of the speed.
    pub resumed_from: u64,
    pub elapsed: Duration,
}

/// `qwen3-4b  ████████▌───────  1.3 GB of 2.5 GB · 24.1 MB/s · 50 s left`
pub fn bar(name: &str, progress: Progress, theme: Theme) -> String {
    let name = text::fit(&text::line(name), theme.columns / 3);
    let figures = figures(progress);
    let room = theme.columns.saturating_sub(text::width(&name) + text::width(&figures) + 5).min(40);
    let Some(total) = progress.total.filter(|total| *total > 0 && room >= 8) else {
        return format!(" {} {}", theme.bold(&name), theme.dim(&figures));
    };
    let eighths = (u128::from(progress.done.min(total)) * room as u128 * 8 / u128::from(total)) as usize;
    let full = "█".repeat(eighths / 8);
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    let rest = "─".repeat(room - eighths.div_ceil(8));
    format!(" {} {}{} {}", theme.bold(&name), theme.cyan(&format!("{full}{part}")), theme.dim(&rest), figures)
}

fn figures(progress: Progress) -> String {
    let mut parts = vec![match progress.total {
        Some(total) => format!("{} of {}", units::bytes(progress.done), units::bytes(total)),
        None => units::bytes(progress.done),
    }];
    let fresh = progress.done.saturating_sub(progress.resumed_from);
    let ms = u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX);
    if fresh > 0 && ms >= 500 {
        let speed = (u128::from(fresh) * 1_000 / u128::from(ms)) as u64;
        parts.push(format!("{}/s", units::bytes(speed)));
        if let Some(left) = progress.total.map(|total| total.saturating_sub(progress.done))
            && left > 0
            && speed > 0
        {
            parts.push(format!("{} left", units::clock(Duration::from_secs(left / speed))));
        }
    }
    parts.join(" · ")
}
