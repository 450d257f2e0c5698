//! Tables: aligned columns that fit the terminal. One column may be cut; the others keep their width.

use super::paint::{Theme, Tone, painted_width};
use super::text;

/// A cell: harmless text and how it is toned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Text from outside, made harmless.
    pub fn new(text: &str) -> Self {
        Self { text: text::line(text), tone: Tone::Plain }
    }

    pub fn toned(text: &str, tone: Tone) -> Self {
        Self { text: text::line(text), tone }
    }
}

/// The narrowest that the cut column becomes.
const MIN_FLEXIBLE: usize = 8;

/// Draws a table. `flexible` is the column that gives way when it is too wide.
pub fn table(head: &[&str], rows: &[Vec<Cell>], flexible: usize, theme: Theme) -> Vec<String> {
    let mut widths: Vec<usize> = head.iter().map(|title| text::width(title)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(text::width(&cell.text));
        }
    }
    let gaps = 2 * head.len().saturating_sub(1);
    let others: usize =
        widths.iter().enumerate().filter(|(at, _)| *at != flexible).map(|(_, width)| width).sum();
    if let Some(width) = widths.get_mut(flexible) {
        *width = (*width).min(theme.columns.saturating_sub(others + gaps).max(MIN_FLEXIBLE));
    }
    let mut lines = Vec::with_capacity(rows.len() + 1);
    let titles: Vec<String> =
        head.iter().zip(&widths).map(|(title, width)| text::pad(title, *width)).collect();
    lines.push(theme.dim(titles.join("  ").trim_end()));
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| {
                let shown = text::fit(&cell.text, *width);
                let fill = " ".repeat(width.saturating_sub(text::width(&shown)));
                theme.tone(cell.tone, &shown) + &fill
            })
            .collect();
        lines.push(cells.join("  ").trim_end().to_owned());
    }
    lines
}

/// Names and values, one a line, values aligned and wrapped.
pub fn facts(facts: &[(&str, String)], theme: Theme) -> Vec<String> {
    let widest = facts.iter().map(|(name, _)| text::width(name)).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (name, value) in facts {
        let room = theme.columns.saturating_sub(widest + 2);
        let fits = painted_width(value) <= room && !value.contains('\n');
        let wrapped = if fits { vec![value.clone()] } else { text::wrap(&super::paint::strip(value), room) };
        for (at, line) in wrapped.into_iter().enumerate() {
            let name = if at == 0 { text::pad(name, widest) } else { " ".repeat(widest) };
            lines.push(format!("{}  {line}", theme.dim(&name)).trim_end().to_owned());
        }
    }
    lines
}
