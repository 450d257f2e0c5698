//! What `eas-cli` wrote, read: the JSON of a good run, and the kind of a bad one. Its texts are for people, so only words
//! that it has kept for years are looked for; all else is told as it stands, shortened and cleaned. Pure.

use serde_json::Value;

use super::runner::Ran;
use crate::call::Redactor;
use crate::error::{DeployError, ErrorKind};

/// The JSON of an output: the whole of it, or what stands behind the first line that begins one.
pub(super) fn json(output: &str) -> Option<Value> {
    let output = output.trim();
    if let Ok(value) = serde_json::from_str(output) {
        return Some(value);
    }
    let mut at = 0;
    for line in output.split_inclusive('\n') {
        if line.trim_start().starts_with(['{', '['])
            && let Ok(value) = serde_json::from_str(output[at..].trim())
        {
            return Some(value);
        }
        at += line.len();
    }
    None
}

/// Words, in lower case, that tell what went wrong, and what would be right. The first that is found counts.
const SIGNS: [(&[&str], ErrorKind, &str); 10] = [
    (
        &[
            "bearer token is invalid",
            "log in to continue",
            "not logged in",
            "expo_token",
            "invalid access token",
        ],
        ErrorKind::BadCredentials,
        "make a new access token on expo.dev and store it in the deploy configuration",
    ),
    (
        &[
            "unauthorized_error",
            "entity not authorized",
            "don't have the required permissions",
            "not permitted",
        ],
        ErrorKind::Forbidden,
        "give the token's user or robot the role Developer on the project's account",
    ),
    (
        &[
            "project not configured",
            "must configure eas project",
            "project config: eas project",
            "invalid uuid appid",
            "experience with id",
            "slug for project identified",
            "owner of project identified",
        ],
        ErrorKind::Config,
        "run `eas init` in the project once, so that app.json has the project's extra.eas.projectId, slug and owner",
    ),
    (
        &[
            "credentials are not set up",
            "credentials suitable for internal",
            "run this command again in interactive mode",
        ],
        ErrorKind::Config,
        "store signing credentials with Expo once, by `eas credentials`, since they cannot be made without questions",
    ),
    (&["dev_domain_name_taken"], ErrorKind::NameTaken, "choose another name for the project's domain"),
    (&["already exists", "already in use", "identifier is taken"], ErrorKind::NameTaken, ""),
    (
        &["reached your", "free plan", "build quota", "exceeded the limit"],
        ErrorKind::Quota,
        "raise the account's plan or wait until its allowance is renewed",
    ),
    (
        &["payload too large", "exceed the maximum file size"],
        ErrorKind::RejectedFile,
        "make the output smaller",
    ),
    (
        &[
            "enotfound",
            "econnrefused",
            "econnreset",
            "etimedout",
            "eai_again",
            "fetch failed",
            "network error",
            "socket hang up",
            "request timed out",
        ],
        ErrorKind::Network,
        "",
    ),
    (
        &[
            "status code 5",
            "status code 429",
            "internal server error",
            "bad gateway",
            "service unavailable",
            "gateway timeout",
            "too many requests",
        ],
        ErrorKind::Unavailable,
        "",
    ),
];

/// The error of a run that did not end well.
pub(super) fn failure(ran: &Ran, redactor: &Redactor) -> DeployError {
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    let stdout = String::from_utf8_lossy(&ran.stdout).into_owned();
    let all = format!("{stderr}\n{stdout}").to_lowercase();
    let found = SIGNS.iter().find(|(words, ..)| words.iter().any(|word| all.contains(word)));
    // A tool that was ended has said nothing of what it was asked.
    let unknown = if ran.exit_code.is_some() { ErrorKind::ProviderFailed } else { ErrorKind::Unavailable };
    let (kind, mend) = found.map_or((unknown, ""), |(_, kind, mend)| (*kind, *mend));
    let said = redactor.clean(&plain(if stderr.trim().is_empty() { &stdout } else { &stderr }));
    let code = ran.exit_code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
    let mut message = format!("eas-cli failed ({code})");
    if !said.is_empty() {
        message.push_str(&format!(": {}", said.trim_end_matches('.')));
    }
    if !mend.is_empty() {
        message.push_str(&format!("; {mend}"));
    }
    DeployError::new(kind, message)
}

/// The last lines without the colours and signs of a terminal.
fn plain(text: &str) -> String {
    const LINES: usize = 6;
    let out = uncoloured(text);
    let lines: Vec<&str> = out.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join(" ")
}

/// Without the signs that set the colours of a terminal.
pub(super) fn uncoloured(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // A sequence ends with a letter.
            for letter in letters.by_ref() {
                if letter.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(letter);
        }
    }
    out
}
