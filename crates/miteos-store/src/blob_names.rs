//! Which blobs are named, and by what: records, deliverables, and the lists of the sites that are shown. It does not know
//! what is done about those that are not.

use miteos_core::content::Sha256;
use miteos_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::columns::{count, int, rows, rows_within, sha256};
use crate::error::StoreError;
use crate::store::Store;

/// Of a SHA-256 in hexadecimal.
const HASH_CHARS: usize = 64;
/// How records and lists of sites say which blob holds something; within a text the quotes would be escaped.
const NAMES_BLOB: &str = "\"sha256\":\"";
/// Older records that are read at once, and their bytes.
const RECORDS_AT_ONCE: usize = 1_000;
const RECORD_BYTES_AT_ONCE: usize = 8 * 1024 * 1024;
/// Names of a site that are written at once.
const NAMES_AT_ONCE: usize = 1_000;

const NOTE: &str = "INSERT INTO blobs_of_records (sha256) VALUES ($1) ON CONFLICT (sha256) DO NOTHING";
const READING: &str = "SELECT log, version, done FROM blobs_reading WHERE id = 1";
const RECORDS: &str = "SELECT task, version, body FROM journal WHERE (task, version) > ($1, $2)
    ORDER BY task, version LIMIT $3";
const READ_ON: &str = "UPDATE blobs_reading SET log = $1, version = $2, done = $3 WHERE id = 1";
const UNREAD: &str = "SELECT p.manifest FROM previews p WHERE p.manifest IS NOT NULL AND p.deleted_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM sites_read r WHERE r.manifest = p.manifest) LIMIT 1";
const NOTE_OF_SITE: &str = "INSERT INTO blobs_of_sites (manifest, sha256) VALUES ($1, $2)
    ON CONFLICT (manifest, sha256) DO NOTHING";
const SITE_IS_READ: &str = "INSERT INTO sites_read (manifest) VALUES ($1) ON CONFLICT (manifest) DO NOTHING";
const FORGET_SITE: &str = "DELETE FROM sites_read WHERE manifest = $1";
const FORGET_NAMES: &str = "DELETE FROM blobs_of_sites WHERE manifest = $1";
const OF_RECORDS: &str = "SELECT 1 FROM blobs_of_records WHERE sha256 = $1";
const OF_DELIVERABLES: &str = "SELECT 1 FROM deliverables WHERE sha256 = $1";
const OF_PREVIEWS: &str =
    "SELECT 1 FROM previews WHERE manifest IS NOT NULL AND deleted_at IS NULL AND manifest = $1";
const OF_SITES: &str =
    "SELECT 1 FROM blobs_of_sites s WHERE s.sha256 = $1 AND EXISTS (SELECT 1 FROM previews p
    WHERE p.manifest IS NOT NULL AND p.deleted_at IS NULL AND p.manifest = s.manifest)";
const ENDED: &str = "SELECT 1 FROM previews WHERE deleted_at IS NULL AND expires_at IS NOT NULL
    AND expires_at <= $1 LIMIT 1";
const END_LINKS: &str = "DELETE FROM preview_links WHERE deployment IN (SELECT deployment FROM previews
    WHERE deleted_at IS NULL AND expires_at IS NOT NULL AND expires_at <= $1)";
const END: &str = "UPDATE previews SET deleted_at = $1 WHERE deleted_at IS NULL AND expires_at IS NOT NULL
    AND expires_at <= $2";

/// The blobs that a record, or the list of a site, names. A name that stands there by chance does no harm.
pub(crate) fn named_in(text: &str) -> impl Iterator<Item = Sha256> {
    let behind = text.split(NAMES_BLOB).skip(1);
    behind.filter_map(|rest| rest.get(..HASH_CHARS)).filter_map(Sha256::parse)
}

/// Remembers what a record names, in the transaction that writes the record.
pub(crate) fn note(db: &Connection, record: &str) -> Result<(), StoreError> {
    for named in named_in(record) {
        db.prepare_cached(NOTE)?.execute([named.as_str()])?;
    }
    Ok(())
}

