//! Puts together what chat completions send in pieces: tool calls, and a gateway's reasoning blocks. It knows no stream,
//! only the pieces in their order.
//!
//! Servers number calls in different ways (from one, or all with zero), give no ids or one id to all, and name a call in
//! its first piece or in each. The rules here fit all of them.

use serde_json::Value;

/// A tool call that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Piecemeal {
    index: Option<u64>,
    id: Option<String>,
    pub name: String,
    pub arguments: String,
}

impl Piecemeal {
    /// Whether nothing can follow: its arguments are an object already.
    fn is_whole(&self) -> bool {
        self.arguments.trim_end().ends_with('}')
            && serde_json::from_str::<serde_json::Map<String, Value>>(&self.arguments).is_ok()
    }
}

/// Adds a piece to its call, or begins a call with it.
///
/// A piece belongs to the call of its id, if their numbers agree, else to that of its number, else to the last one. It
/// begins a new call if it comes with a name and an id that nobody has, or with another name, or with a name and
/// arguments where those of the call are whole.
pub(crate) fn add_call_piece(calls: &mut Vec<Piecemeal>, piece: &Value) {
    let id = piece.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let index = piece.get("index").and_then(Value::as_u64);
    let name = piece.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
    let arguments = piece.pointer("/function/arguments");
    let found = find(calls, id, index, name).filter(|at| !begins_another(&calls[*at], name, arguments));
    let at = found.unwrap_or_else(|| {
        calls.push(Piecemeal { index, id: id.map(str::to_owned), ..Piecemeal::default() });
        calls.len() - 1
    });
    let call = &mut calls[at];
    if call.name.is_empty() {
        name.clone_into(&mut call.name);
    }
    match arguments {
        Some(Value::String(text)) => call.arguments.push_str(text),
        // Some servers send the arguments as an object at once.
        Some(whole @ Value::Object(_)) => call.arguments = whole.to_string(),
        _ => {}
    }
}

fn find(calls: &[Piecemeal], id: Option<&str>, index: Option<u64>, name: &str) -> Option<usize> {
    let has_id = |call: &Piecemeal| call.id.as_deref() == id;
    let agrees = |call: &Piecemeal| index.is_none() || call.index.is_none() || call.index == index;
    let by_id = || calls.iter().rposition(|call| id.is_some() && has_id(call) && agrees(call));
    let by_index = || calls.iter().rposition(|call| index.is_some() && call.index == index);
    let by_any_number = || calls.iter().rposition(|call| id.is_some() && has_id(call));
    match (id, name.is_empty()) {
        (Some(_), false) => by_id(),
        (None, false) => by_index(),
        (_, true) => by_id().or_else(by_index).or_else(by_any_number).or(calls.len().checked_sub(1)),
    }
}

fn begins_another(call: &Piecemeal, name: &str, arguments: Option<&Value>) -> bool {
    if name.is_empty() || call.name.is_empty() {
        return false;
    }
    let brings_some = match arguments {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(_)) => true,
        _ => false,
    };
    call.name != name || (brings_some && call.is_whole())
}

/// Adds a fragment to the reasoning block that it belongs to, or begins a block with it.
///
/// Fragments of one block have its type and number. The provider behind the gateway refuses the block in fragments.
pub(crate) fn add_detail(blocks: &mut Vec<Value>, fragment: Value) {
    let found = blocks.iter_mut().rev().find(|block| is_same_block(block, &fragment));
    let (Some(Value::Object(block)), Value::Object(fragment)) = (found, &fragment) else {
        blocks.push(fragment);
        return;
    };
    for (key, value) in fragment {
        match (block.get_mut(key), value) {
            (_, Value::Null) => {}
            (Some(Value::String(text)), Value::String(more))
                if matches!(key.as_str(), "text" | "summary" | "data") =>
            {
                text.push_str(more);
            }
            _ => {
                block.insert(key.clone(), value.clone());
            }
        }
    }
}

