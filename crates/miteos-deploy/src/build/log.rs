//! The lines of a build: made plain, bounded, and the last of them kept for whoever explains a failure.

use std::collections::VecDeque;

use miteos_sandbox::OutputChunk;

/// Lines of one build that are handed on.
const MAX_LINES: usize = 2000;
/// Bytes of them.
const MAX_BYTES: usize = 512 * 1024;
/// Characters of one line.
const MAX_LINE_CHARS: usize = 1000;
/// The last lines of a command, for its failure.
const KEPT_LINES: usize = 20;
/// The first lines of a command that speak of an error: what comes behind can be help that nobody asked for.
const KEPT_ERRORS: usize = 8;
/// Characters of one of those.
const MAX_ERROR_CHARS: usize = 200;
/// Bytes of those in an error's text.
const MAX_TAIL_BYTES: usize = 1500;

pub(super) struct Log<'a> {
    to: &'a (dyn Fn(String) + Send + Sync),
    lines: usize,
    bytes: usize,
    /// Lines that were not handed on.
    left_out: u64,
    last: VecDeque<String>,
    errors: Vec<String>,
}

impl<'a> Log<'a> {
    pub fn new(to: &'a (dyn Fn(String) + Send + Sync)) -> Self {
        Self { to, lines: 0, bytes: 0, left_out: 0, last: VecDeque::new(), errors: Vec::new() }
    }

    /// A line of our own, which is always handed on: there are few.
    pub fn say(&mut self, line: &str) {
        (self.to)(plain(line));
    }

    /// The commands that follow have their own last lines.
    pub fn begin(&mut self, command: &str) {
        self.last.clear();
        self.errors.clear();
        self.say(&format!("$ {command}"));
    }

    /// A line of a command.
    pub fn output(&mut self, chunk: &OutputChunk) {
        self.left_out += chunk.lost_before;
        let line = plain(&String::from_utf8_lossy(&chunk.bytes));
        if line.is_empty() {
            return;
        }
        if self.last.len() == KEPT_LINES
            && let Some(first) = self.last.pop_front()
            && self.errors.len() < KEPT_ERRORS
            && first.to_ascii_lowercase().contains("error")
        {
            self.errors.push(first.chars().take(MAX_ERROR_CHARS).collect());
        }
        self.last.push_back(line.clone());
        if self.lines == MAX_LINES || self.bytes + line.len() > MAX_BYTES {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        self.bytes += line.len();
        (self.to)(line);
    }

    /// After a command: what did not fit.
    pub fn end(&mut self, failed: bool) {
        if self.left_out == 0 {
            return;
        }
        self.say(&format!("[{} more lines were left out]", self.left_out));
        self.left_out = 0;
        if failed {
            for line in std::mem::take(&mut self.last) {
                (self.to)(line.clone());
                self.last.push_back(line);
            }
        }
    }

    /// The first errors and the last lines as one text, the newest kept where there are too many.
    pub fn tail(&self) -> String {
        let mut lines: Vec<&str> = Vec::new();
        let mut bytes: usize = self.errors.iter().map(|line| line.len() + 1).sum();
        for line in self.last.iter().rev() {
            bytes += line.len() + 1;
            if bytes > MAX_TAIL_BYTES {
                break;
            }
            lines.push(line);
        }
        if !self.errors.is_empty() {
            lines.push("[…]");
            lines.extend(self.errors.iter().rev().map(String::as_str));
        }
        lines.reverse();
        lines.join("\n")
    }
}

/// A line without what steers a terminal, cut to its length. Of a line that was written over again and again the last
/// state is kept.
fn plain(line: &str) -> String {
    let line = line.trim_end();
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\t' => text.push(' '),
            other if other.is_control() => {}
            other => text.push(other),
        }
    }
    match text.char_indices().nth(MAX_LINE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Leaves out the rest of an escape sequence: `[` and its parameters up to a letter, `]` up to its end, or one character.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => {
            for character in characters.by_ref() {
                if ('@'..='~').contains(&character) {
                    return;
                }
            }
        }
        Some(']') => {
            while let Some(character) = characters.next() {
                if character == '\u{7}' {
                    return;
                }
                if character == '\u{1b}' {
                    characters.next_if_eq(&'\\');
                    return;
                }
            }
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use miteos_sandbox::Stream;

    use super::*;

    fn chunk(text: &str) -> OutputChunk {
        OutputChunk { stream: Stream::Stdout, bytes: text.as_bytes().to_vec(), lost_before: 0 }
    }

    #[test]
    fn lines_are_made_plain() {
        for (line, expected) in [
            ("plain\n", "plain"),
            ("\u{1b}[32m\u{2713}\u{1b}[0m built in \u{1b}[1m1.2s\u{1b}[22m\n", "\u{2713} built in 1.2s"),
            ("\u{1b}]8;;https://x\u{1b}\\link\u{1b}]8;;\u{7}\n", "link"),
            ("10%\r50%\r100% done\n", "100% done"),
            ("a\u{0}b\u{8}\tc\n", "ab c"),
            ("\u{1b}[2K\u{1b}[1G", ""),
            ("\u{1b}[", ""),
        ] {
            assert_eq!(plain(line), expected, "{line:?}");
        }
        assert_eq!(plain(&"ü".repeat(2000)).chars().count(), MAX_LINE_CHARS + 1);
    }

    #[test]
    fn too_many_lines_are_counted_and_the_last_ones_told_after_a_failure() {
        let got = Mutex::new(Vec::new());
        let to = |line: String| got.lock().unwrap().push(line);
        let mut log = Log::new(&to);
        log.begin("npm ci");
        for number in 0..MAX_LINES + 50 {
            log.output(&chunk(&format!("line {number}\n")));
        }
        log.end(true);
        let got = got.lock().unwrap();
        assert_eq!(got.len(), 1 + MAX_LINES + 1 + KEPT_LINES);
        assert_eq!(got[MAX_LINES + 1], "[50 more lines were left out]");
        assert_eq!(got.last().unwrap(), &format!("line {}", MAX_LINES + 49));
        assert!(
            log.tail().ends_with(&format!("line {}", MAX_LINES + 49)) && log.tail().len() <= MAX_TAIL_BYTES
        );
    }

    #[test]
    fn the_first_errors_are_told_with_the_last_lines() {
        let mut log = Log::new(&|_| {});
        log.begin("npm ci");
        log.output(&chunk("npm error Missing: x from lock file\n"));
        for number in 0..50 {
            log.output(&chunk(&format!("help {number}\n")));
        }
        let tail = log.tail();
        assert!(tail.starts_with("npm error Missing: x from lock file\n[…]\nhelp 30\n"), "{tail}");
        assert!(tail.ends_with("help 49"), "{tail}");
    }
}
