//! The document as a page for people: written once, without scripts, and loading nothing. It knows the document alone.

mod fields;
mod markup;
mod operation;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use markup::{anchor, escape, prose};

const STYLE: &str = include_str!("page/style.css");

/// What the page may load: its own style and nothing else.
pub fn policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The whole page.
pub fn render(document: &Value) -> String {
    let chapters = chapters(document);
    let title = text(&document["info"]["title"]);
    let version = text(&document["info"]["version"]);
    let mut page = String::with_capacity(1024 * 1024);
    page += "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
    page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    page += "<meta name=\"color-scheme\" content=\"light dark\">\n";
    page += &format!(
        "<title>{} API {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        escape(title),
        escape(version)
    );
    page += &format!(
        "<a class=\"skip\" href=\"#main\">To the content</a>\n<header class=\"top\"><a href=\"#main\" class=\"name\">{} <span>API</span></a>\
         <span class=\"version\">{}</span><a class=\"raw\" href=\"/v1/openapi.json\">openapi.json</a></header>\n<div class=\"page\">\n",
        escape(title),
        escape(version)
    );
    page += &navigation(document, &chapters);
    page += "<main id=\"main\">\n";
    page += &format!(
        "<section class=\"intro\"><h1>{} API</h1>\n{}</section>\n",
        escape(title),
        prose(text(&document["info"]["description"]))
    );
    for chapter in &chapters {
        page += &format!("<section class=\"chapter\" id=\"{}\">\n", anchor("tag", chapter.name));
        page += &format!("<h2>{}</h2>\n{}", escape(chapter.name), prose(chapter.about));
        for entry in &chapter.operations {
            page += &operation::render(document, entry);
        }
        page += "</section>\n";
    }
    page += &schemas(document);
    page += "</main>\n</div>\n</body>\n</html>\n";
    page
}

struct Chapter<'a> {
    name: &'a str,
    about: &'a str,
    operations: Vec<Entry<'a>>,
}

/// One operation of the document; what is sent to webhooks is one, too, in the other direction.
struct Entry<'a> {
    method: &'a str,
    path: &'a str,
    operation: &'a Value,
    outgoing: bool,
}

impl Entry<'_> {
    fn id(&self) -> &str {
        text(&self.operation["operationId"])
    }
}

fn chapters(document: &Value) -> Vec<Chapter<'_>> {
    let of = |name: &str, outgoing: bool| {
        let group = if outgoing { "webhooks" } else { "paths" };
        let paths = document[group].as_object().into_iter().flatten();
        let all = paths.flat_map(|(path, methods)| {
            methods.as_object().into_iter().flatten().map(move |(method, operation)| Entry {
                method,
                path,
                operation,
                outgoing,
            })
        });
        all.filter(|entry| entry.operation["tags"][0] == name).collect::<Vec<_>>()
    };
    let tags = document["tags"].as_array().into_iter().flatten();
    tags.map(|tag| {
        let name = text(&tag["name"]);
        let mut operations = of(name, false);
        operations.extend(of(name, true));
        Chapter { name, about: text(&tag["description"]), operations }
    })
    .collect()
}

fn navigation(document: &Value, chapters: &[Chapter<'_>]) -> String {
    let mut list = String::new();
    for chapter in chapters {
        list += &format!(
            "<h2><a href=\"#{}\">{}</a></h2>\n<ul>\n",
            anchor("tag", chapter.name),
            escape(chapter.name)
        );
        for entry in &chapter.operations {
            list += &format!(
                "<li><a href=\"#{}\"><span class=\"m {}\">{}</span>{}</a></li>\n",
                anchor("op", entry.id()),
                if entry.outgoing { "out" } else { entry.method },
                if entry.outgoing { "out" } else { short(entry.method) },
                escape(text(&entry.operation["summary"])),
            );
        }
        list += "</ul>\n";
    }
    list += "<h2><a href=\"#schemas\">Schemas</a></h2>\n<ul class=\"names\">\n";
    for name in document["components"]["schemas"].as_object().into_iter().flatten().map(|(name, _)| name) {
        list += &format!("<li><a href=\"#{}\">{}</a></li>\n", anchor("schema", name), escape(name));
    }
    list += "</ul>\n";
    // Wide screens show the first, narrow ones the second.
    format!(
        "<nav class=\"side\" aria-label=\"Operations\">\n{list}</nav>\n<details class=\"menu\"><summary>Operations and schemas</summary>\
         <nav aria-label=\"Operations\">\n{list}</nav></details>\n"
    )
}

fn short(method: &str) -> &str {
    if method == "delete" { "del" } else { method }
}

fn schemas(document: &Value) -> String {
    let mut all = String::from("<section class=\"chapter\" id=\"schemas\">\n<h2>Schemas</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        all += &format!(
            "<article class=\"schema\" id=\"{0}\">\n<h3><a href=\"#{0}\">{1}</a></h3>\n{2}{3}</article>\n",
            anchor("schema", name),
            escape(name),
            prose(text(&schema["description"])),
            fields::whole(schema),
        );
    }
    all + "</section>\n"
}

/// A text of the document; nothing where there is none.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What a value says, or what it refers to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}
