//! Workspace notes for the remember and recall tools: keys with texts, found by words.

use miteos_core::ids::WorkspaceId;
use miteos_core::time::Timestamp;
use rusqlite::{Connection, params};

use crate::columns::{count, int, rows, time};
use crate::error::StoreError;
use crate::store::Store;

/// The most notes of one workspace; recall reads them all.
pub const MAX_NOTES_PER_WORKSPACE: u64 = 1_000;
/// The longest key of a note (bytes).
pub const MAX_NOTE_KEY_BYTES: usize = 200;
/// The longest text of a note (bytes).
pub const MAX_NOTE_BYTES: usize = 16 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteRow {
    pub key: String,
    pub value: String,
    pub at: Timestamp,
}

const COUNT: &str = "SELECT COUNT(*) FROM notes WHERE workspace = $1 AND name <> $2";
const PUT: &str = "INSERT INTO notes (workspace, name, body, at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (workspace, name) DO UPDATE SET body = excluded.body, at = excluded.at";
const ALL: &str = "SELECT name, body, at FROM notes WHERE workspace = $1 ORDER BY at DESC, name LIMIT $2";
const DELETE: &str = "DELETE FROM notes WHERE workspace = $1 AND name = $2";
const DELETE_ALL: &str = "DELETE FROM notes WHERE workspace = $1";

/// A note whose key is the whole query.
const SCORE_SAME_KEY: u64 = 1_000;
/// A note that holds the whole query.
const SCORE_WHOLE: u64 = 50;
/// A word of the query in the key, or in the text.
const SCORE_WORD_IN_KEY: u64 = 10;
const SCORE_WORD_IN_TEXT: u64 = 3;
/// Words of a query that are looked at.
const MAX_QUERY_WORDS: usize = 32;

impl Store {
    /// Writes a note, in place of an older one of the same key.
    pub async fn remember(
        &self,
        workspace: WorkspaceId,
        key: String,
        value: String,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        check_size("the note's key", key.len(), MAX_NOTE_KEY_BYTES)?;
        check_size("the note", value.len(), MAX_NOTE_BYTES)?;
        self.write("remember a note", move |db| {
            let workspace = workspace.to_string();
            let others = db.prepare_cached(COUNT)?.query_row(params![workspace, key], |row| count(row, 0))?;
            if others >= MAX_NOTES_PER_WORKSPACE {
                let (what, limit) = ("the workspace's number of notes", MAX_NOTES_PER_WORKSPACE);
                return Err(StoreError::TooLarge { what, actual: others + 1, limit });
            }
            db.prepare_cached(PUT)?.execute(params![workspace, key, value, int(at.millis())])?;
            Ok(())
        })
        .await
    }

    /// The notes that fit the query best, best first; the newest ones if the query has no words.
    pub async fn recall(
        &self,
        workspace: WorkspaceId,
        query: &str,
        limit: usize,
    ) -> Result<Vec<NoteRow>, StoreError> {
        let query = query.trim().to_lowercase();
        self.read("recall notes", move |db| {
            let asked = params![workspace.to_string(), int(MAX_NOTES_PER_WORKSPACE)];
            let notes = rows(db, ALL, asked, |row| {
                Ok(NoteRow { key: row.get(0)?, value: row.get(1)?, at: time(row, 2)? })
            })?;
            Ok(rank(notes, &query, limit))
        })
        .await
    }

    /// False if there was no such note.
    pub async fn forget(&self, workspace: WorkspaceId, key: String) -> Result<bool, StoreError> {
        self.write("forget a note", move |db| {
            Ok(db.prepare_cached(DELETE)?.execute(params![workspace.to_string(), key])? == 1)
        })
        .await
    }
}

pub(crate) fn delete_all(db: &Connection, workspace: &str) -> Result<(), StoreError> {
    db.prepare_cached(DELETE_ALL)?.execute([workspace])?;
    Ok(())
}

/// Sorts newest-first notes by how well they fit; equal ones stay newest first.
fn rank(notes: Vec<NoteRow>, query: &str, limit: usize) -> Vec<NoteRow> {
    let words: Vec<&str> = query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MAX_QUERY_WORDS)
        .collect();
    if words.is_empty() {
        return notes.into_iter().take(limit).collect();
    }
    let mut scored: Vec<(u64, NoteRow)> = notes
        .into_iter()
        .map(|note| (score(&note, query, &words), note))
        .filter(|(score, _)| *score > 0)
        .collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().take(limit).map(|(_, note)| note).collect()
}

fn score(note: &NoteRow, query: &str, words: &[&str]) -> u64 {
    let (key, value) = (note.key.to_lowercase(), note.value.to_lowercase());
    let mut score = 0;
    if key == query {
        score += SCORE_SAME_KEY;
    }
    if key.contains(query) || value.contains(query) {
        score += SCORE_WHOLE;
    }
    for word in words {
        if key.contains(word) {
            score += SCORE_WORD_IN_KEY;
        }
        if value.contains(word) {
            score += SCORE_WORD_IN_TEXT;
        }
    }
    score
}

fn check_size(what: &'static str, actual: usize, limit: usize) -> Result<(), StoreError> {
    if actual > limit {
        return Err(StoreError::TooLarge { what, actual: actual as u64, limit: limit as u64 });
    }
    Ok(())
}
