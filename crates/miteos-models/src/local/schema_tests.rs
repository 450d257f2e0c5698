//! From JSON schemas to the grammar that holds an answer to them.

use serde_json::json;

use super::super::grammar::Matcher;
use super::*;

/// Whether `arguments` may be written for a function `f` of this schema.
fn accepts(schema: &Value, arguments: &str) -> bool {
    let grammar = call_grammar(&[Function { name: "f", schema }]);
    let mut matcher = Matcher::new(&grammar);
    let text = format!("{{\"name\": \"f\", \"arguments\": {arguments}}}");
    matcher.accept(text.as_bytes()) && matcher.is_complete()
}

#[track_caller]
fn check(schema: &Value, good: &[&str], bad: &[&str]) {
    for text in good {
        assert!(accepts(schema, text), "refused: {text}");
        assert!(serde_json::from_str::<Value>(text).is_ok(), "no JSON: {text}");
    }
    for text in bad {
        assert!(!accepts(schema, text), "accepted: {text}");
    }
}

#[test]
fn required_properties_come_first_in_their_order_then_the_optional_ones() {
    let schema = json!({"type": "object", "required": ["path", "content"], "properties": {
        "content": {"type": "string"}, "path": {"type": "string"},
        "append": {"type": "boolean"}, "mode": {"type": "integer"}}});
    check(
        &schema,
        &[
            r#"{"path": "a", "content": "b"}"#,
            r#"{"path": "a", "content": "b", "append": true}"#,
            r#"{"path": "a", "content": "b", "mode": -12}"#,
            r#"{"path": "a", "content": "b", "append": false, "mode": 0}"#,
        ],
        &[
            r#"{"content": "b", "path": "a"}"#,
            r#"{"path": "a"}"#,
            r#"{"path": "a", "content": "b", }"#,
            r#"{"path": "a", "content": "b", "mode": 1, "append": true}"#,
            r#"{"path": "a", "content": "b", "mode": 01}"#,
            r#"{"path": "a", "content": "b", "other": 1}"#,
            r#"{"path":"a", "content": "b"}"#,
        ],
    );
}

#[test]
fn optional_properties_alone_need_no_comma_before_the_first() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}}});
    check(
        &schema,
        &[
            "{}",
            r#"{"a": null}"#,
            r#"{"c": null}"#,
            r#"{"a": null, "c": null}"#,
            r#"{"a": null, "b": null, "c": null}"#,
        ],
        &["{,}", r#"{"a": null, }"#, r#"{, "a": null}"#, r#"{"b": null, "a": null}"#],
    );
}

