//! Which bytes of a file a request wants, and whether it has them already (RFC 9110, sections 13 and 14). Pure.

use std::ops::Range;

use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, IF_NONE_MATCH, IF_RANGE, RANGE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    Part(Range<u64>),
    /// No byte of the file is in it.
    Nothing,
}

impl Wanted {
    /// What a request wants of the file with this tag. A range of another version would not fit: then it is the whole.
    pub fn of(asked: &HeaderMap, tag: &str, size: u64) -> Self {
        let header = |name: HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
        let fits = header(IF_RANGE).is_none_or(|known| known == tag);
        wanted(header(RANGE).filter(|_| fits), size)
    }

    /// Says in the headers of the answer which bytes it holds, and gives its status.
    pub fn say(&self, fields: &mut HeaderMap, size: u64) -> StatusCode {
        let mut put = |name, text: String| {
            // Numbers and the words between them are always a header's value.
            if let Ok(value) = HeaderValue::try_from(text) {
                fields.insert(name, value);
            }
        };
        match self {
            Self::Whole => {
                put(CONTENT_LENGTH, size.to_string());
                StatusCode::OK
            }
            Self::Part(range) => {
                put(CONTENT_LENGTH, (range.end - range.start).to_string());
                put(CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)));
                StatusCode::PARTIAL_CONTENT
            }
            Self::Nothing => {
                put(CONTENT_RANGE, format!("bytes */{size}"));
                StatusCode::RANGE_NOT_SATISFIABLE
            }
        }
    }

    /// The part that is to be read, if it is not the whole.
    pub fn part(self) -> Option<Range<u64>> {
        match self {
            Self::Part(range) => Some(range),
            Self::Whole | Self::Nothing => None,
        }
    }
}

/// Reads a `Range` header. Several ranges, other units and nonsense are ignored, as the standard allows.
fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Wanted::Whole };
    let Some((from, to)) = spec.split_once('-') else { return Wanted::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    if to.contains(',') {
        return Wanted::Whole;
    }
    let range = match (from.trim().is_empty(), to.trim().is_empty()) {
        (true, true) => return Wanted::Whole,
        (true, false) => match number(to) {
            Some(0) => return Wanted::Nothing,
            Some(last) => size.saturating_sub(last)..size,
            None => return Wanted::Whole,
        },
        (false, open) => match (number(from), number(to)) {
            (Some(from), None) if open => from..size,
            (Some(from), Some(to)) if from <= to => from..to.saturating_add(1).min(size),
            _ => return Wanted::Whole,
        },
    };
    if range.start >= size { Wanted::Nothing } else { Wanted::Part(range) }
}

/// Whether a client already has the content with this tag, by its `If-None-Match`.
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(|known| known.trim())
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, expected) in [
            ("bytes=0-9", Wanted::Part(0..10)),
            ("bytes=5-", Wanted::Part(5..100)),
            ("bytes=-10", Wanted::Part(90..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("bytes=99-1000", Wanted::Part(99..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=9-5", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes=0-18446744073709551615", Wanted::Part(0..100)),
        ] {
            assert_eq!(wanted(Some(header), 100), expected, "{header}");
        }
        assert_eq!(wanted(None, 100), Wanted::Whole);
        for (if_range, expected) in [("\"a\"", Wanted::Part(0..10)), ("\"b\"", Wanted::Whole)] {
            let asked = [(RANGE, "bytes=0-9".parse().unwrap()), (IF_RANGE, if_range.parse().unwrap())];
            assert_eq!(Wanted::of(&HeaderMap::from_iter(asked), "\"a\"", 100), expected);
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
    }

    #[test]
    fn tags() {
        for (header, expected) in [
            ("\"a\"", true),
            ("\"b\", \"a\"", true),
            ("W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, header.parse().unwrap())]);
            assert_eq!(is_known(&headers, "\"a\""), expected, "{header}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}
