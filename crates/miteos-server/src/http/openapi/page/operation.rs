//! One operation on the page: what it is for on the left, how it is called and answered on the right.

use serde_json::Value;

use super::fields;
use super::markup::{anchor, escape, inline, json, prose};
use super::{Entry, resolved, text};

/// Where the examples find a server.
const SERVER: &str = "http://127.0.0.1:7700/v1";

pub fn render(document: &Value, entry: &Entry<'_>) -> String {
    let operation = entry.operation;
    let id = anchor("op", entry.id());
    let (badge, path) = match entry.outgoing {
        true => ("post", "your address".to_owned()),
        false => (entry.method, marked(entry.path)),
    };
    let scope = text(&operation["x-required-scope"]);
    let scope = match (scope.is_empty(), entry.outgoing) {
        (false, _) => format!("<span class=\"scope\">{}</span>", escape(scope)),
        (true, false) if is_public(operation) => "<span class=\"scope public\">public</span>".to_owned(),
        (true, false) => "<span class=\"scope\">the owner's token</span>".to_owned(),
        (true, true) => String::new(),
    };
    let mut html = format!("<article class=\"op\" id=\"{id}\">\n<header><h3><a href=\"#{id}\">");
    html += &format!("{}</a></h3>\n", escape(text(&operation["summary"])));
    html += &format!(
        "<p class=\"line\"><span class=\"m {badge}\">{badge}</span><code class=\"path\">{path}</code>{scope}</p></header>\n"
    );
    html += "<div class=\"cols\"><div class=\"what\">\n";
    html += &prose(without_scope(text(&operation["description"])));
    html += &parameters(document, operation);
    html += &body(document, operation);
    html += &answers(document, operation, entry);
    html += "</div>\n<div class=\"how\">\n";
    html += &examples(document, entry);
    html + "</div></div>\n</article>\n"
}

/// Whether it asks for no credential at all.
fn is_public(operation: &Value) -> bool {
    operation["security"].as_array().is_some_and(Vec::is_empty)
}

/// The path, its variable parts marked.
fn marked(path: &str) -> String {
    let safe = escape(path);
    safe.replace('{', "<var>{").replace('}', "}</var>")
}

/// The scope stands beside the path, so the sentence on it is left out here.
fn without_scope(description: &str) -> &str {
    match description.rsplit_once("\n\n") {
        Some((text, last)) if is_access(last) => text,
        None if is_access(description) => "",
        Some(_) | None => description,
    }
}

fn is_access(sentence: &str) -> bool {
    sentence.starts_with("Needs the scope ") || sentence.starts_with("Public: ")
}

fn parameters(document: &Value, operation: &Value) -> String {
    let mut html = String::new();
    let all: Vec<&Value> =
        operation["parameters"].as_array().into_iter().flatten().map(|one| resolved(document, one)).collect();
    for (place, title) in [("path", "Path"), ("query", "Query"), ("header", "Headers")] {
        let rows: String = all
            .iter()
            .filter(|parameter| parameter["in"] == place)
            .map(|parameter| {
                let mut schema = parameter["schema"].clone();
                schema["description"] = parameter["description"].clone();
                // A part of the path is always there.
                let required = place != "path" && parameter["required"] == true;
                fields::row(text(&parameter["name"]), &schema, required)
            })
            .collect();
        if !rows.is_empty() {
            html += &format!("<h4>{title}</h4>\n<table class=\"fields\"><tbody>\n{rows}</tbody></table>\n");
        }
    }
    html
}

fn body(document: &Value, operation: &Value) -> String {
    let content = operation["requestBody"]["content"].as_object().into_iter().flatten();
    let mut html = String::new();
    for (media_type, media) in content {
        let schema = resolved(document, &media["schema"]);
        let name = if media["schema"]["$ref"].is_null() {
            String::new()
        } else {
            format!(" {}", fields::kind(&media["schema"]))
        };
        html += &format!("<h4>Body <span class=\"t\">{}{name}</span></h4>\n", escape(media_type));
        html += &about(text(&operation["requestBody"]["description"]));
        html += &fields::asked(document, schema);
    }
    html
}

fn about(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>\n", inline(text)) }
}

