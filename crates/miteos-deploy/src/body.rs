//! Bodies that are read from the disk while they are sent: a few pieces in memory, however big the file. Knows nothing
//! of HTTP but the length.
//!
//! A body is described once and opened for each attempt. A file's last piece is held back until its hash is known to
//! be the one it was planned with: a file that has changed since is never sent to its end.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use miteos_tools::workspace::{Name, Workspace};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWriteExt as _, DuplexStream, ReadBuf};

use crate::call::Fault;
use crate::error::ErrorKind;
use crate::site::{Site, SiteFile, Source};

/// Read at once (bytes): a multiple of three, so that pieces of Base64 join.
const PIECE: usize = 48 * 1024;
/// What waits between the reader of the disk and the connection (bytes).
const PIPE: usize = 128 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Raw,
    Base64,
}

/// A file of a workspace as it was when it was planned.
#[derive(Clone)]
pub(crate) struct Planned {
    pub workspace: Workspace,
    pub name: Name,
    /// Of the whole file.
    pub bytes: u64,
    /// Of the whole file; checked when the whole file is sent.
    pub sha256: [u8; 32],
}

#[derive(Clone)]
enum Part {
    Bytes(Bytes),
    File {
        file: Planned,
        encoding: Encoding,
    },
    /// Some bytes of a file, from an offset.
    Range {
        file: Planned,
        offset: u64,
        bytes: u64,
    },
}

/// A body's description.
#[derive(Clone, Default)]
pub(crate) struct Payload {
    parts: Vec<Part>,
}

impl Payload {
    pub fn file(site: &Site, file: &SiteFile) -> Self {
        let mut payload = Self::default();
        payload.push_file(site, file, Encoding::Raw);
        payload
    }

    pub fn range(file: Planned, offset: u64, bytes: u64) -> Self {
        Self { parts: vec![Part::Range { file, offset, bytes }] }
    }

    pub fn push(&mut self, bytes: impl Into<Bytes>) {
        self.parts.push(Part::Bytes(bytes.into()));
    }

    pub fn push_file(&mut self, site: &Site, file: &SiteFile, encoding: Encoding) {
        self.parts.push(match (&file.source, encoding) {
            (Source::Made(bytes), Encoding::Raw) => Part::Bytes(bytes.clone()),
            (Source::Made(bytes), Encoding::Base64) => Part::Bytes(BASE64_STANDARD.encode(bytes).into()),
            (Source::Disk(name), _) => Part::File {
                file: Planned {
                    workspace: site.workspace().clone(),
                    name: name.clone(),
                    bytes: file.bytes,
                    sha256: file.digests.sha256,
                },
                encoding,
            },
        });
    }

    /// The exact length of the body.
    pub fn bytes(&self) -> u64 {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Bytes(bytes) => bytes.len() as u64,
                Part::File { file, encoding: Encoding::Raw } => file.bytes,
                Part::File { file, encoding: Encoding::Base64 } => base64_bytes(file.bytes),
                Part::Range { bytes, .. } => *bytes,
            })
            .sum()
    }

    /// The body's bytes. Why they end early, if they do, is put into `spoilt`.
    pub fn open(&self, spoilt: &Arc<OnceLock<Fault>>) -> Box<dyn AsyncRead + Send + Unpin> {
        let (reader, mut writer) = tokio::io::duplex(PIPE);
        let (parts, spoilt) = (self.parts.clone(), Arc::clone(spoilt));
        // Ends by itself when the reader is dropped: then nothing can be written any more.
        tokio::spawn(async move {
            for part in parts {
                if let Err(stop) = send(part, &mut writer).await {
                    if let Stop::Fault(fault) = stop {
                        let _ = spoilt.set(fault);
                    }
                    return;
                }
            }
            let _ = writer.shutdown().await;
        });
        Box::new(Whole { reader, left: self.bytes() })
    }
}

/// A body that is sent to its end or breaks off. One that just ends early is taken for a whole one where the protocol
/// marks the end and not the length, as HTTP/2 does.
struct Whole {
    reader: DuplexStream,
    left: u64,
}

impl AsyncRead for Whole {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.reader).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        self.left = self.left.saturating_sub(read as u64);
        if read == 0 && buffer.remaining() > 0 && self.left > 0 {
            return Poll::Ready(Err(io::Error::other("the body broke off")));
        }
        Poll::Ready(Ok(()))
    }
}

/// The length of the Base64 text of so many bytes.
pub(crate) fn base64_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(3) * 4
}

enum Stop {
    /// Nobody reads any more.
    Unread,
    Fault(Fault),
}

