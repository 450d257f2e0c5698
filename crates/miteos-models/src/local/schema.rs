//! From JSON Schemas to a grammar: what a model may write as arguments of a tool. A long text stands behind its call as
//! a block (see [`super::block`]).
//!
//! The JSON is compact and its properties stand in a fixed order (the required ones as listed, then the others), so
//! that a later prompt repeats it byte by byte. `pattern`, `format` and numeric bounds are not enforced here; whoever
//! runs the tool checks the arguments against the schema anyway. What is not understood becomes any JSON value.

use std::collections::BTreeMap;

use serde_json::Value;

use super::block;
use super::grammar::{Builder, Grammar, MAX_THREADS, Part, StateId};

/// What stands between values and behind names: with a space, as in the JSON that the models were trained on. Without
/// it they make more mistakes, in the values too.
pub const COMMA: &str = ", ";
pub const COLON: &str = ": ";
/// Schemas inside one another, `$ref` included. Deeper ones become any value.
const MAX_SCHEMA_DEPTH: u32 = 24;
/// `minItems` and `maxItems` above it are not enforced.
const MAX_COUNTED_ITEMS: u64 = 32;
/// Digits of a number, so that none goes on for ever.
const MAX_DIGITS: usize = 17;
/// Alternatives of one `enum` or `anyOf`; one with more is described less exactly.
const MAX_ALTERNATIVES: usize = 256;
/// The value beside an optional property, or a choice beside another, still fits.
const _: () = assert!(MAX_ALTERNATIVES * 2 <= MAX_THREADS);

/// A function that the model may call.
#[derive(Debug, Clone, Copy)]
pub struct Function<'a> {
    pub name: &'a str,
    pub schema: &'a Value,
}

/// The grammar of `{"name":…,"arguments":…}` over these functions, each with its block behind it where it has one.
pub fn call_grammar(functions: &[Function<'_>]) -> Grammar {
    let in_json: Vec<Value> = functions.iter().map(|function| block::in_json(function.schema)).collect();
    let mut compiler = Compiler::default();
    let mut alternatives = Vec::with_capacity(functions.len());
    for (function, in_json) in functions.iter().zip(&in_json) {
        let head = format!("{}{}{}", super::stream::NAME_HEAD, function.name, super::stream::ARGUMENTS_HEAD);
        let head = compiler.builder.literal(&head);
        let arguments = compiler.arguments(in_json);
        let tail = compiler.builder.literal("}");
        let mut parts = vec![head, arguments, tail];
        if block::field(function.schema).is_some() {
            parts.push(compiler.block());
        }
        alternatives.push(compiler.builder.sequence(&parts));
    }
    let whole = compiler.builder.choice(&alternatives);
    compiler.builder.finish(whole)
}

/// The properties of an object schema in the order in which they are written: required ones as listed, then the
/// others by name.
pub fn ordered_properties(schema: &Value) -> Vec<(&str, &Value, bool)> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut ordered: Vec<(&str, &Value, bool)> = Vec::with_capacity(properties.len());
    for name in &required {
        if let Some((name, schema)) = properties.get_key_value(*name)
            && !ordered.iter().any(|(known, _, _)| known == name)
        {
            ordered.push((name, schema, true));
        }
    }
    for (name, schema) in properties {
        if !required.contains(&name.as_str()) {
            ordered.push((name, schema, false));
        }
    }
    ordered
}

/// The schema that a local `$ref` of `root` names.
pub fn resolve<'v>(root: &'v Value, reference: &str) -> Option<&'v Value> {
    root.pointer(reference.strip_prefix('#')?)
}

#[derive(Debug, Default)]
struct Compiler<'v> {
    builder: Builder,
    any: Option<StateId>,
    any_object: Option<StateId>,
    string: Option<StateId>,
    /// Rules made for the `$ref`s of the schema in hand.
    references: BTreeMap<&'v str, StateId>,
}

impl<'v> Compiler<'v> {
    /// Arguments are an object whatever the schema says.
    fn arguments(&mut self, schema: &'v Value) -> Part {
        self.references.clear();
        let is_object = schema.get("type").is_some_and(|kind| kind == "object")
            || (schema.get("type").is_none() && schema.get("properties").is_some());
        if is_object { self.value(schema, schema, 0) } else { self.any_object() }
    }

