//! The recipes of docs/test-mode.md, run as they stand there: each block of commands in one shell, and what it prints
//! against the block behind it, where an ellipsis stands for anything.

use std::process::Stdio;

use serde_json::Value;

use crate::harness::{PATIENCE, TestServer};
use crate::standin::Script;

const PAGE: &str = include_str!("../../../../docs/test-mode.md");
/// Stands for anything in what a recipe prints.
const ANYTHING: &str = "…";
/// Every directive of test mode; the page has a recipe for each.
const DIRECTIVES: [&str; 7] = [
    "[test:fail]",
    "[test:agent_error]",
    "[test:approval]",
    "[test:slow=",
    "[test:agents=",
    "[test:deliverable=",
    "[test:budget]",
];

/// A fenced block of the page.
#[derive(Debug)]
struct Block<'a> {
    /// The heading that it stands under.
    heading: &'a str,
    language: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let (mut found, mut open, mut heading) = (Vec::new(), None::<Block<'_>>, "");
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some(Block { heading, language, text: String::new() }),
            // How a server is started is told, not run.
            (Some(_), Some(_)) => found.extend(open.take().filter(|block| block.language != "console")),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) => heading = line.strip_prefix("## ").unwrap_or(heading),
        }
    }
    found
}

/// Runs commands one after the other in one shell; gives what each printed.
#[expect(clippy::disallowed_methods, reason = "the page is read by people with a shell")]
async fn run(commands: &[&str], server: &TestServer) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    // Without a proxy of this machine in between, which the page need not know of.
    let mut script = String::from("set -eu\ncurl() { command curl --noproxy '*' \"$@\"; }\n");
    for (nth, command) in commands.iter().enumerate() {
        script += &format!("{{\n{command}}} > printed-{nth}\n");
    }
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", &script]).current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    shell.env("MITEOS_URL", &server.url).env("MITEOS_API_KEY", &server.test_key);
    let output = tokio::time::timeout(PATIENCE, shell.output()).await.unwrap().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {err}\n{script}", output.status);
    let read = |nth| std::fs::read_to_string(folder.path().join(format!("printed-{nth}"))).unwrap();
    (0..commands.len()).map(read).collect()
}

/// Whether a text is as the page shows it: what stands between ellipses comes in this order, whole at both ends.
fn agrees(shown: &str, found: &str) -> bool {
    let mut parts = shown.split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|first| found.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Every field that the page shows is there; it need not show all.
fn check_json(shown: &Value, found: &Value, place: &str) {
    match (shown, found) {
        (Value::Object(shown), Value::Object(found)) => {
            for (name, inner) in shown {
                let here = format!("{place}.{name}");
                let value = found.get(name).unwrap_or_else(|| panic!("{here} is missing: {found:#?}"));
                check_json(inner, value, &here);
            }
        }
        (Value::Array(shown), Value::Array(found)) => {
            assert_eq!(shown.len(), found.len(), "{place}: {found:#?}");
            for (nth, (shown, found)) in shown.iter().zip(found).enumerate() {
                check_json(shown, found, &format!("{place}[{nth}]"));
            }
        }
        (Value::String(shown), Value::String(found)) => {
            assert!(agrees(shown, found), "{place} is \"{found}\", and the page shows \"{shown}\"");
        }
        _ => assert_eq!(shown, found, "{place}"),
    }
}

fn check(block: &Block<'_>, printed: &str) {
    match block.language {
        "json" => {
            let shown: Value = serde_json::from_str(&block.text).unwrap();
            let found: Value = serde_json::from_str(printed)
                .unwrap_or_else(|error| panic!("{}: {error}: {printed}", block.heading));
            check_json(&shown, &found, block.heading);
        }
        "text" => {
            let (shown, found): (Vec<_>, Vec<_>) = (block.text.lines().collect(), printed.lines().collect());
            let same = shown.len() == found.len() && shown.iter().zip(&found).all(|(a, b)| agrees(a, b));
            assert!(same, "{}: the page shows\n{}and there was\n{printed}", block.heading, block.text);
        }
        other => panic!("{}: a block of {other} is neither run nor compared", block.heading),
    }
}

/// Runs the recipes under one heading and compares.
async fn recipe(heading: &str, server: &TestServer) {
    let blocks: Vec<_> = blocks(PAGE).into_iter().filter(|block| block.heading == heading).collect();
    let commands: Vec<&str> =
        blocks.iter().filter(|block| block.language == "sh").map(|block| block.text.as_str()).collect();
    let printed = run(&commands, server).await;
    let mut nth = 0;
    for block in &blocks {
        match block.language {
            "sh" => nth += 1,
            _ => check(block, &printed[nth - 1]),
        }
    }
    assert!(blocks.len() > commands.len(), "{heading}: a recipe says what comes back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recipe_of_the_page_gives_what_the_page_shows() {
    let server = TestServer::start(Script::default()).await;
    let mut headings: Vec<&str> = blocks(PAGE).iter().map(|block| block.heading).collect();
    headings.dedup();
    assert!(headings.len() >= DIRECTIVES.len(), "{headings:?}");
    for heading in headings {
        recipe(heading, &server).await;
    }
}

#[test]
fn every_directive_has_a_recipe_and_no_other_is_spoken_of() {
    let commands: String =
        blocks(PAGE).into_iter().filter(|block| block.language == "sh").map(|block| block.text).collect();
    for directive in DIRECTIVES {
        assert!(commands.contains(directive), "{directive} has no recipe");
    }
    for behind in PAGE.split("[test:").skip(1) {
        let name = format!("[test:{behind}");
        assert!(DIRECTIVES.iter().any(|known| name.starts_with(known)), "no directive: {name:.40}");
    }
}

#[test]
fn an_ellipsis_is_anything() {
    for (shown, found) in [("…", ""), ("a…", "abc"), ("…c", "abc"), ("a…b…c", "a--b--c"), ("abc", "abc")]
    {
        assert!(agrees(shown, found), "{shown} {found}");
    }
    for (shown, found) in [("a…", "bc"), ("…c", "ab"), ("abc", "abcd"), ("a…b…c", "a--c")] {
        assert!(!agrees(shown, found), "{shown} {found}");
    }
}
