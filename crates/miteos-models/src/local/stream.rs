//! Reads what the local model writes while it writes it: the called function, and the text of a final answer.
//!
//! It relies on the shape that [`super::schema::call_grammar`] enforces; it does not check it.

use miteos_core::money::Usage;

use super::block;
use crate::call::{Answer, Delta, Finish, RequestedCall};

/// How every call begins.
pub const NAME_HEAD: &str = "{\"name\": \"";
/// What stands between the name and the arguments.
pub const ARGUMENTS_HEAD: &str = "\", \"arguments\": ";
/// How the arguments of a final answer begin.
const ANSWER_HEAD: &str = "{\"answer\": \"";

/// Why the generation stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The grammar is complete, or the model ended its turn.
    Whole,
    /// At the output limit, or in a repetition that could not be broken.
    Cut,
}

#[derive(Debug)]
enum Place {
    /// Free text.
    Text,
    /// Before or in the function's name.
    Name,
    /// In the arguments of a tool.
    Arguments,
    /// In the arguments of the final answer, before the text.
    AnswerHead,
    /// In the text of the final answer.
    AnswerText,
    /// Behind it.
    AnswerTail,
}

/// An answer in the making.
#[derive(Debug)]
pub struct Reader {
    /// The function that stands for answering, where calls are enforced.
    finish_tool: Option<String>,
    place: Place,
    raw: Vec<u8>,
    /// Bytes of `raw` that are dealt with.
    read: usize,
    tool: Option<String>,
    /// Of each tool that has one: the argument that stands behind the call as a block.
    blocks: Vec<(String, String)>,
    text: String,
}

impl Reader {
    /// For free text.
    pub fn of_text() -> Self {
        Self::at(Place::Text, None, Vec::new())
    }

    /// For a call of a function. `finish_tool` is the one whose argument is the answer's text; `blocks` are the
    /// arguments, by tool, that stand behind the call.
    pub fn of_call(finish_tool: Option<String>, blocks: Vec<(String, String)>) -> Self {
        Self::at(Place::Name, finish_tool, blocks)
    }

    fn at(place: Place, finish_tool: Option<String>, blocks: Vec<(String, String)>) -> Self {
        Self { finish_tool, place, raw: Vec::new(), read: 0, tool: None, blocks, text: String::new() }
    }

