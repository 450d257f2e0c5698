//! Collection of blobs that nothing names any more, such as the files of a preview that was deleted. A turn looks at a
//! part of them, so that a store of any size is gone through without holding anybody up.
//!
//! A blob goes when nothing has named it for the whole grace, and nobody has put or found it lately. The grace outlasts a
//! backup under way, whose copy of the database may name what is not named any more. Whether something names it is asked
//! once more in the transaction that gives it up; from then on only who puts or finds it again can name it, and that is
//! seen before the file goes. A crash at any moment leaves a blob that is judged anew.

use miteos_core::content::Sha256;
use miteos_core::time::Timestamp;
use rusqlite::Connection;

use crate::blob_names::{doomed, forget_site, is_named, unread_site};
use crate::blobs::BlobRef;
use crate::error::StoreError;
use crate::store::Store;

/// How long a blob is kept after nothing was seen to name it (ms): a day.
pub const BLOB_GRACE_MS: u64 = 24 * 3600 * 1000;
/// For at least so long a blob is kept that was put or found, whatever names it (ms).
const WANTED_MS: u64 = 3600 * 1000;
/// Blobs that are judged at once.
const AT_ONCE: usize = 500;

/// Goes through the blobs, some at each turn. There is one for a store.
pub struct Collector {
    store: Store,
    aged: Option<Timestamp>,
    /// The first two digits of the names that are looked at next.
    next: u8,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    pub looked_at: u64,
    pub removed: u64,
    pub removed_bytes: u64,
    /// All blobs have been looked at; the next turn begins again.
    pub ends_pass: bool,
}

impl Collector {
    pub fn new(store: Store) -> Self {
        Self { store, aged: None, next: 0 }
    }

    /// Reads on what names blobs or, when all of that is read, looks at the next part of the blobs.
    pub async fn turn(&mut self, now: Timestamp) -> Result<Turn, StoreError> {
        if self.aged.is_none_or(|aged| now.since(aged) >= WANTED_MS) {
            self.store.blobs().age();
            self.aged = Some(now);
        }
        if self.next == 0 {
            // For a day after its end a preview can be prolonged.
            let ended = Timestamp::from_millis(now.millis().saturating_sub(BLOB_GRACE_MS));
            self.store.end_previews(ended, now).await?;
        }
        if self.store.read_older_records().await? || self.store.read_a_site().await? {
            return Ok(Turn::default());
        }
        let mut turn = Turn::default();
        // Parts without any blob are passed over.
        while turn.looked_at == 0 && !turn.ends_pass {
            let found = self.store.blobs().beginning_with(&format!("{:02x}", self.next)).await?;
            for some in found.chunks(AT_ONCE) {
                self.look_at(some, now, &mut turn).await?;
            }
            self.next = self.next.wrapping_add(1);
            turn.ends_pass = self.next == 0;
        }
        Ok(turn)
    }

    async fn look_at(&self, some: &[BlobRef], now: Timestamp, turn: &mut Turn) -> Result<(), StoreError> {
        turn.looked_at += some.len() as u64;
        let blobs = self.store.blobs();
        let looked_at: Vec<Looked> = some
            .iter()
            .map(|blob| Looked { wanted: blobs.is_wanted(&blob.sha256), sha256: blob.sha256.clone() })
            .collect();
        // Most have a name and need no write.
        let to_write = self.store.read("look for blobs without a name", move |db| {
            let mut to_write = Vec::new();
            for one in looked_at {
                if one.verdict(db, now)? != Verdict::AsItIs {
                    to_write.push(one);
                }
            }
            Ok(to_write)
        });
        let to_write = to_write.await?;
        if to_write.is_empty() {
            return Ok(());
        }
        let given_up = self.store.write("judge blobs", move |db| judge(db, &to_write, now)).await?;
        for sha256 in given_up {
            if blobs.remove(&sha256).await? {
                let bytes = some.iter().find(|blob| blob.sha256 == sha256).map_or(0, |blob| blob.bytes);
                turn.removed += 1;
                turn.removed_bytes += bytes;
            }
        }
        Ok(())
    }
}

/// A blob, and whether somebody has put or found it lately.
struct Looked {
    sha256: Sha256,
    wanted: bool,
}

/// What becomes of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    AsItIs,
    /// It has, or may soon have, a name again.
    Spare,
    /// From now on the grace runs.
    Doom,
    GiveUp,
}

