//! Keeps credentials out of what is told about a failed call: the ones that are known, and whatever looks like one.
//! Pure; knows no provider and no call, only how the keys and tokens of providers begin.

/// What stands in the place of a credential.
const HIDDEN: &str = "***";
/// How keys and tokens begin that a provider may repeat and that are not in the configuration: those of language models,
/// those of deploy providers, and signed tokens.
const STARTS: [&str; 13] =
    ["sk-", "sk_", "gsk_", "xai-", "AIza", "csk-", "r8_", "hf_", "nfp_", "vcp_", "vca_", "eyJ", "Bearer "];
/// Shorter words are no credentials (bytes, without their start): `sk-ip` is a word.
const SHORTEST: usize = 12;

/// Knows some secrets and takes them out of texts.
pub struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    /// Empty texts are no secrets.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        Self { secrets: secrets.into_iter().filter(|secret| !secret.trim().is_empty()).collect() }
    }

    /// One line of at most so many characters, and a sign that there was more, without credentials and control
    /// characters.
    pub fn clean(&self, text: &str, max_chars: usize) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), HIDDEN);
        }
        text = one_line(&text);
        // A secret of several lines can be repeated in another form of them.
        for secret in &self.secrets {
            text = text.replace(&one_line(secret), HIDDEN);
        }
        text = text.replace("Bearer ***", HIDDEN);
        for start in STARTS {
            text = without(&text, start);
        }
        let shown: String = text.chars().filter(|c| !c.is_control()).take(max_chars).collect();
        if shown.len() < text.len() { format!("{shown}…") } else { shown }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Replaces every word that begins like a credential. Short words and ends of words (`task-…`) are none.
fn without(text: &str, start: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(start) {
        let after = &rest[at + start.len()..];
        let belongs =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '+' | '/' | '=');
        let length = after.find(|c| !belongs(c)).unwrap_or(after.len());
        let begins_a_word = !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        out.push_str(&rest[..at]);
        if length >= SHORTEST && begins_a_word {
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

    fn redactor(secrets: &[&str]) -> Redactor {
        Redactor::new(secrets.iter().map(|secret| (*secret).to_owned()))
    }

    #[test]
    fn credentials_are_taken_out() {
        let redactor = redactor(&["my-token-0123", "", "line one\nline two"]);
        let text =
            "no: my-token-0123,\nBearer abcdefghijklmnop and eyJhbGciOiJFUzI1NiJ9.eyJp.x nfp_0123456789abcd";
        assert_eq!(redactor.clean(text, 400), "no: ***, *** and *** ***");
        assert_eq!(redactor.clean("Bearer my-token-0123 sk-ant-0123456789ab", 400), "*** ***");
        assert_eq!(redactor.clean("a line one\r\nline two b", 400), "a *** b");
        assert_eq!(redactor.clean("bell \u{7} rings", 400), "bell  rings…");
    }

    #[test]
    fn other_texts_stay() {
        let redactor = redactor(&["my-token-0123", " "]);
        for harmless in [
            "the eyJ start",
            "a bearer of news",
            "Keyjar",
            "the task sk-ip stays",
            "no such beta: task-budgets-2026-03-13",
        ] {
            assert_eq!(redactor.clean(harmless, 400), harmless);
        }
        assert_eq!(redactor.clean(&"x".repeat(1000), 300), format!("{}…", "x".repeat(300)));
    }
}
