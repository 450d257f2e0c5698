//! A ready `.ipa`: which app, version and build it is, read from the `Info.plist` inside, and its hash. Knows nothing of
//! App Store Connect. Blocks: it belongs on a blocking thread.
//!
//! An `.ipa` is a ZIP archive. Only its list of files and one small file are read; every number in them is doubted.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use flate2::read::DeflateDecoder;
use miteos_tools::WorkspaceError;
use miteos_tools::workspace::{Name, Workspace};
use plist::stream::Event;
use sha2::{Digest as _, Sha256};

/// The end of a ZIP file and the longest comment behind it (bytes).
const END_BYTES: u64 = 22 + 65_535;
/// A longer list of files is not read (bytes).
const MAX_LIST_BYTES: u64 = 32 * 1024 * 1024;
/// A longer `Info.plist` is not read, packed or not (bytes). Those of big apps have some tens of thousands.
const MAX_PLIST_BYTES: u64 = 256 * 1024;
/// Its lists may be this deep. The reader of property lists has no bound of its own, and one that is deep enough takes
/// the whole process with it when it is dropped.
const MAX_PLIST_DEPTH: usize = 32;
/// It may have this many values. In the binary form a few bytes can name the same list again and again.
const MAX_PLIST_EVENTS: usize = 50_000;
/// Its texts may have this many bytes together, each counted as often as it is named.
const MAX_PLIST_TEXT_BYTES: usize = 1024 * 1024;
const END_MARK: [u8; 4] = *b"PK\x05\x06";
const ENTRY_MARK: [u8; 4] = *b"PK\x01\x02";
const LOCAL_MARK: [u8; 4] = *b"PK\x03\x04";
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;

#[derive(Debug, thiserror::Error)]
pub enum IpaError {
    #[error("{path} is no .ipa file: {why}")]
    NotAnIpa { path: String, why: &'static str },
    #[error("the Info.plist of {path} has no {key}; build the app again")]
    Incomplete { path: String, key: &'static str },
    #[error("{path} has {bytes} bytes; at most {limit} are taken")]
    TooLarge { path: String, bytes: u64, limit: u64 },
    #[error("{path} cannot be read")]
    Unreadable {
        path: String,
        #[source]
        source: WorkspaceError,
    },
    #[error("{path} cannot be read")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// What the app runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    Ios,
    TvOs,
    VisionOs,
}

impl Platform {
    /// As the API writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ios => "IOS",
            Self::TvOs => "TV_OS",
            Self::VisionOs => "VISION_OS",
        }
    }

    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::Ios => "ios",
            Self::TvOs => "tvos",
            Self::VisionOs => "visionos",
        }
    }
}

#[derive(Clone)]
pub struct Ipa {
    pub bundle_id: String,
    /// `CFBundleShortVersionString`.
    pub version: String,
    /// `CFBundleVersion`.
    pub build: String,
    pub platform: Platform,
    pub bytes: u64,
    pub sha256: [u8; 32],
    workspace: Workspace,
    name: Name,
}

impl Ipa {
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether the file is still the one that was read. Blocks, and reads all of it.
    pub(super) fn is_unchanged(&self) -> bool {
        let Ok((mut file, info)) = self.workspace.open_file(&self.name) else { return false };
        info.bytes == self.bytes && hash(&mut file, self.bytes).is_ok_and(|hash| hash == self.sha256)
    }
}

/// Reads a file of a workspace.
pub fn read_ipa(workspace: &Workspace, name: &Name, max_bytes: u64) -> Result<Ipa, IpaError> {
    let path = name.as_str().to_owned();
    let (mut file, info) =
        workspace.open_file(name).map_err(|source| IpaError::Unreadable { path: path.clone(), source })?;
    if info.bytes > max_bytes {
        return Err(IpaError::TooLarge { path, bytes: info.bytes, limit: max_bytes });
    }
    let read = |error| match error {
        Broken::Io(source) => IpaError::Io { path: path.clone(), source },
        Broken::Form(why) => IpaError::NotAnIpa { path: path.clone(), why },
    };
    let plist = info_plist(&mut file, info.bytes).map_err(read)?;
    let sha256 = hash(&mut file, info.bytes).map_err(read)?;
    let plist =
        property_list(plist).ok_or_else(|| read(Broken::Form("its Info.plist is no property list")))?;
    let word = |key: &'static str| {
        let found = plist.get(key).and_then(plist::Value::as_string).filter(|text| !text.is_empty());
        found.map(str::to_owned).ok_or_else(|| IpaError::Incomplete { path: path.clone(), key })
    };
    let platforms = plist.get("CFBundleSupportedPlatforms").and_then(plist::Value::as_array);
    let platform = match platforms.and_then(|list| list.first()).and_then(plist::Value::as_string) {
        Some("AppleTVOS") => Platform::TvOs,
        Some("XROS") => Platform::VisionOs,
        Some(_) | None => Platform::Ios,
    };
    Ok(Ipa {
        bundle_id: word("CFBundleIdentifier")?,
        version: word("CFBundleShortVersionString")?,
        build: word("CFBundleVersion")?,
        platform,
        bytes: info.bytes,
        sha256,
        workspace: workspace.clone(),
        name: name.clone(),
    })
}

enum Broken {
    Io(io::Error),
    Form(&'static str),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Form("it ends too early");
        }
        Self::Io(error)
    }
}