    /// Takes the next bytes, which may end within a character, and returns what can be told.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Delta> {
        self.raw.extend_from_slice(bytes);
        let mut deltas = Vec::new();
        loop {
            let before = self.read;
            match self.place {
                Place::Text => self.read_text(&mut deltas),
                Place::Name => self.read_name(&mut deltas),
                Place::AnswerHead => self.read_answer_head(),
                Place::AnswerText => self.read_answer(&mut deltas),
                Place::Arguments | Place::AnswerTail => {}
            }
            if self.read == before {
                return deltas;
            }
        }
    }

    fn read_text(&mut self, deltas: &mut Vec<Delta>) {
        let mut text = String::new();
        self.read += read_characters(&self.raw[self.read..], &mut text);
        self.say(text, deltas);
    }

    fn say(&mut self, text: String, deltas: &mut Vec<Delta>) {
        if !text.is_empty() {
            self.text.push_str(&text);
            deltas.push(Delta::Text(text));
        }
    }

    fn read_name(&mut self, deltas: &mut Vec<Delta>) {
        let Some(name) = self.raw.get(NAME_HEAD.len()..) else { return };
        let Some(end) = find(name, ARGUMENTS_HEAD.as_bytes()) else { return };
        let name = String::from_utf8_lossy(&name[..end]).into_owned();
        self.read = NAME_HEAD.len() + end + ARGUMENTS_HEAD.len();
        if self.finish_tool.as_ref() == Some(&name) {
            self.place = Place::AnswerHead;
            return;
        }
        deltas.push(Delta::ToolName(name.clone()));
        self.tool = Some(name);
        self.place = Place::Arguments;
    }

    fn read_answer_head(&mut self) {
        if self.raw.len() >= self.read + ANSWER_HEAD.len() {
            self.read += ANSWER_HEAD.len();
            self.place = Place::AnswerText;
        }
    }

    fn read_answer(&mut self, deltas: &mut Vec<Delta>) {
        let mut text = String::new();
        loop {
            let open = &self.raw[self.read..];
            let plain = open.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(open.len());
            let read = read_characters(&open[..plain], &mut text);
            if read < plain && plain < open.len() {
                // What follows does not belong to the character that began.
                text.push(char::REPLACEMENT_CHARACTER);
            }
            match (open.get(plain), open.get(plain + 1)) {
                (Some(b'"'), _) => {
                    self.read += plain + 1;
                    self.place = Place::AnswerTail;
                    break;
                }
                (Some(_), Some(letter)) => {
                    text.push(unescaped(*letter));
                    self.read += plain + 2;
                }
                (Some(_), None) => {
                    self.read += plain;
                    break;
                }
                (None, _) => {
                    self.read += read;
                    break;
                }
            }
        }
        self.say(text, deltas);
    }

    /// The whole answer.
    pub fn finish(self, ended: Ended, usage: Usage, model: String) -> Answer {
        let mut answer =
            Answer { text: self.text, calls: Vec::new(), opaque: None, usage, model, finish: Finish::Stop };
        if let Some(tool) = self.tool {
            let mut arguments = String::from_utf8_lossy(&self.raw[self.read..]).into_owned();
            let block = self.blocks.iter().find(|(name, _)| *name == tool);
            if let Some((_, field)) = block.filter(|_| ended == Ended::Whole)
                && let Some(whole) = block::merged(field, &arguments)
            {
                arguments = whole;
            } else if ended == Ended::Whole && arguments.ends_with('}') {
                // The brace that closes the call.
                arguments.pop();
            }
            answer.calls.push(RequestedCall::from_text(tool, arguments));
            answer.finish = Finish::ToolCalls;
        }
        if ended == Ended::Cut {
            answer.finish = Finish::Length;
        }
        answer
    }
}

