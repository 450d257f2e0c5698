//! `search_files`: lines of the workspace's text files that match a pattern. The pattern's engine takes time linear
//! in the text, whatever the pattern.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use miteos_core::content::floor_boundary;
use miteos_core::tool::{RetryClass, Risk};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Declared, EVERYBODY, MAX_FILE_RESULT_BYTES, Work, arguments, declare};
use crate::page::looks_like_text;
use crate::tool::{Tool, ToolContext, ToolError, ToolOutput};
use crate::workspace::{Entry, FileKind, Go, Name, Workspace};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
/// A compiled pattern may take this much memory (bytes), and what speeds it up this much. A line that defeats the second
/// is matched at a cost of the first times its length, which nothing interrupts.
const MAX_PATTERN_MEMORY: usize = 256 * 1024;
const MAX_CACHE_MEMORY: usize = 2 * 1024 * 1024;
/// Bigger files are passed over (bytes).
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;
/// One search reads no more than this (bytes).
const MAX_READ_BYTES: u64 = 512 * 1024 * 1024;
/// Longer lines are cut where they are shown (bytes).
const MAX_LINE_BYTES: usize = 240;
/// Only this much of a line is matched (bytes): it cannot be interrupted while one is.
const MAX_MATCHED_BYTES: usize = 16 * 1024;
/// A search ends after this long, with what it has found.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Room for the closing lines (bytes).
const NOTE_BYTES: usize = 480;

#[derive(Deserialize)]
struct Input {
    pattern: String,
    path: Option<String>,
    limit: Option<usize>,
}

struct SearchFiles;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "minLength": 1, "maxLength": 1000, "description": "Regular expression matched against each line, such as error|warning or fn \\w+\\(. Start with (?i) to ignore case."},
            "path": {"type": "string", "maxLength": 4096, "description": "Folder or file to search. Default: the whole workspace."},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "description": "Most lines to show. Default 50."},
        },
        "required": ["pattern"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "search_files",
            description: "Find lines in the workspace's text files by a regular expression. Shows file, line number and line.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Low,
            read_only: true,
            retry: RetryClass::Repeatable,
        },
        SearchFiles,
    )
}

#[async_trait]
impl Work for SearchFiles {
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let Input { pattern, path, limit } = arguments(input)?;
        let (workspace, cancel) = (ctx.workspace.clone(), ctx.cancel.clone());
        ctx.blocking("searched files", move || {
            let regex = RegexBuilder::new(&pattern)
                .size_limit(MAX_PATTERN_MEMORY)
                .dfa_size_limit(MAX_CACHE_MEMORY)
                .build()
                .map_err(|error| bad_pattern(&error))?;
            let place = Name::folder(path.as_deref().unwrap_or_default())?;
            let limit = limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
            let mut search = Search::new(regex, limit, cancel, MAX_TIME);
            if !place.as_str().is_empty() && workspace.stat(&place)?.kind == FileKind::File {
                search.named(&workspace, place.as_str())?;
            } else {
                search.folder(&workspace, &place)?;
            }
            Ok(search.report())
        })
        .await
    }
}

fn bad_pattern(error: &regex::Error) -> ToolError {
    match error {
        regex::Error::CompiledTooBig(_) => ToolError::failed("the pattern is too big; use a shorter one"),
        // The engine draws a picture of several lines; its last one has the reason.
        _ => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            ToolError::Failed(format!(
                "the pattern is no regular expression: {reason}; escape special characters with \\"
            ))
        }
    }
}

struct Search {
    regex: Regex,
    limit: usize,
    cancel: CancellationToken,
    deadline: Instant,
    text: String,
    shown: usize,
    read: u64,
    more: bool,
    late: bool,
    /// Files that were not searched because of what they are.
    passed_over: usize,
    /// Lines of which only the beginning was matched.
    long_lines: usize,
}

/// What came of one file.
enum Searched {
    Whole,
    /// Enough has been found or read.
    Enough,
    /// It was not searched, and why.
    Not(&'static str),
}

impl Search {
    fn new(regex: Regex, limit: usize, cancel: CancellationToken, time: Duration) -> Self {
        Self {
            regex,
            limit,
            cancel,
            deadline: Instant::now() + time,
            text: String::new(),
            shown: 0,
            read: 0,
            more: false,
            late: false,
            passed_over: 0,
            long_lines: 0,
        }
    }

    fn named(&mut self, workspace: &Workspace, file: &str) -> Result<(), ToolError> {
        match self.file(workspace, file)? {
            Searched::Whole | Searched::Enough => Ok(()),
            Searched::Not(why) => Err(ToolError::Failed(format!("{file} was not searched: {why}"))),
        }
    }

    fn folder(&mut self, workspace: &Workspace, place: &Name) -> Result<(), ToolError> {
        let mut files = Vec::new();
        let whole = workspace.walk(place, true, &mut |Entry { name, kind, .. }| {
            if kind == FileKind::File {
                files.push(name);
            }
            if self.is_over() { Go::Stop } else { Go::On }
        })?;
        self.more |= !whole;
        for file in files {
            match self.file(workspace, &file)? {
                Searched::Whole => {}
                Searched::Enough => break,
                Searched::Not(_) => self.passed_over += 1,
            }
        }
        Ok(())
    }

