//! The providers that are known by name: where they are, whose key they take, how they speak. It makes no calls.

use genai::adapter::AdapterKind;

use crate::config::Endpoint;

/// The form of a provider's requests and streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// OpenAI's chat completions, which most servers speak.
    Chat,
    /// OpenAI's responses.
    Responses,
    Anthropic,
    Gemini,
}

/// A provider that needs no more than a key, or nothing at all.
#[derive(Debug)]
pub(crate) struct Known {
    pub name: &'static str,
    pub wire: Wire,
    pub adapter: AdapterKind,
    /// Ends with a slash.
    pub base_url: &'static str,
    /// The provider's own variable for its key; `None` for servers on this machine.
    pub key_variable: Option<&'static str>,
    /// The model that is taken when the provider is configured and no model is.
    pub default_model: Option<&'static str>,
}

impl Known {
    /// Whether this is a server on the operator's own machines.
    pub fn is_local(&self) -> bool {
        self.key_variable.is_none()
    }
}

/// In the order of preference: the first one with a key gives the default model, then the first server that answers.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        name: "anthropic",
        wire: Wire::Anthropic,
        adapter: AdapterKind::Anthropic,
        base_url: "https://api.anthropic.com/v1/",
        key_variable: Some("ANTHROPIC_API_KEY"),
        default_model: Some("claude-sonnet-5-5"),
    },
    Known {
        name: "openai",
        wire: Wire::Responses,
        adapter: AdapterKind::OpenAI,
        base_url: "https://api.openai.com/v1/",
        key_variable: Some("OPENAI_API_KEY"),
        default_model: Some("gpt-6.1-sol"),
    },
    Known {
        name: "gemini",
        wire: Wire::Gemini,
        adapter: AdapterKind::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta/",
        key_variable: Some("GEMINI_API_KEY"),
        default_model: Some("gemini-3.8-flash"),
    },
    Known {
        name: "openrouter",
        wire: Wire::Chat,
        adapter: AdapterKind::OpenRouter,
        base_url: "https://openrouter.ai/api/v1/",
        key_variable: Some("OPENROUTER_API_KEY"),
        default_model: Some("openrouter/auto"),
    },
    Known {
        name: "groq",
        wire: Wire::Chat,
        adapter: AdapterKind::Groq,
        base_url: "https://api.groq.com/openai/v1/",
        key_variable: Some("GROQ_API_KEY"),
        default_model: Some("openai/gpt-oss-120b"),
    },
    Known {
        name: "deepseek",
        wire: Wire::Chat,
        adapter: AdapterKind::DeepSeek,
        base_url: "https://api.deepseek.com/v1/",
        key_variable: Some("DEEPSEEK_API_KEY"),
        default_model: Some("deepseek-v4-pro"),
    },
    Known {
        name: "mistral",
        wire: Wire::Chat,
        adapter: AdapterKind::Mistral,
        base_url: "https://api.mistral.ai/v1/",
        key_variable: Some("MISTRAL_API_KEY"),
        default_model: Some("mistral-large-latest"),
    },
    Known {
        name: "xai",
        wire: Wire::Chat,
        adapter: AdapterKind::Xai,
        base_url: "https://api.x.ai/v1/",
        key_variable: Some("XAI_API_KEY"),
        default_model: Some("grok-4.7"),
    },
    // Ollama's own interface cannot take a schema, its OpenAI-compatible one can.
    Known {
        name: "ollama",
        wire: Wire::Chat,
        adapter: AdapterKind::OpenAI,
        base_url: "http://127.0.0.1:11434/v1/",
        key_variable: None,
        default_model: None,
    },
    Known {
        name: "lmstudio",
        wire: Wire::Chat,
        adapter: AdapterKind::OpenAI,
        base_url: "http://127.0.0.1:1234/v1/",
        key_variable: None,
        default_model: None,
    },
    Known {
        name: "llamacpp",
        wire: Wire::Chat,
        adapter: AdapterKind::OpenAI,
        base_url: "http://127.0.0.1:8080/v1/",
        key_variable: None,
        default_model: None,
    },
];

/// The provider of this name.
pub(crate) fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|provider| provider.name == name)
}

/// The address of a server that stands in for a provider; `None` where the provider itself is asked, also if its own
/// address is written out.
pub(crate) fn stand_in<'e>(name: &str, endpoint: &'e Endpoint) -> Option<&'e str> {
    let url = endpoint.base_url.as_deref()?;
    let whole = |url: &str| reqwest::Url::parse(&Endpoint::slashed(url)).ok();
    let is_own =
        known(name).is_some_and(|known| whole(url).is_some_and(|url| Some(url) == whole(known.base_url)));
    (!is_own).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelName, prices};

    #[test]
    fn default_models_have_prices_and_windows() {
        for provider in KNOWN {
            let Some(model) = provider.default_model else { continue };
            let name = ModelName::new(provider.name, model).unwrap();
            // The router chooses among models of different prices.
            if provider.name == "openrouter" {
                assert!(prices::look_up(&name).is_none_or(|row| row.price.is_none()));
                continue;
            }
            let row = prices::look_up(&name).unwrap_or_else(|| panic!("{name} is not in the table"));
            assert!(row.price.is_some_and(|price| price.input > 0 && price.output > 0), "{name}");
            assert!(row.window_tokens.is_some_and(|tokens| tokens >= 100_000), "{name}");
        }
    }

    #[test]
    fn a_providers_own_address_is_no_stand_in() {
        let asked = |name: &str, url: &str| {
            let endpoint = Endpoint { base_url: Some(url.to_owned()), key: None };
            stand_in(name, &endpoint).is_some()
        };
        for own in
            ["https://api.openai.com/v1", "https://api.openai.com/v1/", "https://API.openai.com:443/v1"]
        {
            assert!(!asked("openai", own), "{own}");
        }
        for other in
            ["https://api.openai.com/v2", "http://api.openai.com/v1", "https://api.openai.com.example/v1"]
        {
            assert!(asked("openai", other), "{other}");
        }
        assert!(asked("acme", "https://api.openai.com/v1"));
    }

    #[test]
    fn addresses_end_with_a_slash() {
        assert!(KNOWN.iter().all(|provider| provider.base_url.ends_with('/')));
    }
}
