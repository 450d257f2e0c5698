//! Whether a new OpenAPI document breaks clients of an old one. Pure: two documents in, sentences out. It knows OpenAPI
//! and JSON Schema as far as our own document uses them.
//!
//! What a client sends may be widened and not narrowed; what a client gets may be narrowed and not widened. Texts,
//! examples and their order mean nothing.

mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use schema::{Direction, Schemas};

/// Methods of a path; what else stands beside them is no operation.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// Groups of operations: requests to the server, and requests that the server makes.
const GROUPS: [(&str, Maker); 2] = [("paths", Maker::Client), ("webhooks", Maker::Server)];

/// Who makes the requests of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Client,
    Server,
}

impl Maker {
    /// How the request's parts travel, seen from the client.
    fn request(self) -> Direction {
        match self {
            Self::Client => Direction::Sent,
            Self::Server => Direction::Received,
        }
    }

    fn response(self) -> Direction {
        match self {
            Self::Client => Direction::Received,
            Self::Server => Direction::Sent,
        }
    }
}

/// All that a client of `old` could stumble over in `new`, each with its place.
pub fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let schemas = |direction| Schemas::new(old, new, direction);
    let (sent, received) = (schemas(Direction::Sent), schemas(Direction::Received));
    let mut found = Found { old, new, sent, received, breaks: Vec::new() };
    for (group, maker) in GROUPS {
        for (path, methods) in entries(&old[group]) {
            for method in METHODS.into_iter().filter(|method| methods[*method].is_object()) {
                let place = format!("{} {path}", method.to_uppercase());
                let present = &new[group][path][method];
                match present.is_object() {
                    true => found.operation(&place, maker, &methods[method], present),
                    false => found.add(&place, "the operation is gone"),
                }
            }
        }
    }
    found.breaks
}

struct Found<'a> {
    old: &'a Value,
    new: &'a Value,
    sent: Schemas<'a>,
    received: Schemas<'a>,
    breaks: Vec<String>,
}

impl<'a> Found<'a> {
    fn add(&mut self, place: &str, what: impl AsRef<str>) {
        let line = format!("{place}: {}", what.as_ref());
        if !self.breaks.contains(&line) {
            self.breaks.push(line);
        }
    }

    fn operation(&mut self, place: &str, maker: Maker, old: &'a Value, new: &'a Value) {
        if old["operationId"] != new["operationId"] {
            self.add(place, format!("operationId was {} and is {}", old["operationId"], new["operationId"]));
        }
        self.parameters(place, maker, old, new);
        self.body(place, maker, &old["requestBody"], &new["requestBody"]);
        self.responses(place, maker, &old["responses"], &new["responses"]);
        self.security(place, &old["security"], &new["security"]);
    }

    fn parameters(&mut self, place: &str, maker: Maker, old: &'a Value, new: &'a Value) {
        let (before, now) = (parameters(self.old, old), parameters(self.new, new));
        for (key @ (location, name), parameter) in &before {
            let place = format!("{place}: {location} parameter {name}");
            let Some(present) = now.get(key) else {
                self.add(&place, "is gone");
                continue;
            };
            match maker {
                Maker::Client if parameter["required"] != true && present["required"] == true => {
                    self.add(&place, "is required now");
                }
                Maker::Server if parameter["required"] == true && present["required"] != true => {
                    self.add(&place, "may be missing now");
                }
                Maker::Client | Maker::Server => {}
            }
            self.schema(&place, maker.request(), &parameter["schema"], &present["schema"]);
        }
        for ((location, name), present) in &now {
            let is_new = !before.contains_key(&(*location, *name));
            if is_new && maker == Maker::Client && present["required"] == true {
                self.add(place, format!("there is a new required {location} parameter {name}"));
            }
        }
    }

    fn body(&mut self, place: &str, maker: Maker, old: &'a Value, new: &'a Value) {
        let place = format!("{place}: body");
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        let (was, is) = (old["required"] == true, new["required"] == true);
        if maker == Maker::Client && is && !was {
            self.add(&place, "is required now");
        }
        if maker == Maker::Server && was && !is {
            self.add(&place, "may be missing now");
        }
        self.content(&place, maker.request(), &old["content"], &new["content"]);
    }