async fn send(part: Part, writer: &mut DuplexStream) -> Result<(), Stop> {
    match part {
        Part::Bytes(bytes) => writer.write_all(&bytes).await.map_err(|_| Stop::Unread),
        Part::File { file, encoding } => {
            let bytes = file.bytes;
            send_file(file, 0, bytes, Check::Whole, encoding, writer).await
        }
        Part::Range { file, offset, bytes } => {
            send_file(file, offset, bytes, Check::Length, Encoding::Raw, writer).await
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// The hash of all that is sent is the file's.
    Whole,
    /// The file has the length that it had.
    Length,
}

async fn send_file(
    planned: Planned,
    offset: u64,
    bytes: u64,
    check: Check,
    encoding: Encoding,
    writer: &mut DuplexStream,
) -> Result<(), Stop> {
    let mut reading = Reading { file: open(&planned, offset).await?, left: bytes, hash: Sha256::new() };
    let mut held: Option<Vec<u8>> = None;
    loop {
        let name = planned.name.as_str().to_owned();
        let piece = tokio::task::spawn_blocking(move || {
            let piece = reading.piece();
            (reading, piece)
        });
        let (back, piece) = piece.await.map_err(|_| Stop::Unread)?;
        reading = back;
        let piece = piece.map_err(|error| {
            Stop::Fault(Fault {
                kind: ErrorKind::FileChanged,
                message: format!("{name} cannot be read: {error}"),
            })
        })?;
        if piece.is_empty() {
            break;
        }
        if let Some(before) = held.replace(encoded(piece, encoding)) {
            writer.write_all(&before).await.map_err(|_| Stop::Unread)?;
        }
    }
    let hash: [u8; 32] = reading.hash.finalize().into();
    if reading.left > 0 || (check == Check::Whole && hash != planned.sha256) {
        return Err(changed(&planned));
    }
    match held {
        Some(last) => writer.write_all(&last).await.map_err(|_| Stop::Unread),
        None => Ok(()),
    }
}

struct Reading {
    file: File,
    left: u64,
    hash: Sha256,
}

impl Reading {
    /// The next bytes, as many as a piece holds or all that are left; empty at the end.
    fn piece(&mut self) -> io::Result<Vec<u8>> {
        let wanted = self.left.min(PIECE as u64);
        let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or(PIECE));
        io::Read::by_ref(&mut self.file).take(wanted).read_to_end(&mut piece)?;
        self.left -= piece.len() as u64;
        self.hash.update(&piece);
        Ok(piece)
    }
}

fn encoded(piece: Vec<u8>, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Raw => piece,
        Encoding::Base64 => BASE64_STANDARD.encode(piece).into_bytes(),
    }
}

async fn open(planned: &Planned, offset: u64) -> Result<File, Stop> {
    let (workspace, name, bytes) = (planned.workspace.clone(), planned.name.clone(), planned.bytes);
    let opened = tokio::task::spawn_blocking(move || {
        let (mut file, info) = workspace.open_file(&name).ok()?;
        file.seek(SeekFrom::Start(offset)).ok()?;
        (info.bytes == bytes).then_some(file)
    });
    opened.await.ok().flatten().ok_or_else(|| changed(planned))
}

fn changed(planned: &Planned) -> Stop {
    let message = format!(
        "{} changed after it had been checked; deploy again when nothing writes to the folder",
        planned.name.as_str()
    );
    Stop::Fault(Fault { kind: ErrorKind::FileChanged, message })
}

#[cfg(test)]
mod tests {
    use miteos_tools::workspace::Name;
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::site::{Index, scan};
    use crate::target::TargetKind;

    #[tokio::test]
    async fn a_body_is_whole_or_breaks_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big.bin");
        std::fs::write(&path, vec![7_u8; 150_000]).unwrap();
        let workspace = Workspace::open(dir.path().to_owned()).unwrap();
        let limits = TargetKind::Netlify.limits();
        let site = scan(&workspace, &Name::folder("").unwrap(), limits, Index::Optional, &[]).unwrap();
        let read = async || {
            let (spoilt, mut bytes) = (Arc::new(OnceLock::new()), Vec::new());
            let read = Payload::file(&site, &site.files[0]).open(&spoilt).read_to_end(&mut bytes).await;
            (read.map(|read| read as u64).ok(), bytes, spoilt.get().map(|fault| fault.kind))
        };
        assert_eq!(read().await, (Some(150_000), vec![7; 150_000], None));
        let mut other = vec![7_u8; 150_000];
        other[149_999] = 8;
        std::fs::write(&path, &other).unwrap();
        let (ended, bytes, fault) = read().await;
        assert_eq!((ended, fault), (None, Some(ErrorKind::FileChanged)));
        assert!(bytes.len() < 150_000);
        std::fs::write(&path, b"short").unwrap();
        let (ended, bytes, fault) = read().await;
        assert_eq!((ended, bytes.len(), fault), (None, 0, Some(ErrorKind::FileChanged)));
    }
}
