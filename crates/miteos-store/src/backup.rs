//! A copy of the database as it was at one moment, taken beside a server that goes on writing, and what that copy names
//! in the blob store. It knows nothing of archives and of the other files of a data folder.
//!
//! The copy is one read of SQLite's: it sees one commit and none behind it, and holds up no writer. Blobs are synced
//! before the record that names them, and are collected a day after the last name of them is gone, so every blob that
//! the copy names lies in the folder once the copy is made, and for the rest of the day.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use miteos_core::content::Sha256;
use rusqlite::OptionalExtension;

use crate::blob_names::{Named, all_named, named_in};
use crate::error::StoreError;
use crate::lock::FolderLock;
use crate::{migrations, sqlite};

/// The first characters of a blob's name are the name of its folder.
const FOLDER_CHARS: usize = 2;

const COPY: &str = "VACUUM INTO $1";
const CHECK: &str = "PRAGMA quick_check(1)";
const TASKS: &str = "SELECT COUNT(*) FROM tasks";
const UNFINISHED: &str =
    "SELECT COUNT(*) FROM tasks WHERE status IN ('pending', 'planning', 'running', 'paused')";

const COPYING: &str = "copy the database";

/// A copied database, looked through.
#[derive(Debug, Clone)]
pub struct DatabaseCopy {
    /// The version of its schema.
    pub schema: i64,
    pub tasks: u64,
    /// Those that are not over.
    pub unfinished: u64,
    /// The blobs that it names.
    pub named: BTreeSet<Sha256>,
    /// Of these the lists of files of the sites that are shown, which name more.
    pub sites: Vec<Sha256>,
}

/// A blob as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobFile {
    pub sha256: Sha256,
    pub path: PathBuf,
    pub bytes: u64,
}

/// Copies the database of a folder that a server may be using. `to` must not exist. Blocks.
///
/// # Errors
/// [`StoreError::Missing`] if there is no database, [`StoreError::NewerSchema`] if it is newer than this program.
pub fn copy_database(folder: &Path, to: &Path) -> Result<DatabaseCopy, StoreError> {
    let path = folder.join("miteos.db");
    if !path.is_file() {
        return Err(StoreError::Missing { what: "the database", name: path.display().to_string() });
    }
    let invalid = || StoreError::Invalid {
        doing: COPYING,
        why: format!("{} is no text, as its names must be here", to.display()),
    };
    let target = to.to_str().ok_or_else(invalid)?;
    let source = sqlite::open_copied(&path)?;
    migrations::version(&source).map_err(|error| error.during(COPYING))?;
    source.execute(COPY, [target]).map_err(|error| StoreError::from(error).during(COPYING))?;
    let mut copy = look_through(to)?;
    for site in &copy.sites {
        // One that is missing is named itself, and found missing.
        if let Ok(list) = std::fs::read_to_string(blob_path(folder, site)) {
            copy.named.extend(named_in(&list));
        }
    }
    Ok(copy)
}

/// Where a blob of a data folder lies.
fn blob_path(folder: &Path, sha256: &Sha256) -> PathBuf {
    let (start, rest) = sha256.as_str().split_at(FOLDER_CHARS);
    folder.join("blobs").join("sha256").join(start).join(rest)
}

/// What a copy of a database says of itself; refuses a damaged one. Blocks.
pub fn look_through(copy: &Path) -> Result<DatabaseCopy, StoreError> {
    look(copy).map_err(|error| error.during("read the copied database"))
}

fn look(copy: &Path) -> Result<DatabaseCopy, StoreError> {
    let db = sqlite::open_alone(copy)?;
    let schema = migrations::version(&db)?;
    let found: String = db.query_row(CHECK, [], |row| row.get(0))?;
    if found != "ok" {
        return Err(StoreError::Damaged { what: copy.display().to_string(), why: found });
    }
    let count = |sql: &str| -> Result<u64, StoreError> {
        let found: Option<i64> = db.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(u64::try_from(found.unwrap_or(0)).unwrap_or(0))
    };
    let Named { blobs, sites } = all_named(&db, schema)?;
    let named = blobs.into_iter().chain(sites.iter().cloned()).collect();
    Ok(DatabaseCopy { schema, tasks: count(TASKS)?, unfinished: count(UNFINISHED)?, named, sites })
}

