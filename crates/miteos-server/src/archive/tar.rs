//! Tapes packed with gzip. Long names come as entries of their own, which are read here and not by the library: that
//! would take as much memory as the archive says.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};

use ::tar::{Archive, Entry, EntryType, PaxExtensions};
use flate2::read::MultiGzDecoder;

use super::{ArchiveError, CHUNK_BYTES, MAX_NAME_BYTES, Sink};

/// What an entry says about the one behind it, at most (bytes): a name and a few numbers.
const MAX_ABOUT_BYTES: u64 = 8 * 1024;

const DAMAGED: ArchiveError = ArchiveError::Broken("it is no whole .tar.gz");

/// What was said of the next entry.
#[derive(Default)]
struct About {
    name: Option<String>,
    is_link: bool,
}

pub fn read(archive: &File, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let spent = Cell::new(false);
    // All that comes out counts, whatever it is: what is passed over has to be unpacked, too.
    let left = sink.limit.saturating_add(sink.limit / 4);
    let inner = MultiGzDecoder::new(BufReader::with_capacity(CHUNK_BYTES, archive));
    let limit = sink.limit;
    let ended = entries(Archive::new(Bounded { inner, left, spent: &spent }), sink);
    ended.map_err(|error| if spent.get() { ArchiveError::TooMuch { limit } } else { error })
}

fn entries(mut tape: Archive<impl Read>, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let mut about = About::default();
    for entry in tape.entries().map_err(|_| DAMAGED)?.raw(true) {
        let mut entry = entry.map_err(|_| DAMAGED)?;
        sink.count()?;
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let text = said(&mut entry)?;
                about.name = Some(text.trim_end_matches('\0').to_owned());
            }
            EntryType::XHeader => extensions(&said(&mut entry)?, &mut about)?,
            EntryType::GNULongLink => about.is_link = true,
            // What is said of all entries together is their times and owners.
            EntryType::XGlobalHeader => {}
            kind => place(kind, std::mem::take(&mut about), &mut entry, sink)?,
        }
    }
    // The tape ends before the packing does: only its end says that nothing was cut off or altered.
    io::copy(&mut tape.into_inner(), &mut io::sink()).map_err(|_| DAMAGED)?;
    Ok(())
}

fn place(
    kind: EntryType,
    about: About,
    entry: &mut Entry<'_, impl Read>,
    sink: &mut Sink<'_>,
) -> Result<(), ArchiveError> {
    let name = match about.name {
        Some(name) => name,
        None => {
            let bytes = entry.header().path_bytes().into_owned();
            String::from_utf8(bytes).map_err(|_| ArchiveError::Broken("a name in it is not UTF-8"))?
        }
    };
    let bad = |why| ArchiveError::BadEntry { name: super::shown(&name), why };
    match kind {
        EntryType::Directory => sink.folder(&name),
        EntryType::Regular | EntryType::Continuous if !about.is_link => {
            let bytes = entry.header().entry_size().map_err(|_| DAMAGED)?;
            sink.file(&name, bytes, entry)
        }
        EntryType::Symlink | EntryType::Link => Err(bad("it is a link; put the file itself there")),
        _ => Err(bad("it is neither a file nor a folder")),
    }
}

/// The text of an entry that is about the next one.
fn said(entry: &mut Entry<'_, impl Read>) -> Result<String, ArchiveError> {
    let mut text = String::new();
    let read = entry.take(MAX_ABOUT_BYTES + 1).read_to_string(&mut text);
    read.map_err(|_| ArchiveError::Broken("a name in it is not UTF-8"))?;
    if text.len() as u64 > MAX_ABOUT_BYTES {
        return Err(ArchiveError::Broken("a name in it is too long"));
    }
    Ok(text)
}

fn extensions(text: &str, about: &mut About) -> Result<(), ArchiveError> {
    for extension in PaxExtensions::new(text.as_bytes()) {
        let extension = extension.map_err(|_| DAMAGED)?;
        let (Ok(key), Ok(value)) = (extension.key(), extension.value()) else { return Err(DAMAGED) };
        match key {
            "path" if value.len() <= MAX_NAME_BYTES => about.name = Some(value.to_owned()),
            "path" => return Err(ArchiveError::Broken("a name in it is too long")),
            "linkpath" => about.is_link = true,
            // Only where a file is too big for the header, and so for us; or with holes, which we do not make.
            "size" => return Err(ArchiveError::Broken("a file in it is too large")),
            key if key.starts_with("GNU.sparse") => {
                return Err(ArchiveError::Broken("a file in it is sparse"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A reader that yields so much, and then fails and says so.
struct Bounded<'a, R> {
    inner: R,
    left: u64,
    spent: &'a Cell<bool>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => {
                self.spent.set(true);
                Err(io::Error::other("it is more than may come"))
            }
        }
    }
}
