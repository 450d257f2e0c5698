//! All configured models behind one door.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use miteos_core::chat::guess_tokens;
use miteos_core::money::Price;

use crate::call::{Answer, Delta, Message, Request};
use crate::cloud::{Cloud, Http, Limits, is_loopback, request_bytes};
use crate::config::{Endpoint, ModelsConfig};
use crate::error::{ErrorKind, ModelError, NoModel, UnknownModel};
use crate::known::{KNOWN, known, stand_in};
use crate::name::ModelName;
use crate::prices;
use crate::provider::{Offered, Provider};
use crate::scripted::{self, Scripted};

/// The window of a cloud model that the table does not know.
pub const UNKNOWN_WINDOW_TOKENS: u32 = 128_000;
/// The window of a model on this machine that does not say its own: servers cut longer prompts without a word, and
/// most are started with little more.
pub const LOCAL_WINDOW_TOKENS: u32 = 16_384;
/// The output limit of a model that the table does not know.
pub const UNKNOWN_OUTPUT_TOKENS: u32 = 8_192;
/// What a message, a call or a tool weighs in a prompt beside its own text: names of roles, marks, ids (tokens).
const FRAME_TOKENS: u64 = 16;
/// The provider name of the model inside the process.
pub const LOCAL_PROVIDER: &str = "local";

/// What is known about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelInfo {
    /// `None`: unknown, which is not the same as free.
    pub price: Option<Price>,
    /// Prompt tokens that fit, at this price.
    pub window_tokens: u32,
    /// Tokens that one answer may have.
    pub max_output_tokens: u32,
    /// Whether it runs on the operator's own machines.
    pub local: bool,
    /// Whether it is too small for more than plain work: it plans one subtask and gets few tools.
    pub small: bool,
}

/// A model for people to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedModel {
    pub name: ModelName,
    pub info: ModelInfo,
    /// `default`, `planner` and `fallback`, or nothing.
    pub roles: Vec<&'static str>,
}

/// All configured models.
pub struct Models {
    config: ModelsConfig,
    providers: BTreeMap<String, Arc<dyn Provider>>,
    /// The model inside the process, if there is one; it is the default when nothing else is.
    local: Option<ModelName>,
}

impl Models {
    /// Sets up every provider that is configured, the servers of this machine at their usual places, and the script
    /// of test mode. Nothing is called yet.
    pub fn new(config: ModelsConfig) -> Self {
        let http = Http::default();
        let mut providers: BTreeMap<String, Arc<dyn Provider>> = BTreeMap::new();
        providers.insert(scripted::PROVIDER.to_owned(), Arc::new(Scripted));
        for provider in KNOWN.iter().filter(|provider| provider.is_local()) {
            let endpoint = config.endpoints.get(provider.name).cloned().unwrap_or_default();
            let cloud = Cloud::new(provider.name, &endpoint, Limits::LOCAL, &http);
            providers.insert(provider.name.to_owned(), Arc::new(cloud));
        }
        for (name, endpoint) in &config.endpoints {
            let reachable = endpoint.key.is_some() || endpoint.base_url.is_some();
            if reachable && known(name).is_none_or(|provider| !provider.is_local()) {
                let cloud = Cloud::new(name, endpoint, limits(name, endpoint), &http);
                providers.insert(name.clone(), Arc::new(cloud));
            }
        }
        Self { config, providers, local: None }
    }

    /// Adds a provider, or replaces the one of this name: the local model, and scripts in tests.
    pub fn register(&mut self, provider: &str, implementation: Arc<dyn Provider>) {
        if provider == LOCAL_PROVIDER {
            let first = implementation.offered().into_iter().find(|offered| offered.here);
            self.local = first.and_then(|offered| ModelName::new(provider, &offered.model).ok());
        }
        self.providers.insert(provider.to_owned(), implementation);
    }

    /// The model that works where nothing else is asked for.
    pub fn default_model(&self) -> Result<&ModelName, NoModel> {
        self.config.default.as_ref().or(self.local.as_ref()).ok_or(NoModel)
    }

