//! Words that no file may hold: unfinished work, silenced checks, hosts of package registries, folders of one
//! machine. Each stands here in pieces, so that this file does not hold it either.

use crate::tree::TextFile;

/// Unfinished or silenced. With what counts as its neighbour: whether it has to stand alone.
const UNFINISHED: [(&str, Alone); 9] = [
    (concat!("TO", "DO"), Alone::Yes),
    (concat!("FIX", "ME"), Alone::Yes),
    (concat!("todo", "!("), Alone::No),
    (concat!("unimplemented", "!("), Alone::No),
    (concat!("#[", "ignore"), Alone::No),
    (concat!("allow(", "dead_code)"), Alone::No),
    (concat!("it.", "skip"), Alone::Yes),
    (concat!("pytest.mark", ".skip"), Alone::No),
    (concat!("@unittest", ".skip"), Alone::No),
];

/// A registry is asked through its client, which knows where it is.
const REGISTRIES: [&str; 6] = [
    concat!("registry.npm", "js"),
    concat!("python", "hosted"),
    concat!("pypi", ".org"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("deb.debi", "an"),
];

/// Folders that only some machine has. `/tmp` is one that every program may be given, so only what is below it counts.
const FOLDERS: [&str; 3] = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/t", "mp/")];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    Yes,
    No,
}

/// What stands in the file although it may not, with the line.
pub fn forbidden(file: &TextFile) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let here = |what: &str| format!("{}:{}: {what}", file.path, index + 1);
        let unfinished = UNFINISHED.iter().filter(|(word, alone)| holds(line, word, *alone));
        found.extend(unfinished.map(|(word, _)| here(word)));
        found.extend(REGISTRIES.iter().filter(|host| line.contains(**host)).map(|host| here(host)));
    }
    found
}

/// Folders of one machine that the file names, with the line.
pub fn machine_folders(file: &TextFile) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let named = FOLDERS.iter().filter(|folder| names_folder(line, folder));
        found.extend(named.map(|folder| format!("{}:{}: a path below {folder}", file.path, index + 1)));
    }
    found
}

fn holds(line: &str, word: &str, alone: Alone) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let behind = line[at + word.len()..].chars().next();
        alone == Alone::No || !(before.is_some_and(is_part) || behind.is_some_and(is_part))
    })
}

/// Whether a path begins with the folder and goes on: a longer path that has it in its middle is another one.
fn names_folder(line: &str, folder: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}' | '*' | '~');
    line.match_indices(folder).any(|(at, _)| {
        let begins = !line[..at].chars().next_back().is_some_and(inside);
        let goes_on = line[at + folder.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '.');
        begins && goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> TextFile {
        TextFile { path: "x.rs".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn every_forbidden_word_is_found_with_its_line() {
        for (word, _) in UNFINISHED {
            let found = forbidden(&file(&format!("fine\n// {word} later")));
            assert_eq!(found, [format!("x.rs:2: {word}")]);
        }
        for host in REGISTRIES {
            assert_eq!(forbidden(&file(&format!("https://{host}/x"))).len(), 1, "{host}");
        }
        assert!(
            forbidden(&file("todo = \"deny\"\nFIX_MEASURED allow(dead_code, reason = \"…\")")).is_empty()
        );
    }

    #[test]
    fn paths_of_a_machine_are_found_where_they_begin() {
        for folder in FOLDERS {
            assert_eq!(machine_folders(&file(&format!("open(\"{folder}x\")"))).len(), 1, "{folder}");
            assert!(machine_folders(&file(&format!("a{folder}x .miteos{folder}x"))).is_empty(), "{folder}");
            assert!(machine_folders(&file(&format!("ls {folder} ; ls `{folder}`"))).is_empty(), "{folder}");
        }
    }
}
