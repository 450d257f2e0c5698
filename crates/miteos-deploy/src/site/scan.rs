//! Walks a folder of a workspace and makes a [`Site`] of it: first what is published is chosen, then each file is read
//! once. Whoever copies the files at the same time reads them himself, and lets the bytes pass an [`Examination`]. The rest
//! blocks and belongs on a blocking thread.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use memchr::memmem::Finder;
use miteos_tools::WorkspaceError;
use miteos_tools::workspace::{Entry, FileKind, Name, WalkLimits, Workspace};

use super::error::SiteError;
use super::hash::{Digests, Hasher};
use super::names::{Suspicion, bad_name, suspicion};
use super::{INDEX, Index, Site, SiteFile, SiteLimits, Source};

/// Read at once (bytes).
const PIECE: usize = 64 * 1024;
/// Names that are looked at for each that may be published: folders count too.
const LOOKED_AT_PER_FILE: usize = 4;
/// Names of left-out files that are kept for the log.
const MAX_LEFT_OUT: usize = 100;
/// Shorter words of a credential are not searched for: they would be found by chance (bytes).
const MIN_NEEDLE: usize = 16;
/// How a private key begins, in every form that OpenSSL and OpenSSH write.
const PRIVATE_KEYS: [&str; 6] = [
    concat!("-----BEGIN PRIVATE", " KEY-----"),
    concat!("-----BEGIN RSA PRIVATE", " KEY-----"),
    concat!("-----BEGIN EC PRIVATE", " KEY-----"),
    concat!("-----BEGIN DSA PRIVATE", " KEY-----"),
    concat!("-----BEGIN ENCRYPTED PRIVATE", " KEY-----"),
    concat!("-----BEGIN OPENSSH PRIVATE", " KEY-----"),
];

/// Behind its beginning a key has its Base64 within this many bytes, also behind the lines that name its cipher. A
/// library that reads keys holds the beginning alone.
const KEY_AHEAD: usize = 192;
/// So many letters of Base64 in a row are no words of a program.
const KEY_RUN: usize = 32;

/// Reads the folder. `forbidden` are texts that no file may hold, such as the very credentials of this deployment.
pub fn scan(
    workspace: &Workspace,
    folder: &Name,
    limits: SiteLimits,
    index: Index,
    forbidden: &[&str],
) -> Result<Site, SiteError> {
    survey(workspace, folder, limits, index, forbidden)?.read_all()
}

/// Chooses what is published of a folder, by names and sizes. Nothing is opened yet.
pub fn survey(
    workspace: &Workspace,
    folder: &Name,
    limits: SiteLimits,
    index: Index,
    forbidden: &[&str],
) -> Result<Survey, SiteError> {
    let folder_shown =
        if folder.as_str().is_empty() { "the workspace".to_owned() } else { folder.as_str().to_owned() };
    let too_many = || SiteError::TooManyFiles { folder: folder_shown.clone(), limit: limits.max_files };
    let walk = WalkLimits {
        max_entries: limits.max_files.saturating_mul(LOOKED_AT_PER_FILE).saturating_add(1),
        skip_heavy: false,
    };
    let listing = workspace.list(folder, walk).map_err(SiteError::Unreadable)?;
    if listing.truncated {
        return Err(too_many());
    }
    if listing.missed {
        return Err(SiteError::Changed { path: folder_shown });
    }
    // Names are judged below the folder, so the folder itself may be no link to what is never published.
    if suspicion(&format!("{}/{INDEX}", listing.folder)) == Suspicion::Secret {
        return Err(SiteError::Secrets { names: vec![listing.folder] });
    }
    let chosen = choose(workspace, folder, listing.entries)?;
    if chosen.files.len() > limits.max_files {
        return Err(too_many());
    }
    check_sizes(&chosen, &folder_shown, limits)?;
    if chosen.files.is_empty() {
        return Err(SiteError::Empty { folder: folder_shown });
    }
    if index == Index::Required && !chosen.files.iter().any(|(path, _)| path == INDEX) {
        let hint = hint(&chosen);
        return Err(SiteError::NoIndex { folder: folder_shown, hint });
    }
    let mut files = Vec::with_capacity(chosen.files.len());
    for (path, entry) in chosen.files {
        let name = Name::parse(&entry.name).map_err(SiteError::Unreadable)?;
        files.push(Surveyed { path, name, bytes: entry.bytes });
    }
    Ok(Survey {
        files,
        left_out: chosen.left_out,
        folder: folder_shown,
        limits,
        needles: Arc::new(Needles::new(forbidden)),
        workspace: workspace.clone(),
    })
}

/// What is published of a folder, and by what its files are judged as they are read.
pub struct Survey {
    pub files: Vec<Surveyed>,
    left_out: Vec<String>,
    /// As it is shown to people.
    folder: String,
    limits: SiteLimits,
    needles: Arc<Needles>,
    workspace: Workspace,
}

