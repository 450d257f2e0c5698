//! Readable text from what a web server sent: the main part of an HTML page, or text as it is. Works on bytes and
//! knows no network. Blocks for as long as a page takes; the limits keep that short.

use std::time::{Duration, Instant};

use dom_query::{Document, NodeRef};
use dom_smoothie::{Config, Readability, TextMode};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, parse_document};
use miteos_core::content::{ceil_boundary, floor_boundary};
use url::Url;

/// Of a longer page only this much is read for its text (bytes).
const MAX_HTML_BYTES: usize = 3 * 1024 * 1024;
/// Pages nested deeper than this are read as plain text, since the readers of structure call themselves.
const MAX_DEPTH: usize = 256;
/// Pages with more elements than this are read as plain text, since finding the main part takes long.
const MAX_ELEMENTS: usize = 60_000;
/// A page is parsed for no longer than this: at every tag a parser looks through those that are still open, so a page
/// of nothing but openings would keep it busy for minutes.
const MAX_PARSE_TIME: Duration = Duration::from_secs(3);
/// The pieces between which clock and tree are looked at (bytes).
const PARSED_BYTES: usize = 256;
/// A page whose tree has more nodes than this is read no further.
const MAX_NODES: usize = 500_000;
/// At every paragraph a parser can copy each element that is open, so the pieces of a page get smaller as its tree
/// grows: its length (bytes) times the nodes is at most so many times the nodes allowed.
const BYTES_PER_COPY: usize = 4;
/// Longer titles are cut (bytes).
const MAX_TITLE_BYTES: usize = 300;
/// A main part with less text than this (bytes) is taken for a wrong guess, and the whole page is given instead.
const LEAST_MAIN_BYTES: usize = 200;
/// Declarations of a page's character set stand within this many bytes.
const CHARSET_WINDOW: usize = 1024;
/// What is no text of a page.
const NO_TEXT: [&str; 9] =
    ["script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "head"];

/// How the text is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Markdown,
    Text,
    Html,
}

/// A page, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) title: Option<String>,
    pub(crate) text: String,
    /// Whether the page was too long to be read whole.
    pub(crate) cut: bool,
}

/// What kind of thing a content type names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Html,
    Text,
    Binary,
}

/// Judges by the named type, and where there is none by the first bytes.
pub(crate) fn kind(content_type: &str, bytes: &[u8]) -> Kind {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "text/html" | "application/xhtml+xml" => Kind::Html,
        "" | "application/octet-stream" | "binary/octet-stream" => sniff(bytes),
        "application/json"
        | "application/javascript"
        | "application/xml"
        | "application/yaml"
        | "application/x-yaml"
        | "application/toml"
        | "application/x-ndjson"
        | "application/sql"
        | "application/x-sh"
        | "image/svg+xml" => Kind::Text,
        other if other.starts_with("text/") || other.ends_with("+json") || other.ends_with("+xml") => {
            Kind::Text
        }
        _ => Kind::Binary,
    }
}

fn sniff(bytes: &[u8]) -> Kind {
    let start = &bytes[..bytes.len().min(CHARSET_WINDOW)];
    let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
    if text.starts_with("<!doctype html") || text.starts_with("<html") {
        Kind::Html
    } else if looks_like_text(start) {
        Kind::Text
    } else {
        Kind::Binary
    }
}

/// Whether the first bytes of something can be text: no NUL, and UTF-8 but for a letter cut off at the end.
pub(crate) fn looks_like_text(start: &[u8]) -> bool {
    if start.contains(&0) {
        return false;
    }
    match std::str::from_utf8(start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

/// Text in whatever character set it comes: as a byte order mark, the header or the page says, else UTF-8, else
/// Windows' western one.
pub(crate) fn decode(content_type: &str, bytes: &[u8]) -> String {
    let named = Encoding::for_bom(bytes)
        .map(|(encoding, _)| encoding)
        .or_else(|| Encoding::for_label(parameter(content_type, "charset")?.as_bytes()))
        .or_else(|| declared(bytes));
    let encoding = named.unwrap_or(if std::str::from_utf8(bytes).is_ok() || looks_like_text(bytes) {
        UTF_8
    } else {
        WINDOWS_1252
    });
    encoding.decode(bytes).0.into_owned()
}

fn parameter<'a>(content_type: &'a str, name: &str) -> Option<&'a str> {
    content_type.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches(['"', '\'']))
    })
}

