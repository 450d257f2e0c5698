//! Makes arguments that fit a JSON Schema, so that calls of any tool pass its check.

use serde_json::{Map, Value, json};

/// The deepest nesting that is filled.
const MAX_DEPTH: usize = 8;

/// A value that the schema accepts. `name` is the property's name, by which texts are made sensible.
pub(super) fn value(schema: &Value, name: &str, subject: &str) -> Value {
    filled(schema, name, subject, MAX_DEPTH)
}

fn filled(schema: &Value, name: &str, subject: &str, depth: usize) -> Value {
    for fixed in ["const", "default"] {
        if let Some(value) = schema.get(fixed) {
            return value.clone();
        }
    }
    if let Some(first) = first_of(schema, &["enum"]) {
        return first.clone();
    }
    if let Some(choice) = first_of(schema, &["anyOf", "oneOf", "allOf"])
        && depth > 0
    {
        return filled(choice, name, subject, depth - 1);
    }
    match kind(schema) {
        "object" if depth > 0 => object(schema, subject, depth - 1),
        "object" => json!({}),
        "array" => array(schema, name, subject, depth),
        "integer" | "number" => number(schema),
        "boolean" => json!(false),
        "null" => Value::Null,
        _ => json!(text(schema, name, subject)),
    }
}

fn first_of<'a>(schema: &'a Value, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().find_map(|key| schema.get(key)?.as_array()?.first())
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    }
}

/// The required properties, or all where none is.
fn object(schema: &Value, subject: &str, depth: usize) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return json!({}) };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let wanted = properties.iter().filter(|(name, _)| required.contains(&name.as_str()));
    let filled: Map<String, Value> =
        wanted.map(|(name, property)| (name.clone(), filled(property, name, subject, depth))).collect();
    Value::Object(filled)
}

fn array(schema: &Value, name: &str, subject: &str, depth: usize) -> Value {
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(1, 10);
    match schema.get("items") {
        Some(items) if depth > 0 => (0..least).map(|_| filled(items, name, subject, depth - 1)).collect(),
        _ => json!([]),
    }
}

fn number(schema: &Value) -> Value {
    schema.get("minimum").cloned().unwrap_or_else(|| json!(1))
}

fn text(schema: &Value, name: &str, subject: &str) -> String {
    let known = match schema.get("format").and_then(Value::as_str) {
        Some("email") => Some("someone@example.com"),
        Some("uri") => Some("https://example.com/"),
        Some("date") => Some("2026-01-01"),
        Some("date-time") => Some("2026-01-01T00:00:00Z"),
        _ => match name {
            "to" | "cc" | "email" | "recipient" => Some("someone@example.com"),
            "url" => Some("https://example.com/"),
            "network" => Some("mastodon"),
            "target" => Some("preview"),
            "symbol" => Some("AAPL"),
            "side" => Some("buy"),
            _ => None,
        },
    };
    let text = known.unwrap_or(subject).to_owned();
    let most = schema.get("maxLength").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    text.chars().take(most.unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_properties_are_filled_by_type() {
        let schema = json!({
            "type": "object",
            "properties": {
                "to": {"type": "array", "items": {"type": "string", "format": "email"}, "minItems": 1},
                "subject": {"type": "string", "maxLength": 4},
                "count": {"type": "integer", "minimum": 3},
                "mode": {"enum": ["fast", "slow"]},
                "inner": {"type": ["object", "null"], "properties": {"flag": {"type": "boolean"}}, "required": ["flag"]},
                "either": {"anyOf": [{"type": "number"}, {"type": "string"}]},
                "optional": {"type": "string"}
            },
            "required": ["to", "subject", "count", "mode", "inner", "either"]
        });
        let expected = json!({
            "to": ["someone@example.com"], "subject": "summ", "count": 3, "mode": "fast",
            "inner": {"flag": false}, "either": 1
        });
        assert_eq!(value(&schema, "x", "summary"), expected);
    }

    #[test]
    fn endless_schemas_end() {
        let mut schema = json!({"type": "string"});
        for _ in 0..40 {
            schema = json!({"type": "array", "items": schema});
        }
        assert!(value(&schema, "x", "y").is_array());
        assert_eq!(value(&json!({}), "x", "y"), json!("y"));
    }
}