fn is_same_block(block: &Value, fragment: &Value) -> bool {
    let same = |key: &str| block.get(key) == fragment.get(key);
    let ids = [block, fragment].map(|part| part.get("id").and_then(Value::as_str));
    let other_id = matches!(ids, [Some(known), Some(new)] if known != new);
    let is_numbered = fragment.get("index").is_some_and(Value::is_number);
    let is_encrypted = fragment.get("type").and_then(Value::as_str) == Some("reasoning.encrypted");
    let fits = match (is_encrypted, is_numbered) {
        // Those of several calls share a number and differ in their id.
        (true, true) => !other_id,
        (true, false) => ids[0].is_some() && ids[0] == ids[1],
        (false, true) => true,
        (false, false) => !other_id,
    };
    block.is_object() && same("type") && same("index") && fits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls(pieces: &[Value]) -> Vec<(String, String)> {
        let mut calls = Vec::new();
        for piece in pieces {
            add_call_piece(&mut calls, piece);
        }
        calls.into_iter().map(|call| (call.name, call.arguments)).collect()
    }

    fn expected(calls: &[(&str, &str)]) -> Vec<(String, String)> {
        calls.iter().map(|(name, arguments)| ((*name).into(), (*arguments).into())).collect()
    }

    #[test]
    fn pieces_find_their_calls() {
        let interleaved = [
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": ""}}),
            json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": "{"}}),
            json!({"index": 0, "function": {"arguments": "{\"x\":1}"}}),
            json!({"index": 1, "function": {"arguments": "}"}}),
        ];
        assert_eq!(calls(&interleaved), expected(&[("one", "{\"x\":1}"), ("two", "{}")]));
    }

    #[test]
    fn odd_numbering_neither_doubles_nor_mixes_calls() {
        let from_one = [
            json!({"index": 1, "id": "a", "function": {"name": "one", "arguments": "{}"}}),
            json!({"index": 2, "id": "b", "function": {"name": "two", "arguments": "{}"}}),
        ];
        assert_eq!(calls(&from_one), expected(&[("one", "{}"), ("two", "{}")]));
        let all_zero = [
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": "{}"}}),
            json!({"index": 0, "id": "b", "function": {"name": "two", "arguments": "{}"}}),
        ];
        assert_eq!(calls(&all_zero), expected(&[("one", "{}"), ("two", "{}")]));
        let huge =
            [json!({"index": 4_000_000_000_u64, "id": "a", "function": {"name": "one", "arguments": "{}"}})];
        assert_eq!(calls(&huge), expected(&[("one", "{}")]));
        let repeating = [
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": "{"}}),
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": "}"}}),
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": ""}}),
        ];
        assert_eq!(calls(&repeating), expected(&[("one", "{}")]));
    }

    #[test]
    fn whole_calls_without_ids_are_told_apart() {
        for id in [json!(null), json!("")] {
            let whole = |name: &str, arguments: &str| json!({"index": 0, "id": id, "function": {"name": name, "arguments": arguments}});
            let two = [whole("one", "{\"x\":1}"), whole("two", "{}")];
            assert_eq!(calls(&two), expected(&[("one", "{\"x\":1}"), ("two", "{}")]));
            let same = [whole("one", "{\"x\":1}"), whole("one", "{\"x\":"), whole("", "2}")];
            assert_eq!(calls(&same), expected(&[("one", "{\"x\":1}"), ("one", "{\"x\":2}")]));
        }
        let objects = [
            json!({"index": 0, "function": {"name": "one", "arguments": {"x": 1}}}),
            json!({"index": 0, "function": {"name": "one", "arguments": {"x": 2}}}),
        ];
        assert_eq!(calls(&objects), expected(&[("one", "{\"x\":1}"), ("one", "{\"x\":2}")]));
    }

    #[test]
    fn one_id_for_all_joins_nothing() {
        let pieces = [
            json!({"index": 0, "id": "call", "function": {"name": "one", "arguments": "{"}}),
            json!({"index": 1, "id": "call", "function": {"name": "one", "arguments": "{\"x\":"}}),
            json!({"index": 0, "id": "call", "function": {"arguments": "}"}}),
            json!({"index": 1, "id": "call", "function": {"arguments": "1}"}}),
        ];
        assert_eq!(calls(&pieces), expected(&[("one", "{}"), ("one", "{\"x\":1}")]));
    }

    #[test]
    fn a_new_id_without_a_name_is_no_new_call() {
        let pieces = [
            json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": "{\"x\":"}}),
            json!({"index": 0, "id": "b", "function": {"name": "", "arguments": "1"}}),
            json!({"id": "c", "function": {"arguments": "}"}}),
        ];
        assert_eq!(calls(&pieces), expected(&[("one", "{\"x\":1}")]));
    }

    #[test]
    fn fragments_of_a_reasoning_block_become_one() {
        let mut blocks = Vec::new();
        for fragment in [
            json!({"type": "reasoning.text", "text": "let me ", "index": 0, "format": "f", "signature": null}),
            json!({"type": "reasoning.text", "text": "look", "index": 0, "format": "f"}),
            json!({"type": "reasoning.summary", "summary": "looks", "index": 1}),
            json!({"type": "reasoning.text", "signature": "c2ln", "id": "r1", "index": 0}),
            json!({"type": "reasoning.encrypted", "data": "ab", "id": "t1", "index": 2}),
            json!({"type": "reasoning.encrypted", "data": "cd", "id": "t2", "index": 2}),
            json!({"type": "reasoning.encrypted", "data": "ef", "id": "t2", "index": 2}),
            json!("odd"),
        ] {
            add_detail(&mut blocks, fragment);
        }
        let whole = [
            json!({"type": "reasoning.text", "text": "let me look", "index": 0, "format": "f", "signature": "c2ln", "id": "r1"}),
            json!({"type": "reasoning.summary", "summary": "looks", "index": 1}),
            json!({"type": "reasoning.encrypted", "data": "ab", "id": "t1", "index": 2}),
            json!({"type": "reasoning.encrypted", "data": "cdef", "id": "t2", "index": 2}),
            json!("odd"),
        ];
        assert_eq!(blocks, whole);
    }
}
