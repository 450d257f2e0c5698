//! The document against the table of operations, against itself, and against its examples.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::parts::IN_PATHS;
use super::schemas::Schemas;
use super::{docs, document, page};
use crate::http::operations::operations;

/// Each operation with its path and method.
fn entries(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, entry)| (format!("{} {path}", method.to_uppercase()), entry.clone()))
        })
        .collect()
}

#[test]
fn every_operation_is_described_and_nothing_else_is() {
    let described = docs::all(&mut Schemas::new());
    for operation in operations() {
        let (method, path) = (operation.method, operation.path);
        let found: Vec<_> = described.iter().filter(|doc| (doc.method, doc.path) == (method, path)).collect();
        let [doc] = found.as_slice() else {
            panic!(
                "\n{method} {path} stands in the table of operations and {} times in its description.\n\
                 Write into the fitting file of crates/miteos-server/src/http/openapi/docs/, into the list of its `docs`:\n\n    \
                 doc(\"{method}\", \"{path}\", \"anOperationId\", Tag::Server, \"What it does\")\n        \
                 .text(\"What else there is to know.\")\n        \
                 .answer(200, \"What the answer is.\", s.told::<TheWireType>(), json!({{\"an\": \"example\"}})),\n\n\
                 with .parameters(s.query::<T>()), .body(s.asked::<T>(), example), .missing(what, detail) and \
                 .refused(when, detail) where they apply; text that is no JSON is described with .raw_answer. Then:\n\n    \
                 UPDATE_OPENAPI=1 cargo test -p miteos-server --test it openapi::\n",
                found.len()
            );
        };
        for (before, part) in path.split('/').zip(path.split('/').skip(1)) {
            let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else { continue };
            assert!(
                IN_PATHS.iter().any(|(word, known, _)| (*word, *known) == (before, name)),
                "{method} {path}: say what {{{name}}} after {before} is, in IN_PATHS of http/openapi/parts.rs, and its schema below"
            );
            assert!(
                doc.errors.iter().any(|(status, ..)| *status == 404),
                "{method} {path}: say what is .missing(…)"
            );
        }
        let first = doc.summary.chars().next().unwrap_or(' ');
        assert!(first.is_uppercase() && !doc.summary.ends_with('.'), "{method} {path}: {:?}", doc.summary);
        assert!(!doc.answers.is_empty(), "{method} {path}: say what it answers");
    }
    for doc in &described {
        assert!(
            operations().iter().any(|operation| (operation.method, operation.path) == (doc.method, doc.path)),
            "{} {} is described and not in the table of operations: take it out of http/openapi/docs/",
            doc.method,
            doc.path
        );
    }
    let ids: BTreeSet<&str> = described.iter().map(|doc| doc.id).collect();
    assert_eq!(ids.len(), described.len(), "two operations have the same id");
}

#[test]
fn every_reference_and_link_leads_somewhere() {
    fn check(document: &Value, value: &Value, at: &str) {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    let found = document.pointer(reference.trim_start_matches('#'));
                    assert!(found.is_some(), "{at} refers to {reference}, which is not there");
                }
                fields.iter().for_each(|(name, value)| check(document, value, &format!("{at}/{name}")));
            }
            Value::Array(items) => items.iter().for_each(|item| check(document, item, at)),
            _ => {}
        }
    }
    let document = document();
    check(&document, &document, "");
    let entries = entries(&document);
    let ids: BTreeSet<&str> =
        entries.iter().map(|(_, entry)| entry["operationId"].as_str().unwrap()).collect();
    for (name, entry) in &entries {
        for answer in entry["responses"].as_object().unwrap().values() {
            for link in answer["links"].as_object().into_iter().flatten() {
                assert!(ids.contains(link.1["operationId"].as_str().unwrap()), "{name} links to {}", link.0);
            }
        }
    }
    let unused: Vec<String> = ["schemas", "parameters", "headers", "responses"]
        .into_iter()
        .flat_map(|kind| {
            document["components"][kind]
                .as_object()
                .unwrap()
                .keys()
                .map(move |name| format!("#/components/{kind}/{name}"))
        })
        .filter(|reference| !document.to_string().contains(&format!("\"{reference}\"")))
        .collect();
    assert_eq!(unused, Vec::<String>::new(), "components that nothing refers to");
}

#[test]
fn what_is_asked_and_told_under_one_name_is_one_thing() {
    let mut schemas = Schemas::new();
    docs::all(&mut schemas);
    assert_eq!(schemas.ambiguous(), Vec::<String>::new());
}

/// Every schema with its example, wherever the two stand beside each other.
fn examples(value: &Value, at: &str, found: &mut Vec<(String, Value, Value)>) {
    match value {
        Value::Object(fields) => {
            if let (Some(schema), Some(example)) = (fields.get("schema"), fields.get("example")) {
                found.push((at.to_owned(), schema.clone(), example.clone()));
            }
            if let (Some(_), Some(Value::Array(all))) = (fields.get("type"), fields.get("examples")) {
                found.extend(all.iter().map(|example| (at.to_owned(), value.clone(), example.clone())));
            }
            fields.iter().for_each(|(name, value)| examples(value, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| examples(item, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

#[test]
fn every_example_is_what_its_schema_says() {
    let document = document();
    let mut found = Vec::new();
    examples(&document, "", &mut found);
    assert!(found.len() > 200, "{}", found.len());
    // Most are the same few.
    let mut validators = BTreeMap::new();
    for (at, schema, example) in found {
        let validator = validators.entry(schema.to_string()).or_insert_with(|| {
            let whole = json!({"allOf": [schema], "components": document["components"]});
            jsonschema::validator_for(&whole).unwrap_or_else(|error| panic!("{at}: {error}"))
        });
        let errors: Vec<String> = validator
            .iter_errors(&example)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "the example at {at} does not fit its schema");
    }
}

#[test]
fn bodies_and_json_answers_have_examples() {
    for (name, entry) in entries(&document()) {
        let body = entry["requestBody"]["content"].as_object().into_iter().flatten();
        let answers = entry["responses"].as_object().unwrap().values();
        let answers = answers.flat_map(|answer| answer["content"].as_object().into_iter().flatten());
        for (media_type, media) in body.chain(answers) {
            let multipart = media_type == "multipart/form-data";
            assert!(multipart || !media["example"].is_null(), "{name}: {media_type} lacks an example");
        }
    }
}

#[test]
fn the_page_shows_every_operation_and_loads_nothing() {
    let document = document();
    let html = page::render(&document);
    for (name, entry) in entries(&document) {
        let id = entry["operationId"].as_str().unwrap();
        assert!(
            html.contains(&format!("<article class=\"op\" id=\"op-{id}\">")),
            "{name} is not on the page"
        );
    }
    for (name, _) in document["components"]["schemas"].as_object().unwrap() {
        assert!(html.contains(&format!("id=\"schema-{name}\"")), "{name} is not on the page");
    }
    for bad in ["<script", " src=", "<link", "@import", "url(", "<iframe", "<img", "javascript:", " style=\""]
    {
        assert!(!html.contains(bad), "the page holds {bad}");
    }
    let targets: BTreeSet<&str> =
        html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    for link in html.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        match link.strip_prefix('#') {
            Some(target) => assert!(targets.contains(target), "#{target} leads nowhere"),
            None => assert_eq!(link, "/v1/openapi.json"),
        }
    }
}
