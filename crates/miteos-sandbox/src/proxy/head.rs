//! The head of a request to the proxy. Reads no more than the head's limit, and keeps what came behind it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::egress::HostPort;

/// Longest head of a request (bytes).
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// How much of a refused request is repeated (characters).
const SHOWN_CHARS: usize = 100;

/// What a program asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Tunnel {
        to: HostPort,
        /// What came behind the head already.
        early: Vec<u8>,
    },
    /// A tunnel to something that is no host.
    NoHost {
        what: String,
    },
    /// Another method.
    Other {
        what: String,
    },
    TooLong,
    Malformed,
}

/// Reads one request; nothing when the other side closed before it had begun one.
pub(super) async fn read_head(source: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Asked>> {
    let mut head = Vec::with_capacity(1024);
    loop {
        let mut piece = [0_u8; 1024];
        let read = source.read(&mut piece).await?;
        if read == 0 {
            return Ok((!head.is_empty()).then_some(Asked::Malformed));
        }
        head.extend_from_slice(piece.get(..read).unwrap_or_default());
        if let Some(end) = find(&head, b"\r\n\r\n") {
            if end > MAX_HEAD_BYTES {
                return Ok(Some(Asked::TooLong));
            }
            let early = head.split_off(end + 4);
            return Ok(Some(parse(&head, early)));
        }
        if head.len() > MAX_HEAD_BYTES {
            return Ok(Some(Asked::TooLong));
        }
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Only the first line counts: a tunnel has no use for fields, and their `Host` is believed nowhere.
fn parse(head: &[u8], early: Vec<u8>) -> Asked {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return Asked::Malformed };
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Asked::Malformed;
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || method.is_empty() {
        return Asked::Malformed;
    }
    if method != "CONNECT" {
        return Asked::Other { what: shown(target) };
    }
    match target.parse() {
        Ok(to) => Asked::Tunnel { to, early },
        Err(_) => Asked::NoHost { what: shown(target) },
    }
}

/// Without a query, which can hold a key.
fn shown(target: &str) -> String {
    let target = target.split(['?', '#']).next().unwrap_or_default();
    target.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(text: &[u8]) -> Option<Asked> {
        read_head(&mut &*text).await.unwrap()
    }

    #[tokio::test]
    async fn a_tunnel_is_read_with_what_came_early() {
        let text = b"CONNECT packages.example:443 HTTP/1.1\r\nHost: elsewhere.example:22\r\n\r\nearly";
        let to = "packages.example:443".parse().unwrap();
        assert_eq!(asked(text).await, Some(Asked::Tunnel { to, early: b"early".to_vec() }));
    }

    #[tokio::test]
    async fn everything_else_is_told_apart() {
        let other = |what: &str| Some(Asked::Other { what: what.to_owned() });
        let get = b"GET http://packages.example/x?key=1 HTTP/1.1\r\n\r\n";
        assert_eq!(asked(get).await, other("http://packages.example/x"));
        assert_eq!(
            asked(b"connect packages.example:443 HTTP/1.1\r\n\r\n").await,
            other("packages.example:443")
        );
        let no_host = Some(Asked::NoHost { what: "packages.example.:443".to_owned() });
        assert_eq!(asked(b"CONNECT packages.example.:443 HTTP/1.1\r\n\r\n").await, no_host);
        for malformed in [
            "CONNECT packages.example:443\r\n\r\n",
            "CONNECT packages.example:443 HTTP/2.0\r\n\r\n",
            "CONNECT  packages.example:443 HTTP/1.1\r\n\r\n",
            "CONNECT packages.example:443 HTTP/1.1 \r\n\r\n",
            "CONNECT\tpackages.example:443 HTTP/1.1\r\n\r\n",
            " HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
            "CONNECT packages.exa",
        ] {
            assert_eq!(asked(malformed.as_bytes()).await, Some(Asked::Malformed), "{malformed:?}");
        }
        assert_eq!(asked(b"CONNECT \xff\xfe:443 HTTP/1.1\r\n\r\n").await, Some(Asked::Malformed));
        assert_eq!(asked(b"").await, None);
        let endless = "CONNECT a:443 HTTP/1.1\r\n".to_owned() + &"X: y\r\n".repeat(2000);
        assert_eq!(asked(endless.as_bytes()).await, Some(Asked::TooLong));
    }
}
