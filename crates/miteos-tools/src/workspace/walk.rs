//! Listing: every file below a folder, in order, within limits.

use cap_std::fs::Dir;
use miteos_core::time::Timestamp;

use super::error::WorkspaceError;
use super::name::{Name, is_private};
use super::read::{FileInfo, FileKind, kind_of};
use super::{PRIVATE, Workspace};

/// Folders deeper than this are named and not entered.
const MAX_DEPTH: usize = 64;
/// At most this many names are looked at in one walk, listed or not.
const MAX_LOOKED_AT: usize = 200_000;
/// At most this many names of one folder are sorted.
const MAX_FOLDER_ENTRIES: usize = 50_000;
/// Folders that tools fill with thousands of files nobody asks for: named, not entered.
const HEAVY: [&str; 8] =
    ["node_modules", ".git", "target", "__pycache__", ".venv", "venv", ".cache", ".next"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the workspace.
    pub name: String,
    pub kind: FileKind,
    pub bytes: u64,
    pub modified: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Sorted; a folder stands before what is in it.
    pub entries: Vec<Entry>,
    /// Whether there is more than this.
    pub truncated: bool,
    /// Whether something could not be read, so that more may be missing than is known.
    pub missed: bool,
    /// The real name of the listed folder, relative to the workspace, where a link stood in its way.
    pub folder: String,
}

#[derive(Debug, Clone, Copy)]
pub struct WalkLimits {
    pub max_entries: usize,
    /// Whether folders such as `node_modules` are only named.
    pub skip_heavy: bool,
}

/// Which folders a walk enters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Enter {
    All,
    /// Heavy ones are only named.
    Light,
    /// All are only named.
    None,
}

impl Enter {
    fn skipping_heavy(skip: bool) -> Self {
        if skip { Self::Light } else { Self::All }
    }

    fn takes(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Light => !is_heavy(name),
            Self::None => false,
        }
    }
}

/// What the visitor of a walk wants next.
pub(crate) enum Go {
    On,
    Stop,
}

impl Workspace {
    /// Everything below a folder, recursively.
    pub fn list(&self, folder: &Name, limits: WalkLimits) -> Result<Listing, WorkspaceError> {
        self.listing(folder, Enter::skipping_heavy(limits.skip_heavy), limits.max_entries)
    }

    /// What lies in a folder itself, and nothing of what is below.
    pub fn list_top(&self, folder: &Name, max_entries: usize) -> Result<Listing, WorkspaceError> {
        self.listing(folder, Enter::None, max_entries)
    }

    fn listing(&self, folder: &Name, enter: Enter, max_entries: usize) -> Result<Listing, WorkspaceError> {
        let mut listing = Listing::default();
        let mut visit = |entry| {
            if listing.entries.len() == max_entries {
                listing.truncated = true;
                return Go::Stop;
            }
            listing.entries.push(entry);
            Go::On
        };
        let end = self.walk_with(folder, enter, &mut visit, &mut |_, _| {})?;
        listing.truncated |= !end.whole;
        listing.missed = end.missed;
        listing.folder = end.folder;
        Ok(listing)
    }

    /// The number of files and their size, as far as a walk goes.
    pub fn size(&self) -> Result<(u64, u64), WorkspaceError> {
        let (mut files, mut bytes) = (0, 0);
        self.walk(&Name::folder("")?, false, &mut |entry| {
            if entry.kind == FileKind::File {
                files += 1;
                bytes += entry.bytes;
            }
            Go::On
        })?;
        Ok((files, bytes))
    }

    /// The files as a text for a prompt, of at most `max_bytes`: the same for the same files.
    pub fn file_list(&self, max_bytes: usize) -> Result<String, WorkspaceError> {
        let mut text = String::new();
        let mut left_out = 0_u64;
        let whole = self.walk(&Name::folder("")?, true, &mut |entry| {
            if is_private(&entry.name) {
                return Go::On;
            }
            let line = match entry.kind {
                FileKind::File => format!("{} ({} bytes)\n", one_line(&entry.name), entry.bytes),
                FileKind::Folder if is_heavy(&entry.name) => {
                    format!("{}/ (not listed)\n", one_line(&entry.name))
                }
                FileKind::Folder => return Go::On,
                FileKind::Link => format!("{} (link)\n", one_line(&entry.name)),
                FileKind::Special => return Go::On,
            };
            if left_out == 0 && text.len() + line.len() <= max_bytes {
                text.push_str(&line);
            } else {
                left_out += 1;
            }
            Go::On
        })?;
        if left_out > 0 || !whole {
            let least = if whole { "" } else { "at least " };
            text.push_str(&format!("[{least}{left_out} more; list_files shows them]\n"));
        }
        if text.is_empty() {
            text.push_str("(no files)\n");
        }
        Ok(text)
    }

    /// Visits everything below a folder in order. `false` when a limit of the walk cut it short.
    pub(crate) fn walk(
        &self,
        folder: &Name,
        skip_heavy: bool,
        visit: &mut dyn FnMut(Entry) -> Go,
    ) -> Result<bool, WorkspaceError> {
        self.walk_with(folder, Enter::skipping_heavy(skip_heavy), visit, &mut |_, _| {}).map(|end| end.whole)
    }

