//! Notes of `once` calls, kept by call id in a folder of the server's own: that one started, and what came of it. On
//! the disk before anybody acts on them, so that after a crash it is known whether a call ran. Knows no tool.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use miteos_core::ids::CallId;

use crate::tool::{ToolContext, ToolOutput};

/// Bigger notes are not read back (bytes).
const MAX_NOTE_BYTES: u64 = 16 * 1024 * 1024;

/// The notes of one call.
pub(crate) struct Notes {
    dir: PathBuf,
    call: CallId,
}

/// What the notes say.
#[derive(Debug, PartialEq)]
pub(crate) enum Noted {
    Nothing,
    Started,
    Ended(ToolOutput),
}

impl Notes {
    pub(crate) fn of(ctx: &ToolContext) -> Self {
        Self { dir: ctx.services.calls_dir.clone(), call: ctx.call_id }
    }

    pub(crate) fn read(&self) -> io::Result<Noted> {
        if let Some(bytes) = read_if_there(&self.path("outcome"))? {
            // Written whole under another name first, so a damaged one has been tampered with: it counts as none.
            if let Ok(output) = serde_json::from_slice(&bytes) {
                return Ok(Noted::Ended(output));
            }
        }
        Ok(if self.path("started").exists() { Noted::Started } else { Noted::Nothing })
    }

    /// Notes the start. `false` when it was noted before: then the call may have run already.
    pub(crate) fn start(&self) -> io::Result<bool> {
        std::fs::create_dir_all(&self.dir)?;
        match OpenOptions::new().write(true).create_new(true).open(self.path("started")) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error),
        }
        sync_folder(&self.dir)?;
        Ok(true)
    }

    /// Takes the start back: nothing was run after all.
    pub(crate) fn unstart(&self) -> io::Result<()> {
        remove_if_there(&self.path("started"))?;
        sync_folder(&self.dir)
    }

    pub(crate) fn end(&self, output: &ToolOutput) -> io::Result<()> {
        let writing = self.path("writing");
        let mut file = File::create(&writing)?;
        file.write_all(&serde_json::to_vec(output)?)?;
        file.sync_all()?;
        std::fs::rename(&writing, self.path("outcome"))?;
        sync_folder(&self.dir)
    }

    fn path(&self, what: &str) -> PathBuf {
        self.dir.join(format!("{}.{what}", self.call))
    }
}

/// Forgets what the tools noted for this call, here and in its workspace. For callers that have recorded its outcome
/// and will not ask for it again; blocks.
pub fn forget(calls_dir: &Path, workspace: &crate::Workspace, call: CallId) -> io::Result<()> {
    workspace.remove_private(crate::builtin::RECEIPTS, &call.to_string());
    for what in ["started", "writing", "outcome"] {
        remove_if_there(&calls_dir.join(format!("{call}.{what}")))?;
    }
    Ok(())
}

/// Notes a start unless something is noted: for a call whose notes may have been lost, so that their absence proves
/// nothing. Blocks.
pub fn presume_started(calls_dir: &Path, call: CallId) -> io::Result<()> {
    let notes = Notes { dir: calls_dir.to_owned(), call };
    if notes.read()? == Noted::Nothing {
        notes.start()?;
    }
    Ok(())
}

fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_NOTE_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A name is on the disk only when its folder is.
#[cfg(unix)]
fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_dir: &Path) -> io::Result<()> {
    Ok(())
}
