//! Foreign text made harmless, measured, cut and wrapped. Knows nothing of what the text is about.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A column may hold this much: a joined emoji is some 30 bytes. What piles up more marks than that is broken.
const MAX_COLUMN_BYTES: usize = 32;

/// A character that could steer the terminal or hide text: shown as a picture of itself.
fn picture(character: char) -> Option<char> {
    match character {
        '\u{00}'..='\u{1f}' => char::from_u32(0x2400 + character as u32),
        '\u{7f}' => Some('\u{2421}'),
        // C1 controls, among them one-character escape sequences; marks that reorder or hide text; tags.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => Some('\u{fffd}'),
        _ => None,
    }
}

/// One line: whitespace of every kind becomes a space, runs of it one space.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.trim().chars() {
        if character.is_whitespace() && character != '\u{2028}' && character != '\u{2029}' {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(picture(character).unwrap_or(character));
        }
    }
    out
}

/// Several lines: line ends stay, a tab becomes four spaces.
pub fn block(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = text.replace("\r\n", "\n");
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            other => out.push(picture(other).unwrap_or(other)),
        }
    }
    out
}

/// Columns that harmless text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cut to `columns`, with `…` where something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut out = String::new();
    let mut used = 0;
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if used + wide > columns - 1 {
            break;
        }
        used += wide;
        out.push(character);
    }
    // A joined emoji can be wider or narrower than its parts; what counts is the whole.
    while width(&out) > columns - 1 {
        out.pop();
    }
    format!("{}…", out.trim_end())
}

/// Cut or filled with spaces to exactly `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let missing = columns.saturating_sub(width(&text));
    text + &" ".repeat(missing)
}

/// Filled with spaces on the left.
pub fn pad_left(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    " ".repeat(columns.saturating_sub(width(&text))) + &text
}

/// Broken into lines of at most `columns`, at spaces where there are any. Nothing is lost but the space at a
/// break.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    wrapped(text, columns).map(str::to_owned).collect()
}

/// The same, a line at a time: what is not asked for is not looked at.
pub fn wrapped(text: &str, columns: usize) -> impl Iterator<Item = &str> {
    let columns = columns.max(2);
    text.split('\n').flat_map(move |source| {
        let mut rest = Some(source);
        std::iter::from_fn(move || {
            let text = rest.take()?;
            if fits(text, columns) {
                return Some(text);
            }
            let (head, tail) = text.split_at(break_at(text, columns));
            rest = Some(tail.trim_start_matches(' '));
            Some(head.trim_end())
        })
    })
}

/// Whether a text needs no break. A long one does, or holds so much that takes no room that it is better broken: so
/// no text is measured to its end for each of its lines.
fn fits(text: &str, columns: usize) -> bool {
    text.len() <= columns * MAX_COLUMN_BYTES && width(text) <= columns
}

/// Where a line that is too wide breaks: after the last space that fits, else after the last character that
/// does. Never 0.
fn break_at(text: &str, columns: usize) -> usize {
    let mut used = 0;
    let mut fits = 0;
    let mut space = None;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        let end = at + character.len_utf8();
        if used > columns || end > columns * MAX_COLUMN_BYTES {
            break;
        }
        fits = end;
        if character == ' ' && at > 0 {
            space = Some(fits);
        }
    }
    // A mark can make the character before it wider than both are by themselves.
    while width(&text[..fits]) > columns {
        fits = text[..fits].char_indices().next_back().map_or(0, |(at, _)| at);
    }
    space.filter(|at| *at <= fits && text[..*at].trim_start().len() > 1).unwrap_or(fits).max(first_len(text))
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

/// JSON without a raw control: the one-character escape sequences of C1 and DEL, which JSON allows in its texts, are
/// written as numbers.
pub fn json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for character in document.chars() {
        match character {
            '\u{7f}'..='\u{9f}' => out.push_str(&format!("\\u{:04x}", character as u32)),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a model might answer to take over the terminal of whoever watches.
    const ATTACK: &str = "ok\x1b[2J\x1b]0;pwned\x07\u{9b}31m\x1b]52;c;ZXZpbA==\x07\rroot# \u{202e}txt.exe\u{8}\u{8}\u{200b}\u{7f}";

    #[test]
    fn no_escape_sequence_survives() {
        for safe in [line(ATTACK), block(ATTACK)] {
            assert!(safe.chars().all(|c| !c.is_control() || c == '\n'), "{safe:?}");
            for hidden in ['\u{202e}', '\u{200b}', '\u{9b}', '\x1b', '\r', '\x08'] {
                assert!(!safe.contains(hidden), "{safe:?}");
            }
            assert!(safe.contains("␛[2J"), "what was tried stays visible: {safe:?}");
        }
        for code in 0..=0x0010_ffff_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            let text = format!("a{character}b");
            assert!(line(&text).chars().all(|c| !c.is_control()), "U+{code:04X}");
        }
    }

    #[test]
    fn lines_are_one_line_and_blocks_keep_theirs() {
        assert_eq!(line("  a\r\n\tb \u{a0} c\u{2028}d "), "a b c\u{fffd}d");
        assert_eq!(block("a\r\nb\tc\n"), "a\nb    c\n");
    }

    #[test]
    fn widths_are_those_of_the_screen() {
        assert_eq!(width("日本"), 4);
        assert_eq!(fit("日本語テキスト", 7), "日本語…");
        assert_eq!(fit("日本語", 6), "日本語");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit("abc", 1), "…");
        assert_eq!(pad("é", 3), "é  ");
        assert_eq!(pad_left("12", 4), "  12");
        let family = "👩‍👩‍👧‍👦 family";
        assert!(width(&fit(family, 5)) <= 5);
        for columns in 0..20 {
            assert!(width(&fit(family, columns)) <= columns);
            assert!(width(&fit("e\u{301}a日本👍🏽x", columns)) <= columns);
        }
    }

    #[test]
    fn wrapping_loses_nothing_and_keeps_to_the_width() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 4), ["unbr", "eaka", "ble"]);
        assert_eq!(wrap("日本語", 3), ["日", "本", "語"]);
        assert_eq!(wrap("a\n\nb", 10), ["a", "", "b"]);
        let text = "the quick brown 狐 jumps over a loooooooooong 犬 ";
        for columns in 2..30 {
            let lines = wrap(text, columns);
            assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:?}");
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text));
        }
    }

    /// A second is a thousand times what it takes; looking at the rest for each line would take minutes.
    #[test]
    fn a_long_line_is_wrapped_in_one_pass() {
        let began = std::time::Instant::now();
        for text in ["x".repeat(1_000_000), "a\u{301}".repeat(500_000), "\u{301}".repeat(500_000)] {
            let lines = wrap(&text, 80);
            assert!(lines.iter().all(|line| width(line) <= 80));
            assert_eq!(lines.concat(), text);
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
        let text = "\u{2764}\u{fe0f}".repeat(100);
        assert!(wrap(&text, 10).iter().all(|line| width(line) <= 10));
    }

    #[test]
    fn json_holds_no_raw_controls_and_says_the_same() {
        let text = "a\u{7f}\u{9b}31m\u{80}\u{9f}\u{a0}ü\n\x1b";
        let document = json(&serde_json::to_string(text).unwrap());
        assert!(document.chars().all(|character| !character.is_control()), "{document:?}");
        assert!(document.contains("\\u007f\\u009b31m"), "{document}");
        assert_eq!(serde_json::from_str::<String>(&document).unwrap(), text);
    }
}
