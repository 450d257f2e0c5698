//! What is configured, resolved once at the start. Nothing here reads the environment by itself.

use std::collections::BTreeMap;
use std::fmt;

use miteos_core::money::Price;

use crate::name::ModelName;

/// A key or password. `Debug` and `Display` do not show it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a provider is reached.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// `None`: the provider's own address.
    pub base_url: Option<String>,
    /// `None`: a server that asks for none.
    pub key: Option<Secret>,
}

impl Endpoint {
    /// An address whose path ends with one slash, as paths are put behind it; a query stays.
    pub(crate) fn slashed(url: &str) -> String {
        Self::with_path(url, "")
    }

    /// The address of something below this one.
    pub(crate) fn with_path(url: &str, path: &str) -> String {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/{path}{mark}{query}", address.trim_end_matches('/'))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_url = self.base_url.as_deref().map(without_password);
        f.debug_struct("Endpoint").field("base_url", &base_url).field("key", &self.key).finish()
    }
}

/// An address may hold a name and password before its host.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://***@{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// What an operator states about one model; it beats the built-in table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Override {
    pub price: Option<Price>,
    pub window_tokens: Option<u32>,
    pub max_output_tokens: Option<u32>,
}

/// All that [`crate::Models`] needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelsConfig {
    /// `None`: nothing is set and no provider has a key.
    pub default: Option<ModelName>,
    /// Whether the default was named by the operator; else it is the first provider's own.
    pub default_is_chosen: bool,
    /// `None`: the default model plans too.
    pub planner: Option<ModelName>,
    /// Tried in this order by whoever handles a failed call.
    pub fallbacks: Vec<ModelName>,
    pub overrides: BTreeMap<ModelName, Override>,
    /// By provider.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Settings that were not understood, in words for the operator. The rest of the configuration holds.
    pub problems: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_in_front_of_the_query() {
        assert_eq!(Endpoint::slashed("http://h/v1"), "http://h/v1/");
        assert_eq!(Endpoint::slashed("http://h/v1//"), "http://h/v1/");
        assert_eq!(Endpoint::with_path("http://h/v1/?version=2", "models"), "http://h/v1/models?version=2");
    }

    #[test]
    fn secrets_do_not_show() {
        let mut config = ModelsConfig::default();
        let endpoint = Endpoint {
            base_url: Some("https://user:hunter2@models.example/v1".into()),
            key: Some(Secret::new("sk-very-secret")),
        };
        config.endpoints.insert("openai".into(), endpoint);
        let shown = format!("{config:?} {config:#?} {}", Secret::new("sk-very-secret"));
        assert!(!shown.contains("very-secret") && !shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("***@models.example/v1"));
    }
}
