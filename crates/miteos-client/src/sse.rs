//! Server-sent events, as the HTML standard defines them: bytes in, frames out. Knows nothing of HTTP or of
//! what the frames mean.

/// A frame larger than this is refused; the largest real one is a few hundred kilobytes.
pub(crate) const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// One dispatched event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: String,
}

/// The frame grew past [`MAX_FRAME_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// An incremental parser: feed it whatever chunks arrive.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    frame: Frame,
    has_data: bool,
    started: bool,
    last_was_cr: bool,
}

impl Parser {
    /// Reads a chunk; complete frames are added to `frames`. A frame that is cut off by the end of the stream
    /// is never dispatched.
    pub fn push(&mut self, chunk: &[u8], frames: &mut impl Extend<Frame>) -> Result<(), TooLarge> {
        for &byte in chunk {
            if std::mem::take(&mut self.last_was_cr) && byte == b'\n' {
                continue;
            }
            match byte {
                b'\n' => self.end_line(frames),
                b'\r' => {
                    self.last_was_cr = true;
                    self.end_line(frames);
                }
                other => {
                    if self.line.len() + self.frame.data.len() >= MAX_FRAME_BYTES {
                        return Err(TooLarge);
                    }
                    self.line.push(other);
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self, frames: &mut impl Extend<Frame>) {
        let bytes = std::mem::take(&mut self.line);
        let mut line = &*bytes;
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            if std::mem::take(&mut self.has_data) {
                frames.extend([frame]);
            }
            return;
        }
        let (name, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match name {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(&value);
            }
            b"event" => self.frame.event = Some(value.into_owned()),
            b"id" if !value.contains('\0') => self.frame.id = Some(value.into_owned()),
            // A comment (no name), `retry` (our own backoff decides) or something new.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut parser = Parser::default();
        let mut frames = Vec::new();
        for chunk in chunks {
            parser.push(chunk, &mut frames).unwrap();
        }
        frames
    }

    fn frame(id: &str, data: &str) -> Frame {
        Frame { id: Some(id.into()), event: Some("e".into()), data: data.into() }
    }

    const TEXT: &str = "\u{feff}: hello\n\nid: 1\nevent: e\ndata: {\"a\":\"ä\"}\n\nid:2\r\nevent:e\r\ndata:x\r\ndata: y\r\n\r\n: still here\r\rretry: 5\rid: 3\revent: e\rdata\r\rid: 4\ndata: cut off";

    #[test]
    fn every_line_ending_comments_and_the_cut_frame() {
        let expected = vec![frame("1", "{\"a\":\"ä\"}"), frame("2", "x\ny"), frame("3", "")];
        assert_eq!(parse(&[TEXT.as_bytes()]), expected);
        let bytes = TEXT.as_bytes();
        for cut in 0..bytes.len() {
            assert_eq!(parse(&[&bytes[..cut], &bytes[cut..]]), expected, "cut at {cut}");
        }
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(parse(&singles), expected);
    }

    #[test]
    fn a_frame_without_end_is_refused_before_it_fills_the_memory() {
        let mut parser = Parser::default();
        let mut frames = Vec::new();
        let chunk = vec![b'a'; 1024 * 1024];
        let outcome = (0..20).try_for_each(|_| parser.push(&chunk, &mut frames));
        assert_eq!(outcome, Err(TooLarge));
        assert!(parser.line.len() <= MAX_FRAME_BYTES);
    }

    proptest! {
        #[test]
        fn any_bytes_parse_the_same_however_they_are_cut(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let cut = cut.min(bytes.len());
            prop_assert_eq!(parse(&[&bytes]), parse(&[&bytes[..cut], &bytes[cut..]]));
        }
    }
}
