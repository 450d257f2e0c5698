//! SQLite connections and their settings: the one place that speaks SQLite's own dialect.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;

/// How long a connection waits for another's lock (milliseconds). The folder lock keeps other servers out,
/// so this is only met when a person has the database open.
const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Page cache of the writer (KiB).
const WRITER_CACHE_KIB: i64 = 64 * 1024;
/// Page cache of each reader (KiB); most pages come through the memory map.
const READER_CACHE_KIB: i64 = 4 * 1024;
/// How much of the database readers map into memory (bytes).
const MMAP_BYTES: i64 = 256 * 1024 * 1024;
/// The write-ahead log is moved into the database when it has grown to this many pages.
const CHECKPOINT_PAGES: i64 = 4_000;
/// What a write-ahead log that a burst has blown up is cut back to (bytes).
const WAL_LIMIT_BYTES: i64 = 64 * 1024 * 1024;
/// Prepared statements kept per connection; more than this crate has.
const STATEMENTS: usize = 128;

pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
pub(crate) const BEGIN_READ: &str = "BEGIN DEFERRED";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";
pub(crate) const SAVEPOINT: &str = "SAVEPOINT one_write";
pub(crate) const KEEP: &str = "RELEASE one_write";
pub(crate) const UNDO: &str = "ROLLBACK TO one_write";

/// The connection of the writer: makes the database if there is none.
///
/// Write-ahead log with `synchronous = FULL`: a commit returns when its log is on the disk.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = open(path, flags)?;
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let why = format!("its folder allows no write-ahead log (it stays in mode {mode})");
        return Err(StoreError::Damaged { what: path.display().to_string(), why });
    }
    db.pragma_update(None, "synchronous", "FULL")?;
    // On macOS only these reach the disk itself; elsewhere they change nothing.
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    db.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // Savepoints keep their undo pages there.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES)?;
    Ok(db)
}

/// A connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.pragma_update(None, "query_only", true)?;
    db.pragma_update(None, "mmap_size", MMAP_BYTES)?;
    db.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(db)
}

/// A connection that copies a database which another process may be writing. The copy is made of what is committed when
/// it begins.
pub(crate) fn open_copied(path: &Path) -> Result<Connection, StoreError> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(db)
}

/// A connection to a file that nobody writes, and beside which nothing may be made.
pub(crate) fn open_alone(path: &Path) -> Result<Connection, StoreError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Moves the whole write-ahead log into the database and empties it. Best effort: what is in the log is
/// durable already.
pub(crate) fn checkpoint(db: &Connection) {
    let done: rusqlite::Result<i64> = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    match done {
        Ok(0) => {}
        Ok(_) => tracing::debug!("a reader kept the write-ahead log from being emptied"),
        Err(error) => tracing::warn!(%error, "the write-ahead log could not be moved into the database"),
    }
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let db = Connection::open_with_flags(path, flags).map_err(|error| match StoreError::from(error) {
        StoreError::Database { source, .. } => {
            StoreError::Io { doing: "open the database", what: path.display().to_string(), source }
        }
        other => other,
    })?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    db.pragma_update(None, "trusted_schema", false)?;
    // A plan does not depend on the values: without this a statement with `LIMIT $n` is prepared anew each time.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(db)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_thread_safe_and_loads_no_extensions() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("x.db")).unwrap();
        let options: Vec<String> = db
            .prepare("PRAGMA compile_options")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(options.iter().any(|o| o == "THREADSAFE=1"), "{options:?}");
        let refused =
            db.query_row("SELECT load_extension('x')", [], |row| row.get::<_, String>(0)).unwrap_err();
        assert!(refused.to_string().contains("not authorized"), "{refused}");
    }

    #[test]
    fn a_bound_limit_prepares_nothing_anew() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("x.db")).unwrap();
        db.execute("CREATE TABLE t (n BIGINT)", []).unwrap();
        let mut limited = db.prepare("SELECT n FROM t WHERE n > $1 LIMIT $2").unwrap();
        for limit in 1..=3 {
            assert_eq!(limited.query_map([0, limit], |row| row.get::<_, i64>(0)).unwrap().count(), 0);
        }
        assert_eq!(limited.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let db = open_writer(&path).unwrap();
        db.execute("CREATE TABLE t (n BIGINT)", []).unwrap();
        let reader = open_reader(&path).unwrap();
        assert!(reader.execute("INSERT INTO t (n) VALUES (1)", []).is_err());
    }
}