impl Looked {
    fn verdict(&self, db: &Connection, now: Timestamp) -> Result<Verdict, StoreError> {
        let since = doomed::since(db, &self.sha256)?;
        let stays = self.wanted || is_named(db, &self.sha256)?;
        Ok(match (stays, since) {
            (true, None) => Verdict::AsItIs,
            (true, Some(_)) => Verdict::Spare,
            (false, None) => Verdict::Doom,
            (false, Some(since)) if now.since(since) >= BLOB_GRACE_MS => Verdict::GiveUp,
            (false, Some(_)) => Verdict::AsItIs,
        })
    }
}

/// Writes the verdicts down, and gives those that are given up.
fn judge(db: &Connection, some: &[Looked], now: Timestamp) -> Result<Vec<Sha256>, StoreError> {
    // A site came in between whose list has not been read: nothing is known to be without a name.
    if unread_site(db)?.is_some() {
        return Ok(Vec::new());
    }
    let mut given_up = Vec::new();
    for one in some {
        match one.verdict(db, now)? {
            Verdict::AsItIs => {}
            Verdict::Spare => doomed::spare(db, &one.sha256)?,
            Verdict::Doom => doomed::doom(db, &one.sha256, now)?,
            Verdict::GiveUp => {
                doomed::spare(db, &one.sha256)?;
                forget_site(db, &one.sha256)?;
                given_up.push(one.sha256.clone());
            }
        }
    }
    Ok(given_up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob_names::note;
    use crate::store::StoreConfig;

    const HOUR: u64 = 3600 * 1000;

    #[tokio::test]
    async fn what_records_named_before_there_was_a_table_for_it_is_read_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::in_folder(folder.path())).await.unwrap();
        let blob = store.blobs().put_bytes(b"named long ago").await.unwrap();
        let body = format!(r#"{{"sha256":"{}"}}"#, blob.sha256);
        let insert = "INSERT INTO journal (task, version, kind, at, body) VALUES ($1, $2, 'x', 1, $3)";
        let written: Result<(), StoreError> = store
            .write("write records as they were", move |db| {
                for version in 1..2_500 {
                    db.execute(insert, rusqlite::params![version % 3 - 1, version, "{}"])?;
                }
                db.execute(insert, rusqlite::params![-7, 1, body])?;
                Ok(())
            })
            .await;
        written.unwrap();
        let mut collector = Collector::new(store.clone());
        let now = |hours: u64| Timestamp::from_millis(1_700_000_000_000 + hours * HOUR);
        let mut turns = 0;
        while collector.turn(now(0)).await.unwrap().looked_at == 0 {
            turns += 1;
        }
        assert!(turns > 3, "they are read in pages, and were in {turns} turns");
        for hours in 1..60 {
            collector.turn(now(hours)).await.unwrap();
        }
        assert_eq!(store.blobs().size(&blob.sha256).await.unwrap(), Some(blob.bytes));
    }

    #[tokio::test]
    async fn who_comes_between_the_verdict_and_the_end_keeps_the_blob() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::in_folder(folder.path())).await.unwrap();
        let blob = store.blobs().put_bytes(b"wanted in the last moment").await.unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let judged = async |now| {
            let looked = Looked { sha256: blob.sha256.clone(), wanted: false };
            store
                .write::<_, StoreError, _>("judge", move |db| judge(db, std::slice::from_ref(&looked), now))
                .await
                .unwrap()
        };
        assert_eq!(judged(now).await, []);
        let later = now.plus_ms(BLOB_GRACE_MS);
        assert_eq!(judged(later).await, std::slice::from_ref(&blob.sha256));
        store.blobs().age();
        store.blobs().age();
        assert!(store.blobs().holds(&blob).await.unwrap());
        assert!(!store.blobs().remove(&blob.sha256).await.unwrap());
        store.blobs().age();
        store.blobs().age();
        // Somebody has named it since.
        let body = format!(r#"{{"sha256":"{}"}}"#, blob.sha256);
        store.write::<_, StoreError, _>("note", move |db| note(db, &body)).await.unwrap();
        assert_eq!(judged(later.plus_ms(BLOB_GRACE_MS)).await, []);
        assert!(store.blobs().holds(&blob).await.unwrap());
    }
}
