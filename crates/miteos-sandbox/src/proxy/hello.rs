//! The beginning of what a program says in a tunnel: a TLS client's first message, and whose name stands in it.
//!
//! A tunnel to a listed host can end at a machine that serves many: whoever shares it with a registry would be reached by
//! another name in that message. So the name has to be the one that the tunnel was asked for. Nothing is decrypted, and
//! nothing behind the message is looked at. A message that may hold a second, encrypted one (ECH) is refused, since the
//! machine that it reaches would go by the hidden name, whatever stands outside; a made-up one (GREASE) looks the same by
//! design.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest message with its records' heads (bytes). Those of today's clients have two thousand.
const MAX_HELLO_BYTES: usize = 16 * 1024;

/// Kinds of records, messages and extensions, as TLS numbers them.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// A second, hidden message with another name.
const ENCRYPTED_HELLO: u16 = 0xfe0d;

/// Whom the message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hello {
    /// One host, in lower case.
    Host(String),
    /// Nobody: as is right where the tunnel leads to an address.
    Nobody,
    /// It hides whom.
    Hidden,
    /// It is no such message.
    Other,
}

/// Reads until the message is there; gives it with every byte that was read.
pub(super) async fn read_hello(
    source: &mut (impl AsyncRead + Unpin),
    mut read: Vec<u8>,
) -> io::Result<(Hello, Vec<u8>)> {
    loop {
        match message(&read) {
            Some(message) => return Ok((message.and_then(parse).unwrap_or(Hello::Other), read)),
            None if read.len() > MAX_HELLO_BYTES => return Ok((Hello::Other, read)),
            None => {}
        }
        let mut piece = [0_u8; 2048];
        let more = source.read(&mut piece).await?;
        if more == 0 {
            return Ok((Hello::Other, read));
        }
        read.extend_from_slice(piece.get(..more).unwrap_or_default());
    }
}

/// The body of the first message, out of as many records as it takes. `None`: more has to be read; `Some(None)`: it is
/// another protocol, or another message.
fn message(read: &[u8]) -> Option<Option<Vec<u8>>> {
    let (mut rest, mut message) = (Bytes(read), Vec::new());
    loop {
        match rest.0.first() {
            Some(&HANDSHAKE) => {}
            Some(_) => return Some(None),
            None => return None,
        }
        let mut record = Bytes(rest.0);
        record.take(3)?;
        let length = record.u16()?;
        // Whatever of the record is there already.
        let part = record.take(length.into());
        message.extend_from_slice(part.unwrap_or(record.0));
        let mut body = Bytes(&message);
        if body.u8().is_some_and(|kind| kind != CLIENT_HELLO) {
            return Some(None);
        }
        if let (Some(high), Some(low)) = (body.u8(), body.u16())
            && let Some(whole) = body.take((usize::from(high) << 16) + usize::from(low))
        {
            return Some(Some(whole.to_vec()));
        }
        part?;
        rest = record;
    }
}

fn parse(message: Vec<u8>) -> Option<Hello> {
    let mut rest = Bytes(&message);
    // Version and random bytes, the session, the ciphers, the compressions.
    rest.take(2 + 32)?;
    let session = rest.u8()?;
    rest.take(session.into())?;
    let ciphers = rest.u16()?;
    rest.take(ciphers.into())?;
    let compressions = rest.u8()?;
    rest.take(compressions.into())?;
    if rest.0.is_empty() {
        return Some(Hello::Nobody);
    }
    let length = rest.u16()?;
    let mut extensions = Bytes(rest.take(length.into())?);
    let mut hello = Hello::Nobody;
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let length = extensions.u16()?;
        let content = extensions.take(length.into())?;
        match (kind, &hello) {
            (ENCRYPTED_HELLO, _) => hello = Hello::Hidden,
            (SERVER_NAME, Hello::Nobody) => hello = Hello::Host(server_name(content)?),
            // A second name.
            (SERVER_NAME, Hello::Host(_)) => return None,
            _ => {}
        }
    }
    Some(hello)
}