    fn responses(&mut self, place: &str, maker: Maker, old: &'a Value, new: &'a Value) {
        for (status, response) in entries(old) {
            let place = format!("{place}: answer {status}");
            let (response, present) = (resolved(self.old, response), resolved(self.new, &new[status]));
            if present.is_null() {
                self.add(&place, "is gone");
                continue;
            }
            self.content(&place, maker.response(), &response["content"], &present["content"]);
            self.headers(&place, &response["headers"], &present["headers"]);
        }
        let is_success = |status: &str| status.starts_with('2') || status.starts_with('3');
        for (status, _) in entries(new).filter(|(status, _)| is_success(status) && old[*status].is_null()) {
            self.add(place, format!("there is a new answer {status}, which is no error"));
        }
    }

    fn headers(&mut self, place: &str, old: &'a Value, new: &'a Value) {
        for (name, header) in entries(old) {
            let place = format!("{place}: header {name}");
            let (header, present) = (resolved(self.old, header), resolved(self.new, &new[name]));
            if present.is_null() {
                self.add(&place, "is gone");
                continue;
            }
            if header["required"] == true && present["required"] != true {
                self.add(&place, "may be missing now");
            }
            self.schema(&place, Direction::Received, &header["schema"], &present["schema"]);
        }
    }

    fn content(&mut self, place: &str, direction: Direction, old: &'a Value, new: &'a Value) {
        for (media_type, media) in entries(old) {
            let place = format!("{place} {media_type}");
            match new[media_type].is_object() {
                true => self.schema(&place, direction, &media["schema"], &new[media_type]["schema"]),
                false => self.add(&place, "is gone"),
            }
        }
    }

    fn schema(&mut self, place: &str, direction: Direction, old: &'a Value, new: &'a Value) {
        let schemas = match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        };
        for line in schemas.compare(place, old, new) {
            if !self.breaks.contains(&line) {
                self.breaks.push(line);
            }
        }
    }

    /// Each way in that there was has to be there still, with the same demands or fewer.
    fn security(&mut self, place: &str, old: &Value, new: &Value) {
        let ways = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (before, now) = (ways(old), ways(new));
        // No way at all means that nothing is asked for.
        let open =
            now.is_empty() || now.iter().any(|way| way.as_object().is_some_and(serde_json::Map::is_empty));
        if open {
            return;
        }
        if before.is_empty() {
            self.add(place, format!("it was public and now asks for {}", ways_shown(&now)));
        }
        for way in before {
            if !now.iter().any(|present| asks_no_more(&way, present)) {
                let text = format!("{} was enough and now it takes {}", way_shown(&way), ways_shown(&now));
                self.add(place, text);
            }
        }
    }
}

/// Whether who could satisfy `old` satisfies `new`.
fn asks_no_more(old: &Value, new: &Value) -> bool {
    entries(new).all(|(scheme, scopes)| {
        let held = old[scheme].as_array();
        let mut wanted = scopes.as_array().into_iter().flatten();
        held.is_some_and(|held| wanted.all(|scope| held.contains(scope)))
    })
}

fn ways_shown(ways: &[Value]) -> String {
    ways.iter().map(way_shown).collect::<Vec<_>>().join(" or ")
}

fn way_shown(way: &Value) -> String {
    let one = |(scheme, scopes): (&str, &Value)| {
        let scopes: Vec<&str> = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if scopes.is_empty() { scheme.to_owned() } else { format!("{scheme} with {}", scopes.join(" and ")) }
    };
    let all: Vec<String> = entries(way).map(one).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" and ") }
}

/// Parameters by place and name.
fn parameters<'a>(document: &'a Value, operation: &'a Value) -> BTreeMap<(&'a str, &'a str), &'a Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let resolved = all.map(|parameter| resolved(document, parameter));
    resolved.filter_map(|one| Some(((one["in"].as_str()?, one["name"].as_str()?), one))).collect()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// What a value says, or what it refers to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}
