//! The terminal: what it can do, writing to it, the part that is drawn again and again, and its questions.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tokio::sync::mpsc;

use crate::cli::Colour;
use crate::config::Env;
use crate::failure::Failure;
use crate::render::paint::{PLAIN_COLUMNS, Theme};
use crate::render::text;

/// Rows when the terminal does not say.
const DEFAULT_ROWS: usize = 24;

/// What stands around this program.
#[derive(Debug)]
pub struct Terminal {
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    stdin_is_terminal: bool,
    colours: bool,
    error_colours: bool,
    plain: bool,
    documents: bool,
    /// Nobody reads our output any more.
    broken: AtomicBool,
}

impl Terminal {
    /// With `documents`, stdout is for JSON alone, and whoever is asked is asked on stderr.
    pub fn new(env: &Env, colour: Colour, documents: bool) -> Self {
        let stdout_is_terminal = io::stdout().is_terminal();
        let stderr_is_terminal = io::stderr().is_terminal();
        let plain = env.get("NO_COLOR").is_some() || env.get("TERM").as_deref() == Some("dumb");
        let colours = |is_terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => is_terminal && !plain,
        };
        Self {
            stdout_is_terminal,
            stderr_is_terminal,
            stdin_is_terminal: io::stdin().is_terminal(),
            colours: colours(stdout_is_terminal),
            error_colours: colours(stderr_is_terminal),
            plain,
            documents,
            broken: AtomicBool::new(false),
        }
    }

    /// How to draw on stdout at this moment; a window may have changed its size.
    pub fn theme(&self) -> Theme {
        let columns = if self.stdout_is_terminal { size().map(|(columns, _)| columns) } else { None };
        Theme::new(self.colours, columns.unwrap_or(PLAIN_COLUMNS))
    }

    pub fn rows(&self) -> usize {
        size().map_or(DEFAULT_ROWS, |(_, rows)| rows)
    }

    /// Whether a part of the screen can be drawn again and again.
    pub fn is_live(&self) -> bool {
        self.stdout_is_terminal && !self.plain
    }

    /// Whether what is printed goes to a screen, and not into a file or a log.
    pub fn is_shown(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether there is someone to ask.
    pub fn can_ask(&self) -> bool {
        self.stdin_is_terminal && (self.asks_on_stdout() || self.stderr_is_terminal)
    }

    fn asks_on_stdout(&self) -> bool {
        self.stdout_is_terminal && !self.documents
    }

    /// Whether whoever read our output has gone.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    pub fn print(&self, lines: &[String]) {
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        self.write(&text);
    }

    pub fn line(&self, line: &str) {
        self.write(&format!("{line}\n"));
    }

    /// As it is, at once.
    pub fn write(&self, text: &str) {
        let mut out = io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// One JSON document on one line.
    pub fn json<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::usage(format!("the answer cannot be written as JSON: {error}")))?;
        self.line(&text::json(&text));
        Ok(())
    }

    /// For a person, beside the output.
    pub fn note(&self, line: &str) {
        let theme = Theme::new(self.error_colours, PLAIN_COLUMNS);
        self.error_text(&format!("{}\n", theme.dim(line)));
    }

    pub fn fail(&self, failure: &Failure) {
        let theme = Theme::new(self.error_colours, PLAIN_COLUMNS);
        for line in failure.lines() {
            let line = match (line.strip_prefix("error:"), line.strip_prefix(" hint:")) {
                (Some(rest), _) => format!("{}{rest}", theme.red("error:")),
                (None, Some(rest)) => format!("{}{rest}", theme.yellow(" hint:")),
                (None, None) => line,
            };
            self.error_text(&format!("{line}\n"));
        }
    }

    /// Where questions go: to the terminal, whichever stream leads to it.
    pub fn ask(&self, text: &str) {
        if self.asks_on_stdout() { self.write(text) } else { self.error_text(text) }
    }

    fn error_text(&self, text: &str) {
        let mut err = io::stderr().lock();
        // There is nobody left to tell that stderr is gone.
        let _lost = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

fn size() -> Option<(usize, usize)> {
    let (terminal_size::Width(columns), terminal_size::Height(rows)) = terminal_size::terminal_size()?;
    (columns > 0 && rows > 0).then_some((usize::from(columns), usize::from(rows)))
}

/// The part of the screen that is drawn again and again. Dropping it leaves the last picture standing and gives
/// the cursor back.
#[derive(Debug)]
pub struct Region<'a> {
    terminal: &'a Terminal,
    drawn: usize,
    hidden: bool,
}

impl<'a> Region<'a> {
    pub fn new(terminal: &'a Terminal) -> Self {
        Self { terminal, drawn: 0, hidden: false }
    }

    /// Replaces what was drawn before. No line may be wider than the terminal.
    pub fn draw(&mut self, lines: &[String]) {
        // Between these marks a terminal that knows them shows nothing half-drawn; others ignore them.
        let mut text = String::from("\x1b[?2026h\x1b[?25l");
        self.hidden = true;
        text.push_str(&self.back());
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str("\x1b[?2026l");
        self.drawn = lines.len();
        self.terminal.write(&text);
    }

    /// Takes the picture away, to print something that stays.
    pub fn clear(&mut self) {
        let mut text = self.back();
        if std::mem::take(&mut self.hidden) {
            text.push_str("\x1b[?25h");
        }
        self.drawn = 0;
        if !text.is_empty() {
            self.terminal.write(&text);
        }
    }

    fn back(&self) -> String {
        if self.drawn == 0 { String::new() } else { format!("\r\x1b[{}A\x1b[J", self.drawn) }
    }
}

impl Drop for Region<'_> {
    fn drop(&mut self) {
        if self.hidden {
            self.terminal.write("\x1b[?25h");
        }
    }
}

/// Lines that a person types. A thread of its own reads them from the first question on, as reading cannot be undone.
#[derive(Debug, Default)]
pub struct Typed(Option<mpsc::UnboundedReceiver<String>>);

impl Typed {
    /// The next line; `None` at the end of the input.
    pub async fn next(&mut self) -> Option<String> {
        self.0.get_or_insert_with(typed_lines).recv().await
    }

    /// Drops what was typed before now, in whole lines or parts of one: an answer is given to a question that is seen.
    pub fn forget(&mut self) {
        // The order matters: what the thread has not read yet must not follow what it has.
        discard_unread();
        if let Some(lines) = &mut self.0 {
            while lines.try_recv().is_ok() {}
        }
    }
}

/// What waits in the terminal itself. If it cannot be discarded, nothing is a terminal and nobody typed it.
#[cfg(unix)]
fn discard_unread() {
    let _nothing_typed = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
}

/// Elsewhere only what was read already can be dropped.
#[cfg(not(unix))]
fn discard_unread() {}

fn typed_lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