/// The one name of the list.
fn server_name(content: &[u8]) -> Option<String> {
    let mut rest = Bytes(content);
    let length = rest.u16()?;
    let mut list = Bytes(rest.take(length.into())?);
    let kind = list.u8()?;
    let length = list.u16()?;
    let name = list.take(length.into())?;
    let alone = rest.0.is_empty() && list.0.is_empty() && kind == HOST_NAME;
    std::str::from_utf8(name).ok().filter(|_| alone).map(str::to_ascii_lowercase)
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        let two = self.take(2)?;
        Some(u16::from_be_bytes(two.try_into().ok()?))
    }
}

/// A message with these extensions, in records of so many bytes.
#[cfg(test)]
pub(super) fn written(extensions: &[(u16, Vec<u8>)], record: usize) -> Vec<u8> {
    let long = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let all: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &long(content)].concat())
        .collect();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(long(&all));
    let mut message = vec![CLIENT_HELLO, 0];
    message.extend(long(&body));
    message.chunks(record).flat_map(|part| [&[HANDSHAKE, 3, 1][..], &long(part)].concat()).collect()
}

/// The extension with one name.
#[cfg(test)]
pub(super) fn named(name: &str) -> (u16, Vec<u8>) {
    let length = u16::try_from(name.len()).unwrap();
    let mut content = (length + 3).to_be_bytes().to_vec();
    content.push(HOST_NAME);
    content.extend(length.to_be_bytes());
    content.extend(name.as_bytes());
    (SERVER_NAME, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Hello {
        let (hello, all) = read_hello(&mut &*bytes, Vec::new()).await.unwrap();
        assert!(bytes.starts_with(&all));
        hello
    }

    fn host(name: &str) -> Hello {
        Hello::Host(name.to_owned())
    }

    #[tokio::test]
    async fn the_name_is_found_however_the_message_is_cut() {
        let other = (0x0010, vec![1, 2, 3]);
        for record in [1, 5, 40, 4096] {
            let bytes = written(&[other.clone(), named("Packages.example"), other.clone()], record);
            assert_eq!(read(&bytes).await, host("packages.example"), "{record}");
            assert_eq!(read(&written(std::slice::from_ref(&other), record)).await, Hello::Nobody);
            assert_eq!(read(&written(&[], record)).await, Hello::Nobody);
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]).await, Hello::Other, "{record} {cut}");
            }
        }
        // What came with the request is part of it, and what comes behind it is kept.
        let bytes = [written(&[named("a.example")], 4096), b"more".to_vec()].concat();
        let (early, late) = bytes.split_at(20);
        let (hello, all) = read_hello(&mut &*late, early.to_vec()).await.unwrap();
        assert_eq!((hello, all), (host("a.example"), bytes));
    }

    #[tokio::test]
    async fn what_hides_a_name_or_has_two_is_told_apart() {
        let hidden = (ENCRYPTED_HELLO, vec![0; 40]);
        assert_eq!(read(&written(&[named("a.example"), hidden.clone()], 4096)).await, Hello::Hidden);
        assert_eq!(read(&written(&[hidden, named("a.example")], 4096)).await, Hello::Hidden);
        assert_eq!(read(&written(&[named("a.example"), named("b.example")], 4096)).await, Hello::Other);
        let (kind, mut two) = named("a.example");
        two.extend([0, 0, 1, b'b']);
        two[1] += 4;
        assert_eq!(read(&written(&[(kind, two)], 4096)).await, Hello::Other);
        let (kind, mut short) = named("a.example");
        short.pop();
        assert_eq!(read(&written(&[(kind, short)], 4096)).await, Hello::Other);
    }

    #[tokio::test]
    async fn other_protocols_are_none_of_it() {
        let mut other = written(&[named("a.example")], 4096);
        other[5] = 2;
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-x\r\n", b"", &[HANDSHAKE], &other] {
            assert_eq!(read(bytes).await, Hello::Other, "{bytes:?}");
        }
        let endless =
            [&[HANDSHAKE, 3, 1, 0xff, 0xff, CLIENT_HELLO, 0xff, 0xff, 0xff][..], &[0; 70_000]].concat();
        let (hello, all) = read_hello(&mut &*endless, Vec::new()).await.unwrap();
        assert!(hello == Hello::Other && all.len() < MAX_HELLO_BYTES + 4096);
    }
}
