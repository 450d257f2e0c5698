//! Tables in a Markdown page that are meant to be read by tests: a mark above, a mark below, names between backticks.

use std::collections::{BTreeMap, BTreeSet};

/// The first column's name, and the names of the second.
pub type Table = BTreeMap<String, BTreeSet<String>>;

/// The table between `<!-- begin: name -->` and `<!-- end: name -->`.
pub fn table(page: &str, name: &str) -> Result<Table, String> {
    let (begin, end) = (format!("<!-- begin: {name} -->"), format!("<!-- end: {name} -->"));
    let inside =
        page.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end)).map(|(inside, _)| inside);
    let inside = inside.ok_or_else(|| format!("there is no table between {begin} and {end}"))?;
    let mut table = Table::new();
    for row in inside.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [key, values, ..] = cells.as_slice() else {
            return Err(format!("the row {row} of {name} has no second column"));
        };
        let key = quoted(key).into_iter().next().ok_or_else(|| format!("the row {row} has no name"))?;
        if table.insert(key.clone(), quoted(values)).is_some() {
            return Err(format!("{key} stands twice in {name}"));
        }
    }
    if table.is_empty() { Err(format!("the table {name} is empty")) } else { Ok(table) }
}

/// What stands between backticks.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_names() {
        let page = "<!-- begin: t -->\n| Crate | May use |\n|---|---|\n| `a` | `b`, `c` |\n| `b` | nothing |\n<!-- end: t -->\n| `z` | `y` |";
        let table = table(page, "t").unwrap();
        assert_eq!(table.len(), 2);
        assert_eq!(table["a"], BTreeSet::from(["b".to_owned(), "c".to_owned()]));
        assert!(table["b"].is_empty());
    }

    #[test]
    fn a_table_that_is_not_there_is_an_error() {
        assert!(table("", "t").is_err());
        assert!(table("<!-- begin: t -->\n<!-- end: t -->", "t").is_err());
        assert!(table("<!-- begin: t -->\n| `a` | x |\n| `a` | x |\n<!-- end: t -->", "t").is_err());
    }
}
