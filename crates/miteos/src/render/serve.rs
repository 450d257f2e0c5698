//! What `serve` says when it is up.

use super::paint::{Theme, Tone};
use super::table;

/// What is worth saying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub version: &'static str,
    pub url: String,
    /// How the addresses of previews look.
    pub previews: String,
    pub data_dir: String,
    /// Only at the first start: shown once and never again.
    pub keys: Option<Keys>,
    /// Signs a browser in, once; for a screen alone.
    pub sign_in: Option<SignInLink>,
    /// State in a few words, and whether all is well.
    pub model: (Tone, String),
    pub sandbox: (Tone, String),
}

/// Opens the server to whoever has it, so it is shown to people and to nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct SignInLink(pub String);

impl std::fmt::Debug for SignInLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The two keys of a new server.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub live: String,
    pub test: String,
    pub file: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The banner. A key is never wrapped or cut: it is there to be copied.
pub fn started(started: &Started, theme: Theme) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(" {} {}", theme.bold("miteos"), theme.dim(started.version)),
        String::new(),
    ];
    let facts = [
        ("address", theme.bold(&started.url)),
        ("previews", started.previews.clone()),
        ("data", started.data_dir.clone()),
        ("model", theme.tone(started.model.0, &started.model.1)),
        ("sandbox", theme.tone(started.sandbox.0, &started.sandbox.1)),
    ];
    let inner = Theme { columns: theme.columns - 2, ..theme };
    lines.extend(table::facts(&facts, inner).into_iter().map(|line| format!("  {line}")));
    if let Some(keys) = &started.keys {
        lines.push(String::new());
        lines.push(format!("  {}", theme.yellow("your API keys, shown this once")));
        lines.push(format!("  {}     {}", theme.dim("live"), theme.green(&keys.live)));
        lines.push(format!("  {}     {}", theme.dim("test"), theme.green(&keys.test)));
        lines.push(format!("  {}  {}", theme.dim("kept in"), keys.file));
    }
    if let Some(link) = &started.sign_in {
        lines.push(String::new());
        lines.push(format!(
            "  {}",
            theme.yellow("open it in your browser; this link signs in once, for ten minutes")
        ));
        lines.push(format!("  {}", theme.green(&link.0)));
    }
    lines.push(String::new());
    let next = if started.keys.is_some() {
        "miteos run --test \"Compare three note-taking apps\""
    } else {
        "miteos run \"what you want done\""
    };
    lines.push(format!("  {}  {}", theme.dim("try it, in another terminal:"), theme.cyan(next)));
    lines.push(format!("  {}", theme.dim("Ctrl-C stops the server; tasks go on at the next start")));
    lines.push(String::new());
    lines
}
