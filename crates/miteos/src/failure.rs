//! How the program ends: exit codes, and errors as a person reads them, with a hint at what to do.

use std::process::ExitCode;

use miteos_client::ClientError;

use crate::render::text;

/// The exit codes of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    TaskFailed,
    Usage,
    Unreachable,
    Cancelled,
    Interrupted,
}

impl Exit {
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::TaskFailed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Cancelled => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What went wrong, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    /// Wrong usage or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: None }
    }

    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A local file or folder that could not be used.
    pub fn io(doing: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self::usage(format!("cannot {doing}: {error}"))
    }

    /// The lines for stderr.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("error: {}", text::block(&self.message).trim_end())];
        lines.extend(self.hint.as_ref().map(|hint| format!(" hint: {}", text::block(hint))));
        lines
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { ref url, ref source } => {
                let why = source.as_ref().map(|source| format!(": {}", root(source))).unwrap_or_default();
                Self::new(Exit::Unreachable, format!("cannot reach the server at {url}{why}"))
                    .hint("start one with `miteos serve`, or name another with --url")
            }
            ClientError::Api { status, detail, request_id, .. } => api(status, detail, request_id),
            ClientError::Protocol { .. } => Self::new(Exit::Unreachable, error.to_string())
                .hint("is it a Miteos server of the same version? `miteos doctor` shows both"),
            ClientError::Invalid { what } => Self::usage(what),
            ClientError::Local { doing, source } => Self::io(doing, &source),
        }
    }
}

/// The innermost cause: it says what happened, the outer ones only where.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn api(status: u16, detail: String, request_id: Option<String>) -> Failure {
    let exit = if status == 429 || status >= 500 { Exit::Unreachable } else { Exit::Usage };
    let failure = Failure::new(exit, detail);
    match status {
        401 => failure.hint(
            "give a key with --key or MITEOS_API_KEY; the local server's are in keys.json of its data folder",
        ),
        403 => failure.hint("use a key that has the scope, or make one with it"),
        404 => failure.hint("live and test objects are two worlds: --test looks into the other one"),
        429 => failure.hint("wait a little and try again"),
        500.. => {
            let id = request_id.map(|id| format!(" (request {id})")).unwrap_or_default();
            failure.hint(format!("the server's log says more{id}"))
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_become_exit_codes_and_hints() {
        let codes: Vec<u8> = [400, 401, 404, 422, 429, 500, 503]
            .map(|status| api(status, "d".into(), Some("req_9".into())).exit.code())
            .into();
        assert_eq!(codes, [2, 2, 2, 2, 3, 3, 3]);
        assert!(api(500, "d".into(), Some("req_9".into())).hint.unwrap().contains("req_9"));
        let lines = Failure::usage("bad\x1b[31m").hint("do this").lines();
        assert_eq!(lines, ["error: bad␛[31m", " hint: do this"]);
    }
}