    /// Whether the search has to end now.
    fn is_over(&mut self) -> bool {
        self.late |= Instant::now() >= self.deadline;
        self.late || self.cancel.is_cancelled()
    }

    fn file(&mut self, workspace: &Workspace, file: &str) -> Result<Searched, ToolError> {
        if self.is_over() {
            return self.over();
        }
        let Ok((open, info)) = Name::parse(file).and_then(|name| workspace.open_file(&name)) else {
            return Ok(Searched::Not("it cannot be read"));
        };
        if info.bytes > MAX_FILE_BYTES {
            return Ok(Searched::Not("it has more than 8388608 bytes; split it with code_exec"));
        }
        self.read += info.bytes;
        if self.read > MAX_READ_BYTES {
            self.more = true;
            return Ok(Searched::Enough);
        }
        // Not more than it had when it was looked at: it may be growing.
        let mut reader = BufReader::new(std::io::Read::take(open, MAX_FILE_BYTES));
        match reader.fill_buf() {
            Ok(start) if looks_like_text(start) => {}
            Ok(_) => return Ok(Searched::Not("it is no text")),
            Err(_) => return Ok(Searched::Not("it cannot be read")),
        }
        let mut line = Vec::new();
        let mut number = 0_u64;
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            number += 1;
            if self.is_over() {
                return self.over();
            }
            let text = String::from_utf8_lossy(&line[..line.len().min(MAX_MATCHED_BYTES)]);
            let text = text.trim_end_matches(['\n', '\r']);
            self.long_lines += usize::from(line.len() > MAX_MATCHED_BYTES);
            if self.regex.is_match(text) && !self.show(file, number, text) {
                return Ok(Searched::Enough);
            }
            line.clear();
        }
        Ok(Searched::Whole)
    }

    fn over(&self) -> Result<Searched, ToolError> {
        if self.cancel.is_cancelled() { Err(ToolError::Cancelled) } else { Ok(Searched::Enough) }
    }

    /// `false` when there is no room for more.
    fn show(&mut self, file: &str, number: u64, line: &str) -> bool {
        let found = self.regex.find(line).map_or(0, |found| found.start());
        let shown = format!("{file}:{number}: {}\n", around(line, found));
        if self.shown == self.limit || self.text.len() + shown.len() > MAX_FILE_RESULT_BYTES - NOTE_BYTES {
            self.more = true;
            return false;
        }
        self.text.push_str(&shown);
        self.shown += 1;
        true
    }

    fn report(mut self) -> ToolOutput {
        if self.shown == 0 {
            let partly = self.more || self.late || self.passed_over > 0 || self.long_lines > 0;
            self.text.push_str(if partly {
                "no line matches in what was searched\n"
            } else {
                "no line matches"
            });
        }
        if self.more {
            self.text.push_str("[there may be more; narrow the pattern or name a path]\n");
        }
        if self.late {
            let seconds = MAX_TIME.as_secs();
            self.text.push_str(&format!(
                "[stopped after {seconds} s; there may be more; use a simpler pattern or name a path]\n"
            ));
        }
        if self.passed_over > 0 {
            let (count, limit) = (self.passed_over, MAX_FILE_BYTES);
            self.text.push_str(&format!(
                "[{count} files were not searched: no text, unreadable, or bigger than {limit} bytes]\n"
            ));
        }
        if self.long_lines > 0 {
            let (count, limit) = (self.long_lines, MAX_MATCHED_BYTES);
            self.text
                .push_str(&format!("[of {count} long lines only the first {limit} bytes were searched]\n"));
        }
        ToolOutput::text(self.text)
    }
}

/// A long line cut to the part that has the match.
fn around(line: &str, found: usize) -> String {
    if line.len() <= MAX_LINE_BYTES {
        return line.to_owned();
    }
    let start = floor_boundary(line, found.saturating_sub(MAX_LINE_BYTES / 4));
    let end = floor_boundary(line, start + MAX_LINE_BYTES);
    let before = if start > 0 { "…" } else { "" };
    let after = if end < line.len() { "…" } else { "" };
    format!("{before}{}{after}", &line[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_ends_in_time_and_when_it_is_cancelled() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("lines"), "x\n".repeat(1_000_000)).unwrap();
        let workspace = Workspace::open(folder.path().to_owned()).unwrap();
        let search = |time| {
            let mut search = Search::new(Regex::new("y").unwrap(), 50, CancellationToken::new(), time);
            search.named(&workspace, "lines").unwrap();
            search.report().text
        };
        assert_eq!(search(Duration::from_secs(600)), "no line matches");
        let told = search(Duration::from_millis(1));
        assert!(told.starts_with("no line matches in what was searched\n[stopped after"), "{told}");

        let cancel = CancellationToken::new();
        cancel.cancel();
        let mut search = Search::new(Regex::new("y").unwrap(), 50, cancel, MAX_TIME);
        assert!(matches!(search.named(&workspace, "lines"), Err(ToolError::Cancelled)));
    }
}