/// The hash of so many bytes, which must be all that there are.
fn hash(file: &mut File, bytes: u64) -> Result<[u8; 32], Broken> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut piece = vec![0_u8; 64 * 1024];
    // One more, so that a file that has grown is noticed, and one that grows for ever is not read for ever.
    let mut reader = file.take(bytes.saturating_add(1));
    let mut seen = 0_u64;
    loop {
        let read = reader.read(&mut piece)?;
        if read == 0 {
            break;
        }
        seen += read as u64;
        hash.update(&piece[..read]);
    }
    if seen == bytes { Ok(hash.finalize().into()) } else { Err(Broken::Form("it is still being written")) }
}

/// Reads a property list of any form, within bounds that are kept before a value is built.
fn property_list(bytes: Vec<u8>) -> Option<plist::Dictionary> {
    let (mut depth, mut text) = (0_usize, 0_usize);
    let mut events = Vec::new();
    for event in plist::stream::Reader::new(io::Cursor::new(bytes)) {
        let event = event.ok()?;
        match &event {
            Event::StartArray(_) | Event::StartDictionary(_) => depth += 1,
            Event::EndCollection => depth = depth.saturating_sub(1),
            Event::String(string) => text = text.saturating_add(string.len()),
            Event::Data(data) => text = text.saturating_add(data.len()),
            _ => {}
        }
        if depth > MAX_PLIST_DEPTH || events.len() >= MAX_PLIST_EVENTS || text > MAX_PLIST_TEXT_BYTES {
            return None;
        }
        events.push(Ok(event));
    }
    plist::Value::from_events(events).ok()?.into_dictionary()
}

/// The app's own `Info.plist`, unpacked.
fn info_plist(file: &mut File, bytes: u64) -> Result<Vec<u8>, Broken> {
    let list = file_list(file, bytes)?;
    let mut rest = list.as_slice();
    while rest.len() >= ENTRY_BYTES && rest[..4] == ENTRY_MARK {
        let (name, extra, comment) = (u16_at(rest, 28), u16_at(rest, 30), u16_at(rest, 32));
        let end = ENTRY_BYTES + name + extra + comment;
        if rest.len() < end {
            break;
        }
        if is_info_plist(&rest[ENTRY_BYTES..ENTRY_BYTES + name]) {
            return unpack(file, rest);
        }
        rest = &rest[end..];
    }
    Err(Broken::Form("it has no Payload/….app/Info.plist"))
}

/// The archive's list of its files.
fn file_list(file: &mut File, bytes: u64) -> Result<Vec<u8>, Broken> {
    let tail = bytes.min(END_BYTES);
    file.seek(SeekFrom::Start(bytes - tail))?;
    let mut end = Vec::new();
    file.by_ref().take(tail).read_to_end(&mut end)?;
    let at = (0..end.len().saturating_sub(21)).rev().find(|at| end[*at..*at + 4] == END_MARK);
    let at = at.ok_or(Broken::Form("it is no ZIP archive"))?;
    let (list_bytes, list_at) = (u32_at(&end[at..], 12), u32_at(&end[at..], 16));
    if list_bytes > MAX_LIST_BYTES || list_at.saturating_add(list_bytes) > bytes {
        return Err(Broken::Form("its list of files is damaged or too long"));
    }
    file.seek(SeekFrom::Start(list_at))?;
    let mut list = vec![0; usize::try_from(list_bytes).unwrap_or(0)];
    file.read_exact(&mut list)?;
    Ok(list)
}

/// `Payload/Name.app/Info.plist`, and not one of a framework inside.
fn is_info_plist(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let mut parts = name.split('/');
    parts.next() == Some("Payload")
        && parts.next().is_some_and(|app| app.ends_with(".app"))
        && parts.next() == Some("Info.plist")
        && parts.next().is_none()
}

fn unpack(file: &mut File, entry: &[u8]) -> Result<Vec<u8>, Broken> {
    let (method, packed, at) = (u16_at(entry, 10), u32_at(entry, 20), u32_at(entry, 42));
    if packed > MAX_PLIST_BYTES {
        return Err(Broken::Form("its Info.plist is too big"));
    }
    file.seek(SeekFrom::Start(at))?;
    let mut local = [0_u8; LOCAL_BYTES];
    file.read_exact(&mut local)?;
    if local[..4] != LOCAL_MARK {
        return Err(Broken::Form("its list of files is damaged"));
    }
    let skip = u16_at(&local, 26) + u16_at(&local, 28);
    file.seek(SeekFrom::Current(i64::try_from(skip).unwrap_or(0)))?;
    let reader = file.take(packed);
    let mut plist = Vec::new();
    // One more than allowed, so that a bigger one is noticed.
    let most = MAX_PLIST_BYTES + 1;
    match method {
        0 => reader.take(most).read_to_end(&mut plist)?,
        8 => DeflateDecoder::new(reader)
            .take(most)
            .read_to_end(&mut plist)
            .map_err(|_| Broken::Form("its Info.plist cannot be unpacked"))?,
        _ => return Err(Broken::Form("its Info.plist is packed in a way that is not known here")),
    };
    if plist.len() as u64 > MAX_PLIST_BYTES {
        return Err(Broken::Form("its Info.plist is too big"));
    }
    Ok(plist)
}

/// Callers have made sure that the bytes are there.
fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}
