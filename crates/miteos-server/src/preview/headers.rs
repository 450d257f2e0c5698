//! What every answer of the preview host says to the browser, and how long it may be kept.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use miteos_store::Visibility;

use super::media;

/// On every answer, whatever it is.
const ALWAYS: [(&str, &str); 7] = [
    // A browser must not guess what the server did not say.
    ("x-content-type-options", "nosniff"),
    // The address is what opens a preview, so it goes to nobody.
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("permissions-policy", NO_DEVICES),
    ("x-robots-tag", "noindex, nofollow"),
];
const NO_DEVICES: &str = "bluetooth=(), camera=(), display-capture=(), geolocation=(), hid=(), \
    identity-credentials-get=(), local-fonts=(), microphone=(), midi=(), payment=(), \
    publickey-credentials-get=(), serial=(), usb=()";
/// A page of this server's own loads nothing and runs nothing.
const OWN_PAGE: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; ";
/// A name that changes with the content has at least so many characters of a hash in it.
const MIN_HASH_CHARS: usize = 8;

/// Who may show a preview in a frame.
pub fn framing(framers: &[String]) -> HeaderValue {
    let text = framers.iter().fold("frame-ancestors 'self'".to_owned(), |text, one| format!("{text} {one}"));
    // Origins are made of host names and ports. If one were no header's value, nobody may.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("frame-ancestors 'none'"))
}

/// Puts on an answer what all have. A policy that is there already is kept, with the frames added to it.
pub fn always(headers: &mut HeaderMap, framing: &HeaderValue) {
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.append(CONTENT_SECURITY_POLICY, framing.clone());
}

/// The policy of a page of this server's own.
pub fn own_page(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(OWN_PAGE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// How long a file may be kept: one whose name changes with its content for ever, any other only if it is asked for
/// anew each time. Nobody in between keeps anything for long: what is public today may need a link, or be gone, tomorrow.
pub fn cached(path: &str, media_type: &str, visibility: Visibility) -> HeaderValue {
    let for_ever = media_type != media::HTML && has_hash(path);
    HeaderValue::from_static(match (visibility, for_ever) {
        (Visibility::Public | Visibility::Link, true) => "private, max-age=31536000, immutable",
        (Visibility::Public, false) => "public, no-cache",
        (Visibility::Link, false) => "private, no-cache",
    })
}

/// Whether the file's own name has a part that looks like a hash, as build tools make it: long enough, with a digit in
/// it, and before the ending.
fn has_hash(path: &str) -> bool {
    let own = path.rsplit('/').next().unwrap_or(path);
    let Some((name, _)) = own.rsplit_once('.') else { return false };
    let looks_like_one = |part: &str| {
        let long = part.len() >= MIN_HASH_CHARS && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // Not a date or a number.
        long && part.bytes().any(|byte| byte.is_ascii_digit())
            && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    name.split(['.', '-', '_', '~']).skip(1).any(looks_like_one) || looks_like_hex(name)
}

/// A name that is nothing but a hash.
fn looks_like_hex(name: &str) -> bool {
    name.len() >= 2 * MIN_HASH_CHARS && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_hash_are_kept_for_ever_and_pages_never() {
        for path in [
            "assets/index-4f3a9c1b.js",
            "main.8f3c2a1d9e.css",
            "app~b1c2d3e4.chunk.js",
            "0123456789abcdef.png",
        ] {
            assert!(has_hash(path), "{path}");
        }
        for path in [
            "index.html",
            "app.js",
            "report-2026.js",
            "photo-20261122.jpg",
            "jquery-3.7.1.min.js",
            "component.stylesheet.css",
            "4f3a9c1b/app.js",
            "noextension-4f3a9c1b",
        ] {
            assert!(!has_hash(path), "{path}");
        }
        let public = |path: &str, kind: &str| cached(path, kind, Visibility::Public);
        assert_eq!(public("a-4f3a9c1b.html", media::HTML), "public, no-cache");
        assert_eq!(cached("a-4f3a9c1b.js", "x", Visibility::Link), "private, max-age=31536000, immutable");
    }
}
