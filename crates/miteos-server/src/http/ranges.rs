//! Which bytes of a file a request wants (RFC 9110, section 14), and how a file is named in an answer. Pure.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;

#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    Part(Range<u64>),
    /// No byte of the file is in it.
    Nothing,
}

/// Reads a `Range` header. Several ranges, other units and nonsense are ignored, as the standard allows.
pub fn wanted(header: Option<&str>, size: u64) -> Wanted {
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

/// The value of `Content-Disposition` for a download under this name (RFC 6266, RFC 8187).
pub fn attachment(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename*=UTF-8''{encoded}")
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

    #[test]
    fn names_cannot_break_the_header() {
        assert_eq!(
            attachment("a b\"\r\nX: é.md"),
            "attachment; filename*=UTF-8''a%20b%22%0D%0AX%3A%20%C3%A9.md"
        );
    }
}
