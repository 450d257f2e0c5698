//! Links that open previews: which ones were made and work. What stands in a link, and who signs it, is not known here.

use miteos_core::ids::{AccountId, DeploymentId, ShareId};
use miteos_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::columns::{count, id, int, page, rows, time};
use crate::error::StoreError;
use crate::idempotency::{self, IdempotencyRow};
use crate::store::Store;

/// The most links to previews of one account in one world that work at the same time.
pub const MAX_PREVIEW_LINKS: u64 = 1_000;

/// One link; never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewLinkRow {
    pub id: ShareId,
    pub deployment: DeploymentId,
    pub account: AccountId,
    pub live: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

const LIST: &str = "SELECT id, deployment, account, live, created_at, expires_at FROM preview_links
    WHERE deployment = $1 AND expires_at > $2 ORDER BY id DESC LIMIT $3 OFFSET $4";
const COUNT: &str = "SELECT COUNT(*) FROM preview_links WHERE deployment = $1 AND expires_at > $2";
const COUNT_ALL: &str = "SELECT COUNT(*) FROM preview_links WHERE account = $1 AND live = $2";
const WORKS: &str = "SELECT 1 FROM preview_links WHERE id = $1";
const SIGNABLE: &str =
    "SELECT 1 FROM previews WHERE deployment = $1 AND link_version = $2 AND deleted_at IS NULL";
const INSERT: &str = "INSERT INTO preview_links (id, deployment, account, live, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM preview_links WHERE id = $1 AND deployment = $2";
const DELETE_ALL: &str = "DELETE FROM preview_links WHERE deployment = $1";
const FORGET: &str = "DELETE FROM preview_links WHERE account = $1 AND live = $2 AND expires_at <= $3";

impl Store {
    /// Inserts a link that is signed for this version of its preview's links, and forgets those of the account that have
    /// expired.
    ///
    /// Fails with [`StoreError::Missing`] if the preview is gone or the version is another one by now, with
    /// [`StoreError::TooLarge`] over [`MAX_PREVIEW_LINKS`], and with [`StoreError::Repeated`] if the answer to store is
    /// there already.
    pub async fn insert_preview_link(
        &self,
        row: PreviewLinkRow,
        version: u64,
        answer: Option<IdempotencyRow>,
    ) -> Result<(), StoreError> {
        self.write("insert a link to a preview", move |db| {
            if let Some(answer) = &answer {
                idempotency::insert(db, answer)?;
            }
            insert(db, &row, version)
        })
        .await
    }

    /// Those of a preview that work, newest first, and how many there are in all.
    pub async fn preview_links(
        &self,
        deployment: DeploymentId,
        now: Timestamp,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<PreviewLinkRow>, u64), StoreError> {
        self.read("list links to a preview", move |db| {
            let asked = params![deployment.to_string(), int(now.millis()), page(limit), int(offset as u64)];
            Ok((rows(db, LIST, asked, from_row)?, count_of(db, deployment, now)?))
        })
        .await
    }

    /// Whether a link is there, expired or not.
    pub async fn has_preview_link(&self, link: ShareId) -> Result<bool, StoreError> {
        self.read("look for a link to a preview", move |db| {
            Ok(db.prepare_cached(WORKS)?.exists([link.to_string()])?)
        })
        .await
    }

    /// False if the preview has no such link.
    pub async fn delete_preview_link(
        &self,
        deployment: DeploymentId,
        link: ShareId,
    ) -> Result<bool, StoreError> {
        self.write("delete a link to a preview", move |db| {
            let asked = params![link.to_string(), deployment.to_string()];
            Ok(db.prepare_cached(DELETE)?.execute(asked)? == 1)
        })
        .await
    }
}

/// How many links of a preview work.
pub(crate) fn count_of(db: &Connection, deployment: DeploymentId, now: Timestamp) -> Result<u64, StoreError> {
    let asked = params![deployment.to_string(), int(now.millis())];
    Ok(db.prepare_cached(COUNT)?.query_row(asked, |row| count(row, 0))?)
}

/// Forgets the links of a preview, in the transaction that makes them worthless.
pub(crate) fn delete_of(db: &Connection, deployment: DeploymentId) -> Result<(), StoreError> {
    db.prepare_cached(DELETE_ALL)?.execute([deployment.to_string()])?;
    Ok(())
}

fn insert(db: &Connection, row: &PreviewLinkRow, version: u64) -> Result<(), StoreError> {
    let (account, deployment) = (row.account.to_string(), row.deployment.to_string());
    if !db.prepare_cached(SIGNABLE)?.exists(params![deployment, int(version)])? {
        return Err(StoreError::Missing { what: "the preview of", name: deployment });
    }
    db.prepare_cached(FORGET)?.execute(params![account, row.live, int(row.created_at.millis())])?;
    let others = db.prepare_cached(COUNT_ALL)?.query_row(params![account, row.live], |row| count(row, 0))?;
    if others >= MAX_PREVIEW_LINKS {
        let (what, limit) = ("the account's number of links to previews", MAX_PREVIEW_LINKS);
        return Err(StoreError::TooLarge { what, actual: others + 1, limit });
    }
    let inserted = db.prepare_cached(INSERT)?.execute(params![
        row.id.to_string(),
        deployment,
        account,
        row.live,
        int(row.created_at.millis()),
        int(row.expires_at.millis()),
    ])?;
    if inserted == 0 {
        return Err(StoreError::Exists { what: "the link", name: row.id.to_string() });
    }
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<PreviewLinkRow> {
    Ok(PreviewLinkRow {
        id: id(row, 0)?,
        deployment: id(row, 1)?,
        account: id(row, 2)?,
        live: row.get(3)?,
        created_at: time(row, 4)?,
        expires_at: time(row, 5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_planned;

    #[test]
    fn an_index_answers_each() {
        let queries = [
            (LIST, 4, "SEARCH preview_links USING INDEX preview_links_preview (deployment=?)"),
            (COUNT, 2, "INDEX preview_links_preview (deployment=?)"),
            (COUNT_ALL, 2, "INDEX preview_links_scope (account=? AND live=?)"),
            (WORKS, 1, "SEARCH preview_links USING"),
            (DELETE_ALL, 1, "INDEX preview_links_preview (deployment=?)"),
            (FORGET, 3, "INDEX preview_links_scope (account=? AND live=? AND expires_at<?)"),
        ];
        assert_planned(&queries, &["TEMP B-TREE"]);
    }
}