#[test]
fn strings_hold_escapes_and_unicode_but_no_raw_line_ends() {
    let schema = json!({"type": "object", "required": ["s"], "properties": {"s": {"type": "string", "pattern": "^x$"}}});
    check(
        &schema,
        &[r#"{"s": ""}"#, r#"{"s": "a\nb\t\"q\" \\ ü 漢 🎉"}"#, r#"{"s": "{\"a\":[1]}"}"#],
        &["{\"s\": \"a\nb\"}", r#"{"s": "\x"}"#, r#"{"s": "\u00e9"}"#, r#"{"s": "open}"#, r#"{"s": 1}"#],
    );
    let grammar = call_grammar(&[Function { name: "f", schema: &schema }]);
    let mut matcher = Matcher::new(&grammar);
    assert!(matcher.accept(b"{\"name\": \"f\", \"arguments\": {\"s\": \""));
    for bad in [&b"\xff"[..], b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80", b"\x7f", b"\x00"] {
        assert!(!matcher.allows(bad), "{bad:?}");
    }
    assert!(matcher.allows(b"\xf0\x9f"), "a character may be cut between tokens");
}

#[test]
fn enums_constants_and_unions() {
    let schema = json!({"type": "object", "required": ["e", "u"], "properties": {
        "e": {"enum": ["a", "ab", 1, null]},
        "u": {"anyOf": [{"const": "fixed"}, {"type": ["integer", "null"]}, {"allOf": [{"type": "boolean"}]}]}}});
    check(
        &schema,
        &[
            r#"{"e": "a", "u": "fixed"}"#,
            r#"{"e": "ab", "u": 7}"#,
            r#"{"e": 1, "u": null}"#,
            r#"{"e": null, "u": true}"#,
        ],
        &[
            r#"{"e": "b", "u": 1}"#,
            r#"{"e": 2, "u": 1}"#,
            r#"{"e": "a", "u": "other"}"#,
            r#"{"e": "a", "u": 1.5}"#,
        ],
    );
}

#[test]
fn arrays_are_counted_where_it_is_asked_for() {
    let list = |extra: Value| {
        let mut list = json!({"type": "array", "items": {"type": "integer"}});
        list.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"type": "object", "required": ["l"], "properties": {"l": list}})
    };
    check(
        &list(json!({})),
        &[r#"{"l": []}"#, r#"{"l": [1]}"#, r#"{"l": [1, 2, 3]}"#],
        &[r#"{"l": [1, ]}"#, r#"{"l": [, 1]}"#],
    );
    check(
        &list(json!({"minItems": 1, "maxItems": 2})),
        &[r#"{"l": [1]}"#, r#"{"l": [1, 2]}"#],
        &[r#"{"l": []}"#, r#"{"l": [1, 2, 3]}"#],
    );
    check(&list(json!({"minItems": 2})), &[r#"{"l": [1, 2]}"#, r#"{"l": [1, 2, 3, 4]}"#], &[r#"{"l": [1]}"#]);
    check(&list(json!({"maxItems": 1000})), &[r#"{"l": [1, 2, 3, 4]}"#], &[]);
    check(&list(json!({"maxItems": 0})), &[r#"{"l": []}"#], &[r#"{"l": [1]}"#]);
}

#[test]
fn numbers_are_json_numbers_and_end() {
    let schema =
        json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "number", "minimum": 3}}});
    check(
        &schema,
        &[r#"{"n": 0}"#, r#"{"n": -0.25}"#, r#"{"n": 12.5e-3}"#, r#"{"n": 1E9}"#],
        &[r#"{"n": .5}"#, r#"{"n": 1.}"#, r#"{"n": +1}"#, r#"{"n": 1e}"#, r#"{"n": NaN}"#],
    );
    let long = format!("{{\"n\": {}}}", "1".repeat(40));
    assert!(!accepts(&schema, &long));
}

#[test]
fn references_may_go_round() {
    let schema = json!({"type": "object", "required": ["tree"], "properties": {"tree": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {"type": "object", "required": ["v"], "properties": {
            "v": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}});
    check(
        &schema,
        &[
            r#"{"tree": {"v": 1}}"#,
            r#"{"tree": {"v": 1, "children": [{"v": 2, "children": [{"v": 3}]}, {"v": 4}]}}"#,
        ],
        &[r#"{"tree": {"v": 1, "children": [{"x": 2}]}}"#],
    );
    let endless = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}});
    check(&endless, &["{}"], &[r#"{"a": 1}"#]);
}

#[test]
fn what_is_not_understood_is_any_value_and_arguments_stay_an_object() {
    let open = json!({"type": "object", "properties": {"x": {"not": {}}, "y": {"type": "tuple"}, "z": true}});
    check(&open, &[r#"{"x": [1, {"a": []}, "s", null, -1.5e3], "y": {}, "z": false}"#], &[r#"{"x": [1}"#]);
    for schema in [json!({}), json!(true), json!(null), json!({"type": "string"}), json!({"type": "object"})]
    {
        check(&schema, &["{}", r#"{"a": {"b": [true]}}"#], &["1", "\"s\"", "[]", r#"{"a": }"#]);
    }
    check(&json!({"type": "object", "additionalProperties": false}), &["{}"], &[r#"{"a": 1}"#]);
    check(
        &json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        &["{}", r#"{"a": 1, "b": 2}"#],
        &[r#"{"a": "x"}"#],
    );
}

#[test]
fn a_schema_without_end_is_cut_short() {
    let mut schema = json!({"type": "integer"});
    for _ in 0..200 {
        schema = json!({"type": "object", "required": ["a"], "properties": {"a": schema}});
    }
    let mut text = "7".to_owned();
    for _ in 0..60 {
        text = format!("{{\"a\": {text}}}");
    }
    assert!(accepts(&schema, &text), "below the limit everything goes");
}

#[test]
fn functions_are_told_apart_by_name_and_the_frame_is_forced() {
    let (one, two) =
        (json!({"type": "object", "properties": {}}), json!({"type": "object", "properties": {}}));
    let grammar =
        call_grammar(&[Function { name: "read", schema: &one }, Function { name: "read_all", schema: &two }]);
    let mut matcher = Matcher::new(&grammar);
    assert_eq!(matcher.forced(), b"{\"name\": \"read");
    assert!(matcher.accept(b"{\"name\": \"read"));
    assert!(matcher.allows(b"\", \"arguments\": {") && matcher.allows(b"_all") && !matcher.allows(b"x"));
}

#[test]
fn one_function_forces_everything_up_to_the_first_choice() {
    let schema = json!({"type": "object", "required": ["subtasks"], "properties": {"subtasks": {
        "type": "array", "minItems": 1, "maxItems": 20, "items": {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string"}}}}}});
    let grammar = call_grammar(&[Function { name: "submit_plan", schema: &schema }]);
    let forced = Matcher::new(&grammar).forced();
    assert_eq!(
        String::from_utf8(forced).unwrap(),
        r#"{"name": "submit_plan", "arguments": {"subtasks": [{"id": ""#
    );
}

#[test]
fn every_value_of_a_long_enumeration_can_be_written() {
    let of = |count: usize| {
        let values: Vec<String> = (0..count).map(|n| format!("v{n:03}")).collect();
        json!({"type": "object", "required": ["x"], "properties": {
            "x": {"type": "string", "enum": values}, "y": {"enum": values}}})
    };
    let longest = of(MAX_ALTERNATIVES);
    for n in 0..MAX_ALTERNATIVES {
        let text = format!(r#"{{"x": "v{n:03}", "y": "v{n:03}"}}"#);
        assert!(accepts(&longest, &text), "{text}");
    }
    check(&longest, &[], &[r#"{"x": "other"}"#]);
    // A longer one is any string.
    check(&of(MAX_ALTERNATIVES + 1), &[r#"{"x": "v000"}"#, r#"{"x": "other"}"#], &[r#"{"x": 1}"#]);
}
