//! What must not be told of one account, and how much is told of a provider's words. What looks like a token is known to
//! core.

/// The most of a provider's own words that a user is shown (characters).
const MAX_SAID_CHARS: usize = 400;

pub(crate) struct Redactor {
    known: miteos_core::redact::Redactor,
}

impl Redactor {
    pub fn new(secrets: &[&str]) -> Self {
        let secrets = secrets.iter().map(|secret| (*secret).to_owned());
        Self { known: miteos_core::redact::Redactor::new(secrets) }
    }

    /// One short line without credentials and control characters.
    pub fn clean(&self, text: &str) -> String {
        self.known.clean(text, MAX_SAID_CHARS)
    }
}
