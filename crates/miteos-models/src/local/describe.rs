//! How tools and their arguments are written into a local model's prompt: shortly, since each prompt token costs a
//! fiftieth of a second on a plain processor.

use miteos_core::tool::ToolSpec;
use serde_json::Value;

use super::block;
use super::schema::{COLON, COMMA, ordered_properties, resolve};

/// Schemas inside one another that are written out.
const MAX_DEPTH: u32 = 6;
/// Characters of a property's description.
const MAX_NOTE_CHARS: usize = 160;
/// Alternatives that are written out.
const MAX_ALTERNATIVES: usize = 24;

/// A tool as a heading, its description and the shape of its arguments.
pub fn tool(spec: &ToolSpec) -> String {
    let mut text = format!("## {}\n", spec.name);
    let description = spec.description.trim();
    if !description.is_empty() {
        text.push_str(description);
        text.push('\n');
    }
    let in_json = block::in_json(&spec.schema);
    text.push_str("arguments: ");
    text.push_str(&shape(&in_json, &in_json, 0));
    if let Some(name) = block::field(&spec.schema) {
        text.push_str(&format!(", and behind them the {name} as a block"));
    }
    let notes = notes(&spec.schema);
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&notes);
    }
    text
}

/// One line for each property that has a description.
fn notes(schema: &Value) -> String {
    let lines: Vec<String> = ordered_properties(schema)
        .into_iter()
        .filter_map(|(name, schema, _)| {
            let note = schema.get("description")?.as_str()?.trim();
            let note: String =
                note.chars().take(MAX_NOTE_CHARS).map(|c| if c == '\n' { ' ' } else { c }).collect();
            (!note.is_empty()).then(|| format!("- {name}: {note}"))
        })
        .collect();
    lines.join("\n")
}

/// The shape of a value in a notation that needs no explanation: `{"path": string, "limit"?: integer}`.
fn shape(schema: &Value, root: &Value, depth: u32) -> String {
    let shape_of = |schema: &Value| shape(schema, root, depth + 1);
    if depth > MAX_DEPTH {
        return "any".to_owned();
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return resolve(root, reference).map_or_else(|| "any".to_owned(), shape_of);
    }
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return alternatives(values.iter().map(Value::to_string));
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(schemas) = schema.get(key).and_then(Value::as_array) {
            return alternatives(schemas.iter().map(shape_of));
        }
    }
    if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        return shape_of(only);
    }
    match schema.get("type") {
        Some(Value::String(kind)) => typed(kind, schema, root, depth),
        Some(Value::Array(kinds)) => {
            alternatives(kinds.iter().filter_map(Value::as_str).map(|kind| typed(kind, schema, root, depth)))
        }
        _ if schema.get("properties").is_some() => typed("object", schema, root, depth),
        _ => "any".to_owned(),
    }
}

fn typed(kind: &str, schema: &Value, root: &Value, depth: u32) -> String {
    match kind {
        "object" => {
            let properties = ordered_properties(schema);
            if properties.is_empty() {
                return "{}".to_owned();
            }
            let fields = properties.into_iter().map(|(name, schema, required)| {
                let mark = if required { "" } else { "?" };
                format!("{}{mark}{COLON}{}", Value::from(name), shape(schema, root, depth + 1))
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(COMMA))
        }
        "array" => {
            let item =
                schema.get("items").map_or_else(|| "any".to_owned(), |items| shape(items, root, depth + 1));
            format!("[{item}, ...]")
        }
        other => other.to_owned(),
    }
}

fn alternatives(shapes: impl Iterator<Item = String>) -> String {
    let mut shapes: Vec<String> = shapes.take(MAX_ALTERNATIVES + 1).collect();
    if shapes.len() > MAX_ALTERNATIVES {
        shapes.truncate(MAX_ALTERNATIVES);
        shapes.push("...".to_owned());
    }
    shapes.join("|")
}

/// Arguments as the grammar of `schema` writes them, so that a prompt repeats what the model wrote byte by byte.
pub fn arguments(value: &Value, schema: &Value) -> String {
    written(value, schema, schema)
}

fn written(value: &Value, schema: &Value, root: &Value) -> String {
    let referred = schema.get("$ref").and_then(Value::as_str).and_then(|reference| resolve(root, reference));
    let schema = referred.unwrap_or(schema);
    match value {
        Value::Object(fields) => {
            let known = ordered_properties(schema);
            let unknown = fields.iter().filter(|(name, _)| !known.iter().any(|(known, _, _)| known == name));
            let parts: Vec<String> = known
                .iter()
                .filter_map(|(name, schema, _)| fields.get(*name).map(|value| (*name, value, *schema)))
                .chain(unknown.map(|(name, value)| (name.as_str(), value, &Value::Null)))
                .map(|(name, value, schema)| {
                    format!("{}{COLON}{}", Value::from(name), written(value, schema, root))
                })
                .collect();
            format!("{{{}}}", parts.join(COMMA))
        }
        Value::Array(items) => {
            let schema = schema.get("items").unwrap_or(&Value::Null);
            let parts: Vec<String> = items.iter().map(|item| written(item, schema, root)).collect();
            format!("[{}]", parts.join(COMMA))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Value {
        json!({"type": "object", "required": ["subtasks"], "properties": {"subtasks": {"type": "array", "items": {
            "type": "object", "required": ["id", "agent_type"], "properties": {
                "agent_type": {"enum": ["researcher", "builder"]},
                "depends_on": {"type": "array", "items": {"type": "string"}},
                "id": {"type": "string"}}}}}})
    }

    #[test]
    fn a_tool_is_a_heading_and_a_shape() {
        let spec =
            ToolSpec { name: "submit_plan".into(), description: "Hands in the plan.".into(), schema: plan() };
        assert_eq!(
            tool(&spec),
            "## submit_plan\nHands in the plan.\narguments: {\"subtasks\": [{\"id\": string, \"agent_type\": \
             \"researcher\"|\"builder\", \"depends_on\"?: [string, ...]}, ...]}"
        );
    }

    #[test]
    fn descriptions_of_properties_are_one_line_each() {
        let spec = ToolSpec {
            name: "f".into(),
            description: String::new(),
            schema: json!({"type": "object", "required": ["path"], "properties": {
                "path": {"type": ["string", "null"], "description": "where\nto"}, "any": {}}}),
        };
        assert_eq!(tool(&spec), "## f\narguments: {\"path\": string|null, \"any\"?: any}\n- path: where to");
    }

    #[test]
    fn arguments_come_back_in_the_order_of_the_grammar() {
        let value = json!({"subtasks": [{"agent_type": "builder", "depends_on": [], "id": "1", "z": 1}], "more": null});
        let expected =
            r#"{"subtasks": [{"id": "1", "agent_type": "builder", "depends_on": [], "z": 1}], "more": null}"#;
        assert_eq!(arguments(&value, &plan()), expected);
    }

    #[test]
    fn a_schema_that_holds_itself_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(shape(&schema, &schema, 0).ends_with("any}}}}"), "{}", shape(&schema, &schema, 0));
    }
}
