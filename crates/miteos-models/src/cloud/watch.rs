//! Reads along in the raw stream of an answer, for what the client library does not pass on: which model answers,
//! frames that are no JSON, errors and token counts it drops, and the pieces of tool calls in chat completions.

use std::sync::{Mutex, MutexGuard, PoisonError};

use genai::chat::{ChatFrameSink, FrameCtx, RawFrameRef};
use serde_json::Value;

use super::counted::{self, Counted};
use super::pieces::{self, Piecemeal};
use crate::known::Wire;

/// The most tool calls of one answer; more are not taken for an answer.
pub const MAX_CALLS: usize = 128;

/// What was seen in the stream so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub bytes: usize,
    /// Events, those without data included.
    pub frames: u64,
    /// What the provider counted so far.
    pub counted: Option<Counted>,
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
        self.frames += 1;
        self.bytes = self.bytes.saturating_add(data.len());
        if data.is_empty() || data == "[DONE]" {
            return;
        }
        let Ok(mut frame) = serde_json::from_str::<Value>(data) else {
            self.garbled = true;
            return;
        };
        self.counted = counted::count(wire, &frame, self.counted);
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
            for detail in details {
                pieces::add_detail(&mut self.details, detail);
            }
        }
        if let Some(Value::Array(pieces)) = delta.get_mut("tool_calls").map(Value::take) {
            for piece in &pieces {
                pieces::add_call_piece(&mut self.calls, piece);
                if self.calls.len() > MAX_CALLS {
                    self.calls.truncate(MAX_CALLS);
                    self.garbled = true;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn too_many_calls_are_no_answer() {
        let mut seen = Seen::default();
        for n in 0..=MAX_CALLS {
            let piece =
                json!({"index": n, "id": format!("c{n}"), "function": {"name": "x", "arguments": "{}"}});
            seen.take(Wire::Chat, &json!({"choices": [{"delta": {"tool_calls": [piece]}}]}).to_string());
        }
        assert!(seen.garbled);
        assert_eq!(seen.calls.len(), MAX_CALLS);
    }
}
