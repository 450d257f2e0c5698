//! Plans: what a planner may propose, and the reasons it is told when it may not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::tool::AgentType;

/// Most nodes of one plan.
pub const MAX_NODES: usize = 20;
/// Longest node id (bytes).
pub const MAX_KEY_BYTES: usize = 40;
/// Longest title (characters); longer ones are cut, not refused.
pub const MAX_TITLE_CHARS: usize = 120;
/// Most acceptance criteria of a node.
pub const MAX_ACCEPTANCE: usize = 20;

/// One node of a proposed plan. `key` is the planner's own name for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub key: String,
    pub agent_type: AgentType,
    pub title: String,
    pub prompt: String,
    pub depends_on: Vec<String>,
    pub acceptance: Vec<String>,
}

/// The arguments of the planner's one function, `submit_plan`.
#[derive(Debug, Deserialize)]
struct Submitted {
    subtasks: Vec<SubmittedNode>,
}

#[derive(Debug, Deserialize)]
struct SubmittedNode {
    id: Value,
    agent_type: String,
    #[serde(default)]
    title: String,
    prompt: String,
    #[serde(default)]
    depends_on: Vec<Value>,
    #[serde(default)]
    acceptance: Vec<String>,
}

/// The JSON Schema of `submit_plan`, with room for so many subtasks.
pub fn submit_plan_schema(most: usize) -> Value {
    let types: Vec<_> = AgentType::ALL.iter().map(|kind| kind.as_str()).collect();
    json!({
        "type": "object",
        "properties": {
            "subtasks": {
                "type": "array", "minItems": 1, "maxItems": most.clamp(1, MAX_NODES),
                "items": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string", "description": "short, unique: 1, 2, 3 …"},
                        "agent_type": {"type": "string", "enum": types},
                        "title": {"type": "string", "description": "a few words"},
                        "prompt": {"type": "string", "description": "what this agent has to do, complete in itself"},
                        "depends_on": {"type": "array", "items": {"type": "string"}, "description": "ids whose results this one needs"},
                        "acceptance": {"type": "array", "items": {"type": "string"}, "description": "how to see that it is done"}
                    },
                    "required": ["id", "agent_type", "title", "prompt", "depends_on", "acceptance"],
                    "additionalProperties": false
                }
            }
        },
        "required": ["subtasks"],
        "additionalProperties": false
    })
}

/// The JSON Schema of `submit_result`.
pub fn submit_result_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "summary": {"type": "string", "description": "the answer to the task, for the person who asked"},
            "deliverables": {"type": "array", "items": {"type": "string"}, "description": "workspace paths of the files to hand over"}
        },
        "required": ["summary", "deliverables"],
        "additionalProperties": false
    })
}

/// Reads and checks a proposed plan. `known` are the keys of earlier nodes that a replacement may build on.
///
/// # Errors
/// Every reason at once, in words the planner can act on.
pub fn validate(arguments: &Value, known: &BTreeSet<String>) -> Result<Vec<Node>, Vec<String>> {
    let submitted: Submitted = serde_json::from_value(arguments.clone())
        .map_err(|e| vec![format!("the arguments do not match the schema of submit_plan: {e}")])?;
    let count = submitted.subtasks.len();
    if count == 0 || count > MAX_NODES {
        return Err(vec![format!("a plan has 1 to {MAX_NODES} subtasks, this one has {count}")]);
    }
    let mut problems = Vec::new();
    let nodes: Vec<Node> =
        submitted.subtasks.into_iter().filter_map(|raw| node(raw, &mut problems)).collect();
    check_keys(&nodes, known, &mut problems);
    if problems.is_empty() {
        check_acyclic(&nodes, &mut problems);
    }
    if problems.is_empty() { Ok(nodes) } else { Err(problems) }
}

fn key_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

fn node(raw: SubmittedNode, problems: &mut Vec<String>) -> Option<Node> {
    let key = key_text(&raw.id);
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        problems.push(format!("a subtask id has 1 to {MAX_KEY_BYTES} bytes, \"{key}\" has {}", key.len()));
    }
    if raw.prompt.trim().is_empty() {
        problems.push(format!("subtask \"{key}\" has an empty prompt; say what its agent has to do"));
    }
    let Ok(agent_type) = raw.agent_type.parse::<AgentType>() else {
        let known: Vec<_> = AgentType::ALL.iter().map(|kind| kind.as_str()).collect();
        problems.push(format!(
            "subtask \"{key}\" has the agent type \"{}\", which does not exist; use one of {}",
            raw.agent_type,
            known.join(", ")
        ));
        return None;
    };
    let title = if raw.title.trim().is_empty() { raw.prompt.as_str() } else { raw.title.as_str() };
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut depends_on: Vec<String> = raw.depends_on.iter().map(key_text).collect();
    depends_on.sort();
    depends_on.dedup();
    Some(Node {
        key,
        agent_type,
        title: title.chars().take(MAX_TITLE_CHARS).collect(),
        prompt: raw.prompt,
        depends_on,
        acceptance: raw.acceptance.into_iter().take(MAX_ACCEPTANCE).collect(),
    })
}

