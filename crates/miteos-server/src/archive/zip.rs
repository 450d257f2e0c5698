//! Zip archives, as far as they hold sites: stored or deflated files below four gibibytes. The list at the end decides
//! what there is. Everything it says is compared with what stands at the places that it names, and no two files may lie
//! in the same bytes, which is how a few kilobytes become petabytes.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::{Crc, read::DeflateDecoder};

use super::{ArchiveError, CHUNK_BYTES, MAX_ENTRIES, MAX_NAME_BYTES, Sink, shown};

/// What the parts of a zip begin with.
const END: [u8; 4] = *b"PK\x05\x06";
const LISTED: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Of the end without its comment, and of the longest comment (bytes).
const END_BYTES: usize = 22;
const MAX_COMMENT_BYTES: usize = 65_535;
/// Of an entry of the list, and of the head of a file, without what varies (bytes).
const LISTED_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// The longest list (bytes).
const MAX_LIST_BYTES: u64 = 16 * 1024 * 1024;
/// What stands in place of a number that does not fit.
const ELSEWHERE: u32 = u32::MAX;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const ENCRYPTED: u16 = 1;
/// Who wrote it: a system with Unix modes.
const UNIX: u8 = 3;
const KIND_OF_FILE: u32 = 0o170_000;
const PLAIN: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

const DAMAGED: ArchiveError = ArchiveError::Broken("it is no whole .zip");

/// One entry of the list.
struct Listed {
    name: String,
    method: u16,
    crc: u32,
    packed: u64,
    bytes: u64,
    /// Where its head stands.
    at: u64,
}

impl Listed {
    fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}

pub fn read(archive: &File, bytes: u64, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let (list_at, count, list) = list(archive, bytes)?;
    let mut listed = entries(&list, count, sink)?;
    let total = listed.iter().try_fold(0_u64, |sum, one| sum.checked_add(one.bytes));
    sink.room_for(total.unwrap_or(u64::MAX))?;
    listed.sort_by_key(|one| one.at);
    let mut free = 0;
    for one in &listed {
        if one.at < free {
            return Err(ArchiveError::Broken("two files in it lie in the same place"));
        }
        let data_at = head(archive, one)?;
        free = data_at.checked_add(one.packed).filter(|end| *end <= list_at).ok_or(DAMAGED)?;
        if one.is_folder() {
            sink.folder(&one.name)?;
        } else {
            file(archive, one, data_at, sink)?;
        }
    }
    Ok(())
}

/// The list as it stands in the archive: where, of how many entries, and its bytes.
fn list(archive: &File, bytes: u64) -> Result<(u64, usize, Vec<u8>), ArchiveError> {
    let tail_bytes = bytes.min((END_BYTES + MAX_COMMENT_BYTES) as u64);
    let tail_at = bytes - tail_bytes;
    let tail = read_at(archive, tail_at, tail_bytes)?;
    // The last one whose comment ends with the archive.
    let fits = |at: &usize| {
        tail[*at..].starts_with(&END)
            && u16_at(&tail, at + 20)
                .is_some_and(|comment| at + END_BYTES + usize::from(comment) == tail.len())
    };
    let at = (0..=tail.len().checked_sub(END_BYTES).ok_or(DAMAGED)?).rev().find(fits).ok_or(DAMAGED)?;
    let end = &tail[at..];
    let number = |at| u16_at(end, at).ok_or(DAMAGED);
    let (disk, list_disk, here, all) = (number(4)?, number(6)?, number(8)?, number(10)?);
    if disk != 0 || list_disk != 0 || here != all {
        return Err(ArchiveError::Broken("it is one of several parts"));
    }
    let (list_bytes, list_at) = (u32_at(end, 12).ok_or(DAMAGED)?, u32_at(end, 16).ok_or(DAMAGED)?);
    if all == u16::MAX || list_bytes == ELSEWHERE || list_at == ELSEWHERE {
        return Err(ArchiveError::TooMany);
    }
    if usize::from(all) > MAX_ENTRIES || u64::from(list_bytes) > MAX_LIST_BYTES {
        return Err(ArchiveError::TooMany);
    }
    if u64::from(list_at) + u64::from(list_bytes) != tail_at + at as u64 {
        return Err(ArchiveError::Broken("something stands in front of it or between its parts"));
    }
    let list = read_at(archive, list_at.into(), list_bytes.into())?;
    Ok((list_at.into(), all.into(), list))
}

fn entries(list: &[u8], count: usize, sink: &mut Sink<'_>) -> Result<Vec<Listed>, ArchiveError> {
    let mut all = Vec::with_capacity(count);
    let mut rest = list;
    for _ in 0..count {
        sink.count()?;
        let (one, behind) = entry(rest)?;
        all.push(one);
        rest = behind;
    }
    if rest.is_empty() { Ok(all) } else { Err(DAMAGED) }
}