/// Appends the characters that are whole and returns how many bytes they took. Bytes that are no part of a character
/// are replaced; those of a character that may still become whole are left.
fn read_characters(bytes: &[u8], text: &mut String) -> usize {
    let mut read = 0;
    while read < bytes.len() {
        match std::str::from_utf8(&bytes[read..]) {
            Ok(rest) => {
                text.push_str(rest);
                return bytes.len();
            }
            Err(error) => {
                let valid = read + error.valid_up_to();
                text.push_str(&String::from_utf8_lossy(&bytes[read..valid]));
                read = valid;
                let Some(wrong) = error.error_len() else { return read };
                text.push(char::REPLACEMENT_CHARACTER);
                read += wrong;
            }
        }
    }
    read
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn unescaped(letter: u8) -> char {
    match letter {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        other => char::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut reader: Reader, text: &str, ended: Ended) -> (Vec<Delta>, Answer) {
        let mut deltas = Vec::new();
        for byte in text.as_bytes() {
            deltas.extend(reader.push(&[*byte]));
        }
        (deltas, reader.finish(ended, Usage::default(), "local/m".into()))
    }

    fn texts(deltas: &[Delta]) -> String {
        deltas
            .iter()
            .filter_map(|delta| match delta {
                Delta::Text(text) => Some(text.as_str()),
                Delta::Reasoning(_) | Delta::ToolName(_) => None,
            })
            .collect()
    }

    #[test]
    fn a_call_is_announced_by_name_and_parsed_at_the_end() {
        let text =
            r#"{"name": "write_file", "arguments": {"path": "a.txt", "content": "line\nüber \"x\"}"}}"#;
        let (deltas, answer) =
            read(Reader::of_call(Some("final_answer".into()), Vec::new()), text, Ended::Whole);
        assert_eq!(deltas, [Delta::ToolName("write_file".into())]);
        let arguments = serde_json::json!({"path": "a.txt", "content": "line\nüber \"x\"}"});
        assert_eq!(answer.calls, [RequestedCall { tool: "write_file".into(), arguments: Ok(arguments) }]);
        assert_eq!((answer.text.as_str(), answer.finish), ("", Finish::ToolCalls));
    }

    #[test]
    fn a_block_behind_the_call_is_one_of_its_arguments() {
        let text =
            "{\"name\": \"code_exec\", \"arguments\": {\"language\": \"python\"}}\n```\nprint(\"x\")\n```";
        let reader = || Reader::of_call(None, vec![("code_exec".into(), "code".into())]);
        let (deltas, answer) = read(reader(), text, Ended::Whole);
        assert_eq!(deltas, [Delta::ToolName("code_exec".into())]);
        let arguments = serde_json::json!({"language": "python", "code": "print(\"x\")\n"});
        assert_eq!(answer.calls[0].arguments, Ok(arguments));
        let (_, answer) = read(reader(), text.strip_suffix("```").unwrap(), Ended::Cut);
        assert!(answer.calls[0].arguments.is_err(), "half a program is none");
        assert_eq!(answer.finish, Finish::Length);
    }

    #[test]
    fn a_final_answer_is_streamed_as_text() {
        let text = r#"{"name": "final_answer", "arguments": {"answer": "Grüße,\n\"all\" done \\o/ 🎉"}}"#;
        let (deltas, answer) =
            read(Reader::of_call(Some("final_answer".into()), Vec::new()), text, Ended::Whole);
        assert_eq!(answer.text, "Grüße,\n\"all\" done \\o/ 🎉");
        assert_eq!(texts(&deltas), answer.text);
        assert!(deltas.len() > 10, "streamed, not given at once");
        assert_eq!((answer.calls.len(), answer.finish), (0, Finish::Stop));
        let mut whole = Reader::of_call(Some("final_answer".into()), Vec::new());
        assert_eq!(texts(&whole.push(text.as_bytes())), answer.text);
    }

    #[test]
    fn a_wrong_byte_silences_nothing() {
        let mut reader = Reader::of_text();
        let mut deltas = Vec::new();
        for byte in b"a\xffb\xc3\xc3\xbc\xe2\x82" {
            deltas.extend(reader.push(&[*byte]));
        }
        assert_eq!(texts(&deltas), "a\u{fffd}b\u{fffd}\u{fc}", "the last character may still come");
        deltas.extend(reader.push(b"\xac."));
        let answer = reader.finish(Ended::Whole, Usage::default(), "local/m".into());
        assert_eq!((texts(&deltas).as_str(), answer.finish), (answer.text.as_str(), Finish::Stop));
        assert_eq!(answer.text, "a\u{fffd}b\u{fffd}\u{fc}\u{20ac}.");
        let mut reader = Reader::of_call(Some("final_answer".into()), Vec::new());
        let head = b"{\"name\": \"final_answer\", \"arguments\": {\"answer\": \"";
        for byte in head.iter().chain(b"a\xff\xe2\x82\\n\xc3\"}}") {
            reader.push(&[*byte]);
        }
        let answer = reader.finish(Ended::Whole, Usage::default(), "local/m".into());
        assert_eq!(answer.text, "a\u{fffd}\u{fffd}\n\u{fffd}");
    }

    #[test]
    fn what_was_cut_says_so() {
        let (_, answer) = read(
            Reader::of_call(None, Vec::new()),
            r#"{"name": "write_file", "arguments": {"path": "a"#,
            Ended::Cut,
        );
        assert_eq!(answer.calls[0].arguments, Err(r#"{"path": "a"#.to_owned()));
        assert_eq!(answer.finish, Finish::Length);
        let finish = Some("final_answer".to_owned());
        let (_, answer) = read(
            Reader::of_call(finish, Vec::new()),
            r#"{"name": "final_answer", "arguments": {"answer": "so far"#,
            Ended::Cut,
        );
        assert_eq!((answer.text.as_str(), answer.finish), ("so far", Finish::Length));
        let (deltas, answer) = read(Reader::of_text(), "Hëllo", Ended::Whole);
        assert_eq!((texts(&deltas).as_str(), answer.finish), ("Hëllo", Finish::Stop));
    }
}
