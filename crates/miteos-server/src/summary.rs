//! What an approval asks for, as a sentence for people who do not know the tools' names. It knows the arguments of the
//! tools that are built in; those of any other are listed by name. The exact arguments are told beside it.

use miteos_core::approval::{Approval, Asked};
use miteos_core::content::Content;
use serde_json::{Map, Value};

use crate::project::input;

/// Longest argument shown in a sentence (characters).
const MAX_SHOWN_CHARS: usize = 80;
/// Arguments of an unknown tool that are shown.
const MAX_SHOWN_ARGUMENTS: usize = 4;

pub fn summary(approval: &Approval) -> String {
    let tool = approval.tool.as_str();
    let sentence = match (&approval.input, input(&approval.input)) {
        (Content::Stored { bytes, .. }, _) => large(tool, *bytes),
        (Content::Inline(_), Value::Object(fields)) => {
            known(tool, &fields).unwrap_or_else(|| unknown(tool, &fields))
        }
        (Content::Inline(_), other) => format!("Use {} ({})", spoken(tool), brief(&other)),
    };
    match approval.asked {
        Asked::Policy => sentence,
        Asked::MayHaveHappened => format!(
            "{sentence}. It was under way when the server stopped, and may have happened already. Do it once more?"
        ),
    }
}

/// A tool that is built in, if its arguments are what it takes.
fn known(tool: &str, fields: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let shown = |name: &str| text(name).map(line);
    Some(match tool {
        "write_file" => {
            let letters = text("content").map_or(0, |content| content.chars().count());
            format!("Write the file {} ({letters} characters)", shown("path")?)
        }
        "edit_file" => format!("Change the file {}", shown("path")?),
        "delete_file" => format!("Delete {}", shown("path")?),
        "read_file" => format!("Read the file {}", shown("path")?),
        "list_files" => match shown("path") {
            None => "Look through the files".to_owned(),
            Some(path) => format!("Look through the files in {path}"),
        },
        "search_files" => format!("Search the files for {}", shown("pattern")?),
        "code_exec" => {
            let language = match text("language")? {
                "python" => "a Python program",
                "javascript" => "a JavaScript program",
                "bash" => "a shell script",
                _ => "a program",
            };
            let first =
                text("code")?.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            format!("Run {language}: {}", line(first))
        }
        "web_search" => format!("Search the web for {}", shown("query")?),
        "web_fetch" => format!("Read the web page {}", shown("url")?),
        "publish" => format!("Hand over the file {}", shown("path")?),
        "message_agent" => "Write a message to other agents".to_owned(),
        "remember" => format!("Take a note: {}", shown("key")?),
        "recall" => format!("Look for notes on {}", shown("query")?),
        "deploy" => deployment(text("target")?, text),
        _ => return None,
    })
}

/// What is published where, how, and with what.
fn deployment<'a>(target: &str, text: impl Fn(&str) -> Option<&'a str>) -> String {
    let what = match text("folder") {
        Some(folder) => format!("Publish {} of the workspace", line(folder)),
        None => "Publish the workspace".to_owned(),
    };
    if target == "preview" {
        return format!("{what} as a preview on this server");
    }
    let how = match text("environment") {
        Some("production") => " in production",
        Some("preview") => " as a draft, beside what is live",
        Some(_) | None => "",
    };
    let with = match (text("config_name"), text("config_id")) {
        (Some(name), Some(id)) => format!(", with the configuration {} ({})", line(name), line(id)),
        (None, Some(id)) => format!(", with the configuration {}", line(id)),
        (_, None) => String::new(),
    };
    format!("{what} at {}{how}{with}", line(target))
}

/// Arguments that are too long to be at hand.
fn large(tool: &str, bytes: u64) -> String {
    let what = match tool {
        "write_file" => "Write a large file".to_owned(),
        "edit_file" => "Change a large part of a file".to_owned(),
        "code_exec" => "Run a long program".to_owned(),
        _ => format!("Use {}", spoken(tool)),
    };
    format!("{what} ({bytes} bytes of arguments)")
}

fn unknown(tool: &str, fields: &Map<String, Value>) -> String {
    let shown = fields.iter().take(MAX_SHOWN_ARGUMENTS);
    let shown: Vec<_> = shown.map(|(name, value)| format!("{}: {}", spoken(name), brief(value))).collect();
    if shown.is_empty() {
        return format!("Use {}", spoken(tool));
    }
    format!("Use {} ({})", spoken(tool), shown.join(", "))
}

/// A name as people say it.
fn spoken(name: &str) -> String {
    name.replace('_', " ")
}

fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => line(text),
        other => line(&other.to_string()),
    }
}

/// A text on one line, cut to a length.
fn line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > MAX_SHOWN_CHARS {
        line.chars().take(MAX_SHOWN_CHARS - 1).chain(['…']).collect()
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(tool: &str, input: &Value) -> String {
        let fields = input.as_object().cloned().unwrap_or_default();
        known(tool, &fields).unwrap_or_else(|| unknown(tool, &fields))
    }

    #[test]
    fn what_is_built_in_is_said_in_plain_words() {
        let cases = [
            ("write_file", json!({"path": "a.md", "content": "hé\n"}), "Write the file a.md (3 characters)"),
            ("delete_file", json!({"path": "old"}), "Delete old"),
            ("list_files", json!({}), "Look through the files"),
            (
                "code_exec",
                json!({"language": "python", "code": "\n  import os\nprint(1)"}),
                "Run a Python program: import os",
            ),
            ("deploy", json!({"target": "preview"}), "Publish the workspace as a preview on this server"),
            ("deploy", json!({"target": "netlify"}), "Publish the workspace at netlify"),
            (
                "deploy",
                json!({"target": "netlify", "config_id": "cfg_1", "config_name": "shop", "environment": "production",
                    "folder": "dist", "config_as_of": "2026"}),
                "Publish dist of the workspace at netlify in production, with the configuration shop (cfg_1)",
            ),
            (
                "deploy",
                json!({"target": "vercel", "config_id": "cfg_1", "config_name": "shop", "environment": "preview"}),
                "Publish the workspace at vercel as a draft, beside what is live, with the configuration shop (cfg_1)",
            ),
        ];
        for (tool, input, sentence) in cases {
            assert_eq!(said(tool, &input), sentence);
        }
    }

    #[test]
    fn another_tool_is_said_with_its_arguments_and_so_is_one_with_wrong_ones() {
        let input = json!({"city_name": "Rome", "days": 3});
        assert_eq!(said("weather_report", &input), "Use weather report (city name: Rome, days: 3)");
        assert_eq!(said("ring_bell", &json!({})), "Use ring bell");
        assert_eq!(said("write_file", &json!({"path": 7})), "Use write file (path: 7)");
        let long = said("note", &json!({"text": "x\n".repeat(500)}));
        assert!(long.chars().count() < 120 && long.ends_with("…)"), "{long}");
    }
}
