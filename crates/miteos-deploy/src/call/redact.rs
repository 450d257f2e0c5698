//! Keeps credentials out of whatever is told about a failed call.

/// The most of a provider's own words that a user is shown (characters).
const MAX_SAID_CHARS: usize = 400;
const HIDDEN: &str = "***";
/// How tokens begin that a provider may repeat and that are not in the configuration: signed ones, and its own.
const TOKEN_STARTS: [&str; 5] = ["eyJ", "Bearer ", "nfp_", "vcp_", "vca_"];
/// Shorter words are no tokens (bytes).
const SHORTEST_TOKEN: usize = 12;

pub(crate) struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    pub fn new(secrets: &[&str]) -> Self {
        let secrets = secrets.iter().filter(|secret| !secret.is_empty());
        Self { secrets: secrets.map(|secret| (*secret).to_owned()).collect() }
    }

    /// One short line without credentials and control characters.
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), HIDDEN);
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut text = text.replace("Bearer ***", HIDDEN);
        for start in TOKEN_STARTS {
            text = without_tokens(&text, start);
        }
        let shown: String = text.chars().filter(|c| !c.is_control()).take(MAX_SAID_CHARS).collect();
        if shown.len() < text.len() { format!("{shown}…") } else { shown }
    }
}

fn without_tokens(text: &str, start: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(start) {
        let after = &rest[at + start.len()..];
        let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=');
        let length = after.find(|c| !belongs(c)).unwrap_or(after.len());
        let begins_a_word = !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        out.push_str(&rest[..at]);
        if begins_a_word && length >= SHORTEST_TOKEN {
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

    #[test]
    fn credentials_are_taken_out() {
        let redactor = Redactor::new(&["my-token-0123", ""]);
        let text =
            "no: my-token-0123,\nBearer abcdefghijklmnop and eyJhbGciOiJFUzI1NiJ9.eyJp.x nfp_0123456789abcd";
        assert_eq!(redactor.clean(text), "no: ***, *** and *** ***");
        for harmless in ["the eyJ start", "a bearer of news", "Keyjar"] {
            assert_eq!(redactor.clean(harmless), harmless);
        }
        assert_eq!(redactor.clean(&"x".repeat(1000)).chars().count(), MAX_SAID_CHARS + 1);
    }
}