fn answers(document: &Value, operation: &Value, entry: &Entry<'_>) -> String {
    let title = if entry.outgoing { "Your answer" } else { "Answers" };
    let mut html = format!("<h4>{title}</h4>\n<table class=\"answers\"><tbody>\n");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let answer = resolved(document, answer);
        let media = answer["content"].as_object().into_iter().flatten();
        let mut kinds = String::new();
        let mut detail = String::new();
        for (media_type, media) in media {
            if let Some(text) = media["example"]["detail"].as_str() {
                detail = format!("<div class=\"e\">{}</div>", escape(text));
            } else if media_type == "application/json" {
                kinds += &format!("<span class=\"t\">{}</span>", fields::kind(&media["schema"]));
            } else {
                kinds += &format!("<span class=\"t\">{}</span>", escape(shown(media_type)));
            }
        }
        let class = status.chars().next().unwrap_or('x');
        html += &format!(
            "<tr><td><span class=\"st s{class}\">{}</span></td><td>{}{kinds}{detail}</td></tr>\n",
            escape(status),
            inline(text(&answer["description"])),
        );
    }
    html + "</tbody></table>\n"
}

fn examples(document: &Value, entry: &Entry<'_>) -> String {
    let mut html = String::new();
    if !entry.outgoing {
        html += &panel("Request", &curl(document, entry));
    }
    if entry.outgoing {
        let body = &entry.operation["requestBody"]["content"]["application/json"]["example"];
        return panel("What you get", &json(body));
    }
    for (status, answer) in entry.operation["responses"].as_object().into_iter().flatten() {
        let answer = resolved(document, answer);
        if !status.starts_with('2') && status != "101" {
            continue;
        }
        for (media_type, media) in answer["content"].as_object().into_iter().flatten() {
            let shown = match &media["example"] {
                Value::Null => continue,
                // One event, as it stands in the stream.
                Value::Object(event) if media_type == "text/event-stream" => {
                    let lines = event.iter().map(|(name, value)| format!("{name}: {}", text(value)));
                    escape(&lines.collect::<Vec<_>>().join("\n"))
                }
                Value::String(text) => escape(text.trim_end()),
                value => json(value),
            };
            html += &panel(&format!("{status} {}", self::shown(media_type)), &shown);
        }
    }
    html
}

fn shown(media_type: &str) -> &str {
    if media_type == "*/*" { "the file, with its own media type" } else { media_type }
}

fn panel(title: &str, code: &str) -> String {
    format!(
        "<figure><figcaption>{}</figcaption><pre tabindex=\"0\"><code>{code}</code></pre></figure>\n",
        escape(title)
    )
}

/// How the operation is called from a shell.
fn curl(document: &Value, entry: &Entry<'_>) -> String {
    let operation = entry.operation;
    let mut path = entry.path.to_owned();
    let mut query = String::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = resolved(document, parameter);
        let name = text(&parameter["name"]);
        let example = text(&parameter["schema"]["examples"][0]);
        if parameter["in"] == "path" {
            path = path.replace(&format!("{{{name}}}"), example);
        } else if parameter["in"] == "query" && parameter["required"] == true {
            query += &format!("{}{name}={example}", if query.is_empty() { '?' } else { '&' });
        }
    }
    let responses = &operation["responses"];
    let ok = &responses["200"]["content"];
    let header = "-H \"Authorization: Bearer $MITEOS_API_KEY\"";
    let url = format!("{SERVER}{path}{query}");
    if !responses["101"].is_null() {
        let url = url.replace("http://", "ws://");
        return escape(&format!("websocat {header} \\\n  {url}"));
    }
    let mut command = String::from("curl ");
    if entry.method != "get" {
        command += &format!("-X {} ", entry.method.to_ascii_uppercase());
    }
    if !ok["text/event-stream"].is_null() {
        command += "-N ";
    }
    if !ok["*/*"].is_null() {
        command += "-OJ ";
    }
    command += &url;
    if !text(&operation["x-required-scope"]).is_empty() {
        command += &format!(" \\\n  {header}");
    } else if !is_public(operation) {
        command += " \\\n  -H \"Authorization: Bearer $MITEOS_METRICS_TOKEN\"";
    }
    let content = &operation["requestBody"]["content"];
    if !content["multipart/form-data"].is_null() {
        command += " \\\n  -F \"file=@plans.csv;filename=data/plans.csv\"";
    }
    let body = &content["application/json"]["example"];
    if body.is_null() {
        return escape(&command);
    }
    command += " \\\n  -H \"Content-Type: application/json\" \\\n  -d ";
    format!("{}&#39;{}&#39;", escape(&command), json(body).replace("&#39;", "&#39;\\&#39;&#39;"))
}
