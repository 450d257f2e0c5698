//! `read_file`: a piece of a text file, by lines or from a byte on. Holds only the piece, however long the file is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::tool::{RetryClass, Risk};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Declared, EVERYBODY, MAX_FILE_RESULT_BYTES, Work, arguments, declare};
use crate::page::looks_like_text;
use crate::tool::{Tool, ToolContext, ToolError, ToolOutput};
use crate::workspace::Name;

const DEFAULT_LINES: u64 = 400;
const MAX_LINES: u64 = 5000;
/// Text of the file in one result (bytes); the rest of the room is for the line above it.
const MAX_TEXT_BYTES: usize = MAX_FILE_RESULT_BYTES - 1024;
/// Whether a file is text is judged by this much of it (bytes).
const SNIFFED_BYTES: usize = 8 * 1024;
/// Lines are counted no further than this (bytes).
const MAX_SCANNED_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Deserialize)]
struct Input {
    path: String,
    offset: Option<u64>,
    limit: Option<u64>,
    from_byte: Option<u64>,
}

struct ReadFile;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": {"type": "string", "minLength": 1, "maxLength": 4096, "description": "File of the workspace, such as src/main.py."},
            "offset": {"type": "integer", "minimum": 1, "description": "First line to show. Default 1."},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LINES, "description": "Most lines to show. Default 400."},
            "from_byte": {"type": "integer", "minimum": 0, "description": "Start at this byte instead of a line. Only for files with very long lines."},
        },
        "required": ["path"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "read_file",
            description: "Read a text file of the workspace. Shows at most 7 KB at once and says how to go on.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Low,
            read_only: true,
            retry: RetryClass::Repeatable,
        },
        ReadFile,
    )
}

#[async_trait]
impl Work for ReadFile {
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let Input { path, offset, limit, from_byte } = arguments(input)?;
        let (workspace, cancel) = (ctx.workspace.clone(), ctx.cancel.clone());
        ctx.blocking("read a file", move || {
            let name = Name::parse(&path)?;
            let (mut file, info) = workspace.open_file(&name)?;
            if info.bytes == 0 {
                return Ok(ToolOutput::text(format!("{name} is empty")));
            }
            if !is_text(&mut file)? {
                return Err(binary(&name, info.bytes));
            }
            let text = match from_byte {
                Some(start) => bytes_from(&name, file, info.bytes, start)?,
                None => {
                    let first = offset.unwrap_or(1).max(1);
                    let wanted = first..first.saturating_add(limit.unwrap_or(DEFAULT_LINES).min(MAX_LINES));
                    let mut window = Window::new(wanted);
                    window.scan(BufReader::new(file), &cancel)?;
                    window.report(&name, info.bytes)?
                }
            };
            Ok(text.into())
        })
        .await
    }
}

fn is_text(file: &mut File) -> Result<bool, ToolError> {
    let mut start = Vec::new();
    Read::by_ref(file).take(SNIFFED_BYTES as u64).read_to_end(&mut start).map_err(damaged)?;
    file.rewind().map_err(damaged)?;
    Ok(looks_like_text(&start))
}

fn binary(name: &Name, bytes: u64) -> ToolError {
    let media_type = mime_guess::from_path(name.as_str()).first_raw().unwrap_or("of unknown type");
    ToolError::Failed(format!(
        "{name} is not text ({media_type}, {bytes} bytes); use code_exec to look into it or publish to hand it over"
    ))
}

fn damaged(source: std::io::Error) -> ToolError {
    ToolError::Failed(format!("the file cannot be read ({})", source.kind()))
}

fn bytes_from(name: &Name, mut file: File, size: u64, start: u64) -> Result<String, ToolError> {
    if start >= size {
        return Err(ToolError::Failed(format!("{name} has only {size} bytes; give a smaller from_byte")));
    }
    file.seek(SeekFrom::Start(start)).map_err(damaged)?;
    let mut piece = Vec::new();
    file.take(MAX_TEXT_BYTES as u64).read_to_end(&mut piece).map_err(damaged)?;
    // A letter cut off at the end belongs to the next piece.
    let whole = match std::str::from_utf8(&piece) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => piece.len(),
    };
    let end = start + whole as u64;
    let next = if end < size { format!("; go on with from_byte {end}") } else { String::new() };
    let text = String::from_utf8_lossy(&piece[..whole]);
    Ok(format!("{name}: bytes {start} to {end} of {size}{next}\n{text}"))
}

/// The wanted lines of a file, and how many there are.
struct Window {
    wanted: std::ops::Range<u64>,
    text: Vec<u8>,
    /// The line being read, counted from 1.
    line: u64,
    /// Whether anything of that line has been read.
    begun: bool,
    /// The last line that is wholly in the text.
    last_whole: u64,
    full: bool,
    scanned: u64,
}

impl Window {
    fn new(wanted: std::ops::Range<u64>) -> Self {
        Self { wanted, text: Vec::new(), line: 1, begun: false, last_whole: 0, full: false, scanned: 0 }
    }

    fn scan(&mut self, mut reader: impl BufRead, cancel: &CancellationToken) -> Result<(), ToolError> {
        loop {
            if cancel.is_cancelled() {
                return Err(ToolError::Cancelled);
            }
            let buffer = reader.fill_buf().map_err(damaged)?;
            if buffer.is_empty() || self.scanned >= MAX_SCANNED_BYTES {
                break;
            }
            let used = buffer.len();
            for piece in buffer.split_inclusive(|byte| *byte == b'\n') {
                self.take(piece);
            }
            self.scanned += used as u64;
            reader.consume(used);
        }
        if self.begun && !self.full && self.wanted.contains(&self.line) {
            self.last_whole = self.line;
        }
        Ok(())
    }

    fn take(&mut self, piece: &[u8]) {
        if self.wanted.contains(&self.line) && !self.full {
            let room = MAX_TEXT_BYTES - self.text.len();
            self.full = piece.len() > room;
            self.text.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        self.begun = true;
        if piece.ends_with(b"\n") {
            if self.wanted.contains(&self.line) && !self.full {
                self.last_whole = self.line;
            }
            self.line += 1;
            self.begun = false;
        }
    }

    fn report(mut self, name: &Name, size: u64) -> Result<String, ToolError> {
        let lines = if self.begun { self.line } else { self.line - 1 };
        let lines = if self.scanned < size { format!("more than {lines}") } else { lines.to_string() };
        let first = self.wanted.start;
        if self.text.is_empty() {
            return Err(ToolError::Failed(format!("{name} has {lines} lines; give an offset up to that")));
        }
        if self.full && self.last_whole < first {
            return Ok(format!(
                "{name}: line {first} of {lines} does not fit; here is its beginning (use from_byte to read such lines)\n{}",
                String::from_utf8_lossy(&self.text)
            ));
        }
        if self.full {
            // The line that did not fit is shown next time.
            let end = self.text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.text.truncate(end);
        }
        let more = self.full || self.line > self.wanted.end || (self.line == self.wanted.end && self.begun);
        let next = if more { format!("; go on with offset {}", self.last_whole + 1) } else { String::new() };
        let last = self.last_whole;
        let text = String::from_utf8_lossy(&self.text);
        Ok(format!("{name}: lines {first} to {last} of {lines} ({size} bytes){next}\n{text}"))
    }
}
