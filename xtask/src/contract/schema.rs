//! Two versions of one schema: what could no longer be sent, or could now be received.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{entries, resolved};

/// How deep schemas without a name are followed.
const MAX_DEPTH: usize = 24;
/// Limits from below and from above.
const LEAST: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];
const MOST: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];
/// A list of words that clients were told will grow.
const EXTENSIBLE: &str = "x-extensible";

/// Seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Sent,
    Received,
}

/// Two schemas with names, one of each document.
type Pair = (String, String);

/// The two documents that schemas refer to.
pub struct Schemas<'a> {
    old: &'a Value,
    new: &'a Value,
    direction: Direction,
    /// What breaks between two named schemas, without its place: they are used in many.
    known: RefCell<BTreeMap<Pair, Vec<String>>>,
}

impl<'a> Schemas<'a> {
    pub fn new(old: &'a Value, new: &'a Value, direction: Direction) -> Self {
        Self { old, new, direction, known: RefCell::default() }
    }

    /// What breaks, each with its place.
    pub fn compare(&self, place: &str, old: &'a Value, new: &'a Value) -> Vec<String> {
        self.at(place, old, new, 0)
    }

    fn at(&self, place: &str, old: &'a Value, new: &'a Value, depth: usize) -> Vec<String> {
        let name = |schema: &Value| schema["$ref"].as_str().map(str::to_owned);
        let (Some(was), Some(is)) = (name(old), name(new)) else {
            return self.opened(place, resolved(self.old, old), resolved(self.new, new), depth);
        };
        let pair = (was, is);
        let known = self.known.borrow().get(&pair).cloned();
        let breaks = known.unwrap_or_else(|| {
            // A schema that refers to itself ends here.
            self.known.borrow_mut().insert(pair.clone(), Vec::new());
            let breaks = self.opened("", resolved(self.old, old), resolved(self.new, new), 0);
            self.known.borrow_mut().insert(pair, breaks.clone());
            breaks
        });
        breaks.iter().map(|what| format!("{place}{what}")).collect()
    }

    fn opened(&self, place: &str, old: &'a Value, new: &'a Value, depth: usize) -> Vec<String> {
        if depth >= MAX_DEPTH {
            return Vec::new();
        }
        let mut found = Vec::new();
        let (was, is) = (words(self.old, old), words(self.new, new));
        if was.is_some() || is.is_some() {
            self.words(place, old, was, is, &mut found);
            return found;
        }
        self.types(place, old, new, &mut found);
        self.limits(place, old, new, &mut found);
        self.forms(place, old, new, &mut found);
        self.fields(place, old, new, depth, &mut found);
        if old["items"].is_object() || new["items"].is_object() {
            found.extend(self.at(&format!("{place}[]"), &old["items"], &new["items"], depth + 1));
        }
        if old["additionalProperties"].is_object() && new["additionalProperties"].is_object() {
            let (old, new) = (&old["additionalProperties"], &new["additionalProperties"]);
            found.extend(self.at(&format!("{place}.*"), old, new, depth + 1));
        }
        self.alternatives(place, old, new, depth, &mut found);
        found
    }

    fn words(
        &self,
        place: &str,
        old: &Value,
        was: Option<BTreeSet<String>>,
        is: Option<BTreeSet<String>>,
        found: &mut Vec<String>,
    ) {
        match (self.direction, was, is) {
            (Direction::Sent, Some(was), Some(is)) => {
                found
                    .extend(was.difference(&is).map(|word| format!("{place}: {word} is not taken any more")));
            }
            (Direction::Sent, None, Some(_)) => found.push(format!("{place}: takes only certain values now")),
            (Direction::Received, Some(was), Some(is)) if old[EXTENSIBLE] != true => {
                found.extend(is.difference(&was).map(|word| format!("{place}: may be {word} now")));
            }
            (Direction::Received, Some(_), None) => {
                found.push(format!("{place}: may be something else than certain values now"));
            }
            (Direction::Sent, _, None) | (Direction::Received, None | Some(_), Some(_)) => {}
            (Direction::Received, None, None) => {}
        }
    }

    fn types(&self, place: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
        let (was, is) = (types(old), types(new));
        match (self.direction, was, is) {
            (Direction::Sent, Some(was), Some(is)) => {
                for lost in was.iter().filter(|one| !fits(one, &is)) {
                    found.push(format!("{place}: {} is not taken any more", named(lost)));
                }
            }
            (Direction::Sent, None, Some(is)) if no_alternatives(old) => {
                found.push(format!("{place}: took anything and now takes only {}", listed(&is)));
            }
            (Direction::Received, Some(was), Some(is)) => {
                for gained in is.iter().filter(|one| !fits(one, &was)) {
                    found.push(format!("{place}: may be {} now", named(gained)));
                }
            }
            (Direction::Received, Some(was), None) if no_alternatives(new) => {
                found.push(format!("{place}: was {} and may be anything now", listed(&was)));
            }
            (Direction::Sent | Direction::Received, _, _) => {}
        }
    }

    /// Limits bind who sends; who receives was promised none.
    fn limits(&self, place: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
        if self.direction == Direction::Received {
            return;
        }
        let number = |schema: &Value, name: &str| schema[name].as_f64();
        for name in LEAST {
            let (was, is) = (number(old, name), number(new, name));
            if is.is_some_and(|is| was.is_none_or(|was| is > was)) {
                found.push(format!("{place}: {name} was {} and is {}", shown(&old[name]), new[name]));
            }
        }
        for name in MOST {
            let (was, is) = (number(old, name), number(new, name));
            if is.is_some_and(|is| was.is_none_or(|was| is < was)) {
                found.push(format!("{place}: {name} was {} and is {}", shown(&old[name]), new[name]));
            }
        }
    }