    fn value(&mut self, schema: &'v Value, root: &'v Value, depth: u32) -> Part {
        let Some(fields) = schema.as_object() else { return self.any() };
        if depth > MAX_SCHEMA_DEPTH || self.builder.is_full() {
            return self.any();
        }
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            return self.reference(reference, root, depth);
        }
        if let Some(constant) = fields.get("const") {
            return self.builder.literal(&constant.to_string());
        }
        if let Some(values) = fields.get("enum").and_then(Value::as_array)
            && (1..=MAX_ALTERNATIVES).contains(&values.len())
        {
            let parts: Vec<Part> =
                values.iter().map(|value| self.builder.literal(&value.to_string())).collect();
            return self.builder.choice(&parts);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(schemas) = fields.get(key).and_then(Value::as_array)
                && (1..=MAX_ALTERNATIVES).contains(&schemas.len())
            {
                let parts: Vec<Part> =
                    schemas.iter().map(|schema| self.value(schema, root, depth + 1)).collect();
                return self.builder.choice(&parts);
            }
        }
        if let Some([only]) = fields.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            return self.value(only, root, depth + 1);
        }
        match fields.get("type") {
            Some(Value::String(kind)) => self.typed(kind, schema, root, depth),
            Some(Value::Array(kinds)) if !kinds.is_empty() => {
                let kinds = kinds.iter().filter_map(Value::as_str);
                let parts: Vec<Part> = kinds.map(|kind| self.typed(kind, schema, root, depth)).collect();
                self.builder.choice(&parts)
            }
            _ if fields.contains_key("properties") => self.object(schema, root, depth),
            _ if fields.contains_key("items") => self.array(schema, root, depth),
            _ => self.any(),
        }
    }

    fn typed(&mut self, kind: &str, schema: &'v Value, root: &'v Value, depth: u32) -> Part {
        match kind {
            "object" => self.object(schema, root, depth),
            "array" => self.array(schema, root, depth),
            "string" => self.string(),
            "integer" => self.integer(),
            "number" => self.number(),
            "boolean" => self.words(&["true", "false"]),
            "null" => self.builder.literal("null"),
            _ => self.any(),
        }
    }

    fn reference(&mut self, reference: &'v str, root: &'v Value, depth: u32) -> Part {
        if let Some(rule) = self.references.get(reference) {
            let rule = *rule;
            return self.builder.call(rule);
        }
        let Some(target) = resolve(root, reference) else { return self.any() };
        let rule = self.builder.declare();
        self.references.insert(reference, rule);
        let body = self.value(target, root, depth + 1);
        self.builder.define(rule, body);
        self.builder.call(rule)
    }

    fn object(&mut self, schema: &'v Value, root: &'v Value, depth: u32) -> Part {
        let properties = ordered_properties(schema);
        if properties.is_empty() {
            return match schema.get("additionalProperties") {
                Some(Value::Bool(false)) => self.builder.literal("{}"),
                Some(values @ Value::Object(_)) => {
                    let value = self.value(values, root, depth + 1);
                    self.map_of(value)
                }
                _ => self.any_object(),
            };
        }
        let open = self.builder.literal("{");
        let close = self.builder.literal("}");
        // Two tracks through the properties: nothing written yet, and something written, which needs a comma.
        let mut first = open.end;
        let mut later: Option<StateId> = None;
        for (name, schema, required) in properties {
            let value = self.value(schema, root, depth + 1);
            let key = format!("{}{COLON}", Value::from(name));
            let next_later = self.builder.empty().start;
            if let Some(from) = later {
                let key = self.builder.literal(&format!("{COMMA}{key}"));
                self.builder.link(from, key.start);
                self.builder.link(key.end, value.start);
                if !required {
                    self.builder.link(from, next_later);
                }
            }
            let next_first = self.builder.empty().start;
            if first != DEAD {
                let key = self.builder.literal(&key);
                self.builder.link(first, key.start);
                self.builder.link(key.end, value.start);
                if !required {
                    self.builder.link(first, next_first);
                }
            }
            self.builder.link(value.end, next_later);
            later = Some(next_later);
            first = if required || first == DEAD { DEAD } else { next_first };
        }
        for end in later.into_iter().chain((first != DEAD).then_some(first)) {
            self.builder.link(end, close.start);
        }
        Part { start: open.start, end: close.end }
    }

    fn array(&mut self, schema: &'v Value, root: &'v Value, depth: u32) -> Part {
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64).filter(|n| *n <= MAX_COUNTED_ITEMS);
        let least = bound("minItems").unwrap_or(0);
        let most = bound("maxItems").filter(|most| *most >= least);
        let rule = self.builder.declare();
        let item = match schema.get("items") {
            Some(items) => self.value(items, root, depth + 1),
            None => self.any(),
        };
        self.builder.define(rule, item);
        let (open, close) = (self.builder.literal("["), self.builder.literal("]"));
        let mut at = open.end;
        let counted = most.unwrap_or(least.max(1));
        for index in 0..counted {
            if index >= least {
                self.builder.link(at, close.start);
            }
            let comma = self.builder.literal(if index == 0 { "" } else { COMMA });
            let item = self.builder.call(rule);
            self.builder.link(at, comma.start);
            self.builder.link(comma.end, item.start);
            at = item.end;
        }
        if most.is_none() {
            let (comma, item) = (self.builder.literal(COMMA), self.builder.call(rule));
            let more = self.builder.sequence(&[comma, item]);
            let more = self.builder.repeat(more);
            self.builder.link(at, more.start);
            at = more.end;
        }
        self.builder.link(at, close.start);
        Part { start: open.start, end: close.end }
    }

    fn map_of(&mut self, value: Part) -> Part {
        let rule = self.builder.declare();
        let (key, colon) = (self.string(), self.builder.literal(COLON));
        let entry = self.builder.sequence(&[key, colon, value]);
        self.builder.define(rule, entry);
        let (open, close) = (self.builder.literal("{"), self.builder.literal("}"));
        let first = self.builder.call(rule);
        let (comma, next) = (self.builder.literal(COMMA), self.builder.call(rule));
        let more = self.builder.sequence(&[comma, next]);
        let more = self.builder.repeat(more);
        let entries = self.builder.sequence(&[first, more]);
        let entries = self.builder.optional(entries);
        self.builder.sequence(&[open, entries, close])
    }

    fn any_object(&mut self) -> Part {
        let rule = match self.any_object {
            Some(rule) => rule,
            None => {
                let rule = self.builder.declare();
                self.any_object = Some(rule);
                let value = self.any();
                let body = self.map_of(value);
                self.builder.define(rule, body);
                rule
            }
        };
        self.builder.call(rule)
    }

    fn any(&mut self) -> Part {
        let rule = match self.any {
            Some(rule) => rule,
            None => {
                let rule = self.builder.declare();
                self.any = Some(rule);
                let (item, comma, next) =
                    (self.builder.call(rule), self.builder.literal(COMMA), self.builder.call(rule));
                let more = self.builder.sequence(&[comma, next]);
                let more = self.builder.repeat(more);
                let items = self.builder.sequence(&[item, more]);
                let items = self.builder.optional(items);
                let (open, close) = (self.builder.literal("["), self.builder.literal("]"));
                let array = self.builder.sequence(&[open, items, close]);
                let (object, string, number) = (self.any_object(), self.string(), self.number());
                let words = self.words(&["true", "false", "null"]);
                let body = self.builder.choice(&[object, array, string, number, words]);
                self.builder.define(rule, body);
                rule
            }
        };
        self.builder.call(rule)
    }

    fn words(&mut self, words: &[&str]) -> Part {
        let parts: Vec<Part> = words.iter().map(|word| self.builder.literal(word)).collect();
        self.builder.choice(&parts)
    }

    /// A string with the short escapes only: every other character stands for itself, as valid UTF-8.
    fn string(&mut self) -> Part {
        let rule = match self.string {
            Some(rule) => rule,
            None => {
                let rule = self.builder.declare();
                self.string = Some(rule);
                let plain = self.builder.bytes(&[(0x20, 0x21), (0x23, 0x5b), (0x5d, 0x7e)]);
                let slash = self.builder.literal("\\");
                let letters = [b'"', b'\\', b'b', b'f', b'n', b'r', b't'].map(|byte| (byte, byte));
                let letter = self.builder.bytes(&letters);
                let escape = self.builder.sequence(&[slash, letter]);
                let wide = self.wide_characters();
                let character = self.builder.choice(&[plain, escape, wide]);
                let (open, characters, close) =
                    (self.builder.literal("\""), self.builder.repeat(character), self.builder.literal("\""));
                let body = self.builder.sequence(&[open, characters, close]);
                self.builder.define(rule, body);
                rule
            }
        };
        self.builder.call(rule)
    }

    /// A block: lines between two fences. A fence with a word behind it opens a block inside, which ends at the next.
    fn block(&mut self) -> Part {
        let open = self.builder.literal(block::OPEN);
        let inner = self.plain_line();
        let inner = self.builder.repeat(inner);
        let (fence, word, rest, end) = (
            self.builder.literal(block::FENCE),
            // Nothing but a letter: what follows the last fence would pass for the word of another one.
            self.builder.bytes(&[(b'A', b'Z'), (b'a', b'z')]),
            self.rest_of_line(),
            self.builder.literal(block::INNER_CLOSE),
        );
        let nested = self.builder.sequence(&[fence, word, rest, inner, end]);
        let line = self.plain_line();
        let line = self.builder.choice(&[line, nested]);
        let lines = self.builder.repeat(line);
        let close = self.builder.literal(block::FENCE);
        // A model that goes on to its next call begins with a line break; the end is then forced.
        let next = self.builder.literal("\n");
        let next = self.builder.optional(next);
        self.builder.sequence(&[open, lines, close, next])
    }

    /// A line that begins with no fence.
    fn plain_line(&mut self) -> Part {
        let mut starts = Vec::with_capacity(block::FENCE.len());
        for ticks in 0..block::FENCE.len() {
            let ticks = self.builder.literal(&block::FENCE[..ticks]);
            let other = self.character(b"`");
            let rest = self.rest_of_line();
            let more = self.builder.sequence(&[other, rest]);
            let end = self.builder.literal("\n");
            let tail = self.builder.choice(&[more, end]);
            starts.push(self.builder.sequence(&[ticks, tail]));
        }
        self.builder.choice(&starts)
    }

    fn rest_of_line(&mut self) -> Part {
        let character = self.character(&[]);
        let characters = self.builder.repeat(character);
        let end = self.builder.literal("\n");
        self.builder.sequence(&[characters, end])
    }

    /// A character of a text, as it stands, but for these and for the end of the line.
    fn character(&mut self, without: &[u8]) -> Part {
        let plain: Vec<(u8, u8)> = std::iter::once(b'\t')
            .chain(0x20..=0x7e)
            .filter(|byte| !without.contains(byte))
            .map(|byte| (byte, byte))
            .collect();
        let plain = self.builder.bytes(&plain);
        let wide = self.wide_characters();
        self.builder.choice(&[plain, wide])
    }

    /// The characters above U+007F as UTF-8 writes them (RFC 3629, section 4).
    fn wide_characters(&mut self) -> Part {
        const TAIL: (u8, u8) = (0x80, 0xbf);
        const FORMS: [&[(u8, u8)]; 8] = [
            &[(0xc2, 0xdf), TAIL],
            &[(0xe0, 0xe0), (0xa0, 0xbf), TAIL],
            &[(0xe1, 0xec), TAIL, TAIL],
            &[(0xed, 0xed), (0x80, 0x9f), TAIL],
            &[(0xee, 0xef), TAIL, TAIL],
            &[(0xf0, 0xf0), (0x90, 0xbf), TAIL, TAIL],
            &[(0xf1, 0xf3), TAIL, TAIL, TAIL],
            &[(0xf4, 0xf4), (0x80, 0x8f), TAIL, TAIL],
        ];
        let mut parts = Vec::with_capacity(FORMS.len());
        for form in FORMS {
            let bytes: Vec<Part> = form.iter().map(|range| self.builder.bytes(&[*range])).collect();
            parts.push(self.builder.sequence(&bytes));
        }
        self.builder.choice(&parts)
    }

    fn digits(&mut self, most: usize) -> Part {
        let mut part = self.builder.empty();
        for _ in 0..most {
            let digit = self.builder.bytes(&[(b'0', b'9')]);
            let more = self.builder.sequence(&[digit, part]);
            part = self.builder.optional(more);
        }
        part
    }

    fn integer(&mut self) -> Part {
        let minus = self.builder.literal("-");
        let minus = self.builder.optional(minus);
        let (zero, lead, rest) =
            (self.builder.literal("0"), self.builder.bytes(&[(b'1', b'9')]), self.digits(MAX_DIGITS - 1));
        let long = self.builder.sequence(&[lead, rest]);
        let value = self.builder.choice(&[zero, long]);
        self.builder.sequence(&[minus, value])
    }

    fn number(&mut self) -> Part {
        let whole = self.integer();
        let (point, digit, rest) =
            (self.builder.literal("."), self.builder.bytes(&[(b'0', b'9')]), self.digits(MAX_DIGITS - 1));
        let fraction = self.builder.sequence(&[point, digit, rest]);
        let fraction = self.builder.optional(fraction);
        let letter = self.builder.bytes(&[(b'e', b'e'), (b'E', b'E')]);
        let sign = self.builder.bytes(&[(b'+', b'+'), (b'-', b'-')]);
        let sign = self.builder.optional(sign);
        let (digit, rest) = (self.builder.bytes(&[(b'0', b'9')]), self.digits(2));
        let exponent = self.builder.sequence(&[letter, sign, digit, rest]);
        let exponent = self.builder.optional(exponent);
        self.builder.sequence(&[whole, fraction, exponent])
    }
}

/// Stands for the track of an object that cannot be taken any more.
const DEAD: StateId = StateId::MAX;

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
