//! Every answer that an operation can give: its own, and those that follow from how it is called.

use serde_json::{Map, Value};

use super::super::operations::{Access, Operation, Takes};
use super::doc::Doc;
use super::parts;

const SUCCESS: std::ops::Range<u16> = 200..300;

/// The answers of an operation, by status.
pub fn responses(operation: &Operation, doc: &Doc) -> Map<String, Value> {
    // Where a key is not the only way in, an answer may come without the headers of a key.
    let keyed = matches!(operation.access, Access::Scope(_));
    let mut all = own(operation, doc, keyed);
    for (status, answer) in implied(operation, keyed) {
        if !all.iter().any(|(known, _)| *known == status) {
            all.push((status, answer));
        }
    }
    all.sort_by_key(|(status, _)| *status);
    all.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect()
}

fn own(operation: &Operation, doc: &Doc, keyed: bool) -> Vec<(u16, Value)> {
    let answers = doc.answers.iter().map(|(status, answer)| {
        let mut answer = answer.clone();
        parts::with_usual_headers(&mut answer, keyed);
        if SUCCESS.contains(status) && operation.method == "POST" {
            parts::with_headers(&mut answer, &["Idempotency-Replayed"]);
        }
        let links = doc.link_objects();
        if SUCCESS.contains(status) && !links.is_empty() {
            answer["links"] = links.into();
        }
        (*status, answer)
    });
    let errors = doc.errors.iter().map(|(status, when, detail)| {
        let mut answer = parts::error(when, detail);
        parts::with_usual_headers(&mut answer, keyed);
        if *status == 429 {
            parts::with_headers(&mut answer, &["Retry-After"]);
        }
        if *status == 401 {
            parts::with_headers(&mut answer, &["WWW-Authenticate"]);
        }
        (*status, answer)
    });
    answers.chain(errors).collect()
}

/// What follows from how an operation is called.
fn implied(operation: &Operation, keyed: bool) -> Vec<(u16, Value)> {
    let mut all = Vec::new();
    let mut error = |status: u16, when: &str, detail: &str| {
        let mut answer = parts::error(when, detail);
        parts::with_usual_headers(&mut answer, keyed);
        all.push((status, answer));
    };
    if let Some((when, detail)) = unreadable(operation) {
        error(400, when, detail);
    }
    if let Access::Scope(scope) | Access::Proof(scope) = operation.access {
        let when = format!("The key lacks the scope `{scope}`.");
        error(403, &when, &format!("this key lacks the scope {scope}"));
        all.push((401, parts::response("Unauthorized")));
    }
    if operation.method == "POST" {
        all.push((409, parts::response("Conflict")));
    }
    if matches!(operation.method, "POST" | "PUT" | "PATCH") && operation.takes != Takes::Files {
        all.push((413, parts::response("TooLarge")));
    }
    all.push((429, parts::response("TooManyRequests")));
    all.push((500, parts::response("Internal")));
    all.push((503, parts::response("Stopping")));
    all
}

/// When a request cannot be understood, if that can be.
fn unreadable(operation: &Operation) -> Option<(&'static str, &'static str)> {
    match operation.takes {
        Takes::Json => Some((
            "The body is no JSON object, lacks a required field or has one of the wrong type; the address or the \
             `Idempotency-Key` cannot be read; or the body is packed.",
            "the body is not as expected: missing field `prompt` at line 1 column 2",
        )),
        Takes::Files => Some((
            "The upload is no `multipart/form-data`, holds no file or breaks off; or the address or the `Idempotency-Key` \
             cannot be read.",
            "the upload holds no file",
        )),
        Takes::Query => Some((
            "A parameter is of the wrong type, is missing or stands there twice; or the address cannot be read.",
            "the query is not as expected: limit: invalid digit found in string",
        )),
        Takes::Nothing if operation.method == "POST" => Some((
            "The address or the `Idempotency-Key` cannot be read.",
            "Idempotency-Key must be 1 to 255 visible ASCII characters, and sent once",
        )),
        Takes::Nothing if operation.path.contains('{') => {
            Some(("The address cannot be read.", "the address cannot be read: Invalid UTF-8 in `id`"))
        }
        Takes::Nothing => None,
    }
}