    fn forms(&self, place: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
        for name in ["format", "pattern"] {
            let (was, is) = (&old[name], &new[name]);
            let breaks = match self.direction {
                Direction::Sent => !is.is_null(),
                Direction::Received => !was.is_null(),
            };
            if was != is && breaks {
                found.push(format!("{place}: {name} was {} and is {}", shown(was), shown(is)));
            }
        }
    }

    fn fields(&self, place: &str, old: &'a Value, new: &'a Value, depth: usize, found: &mut Vec<String>) {
        let required = |schema: &Value, name: &str| {
            schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name))
        };
        for (name, field) in entries(&old["properties"]) {
            let place = format!("{place}.{name}");
            let present = &new["properties"][name];
            if present.is_null() {
                found.push(format!("{place}: is gone"));
                continue;
            }
            if self.direction == Direction::Received && required(old, name) && !required(new, name) {
                found.push(format!("{place}: may be missing now"));
            }
            found.extend(self.at(&place, field, present, depth + 1));
        }
        if self.direction == Direction::Sent {
            let names = new["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            for name in names.filter(|name| !required(old, name)) {
                found.push(format!("{place}.{name}: is required now"));
            }
        }
    }

    /// Each form that could be sent has to be taken still, and each that may come has to be one that came before.
    fn alternatives(
        &self,
        place: &str,
        old: &'a Value,
        new: &'a Value,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        for group in ["anyOf", "oneOf", "allOf"] {
            let list = |schema: &'a Value| schema[group].as_array().map(Vec::as_slice).unwrap_or_default();
            let (was, is) = (list(old), list(new));
            match (was.is_empty(), is.is_empty()) {
                (true, true) => continue,
                (false, true) if self.direction == Direction::Sent => continue,
                (true, false) if self.direction == Direction::Received => continue,
                (false, true) | (true, false) => {
                    found.push(format!("{place}: {group} was {} and is {}", was.len(), is.len()));
                    continue;
                }
                (false, false) => {}
            }
            if old[EXTENSIBLE] == true || group == "allOf" {
                found.extend(self.in_order(place, group, was, is, depth));
                continue;
            }
            let fits = |a: &'a Value, b: &'a Value| self.at(place, a, b, depth + 1).is_empty();
            let unmatched: Vec<usize> = match self.direction {
                Direction::Sent => {
                    (0..was.len()).filter(|n| !is.iter().any(|one| fits(&was[*n], one))).collect()
                }
                Direction::Received => {
                    (0..is.len()).filter(|n| !was.iter().any(|one| fits(one, &is[*n]))).collect()
                }
            };
            for n in unmatched {
                // The one in the same place is most likely its other version.
                match (was.get(n), is.get(n)) {
                    (Some(was), Some(is)) => {
                        found.extend(self.at(&format!("{place}({})", n + 1), was, is, depth + 1));
                    }
                    (Some(_), None) => found.push(format!("{place}({}): is not taken any more", n + 1)),
                    (None, _) => found.push(format!("{place}({}): may come now", n + 1)),
                }
            }
        }
    }

    /// A list whose end may grow.
    fn in_order(
        &self,
        place: &str,
        group: &str,
        was: &'a [Value],
        is: &'a [Value],
        depth: usize,
    ) -> Vec<String> {
        let mut found = Vec::new();
        if is.len() < was.len() {
            found.push(format!("{place}: {group} had {} forms and has {}", was.len(), is.len()));
        }
        for (n, (was, is)) in was.iter().zip(is).enumerate() {
            found.extend(self.at(&format!("{place}({})", n + 1), was, is, depth + 1));
        }
        found
    }
}

/// The values that a schema lists, if it lists all it takes.
fn words(document: &Value, schema: &Value) -> Option<BTreeSet<String>> {
    let schema = resolved(document, schema);
    if !schema["const"].is_null() {
        return Some(BTreeSet::from([schema["const"].to_string()]));
    }
    if let Some(all) = schema["enum"].as_array() {
        return Some(all.iter().map(Value::to_string).collect());
    }
    if schema["type"] == "null" {
        return Some(BTreeSet::from(["null".to_owned()]));
    }
    let choices = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array())?;
    let each: Option<Vec<_>> = choices.iter().map(|choice| words(document, choice)).collect();
    each.map(|each| each.into_iter().flatten().collect())
}

fn types(schema: &Value) -> Option<BTreeSet<&str>> {
    match &schema["type"] {
        Value::String(one) => Some(BTreeSet::from([one.as_str()])),
        Value::Array(all) => Some(all.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn no_alternatives(schema: &Value) -> bool {
    ["anyOf", "oneOf", "allOf"].iter().all(|group| schema[*group].is_null())
}

fn fits(one: &str, all: &BTreeSet<&str>) -> bool {
    all.contains(one) || one == "integer" && all.contains("number")
}

fn named(kind: &str) -> String {
    match kind {
        "null" => "null".to_owned(),
        "integer" | "object" | "array" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

fn listed(kinds: &BTreeSet<&str>) -> String {
    kinds.iter().copied().collect::<Vec<_>>().join(" or ")
}

fn shown(value: &Value) -> String {
    if value.is_null() { "not set".to_owned() } else { value.to_string() }
}
