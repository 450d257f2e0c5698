//! Reads along in the raw stream of an answer, for what the client library does not pass on: which model answers,
//! frames that are no JSON, errors it drops, and the pieces of tool calls in chat completions.
//!
//! Those pieces are put together here because servers number them in different ways (from one, or all with zero),
//! which would double or mix calls.

use std::sync::{Mutex, MutexGuard, PoisonError};

use genai::chat::{ChatFrameSink, FrameCtx, RawFrameRef};
use serde_json::Value;

use crate::known::Wire;

/// The most tool calls of one answer; more are not taken for an answer.
pub const MAX_CALLS: usize = 128;

/// What was seen in the stream so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub bytes: usize,
    pub model: Option<String>,
    /// A frame was no JSON.
    pub garbled: bool,
    /// The provider's error object that came inside the stream.
    pub failure: Option<Value>,
    /// Why a response was not completed, in the provider's words.
    pub incomplete: Option<String>,
    /// Tool calls of chat completions.
    pub calls: Vec<Piecemeal>,
    /// Reasoning blocks that a gateway wants back as they are.
    pub details: Vec<Value>,
}

/// A tool call that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Piecemeal {
    index: Option<u64>,
    id: Option<String>,
    pub name: String,
    pub arguments: String,
}

pub(crate) struct Watch {
    wire: Wire,
    seen: Mutex<Seen>,
}

impl Watch {
    pub fn new(wire: Wire) -> Self {
        Self { wire, seen: Mutex::new(Seen::default()) }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChatFrameSink for Watch {
    fn on_frame(&self, _: &FrameCtx, frame: RawFrameRef<'_>) {
        self.seen().take(self.wire, frame.data);
    }
}

impl Seen {
    fn take(&mut self, wire: Wire, data: &str) {
        self.bytes = self.bytes.saturating_add(data.len());
        if data.is_empty() || data == "[DONE]" {
            return;
        }
        let Ok(mut frame) = serde_json::from_str::<Value>(data) else {
            self.garbled = true;
            return;
        };
        match wire {
            Wire::Chat => self.chat(&mut frame),
            Wire::Responses => self.responses(&mut frame),
            Wire::Anthropic => self.model_at(&frame, "/message/model"),
            Wire::Gemini => self.gemini(&mut frame),
        }
    }

    fn model_at(&mut self, frame: &Value, pointer: &str) {
        if let Some(model) = frame.pointer(pointer).and_then(Value::as_str).filter(|model| !model.is_empty())
        {
            self.model = Some(model.to_owned());
        }
    }

    fn responses(&mut self, frame: &mut Value) {
        self.model_at(frame, "/response/model");
        match frame.get("type").and_then(Value::as_str) {
            Some("response.failed") => self.failure = frame.pointer_mut("/response/error").map(Value::take),
            Some("response.incomplete") => {
                let reason = frame.pointer("/response/incomplete_details/reason").and_then(Value::as_str);
                self.incomplete = reason.map(str::to_owned);
            }
            _ => {}
        }
    }

    fn gemini(&mut self, frame: &mut Value) {
        self.model_at(frame, "/modelVersion");
        if let Some(reason) = frame.pointer("/promptFeedback/blockReason").and_then(Value::as_str) {
            self.incomplete = Some(reason.to_owned());
        }
    }

    fn chat(&mut self, frame: &mut Value) {
        self.model_at(frame, "/model");
        let Some(delta) = frame.pointer_mut("/choices/0/delta") else { return };
        if let Some(Value::Array(details)) = delta.get_mut("reasoning_details").map(Value::take) {
            self.details.extend(details);
        }
        if let Some(Value::Array(pieces)) = delta.get_mut("tool_calls").map(Value::take) {
            for piece in &pieces {
                self.piece(piece);
            }
        }
    }

    /// A piece belongs to the call of its id, else of its number, else to the last one; a new id is a new call.
    fn piece(&mut self, piece: &Value) {
        let id = piece.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let index = piece.get("index").and_then(Value::as_u64);
        let name = piece.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
        let at = match id {
            Some(id) => self.calls.iter().position(|call| call.id.as_deref() == Some(id)),
            None if name.is_empty() => {
                let numbered = self.calls.iter().rposition(|call| index.is_some() && call.index == index);
                numbered.or(self.calls.len().checked_sub(1))
            }
            None => self.calls.iter().rposition(|call| index.is_some() && call.index == index),
        };
        let at = at.unwrap_or_else(|| {
            self.calls.push(Piecemeal { index, id: id.map(str::to_owned), ..Piecemeal::default() });
            self.calls.len() - 1
        });
        if self.calls.len() > MAX_CALLS {
            self.calls.truncate(MAX_CALLS);
            self.garbled = true;
            return;
        }
        let call = &mut self.calls[at];
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        match piece.pointer("/function/arguments") {
            Some(Value::String(text)) => call.arguments.push_str(text),
            // Some servers send the arguments as an object at once.
            Some(whole @ Value::Object(_)) => call.arguments = whole.to_string(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls(pieces: &[Value]) -> Vec<(String, String)> {
        let mut seen = Seen::default();
        for piece in pieces {
            seen.take(Wire::Chat, &json!({"choices": [{"delta": {"tool_calls": [piece]}}]}).to_string());
        }
        seen.calls.into_iter().map(|call| (call.name, call.arguments)).collect()
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
        ];
        assert_eq!(calls(&repeating), expected(&[("one", "{}")]));
    }

    #[test]
    fn too_many_calls_are_no_answer() {
        let mut seen = Seen::default();
        for n in 0..=MAX_CALLS {
            seen.piece(
                &json!({"index": n, "id": format!("c{n}"), "function": {"name": "x", "arguments": "{}"}}),
            );
        }
        assert!(seen.garbled);
        assert_eq!(seen.calls.len(), MAX_CALLS);
    }
}
