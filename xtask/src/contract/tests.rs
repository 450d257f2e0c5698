//! Each rule broken once, and changes that break nobody.

use serde_json::{Value, json};

use super::breaks;

/// A small contract: one read, one write, one webhook.
fn document() -> Value {
    json!({
        "paths": {
            "/things": {"post": {
                "operationId": "make",
                "parameters": [
                    {"$ref": "#/components/parameters/Again"},
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Make"}}}},
                "responses": {
                    "201": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                        "headers": {"Request-Id": {"required": true, "schema": {"type": "string"}}},
                    },
                    "422": {"description": "refused"},
                },
                "security": [{"key": ["things.write"]}, {"link": []}],
            }},
            "/open": {"get": {"operationId": "open", "responses": {"200": {}}, "security": []}},
        },
        "webhooks": {"event": {"post": {
            "operationId": "receive",
            "parameters": [{"in": "header", "name": "webhook-id", "required": true, "schema": {"type": "string"}}],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
            "responses": {"2XX": {"description": "taken"}},
        }}},
        "components": {
            "parameters": {"Again": {"in": "header", "name": "Again", "schema": {"type": "string"}}},
            "schemas": {
                "Make": {
                    "type": "object", "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "maxLength": 100},
                        "kind": {"oneOf": [{"const": "a", "description": "the first"}, {"enum": ["b", "c"]}]},
                        "size": {"type": ["number", "null"]},
                        "parts": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
                        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                    },
                },
                "Thing": {
                    "type": "object", "required": ["id", "state", "at", "by"],
                    "properties": {
                        "id": {"type": "string", "pattern": "^t_"},
                        "state": {"$ref": "#/components/schemas/State"},
                        "at": {"type": "string", "format": "date-time"},
                        "by": {"anyOf": [{"$ref": "#/components/schemas/Person"}, {"type": "null"}]},
                        "kind": {"type": "string", "enum": ["x"], "x-extensible": true},
                        "note": {"type": "string"},
                    },
                },
                "State": {"type": "string", "enum": ["on", "off"]},
                "Person": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            },
        },
    })
}

/// The document with one place set to something else; nothing takes it away.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut document = document();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/");
    match document.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")) {
        Value::Object(fields) => match value {
            Some(value) => drop(fields.insert(name, value)),
            None => assert!(fields.remove(&name).is_some(), "{pointer}"),
        },
        Value::Array(items) => match value {
            Some(value) => items.push(value),
            None => drop(items.remove(name.parse().unwrap())),
        },
        other => panic!("{other}"),
    }
    document
}

#[track_caller]
fn check(pointer: &str, value: Option<Value>, expected: &[&str]) {
    assert_eq!(breaks(&document(), &with(pointer, value)), expected, "{pointer}");
}

const POST: &str = "/paths/~1things/post";
const MAKE: &str = "/components/schemas/Make";
const THING: &str = "/components/schemas/Thing";

#[test]
fn the_same_document_breaks_nothing() {
    assert_eq!(breaks(&document(), &document()), Vec::<String>::new());
}

#[test]
fn operations_and_their_names_stay() {
    check("/paths/~1things", None, &["POST /things: the operation is gone"]);
    check("/webhooks/event", None, &["POST event: the operation is gone"]);
    check(
        &format!("{POST}/operationId"),
        Some(json!("create")),
        &["POST /things: operationId was \"make\" and is \"create\""],
    );
}

#[test]
fn what_is_asked_for_does_not_grow() {
    let parameters = format!("{POST}/parameters/-");
    let query = |required: bool| json!({"in": "query", "name": "new", "required": required, "schema": {"type": "string"}});
    check(&parameters, Some(query(true)), &["POST /things: there is a new required query parameter new"]);
    check(&parameters, Some(query(false)), &[]);
    check(&format!("{POST}/parameters/1"), None, &["POST /things: query parameter limit: is gone"]);
    check(&format!("{POST}/parameters/0"), None, &["POST /things: header parameter Again: is gone"]);
    check(
        "/components/parameters/Again/required",
        Some(json!(true)),
        &["POST /things: header parameter Again: is required now"],
    );
    check(
        &format!("{POST}/parameters/1/schema/maximum"),
        Some(json!(50)),
        &["POST /things: query parameter limit: maximum was 100 and is 50"],
    );
    check(&format!("{POST}/parameters/1/schema/maximum"), Some(json!(500)), &[]);
    check(
        &format!("{POST}/requestBody/required"),
        Some(json!(true)),
        &["POST /things: body: is required now"],
    );
    check(
        &format!("{MAKE}/required/-"),
        Some(json!("size")),
        &["POST /things: body application/json.size: is required now"],
    );
    check(&format!("{MAKE}/properties/new"), Some(json!({"type": "string"})), &[]);
    check(&format!("{MAKE}/properties/size"), None, &["POST /things: body application/json.size: is gone"]);
}

