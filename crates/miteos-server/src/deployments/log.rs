//! A deployment's log while it runs: lines are cleaned, bounded and numbered, wait for a moment, and are written
//! together. Those who follow are told when they are there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use miteos_core::ids::DeploymentId;
use miteos_store::{LogLine, Store, StoreError};
use tokio::sync::watch;

use crate::clock::Clock;

/// Lines of one deployment at most.
pub const MAX_LOG_LINES: u64 = 10_000;
/// Their texts together (bytes).
pub const MAX_LOG_BYTES: u64 = 1024 * 1024;
/// Longer lines are cut (bytes).
const MAX_LINE_BYTES: usize = 4 * 1024;
/// How long a line may wait for others.
pub const FLUSH_EVERY: Duration = Duration::from_millis(250);
/// What a secret is replaced by.
const HIDDEN: &str = "***";
/// Shorter words are not taken for secrets: they would be found by chance (bytes).
const MIN_SECRET_BYTES: usize = 8;
const FULL: &str = "the log is full; what follows is left out";

pub struct Log {
    id: DeploymentId,
    store: Store,
    clock: Arc<dyn Clock>,
    /// Tells those who follow that there is more.
    moved: Arc<watch::Sender<u64>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<LogLine>,
    /// The number of the last line.
    last: u64,
    bytes: u64,
    full: bool,
    secrets: Vec<String>,
}

impl Log {
    /// Goes on behind what is there.
    pub async fn open(
        id: DeploymentId,
        store: Store,
        clock: Arc<dyn Clock>,
        moved: Arc<watch::Sender<u64>>,
    ) -> Result<Self, StoreError> {
        let size = store.deployment_log_size(id).await?;
        // The last line of a full log says so.
        let full = size.lines > MAX_LOG_LINES || size.bytes >= MAX_LOG_BYTES;
        let state = State { last: size.last, bytes: size.bytes, full, ..State::default() };
        Ok(Self { id, store, clock, moved, state: Mutex::new(state) })
    }

    /// The deployment is over, and those who followed were told its end under the number behind the last line: what comes
    /// now comes behind that.
    pub fn behind_the_end(&self) {
        self.state().last += 1;
    }

    /// From now on these texts are never written.
    pub fn hide<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) {
        let lines = secrets.into_iter().flat_map(str::lines).map(str::trim);
        let long = lines.filter(|line| line.len() >= MIN_SECRET_BYTES);
        let mut state = self.state();
        state.secrets.extend(long.map(str::to_owned));
        state.secrets.sort();
        state.secrets.dedup();
    }

    /// A text without what must not be shown.
    pub fn cleaned(&self, text: &str) -> String {
        clean(text, &self.state().secrets)
    }

    /// Takes a text; each of its lines is one of the log.
    pub fn say(&self, text: &str) {
        let at = self.clock.now();
        let mut state = self.state();
        for line in text.lines() {
            if state.full {
                return;
            }
            let mut line = clean(line, &state.secrets);
            state.full =
                state.last >= MAX_LOG_LINES || state.bytes.saturating_add(line.len() as u64) >= MAX_LOG_BYTES;
            if state.full {
                line = FULL.to_owned();
            }
            state.last += 1;
            state.bytes += line.len() as u64;
            let no = state.last;
            state.waiting.push(LogLine { no, at, text: line });
        }
    }

    /// Writes what waits. Lines whose writing fails wait on.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let lines = self.state().waiting.clone();
        let Some(last) = lines.last().map(|line| line.no) else { return Ok(()) };
        self.store.log_deployment(self.id, lines).await?;
        self.state().waiting.retain(|line| line.no > last);
        self.moved.send_modify(|n| *n += 1);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line as it may stand on a terminal: no escape sequences, no control characters, no secrets, not too long.
fn clean(line: &str, secrets: &[String]) -> String {
    let mut text = String::with_capacity(line.len().min(MAX_LINE_BYTES));
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                // `ESC [ … letter` moves the cursor or sets a colour.
                if chars.next_if_eq(&'[').is_some() {
                    while chars.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                    chars.next();
                }
            }
            '\t' => text.push(c),
            // Programs draw progress by going back to the start of the line: the last state of it counts.
            '\r' if chars.peek().is_some() => text.clear(),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), HIDDEN);
        }
    }
    if text.len() > MAX_LINE_BYTES {
        text.truncate(miteos_core::content::floor_boundary(&text, MAX_LINE_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_fit_for_a_terminal_and_tell_no_secret() {
        let secrets = vec!["nfp_secret0123".to_owned()];
        assert_eq!(clean("\u{1b}[32mdone\u{1b}[0m\u{7} in 1 s", &secrets), "done in 1 s");
        assert_eq!(clean("10 %\r50 %\rdone\r", &secrets), "done");
        assert_eq!(clean("token=nfp_secret0123;", &secrets), "token=***;");
        assert_eq!(clean("nfp_sec\u{1b}[0mret0123", &secrets), "***", "not even in pieces");
        assert_eq!(clean("a\tb\u{1b}", &[]), "a\tb");
        let long = clean(&"é".repeat(MAX_LINE_BYTES), &[]);
        assert!(long.len() <= MAX_LINE_BYTES + '…'.len_utf8() && long.ends_with('…'));
    }
}
