//! The configuration of models from environment variables. It reads them through a function, never by itself.

use crate::config::{Endpoint, ModelsConfig, Secret};
use crate::known::{KNOWN, Known};
use crate::name::ModelName;
use crate::stated;

/// The default model, `provider/model`.
pub const MODEL: &str = "MITEOS_MODEL";
/// The model that plans; unset: the default model.
pub const PLANNER_MODEL: &str = "MITEOS_PLANNER_MODEL";
/// A comma list of models that are tried in order when one fails.
pub const FALLBACK_MODELS: &str = "MITEOS_FALLBACK_MODELS";
/// Any server that speaks OpenAI's chat completions.
pub const OPENAI_BASE_URL: &str = "OPENAI_BASE_URL";
/// Where Ollama is, as Ollama itself reads it: `host`, `host:port` or an address.
pub const OLLAMA_HOST: &str = "OLLAMA_HOST";
/// The most fallback models that are taken.
pub const MAX_FALLBACKS: usize = 8;

const OLLAMA_PORT: u16 = 11434;

/// Reads all settings. What cannot be understood is listed in `problems`; the rest holds.
pub fn config_from_env(get: &dyn Fn(&str) -> Option<String>) -> ModelsConfig {
    let get = |name: &str| get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut config = ModelsConfig::default();
    for provider in KNOWN {
        if let Some(key) = provider.key_variable.and_then(&get) {
            config.endpoints.entry(provider.name.to_owned()).or_default().key = Some(Secret::new(key));
        }
    }
    if let Some(url) = get(OPENAI_BASE_URL) {
        set_address(&mut config, "openai", OPENAI_BASE_URL, &url);
    }
    if let Some(host) = get(OLLAMA_HOST) {
        set_address(&mut config, "ollama", OLLAMA_HOST, &ollama_address(&host));
    }
    config.default = model(&mut config, MODEL, get(MODEL));
    config.default_is_chosen = config.default.is_some();
    if config.default.is_none() {
        config.default = KNOWN.iter().filter(|provider| has_key(&config, provider)).find_map(own_model);
    }
    config.planner = model(&mut config, PLANNER_MODEL, get(PLANNER_MODEL));
    let fallbacks = get(FALLBACK_MODELS).unwrap_or_default();
    let names: Vec<_> = fallbacks.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.len() > MAX_FALLBACKS {
        config.problems.push(format!(
            "{FALLBACK_MODELS} names {} models, the first {MAX_FALLBACKS} are taken",
            names.len()
        ));
    }
    for name in names.into_iter().take(MAX_FALLBACKS) {
        let fallback = model(&mut config, FALLBACK_MODELS, Some(name.to_owned()));
        config.fallbacks.extend(fallback);
    }
    stated::read(&mut config, &get);
    config
}

fn has_key(config: &ModelsConfig, provider: &Known) -> bool {
    config.endpoints.get(provider.name).is_some_and(|endpoint| endpoint.key.is_some())
}

fn own_model(provider: &Known) -> Option<ModelName> {
    ModelName::new(provider.name, provider.default_model?).ok()
}

fn model(config: &mut ModelsConfig, variable: &str, text: Option<String>) -> Option<ModelName> {
    match text?.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            config.problems.push(format!("{variable}: {error}"));
            None
        }
    }
}

fn set_address(config: &mut ModelsConfig, provider: &str, variable: &str, text: &str) {
    match normal_address(text) {
        Some(url) => config.endpoints.entry(provider.to_owned()).or_default().base_url = Some(url),
        None => config.problems.push(format!(
            "{variable} is no http or https address with a host; it should look like http://127.0.0.1:8000/v1"
        )),
    }
}

/// The address with exactly one slash at its end, as paths are put behind it.
pub(crate) fn normal_address(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    usable.then(|| Endpoint::slashed(url.as_str()))
}

/// Ollama takes `0.0.0.0` (where it listens) as the place to call, too.
fn ollama_address(host: &str) -> String {
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let rest = rest.trim_end_matches('/');
    let rest = rest.strip_suffix("/v1").unwrap_or(rest);
    let rest = rest.replacen("0.0.0.0", "127.0.0.1", 1);
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if has_port || scheme == "https" { String::new() } else { format!(":{OLLAMA_PORT}") };
    format!("{scheme}://{rest}{port}/v1/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> ModelsConfig {
        let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        config_from_env(&move |name| {
            pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        })
    }

    fn default_of(config: &ModelsConfig) -> String {
        config.default.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn nothing_set_is_nothing_configured() {
        let config = read(&[("OPENAI_API_KEY", "  ")]);
        assert_eq!(config, ModelsConfig::default());
    }

    #[test]
    fn the_first_provider_with_a_key_is_the_default() {
        assert!(
            default_of(&read(&[("OPENAI_API_KEY", "a"), ("ANTHROPIC_API_KEY", "b")]))
                .starts_with("anthropic/")
        );
        assert!(default_of(&read(&[("XAI_API_KEY", "a"), ("MISTRAL_API_KEY", "b")])).starts_with("mistral/"));
        assert!(
            default_of(&read(&[("GROQ_API_KEY", "a"), ("OPENROUTER_API_KEY", "b")]))
                .starts_with("openrouter/")
        );
        let config = read(&[("GEMINI_API_KEY", "k"), ("MITEOS_MODEL", "ollama/qwen3:8b")]);
        assert_eq!(default_of(&config), "ollama/qwen3:8b");
        assert!(config.default_is_chosen);
    }

    #[test]
    fn roles_and_mistakes() {
        let config = read(&[
            ("MITEOS_MODEL", "gpt-5"),
            ("MITEOS_PLANNER_MODEL", "anthropic/claude-opus-5"),
            ("MITEOS_FALLBACK_MODELS", "openai/gpt-5, , groq/openai/gpt-oss-120b,bad name"),
            ("OPENAI_BASE_URL", "localhost:8000"),
            ("DEEPSEEK_API_KEY", "k"),
        ]);
        assert_eq!(config.planner.unwrap().to_string(), "anthropic/claude-opus-5");
        let fallbacks: Vec<_> = config.fallbacks.iter().map(ToString::to_string).collect();
        assert_eq!(fallbacks, ["openai/gpt-5", "groq/openai/gpt-oss-120b"]);
        assert_eq!(config.problems.len(), 3, "{:?}", config.problems);
        assert!(config.problems.iter().any(|problem| problem.starts_with("OPENAI_BASE_URL")));
        // A default that is not understood does not stop the rest.
        assert!(config.default.unwrap().to_string().starts_with("deepseek/"));
    }

    #[test]
    fn addresses_are_made_whole() {
        let base =
            |config: ModelsConfig, provider: &str| config.endpoints[provider].base_url.clone().unwrap();
        assert_eq!(base(read(&[("OPENAI_BASE_URL", "http://h:1/v1")]), "openai"), "http://h:1/v1/");
        for (host, address) in [
            ("0.0.0.0", "http://127.0.0.1:11434/v1/"),
            ("box:9999", "http://box:9999/v1/"),
            ("http://box:9999/", "http://box:9999/v1/"),
            ("https://models.example", "https://models.example/v1/"),
        ] {
            assert_eq!(base(read(&[("OLLAMA_HOST", host)]), "ollama"), address);
        }
    }
}