fn entry(list: &[u8]) -> Result<(Listed, &[u8]), ArchiveError> {
    if !list.starts_with(&LISTED) || list.len() < LISTED_BYTES {
        return Err(DAMAGED);
    }
    let short = |at| u16_at(list, at).ok_or(DAMAGED);
    let long = |at| u32_at(list, at).ok_or(DAMAGED);
    let [name_bytes, extra, comment] = [short(28)?, short(30)?, short(32)?].map(usize::from);
    let name_end = LISTED_BYTES + name_bytes;
    let end = name_end + extra + comment;
    let (Some(name), Some(behind)) = (list.get(LISTED_BYTES..name_end), list.get(end..)) else {
        return Err(DAMAGED);
    };
    if name_bytes > MAX_NAME_BYTES {
        return Err(ArchiveError::Broken("a name in it is too long"));
    }
    let name = std::str::from_utf8(name).map_err(|_| ArchiveError::Broken("a name in it is not UTF-8"))?;
    let (packed, bytes, at) = (long(20)?, long(24)?, long(42)?);
    let bad = |why| ArchiveError::BadEntry { name: shown(name), why };
    if short(8)? & ENCRYPTED != 0 {
        return Err(bad("it is encrypted"));
    }
    if [packed, bytes, at].contains(&ELSEWHERE) {
        return Err(bad("it is too large"));
    }
    let method = short(10)?;
    if ![STORED, DEFLATED].contains(&method) {
        return Err(bad("it is packed in another way than deflate"));
    }
    let kind = if list[5] == UNIX { (long(38)? >> 16) & KIND_OF_FILE } else { 0 };
    let is_folder = name.ends_with('/');
    match kind {
        LINK => return Err(bad("it is a link; put the file itself there")),
        FOLDER if is_folder => {}
        0 | PLAIN if !is_folder || bytes == 0 => {}
        _ => return Err(bad("it is neither a file nor a folder")),
    }
    if is_folder && packed > bytes + 2 {
        return Err(bad("it is a folder with something in it"));
    }
    let one = Listed {
        name: name.to_owned(),
        method,
        crc: long(16)?,
        packed: packed.into(),
        bytes: bytes.into(),
        at: at.into(),
    };
    Ok((one, behind))
}

/// Where the bytes of a file begin. What its own head calls it must be what the list calls it.
fn head(archive: &File, one: &Listed) -> Result<u64, ArchiveError> {
    let head = read_at(archive, one.at, LOCAL_BYTES as u64)?;
    if !head.starts_with(&LOCAL) {
        return Err(DAMAGED);
    }
    let [name_bytes, extra] = [26, 28].map(|at| u16_at(&head, at).map(u64::from));
    let (Some(name_bytes), Some(extra)) = (name_bytes, extra) else { return Err(DAMAGED) };
    let name = read_at(archive, one.at + LOCAL_BYTES as u64, name_bytes)?;
    if name != one.name.as_bytes() {
        return Err(ArchiveError::Broken("its list and its files have different names"));
    }
    Ok(one.at + LOCAL_BYTES as u64 + name_bytes + extra)
}

fn file(archive: &File, one: &Listed, at: u64, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let mut from = archive;
    from.seek(SeekFrom::Start(at)).map_err(ArchiveError::Io)?;
    let packed = BufReader::with_capacity(CHUNK_BYTES, from.take(one.packed));
    let inner: Box<dyn Read> = match one.method {
        DEFLATED => Box::new(DeflateDecoder::new(packed)),
        _ => Box::new(packed),
    };
    let mut checked = Checked { crc: Crc::new(), inner };
    sink.file(&one.name, one.bytes, &mut checked)?;
    let is_whole = checked.crc.sum() == one.crc || one.name.starts_with(super::OF_THE_MAC);
    if is_whole { Ok(()) } else { Err(ArchiveError::Broken("what is packed in it is damaged")) }
}

/// Adds up what is read.
struct Checked<R> {
    crc: Crc,
    inner: R,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.crc.update(&buffer[..read]);
        Ok(read)
    }
}

fn read_at(mut archive: &File, at: u64, bytes: u64) -> Result<Vec<u8>, ArchiveError> {
    archive.seek(SeekFrom::Start(at)).map_err(ArchiveError::Io)?;
    let mut buffer = Vec::new();
    archive.take(bytes).read_to_end(&mut buffer).map_err(ArchiveError::Io)?;
    if buffer.len() as u64 == bytes { Ok(buffer) } else { Err(DAMAGED) }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_le_bytes(*two))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four))
}