/// A file that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// Below the site's root.
    pub path: String,
    /// In the workspace.
    pub name: Name,
    /// When it was chosen.
    pub bytes: u64,
}

impl Survey {
    /// Opens a file that was chosen, and says how many bytes it has. Blocks.
    pub fn open(&self, file: &Surveyed) -> Result<(File, u64), SiteError> {
        let (opened, info) = self.workspace.open_file(&file.name).map_err(|error| match error {
            WorkspaceError::Outside { .. } => SiteError::LinkLeaves { path: file.path.clone() },
            _ => SiteError::Unreadable(error),
        })?;
        if info.bytes > self.limits.max_file_bytes {
            return Err(SiteError::Changed { path: file.path.clone() });
        }
        Ok((opened, info.bytes))
    }

    /// What all of them had when they were chosen (bytes).
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// What is not published, each with the reason.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// For the bytes of one file.
    pub fn examination(&self) -> Examination {
        let window = Vec::with_capacity(self.needles.overlap() + PIECE);
        Examination {
            needles: Arc::clone(&self.needles),
            hasher: Hasher::new(),
            window,
            bytes: 0,
            secret: false,
        }
    }

    /// As [`Self::examination`], of a file that is hashed by somebody else.
    pub fn examination_without_hashes(&self) -> Unhashed {
        Unhashed(Examination { hasher: Hasher::idle(), ..self.examination() })
    }

    /// Reads every file where it lies. Blocks.
    pub fn read_all(self) -> Result<Site, SiteError> {
        let mut files = Vec::with_capacity(self.files.len());
        for file in &self.files {
            files.push(read(&self, file)?);
        }
        let workspace = self.workspace.clone();
        self.site(workspace, files)
    }

    /// Where the chosen files lie.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The site, of its files in any order. They lie in this workspace now.
    pub fn site(self, workspace: Workspace, files: Vec<Examined>) -> Result<Site, SiteError> {
        let secrets: Vec<String> =
            files.iter().filter(|one| one.secret).map(|one| one.file.path.clone()).collect();
        if !secrets.is_empty() {
            return Err(SiteError::Secrets { names: secrets });
        }
        let mut files: Vec<SiteFile> = files.into_iter().map(|one| one.file).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let (bytes, limit) = (files.iter().map(|file| file.bytes).sum(), self.limits.max_total_bytes);
        if bytes > limit {
            return Err(SiteError::TooLarge { folder: self.folder, bytes, limit });
        }
        Ok(Site::new(workspace, files, self.left_out))
    }
}

struct Chosen {
    files: Vec<(String, Entry)>,
    left_out: Vec<String>,
}

/// Which entries are published. Nothing is opened yet.
fn choose(workspace: &Workspace, folder: &Name, entries: Vec<Entry>) -> Result<Chosen, SiteError> {
    let mut chosen = Chosen { files: Vec::new(), left_out: Vec::new() };
    let mut secrets = Vec::new();
    for entry in entries {
        let path = match folder.as_str() {
            "" => entry.name.clone(),
            folder => {
                entry.name.strip_prefix(folder).unwrap_or(&entry.name).trim_start_matches('/').to_owned()
            }
        };
        let judged = suspicion(&path);
        if judged == Suspicion::Secret {
            // A folder stands before what is in it, so one name says it.
            let inside = secrets.last().is_some_and(|last: &String| path.starts_with(&format!("{last}/")));
            if !inside {
                secrets.push(path);
            }
            continue;
        }
        let left_out = match (entry.kind, judged) {
            (FileKind::Folder, _) => continue,
            (_, Suspicion::LeftOut(why)) => Some(why),
            (FileKind::Link, _) => {
                check_link(workspace, &entry, &path)?;
                Some("it is a link; put the file itself there to publish it")
            }
            (FileKind::Special, _) => Some("it is no plain file"),
            (FileKind::File, Suspicion::None | Suspicion::Secret) => None,
        };
        match left_out {
            Some(why) if chosen.left_out.len() < MAX_LEFT_OUT => {
                chosen.left_out.push(format!("{path}: {why}"))
            }
            Some(_) => {}
            None => {
                if let Some(why) = bad_name(&path) {
                    return Err(SiteError::BadName { path, why });
                }
                chosen.files.push((path, entry));
            }
        }
    }
    if secrets.is_empty() { Ok(chosen) } else { Err(SiteError::Secrets { names: secrets }) }
}

/// A link inside the workspace is left out; one that leads out of it, or nowhere, is refused, since it was made to
/// publish something that is not here.
fn check_link(workspace: &Workspace, entry: &Entry, path: &str) -> Result<(), SiteError> {
    let name = Name::parse(&entry.name).map_err(SiteError::Unreadable)?;
    match workspace.stat(&name) {
        Ok(_) => Ok(()),
        Err(_) => Err(SiteError::LinkLeaves { path: path.to_owned() }),
    }
}

