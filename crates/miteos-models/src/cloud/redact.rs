//! Keeps keys out of whatever is told about a failed call.

use crate::config::Endpoint;

/// The most of a provider's own words that a user is shown, in characters.
pub const MAX_SAID_CHARS: usize = 300;
/// The most of a cause that goes into the log, in characters.
pub const MAX_CAUSE_CHARS: usize = 2_000;

const HIDDEN: &str = "***";
/// How keys of the known providers begin.
const KEY_STARTS: &[&str] = &["sk-", "sk_", "gsk_", "xai-", "AIza", "Bearer ", "csk-", "r8_", "hf_"];

/// Knows one provider's secrets and takes them out of texts.
pub(crate) struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    pub fn new(endpoint: &Endpoint) -> Self {
        let mut secrets: Vec<String> = endpoint.key.iter().map(|key| key.expose().to_owned()).collect();
        let url = endpoint.base_url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
        secrets.extend(url.as_ref().and_then(|url| url.password()).map(str::to_owned));
        secrets.extend(url.as_ref().and_then(|url| url.query()).map(str::to_owned));
        secrets.retain(|secret| !secret.is_empty());
        Self { secrets }
    }

    /// One short line for users.
    pub fn clean_short(&self, text: &str) -> String {
        self.clean(text, MAX_SAID_CHARS)
    }

    /// One line for logs.
    pub fn clean_long(&self, text: &str) -> String {
        self.clean(text, MAX_CAUSE_CHARS)
    }

    fn clean(&self, text: &str, max_chars: usize) -> String {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), HIDDEN);
        }
        for start in KEY_STARTS {
            text = without_keys(&text, start);
        }
        let shown: String = text.chars().filter(|c| !c.is_control()).take(max_chars).collect();
        if shown.len() < text.len() { format!("{shown}…") } else { shown }
    }
}

/// Replaces every word that begins like a key. Short words (`sk-ip`) and ends of
/// words (`task-…`) are none.
fn without_keys(text: &str, start: &str) -> String {
    const SHORTEST_KEY: usize = 12;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(start) {
        let after = &rest[at + start.len()..];
        let is_key =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '+' | '/' | '=');
        let length = after.find(|c| !is_key(c)).unwrap_or(after.len());
        let begins_a_word = !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        out.push_str(&rest[..at]);
        if length >= SHORTEST_KEY && begins_a_word {
            out.push_str(HIDDEN);
        } else {
            out.push_str(&rest[at..at + start.len() + length]);
        }
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn keys_are_taken_out() {
        let endpoint = Endpoint {
            base_url: Some("https://me:hunter2@h.example/v1/?token=t0ken".into()),
            key: Some(Secret::new("my-own-key")),
        };
        let redact = Redactor::new(&endpoint);
        let text = "key my-own-key,\nsk-ant-REDACTED; pw hunter2 at ?token=t0ken AIzaSyA-0123456789abc.";
        assert_eq!(redact.clean_short(text), "key ***, ***; pw *** at ?*** ***");
        for harmless in ["the task sk-ip stays", "no such beta: task-budgets-2026-03-13"] {
            assert_eq!(redact.clean_short(harmless), harmless);
        }
        assert_eq!(redact.clean_short(&"x".repeat(1000)).chars().count(), MAX_SAID_CHARS + 1);
    }

    #[test]
    fn without_secrets_texts_stay() {
        let redact = Redactor::new(&Endpoint::default());
        assert_eq!(redact.clean_long("a b"), "a b");
    }
}