fn check_keys(nodes: &[Node], known: &BTreeSet<String>, problems: &mut Vec<String>) {
    let mut keys = BTreeSet::new();
    for node in nodes {
        if known.contains(&node.key) {
            problems.push(format!("the id \"{}\" is taken by an earlier subtask; choose another", node.key));
        }
        if !keys.insert(node.key.as_str()) {
            problems.push(format!("two subtasks have the id \"{}\"; ids are unique", node.key));
        }
    }
    for node in nodes {
        for dependency in &node.depends_on {
            if *dependency == node.key {
                problems.push(format!("subtask \"{}\" depends on itself", node.key));
            } else if !keys.contains(dependency.as_str()) && !known.contains(dependency) {
                problems.push(format!(
                    "subtask \"{}\" depends on \"{dependency}\", which does not exist",
                    node.key
                ));
            }
        }
    }
}

/// Kahn's algorithm; what cannot be ordered is on a cycle or behind one.
fn check_acyclic(nodes: &[Node], problems: &mut Vec<String>) {
    let inside: BTreeSet<&str> = nodes.iter().map(|n| n.key.as_str()).collect();
    let mut open: BTreeMap<&str, BTreeSet<&str>> = nodes
        .iter()
        .map(|n| {
            (n.key.as_str(), n.depends_on.iter().map(String::as_str).filter(|d| inside.contains(d)).collect())
        })
        .collect();
    loop {
        let ready: Vec<&str> = open.iter().filter(|(_, deps)| deps.is_empty()).map(|(key, _)| *key).collect();
        if ready.is_empty() {
            break;
        }
        for key in ready {
            open.remove(key);
            for deps in open.values_mut() {
                deps.remove(key);
            }
        }
    }
    if !open.is_empty() {
        let names: Vec<_> = open.keys().map(|key| format!("\"{key}\"")).collect();
        problems.push(format!("the subtasks {} wait for each other in a circle", names.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(nodes: &[(&str, &[&str])]) -> Value {
        let subtasks: Vec<_> = nodes
            .iter()
            .map(|(id, deps)| json!({"id": id, "agent_type": "builder", "title": "t", "prompt": "p", "depends_on": deps, "acceptance": []}))
            .collect();
        json!({"subtasks": subtasks})
    }

    fn reasons(value: &Value) -> String {
        validate(value, &BTreeSet::new()).unwrap_err().join("; ")
    }

    #[test]
    fn accepts_a_graph() {
        let nodes =
            validate(&plan(&[("1", &[]), ("2", &["1"]), ("3", &["1", "2", "1"])]), &BTreeSet::new()).unwrap();
        assert_eq!(nodes[2].depends_on, ["1", "2"]);
        let numbers = json!({"subtasks":[{"id":1,"agent_type":"analyst","prompt":"x"},{"id":2,"agent_type":"analyst","prompt":"x","depends_on":[1]}]});
        assert_eq!(validate(&numbers, &BTreeSet::new()).unwrap()[1].depends_on, ["1"]);
    }

    #[test]
    fn refuses_with_every_reason() {
        assert!(reasons(&plan(&[])).contains("1 to 20"));
        assert!(reasons(&plan(&[("1", &["2"]), ("2", &["1"]), ("3", &["2"])])).contains("circle"));
        assert!(reasons(&plan(&[("1", &["1"])])).contains("itself"));
        assert!(reasons(&plan(&[("1", &["9"])])).contains("\"9\", which does not exist"));
        assert!(reasons(&plan(&[("1", &[]), ("1", &[])])).contains("unique"));
        let bad = json!({"subtasks":[{"id":"1","agent_type":"wizard","prompt":" "}]});
        assert!(reasons(&bad).contains("wizard") && reasons(&bad).contains("empty prompt"));
        assert!(reasons(&json!({"plan": 1})).contains("schema"));
        let many: Vec<(String, Vec<&str>)> = (0..21).map(|i| (i.to_string(), vec![])).collect();
        let many: Vec<(&str, &[&str])> = many.iter().map(|(a, b)| (a.as_str(), b.as_slice())).collect();
        assert!(reasons(&plan(&many)).contains("has 21"));
    }

    #[test]
    fn a_replacement_builds_on_what_is_there() {
        let known = BTreeSet::from(["1".to_owned()]);
        assert!(validate(&plan(&[("4", &["1"])]), &known).is_ok());
        assert!(validate(&plan(&[("1", &[])]), &known).is_err());
    }
}
