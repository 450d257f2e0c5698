//! Long texts, such as a program or a file: they stand behind their call between two fences, line by line as they are.
//!
//! Inside JSON, where a line break is `\\n` and a quote is escaped, a small model loses count of brackets and leaves out
//! line breaks; between fences it writes what it was trained on.

use serde_json::{Map, Value};

use super::schema::ordered_properties;

pub const FENCE: &str = "```";
/// Begins a block behind the call.
pub const OPEN: &str = "\n```\n";
/// Ends a block inside another one.
pub const INNER_CLOSE: &str = "```\n";
/// A required string that may be as long as this is written as a block (characters).
const MIN_CHARS: u64 = 100_000;

/// The argument of a tool that is written as a block: the last one that fits.
pub fn field(schema: &Value) -> Option<&str> {
    let is_block = |schema: &Value| {
        schema.get("type").is_some_and(|kind| kind == "string")
            && schema.get("maxLength").and_then(Value::as_u64).is_some_and(|most| most >= MIN_CHARS)
    };
    let mut fields = ordered_properties(schema).into_iter();
    fields.rfind(|(_, schema, required)| *required && is_block(schema)).map(|(name, _, _)| name)
}

/// The schema of the arguments that stand in the call itself.
pub fn in_json(schema: &Value) -> Value {
    let mut rest = schema.clone();
    let Some(name) = field(schema) else { return rest };
    if let Some(properties) = rest.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove(name);
    }
    if let Some(required) = rest.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|required| required != name);
    }
    rest
}

/// Takes the text of the block out of the arguments of a call.
pub fn take(schema: &Value, arguments: &mut Value) -> Option<String> {
    let name = field(schema)?;
    match arguments.as_object_mut()?.remove(name)? {
        Value::String(text) => Some(text),
        other => {
            arguments.as_object_mut()?.insert(name.to_owned(), other);
            None
        }
    }
}

/// A text as a block. What ends in no line break gets one.
pub fn written(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{OPEN}{text}{end}{FENCE}")
}

/// Puts the block of a written call, `{…}` and the block behind it, back among the arguments. `None`: it is not whole.
pub fn merged(field: &str, written: &str) -> Option<String> {
    let (call, block) = written.split_once(OPEN)?;
    let mut arguments: Map<String, Value> = serde_json::from_str(call.strip_suffix('}')?).ok()?;
    let block = block.strip_suffix('\n').unwrap_or(block);
    arguments.insert(field.to_owned(), Value::from(block.strip_suffix(FENCE)?));
    Some(Value::Object(arguments).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::local::grammar::Matcher;
    use crate::local::schema::{Function, call_grammar};

    fn schema() -> Value {
        json!({"type": "object", "required": ["path", "content"], "properties": {
            "path": {"type": "string", "maxLength": 4096}, "content": {"type": "string", "maxLength": MIN_CHARS},
            "note": {"type": "string", "maxLength": MIN_CHARS}}})
    }

    #[test]
    fn the_long_required_text_is_the_block() {
        assert_eq!(field(&schema()), Some("content"));
        let rest = in_json(&schema());
        assert_eq!((field(&rest), &rest["required"]), (None, &json!(["path"])));
        assert_eq!(field(&json!({"type": "object"})), None);
        assert_eq!(in_json(&json!({"type": "object"})), json!({"type": "object"}));
    }

    #[test]
    fn what_is_written_comes_back() {
        for text in ["", "a\n", "print(\"x\")\n\n# ü\n", "# A\n```python\nx = 1\n```\nend\n", "``\n`\n`a`\n"]
        {
            let mut arguments = json!({"path": "a \"b\"\n.md", "content": text});
            let whole = arguments.clone();
            let block = written(&take(&schema(), &mut arguments).unwrap());
            let call = format!("{arguments}}}{block}");
            for call in [call.clone(), call + "\n"] {
                let back: Value = serde_json::from_str(&merged("content", &call).unwrap()).unwrap();
                assert_eq!(back, whole, "{text:?}");
            }
        }
        assert_eq!(written("a"), "\n```\na\n```");
        assert_eq!(merged("content", "{\"path\": \"a\"}}\n```\nhalf"), None);
    }

    #[test]
    fn the_grammar_ends_at_the_fence() {
        let grammar = call_grammar(&[Function { name: "write_file", schema: &schema() }]);
        let head = "{\"name\": \"write_file\", \"arguments\": {\"path\": \"a\"}}";
        for text in
            ["", "x = [1, {2: 3}]\n", "# A\n```python\nx\n```\nend\n", "`a`\n\t`` b\n``\n", "ü\n  ```\n"]
        {
            let mut matcher = Matcher::new(&grammar);
            assert!(matcher.accept(format!("{head}{}", written(text)).as_bytes()), "{text:?}");
            assert!(matcher.may_end() && !matcher.allows(b".") && !matcher.allows(b"\n\n"), "{text:?}");
            assert!(matcher.accept(b"\n") && matcher.is_complete(), "{text:?}");
        }
        let mut matcher = Matcher::new(&grammar);
        assert!(matcher.accept(head.as_bytes()));
        assert_eq!(matcher.forced(), OPEN.as_bytes());
        assert!(matcher.accept(OPEN.as_bytes()) && matcher.accept(b"half a line"));
        assert!(!matcher.may_end() && !matcher.allows(b"\r") && matcher.allows(b"\n```"));
    }
}
