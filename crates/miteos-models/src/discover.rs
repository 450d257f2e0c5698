//! Looks for model servers when no model is configured: Ollama, LM Studio and llama.cpp at their usual places on
//! this machine, and whatever `OPENAI_BASE_URL` points to. Asks each for its list of models, once and briefly.

use std::time::Duration;

use futures::future::join_all;
use serde::Deserialize;

use crate::cloud::Http;
use crate::config::{Endpoint, ModelsConfig, Override};
use crate::known::{KNOWN, Known, known};
use crate::name::ModelName;

/// How long a server may take to list its models.
pub const LIST_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The longest list that is read, in bytes.
pub const MAX_LIST_BYTES: usize = 1 << 20;
/// The most models of one server that are looked at.
pub const MAX_LISTED: usize = 500;

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub provider: String,
    /// In the server's own order.
    pub models: Vec<ModelName>,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    owned_by: Option<String>,
    #[serde(default)]
    meta: Option<Meta>,
    /// LM Studio and vLLM say the window here.
    #[serde(default)]
    max_model_len: Option<u32>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    n_ctx: Option<u32>,
}

/// Does nothing if a model is chosen or a provider has a key; else takes the first model of the first server that
/// answers as the default. Returns the servers that answered.
pub async fn discover_local_servers(config: &mut ModelsConfig) -> Vec<Found> {
    let candidates: Vec<(&Known, Endpoint)> = candidates(config);
    discover(config, candidates, LIST_TIMEOUT).await
}

fn candidates(config: &ModelsConfig) -> Vec<(&'static Known, Endpoint)> {
    let endpoint = |name: &str| config.endpoints.get(name).cloned().unwrap_or_default();
    let own_server = known("openai").filter(|openai| endpoint(openai.name).base_url.is_some());
    match &config.default {
        Some(_) if config.default_is_chosen => Vec::new(),
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
        let named =
            usable.filter_map(|entry| Some((ModelName::new(provider.name, &entry.id).ok()?, window(entry))));
        let named: Vec<_> = named.collect();
        for (name, window_tokens) in &named {
            if let Some(window_tokens) = window_tokens {
                let stated: &mut Override = config.overrides.entry(name.clone()).or_default();
                stated.window_tokens.get_or_insert(*window_tokens);
            }
        }
        let models: Vec<ModelName> = named.into_iter().map(|(name, _)| name).collect();
        found.push(Found { provider: provider.name.to_owned(), models });
    }
    let offered: Vec<&ModelName> = found.iter().flat_map(|server| &server.models).collect();
    let stays = config.default.as_ref().is_some_and(|default| offered.contains(&default));
    if !stays && let Some(first) = offered.first() {
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
    let is_it =
        provider.name != "llamacpp" || list.data.iter().any(|e| e.owned_by.as_deref() == Some("llamacpp"));
    is_it.then_some(list.data)
}

fn window(entry: &Entry) -> Option<u32> {
    let own = entry.meta.as_ref().and_then(|meta| meta.n_ctx);
    own.or(entry.max_model_len).filter(|tokens| *tokens > 0)
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