/// The `charset` that a page's own `meta` names. A page that says UTF-16 in ASCII letters is lying.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(CHARSET_WINDOW)]).to_ascii_lowercase();
    let meta = start.split("<meta").skip(1).find_map(|tag| tag.split('>').next()?.split_once("charset="))?.1;
    let label = meta.trim_start_matches(['"', '\'', ' ']);
    let label = label.split(['"', '\'', ' ', ';', '/', '>']).next()?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    Some(if encoding.is_ascii_compatible() { encoding } else { UTF_8 })
}

/// The text of an HTML page.
pub(crate) fn read(html: &str, url: &Url, format: Format) -> Page {
    read_within(html, url, format, MAX_PARSE_TIME)
}

fn read_within(html: &str, url: &Url, format: Format, time: Duration) -> Page {
    let end = floor_boundary(html, MAX_HTML_BYTES);
    let (html, cut) = (&html[..end], end < html.len());
    if format == Format::Html {
        return Page { title: None, text: html.to_owned(), cut };
    }
    let (document, unparsed) = parse_within(html, time, MAX_NODES);
    let cut = cut || unparsed;
    let title = document.select("title").first().text();
    let title = one_line(&title[..floor_boundary(&title, MAX_TITLE_BYTES)]);
    let title = (!title.is_empty()).then_some(title);
    let text = if is_heavy(&document) {
        plain(&document)
    } else {
        absolute_links(&document, url);
        structured(document, url, format)
    };
    Page { title, text: squeeze(&text), cut }
}

/// The page's tree, and whether there was no time for the whole of it.
pub(crate) fn parse(html: &str) -> (Document, bool) {
    parse_within(html, MAX_PARSE_TIME, MAX_NODES)
}

fn parse_within(html: &str, time: Duration, max_nodes: usize) -> (Document, bool) {
    let started = Instant::now();
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let opts = ParseOpts { tree_builder, ..ParseOpts::default() };
    let mut parser = parse_document(Document::default(), opts);
    let mut at = 0;
    while at < html.len() && started.elapsed() < time {
        let nodes = parser.tokenizer.sink.sink.tree.len();
        if nodes > max_nodes {
            break;
        }
        let end =
            ceil_boundary(html, at + (BYTES_PER_COPY * max_nodes / nodes.max(1)).clamp(1, PARSED_BYTES));
        parser.process(StrTendril::from(&html[at..end]));
        at = end;
    }
    (parser.finish(), at < html.len())
}

/// The main part if one stands out, else the whole page.
fn structured(document: Document, url: &Url, format: Format) -> String {
    let whole = match format {
        Format::Markdown | Format::Html => document.md(Some(&NO_TEXT)).to_string(),
        Format::Text => {
            let copy = document.clone();
            copy.select(&NO_TEXT.join(",")).remove();
            copy.formatted_text().to_string()
        }
    };
    let text_mode = match format {
        Format::Markdown | Format::Html => TextMode::Markdown,
        Format::Text => TextMode::Formatted,
    };
    let config = Config { text_mode, max_elements_to_parse: MAX_ELEMENTS, ..Config::default() };
    let main = Readability::with_document(document, Some(url.as_str()), Some(config))
        .and_then(|mut readability| readability.parse())
        .map(|article| article.text_content.to_string());
    match main {
        Ok(main) if main.trim().len() >= LEAST_MAIN_BYTES => main,
        _ => whole,
    }
}

/// All text of a page, without calling itself for what is nested.
fn plain(document: &Document) -> String {
    document.select(&NO_TEXT.join(",")).remove();
    document.root().text().to_string()
}

fn is_heavy(document: &Document) -> bool {
    let mut elements = 0;
    document.root().descendants_it().any(|node: NodeRef<'_>| {
        elements += 1;
        // Depth is looked at now and then: every element would make it a square.
        elements > MAX_ELEMENTS
            || (elements % 16 == 0 && node.ancestors_it(Some(MAX_DEPTH)).count() >= MAX_DEPTH)
    })
}

fn absolute_links(document: &Document, url: &Url) {
    for link in document.select("a[href]").iter() {
        if let Some(absolute) = link.attr("href").and_then(|href| url.join(&href).ok()) {
            link.set_attr("href", absolute.as_str());
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most one empty line in a row, none at either end.
fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines().map(str::trim_end) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty <= 1 {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests;
