//! What belongs to the account and not to a task: its keys, and what was used. Pure.

use miteos_client::api::{ApiKey, CreatedApiKey, GroupBy, Usage, UsageTotals};

use super::paint::Theme;
use super::table::{self, Cell};
use super::{text, units};

/// All keys.
pub fn keys(keys: &[ApiKey], theme: Theme) -> Vec<String> {
    if keys.is_empty() {
        return vec!["no keys".to_owned()];
    }
    let moment = |time: &Option<String>| time.as_deref().map(units::day_and_minute).unwrap_or_default();
    let rows: Vec<Vec<Cell>> = keys
        .iter()
        .map(|key| {
            vec![
                Cell::new(&key.id),
                Cell::new(&format!("{}…", key.prefix)),
                Cell::new(key.tier.as_str()),
                Cell::new(&moment(&key.last_used_at)),
                Cell::new(&moment(&key.expires_at)),
                Cell::new(&key.name),
                Cell::new(&key.scopes.join(" ")),
            ]
        })
        .collect();
    let head = ["ID", "KEY", "TIER", "LAST USED", "EXPIRES", "NAME", "SCOPES"];
    table::table(&head, &rows, head.len() - 1, theme)
}

/// A key at its birth.
pub fn made_key(made: &CreatedApiKey, theme: Theme) -> Vec<String> {
    let key = &made.api_key;
    let mut facts = vec![
        ("id", text::line(&key.id)),
        ("name", text::line(&key.name)),
        ("tier", key.tier.to_string()),
        ("scopes", text::line(&key.scopes.join(" "))),
        ("expires", key.expires_at.as_deref().map(units::day_and_minute).unwrap_or_default()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    let mut lines = table::facts(&facts, theme);
    // On a line of its own, and whole, however narrow the terminal is.
    lines.extend([String::new(), text::line(&made.key), String::new()]);
    lines.push("Keep the key now: it is not shown again.".to_owned());
    lines
}

/// A report of usage: its rows, and what they come to.
pub fn usage(usage: &Usage, theme: Theme) -> Vec<String> {
    let title = match usage.group_by {
        GroupBy::Day => "DAY",
        GroupBy::Task => "TASK",
        GroupBy::Model => "MODEL",
    };
    let row = |name: &str, totals: &UsageTotals| {
        vec![
            Cell::new(name),
            Cell::new(&totals.tasks.to_string()),
            Cell::new(&totals.model_calls.to_string()),
            Cell::new(&units::count(totals.tokens)),
            Cell::new(&units::dollars(totals.cost)),
        ]
    };
    let name = |row: &miteos_client::api::UsageRow| {
        let names = [&row.day, &row.task_id, &row.model];
        names.into_iter().flatten().next().cloned().unwrap_or_default()
    };
    let mut rows: Vec<Vec<Cell>> = usage.rows.iter().map(|each| row(&name(each), &each.totals)).collect();
    rows.push(row(&format!("{} to {}", usage.from, usage.to), &usage.totals));
    let mut lines = table::table(&[title, "TASKS", "CALLS", "TOKENS", "COST"], &rows, 0, theme);
    if usage.totals.unpriced_calls > 0 {
        let calls = usage.totals.unpriced_calls;
        lines.push(format!("{calls} of the calls went to models whose price is not known."));
    }
    let kept = &usage.storage;
    let words = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    lines.push(String::new());
    lines.push(format!(
        "{} with {}, {} with {}, {} with {} of {}",
        words(kept.workspaces, "workspace"),
        units::bytes(kept.workspace_bytes),
        words(kept.deliverables, "deliverable"),
        units::bytes(kept.deliverable_bytes),
        words(kept.previews, "preview"),
        units::bytes(kept.preview_bytes),
        units::bytes(kept.preview_limit_bytes)
    ));
    lines
}