/// The blobs of a data folder, by name. What is being written, or was left half-written, is none. Blocks.
pub fn blob_files(folder: &Path) -> Result<Vec<BlobFile>, StoreError> {
    let root = folder.join("blobs").join("sha256");
    let failed =
        |source: std::io::Error| StoreError::io("list the blobs in", root.display().to_string(), source);
    let mut found = Vec::new();
    let folders = match std::fs::read_dir(&root) {
        Ok(folders) => folders,
        // Nothing was ever stored.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(failed(error)),
    };
    for folder in folders {
        let folder = folder.map_err(failed)?;
        for file in std::fs::read_dir(folder.path()).map_err(failed)? {
            let file = file.map_err(failed)?;
            let (start, rest) = (folder.file_name(), file.file_name());
            let name = format!("{}{}", start.to_string_lossy(), rest.to_string_lossy());
            let Some(sha256) = Sha256::parse(&name).filter(|_| start.len() == FOLDER_CHARS) else { continue };
            let bytes = file.metadata().map_err(failed)?.len();
            found.push(BlobFile { sha256, path: file.path(), bytes });
        }
    }
    found.sort_by(|a, b| a.sha256.cmp(&b.sha256));
    Ok(found)
}

/// Whether a server, or another program that keeps it locked, uses a data folder. Makes nothing.
pub fn is_in_use(folder: &Path) -> bool {
    FolderLock::is_held(&folder.join("miteos.db"))
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params};

    use super::*;
    use crate::{Store, StoreConfig};

    const INSERT: &str = "INSERT INTO accounts (id, name, created_at) VALUES ($1, 'x', 1)";

    #[tokio::test]
    async fn a_copy_is_of_one_moment_and_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::in_folder(folder.path())).await.unwrap();
        let insert = |id: String| {
            let store = store.clone();
            async move {
                let add = move |db: &Connection| Ok(db.execute(INSERT, params![id])?);
                store.write::<_, StoreError, _>("insert", add).await.unwrap();
            }
        };
        insert("before".to_owned()).await;
        store.blobs().put_bytes(b"one").await.unwrap();
        let to = folder.path().join("copy.db");
        let (from, into) = (folder.path().to_owned(), to.clone());
        let copying = tokio::task::spawn_blocking(move || copy_database(&from, &into));
        for n in 0..50 {
            insert(format!("during {n}")).await;
        }
        let copy = copying.await.unwrap().unwrap();
        assert_eq!((copy.tasks, copy.named.len()), (0, 0));
        let db = sqlite::open_alone(&to).unwrap();
        let found: i64 =
            db.query_row("SELECT COUNT(*) FROM accounts WHERE id = 'before'", [], |row| row.get(0)).unwrap();
        assert_eq!(found, 1);
        assert_eq!(blob_files(folder.path()).unwrap()[0].sha256, Sha256::of(b"one"));
        assert!(is_in_use(folder.path()));
        store.close().await;
        assert!(!is_in_use(folder.path()));
        assert!(copy_database(folder.path(), &to).is_err(), "nothing is overwritten");
    }

    #[tokio::test]
    async fn newer_data_is_refused_by_every_door_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::in_folder(folder.path());
        Store::open(config.clone()).await.unwrap().close().await;
        let db = sqlite::open_writer(&config.path).unwrap();
        db.execute("UPDATE schema_version SET version = 99", []).unwrap();
        sqlite::checkpoint(&db);
        drop(db);
        let before = std::fs::read(&config.path).unwrap();
        let copied = copy_database(folder.path(), &folder.path().join("copy.db")).unwrap_err();
        let opened = Store::open(config.clone()).await.err().unwrap();
        for refused in [copied, opened] {
            assert!(matches!(refused, StoreError::NewerSchema { found: 99, .. }), "{refused}");
            assert!(refused.to_string().contains("install the newer version"), "{refused}");
        }
        assert_eq!(std::fs::read(&config.path).unwrap(), before);
    }

    #[test]
    fn what_is_no_database_is_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("copy.db");
        assert!(matches!(copy_database(folder.path(), &to), Err(StoreError::Missing { .. })));
        std::fs::write(folder.path().join("miteos.db"), "not a database at all").unwrap();
        assert!(matches!(copy_database(folder.path(), &to), Err(StoreError::Database { .. })));
        assert!(blob_files(folder.path()).unwrap().is_empty());
    }
}
