//! Schema faults in words a small model can act on: which field, what is wrong, what would be right.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

/// Longer values are cut where a fault repeats them (characters).
const SHOWN_VALUE_CHARS: usize = 80;

/// One fault, without a final period.
pub(super) fn fault(error: &ValidationError<'_>) -> String {
    let field = field(&error.instance_path().to_string());
    match error.kind() {
        Kind::Required { property } => format!("{} is missing", join(&field, property)),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!("{} has no field {}; leave it out", or_arguments(&field), unexpected.join(", "))
        }
        Kind::Type { kind } => {
            format!("{} must be {}, not {}", or_arguments(&field), wanted(kind), found(error.instance()))
        }
        Kind::Enum { options } => {
            format!("{field} must be one of {}, not {}", list(options), shown(error.instance()))
        }
        Kind::Constant { expected_value } => format!("{field} must be {}", shown(expected_value)),
        Kind::Maximum { limit } => {
            format!("{field} must be at most {limit}, not {}", shown(error.instance()))
        }
        Kind::Minimum { limit } => {
            format!("{field} must be at least {limit}, not {}", shown(error.instance()))
        }
        Kind::ExclusiveMaximum { limit } => format!("{field} must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("{field} must be more than {limit}"),
        Kind::MinLength { limit: 1 } => format!("{field} is empty; it needs a text"),
        Kind::MinLength { limit } => format!("{field} must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("{field} must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("{field} must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("{field} must have at most {limit} items"),
        Kind::Pattern { pattern } => format!("{field} must match {pattern}"),
        Kind::Format { format } => format!("{field} must be a valid {format}"),
        // The rest is met only by tools from outside, whose schemas can use anything.
        _ => format!("{}: {}", or_arguments(&field), error.masked()),
    }
}

/// The fields a call takes, those it needs first.
pub(super) fn usage(schema: &Value) -> String {
    let Some(fields) =
        schema.get("properties").and_then(Value::as_object).filter(|fields| !fields.is_empty())
    else {
        return "It takes no fields.".to_owned();
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // By name, because whether a JSON object keeps its order depends on what else is compiled in.
    let mut optional: Vec<&str> =
        fields.keys().map(String::as_str).filter(|key| !required.contains(key)).collect();
    optional.sort_unstable();
    let optional = optional.into_iter();
    let named: Vec<String> =
        required.iter().map(|key| (*key).to_owned()).chain(optional.map(|key| format!("{key}?"))).collect();
    format!("Its fields are {{{}}}.", named.join(", "))
}

/// `/files/0/name` becomes `files[0].name`.
fn field(pointer: &str) -> String {
    let mut text = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            text.push_str(&format!("[{part}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&part);
        }
    }
    text
}

fn or_arguments(field: &str) -> &str {
    if field.is_empty() { "the object of arguments" } else { field }
}

fn join(field: &str, property: &Value) -> String {
    let property = property.as_str().unwrap_or_default();
    if field.is_empty() { property.to_owned() } else { format!("{field}.{property}") }
}

fn wanted(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => with_article(&one.to_string()),
        TypeKind::Multiple(several) => {
            several.iter().map(|one| with_article(&one.to_string())).collect::<Vec<_>>().join(" or ")
        }
    }
}

fn with_article(name: &str) -> String {
    match name {
        "array" | "integer" | "object" => format!("an {name}"),
        "null" => name.to_owned(),
        _ => format!("a {name}"),
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(_) => format!("the number {value}"),
        Value::String(_) => format!("the string {}", shown(value)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn list(options: &Value) -> String {
    match options.as_array() {
        Some(options) => options.iter().map(Value::to_string).collect::<Vec<_>>().join(", "),
        None => options.to_string(),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_VALUE_CHARS {
        return text;
    }
    let cut: String = text.chars().take(SHOWN_VALUE_CHARS).collect();
    format!("{cut}…")
}