#[test]
fn what_could_be_sent_can_still_be_sent() {
    let name = format!("{MAKE}/properties/name");
    let at = "POST /things: body application/json";
    check(&format!("{name}/minLength"), Some(json!(2)), &[&format!("{at}.name: minLength was 1 and is 2")]);
    check(&format!("{name}/minLength"), None, &[]);
    check(
        &format!("{name}/pattern"),
        Some(json!("^a")),
        &[&format!("{at}.name: pattern was not set and is \"^a\"")],
    );
    check(
        &format!("{name}/format"),
        Some(json!("uri")),
        &[&format!("{at}.name: format was not set and is \"uri\"")],
    );
    check(
        &format!("{name}/type"),
        Some(json!("integer")),
        &[&format!("{at}.name: a string is not taken any more")],
    );
    check(&format!("{name}/type"), Some(json!(["string", "null"])), &[]);
    let kind = format!("{MAKE}/properties/kind");
    check(&kind, Some(json!({"enum": ["a", "b"]})), &[&format!("{at}.kind: \"c\" is not taken any more")]);
    check(&kind, Some(json!({"enum": ["a", "b", "c", "d"]})), &[]);
    check(&kind, Some(json!({"type": "string"})), &[]);
    check(&name, Some(json!({"enum": ["a"]})), &[&format!("{at}.name: takes only certain values now")]);
    check(
        &format!("{MAKE}/properties/size/type"),
        Some(json!("number")),
        &[&format!("{at}.size: null is not taken any more")],
    );
    check(
        &format!("{MAKE}/properties/parts/items/type"),
        Some(json!("integer")),
        &[&format!("{at}.parts[]: a string is not taken any more")],
    );
    check(
        &format!("{MAKE}/properties/parts/maxItems"),
        Some(json!(9)),
        &[&format!("{at}.parts: maxItems was 10 and is 9")],
    );
    check(
        &format!("{MAKE}/properties/either/anyOf/1"),
        None,
        &[&format!("{at}.either(2): is not taken any more")],
    );
    check(&format!("{MAKE}/properties/either/anyOf/-"), Some(json!({"type": "boolean"})), &[]);
}

#[test]
fn what_is_received_keeps_its_promises() {
    let at = "POST /things: answer 201 application/json";
    let hook = "POST event: body application/json";
    let both = |what: &str| [format!("{at}{what}"), format!("{hook}{what}")];
    let twice = |pointer: &str, value: Option<Value>, what: &str| {
        let expected = both(what);
        check(pointer, value, &expected.each_ref().map(String::as_str));
    };
    twice(&format!("{THING}/properties/note"), None, ".note: is gone");
    twice(&format!("{THING}/required/0"), None, ".id: may be missing now");
    twice(&format!("{THING}/properties/note/type"), Some(json!("integer")), ".note: may be an integer now");
    twice(
        &format!("{THING}/properties/note/type"),
        Some(json!(["string", "null"])),
        ".note: may be null now",
    );
    twice(&format!("{THING}/properties/at/format"), None, ".at: format was \"date-time\" and is not set");
    twice(
        &format!("{THING}/properties/id/pattern"),
        Some(json!("^u_")),
        ".id: pattern was \"^t_\" and is \"^u_\"",
    );
    twice("/components/schemas/State/enum/-", Some(json!("broken")), ".state: may be \"broken\" now");
    twice(
        "/components/schemas/State",
        Some(json!({"type": "string"})),
        ".state: may be something else than certain values now",
    );
    twice(
        "/components/schemas/Person/properties/name/type",
        Some(json!("integer")),
        ".by(1).name: may be an integer now",
    );
    twice(&format!("{THING}/properties/by/anyOf/-"), Some(json!({"type": "string"})), ".by(3): may come now");
    check(&format!("{THING}/properties/kind/enum/-"), Some(json!("y")), &[]);
    check(&format!("{THING}/properties/new"), Some(json!({"type": "string"})), &[]);
    check("/components/schemas/State/enum/1", None, &[]);
    check(&format!("{THING}/required/-"), Some(json!("note")), &[]);
}

#[test]
fn answers_and_headers_stay() {
    check(&format!("{POST}/responses/422"), None, &["POST /things: answer 422: is gone"]);
    check(&format!("{POST}/responses/409"), Some(json!({"description": "twice"})), &[]);
    check(
        &format!("{POST}/responses/202"),
        Some(json!({})),
        &["POST /things: there is a new answer 202, which is no error"],
    );
    let content = format!("{POST}/responses/201/content/application~1json");
    check(&content, None, &["POST /things: answer 201 application/json: is gone"]);
    let header = format!("{POST}/responses/201/headers/Request-Id");
    check(&header, None, &["POST /things: answer 201: header Request-Id: is gone"]);
    check(
        &format!("{header}/required"),
        Some(json!(false)),
        &["POST /things: answer 201: header Request-Id: may be missing now"],
    );
    let signed = "/webhooks/event/post/parameters/0/required";
    check(signed, Some(json!(false)), &["POST event: header parameter webhook-id: may be missing now"]);
}

#[test]
fn no_key_is_asked_for_more() {
    let security = format!("{POST}/security");
    let now = |ways: Value| Some(ways);
    check(
        &security,
        now(json!([{"key": ["things.admin"]}, {"link": []}])),
        &["POST /things: key with things.write was enough and now it takes key with things.admin or link"],
    );
    check(
        &format!("{security}/1"),
        None,
        &["POST /things: link was enough and now it takes key with things.write"],
    );
    check(
        "/paths/~1open/get/security",
        now(json!([{"key": ["things.read"]}])),
        &["GET /open: it was public and now asks for key with things.read"],
    );
    check(&security, now(json!([])), &[]);
    check(&format!("{security}/-"), now(json!({})), &[]);
}
