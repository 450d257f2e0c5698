//! What must not be told of one provider's endpoint, and how much is told of the rest. What looks like a key is known to
//! core.

use crate::config::Endpoint;

/// The most of a provider's own words that a user is shown, in characters.
pub const MAX_SAID_CHARS: usize = 300;
/// The most of a cause that goes into the log, in characters.
pub const MAX_CAUSE_CHARS: usize = 2_000;

/// Knows one provider's secrets and takes them out of texts.
pub(crate) struct Redactor {
    known: miteos_core::redact::Redactor,
}

impl Redactor {
    pub fn new(endpoint: &Endpoint) -> Self {
        let mut secrets: Vec<String> = endpoint.key.iter().map(|key| key.expose().to_owned()).collect();
        let url = endpoint.base_url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
        secrets.extend(url.as_ref().and_then(|url| url.password()).map(str::to_owned));
        secrets.extend(url.as_ref().and_then(|url| url.query()).map(str::to_owned));
        Self { known: miteos_core::redact::Redactor::new(secrets) }
    }

    /// One short line for users.
    pub fn clean_short(&self, text: &str) -> String {
        self.known.clean(text, MAX_SAID_CHARS)
    }

    /// One line for logs.
    pub fn clean_long(&self, text: &str) -> String {
        self.known.clean(text, MAX_CAUSE_CHARS)
    }
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
        assert_eq!(redact.clean_short(&"x".repeat(1000)).chars().count(), MAX_SAID_CHARS + 1);
    }

    #[test]
    fn without_secrets_texts_stay() {
        let redact = Redactor::new(&Endpoint::default());
        assert_eq!(redact.clean_long("a b"), "a b");
    }
}
