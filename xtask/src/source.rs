//! Rust source as text: how long its functions are, how it begins, whether it says `unsafe`. A reader of letters,
//! not a parser: it knows comments, strings and braces.

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// From 1.
    pub line: usize,
    /// From `fn` to the closing brace, both counted.
    pub lines: usize,
}

/// Whether the file says first what it is.
pub fn begins_with_module_doc(text: &str) -> bool {
    text.starts_with("//! ")
}

/// Whether the word stands in the code, outside comments and strings.
pub fn says(text: &str, word: &str) -> bool {
    words(&blank(text)).any(|(_, found)| found == word)
}

/// All functions that have a body.
pub fn functions(text: &str) -> Vec<Function> {
    let code = blank(text);
    let found: Vec<(usize, &str)> = words(&code).collect();
    let pairs = found.iter().zip(found.iter().skip(1));
    pairs
        .filter(|((at, word), (next, _))| *word == "fn" && code[at + 2..*next].trim().is_empty())
        .filter_map(|((at, _), (_, name))| {
            let end = end_of_body(&code, *at)?;
            let line = 1 + newlines(&code[..*at]);
            let lines = 1 + newlines(&code[*at..end]);
            Some(Function { name: (*name).to_owned(), line, lines })
        })
        .collect()
}

fn newlines(code: &str) -> usize {
    code.bytes().filter(|byte| *byte == b'\n').count()
}

/// Where the body that belongs to the `fn` at this place ends; `None` for one that is only declared.
fn end_of_body(code: &str, at: usize) -> Option<usize> {
    let (mut round, mut curly) = (0_i32, 0_i32);
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => round += 1,
            b')' | b']' => round -= 1,
            b'{' => curly += 1,
            b'}' => {
                curly -= 1;
                if curly == 0 && round == 0 {
                    return Some(offset);
                }
            }
            b';' if curly == 0 && round == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Words with their places.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.split(move |c: char| !is_part(c))
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

/// The same text with comments and the insides of strings and characters as blanks; lines stay lines.
pub fn blank(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = skipped(&letters, at);
        if end == at {
            code.push(letters[at]);
            at += 1;
        } else {
            code.extend(letters[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// The end of the comment, string or character that begins here; the same place if none does.
fn skipped(letters: &[char], at: usize) -> usize {
    let here = |offset: usize| letters.get(at + offset).copied().unwrap_or('\0');
    let in_word = at > 0 && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_');
    match here(0) {
        '/' if here(1) == '/' => after(letters, at, |from| letters[from] == '\n'),
        '/' if here(1) == '*' => end_of_comment(letters, at),
        '"' => end_of_string(letters, at),
        'r' if !in_word || letters[at - 1] == 'b' || letters[at - 1] == 'c' => end_of_raw(letters, at),
        '\'' if here(1) == '\\' => {
            let closing = after(letters, at + 3, |from| letters[from] == '\'');
            (closing + 1).min(letters.len())
        }
        '\'' if here(2) == '\'' => at + 3,
        _ => at,
    }
}

fn after(letters: &[char], from: usize, is_end: impl Fn(usize) -> bool) -> usize {
    (from..letters.len()).find(|place| is_end(*place)).unwrap_or(letters.len())
}

fn end_of_comment(letters: &[char], at: usize) -> usize {
    let (mut depth, mut place) = (0_u32, at);
    while place + 1 < letters.len() {
        match (letters[place], letters[place + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                place += 1;
                continue;
            }
        }
        place += 2;
        if depth == 0 {
            return place;
        }
    }
    letters.len()
}

fn end_of_string(letters: &[char], at: usize) -> usize {
    let mut place = at + 1;
    while place < letters.len() {
        match letters[place] {
            '\\' => place += 2,
            '"' => return place + 1,
            _ => place += 1,
        }
    }
    letters.len()
}

/// `r"…"` and `r#"…"#`; a word that begins with `r`, or `r#name`, is none.
fn end_of_raw(letters: &[char], at: usize) -> usize {
    let hashes = letters[at + 1..].iter().take_while(|c| **c == '#').count();
    let opening = at + 1 + hashes;
    if letters.get(opening) != Some(&'"') {
        return at;
    }
    let closes = |place: usize| {
        letters[place] == '"'
            && letters[place + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (after(letters, opening + 1, closes) + 1 + hashes).min(letters.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let text = "//! x\nfn a() {}\ntrait T {\n    fn declared(&self) -> [u8; 2];\n    fn b(f: fn(u8) -> u8)\n    where\n        Self: Sized,\n    {\n        let s = \"}\"; // }\n        let c = '}';\n        let _ = r#\"}\"#;\n    }\n}\n";
        let found: Vec<(String, usize, usize)> =
            functions(text).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("a".to_owned(), 2, 1), ("b".to_owned(), 5, 8)]);
    }

    #[test]
    fn strings_comments_and_characters_are_no_code() {
        let text = "let a = \"unsafe \\\" unsafe\"; // unsafe\n/* unsafe /* unsafe */ unsafe */ let l: &'static str = r\"unsafe\"; let q = '\"'; let e = '\\''; let u = '\\u{41}';";
        assert!(!says(text, "unsafe"), "{}", blank(text));
        assert_eq!(blank(text).len(), text.len());
        assert!(says("fn f() { unsafe { g() } }", "unsafe"));
        assert!(says("let q = '\"'; unsafe { g() } let p = '\"';", "unsafe"));
        assert!(!says("#![forbid(unsafe_code)]", "unsafe"));
        assert!(says("let r#type = 1; unsafe {}", "unsafe"));
    }

    #[test]
    fn a_file_says_first_what_it_is() {
        assert!(begins_with_module_doc("//! What it is.\n"));
        assert!(!begins_with_module_doc("use std::io;\n//! Late.\n"));
        assert!(!begins_with_module_doc("//!\n"));
    }
}
