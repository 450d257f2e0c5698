//! Colours, or none: one decision, taken outside, carried by a [`Theme`].

use super::text;

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    pub colours: bool,
    /// Columns of the terminal, or of a page of plain text.
    pub columns: usize,
}

/// Columns when there is no terminal to ask.
pub const PLAIN_COLUMNS: usize = 100;
/// Narrower than this nothing can be laid out; it is drawn as if it were this wide.
pub const MIN_COLUMNS: usize = 30;

impl Theme {
    pub fn new(colours: bool, columns: usize) -> Self {
        Self { colours, columns: columns.max(MIN_COLUMNS) }
    }

    fn sgr(self, code: &str, text: &str) -> String {
        if self.colours && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub fn bold(self, text: &str) -> String {
        self.sgr("1", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.sgr("2", text)
    }

    pub fn red(self, text: &str) -> String {
        self.sgr("31", text)
    }

    pub fn green(self, text: &str) -> String {
        self.sgr("32", text)
    }

    pub fn yellow(self, text: &str) -> String {
        self.sgr("33", text)
    }

    pub fn cyan(self, text: &str) -> String {
        self.sgr("36", text)
    }

    /// As `tone` says.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Quiet => self.dim(text),
            Tone::Good => self.green(text),
            Tone::Busy => self.cyan(text),
            Tone::Attention => self.yellow(text),
            Tone::Bad => self.red(text),
        }
    }
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Quiet,
    Good,
    Busy,
    Attention,
    Bad,
}

/// Columns of painted text: escape sequences of ours take none.
pub fn painted_width(painted: &str) -> usize {
    text::width(&strip(painted))
}

/// Painted text without its paint.
pub fn strip(painted: &str) -> String {
    let mut out = String::with_capacity(painted.len());
    let mut rest = painted;
    while let Some(at) = rest.find("\x1b[") {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 2..];
        rest = tail.find('m').map_or("", |end| &tail[end + 1..]);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paint_takes_no_room_and_can_be_left_out() {
        let theme = Theme::new(true, 80);
        let painted = format!("{}{}", theme.bold("日本"), theme.tone(Tone::Bad, "x"));
        assert_eq!(painted_width(&painted), 5);
        assert_eq!(strip(&painted), "日本x");
        assert_eq!(Theme::new(false, 80).bold("a"), "a");
        assert_eq!(theme.bold(""), "");
        assert_eq!(Theme::new(false, 3).columns, MIN_COLUMNS);
    }
}
