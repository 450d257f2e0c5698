//! The registry as models and the runner see it.

use serde_json::json;

use super::*;

const ALL: Circumstances = Circumstances { team: true, code: true, deploy: true, small: false };

#[test]
fn all_builtin_tools_register_and_have_small_strict_schemas() {
    let registry = Registry::new(builtin::all()).unwrap();
    let names: Vec<&str> = registry.tools.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "code_exec",
            "delete_file",
            "edit_file",
            "list_files",
            "message_agent",
            "publish",
            "read_file",
            "recall",
            "remember",
            "search_files",
            "web_fetch",
            "web_search",
            "write_file"
        ]
    );
    for name in names {
        let spec = registry.get(name).unwrap().spec();
        assert_eq!(spec.schema["type"], "object", "{name}");
        assert_eq!(spec.schema["additionalProperties"], false, "{name}");
        assert!(spec.description.len() <= 200 && spec.description.ends_with('.'), "{name}");
        for (field, schema) in spec.schema["properties"].as_object().unwrap() {
            let bounded = match schema["type"].as_str().unwrap() {
                "string" => schema.get("maxLength").or(schema.get("enum")).is_some(),
                "integer" => schema.get("minimum").is_some(),
                _ => true,
            };
            assert!(bounded, "{name}.{field} has a limit");
        }
    }
}

#[test]
fn what_is_offered_is_the_same_text_at_every_call() {
    let (one, two) = (Registry::builtin(), Registry::builtin());
    for agent in AgentType::ALL {
        let text = |registry: &Registry| serde_json::to_string(&registry.offered(agent, ALL)[..]).unwrap();
        assert_eq!(text(&one), text(&two));
        assert!(Arc::ptr_eq(&one.offered(agent, ALL), &one.offered(agent, ALL)), "cached");
        let offers_code = one.offered(agent, ALL).iter().any(|spec| spec.name == "code_exec");
        let codes = matches!(agent, AgentType::Builder | AgentType::Analyst | AgentType::Researcher);
        assert_eq!(offers_code, codes, "{agent}");
    }
    assert_eq!(one.offered(AgentType::Trader, ALL).len(), 12);
}

#[test]
fn what_is_of_no_use_is_not_offered() {
    let registry = Registry::builtin();
    let names = |team, code, small| -> Vec<String> {
        let offered = registry.offered(AgentType::Builder, Circumstances { team, code, deploy: true, small });
        offered.iter().map(|spec| spec.name.clone()).collect()
    };
    let everything = names(true, true, false);
    let without =
        |tool: &str| -> Vec<String> { everything.iter().filter(|name| *name != tool).cloned().collect() };
    assert_eq!(names(false, true, false), without("message_agent"));
    assert_eq!(names(true, false, false), without("code_exec"));
    assert_eq!(names(false, false, false).len(), everything.len() - 2);
    let few = names(false, true, true);
    assert_eq!(few.len() + TOO_MUCH_FOR_SMALL_MODELS.len(), everything.len());
    assert!(TOO_MUCH_FOR_SMALL_MODELS.iter().all(|name| registry.get(name).is_some()), "no name is a slip");
}

#[test]
fn faults_are_named_so_that_they_can_be_mended() {
    let registry = Registry::builtin();
    let check = |name: &str, input: Value| registry.check(name, &input).unwrap_err();
    assert!(registry.check("write_file", &json!({"path": "a", "content": ""})).is_ok());
    assert_eq!(
        check("write_file", json!({"path": "a"})),
        "wrong arguments for write_file: content is missing. Its fields are {path, content}."
    );
    assert_eq!(
        check("read_file", json!({"path": "a", "offset": "5"})),
        "wrong arguments for read_file: offset must be an integer, not the string \"5\". Its fields are {path, from_byte?, limit?, offset?}."
    );
    assert!(check("read_file", json!({"path": "a", "limit": 0})).contains("limit must be at least 1, not 0"));
    assert!(check("read_file", json!({"path": ""})).contains("path is empty; it needs a text"));
    assert!(check("list_files", json!({"dir": "a"})).contains("has no field dir; leave it out"));
    assert!(
        check("list_files", json!([])).contains("the object of arguments must be an object, not an array")
    );
    assert!(
        check("code_exec", json!({"language": "ruby", "code": "1"}))
            .contains("language must be one of \"python\", \"javascript\", \"bash\", not \"ruby\"")
    );
    assert!(
        check("web_search", json!({"query": "x".repeat(401)}))
            .contains("query must have at most 400 characters")
    );
    assert!(
        registry.check("publish", &json!({"path": "a", "type": "pdf"})).is_ok(),
        "a loose type is guessed"
    );
    let outside =
        json!({"type": "object", "properties": {"type": {"type": "string", "pattern": "^[a-z]+/"}}});
    let validator = jsonschema::options().build(&outside).unwrap();
    let (input, words) =
        (json!({"type": "pdf"}), |error: jsonschema::ValidationError<'_>| super::words::fault(&error));
    assert_eq!(validator.iter_errors(&input).map(words).collect::<Vec<_>>(), ["type must match ^[a-z]+/"]);
    assert!(check("nothing", json!({})).starts_with("there is no tool \"nothing\"; there are: code_exec, "));
    let two = check("edit_file", json!({"path": 1, "old": 2, "new": "x", "extra": true}));
    assert!(
        two.contains("path must be a string") && two.contains("old must be") && two.contains("extra"),
        "{two}"
    );
    assert!(
        check("write_file", json!({"path": "a", "content": "x".repeat(MAX_INPUT_BYTES)})).contains("at most")
    );
}

#[test]
fn nested_fields_are_named() {
    assert_eq!(
        words::fault(&nested(json!({"files": [{"name": 1}]}))),
        "files[0].name must be a string, not the number 1"
    );
    assert_eq!(words::fault(&nested(json!({"files": [{}]}))), "files[0].name is missing");
}

fn nested(input: Value) -> jsonschema::ValidationError<'static> {
    let schema = json!({"properties": {"files": {"items": {"properties": {"name": {"type": "string"}}, "required": ["name"]}}}});
    let validator = jsonschema::options().build(&schema).unwrap();
    validator.iter_errors(&input).next().unwrap().to_owned()
}

#[test]
fn a_name_is_taken_once() {
    let mut tools = builtin::all();
    tools.push(Arc::clone(&tools[0]));
    assert!(matches!(Registry::new(tools), Err(RegistryError::Twice(_))));
}
