//! `publish`: copies a file into the blob store and hands it over as a deliverable.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::content::floor_boundary;
use miteos_core::ids::DeliverableId;
use miteos_core::tool::{RetryClass, Risk};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Declared, EVERYBODY, Work, arguments, declare};
use crate::page::looks_like_text;
use crate::tool::{Published, Tool, ToolContext, ToolEffect, ToolError, ToolOutput};
use crate::workspace::Name;

/// Longer names are cut before their ending (bytes).
const MAX_NAME_BYTES: usize = 255;
/// Longer endings are no endings (bytes).
const MAX_ENDING_BYTES: usize = 16;
/// Whether a file without a known ending is text is judged by this much of it (bytes).
const SNIFFED_BYTES: u64 = 4096;

#[derive(Deserialize)]
struct Input {
    path: String,
    name: Option<String>,
    r#type: Option<String>,
}

struct Publish;

pub(super) fn tool() -> Arc<dyn Tool> {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": {"type": "string", "minLength": 1, "maxLength": 4096, "description": "File of the workspace."},
            "name": {"type": "string", "minLength": 1, "maxLength": 255, "description": "File name to hand it over under. Default: its own."},
            "type": {"type": "string", "maxLength": 127, "description": "Media type, such as text/csv. Default: guessed."},
        },
        "required": ["path"],
        "additionalProperties": false,
    });
    declare(
        Declared {
            name: "publish",
            description: "Hand a finished file of the workspace over to the user as a deliverable. Takes a copy: publish again after a change.",
            schema,
            agents: &EVERYBODY,
            risk: Risk::Low,
            read_only: false,
            retry: RetryClass::Repeatable,
        },
        Publish,
    )
}

#[async_trait]
impl Work for Publish {
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let Input { path, name, r#type } = arguments(input)?;
        let workspace = ctx.workspace.clone();
        let (file, source, is_text) = ctx
            .blocking("opened a file to publish", move || {
                let source = Name::parse(&path)?;
                let (file, _) = workspace.open_file(&source)?;
                workspace.may_copy(&source, &file)?;
                let is_text = starts_as_text(&file).map_err(ToolError::internal("read a file to publish"))?;
                Ok((file, source, is_text))
            })
            .await?;
        let name = name.map_or_else(|| source.last().to_owned(), |name| with_ending(name, source.last()));
        let name = file_name(&name);
        // Small models write "text" or "csv" here: what is no media type is guessed like a missing one.
        let media_type = r#type
            .filter(|text| is_media_type(text))
            .unwrap_or_else(|| guess(&name, source.as_str(), is_text));
        let reader = Box::new(tokio::fs::File::from_std(file));
        let (sha256, bytes) = tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => return Err(ToolError::Cancelled),
            stored = ctx.services.blobs.put(reader) => {
                stored.map_err(ToolError::internal("stored a file to publish"))?
            }
        };
        let text = format!("published {name} ({media_type}, {bytes} bytes)");
        // The same call is the same deliverable, however often it is made.
        let id = DeliverableId(ctx.call_id.0);
        let published = Published { id, name, media_type, sha256, bytes };
        Ok(ToolOutput { text, effects: vec![ToolEffect::Publish(published)] })
    }
}

fn starts_as_text(file: &std::fs::File) -> std::io::Result<bool> {
    use std::io::{Read, Seek};
    let mut file = file;
    let mut start = Vec::new();
    file.take(SNIFFED_BYTES).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(looks_like_text(&start))
}

/// Two tokens with a slash between them (RFC 6838); nothing that could break a header.
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

fn guess(name: &str, path: &str, is_text: bool) -> String {
    let by_name = mime_guess::from_path(name).first_raw().or_else(|| mime_guess::from_path(path).first_raw());
    let otherwise = if is_text { "text/plain" } else { "application/octet-stream" };
    by_name.unwrap_or(otherwise).to_owned()
}

/// A name without an ending gets that of its file: nobody could open it otherwise.
fn with_ending(name: String, file: &str) -> String {
    match file.rsplit_once('.') {
        Some((stem, ending))
            if !stem.is_empty() && !name.contains('.') && ending.len() < MAX_ENDING_BYTES =>
        {
            format!("{}.{ending}", name.trim_end())
        }
        _ => name,
    }
}

/// A name that is one file's on every system: no folder, no control character, nothing that turns the text round,
/// not too long.
fn file_name(wanted: &str) -> String {
    let harmless = |c: char| match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        c if c.is_control() => '_',
        // Marks that change the direction of writing can make an ending look like another.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '_',
        c => c,
    };
    let name: String = wanted.trim().chars().map(harmless).collect();
    let name = name.trim_end_matches(['.', ' ']);
    if name.is_empty() {
        return "file".to_owned();
    }
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |at| &name[at..]);
    let ending = if ending.len() <= MAX_ENDING_BYTES { ending } else { "" };
    format!("{}{ending}", &name[..floor_boundary(name, MAX_NAME_BYTES - ending.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_ending_gets_that_of_its_file() {
        for (name, file, is) in [
            ("totals", "totals.csv", "totals.csv"),
            ("Totals per region", "out.csv", "Totals per region.csv"),
            ("a.txt", "b.csv", "a.txt"),
            ("Makefile", "Makefile", "Makefile"),
            ("notes", ".env", "notes"),
            ("notes", "a.a-very-long-ending", "notes"),
        ] {
            assert_eq!(with_ending(name.to_owned(), file), is);
        }
    }

    #[test]
    fn names_are_one_files_everywhere() {
        for (wanted, is) in [
            ("report.pdf", "report.pdf"),
            ("Übersicht 2026.csv", "Übersicht 2026.csv"),
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("..\\x.txt", ".._x.txt"),
            ("..", "file"),
            (".", "file"),
            ("  ", "file"),
            ("a\nb\0c", "a_b_c"),
            ("gpj.\u{202e}exe", "gpj._exe"),
            ("end. . ", "end"),
        ] {
            assert_eq!(file_name(wanted), is, "{wanted:?}");
        }
        let long = file_name(&format!("{}.tar", "ü".repeat(300)));
        assert!(long.len() <= MAX_NAME_BYTES && long.ends_with("ü.tar"), "{long}");
    }

    #[test]
    fn only_media_types_are_taken() {
        for good in ["text/csv", "application/vnd.api+json"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in ["text", "", "/", "text/", "a/b/c", "text/x\r\nSet-Cookie: a", "text/csv; charset=x"] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }

    #[test]
    fn types_are_guessed() {
        assert_eq!(guess("a.csv", "x", true), "text/csv");
        assert_eq!(guess("Report", "out/report.pdf", false), "application/pdf");
        assert_eq!(guess("README", "README", true), "text/plain");
        assert_eq!(guess("blob", "blob", false), "application/octet-stream");
    }
}
