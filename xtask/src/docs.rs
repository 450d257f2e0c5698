//! The written pages: that links lead somewhere, that variables are explained, that the change log goes on.

use std::collections::BTreeSet;
use std::path::Path;

use crate::tree::TextFile;

/// What our variables begin with.
const PREFIX: &str = "MITEOS_";

/// Names of our variables in a text.
pub fn variables(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.split(|c: char| !is_part(c))
        .filter(|word| word.starts_with(PREFIX) && word.len() > PREFIX.len())
        .map(|word| word.trim_end_matches('_').to_owned())
        .collect()
}

/// The points of the change log's first section, if that is the one for what is not yet released.
pub fn unreleased(change_log: &str) -> Option<Vec<&str>> {
    let (_, rest) = change_log.split_once("\n## ")?;
    let (title, body) = rest.split_once('\n')?;
    let section = body.split("\n## ").next().unwrap_or(body);
    let points = section.lines().filter(|line| line.starts_with("- "));
    (title.trim() == "Unreleased").then(|| points.collect())
}

/// Relative links of a page that lead to no file.
pub fn dead_links(root: &Path, page: &TextFile) -> Vec<String> {
    let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
    links(&page.text)
        .into_iter()
        .filter(|link| !link.contains("://") && !link.starts_with('#') && !link.starts_with("mailto:"))
        .filter(|link| {
            let file = link.split('#').next().unwrap_or(link);
            !root.join(folder).join(file).exists()
        })
        .map(|link| format!("{} links to {link}, which is not there", page.path))
        .collect()
}

/// What stands in `](…)`, outside fenced code.
fn links(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if !fenced {
            let behind = line.split("](").skip(1);
            found.extend(behind.filter_map(|rest| rest.split_once(')')).map(|(link, _)| link));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_whole_words() {
        let found = variables("`MITEOS_URL`, MITEOS_{name} XMITEOS_NO \"MITEOS_API_KEY=x\" MITEOS_*");
        assert_eq!(found, BTreeSet::from(["MITEOS_API_KEY".to_owned(), "MITEOS_URL".to_owned()]));
    }

    #[test]
    fn the_change_log_begins_with_what_is_not_released() {
        let log = "# Changes\n\n## Unreleased\n\n- a\n- b\n\n## 0.1\n\n- c\n";
        assert_eq!(unreleased(log), Some(vec!["- a", "- b"]));
        assert_eq!(unreleased("# Changes\n\n## 0.1\n\n- c\n"), None);
        assert_eq!(unreleased(""), None);
    }

    #[test]
    fn links_lead_to_files() {
        let page = TextFile {
            path: "docs/x.md".to_owned(),
            text: "[a](../README.md#top) [b](nowhere.md) [c](https://example.org) [d](#here)\n```\n[e](none)\n```"
                .to_owned(),
        };
        let dead = dead_links(&crate::tree::root(), &page);
        assert_eq!(dead, ["docs/x.md links to nowhere.md, which is not there"]);
    }
}
