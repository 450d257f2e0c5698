//! The store as a whole: opening, closing, and the two doors (one writer, a few readers) that every noun
//! goes through. It does not know the nouns.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use crate::blobs::Blobs;
use crate::error::{Failure, StoreError};
use crate::lock::FolderLock;
use crate::readers::Readers;
use crate::writer::{Kind, Writer};
use crate::{migrations, sqlite};

/// Read-only connections, unless told otherwise: enough that one slow list does not hold up the others.
const DEFAULT_READ_CONNECTIONS: usize = 4;
/// What files leave free on the disk, unless told otherwise (bytes): room for the journal of all tasks.
const KEEPS_FREE_BYTES: u64 = 512 * 1024 * 1024;

/// Called in the writer with n for the n-th durable commit that held appends, after it is durable and before
/// any caller is told. It may abort the process, and must not block for ever. If it panics the store stops as if it had been killed: no
/// caller of that commit is answered with success, and every later call gets [`StoreError::Closed`].
pub type CrashHook = Arc<dyn Fn(u64) + Send + Sync>;

/// Called in the writer with n for the n-th write; says what shall go wrong with it.
pub type FaultHook = Arc<dyn Fn(u64) -> Option<Fault> + Send + Sync>;

/// Called in the writer after each of its transactions, before any caller is told. It must be quick.
pub type CommitHook = Arc<dyn Fn(&CommitSeen) + Send + Sync>;

/// One transaction of the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitSeen {
    /// How many writes shared it.
    pub writes: usize,
    /// From its begin to the moment at which it was durable or had failed.
    pub took: Duration,
    pub ok: bool,
}

/// What a test can make fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The write fails with an I/O error after its statements have run.
    Write,
    /// The commit of the batch that holds the write fails with an I/O error.
    Commit,
}

/// Where the store lives and how it is opened.
#[derive(Clone)]
pub struct StoreConfig {
    /// The database file; its folder must exist.
    pub path: PathBuf,
    /// The folder of the blobs; made if missing.
    pub blobs: PathBuf,
    /// How many reads run at once.
    pub read_connections: usize,
    /// Files are not stored when less than this would be left on the disk (bytes).
    pub keeps_free_bytes: u64,
    /// For crash tests.
    pub crash: Option<CrashHook>,
    /// For fault tests.
    pub fault: Option<FaultHook>,
    /// For figures about commits.
    pub watch: Option<CommitHook>,
}

impl StoreConfig {
    /// The usual places in a data folder: `miteos.db` and `blobs/`.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join("miteos.db"),
            blobs: folder.join("blobs"),
            read_connections: DEFAULT_READ_CONNECTIONS,
            keeps_free_bytes: KEEPS_FREE_BYTES,
            crash: None,
            fault: None,
            watch: None,
        }
    }
}

/// A handle on the store; clones share one writer and one pool of readers.
///
/// When the last clone is dropped its threads are waited for (at most one commit and a checkpoint), so that
/// the folder is free at that moment. Dropping the future of a write does not undo the write.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Fields are dropped in this order: readers first, so that the writer's connection is the last and clears
/// the write-ahead log.
struct Inner {
    readers: Readers,
    writer: Writer,
    blobs: Blobs,
}

impl Store {
    /// Opens the store, makes or migrates its schema, and takes the folder's lock.
    pub async fn open(config: StoreConfig) -> Result<Self, StoreError> {
        let opened = tokio::task::spawn_blocking(move || Self::open_blocking(config)).await;
        opened.unwrap_or(Err(StoreError::Panicked { doing: "open the store" }))
    }

    fn open_blocking(config: StoreConfig) -> Result<Self, StoreError> {
        let lock = FolderLock::take(&config.path)?;
        let connection = sqlite::open_writer(&config.path)?;
        migrations::migrate(&connection)?;
        let blobs = Blobs::open(&config.blobs, config.keeps_free_bytes)?;
        let readers = Readers::start(&config.path, config.read_connections)?;
        let writer = Writer::start(connection, lock, config.crash, config.fault, config.watch)?;
        Ok(Self { inner: Arc::new(Inner { readers, writer, blobs }) })
    }