/// Whether anything names the blob. Only to be believed when all has been read; see [`unread_site`].
pub(crate) fn is_named(db: &Connection, blob: &Sha256) -> Result<bool, StoreError> {
    for sql in [OF_RECORDS, OF_DELIVERABLES, OF_PREVIEWS, OF_SITES] {
        if db.prepare_cached(sql)?.exists([blob.as_str()])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A site that is shown and whose list has not been read.
pub(crate) fn unread_site(db: &Connection) -> Result<Option<Sha256>, StoreError> {
    Ok(db.prepare_cached(UNREAD)?.query_row([], |row| sha256(row, 0)).optional()?)
}

/// The blob may have been the list of a site. If the same site is shown again, its list is read again.
pub(crate) fn forget_site(db: &Connection, manifest: &Sha256) -> Result<(), StoreError> {
    db.prepare_cached(FORGET_SITE)?.execute([manifest.as_str()])?;
    db.prepare_cached(FORGET_NAMES)?.execute([manifest.as_str()])?;
    Ok(())
}

impl Store {
    /// Reads some of the records that are older than the table of what records name. False: all have been read.
    pub(crate) async fn read_older_records(&self) -> Result<bool, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        };
        let found = self.read("read older records", move |db| {
            let (log, version, done): (i64, i64, bool) = db
                .prepare_cached(READING)?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            if done {
                return Ok(None);
            }
            let asked = params![log, version, int(RECORDS_AT_ONCE as u64)];
            let found =
                rows_within(db, RECORDS, asked, RECORD_BYTES_AT_ONCE, read, |(_, _, body)| body.len())?;
            Ok(Some((log, version, found)))
        });
        let Some((log, version, found)) = found.await? else { return Ok(false) };
        let (log, version) = found.last().map_or((log, version), |(log, version, _)| (*log, *version));
        let done = found.is_empty();
        self.write("note what older records name", move |db| {
            for (_, _, body) in &found {
                note(db, body)?;
            }
            db.prepare_cached(READ_ON)?.execute(params![log, version, done])?;
            Ok(())
        })
        .await
        .map(|()| true)
    }

    /// Reads the list of a site, if there is one that has not been read. False: all have been.
    pub(crate) async fn read_a_site(&self) -> Result<bool, StoreError> {
        let Some(manifest) = self.read("look for a site", unread_site).await? else { return Ok(false) };
        // Without its list nobody can see a site, so what it alone named is of no use. It holds up nobody else.
        let list = match self.blobs().get(&manifest).await {
            Ok(list) => list.and_then(|list| String::from_utf8(list).ok()),
            Err(StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        if list.is_none() {
            tracing::error!(%manifest, "the list of files of a preview is missing or damaged, so it cannot be shown");
        }
        let named: Vec<Sha256> = named_in(&list.unwrap_or_default()).collect();
        for some in named.chunks(NAMES_AT_ONCE) {
            let (some, manifest) = (some.to_vec(), manifest.clone());
            self.write("note what a site names", move |db| {
                for blob in &some {
                    db.prepare_cached(NOTE_OF_SITE)?.execute([manifest.as_str(), blob.as_str()])?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        }
        self.write("note that a site is read", move |db| {
            db.prepare_cached(SITE_IS_READ)?.execute([manifest.as_str()])?;
            Ok(true)
        })
        .await
    }

    /// Takes previews away whose end was by then. They are not shown any more in any case.
    pub(crate) async fn end_previews(&self, ended: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let (ended, now) = (int(ended.millis()), int(now.millis()));
        let any =
            self.read("look for ended previews", move |db| Ok(db.prepare_cached(ENDED)?.exists([ended])?));
        if !any.await? {
            return Ok(());
        }
        self.write("take away ended previews", move |db| {
            db.prepare_cached(END_LINKS)?.execute([ended])?;
            db.prepare_cached(END)?.execute([now, ended])?;
            Ok(())
        })
        .await
    }
}

/// Every blob that a copied database names, so far as it says so itself: the lists of sites have to be read for the rest.
pub(crate) fn all_named(db: &Connection, schema: i64) -> Result<Named, StoreError> {
    const OF_DELIVERABLES: &str = "SELECT DISTINCT sha256 FROM deliverables";
    const OF_RECORDS: &str = "SELECT body FROM journal WHERE body LIKE '%\"sha256\":\"%'";
    const OF_PREVIEWS: &str =
        "SELECT DISTINCT manifest FROM previews WHERE manifest IS NOT NULL AND deleted_at IS NULL";
    /// The first schema with previews.
    const PREVIEWS: i64 = 6;
    let mut named = Named { blobs: rows(db, OF_DELIVERABLES, [], |row| sha256(row, 0))?, sites: Vec::new() };
    let mut of_records = db.prepare(OF_RECORDS)?;
    let mut found = of_records.query([])?;
    while let Some(row) = found.next()? {
        named.blobs.extend(named_in(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?));
    }
    if schema >= PREVIEWS {
        named.sites = rows(db, OF_PREVIEWS, [], |row| sha256(row, 0))?;
    }
    Ok(named)
}

/// What a database names.
pub(crate) struct Named {
    /// Of records and deliverables.
    pub(crate) blobs: Vec<Sha256>,
    /// Lists of the sites that are shown.
    pub(crate) sites: Vec<Sha256>,
}

/// Blobs that nothing named when they were looked at, and since when.
pub(crate) mod doomed {
    use super::*;

    const SINCE: &str = "SELECT since FROM blobs_doomed WHERE sha256 = $1";
    const DOOM: &str =
        "INSERT INTO blobs_doomed (sha256, since) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING";
    const SPARE: &str = "DELETE FROM blobs_doomed WHERE sha256 = $1";

    pub(crate) fn since(db: &Connection, blob: &Sha256) -> Result<Option<Timestamp>, StoreError> {
        let found = db.prepare_cached(SINCE)?.query_row([blob.as_str()], |row| count(row, 0)).optional()?;
        Ok(found.map(Timestamp::from_millis))
    }

    pub(crate) fn doom(db: &Connection, blob: &Sha256, since: Timestamp) -> Result<(), StoreError> {
        db.prepare_cached(DOOM)?.execute(params![blob.as_str(), int(since.millis())])?;
        Ok(())
    }

    pub(crate) fn spare(db: &Connection, blob: &Sha256) -> Result<(), StoreError> {
        db.prepare_cached(SPARE)?.execute([blob.as_str()])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use miteos_core::ids::{AccountId, DeploymentId};
    use ulid::Ulid;

    use super::*;
    use crate::plans::assert_planned;
    use crate::previews::{PreviewRow, Visibility};
    use crate::store::StoreConfig;

    #[test]
    fn an_index_answers_each() {
        let queries = [
            (RECORDS, 3, "SEARCH journal USING INDEX journal_place"),
            (UNREAD, 0, "USING INDEX previews_manifest"),
            (OF_RECORDS, 1, "SEARCH blobs_of_records"),
            (OF_DELIVERABLES, 1, "INDEX deliverables_blob"),
            (OF_PREVIEWS, 1, "INDEX previews_manifest"),
            (OF_SITES, 1, "INDEX blobs_of_sites_blob"),
            (ENDED, 1, "INDEX previews_ends"),
            (END, 2, "INDEX previews_ends"),
            (END_LINKS, 1, "INDEX previews_ends"),
            (FORGET_NAMES, 1, "SEARCH blobs_of_sites"),
        ];
        assert_planned(&queries, &["TEMP B-TREE"]);
    }

    #[test]
    fn names_are_found_and_what_only_looks_like_one_is_not() {
        let [one, two] = [Sha256::of(b"1"), Sha256::of(b"2")];
        let text = format!(
            r#"{{"output":{{"sha256":"{one}","bytes":1}},"input_sha256":"{one}","x":"\"sha256\":\"{two}","sha256":"short"}}"#
        );
        assert_eq!(named_in(&text).collect::<Vec<_>>(), [one]);
        assert_eq!(named_in("{}").count(), 0);
    }

    #[tokio::test]
    async fn a_preview_that_ended_just_now_stays_when_an_older_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::in_folder(folder.path())).await.unwrap();
        let (at, ulid) = (Timestamp::from_millis, |n: u64| Ulid::from_parts(1, u128::from(n)));
        for (n, end) in [(1, 1_000), (2, 5_000)] {
            let row = PreviewRow {
                deployment: DeploymentId(ulid(n)),
                label: n.to_string(),
                account: AccountId(ulid(9)),
                live: true,
                site: None,
                visibility: Visibility::Public,
                single_page: false,
                link_version: 1,
                created_at: at(1),
                expires_at: Some(at(end)),
                deleted_at: None,
            };
            store.publish_preview(row).await.unwrap();
        }
        store.end_previews(at(2_000), at(9_000)).await.unwrap();
        let deleted = async |n| store.preview(DeploymentId(ulid(n))).await.unwrap().unwrap().deleted_at;
        assert_eq!((deleted(1).await, deleted(2).await), (Some(at(9_000)), None));
    }
}
