//! What is only true of a database file: the lock of its folder, its schema's age, and kill -9.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use miteos_core::content::Sha256;
use miteos_store::{BlobRef, Store, StoreConfig, StoreError};

use crate::harness::*;

/// Set for the child: the folder to write to.
const CHILD: &str = "MITEOS_STORE_TEST_CHILD";
/// Tasks that the child writes at once.
const TASKS: u64 = 8;

#[test]
fn kill_nine_loses_nothing_that_was_told() {
    if let Some(folder) = child_folder() {
        append_for_ever(Path::new(&folder));
    }
    let backend = Sqlite::new();
    for round in 1..=2 {
        let mut child = child("durability::kill_nine_loses_nothing_that_was_told", backend.folder.path());
        let mut told: HashMap<u64, u64> = HashMap::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = 0;
        // After the kill the pipe still holds what was told before it.
        while let Some(Ok(line)) = lines.next() {
            let Some((task, version)) = line.strip_prefix("told ").and_then(|told| told.split_once(' '))
            else {
                continue;
            };
            told.insert(task.parse().unwrap(), version.parse().unwrap());
            count += 1;
            if count == 300 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(count >= 300, "the child ended early in round {round}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = backend.open().await;
            assert_eq!(told.len() as u64, TASKS);
            let mut events = 0;
            for (task, version) in told {
                let loaded = store.load(task_id(task)).await.unwrap().unwrap();
                assert!(loaded.row.version >= version, "task {task} was told {version}");
                assert!(loaded.tail.iter().map(|record| record.version).eq(1..=loaded.row.version));
                assert_eq!(loaded.row.seq, loaded.row.version);
                events += loaded.row.version;
            }
            assert_eq!(
                store.account_cursor(account_id(1), true).await.unwrap(),
                i64::try_from(events).unwrap()
            );
            store.close().await;
        });
    }
}

/// The child: appends to some tasks at once and tells each committed version.
fn append_for_ever(folder: &Path) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let () = runtime.block_on(async {
        let store = Store::open(StoreConfig::in_folder(folder)).await.unwrap();
        let workers: Vec<_> = (1..=TASKS)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut row = match store.task_row(task_id(n)).await.unwrap() {
                        Some(row) => row,
                        None => create(&store, row(n)).await,
                    };
                    loop {
                        let append = next(&row);
                        row = append.row.clone();
                        let done = store.append(append).await.unwrap();
                        let mut out = std::io::stdout().lock();
                        writeln!(out, "told {n} {}", done.version).unwrap();
                        out.flush().unwrap();
                    }
                })
            })
            .collect();
        futures::future::join_all(workers).await;
    });
    unreachable!("the child appends until it is killed")
}

#[expect(clippy::disallowed_methods, reason = "how the test knows that it is the child")]
fn child_folder() -> Option<std::ffi::OsString> {
    std::env::var_os(CHILD)
}

#[expect(clippy::disallowed_methods, reason = "a test of a process's death needs a process")]
fn child(test: &str, folder: &Path) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_no_files_and_all_records() {
    let backend = Sqlite::new();
    let config = StoreConfig { keeps_free_bytes: u64::MAX, ..backend.config() };
    let store = Store::open(config).await.unwrap();
    let refused = store.blobs().put_reader(&b"a file"[..]).await;
    assert!(matches!(refused, Err(StoreError::DiskFull { .. })), "{refused:?}");
    let named = BlobRef { sha256: Sha256::of(b"a file"), bytes: 6 };
    assert!(store.blobs().put_named(&named, &b"a file"[..]).await.is_err());
    assert_eq!(store.blobs().size(&named.sha256).await.unwrap(), None);
    // What a task has to record is let through.
    store.blobs().put_bytes(b"a long answer of a model").await.unwrap();
    create(&store, row(1)).await;
}

#[tokio::test]
async fn a_second_server_is_refused() {
    let backend = Sqlite::new();
    let store = backend.open().await;
    let refused = Store::open(backend.config()).await.err().unwrap();
    let StoreError::InUse { holder, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*holder, Some(std::process::id()));
    assert!(refused.to_string().contains("stop that one or choose another folder"), "{refused}");
    // The refused one left the first alone.
    store.check().await.unwrap();
    store.close().await;
    backend.open().await.check().await.unwrap();
}

#[tokio::test]
async fn an_older_program_refuses_a_newer_schema() {
    let backend = Sqlite::new();
    backend.open().await.close().await;
    let db = rusqlite::Connection::open(backend.config().path).unwrap();
    assert_eq!(db.execute("UPDATE schema_version SET version = version + 1", []).unwrap(), 1);
    drop(db);
    let refused = Store::open(backend.config()).await.err().unwrap();
    assert!(matches!(refused, StoreError::NewerSchema { .. }), "{refused}");
    // The lock is free again.
    let again = Store::open(backend.config()).await.err().unwrap();
    assert!(matches!(again, StoreError::NewerSchema { .. }), "{again}");
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_named() {
    let backend = Sqlite::new();
    let config = StoreConfig::in_folder(&backend.folder.path().join("missing"));
    let refused = Store::open(config).await.err().unwrap();
    assert!(refused.to_string().contains("missing"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let backend = Sqlite::new();
    std::fs::write(backend.config().path, "no database at all, but long enough to be looked at".repeat(100))
        .unwrap();
    assert!(Store::open(backend.config()).await.is_err());
}

#[tokio::test]
async fn closing_empties_the_write_ahead_log() {
    let backend = Sqlite::new();
    let store = backend.open().await;
    create(&store, row(1)).await;
    let log = backend.folder.path().join("miteos.db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    store.close().await;
    assert!(!log.exists(), "the last connection removes the log");
}

#[tokio::test]
async fn opening_removes_what_a_crash_left_of_blobs() {
    let backend = Sqlite::new();
    let left = backend.config().blobs.join("staging").join("1-0#1");
    std::fs::create_dir_all(left.parent().unwrap()).unwrap();
    std::fs::write(&left, "half a blob").unwrap();
    let store = backend.open().await;
    assert!(!left.exists());
    let big = futures::stream::iter((0..3).map(|_| Ok(bytes::Bytes::from(vec![1; 5_000_000]))));
    store.blobs().put_stream(big).await.unwrap();
    assert_eq!(std::fs::read_dir(left.parent().unwrap()).unwrap().count(), 0, "nothing stays in staging");
}