    /// Finishes what was accepted, moves the write-ahead log into the database and lets the folder go.
    /// Other clones get [`StoreError::Closed`] from then on.
    pub async fn close(self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    /// Whether storage takes writes: makes one.
    pub async fn check(&self) -> Result<(), StoreError> {
        const TOUCH: &str = "INSERT INTO health (id, writes) VALUES (1, 1)
            ON CONFLICT (id) DO UPDATE SET writes = health.writes + 1";
        self.write("write a health mark", |db| {
            db.prepare_cached(TOUCH)?.execute([])?;
            Ok(())
        })
        .await
    }

    /// The store of big values.
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// Runs a write, all or nothing, and answers once the commit that holds it is durable. The closure may be
    /// run twice; only the last run counts.
    pub(crate) async fn write<T, E, F>(&self, doing: &'static str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
        F: Fn(&Connection) -> Result<T, E> + Send + 'static,
    {
        self.inner.writer.run(Kind::Other, doing, work).await
    }

    /// As [`Self::write`], counted for the crash hook.
    pub(crate) async fn write_append<T, E, F>(&self, doing: &'static str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
        F: Fn(&Connection) -> Result<T, E> + Send + 'static,
    {
        self.inner.writer.run(Kind::Append, doing, work).await
    }

    /// Runs a read on one snapshot of the database.
    pub(crate) async fn read<T, F>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.readers.run(doing, work).await
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;

    #[tokio::test]
    async fn a_panic_undoes_its_own_statements_and_poisons_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = StoreConfig::in_folder(folder.path());
        config.read_connections = 1;
        let store = Store::open(config).await.unwrap();
        let insert = "INSERT INTO accounts (id, name, created_at) VALUES ($1, 'x', 1)";
        let count = "SELECT COUNT(*) FROM accounts";

        let panicked: Result<(), StoreError> = store
            .write("panic", move |db| {
                db.execute(insert, params!["one"])?;
                panic!("on purpose, after a statement")
            })
            .await;
        assert!(matches!(panicked, Err(StoreError::Panicked { doing: "panic" })), "{panicked:?}");
        let panicked: Result<(), StoreError> =
            store.read("panic", |_| panic!("on purpose, within a snapshot")).await;
        assert!(matches!(panicked, Err(StoreError::Panicked { .. })), "{panicked:?}");

        store
            .write::<_, StoreError, _>("insert", move |db| Ok(db.execute(insert, params!["two"])?))
            .await
            .unwrap();
        let found: i64 =
            store.read("count", move |db| Ok(db.query_row(count, [], |row| row.get(0))?)).await.unwrap();
        assert_eq!(found, 1);
    }

    #[tokio::test]
    async fn an_error_that_ends_the_whole_transaction_fails_it_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::in_folder(folder.path())).await.unwrap();
        // What SQLite does by itself when it runs out of memory or disk.
        let ended: Result<(), StoreError> = store
            .write("end the transaction", |db| {
                db.execute_batch(
                    "INSERT INTO accounts (id, name, created_at) VALUES ('lost', 'x', 1); ROLLBACK",
                )?;
                Ok(())
            })
            .await;
        assert!(matches!(ended, Err(StoreError::Database { .. })), "{ended:?}");
        store.check().await.unwrap();
        assert_eq!(store.accounts(None, 10).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_read_sees_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::in_folder(folder.path())).await.unwrap();
        store.check().await.unwrap();
        let writer = store.clone();
        let runtime = tokio::runtime::Handle::current();
        let (before, after) = store
            .read("look twice", move |db| {
                let writes = || db.query_row("SELECT writes FROM health", [], |row| row.get::<_, i64>(0));
                let before = writes()?;
                runtime.block_on(writer.check())?;
                Ok((before, writes()?))
            })
            .await
            .unwrap();
        assert_eq!((before, after), (1, 1));
        let now: i64 = store
            .read("look", |db| Ok(db.query_row("SELECT writes FROM health", [], |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(now, 2);
    }
}