    /// Visits everything below a folder, and each folder before what is in it. Whether some folder could not be read.
    pub(crate) fn walk_through(
        &self,
        folder: &Name,
        visit: &mut dyn FnMut(Entry) -> Go,
        enter: &mut dyn FnMut(&str, &Dir),
    ) -> Result<bool, WorkspaceError> {
        self.walk_with(folder, Enter::All, visit, enter).map(|end| end.missed)
    }

    fn walk_with(
        &self,
        folder: &Name,
        into: Enter,
        visit: &mut dyn FnMut(Entry) -> Go,
        enter: &mut dyn FnMut(&str, &Dir),
    ) -> Result<End, WorkspaceError> {
        folder.readable()?;
        let io = |e| WorkspaceError::io("list", folder.as_str(), e);
        let real = self.dir()?.canonicalize(folder.path()).map_err(io)?;
        let hidden = is_private(&real.to_string_lossy()) && !real.starts_with(super::OUTPUTS);
        if hidden {
            return Err(WorkspaceError::Reserved { name: folder.as_str().to_owned() });
        }
        let dir = self.dir()?.open_dir(folder.path()).map_err(io)?;
        let end = End { whole: true, missed: false, folder: real.to_string_lossy().into_owned() };
        let mut walk = Walk { visit, enter, looked_at: 0, end, stopped: false, into };
        walk.folder(&dir, folder.as_str(), 0);
        Ok(walk.end)
    }
}

/// How far a walk came.
struct End {
    /// No limit cut it short.
    whole: bool,
    /// Some folder, or something in one, could not be read.
    missed: bool,
    /// The real name of the folder that the walk began in.
    folder: String,
}

struct Walk<'a> {
    visit: &'a mut dyn FnMut(Entry) -> Go,
    enter: &'a mut dyn FnMut(&str, &Dir),
    looked_at: usize,
    end: End,
    stopped: bool,
    into: Enter,
}

impl Walk<'_> {
    /// What cannot be read is left out: code in the sandbox may be changing it.
    fn folder(&mut self, dir: &Dir, prefix: &str, depth: usize) {
        (self.enter)(prefix, dir);
        let Ok(reading) = dir.entries() else {
            self.end.missed = true;
            return;
        };
        let mut found = Vec::new();
        for entry in reading.take(MAX_FOLDER_ENTRIES + 1) {
            match entry {
                Ok(entry) => found.push(entry),
                Err(_) => self.end.missed = true,
            }
        }
        if found.len() > MAX_FOLDER_ENTRIES {
            self.end.whole = false;
        }
        found.sort_by_cached_key(cap_std::fs::DirEntry::file_name);
        for entry in found {
            if self.stopped {
                return;
            }
            if self.looked_at == MAX_LOOKED_AT {
                self.end.whole = false;
                self.stopped = true;
                return;
            }
            self.looked_at += 1;
            let own = entry.file_name().to_string_lossy().into_owned();
            let name = if prefix.is_empty() { own } else { format!("{prefix}/{own}") };
            self.entry(&entry, name, depth);
        }
    }

    fn entry(&mut self, entry: &cap_std::fs::DirEntry, name: String, depth: usize) {
        let (Ok(file_type), Ok(metadata)) = (entry.file_type(), entry.metadata()) else {
            self.end.missed = true;
            return;
        };
        let kind = kind_of(file_type);
        if is_private(&name) {
            return self.private(entry, &name, depth);
        }
        let enter = kind == FileKind::Folder && depth < MAX_DEPTH && self.into.takes(&name);
        let FileInfo { bytes, modified, .. } = FileInfo::of(&metadata);
        let below = if enter { entry.open_dir().ok() } else { None };
        if let Go::Stop = (self.visit)(Entry { name: name.clone(), kind, bytes, modified }) {
            self.stopped = true;
            return;
        }
        self.end.missed |= enter && below.is_none();
        if let Some(below) = below {
            self.folder(&below, &name, depth + 1);
        } else if kind == FileKind::Folder && depth >= MAX_DEPTH {
            self.end.whole = false;
        }
    }

    /// Of the server's folder only the outputs are shown; inside them everything is.
    fn private(&mut self, entry: &cap_std::fs::DirEntry, name: &str, depth: usize) {
        if name != PRIVATE {
            if name.starts_with(super::OUTPUTS)
                && let (Ok(file_type), Ok(metadata)) = (entry.file_type(), entry.metadata())
            {
                let FileInfo { bytes, modified, .. } = FileInfo::of(&metadata);
                let shown = Entry { name: name.to_owned(), kind: kind_of(file_type), bytes, modified };
                self.stopped |= matches!((self.visit)(shown), Go::Stop);
            }
            return;
        }
        let Ok(own) = entry.open_dir() else {
            self.end.missed = true;
            return;
        };
        (self.enter)(PRIVATE, &own);
        if self.into == Enter::None {
            return;
        }
        if let Ok(outputs) = own.open_dir("outputs") {
            self.folder(&outputs, super::OUTPUTS, depth + 2);
        }
    }
}

fn is_heavy(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| HEAVY.contains(&last))
}

fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
