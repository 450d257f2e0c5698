//! The server's own folder inside a workspace, `.miteos/`: big outputs, receipts, programs about to run, files being
//! written. Code in the sandbox can change all of it, so what is read back here is never trusted with more than the
//! workspace itself.

use cap_std::fs::Dir;

use super::error::WorkspaceError;
use super::name::Name;
use super::{OUTPUTS, PRIVATE, Workspace};

/// Receipts and programs are read back up to this size (bytes).
const MAX_PRIVATE_BYTES: u64 = 4 * 1024 * 1024;

impl Workspace {
    /// Keeps a tool's big output where agents can read it; gives its name. `file` is a plain file name.
    pub fn write_output(&self, file: &str, text: &str) -> Result<String, WorkspaceError> {
        self.write_private("outputs", file, text.as_bytes())?;
        Ok(format!("{OUTPUTS}/{file}"))
    }

    /// A folder of the server's own, made if need be. Whatever else has its name is removed first.
    pub(super) fn private(&self, folder: &str) -> Result<Dir, WorkspaceError> {
        let path = format!("{PRIVATE}/{folder}");
        for path in [PRIVATE, &path] {
            match self.dir()?.symlink_metadata(path) {
                Ok(found) if found.is_dir() => continue,
                Ok(_) => {
                    let _ = self.dir()?.remove_file(path);
                }
                Err(_) => {}
            }
            self.make_folders(std::path::Path::new(path))?;
        }
        self.dir()?
            .open_dir(&path)
            .map_err(|source| WorkspaceError::Unusable { doing: "open a folder in", source })
    }

    pub(crate) fn write_private(
        &self,
        folder: &str,
        file: &str,
        content: &[u8],
    ) -> Result<(), WorkspaceError> {
        self.private(folder)?;
        let name = Name::parse(&format!("{PRIVATE}/{folder}/{file}"))?;
        let mut staged = self.stage(&name)?;
        staged.write(content)?;
        staged.put(self, &name)
    }

    /// `None` when there is no such file, or none that the server could have written.
    pub(crate) fn read_private(&self, folder: &str, file: &str) -> Option<Vec<u8>> {
        use std::io::Read;
        let path = format!("{PRIVATE}/{folder}/{file}");
        let found = self.dir().ok()?.symlink_metadata(&path).ok()?;
        if !found.is_file() || found.len() > MAX_PRIVATE_BYTES {
            return None;
        }
        let file = self.dir().ok()?.open_with(&path, &super::read::reading()).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_PRIVATE_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    pub(crate) fn remove_private(&self, folder: &str, file: &str) {
        let Ok(dir) = self.dir() else { return };
        match dir.remove_file(format!("{PRIVATE}/{folder}/{file}")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::debug!(%error, folder, "a file of the server's own could not be removed");
            }
            _ => {}
        }
    }
}
