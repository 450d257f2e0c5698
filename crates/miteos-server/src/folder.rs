//! The data folder: made, and closed to other users of the machine. It does not know what is in its files.

use std::io;
use std::path::{Path, PathBuf};

/// What this program puts into it, and what systems put into a new file system.
const KNOWN: [&str; 14] = [
    "blobs",
    "calls",
    "deployments",
    "keys.json",
    "logs",
    "lost+found",
    "miteos.lock",
    "miteos.toml",
    "models",
    "sandbox",
    "secret.key",
    "server.json",
    "webhooks",
    "workspaces",
];
const DATABASE: &str = "miteos.db";

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("cannot make the data folder {path}")]
    Make { path: PathBuf, source: io::Error },
    #[error(
        "{path} is no data folder of Miteos: it holds {found:?}, and other users of this machine may enter it. Name an \
         empty or a new folder, or close this one to others (chmod 700) if it is meant"
    )]
    Foreign { path: PathBuf, found: String },
}

/// Makes the folder and the folders in it. One that holds other things is left alone, since closing it to others
/// could close a whole machine.
pub async fn make(folder: &Path) -> Result<(), FolderError> {
    let failed = |source| FolderError::Make { path: folder.to_owned(), source };
    tokio::fs::create_dir_all(folder).await.map_err(failed)?;
    #[cfg(unix)]
    close(folder).await?;
    for name in ["workspaces", "calls", "deployments"] {
        tokio::fs::create_dir_all(folder.join(name)).await.map_err(failed)?;
    }
    Ok(())
}

#[cfg(unix)]
async fn close(folder: &Path) -> Result<(), FolderError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| FolderError::Make { path: folder.to_owned(), source };
    let mode = tokio::fs::metadata(folder).await.map_err(failed)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    if let Some(found) = foreign(folder).await.map_err(failed)? {
        return Err(FolderError::Foreign { path: folder.to_owned(), found });
    }
    tokio::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).await.map_err(failed)
}

/// Something in the folder that this program did not put there; `None` if there is nothing, or its database is.
async fn foreign(folder: &Path) -> io::Result<Option<String>> {
    if tokio::fs::try_exists(folder.join(DATABASE)).await? {
        return Ok(None);
    }
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !KNOWN.contains(&name.as_str()) && !name.starts_with(DATABASE) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(folder: &Path) -> u32 {
        std::fs::metadata(folder).unwrap().permissions().mode() & 0o777
    }

    fn open_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        folder
    }

    #[tokio::test]
    async fn our_own_folder_is_closed_to_others() {
        let empty = open_folder();
        make(empty.path()).await.unwrap();
        assert_eq!(mode(empty.path()), 0o700);
        let pulled = open_folder();
        std::fs::create_dir(pulled.path().join("models")).unwrap();
        make(&pulled.path().join("new/one")).await.unwrap();
        assert_eq!((mode(&pulled.path().join("new/one")), mode(pulled.path())), (0o700, 0o755));
        let old = open_folder();
        std::fs::write(old.path().join(DATABASE), "").unwrap();
        std::fs::write(old.path().join("notes of the owner"), "").unwrap();
        make(old.path()).await.unwrap();
        assert_eq!(mode(old.path()), 0o700);
    }

    #[tokio::test]
    async fn a_folder_of_others_is_left_as_it_is() {
        let foreign = open_folder();
        std::fs::write(foreign.path().join("Makefile"), "").unwrap();
        let error = make(foreign.path()).await.unwrap_err().to_string();
        assert!(error.contains("Makefile") && error.contains("chmod 700"), "{error}");
        assert_eq!(mode(foreign.path()), 0o755);
        assert!(!foreign.path().join("workspaces").exists());
        std::fs::set_permissions(foreign.path(), PermissionsExt::from_mode(0o700)).unwrap();
        make(foreign.path()).await.unwrap();
    }
}
