//! Looks for model servers when no model is configured, and asks those of configured models for windows: Ollama, LM Studio and llama.cpp at their usual places on
//! this machine, and whatever `OPENAI_BASE_URL` points to. Asks each for its list of models, once and briefly.

use std::time::Duration;

use futures::future::join_all;
use serde::Deserialize;
use serde_json::Value;

use crate::cloud::Http;
use crate::config::{Endpoint, ModelsConfig, Override};
use crate::known::{KNOWN, Known, known, stand_in};
use crate::name::ModelName;

/// How long a server may take to list its models.
pub const LIST_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The longest list that is read, in bytes.
pub const MAX_LIST_BYTES: usize = 1 << 20;
/// The most models of one server that are looked at.
pub const MAX_LISTED: usize = 500;

/// What llama.cpp's server goes by, here and in its own list.
const LLAMACPP: &str = "llamacpp";

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub provider: String,
    /// In the server's own order.
    pub models: Vec<ModelName>,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Value>,
}

/// A model of a server's list.
struct Entry {
    id: String,
    owned_by: Option<String>,
    window_tokens: Option<u32>,
}

/// Where servers say the window of a model: as it is loaded, else as it was trained.
const WINDOWS: [&str; 6] = [
    "/meta/n_ctx",
    "/n_ctx",
    "/max_model_len",
    "/max_context_length",
    "/context_length",
    "/meta/n_ctx_train",
];

impl Entry {
    fn read(entry: &Value) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let tokens = |pointer: &&str| entry.pointer(pointer).and_then(Value::as_u64).filter(|n| *n > 0);
        let window = WINDOWS.iter().find_map(tokens);
        let window_tokens = window.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX));
        Some(Self { id: text("id")?, owned_by: text("owned_by"), window_tokens })
    }
}

/// If no model is chosen and no provider has a key, takes the first model of the first server that answers as the
/// default. The servers of models that are chosen are only asked for their windows. Returns the servers that answered.
pub async fn discover_local_servers(config: &mut ModelsConfig) -> Vec<Found> {
    let candidates: Vec<(&Known, Endpoint)> = candidates(config);
    discover(config, candidates, LIST_TIMEOUT).await
}

fn candidates(config: &ModelsConfig) -> Vec<(&'static Known, Endpoint)> {
    let endpoint = |name: &str| config.endpoints.get(name).cloned().unwrap_or_default();
    let own_server = known("openai").filter(|openai| stand_in(openai.name, &endpoint(openai.name)).is_some());
    match &config.default {
        Some(_) if config.default_is_chosen => {
            let is_named = |known: &Known| roles(config).any(|name| name.provider() == known.name);
            let local = KNOWN.iter().filter(|provider| provider.is_local());
            own_server
                .into_iter()
                .chain(local)
                .filter(|k| is_named(k))
                .map(|k| (k, endpoint(k.name)))
                .collect()
        }
        // The provider's own default model need not exist on the server that stands in for it.
        Some(default) if default.provider() == "openai" => {
            own_server.into_iter().map(|k| (k, endpoint(k.name))).collect()
        }
        Some(_) => Vec::new(),
        None => {
            let local = KNOWN.iter().filter(|provider| provider.is_local());
            own_server.into_iter().chain(local).map(|k| (k, endpoint(k.name))).collect()
        }
    }
}

async fn discover(
    config: &mut ModelsConfig,
    candidates: Vec<(&'static Known, Endpoint)>,
    timeout: Duration,
) -> Vec<Found> {
    if candidates.is_empty() {
        return Vec::new();
    }
    let http = Http::default();
    let asked = candidates.iter().map(|(provider, endpoint)| list(&http, provider, endpoint, timeout));
    let answers = join_all(asked).await;
    let mut found = Vec::new();
    for ((provider, _), entries) in candidates.iter().zip(answers) {
        let Some(entries) = entries else { continue };
        let usable = entries.iter().filter(|entry| can_chat(&entry.id)).take(MAX_LISTED);
        let named = usable
            .filter_map(|entry| Some((ModelName::new(provider.name, &entry.id).ok()?, entry.window_tokens)));
        let named: Vec<_> = named.collect();
        for (name, window_tokens) in &named {
            state_window(config, name, *window_tokens);
        }
        if let [(only, window_tokens)] = named.as_slice()
            && entries.iter().all(|entry| entry.owned_by.as_deref() == Some(LLAMACPP))
        {
            // It answers with its one model whatever name it is asked for.
            for name in
                roles(config).filter(|name| name.provider() == only.provider()).cloned().collect::<Vec<_>>()
            {
                state_window(config, &name, *window_tokens);
            }
        }
        let models: Vec<ModelName> = named.into_iter().map(|(name, _)| name).collect();
        found.push(Found { provider: provider.name.to_owned(), models });
    }
    let offered: Vec<&ModelName> = found.iter().flat_map(|server| &server.models).collect();
    let stays = config.default.as_ref().is_some_and(|default| offered.contains(&default));
    if !stays
        && !config.default_is_chosen
        && let Some(first) = offered.first()
    {
        config.default = Some((*first).clone());
    }
    found
}

async fn list(http: &Http, provider: &Known, endpoint: &Endpoint, timeout: Duration) -> Option<Vec<Entry>> {
    let base = endpoint.base_url.as_deref().unwrap_or(provider.base_url);
    let client = http.for_address(base).ok()?;
    let mut request = client.get(Endpoint::with_path(base, "models")).timeout(timeout);
    if let Some(key) = &endpoint.key {
        request = request.bearer_auth(key.expose());
    }
    let mut response = request.send().await.ok().filter(|response| response.status().is_success())?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_LIST_BYTES {
            tracing::warn!(
                provider = provider.name,
                "the server's list of models is too long and was not read"
            );
            return None;
        }
    }
    let list: List = serde_json::from_slice(&body).ok()?;
    // Port 8080 is everybody's: only a server that says what it is is taken for one.
    let entries: Vec<Entry> = list.data.iter().filter_map(Entry::read).collect();
    let is_it =
        provider.name != LLAMACPP || entries.iter().any(|entry| entry.owned_by.as_deref() == Some(LLAMACPP));
    is_it.then_some(entries)
}

/// The models that are named in the configuration.
fn roles(config: &ModelsConfig) -> impl Iterator<Item = &ModelName> {
    config.default.iter().chain(&config.planner).chain(&config.fallbacks)
}

/// Takes what a server says, where the operator says nothing.
fn state_window(config: &mut ModelsConfig, name: &ModelName, window_tokens: Option<u32>) {
    if let Some(window_tokens) = window_tokens {
        let stated: &mut Override = config.overrides.entry(name.clone()).or_default();
        stated.window_tokens.get_or_insert(window_tokens);
    }
}

/// Servers list models that embed, rank or transcribe, too.
fn can_chat(id: &str) -> bool {
    let id = id.to_ascii_lowercase();
    !["embed", "rerank", "whisper", "bge-", "tts", "moderation", "dall-e", "clip"]
        .iter()
        .any(|other| id.contains(other))
}

#[cfg(test)]
#[path = "discover_tests.rs"]
mod tests;