fn check_sizes(chosen: &Chosen, folder: &str, limits: SiteLimits) -> Result<(), SiteError> {
    let mut total = 0_u64;
    for (path, entry) in &chosen.files {
        if entry.bytes > limits.max_file_bytes {
            return Err(SiteError::FileTooLarge {
                path: path.clone(),
                bytes: entry.bytes,
                limit: limits.max_file_bytes,
            });
        }
        total = total.saturating_add(entry.bytes);
    }
    if total > limits.max_total_bytes {
        return Err(SiteError::TooLarge {
            folder: folder.to_owned(),
            bytes: total,
            limit: limits.max_total_bytes,
        });
    }
    Ok(())
}

/// Where a page was found instead.
fn hint(chosen: &Chosen) -> String {
    let below = chosen.files.iter().find_map(|(path, _)| path.strip_suffix(&format!("/{INDEX}")));
    match below {
        Some(folder) => format!("there is one in {folder}/: publish that folder"),
        None => "add one, or build the site first".to_owned(),
    }
}

/// What no file may hold.
struct Needles {
    keys: Vec<Finder<'static>>,
    /// These count wherever they stand.
    own: Vec<Finder<'static>>,
}

impl Needles {
    fn new(forbidden: &[&str]) -> Self {
        let finder = |text: &&str| Finder::new(*text).into_owned();
        Self {
            keys: PRIVATE_KEYS.iter().map(finder).collect(),
            own: forbidden.iter().filter(|text| text.len() >= MIN_NEEDLE).map(finder).collect(),
        }
    }

    /// How much of a piece has to be seen again together with the next one, so that nothing is missed between them.
    fn overlap(&self) -> usize {
        let longest = self.keys.iter().chain(&self.own).map(|needle| needle.needle().len()).max();
        longest.unwrap_or(1) + KEY_AHEAD
    }

    fn are_in(&self, window: &[u8]) -> bool {
        let is_key = |needle: &Finder<'_>| {
            let length = needle.needle().len();
            needle.find_iter(window).any(|at| {
                let ahead = &window[at + length..];
                has_base64(&ahead[..ahead.len().min(KEY_AHEAD)])
            })
        };
        self.own.iter().any(|needle| needle.find(window).is_some()) || self.keys.iter().any(is_key)
    }
}

fn has_base64(bytes: &[u8]) -> bool {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    bytes.split(|byte| !belongs(byte)).any(|run| run.len() >= KEY_RUN)
}

/// Looks at the bytes of one file as they pass: hashes them, and looks for secrets.
pub struct Examination {
    needles: Arc<Needles>,
    hasher: Hasher,
    /// The end of what came before, so that nothing is missed between two pieces.
    window: Vec<u8>,
    bytes: u64,
    secret: bool,
}

/// A file that was read to its end.
pub struct Examined {
    pub file: SiteFile,
    /// Whether something is in it that is never published.
    pub secret: bool,
}

impl Examination {
    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        if self.secret {
            return;
        }
        let overlap = self.needles.overlap();
        for piece in bytes.chunks(PIECE) {
            self.window.extend_from_slice(piece);
            self.secret |= self.needles.are_in(&self.window);
            let passed = self.window.len().saturating_sub(overlap);
            self.window.drain(..passed);
        }
    }

    /// At the file's end. `expected` is how many bytes it had when it was opened, and `name` where it lies now.
    pub fn finish(self, path: &str, name: Name, expected: u64) -> Result<Examined, SiteError> {
        if self.bytes != expected {
            return Err(SiteError::Changed { path: path.to_owned() });
        }
        let digests = self.hasher.finish(path);
        let file = SiteFile { path: path.to_owned(), bytes: self.bytes, digests, source: Source::Disk(name) };
        Ok(Examined { file, secret: self.secret })
    }
}

/// As [`Examination`], where the SHA-256 comes from elsewhere and no provider asks for another.
pub struct Unhashed(Examination);

impl Unhashed {
    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    /// As [`Examination::finish`]. The site is for this server's own host: no provider knows a file of it.
    pub fn finish(
        self,
        path: &str,
        name: Name,
        expected: u64,
        sha256: [u8; 32],
    ) -> Result<Examined, SiteError> {
        let mut examined = self.0.finish(path, name, expected)?;
        examined.file.digests = Digests::of_ours(sha256);
        Ok(examined)
    }
}

/// Reads one file from beginning to end.
fn read(survey: &Survey, file: &Surveyed) -> Result<Examined, SiteError> {
    let (mut opened, expected) = survey.open(file)?;
    let mut examination = survey.examination();
    let mut piece = vec![0_u8; PIECE];
    loop {
        let failed = |source| SiteError::Io { path: file.path.clone(), source };
        let read = opened.read(&mut piece).map_err(failed)?;
        // One that grows for ever has no end to wait for.
        if read == 0 || examination.bytes > expected {
            return examination.finish(&file.path, file.name.clone(), expected);
        }
        examination.push(&piece[..read]);
    }
}
