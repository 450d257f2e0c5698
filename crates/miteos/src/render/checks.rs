//! What `doctor` found: a line for each check, and below a failed one its mend.

use serde::Serialize;

use super::paint::Theme;
use super::text;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// It works, but something will be missed.
    Warning,
    Failed,
}

/// The report.
pub fn report(findings: &[Finding], theme: Theme) -> Vec<String> {
    let widest = findings.iter().map(|finding| text::width(finding.name)).max().unwrap_or(0);
    let indent = " ".repeat(widest + 5);
    let room = theme.columns.saturating_sub(widest + 5);
    let mut lines = Vec::new();
    for finding in findings {
        let icon = match finding.verdict {
            Verdict::Ok => theme.green("✓"),
            Verdict::Warning => theme.yellow("!"),
            Verdict::Failed => theme.red("✗"),
        };
        for (at, part) in text::wrap(&text::line(&finding.detail), room).into_iter().enumerate() {
            lines.push(match at {
                0 => format!(" {icon} {}  {part}", theme.bold(&text::pad(finding.name, widest))),
                _ => format!("{indent}{part}"),
            });
        }
        if let Some(mend) = &finding.mend {
            for (at, part) in text::wrap(&text::line(mend), room.saturating_sub(2)).into_iter().enumerate() {
                let mark = if at == 0 { "→ " } else { "  " };
                lines.push(format!("{indent}{}", theme.yellow(&format!("{mark}{part}"))));
            }
        }
    }
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Failed).count();
    lines.push(String::new());
    lines.push(match failed {
        0 => format!(" {}", theme.green("everything needed works")),
        1 => format!(" {}", theme.red("1 check failed")),
        n => format!(" {}", theme.red(&format!("{n} checks failed"))),
    });
    lines
}
