//! The rules that the repository's own files and crates keep. A list of exceptions may only become shorter: an entry
//! that is no longer needed fails as well.

use std::collections::BTreeSet;

use xtask::tree::TextFile;
use xtask::{contract, docs, packages, source, tables, tree, words};

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;

/// Files that are longer.
const LONG_FILES: [&str; 0] = [];
/// Functions that are longer: the central `match` over all events, whose arms are short.
const LONG_FUNCTIONS: [&str; 1] = ["crates/miteos-core/src/apply.rs apply"];
/// The only crate that speaks to the kernel without the compiler's help.
const MAY_BE_UNSAFE: &str = "crates/miteos-sandbox/";
/// Programs in the sandbox have a folder for temporary files of their own, at the usual place.
const HAS_FOLDERS_OF_ITS_OWN: &str = "crates/miteos-sandbox/";

fn files() -> Vec<TextFile> {
    tree::read(&tree::root()).unwrap_or_else(|error| panic!("the files cannot be read: {error}"))
}

fn page<'a>(files: &'a [TextFile], path: &str) -> &'a str {
    let found = files.iter().find(|file| file.path == path);
    &found.unwrap_or_else(|| panic!("there is no {path}")).text
}

/// Fails with everything that is wrong, each in a line.
#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// What is too long and not listed, and what is listed and not too long.
fn against_list(too_long: &[(String, usize)], listed: &[&str], most: usize) -> Vec<String> {
    let long: BTreeSet<&str> = too_long.iter().map(|(name, _)| name.as_str()).collect();
    let unlisted = too_long.iter().filter(|(name, _)| !listed.contains(&name.as_str()));
    let unneeded = listed.iter().filter(|name| !long.contains(**name));
    unlisted
        .map(|(name, lines)| format!("{name} has {lines} lines; {most} are the most"))
        .chain(unneeded.map(|name| format!("{name} is not too long any more: take it off the list")))
        .collect()
}

#[test]
fn crates_use_only_the_crates_that_architecture_md_allows() {
    let files = files();
    let table = tables::table(page(&files, "ARCHITECTURE.md"), "edges").unwrap();
    let packages = packages::packages(&tree::root()).unwrap();
    none(&packages::edges_that_differ(&packages, &table));
}

#[test]
fn what_one_crate_alone_knows_no_other_uses() {
    let files = files();
    let table = tables::table(page(&files, "ARCHITECTURE.md"), "kept to one place").unwrap();
    let packages = packages::packages(&tree::root()).unwrap();
    none(&packages::not_kept_to_their_place(&packages, &table));
}

#[test]
fn every_crate_inherits_version_and_lints() {
    let mut wrong = Vec::new();
    for package in packages::packages(&tree::root()).unwrap() {
        let manifest = std::fs::read_to_string(&package.manifest).unwrap();
        let missing = packages::not_inherited(&manifest);
        wrong.extend(missing.into_iter().map(|line| format!("{} lacks {line}", package.name)));
    }
    none(&wrong);
}

#[test]
fn every_rust_file_says_first_what_it_is() {
    let files = files();
    let silent = files.iter().filter(|file| file.is_rust() && !source::begins_with_module_doc(&file.text));
    none(&silent.map(|file| format!("{} does not begin with //!", file.path)).collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let files = files();
    let lengths =
        files.iter().filter(|file| file.is_rust()).map(|f| (f.path.clone(), f.text.lines().count()));
    let too_long: Vec<_> = lengths.filter(|(_, lines)| *lines > MAX_FILE_LINES).collect();
    none(&against_list(&too_long, &LONG_FILES, MAX_FILE_LINES));
}

#[test]
fn functions_are_short() {
    let mut too_long = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let long = source::functions(&file.text).into_iter().filter(|f| f.lines > MAX_FUNCTION_LINES);
        too_long.extend(long.map(|f| (format!("{} {}", file.path, f.name), f.lines)));
    }
    none(&against_list(&too_long, &LONG_FUNCTIONS, MAX_FUNCTION_LINES));
}

#[test]
fn a_list_of_exceptions_only_becomes_shorter() {
    let long = [("a".to_owned(), 600), ("b".to_owned(), 700)];
    let wrong = against_list(&long, &["b", "c"], 500);
    assert_eq!(
        wrong,
        ["a has 600 lines; 500 are the most", "c is not too long any more: take it off the list"]
    );
}

#[test]
fn nothing_is_unfinished_silenced_or_bound_to_a_host() {
    none(&files().iter().flat_map(words::forbidden).collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let files = files();
    let bound = files.iter().filter(|file| !file.path.starts_with(HAS_FOLDERS_OF_ITS_OWN));
    none(&bound.flat_map(words::machine_folders).collect::<Vec<_>>());
}

#[test]
fn only_the_sandbox_is_unsafe() {
    let files = files();
    let elsewhere = files.iter().filter(|file| file.is_rust() && !file.path.starts_with(MAY_BE_UNSAFE));
    let wrong = elsewhere.filter(|file| source::says(&file.text, "unsafe"));
    none(&wrong.map(|file| format!("{} is unsafe", file.path)).collect::<Vec<_>>());
    let inside = files.iter().filter(|file| file.is_rust() && file.path.starts_with(MAY_BE_UNSAFE));
    assert!(
        inside.into_iter().any(|file| source::says(&file.text, "unsafe")),
        "the rule finds nothing at all"
    );
}

#[test]
fn every_variable_is_explained_and_every_explained_one_exists() {
    let files = files();
    let in_use: BTreeSet<String> = files
        .iter()
        .filter(|file| file.is_rust() && file.path.starts_with("crates/") && file.path.contains("/src/"))
        .flat_map(|file| docs::variables(&file.text))
        .collect();
    let explained = docs::variables(page(&files, "docs/configuration.md"));
    let missing = in_use.difference(&explained).map(|name| format!("docs/configuration.md lacks {name}"));
    let gone = explained.difference(&in_use).map(|name| format!("nothing reads {name}"));
    none(&missing.chain(gone).collect::<Vec<_>>());
}

#[test]
fn links_lead_somewhere() {
    let files = files();
    let pages = files.iter().filter(|file| file.is_markdown());
    none(&pages.flat_map(|page| docs::dead_links(&tree::root(), page)).collect::<Vec<_>>());
}

#[test]
fn the_change_log_has_a_section_for_what_is_not_released() {
    let files = files();
    let points = docs::unreleased(page(&files, "CHANGELOG.md"));
    assert!(
        points.is_some_and(|points| !points.is_empty()),
        "CHANGELOG.md begins with no points of ## Unreleased"
    );
}

/// The contract as the last release had it. A release copies the present one over it.
const RELEASED: &str = "docs/openapi-released.json";

#[test]
fn nothing_breaks_clients_of_the_last_release() {
    let files = files();
    let document = |path: &str| -> serde_json::Value {
        serde_json::from_str(page(&files, path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let breaks = contract::breaks(&document(RELEASED), &document("docs/openapi.json"));
    assert!(
        breaks.is_empty(),
        "\nthis breaks clients that were written for {RELEASED}:\n{}\n\
         Keep the old beside the new. If it has to be, say so in CHANGELOG.md, raise the version, and copy docs/openapi.json there.\n",
        breaks.join("\n")
    );
}
