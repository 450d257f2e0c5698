//! Schemas as tables of fields.

use serde_json::Value;

use super::markup::{anchor, escape, inline};
use super::{resolved, text};

/// Longest pattern that is shown (characters): a longer one helps nobody who reads.
const MAX_PATTERN_CHARS: usize = 60;
/// How deep schemas without a name of their own are opened.
const MAX_DEPTH: usize = 3;

/// A schema by itself: its fields, its words, or what it may be.
pub fn whole(schema: &Value) -> String {
    let mut html = String::new();
    if schema["properties"].is_object() {
        html += &table(schema);
    } else if schema["enum"].is_array() || schema["type"].is_string() {
        html += &format!("<p class=\"type\">{}</p>\n", kind(schema));
    }
    for choices in ["oneOf", "anyOf"] {
        let Some(choices) = schema[choices].as_array() else { continue };
        html += &alternatives(choices);
    }
    html
}

fn alternatives(choices: &[Value]) -> String {
    // Words with a meaning each.
    if choices.iter().all(|choice| choice["const"].is_string() || choice["enum"].is_array()) {
        let row = |choice: &Value| {
            let word = if choice["const"].is_null() { words(choice) } else { code(&choice["const"]) };
            format!("<tr><td>{word}</td><td>{}</td></tr>\n", inline(text(&choice["description"])))
        };
        let rows: String = choices.iter().map(row).collect();
        return format!("<table class=\"fields\"><tbody>\n{rows}</tbody></table>\n");
    }
    // Which fields have to be there.
    if choices
        .iter()
        .all(|choice| choice.as_object().is_some_and(|one| one.len() == 1 && one.contains_key("required")))
    {
        let one = |choice: &Value| {
            let names = choice["required"].as_array().into_iter().flatten().map(code).collect::<Vec<_>>();
            names.join(" and ")
        };
        let all: Vec<String> = choices.iter().map(one).collect();
        return format!("<p class=\"note\">Exactly one of {} is required.</p>\n", all.join(", "));
    }
    let mut html = String::from("<ul class=\"choices\">\n");
    for choice in choices {
        let title = inline(text(&choice["description"]));
        let body = if choice["properties"].is_object() { table(choice) } else { kind(choice) };
        html += &format!("<li>{title}{body}</li>\n");
    }
    html + "</ul>\n"
}

/// The fields of what is sent, those of objects in it included, each with its whole name.
pub fn asked(document: &Value, schema: &Value) -> String {
    if !schema["properties"].is_object() {
        return whole(schema);
    }
    let mut html = String::from("<table class=\"fields\"><tbody>\n");
    html += &rows(document, schema, "", 0);
    html += "</tbody></table>\n";
    match schema["oneOf"].as_array() {
        Some(choices) => html + &alternatives(choices),
        None => html,
    }
}

fn rows(document: &Value, schema: &Value, before: &str, depth: usize) -> String {
    let required = schema["required"].as_array();
    let mut html = String::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let whole = format!("{before}{name}");
        let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
        html += &row(&whole, field, is_required);
        // What may also be null is an object all the same.
        let choices = field["anyOf"].as_array().into_iter().flatten();
        let inner = std::iter::once(field).chain(choices).map(|choice| resolved(document, choice));
        for inner in inner.filter(|inner| inner["properties"].is_object() && depth < MAX_DEPTH) {
            html += &rows(document, inner, &format!("{whole}."), depth + 1);
        }
    }
    html
}

/// The fields of an object.
pub fn table(schema: &Value) -> String {
    let required = schema["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let mut html = String::from("<table class=\"fields\"><tbody>\n");
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        html += &row(name, field, is_required(name));
    }
    html + "</tbody></table>\n"
}

/// One field or parameter.
pub fn row(name: &str, schema: &Value, required: bool) -> String {
    let mark = if required { "<span class=\"req\">required</span>" } else { "" };
    format!(
        "<tr><td><code class=\"f\">{}</code>{mark}</td><td><span class=\"t\">{}</span>{}{}</td></tr>\n",
        escape(name),
        kind(schema),
        bounds(schema),
        about(text(&schema["description"])),
    )
}

pub fn about(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<div class=\"d\">{}</div>", inline(text)) }
}

/// What a value is, in a few words.
pub fn kind(schema: &Value) -> String {
    kind_at(schema, 0)
}

fn kind_at(schema: &Value, depth: usize) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return format!("<a href=\"#{}\">{}</a>", anchor("schema", name), escape(name));
    }
    if depth >= MAX_DEPTH {
        return "object".to_owned();
    }
    for choices in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[choices].as_array()
            && choices.iter().any(|choice| !choice["$ref"].is_null() || !choice["type"].is_null())
        {
            let all: Vec<String> = choices.iter().map(|choice| kind_at(choice, depth + 1)).collect();
            return all.join(" or ");
        }
    }
    if !schema["const"].is_null() {
        return code(&schema["const"]);
    }
    if schema["enum"].is_array() {
        return words(schema);
    }
    let one = |word: &str| match word {
        "array" => format!("array of {}", kind_at(&schema["items"], depth + 1)),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind_at(&schema["additionalProperties"], depth + 1))
        }
        word => escape(word),
    };
    match &schema["type"] {
        Value::String(word) => one(word),
        Value::Array(words) => words.iter().map(|word| one(text(word))).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

fn words(schema: &Value) -> String {
    let all = schema["enum"].as_array().into_iter().flatten();
    all.map(code).collect::<Vec<_>>().join(" ")
}

fn code(value: &Value) -> String {
    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("<code>{}</code>", escape(&shown))
}

/// The limits of a value.
fn bounds(schema: &Value) -> String {
    let mut all = Vec::new();
    let format = text(&schema["format"]);
    if matches!(format, "date" | "date-time" | "uri") {
        all.push(escape(format));
    }
    let span = |least: &Value, most: &Value, of: &str| match (least.is_null(), most.is_null()) {
        (true, true) => None,
        (false, false) => Some(format!("{} to {}{of}", grouped(least), grouped(most))),
        (false, true) => Some(format!("at least {}{of}", grouped(least))),
        (true, false) => Some(format!("at most {}{of}", grouped(most))),
    };
    // That a count is not negative says nothing.
    let natural = schema["minimum"] == 0 && schema["maximum"].is_null();
    if !natural {
        all.extend(span(&schema["minimum"], &schema["maximum"], ""));
    }
    all.extend(span(&schema["minLength"], &schema["maxLength"], " characters"));
    if schema["minItems"] == 1 && schema["maxItems"].is_null() {
        all.push("not empty".to_owned());
    } else {
        all.extend(span(&schema["minItems"], &schema["maxItems"], " items"));
    }
    let pattern = text(&schema["pattern"]);
    // An example says more where there is one.
    if let Some(example) = schema["examples"][0].as_str() {
        all.push(format!("like <code class=\"p\">{}</code>", escape(example)));
    } else if pattern.len() > 3 && pattern.len() <= MAX_PATTERN_CHARS {
        all.push(format!("<code class=\"p\">{}</code>", escape(pattern)));
    }
    if !schema["default"].is_null() && !schema["default"].is_object() {
        all.push(format!("default {}", code(&schema["default"])));
    }
    all.into_iter().map(|bound| format!("<span class=\"b\">{bound}</span>")).collect()
}

/// A number with commas between its thousands.
fn grouped(number: &Value) -> String {
    let digits = number.as_u64().map_or_else(|| number.to_string(), |number| number.to_string());
    let mut shown = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
