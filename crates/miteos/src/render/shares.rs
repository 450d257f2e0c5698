//! What is public, for the reading commands. Pure.

use miteos_client::api::{ListedPreviewLink, Preview, PreviewVisibility, SharedDeliverable};

use super::paint::{Theme, Tone};
use super::table::{self, Cell};
use super::units;

fn end(time: Option<&str>) -> String {
    time.map_or_else(|| "never".to_owned(), units::day_and_minute)
}

/// Links to files, and previews.
pub fn public(shares: &[SharedDeliverable], previews: &[Preview], theme: Theme) -> Vec<String> {
    if shares.is_empty() && previews.is_empty() {
        return vec!["nothing is public".to_owned()];
    }
    let of_file = |one: &SharedDeliverable| {
        vec![
            Cell::new(&one.id),
            Cell::new("file, by link"),
            Cell::new(&units::bytes(one.size_bytes)),
            Cell::new(&end(one.expires_at.as_deref())),
            Cell::new(&one.name),
        ]
    };
    let of_preview = |one: &Preview| {
        let (who, tone) = match one.visibility {
            PreviewVisibility::Public => ("preview, by its address".to_owned(), Tone::Busy),
            PreviewVisibility::Link => (format!("preview, by link ({})", one.links), Tone::Plain),
        };
        vec![
            Cell::new(&one.deployment_id),
            Cell::toned(&who, tone),
            Cell::new(&units::bytes(one.size_bytes)),
            Cell::new(&end(one.expires_at.as_deref())),
            Cell::new(&one.url),
        ]
    };
    let rows: Vec<Vec<Cell>> = shares.iter().map(of_file).chain(previews.iter().map(of_preview)).collect();
    table::table(&["ID", "OPENED", "SIZE", "ENDS", "WHAT"], &rows, 4, theme)
}

/// Links to one preview.
pub fn links(links: &[ListedPreviewLink], theme: Theme) -> Vec<String> {
    if links.is_empty() {
        return vec!["no links".to_owned()];
    }
    let row = |one: &ListedPreviewLink| {
        vec![
            Cell::new(&one.id),
            Cell::new(&units::day_and_minute(&one.created_at)),
            Cell::new(&units::day_and_minute(&one.expires_at)),
        ]
    };
    let rows: Vec<Vec<Cell>> = links.iter().map(row).collect();
    table::table(&["ID", "MADE", "ENDS"], &rows, 2, theme)
}
