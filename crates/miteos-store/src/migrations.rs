//! The schema, as the steps that lead to it. Steps are only ever added: expand first, contract a version
//! later. PostgreSQL will have the same tables; only the types of byte strings and of numbered keys have other names
//! there, and ids need the collation "C" so that they sort by creation.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::error::StoreError;

const MAKE_VERSION: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (id BIGINT PRIMARY KEY, version BIGINT NOT NULL)";
const GET_VERSION: &str = "SELECT version FROM schema_version WHERE id = 1";
const SET_VERSION: &str = "INSERT INTO schema_version (id, version) VALUES (1, $1)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version";

/// Step n leads from schema n to schema n + 1.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_webhooks.sql"),
    include_str!("migrations/0003_keys_and_usage.sql"),
    include_str!("migrations/0004_approval_policies.sql"),
    include_str!("migrations/0005_deployments.sql"),
    include_str!("migrations/0006_previews.sql"),
    include_str!("migrations/0007_shares.sql"),
    include_str!("migrations/0008_blob_names.sql"),
    include_str!("migrations/0009_preview_links.sql"),
];

/// Brings the schema up to date; refuses one that is newer than this program.
pub(crate) fn migrate(db: &Connection) -> Result<(), StoreError> {
    run(db, STEPS).map_err(|error| error.during("migrate its schema"))
}

/// The schema that a database has; refuses one that is newer than this program. 0: none yet.
pub(crate) fn version(db: &Connection) -> Result<i64, StoreError> {
    let found: i64 = db.query_row(GET_VERSION, [], |row| row.get(0)).optional()?.unwrap_or(0);
    check(found, STEPS)?;
    Ok(found)
}

fn check(found: i64, steps: &[&str]) -> Result<i64, StoreError> {
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if found > known { Err(StoreError::NewerSchema { found, known }) } else { Ok(known) }
}

fn run(db: &Connection, steps: &[&str]) -> Result<(), StoreError> {
    let step = rusqlite::Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    db.execute_batch(MAKE_VERSION)?;
    let found: i64 = db.query_row(GET_VERSION, [], |row| row.get(0)).optional()?.unwrap_or(0);
    let known = check(found, steps)?;
    let done = usize::try_from(found).unwrap_or(0);
    for sql in &steps[done..] {
        db.execute_batch(sql)?;
    }
    if found < known {
        db.execute(SET_VERSION, [known])?;
        tracing::info!(from = found, to = known, "the database schema is up to date");
    }
    step.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_once_and_a_failing_one_leaves_nothing() {
        let db = Connection::open_in_memory().unwrap();
        run(&db, &["CREATE TABLE a (n BIGINT)"]).unwrap();
        run(&db, &["CREATE TABLE a (n BIGINT)"]).unwrap();
        let broken = ["CREATE TABLE a (n BIGINT)", "CREATE TABLE b (n BIGINT)", "CREATE TABLE b (n BIGINT)"];
        assert!(run(&db, &broken).is_err());
        assert!(db.prepare("SELECT n FROM b").is_err(), "the first new step was undone with the second");
        run(&db, &broken[..2]).unwrap();
        assert!(db.prepare("SELECT n FROM b").is_ok());
    }

    #[test]
    fn an_older_program_refuses_newer_data_and_changes_nothing() {
        let db = Connection::open_in_memory().unwrap();
        migrate(&db).unwrap();
        db.execute(SET_VERSION, [99]).unwrap();
        let refused = migrate(&db).unwrap_err();
        assert!(matches!(refused, StoreError::NewerSchema { found: 99, .. }), "{refused}");
        assert!(refused.to_string().contains("schema 99"), "{refused}");
        assert_eq!(db.query_row(GET_VERSION, [], |row| row.get::<_, i64>(0)).unwrap(), 99);
    }
}
