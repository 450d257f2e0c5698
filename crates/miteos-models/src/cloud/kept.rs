//! What a provider wants to see again with a turn: signed or encrypted thoughts. It goes round as an opaque value
//! and is only ever shown to the provider that it came from.

use genai::chat::{ContentPart, CustomPart, StreamEnd};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::watch::Seen;
use crate::known::Wire;

/// The kept parts of one answer, in their order.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    provider: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
    /// The signatures of each tool call, by its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Vec<String>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Signature(String),
    Reasoning(String),
    Block(Value),
}

impl Kept {
    /// Collects what the answer holds of it.
    pub fn of(
        provider: &str,
        wire: Wire,
        end: &StreamEnd,
        seen: &mut Seen,
        reasoning: &str,
    ) -> Option<Value> {
        let mut kept = Self { provider: provider.to_owned(), ..Self::default() };
        for part in end.captured_content.iter().flat_map(|content| content.parts()) {
            match part {
                ContentPart::ThoughtSignature(text) => kept.parts.push(Part::Signature(text.clone())),
                ContentPart::ReasoningContent(text) => kept.parts.push(Part::Reasoning(text.clone())),
                ContentPart::Custom(custom) => kept.parts.push(Part::Block(custom.data.clone())),
                ContentPart::ToolCall(call) if wire == Wire::Gemini => {
                    kept.calls.push(call.thought_signatures.clone().unwrap_or_default());
                }
                ContentPart::ToolCall(_)
                | ContentPart::Text(_)
                | ContentPart::Binary(_)
                | ContentPart::ToolResponse(_) => {}
            }
        }
        if wire == Wire::Chat {
            kept.parts.extend(std::mem::take(&mut seen.details).into_iter().map(Part::Block));
            // DeepSeek wants the thoughts of a turn back that called a tool.
            if provider == "deepseek" && !seen.calls.is_empty() && !reasoning.is_empty() {
                kept.parts.push(Part::Reasoning(reasoning.to_owned()));
            }
        }
        if kept.calls.iter().all(Vec::is_empty) {
            kept.calls.clear();
        }
        let empty = kept.parts.is_empty() && kept.calls.is_empty();
        if empty { None } else { serde_json::to_value(kept).ok() }
    }

    /// Reads it back; another provider's is left out.
    pub fn read(opaque: &Value, provider: &str) -> Option<Self> {
        let kept = Self::deserialize(opaque).ok()?;
        (kept.provider == provider).then_some(kept)
    }

    /// The parts for the wire, in front of the turn's text.
    pub fn parts(&self, wire: Wire, has_calls: bool) -> Vec<ContentPart> {
        let parts = self.parts.iter().filter(|part| match part {
            Part::Reasoning(_) => wire != Wire::Chat || has_calls,
            Part::Signature(_) | Part::Block(_) => true,
        });
        parts
            .map(|part| match part {
                Part::Signature(text) => ContentPart::ThoughtSignature(text.clone()),
                Part::Reasoning(text) => ContentPart::ReasoningContent(text.clone()),
                Part::Block(data) => ContentPart::Custom(CustomPart { model_iden: None, data: data.clone() }),
            })
            .collect()
    }

    /// The signatures of the n-th tool call.
    pub fn signatures_of(&self, nth: usize) -> Option<Vec<String>> {
        self.calls.get(nth).filter(|signatures| !signatures.is_empty()).cloned()
    }
}
