//! `search_files`: lines of the workspace's text files that match a pattern. The pattern's engine takes time linear
//! in the text, whatever the pattern.

use std::io::{BufRead, BufReader};
use std::sync::Arc;

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
use crate::workspace::{Entry, FileKind, Name, Workspace};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
/// A compiled pattern may take this much memory (bytes).
const MAX_PATTERN_MEMORY: usize = 2 * 1024 * 1024;
/// Bigger files are passed over (bytes).
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;
/// One search reads no more than this (bytes).
const MAX_READ_BYTES: u64 = 512 * 1024 * 1024;
/// Longer lines are cut where they are shown (bytes).
const MAX_LINE_BYTES: usize = 240;
/// Room for the closing line (bytes).
const NOTE_BYTES: usize = 160;

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
                .dfa_size_limit(MAX_PATTERN_MEMORY)
                .build()
                .map_err(|error| bad_pattern(&error))?;
            let place = Name::folder(path.as_deref().unwrap_or_default())?;
            let limit = limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
            let mut search =
                Search { regex, limit, cancel, text: String::new(), shown: 0, read: 0, more: false };
            let mut files = Vec::new();
            if !place.as_str().is_empty() && workspace.stat(&place)?.kind == FileKind::File {
                files.push(place.as_str().to_owned());
            } else {
                search.more = !workspace.walk(&place, true, &mut |Entry { name, kind, bytes, .. }| {
                    if kind == FileKind::File && bytes <= MAX_FILE_BYTES {
                        files.push(name);
                    }
                    crate::workspace::Go::On
                })?;
            }
            for file in files {
                if !search.file(&workspace, &file)? {
                    break;
                }
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
    text: String,
    shown: usize,
    read: u64,
    more: bool,
}

impl Search {
    /// `false` when enough has been found or read. Files that cannot be read are passed over.
    fn file(&mut self, workspace: &Workspace, file: &str) -> Result<bool, ToolError> {
        if self.cancel.is_cancelled() {
            return Err(ToolError::Cancelled);
        }
        let Ok((open, info)) = Name::parse(file).and_then(|name| workspace.open_file(&name)) else {
            return Ok(true);
        };
        if info.bytes > MAX_FILE_BYTES {
            return Ok(true);
        }
        self.read += info.bytes;
        if self.read > MAX_READ_BYTES {
            self.more = true;
            return Ok(false);
        }
        // Not more than it had when it was looked at: it may be growing.
        let mut reader = BufReader::new(std::io::Read::take(open, MAX_FILE_BYTES));
        match reader.fill_buf() {
            Ok(start) if looks_like_text(start) => {}
            _ => return Ok(true),
        }
        let mut line = Vec::new();
        let mut number = 0_u64;
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            number += 1;
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            if self.regex.is_match(text) && !self.show(file, number, text) {
                return Ok(false);
            }
            line.clear();
        }
        Ok(true)
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
        if self.shown == 0 && !self.more {
            return ToolOutput::text("no line matches");
        }
        if self.more {
            self.text.push_str("[there may be more; narrow the pattern or name a path]\n");
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
