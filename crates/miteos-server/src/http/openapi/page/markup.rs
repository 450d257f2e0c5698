//! Texts and JSON as HTML. Everything that comes from the document is escaped here.

use serde_json::Value;

/// Text that cannot become markup, neither between tags nor in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

/// The name of a place on the page: letters, digits and hyphens alone.
pub fn anchor(kind: &str, name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("{kind}-{}", name.chars().map(plain).collect::<String>())
}

/// Paragraphs, with an empty line between them.
pub fn prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>\n", inline(paragraph))).collect()
}

/// `code` and **weight** inside a line; everything else is text.
pub fn inline(text: &str) -> String {
    let mut html = String::new();
    for (n, part) in text.split('`').enumerate() {
        if n % 2 == 1 {
            html += &format!("<code>{}</code>", escape(part));
            continue;
        }
        for (n, part) in part.split("**").enumerate() {
            let safe = escape(part);
            html += &if n % 2 == 1 { format!("<strong>{safe}</strong>") } else { safe };
        }
    }
    html
}

/// A value on several lines, each kind of token marked.
pub fn json(value: &Value) -> String {
    let mut html = String::new();
    write(&mut html, value, 0);
    html
}

fn write(html: &mut String, value: &Value, depth: usize) {
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
    match value {
        Value::Object(fields) if fields.is_empty() => html.push_str("{}"),
        Value::Array(items) if items.is_empty() => html.push_str("[]"),
        Value::Object(fields) => {
            html.push('{');
            for (n, (name, value)) in fields.iter().enumerate() {
                html.push_str(if n > 0 { "," } else { "" });
                let name = escape(&Value::from(name.as_str()).to_string());
                html.push_str(&format!("{}<span class=\"k\">{name}</span>: ", line(depth + 1)));
                write(html, value, depth + 1);
            }
            html.push_str(&line(depth));
            html.push('}');
        }
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            html.push('[');
            for (n, item) in items.iter().enumerate() {
                html.push_str(if n > 0 { ", " } else { "" });
                write(html, item, depth);
            }
            html.push(']');
        }
        Value::Array(items) => {
            html.push('[');
            for (n, item) in items.iter().enumerate() {
                html.push_str(if n > 0 { "," } else { "" });
                html.push_str(&line(depth + 1));
                write(html, item, depth + 1);
            }
            html.push_str(&line(depth));
            html.push(']');
        }
        Value::String(_) => {
            html.push_str(&format!("<span class=\"s\">{}</span>", escape(&value.to_string())));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            html.push_str(&format!("<span class=\"n\">{value}</span>"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_becomes_markup() {
        let nasty = "<script>alert('\"&')</script>";
        let safe = "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;";
        assert_eq!(escape(nasty), safe);
        assert_eq!(prose(nasty), format!("<p>{safe}</p>\n"));
        assert_eq!(inline(&format!("a `{nasty}` b")), format!("a <code>{safe}</code> b"));
        assert_eq!(anchor("op", nasty), "op--script-alert--------script-");
        for value in [json!(nasty), json!({nasty: 1}), json!([nasty]), json!([[nasty]])] {
            let html = json(&value);
            assert!(!html.contains("<script") && html.contains("&lt;script"), "{html}");
        }
    }

    #[test]
    fn paragraphs_code_and_weight() {
        assert_eq!(
            prose("one **two**\n\n`a**b`"),
            "<p>one <strong>two</strong></p>\n<p><code>a**b</code></p>\n"
        );
        assert_eq!(prose(""), "");
    }

    #[test]
    fn json_is_laid_out() {
        let html = json(&json!({"a": [1, 2], "b": [{"c": null}], "d": {}, "e": "x"}));
        let plain = html.replace("<span class=\"k\">", "").replace("<span class=\"n\">", "");
        let plain = plain.replace("<span class=\"s\">", "").replace("</span>", "").replace("&quot;", "\"");
        let laid_out = "{\n  \"a\": [1, 2],\n  \"b\": [\n    {\n      \"c\": null\n    }\n  ],\n  \"d\": {},\n  \"e\": \"x\"\n}";
        assert_eq!(plain, laid_out);
    }
}
