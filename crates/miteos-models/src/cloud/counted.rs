//! Reads the token counts of raw frames, in each provider's words. The client library drops some of them, and all of
//! those of an answer that was cut.

use miteos_core::money::Usage;
use serde_json::Value;

use crate::known::Wire;

/// What a provider counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub usage: Usage,
    /// The output was counted, too, not only the prompt.
    pub has_output: bool,
}

/// The counts of a frame behind those that are known.
pub(crate) fn count(wire: Wire, frame: &Value, known: Option<Counted>) -> Option<Counted> {
    let told = match wire {
        Wire::Chat => filled(frame, "/usage").or_else(|| filled(frame, "/x_groq/usage")).map(chat),
        Wire::Responses => filled(frame, "/response/usage").map(responses),
        Wire::Anthropic => filled(frame, "/message/usage")
            .map(|told| Counted { has_output: false, ..anthropic(told) })
            .or_else(|| filled(frame, "/usage").map(|told| behind(known, anthropic(told)))),
        Wire::Gemini => filled(frame, "/usageMetadata").map(gemini),
    };
    told.filter(|counted| counted.usage.total() > 0).or(known)
}

fn filled<'f>(frame: &'f Value, pointer: &str) -> Option<&'f Value> {
    frame.pointer(pointer).filter(|told| told.is_object())
}

fn tokens(told: &Value, pointer: &str) -> u64 {
    told.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn chat(told: &Value) -> Counted {
    let input = tokens(told, "/prompt_tokens");
    let reasoning = tokens(told, "/completion_tokens_details/reasoning_tokens");
    // Some count the thoughts in the total only.
    let rest = tokens(told, "/total_tokens").saturating_sub(input);
    let usage = Usage {
        input,
        output: tokens(told, "/completion_tokens").max(reasoning).max(rest),
        cache_read: tokens(told, "/prompt_tokens_details/cached_tokens"),
        cache_write: 0,
        reasoning,
    };
    Counted { usage, has_output: true }
}

fn responses(told: &Value) -> Counted {
    let usage = Usage {
        input: tokens(told, "/input_tokens"),
        output: tokens(told, "/output_tokens"),
        cache_read: tokens(told, "/input_tokens_details/cached_tokens"),
        cache_write: 0,
        reasoning: tokens(told, "/output_tokens_details/reasoning_tokens"),
    };
    Counted { usage, has_output: true }
}

fn anthropic(told: &Value) -> Counted {
    let cache_read = tokens(told, "/cache_read_input_tokens");
    let cache_write = tokens(told, "/cache_creation_input_tokens");
    let usage = Usage {
        input: tokens(told, "/input_tokens") + cache_read + cache_write,
        output: tokens(told, "/output_tokens"),
        cache_read,
        cache_write,
        reasoning: 0,
    };
    Counted { usage, has_output: true }
}

/// The last message of an answer counts its output, and need not count its prompt again.
fn behind(known: Option<Counted>, last: Counted) -> Counted {
    let Some(known) = known.filter(|known| known.usage.input >= last.usage.input) else { return last };
    let output = last.usage.output;
    Counted { usage: Usage { output, ..known.usage }, has_output: true }
}

fn gemini(told: &Value) -> Counted {
    let reasoning = tokens(told, "/thoughtsTokenCount");
    let usage = Usage {
        input: tokens(told, "/promptTokenCount"),
        output: tokens(told, "/candidatesTokenCount") + reasoning,
        cache_read: tokens(told, "/cachedContentTokenCount"),
        cache_write: 0,
        reasoning,
    };
    Counted { usage, has_output: usage.output > 0 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_provider_has_its_words() {
        let chat = json!({"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 16}});
        let counted = count(Wire::Chat, &chat, None).unwrap();
        assert_eq!(counted.usage, Usage { input: 9, output: 7, ..Usage::default() });
        // A later frame without counts changes nothing.
        assert_eq!(count(Wire::Chat, &json!({"usage": null}), Some(counted)), Some(counted));
        let groq = json!({"x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 2}}});
        assert_eq!(count(Wire::Chat, &groq, None).unwrap().usage.output, 2);
        let gemini = json!({"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1, "thoughtsTokenCount": 4}});
        let usage = Usage { input: 9, output: 5, reasoning: 4, ..Usage::default() };
        assert_eq!(count(Wire::Gemini, &gemini, None), Some(Counted { usage, has_output: true }));
        let responses = json!({"response": {"usage": {"input_tokens": 9, "output_tokens": 2}}});
        assert_eq!(count(Wire::Responses, &responses, None).unwrap().usage.total(), 11);
        assert_eq!(count(Wire::Responses, &json!({"response": {"usage": null}}), None), None);
    }

    #[test]
    fn anthropic_counts_the_prompt_first_and_the_answer_last() {
        let start = json!({"message": {"usage": {"input_tokens": 20, "cache_read_input_tokens": 400, "output_tokens": 1}}});
        let first = count(Wire::Anthropic, &start, None).unwrap();
        assert!(!first.has_output);
        let last = count(Wire::Anthropic, &json!({"usage": {"output_tokens": 55}}), Some(first)).unwrap();
        assert_eq!(last.usage, Usage { input: 420, output: 55, cache_read: 400, ..Usage::default() });
        assert!(last.has_output);
    }
}
