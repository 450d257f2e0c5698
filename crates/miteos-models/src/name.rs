//! The name of a model: `provider/model`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name that is taken, in bytes.
pub const MAX_NAME_BYTES: usize = 200;

/// `provider/model`. The model part may hold slashes itself (`openrouter/meta-llama/llama-4-scout`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName {
    provider: String,
    model: String,
}

/// Why a text is no model name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("model name {given:?} is not provider/model, for example anthropic/claude-sonnet-4-5")]
pub struct InvalidModelName {
    given: String,
}

impl ModelName {
    /// Joins the two parts; the same rules as for parsing.
    pub fn new(provider: &str, model: &str) -> Result<Self, InvalidModelName> {
        format!("{provider}/{model}").parse()
    }

    /// The part before the first slash, always lower case.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Everything after the first slash, as the provider spells it.
    pub fn model(&self) -> &str {
        &self.model
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl FromStr for ModelName {
    type Err = InvalidModelName;

    fn from_str(text: &str) -> Result<Self, InvalidModelName> {
        let invalid = || InvalidModelName { given: text.chars().take(MAX_NAME_BYTES).collect() };
        let (provider, model) = text.trim().split_once('/').ok_or_else(invalid)?;
        let provider_ok = !provider.is_empty()
            && provider.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        let model_ok = !model.is_empty() && model.chars().all(|c| c.is_ascii_graphic());
        if !provider_ok || !model_ok || text.len() > MAX_NAME_BYTES {
            return Err(invalid());
        }
        Ok(Self { provider: provider.to_ascii_lowercase(), model: model.to_owned() })
    }
}

impl Serialize for ModelName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_part_keeps_its_slashes() {
        let name: ModelName = "OpenRouter/meta-llama/llama-4:free".parse().unwrap();
        assert_eq!((name.provider(), name.model()), ("openrouter", "meta-llama/llama-4:free"));
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"openrouter/meta-llama/llama-4:free\"");
        assert_eq!(
            serde_json::from_str::<ModelName>("\"openrouter/meta-llama/llama-4:free\"").unwrap(),
            name
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "gpt-5", "/gpt-5", "openai/", "open ai/x", "openai/a b", "openai/a\nb"] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad:?}");
        }
        assert!(format!("openai/{}", "x".repeat(MAX_NAME_BYTES)).parse::<ModelName>().is_err());
    }
}