    /// The model that plans.
    pub fn planner_model(&self) -> Result<&ModelName, NoModel> {
        self.config.planner.as_ref().map_or_else(|| self.default_model(), Ok)
    }

    /// What is tried in order when a model fails.
    pub fn fallbacks(&self) -> &[ModelName] {
        &self.config.fallbacks
    }

    /// Settings that were not understood, in words for the operator.
    pub fn problems(&self) -> &[String] {
        &self.config.problems
    }

    /// Where the built-in prices come from and of when they are.
    pub fn price_source(&self) -> &'static str {
        prices::origin()
    }

    /// What is known about a model: what the operator says, else what the provider says, else the table.
    pub fn info(&self, name: &ModelName) -> ModelInfo {
        let stated = self.config.overrides.get(name).copied().unwrap_or_default();
        let offered = self.offered(name);
        let row = prices::look_up(name).copied().unwrap_or_default();
        let local = match &offered {
            Some(offered) => offered.local,
            None => known(name.provider()).is_some_and(crate::known::Known::is_local),
        };
        let usual_window = if local { LOCAL_WINDOW_TOKENS } else { UNKNOWN_WINDOW_TOKENS };
        let window = stated.window_tokens.or(offered.as_ref().map(|o| o.window_tokens)).or(row.window_tokens);
        let output = stated
            .max_output_tokens
            .or(offered.as_ref().map(|o| o.max_output_tokens))
            .or(row.max_output_tokens);
        let window_tokens = window.unwrap_or(usual_window);
        // On a machine of one's own, prompt and answer share the window.
        let usual_output =
            if local { UNKNOWN_OUTPUT_TOKENS.min(window_tokens / 4) } else { UNKNOWN_OUTPUT_TOKENS };
        ModelInfo {
            small: offered.as_ref().is_some_and(|o| o.small),
            price: stated.price.or(offered.and_then(|o| o.price)).or(row.price),
            window_tokens,
            max_output_tokens: output.unwrap_or(usual_output).min(window_tokens),
            local,
        }
    }

    /// The price of an answer: `answered` is the name that it came under ([`Answer::model`]). `None`: unknown.
    ///
    /// What the operator states of the requested model holds, then what is stated of the one that answered. The table
    /// knows the one that answered only where the provider itself was asked: another server may give its own models
    /// any name, and there the requested model's price holds.
    ///
    /// A gateway may answer with a dearer model than was requested. Whoever reserves by the price in [`Self::info`] has
    /// to bill the answer by this one all the same, and to go by what is then left of the budget.
    pub fn price_of(&self, requested: &ModelName, answered: &str) -> Option<Price> {
        let answered: Option<ModelName> = answered.parse().ok();
        let stated = |name: &ModelName| self.config.overrides.get(name).and_then(|stated| stated.price);
        let tabled = |name: &ModelName| prices::look_up(name).and_then(|row| row.price);
        stated(requested)
            .or_else(|| answered.as_ref().and_then(stated))
            .or_else(|| answered.as_ref().filter(|_| self.is_official(requested.provider())).and_then(tabled))
            .or_else(|| self.info(requested).price)
    }

    /// Whether this provider is asked itself, not a server that stands in for it.
    fn is_official(&self, provider: &str) -> bool {
        self.config.endpoints.get(provider).is_none_or(|endpoint| stand_in(provider, endpoint).is_none())
    }

    /// Whether a call on this model can be tried at all.
    pub fn check(&self, name: &ModelName) -> Result<(), UnknownModel> {
        let Some(provider) = self.providers.get(name.provider()) else {
            return Err(match known(name.provider()).and_then(|provider| provider.key_variable) {
                Some(variable) => {
                    UnknownModel::NotConfigured { name: name.clone(), mend: format!("set {variable}") }
                }
                None if name.provider() == LOCAL_PROVIDER => UnknownModel::NotConfigured {
                    name: name.clone(),
                    mend: "get it with `miteos model pull`".to_owned(),
                },
                None => UnknownModel::Provider { name: name.clone(), known: self.provider_names() },
            });
        };
        let offered = provider.offered();
        if offered.is_empty() || offered.iter().any(|offered| offered.model == name.model()) {
            return Ok(());
        }
        let has = offered.into_iter().map(|offered| offered.model).collect::<Vec<_>>().join(", ");
        Err(UnknownModel::Model { name: name.clone(), has })
    }

    /// The models with a role, with a statement of the operator's, of the local providers, and one of each provider
    /// with a key. Any other model of a configured provider can be named, too.
    pub fn list(&self) -> Vec<ListedModel> {
        let mut names: BTreeSet<ModelName> = self.config.overrides.keys().cloned().collect();
        names.extend(self.default_model().ok().cloned());
        names.extend(self.config.planner.iter().chain(&self.config.fallbacks).cloned());
        for (provider, implementation) in
            self.providers.iter().filter(|(name, _)| *name != scripted::PROVIDER)
        {
            let offered = implementation.offered();
            let here = offered.iter().filter(|offered| offered.here);
            names.extend(here.filter_map(|offered| ModelName::new(provider, &offered.model).ok()));
            // A server that stands in for the provider need not have the provider's own model.
            let own = known(provider)
                .filter(|_| self.is_official(provider))
                .and_then(|provider| provider.default_model);
            names.extend(own.and_then(|model| ModelName::new(provider, model).ok()));
        }
        names
            .into_iter()
            .map(|name| ListedModel { info: self.info(&name), roles: self.roles(&name), name })
            .collect()
    }

    /// The tokens of a request, guessed high: a third of its bytes, and a frame around each part of it. Ordinary text
    /// has more bytes a token in every known tokenizer; random digits have a little fewer. For windows and worst-case
    /// reservations, not for bills.
    pub fn prompt_tokens(&self, request: &Request) -> u64 {
        let parts = |message: &Message| match message {
            Message::User { .. } | Message::ToolResult { .. } => 1,
            Message::Assistant { calls, .. } => 1 + calls.len(),
        };
        let parts = 1 + request.tools.len() + request.messages.iter().map(parts).sum::<usize>();
        guess_tokens(request_bytes(request)) + parts as u64 * FRAME_TOKENS
    }

    /// One attempt on one model. Retries, waits and fallbacks are the caller's.
    pub async fn call(
        &self,
        request: &Request,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<Answer, ModelError> {
        if let Err(unknown) = self.check(&request.model) {
            let kind = match unknown {
                UnknownModel::NotConfigured { .. } => ErrorKind::Auth,
                UnknownModel::Provider { .. } | UnknownModel::Model { .. } => ErrorKind::Fatal,
            };
            return Err(ModelError::new(kind, unknown.to_string()));
        }
        match self.providers.get(request.model.provider()) {
            Some(provider) => provider.call(request, on_delta).await,
            None => {
                Err(ModelError::new(ErrorKind::Fatal, format!("model {} is not configured", request.model)))
            }
        }
    }

    fn offered(&self, name: &ModelName) -> Option<Offered> {
        let offered = self.providers.get(name.provider())?.offered();
        offered.into_iter().find(|offered| offered.model == name.model())
    }

    fn roles(&self, name: &ModelName) -> Vec<&'static str> {
        let holds = [
            ("default", self.default_model().is_ok_and(|model| model == name)),
            ("planner", self.planner_model().is_ok_and(|model| model == name)),
            ("fallback", self.config.fallbacks.contains(name)),
        ];
        holds.into_iter().filter(|(_, held)| *held).map(|(role, _)| role).collect()
    }

    fn provider_names(&self) -> String {
        let mut names: BTreeSet<&str> = KNOWN.iter().map(|provider| provider.name).collect();
        names.insert(LOCAL_PROVIDER);
        names.extend(self.providers.keys().map(String::as_str));
        names.into_iter().collect::<Vec<_>>().join(", ")
    }
}

/// A server on this machine may be as slow as the machine, whatever provider it stands in for.
fn limits(name: &str, endpoint: &Endpoint) -> Limits {
    if stand_in(name, endpoint).is_some_and(is_loopback) { Limits::LOCAL } else { Limits::CLOUD }
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
