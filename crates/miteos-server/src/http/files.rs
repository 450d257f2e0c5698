//! Files of users on their way out: under which headers they go, and to whom they do not. What an agent wrote may be a page
//! or a program, and must never run as one of this server's own.

use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::error::ApiError;

/// Were it shown in spite of all, it would be of no origin and could do nothing.
pub const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// What a browser asks for a file for.
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// Saving it, reading it by a program that has a key, or showing what cannot run.
const HARMLESS: [&[u8]; 5] = [b"document", b"empty", b"image", b"audio", b"video"];

/// The headers of a file that a browser saves and does not show.
pub fn saved(name: &str, media_type: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    // A type that is none, as an agent can name, says nothing.
    let media_type = HeaderValue::from_str(media_type);
    let unknown = HeaderValue::from_static("application/octet-stream");
    fields.insert(CONTENT_TYPE, media_type.unwrap_or(unknown));
    let named = HeaderValue::try_from(attachment(name));
    fields.insert(CONTENT_DISPOSITION, named.unwrap_or(HeaderValue::from_static("attachment")));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(CONTENT_SECURITY_POLICY, POLICY);
    fields.insert(RESOURCE, HeaderValue::from_static("same-origin"));
    fields
}

/// Refuses a browser that wants a file as a part of a page: as a program, a style, a frame. There neither the name under
/// which it would be saved nor its policy counts.
pub fn no_part_of_a_page(asked: &HeaderMap) -> Result<(), ApiError> {
    let destination = asked.get(DESTINATION);
    if destination.is_none_or(|wanted| HARMLESS.contains(&wanted.as_bytes())) {
        return Ok(());
    }
    let detail = "a file of a task is saved and not run: it cannot be a script, a style or a frame of a page";
    Err(ApiError::new(StatusCode::FORBIDDEN, detail))
}

/// The value of `Content-Disposition` for a download under this name (RFC 6266, RFC 8187).
fn attachment(name: &str) -> String {
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
    fn names_cannot_break_the_header() {
        assert_eq!(
            attachment("a b\"\r\nX: é.md"),
            "attachment; filename*=UTF-8''a%20b%22%0D%0AX%3A%20%C3%A9.md"
        );
    }

    #[test]
    fn no_file_is_a_part_of_a_page() {
        for (destination, is_refused) in [
            ("document", false),
            ("empty", false),
            ("image", false),
            ("script", true),
            ("style", true),
            ("iframe", true),
            ("object", true),
            ("serviceworker", true),
            ("what-comes-next", true),
        ] {
            let asked = HeaderMap::from_iter([(DESTINATION, destination.parse().unwrap())]);
            assert_eq!(no_part_of_a_page(&asked).is_err(), is_refused, "{destination}");
        }
        assert!(no_part_of_a_page(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn a_type_that_is_none_says_nothing() {
        assert_eq!(saved("a", "text/html\r\nx: y")[CONTENT_TYPE], "application/octet-stream");
        assert_eq!(saved("a", "text/html")[CONTENT_TYPE], "text/html");
    }
}
