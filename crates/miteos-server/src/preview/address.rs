//! Where previews are seen: a host name for each, made of a label that nobody can guess and an ending that is the same
//! for all. Pure.

use crate::clock::random;

/// Of a label: 160 random bits, so that knowing it is the permission to look.
const LABEL_BYTES: usize = 20;
/// The same in Base32, five bits a character.
pub const LABEL_CHARS: usize = 32;
/// Lower case, because host names are.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// What browsers resolve to their own machine without asking anybody, with each name an origin of its own.
const HOME: &str = "localhost";
/// What stands for the label in the setting.
const WILDCARD: &str = "*.";
/// Longest ending: with a label and the dot before it a host name still fits (characters).
const MAX_ENDING_CHARS: usize = 253 - LABEL_CHARS - 1;
/// Of one part of a host name (characters).
const MAX_PART_CHARS: usize = 63;

/// A name that nobody can guess, fit for a host name or an address.
pub fn mint_label() -> String {
    let mut bytes = [0_u8; LABEL_BYTES];
    random(&mut bytes);
    base32(&bytes)
}

/// Of whole groups of five bytes.
fn base32(bytes: &[u8; LABEL_BYTES]) -> String {
    let mut text = String::with_capacity(LABEL_CHARS);
    for group in bytes.chunks_exact(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        for place in (0..8).rev() {
            let index = usize::try_from((bits >> (place * 5)) & 31).unwrap_or(0);
            text.push(char::from(ALPHABET[index]));
        }
    }
    text
}

/// The host names of all previews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    scheme: &'static str,
    ending: String,
    port: Option<u16>,
}

impl Hosts {
    /// Those of an address as the settings have it, such as `https://*.preview.example`.
    ///
    /// # Errors
    /// A text saying what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("\"{text}\" is no address for previews: {why}; one looks like https://*.preview.example")
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            Some(_) | None => return Err(wrong("it begins with neither https:// nor http://")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let ending = rest.strip_prefix(WILDCARD).ok_or_else(|| wrong("its host does not begin with *."))?;
        let (ending, port) = match ending.split_once(':') {
            None => (ending, None),
            Some((ending, port)) => {
                let parsed = port.parse().ok().filter(|_| is_port(port));
                (ending, Some(parsed.ok_or_else(|| wrong("what follows the colon is no port"))?))
            }
        };
        let ending = ending.to_ascii_lowercase();
        if !is_host(&ending) {
            return Err(wrong("what follows *. is no host name"));
        }
        Ok(Self { scheme, ending, port })
    }

    /// Those of a machine that looks at its own previews.
    pub fn at_home(port: u16) -> Self {
        Self { scheme: "http", ending: HOME.to_owned(), port: Some(port) }
    }

    /// The address of a preview, with a slash at the end.
    pub fn url(&self, label: &str) -> String {
        let Self { scheme, ending, port } = self;
        match port {
            Some(port) => format!("{scheme}://{label}.{ending}:{port}/"),
            None => format!("{scheme}://{label}.{ending}/"),
        }
    }

    /// Whether browsers speak TLS with it.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether a host name is among these, or one that they lie below, or they below it. Such a name must not be the API's,
    /// because the cookies of one would go to the other.
    pub fn touches(&self, host: &str) -> bool {
        let host = without_port(host).to_ascii_lowercase();
        let is_below =
            |name: &str, above: &str| name.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'));
        self.ending != HOME
            && (host == self.ending || is_below(&host, &self.ending) || is_below(&self.ending, &host))
    }

    /// The label in the `Host` of a request; `None` unless it is exactly the name of a preview. The port does not
    /// matter: it is another one behind a proxy, and says nothing of who asks.
    pub fn label(&self, host: &str) -> Option<String> {
        let host = without_port(host).to_ascii_lowercase();
        let label = host.strip_suffix(&self.ending)?.strip_suffix('.')?;
        let fits = label.len() == LABEL_CHARS && label.bytes().all(|byte| ALPHABET.contains(&byte));
        fits.then(|| label.to_owned())
    }
}

fn is_host(text: &str) -> bool {
    let part = |part: &str| {
        let plain = part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        plain && (1..=MAX_PART_CHARS).contains(&part.len()) && !part.starts_with('-') && !part.ends_with('-')
    };
    text.len() <= MAX_ENDING_CHARS && text.split('.').all(part)
}

/// A host without the port behind it. What is no port stays, and so fits no name.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) | None => host,
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_differ_and_are_parts_of_a_host_name() {
        let (one, other) = (mint_label(), mint_label());
        assert_ne!(one, other);
        assert!(one.len() == LABEL_CHARS && one.bytes().all(|byte| ALPHABET.contains(&byte)), "{one}");
        assert_eq!(base32(b"foobafoobafoobafooba"), "mzxw6ytbmzxw6ytbmzxw6ytbmzxw6ytb");
    }

    #[test]
    fn addresses_have_a_form() {
        for (text, url) in [
            ("https://*.preview.example", "https://x.preview.example/"),
            ("https://*.Preview.Example/", "https://x.preview.example/"),
            ("http://*.pages.lan:8080", "http://x.pages.lan:8080/"),
        ] {
            assert_eq!(Hosts::parse(text).unwrap().url("x"), url);
        }
        assert_eq!(Hosts::at_home(7701).url("x"), "http://x.localhost:7701/");
        for bad in [
            "",
            "preview.example",
            "ftp://*.preview.example",
            "https://preview.example",
            "https://*.",
            "https://*.preview..example",
            "https://*.preview.example:http",
            "https://*.preview.example/below",
            "https://*.user@example",
            "https://*.-example",
            "https://*.*.example",
        ] {
            let why = Hosts::parse(bad).unwrap_err();
            assert!(why.contains("https://*.preview.example"), "{bad}: {why}");
        }
    }

    #[test]
    fn only_the_exact_name_of_a_preview_is_one() {
        let label = "abcdefghijklmnopqrstuvwxyz234567";
        let home = Hosts::at_home(7701);
        for host in [
            format!("{label}.localhost:7701"),
            format!("{label}.localhost"),
            format!("{}.LOCALHOST:80", label.to_uppercase()),
        ] {
            assert_eq!(home.label(&host).as_deref(), Some(label), "{host}");
        }
        for host in [
            String::new(),
            "localhost:7701".into(),
            "127.0.0.1:7701".into(),
            "[::1]:7701".into(),
            label.into(),
            format!("{label}.localhost."),
            format!("{label}.localhost.evil.example"),
            format!("{label}.evil.example"),
            format!("x.{label}.localhost"),
            format!("{label}x.localhost"),
            format!("{label}localhost"),
            format!("{}.localhost", &label[1..]),
            format!("{}1.localhost", &label[1..]),
            format!("{label}.localhost:port"),
            format!("{label}.localhost:99999"),
            format!("{label}.localhost:+80"),
            format!("user@{label}.localhost"),
            format!("{label}.localhost:7701@evil.example"),
        ] {
            assert_eq!(home.label(&host), None, "{host}");
        }
        let far = Hosts::parse("https://*.preview.example").unwrap();
        assert_eq!(far.label(&format!("{label}.preview.example")).as_deref(), Some(label));
        assert_eq!(far.label(&format!("{label}.localhost")), None);
        for host in ["preview.example", "api.preview.example:443", "PREVIEW.example", "example"] {
            assert!(far.touches(host), "{host}");
        }
        for host in ["mypreview.example", "preview.example.org", "ample", "localhost"] {
            assert!(!far.touches(host), "{host}");
        }
    }
}
