//! Previews: which site the preview host shows under which label, to whom and until when. The files are blobs, and a
//! manifest, a blob too, says which; this module does not read it.

use miteos_core::content::Sha256;
use miteos_core::ids::{AccountId, DeploymentId};
use miteos_core::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::columns::{count, damaged, id, int, opt_time, page, rows, sha256, time, time_or_null};
use crate::error::StoreError;
use crate::store::Store;
use crate::{Scope, preview_links};

/// Who may look at a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Whoever knows its address, which nobody can guess.
    Public,
    /// Who was given a link that was signed for it.
    Link,
}

impl Visibility {
    fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Link => "link",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Public, Self::Link].into_iter().find(|known| known.word() == word)
    }
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewSite {
    pub manifest: Sha256,
    pub files: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRow {
    pub deployment: DeploymentId,
    /// The first part of its host name, unique for ever.
    pub label: String,
    pub account: AccountId,
    pub live: bool,
    /// `None`: nothing was published, because it belongs to a test.
    pub site: Option<PreviewSite>,
    pub visibility: Visibility,
    /// Whether an address that names no file shows the first page.
    pub single_page: bool,
    /// Links that were signed for an earlier one open nothing.
    pub link_version: u64,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
}

impl PreviewRow {
    /// Whether it is shown at all.
    pub fn is_there(&self, now: Timestamp) -> bool {
        self.deleted_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

/// A preview as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPreview {
    pub row: PreviewRow,
    /// Links that were made and work.
    pub links: u64,
}

/// What shall be different; `None` leaves it alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PreviewChange {
    pub visibility: Option<Visibility>,
    pub single_page: Option<bool>,
    /// `Some(None)`: it does not end by itself.
    pub expires_at: Option<Option<Timestamp>>,
    /// No link that was signed before opens anything any more.
    pub revoke_links: bool,
}

macro_rules! preview_rows {
    ($rest:literal) => {
        concat!(
            "SELECT deployment, label, account, live, manifest, files, bytes, visibility, single_page, ",
            "link_version, created_at, expires_at, deleted_at FROM previews ",
            $rest
        )
    };
}

const GET: &str = preview_rows!("WHERE deployment = $1");
const OF_LABEL: &str = preview_rows!("WHERE label = $1");
// Published again, a preview keeps its label and whatever was decided about it.
const PUBLISH: &str = "INSERT INTO previews (deployment, label, account, live, manifest, files, bytes, visibility,
    single_page, link_version, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (deployment) DO UPDATE SET manifest = excluded.manifest, files = excluded.files,
    bytes = excluded.bytes WHERE previews.deleted_at IS NULL";
const CHANGE: &str =
    "UPDATE previews SET visibility = $1, single_page = $2, link_version = $3, expires_at = $4
    WHERE deployment = $5 AND deleted_at IS NULL";
const REVOKE_ALL: &str = "UPDATE previews SET link_version = link_version + 1";
const END_SHARES: &str = "DELETE FROM shares";
const END_LINKS: &str = "DELETE FROM preview_links";
const LIST: &str = preview_rows!(
    "WHERE account = $1 AND live = $2 AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
    ORDER BY deployment DESC LIMIT $4 OFFSET $5"
);
const COUNT: &str = "SELECT COUNT(*) FROM previews WHERE account = $1 AND live = $2 AND deleted_at IS NULL
    AND (expires_at IS NULL OR expires_at > $3)";
// Equal sites are stored once. One whose end is past counts as long as it can be prolonged.
const BYTES: &str =
    "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM (SELECT MAX(bytes) AS bytes FROM previews
    WHERE account = $1 AND live = $2 AND deleted_at IS NULL AND manifest IS NOT NULL AND deployment <> $3
    AND manifest <> $4 GROUP BY manifest)";
const DELETE: &str = "UPDATE previews SET deleted_at = $1 WHERE deployment = $2 AND deleted_at IS NULL";

impl Store {
    /// Makes a preview, or gives one that is there another site. Returns it as it is now: one that was deleted stays
    /// deleted.
    pub async fn publish_preview(&self, row: PreviewRow) -> Result<PreviewRow, StoreError> {
        self.write_append("publish a preview", move |db| {
            let site = row.site.as_ref();
            db.prepare_cached(PUBLISH)?.execute(params![
                row.deployment.to_string(),
                row.label,
                row.account.to_string(),
                row.live,
                site.map(|site| site.manifest.as_str()),
                site.map_or(0, |site| int(site.files)),
                site.map_or(0, |site| int(site.bytes)),
                row.visibility.word(),
                row.single_page,
                int(row.link_version),
                int(row.created_at.millis()),
                opt_time(row.expires_at),
            ])?;
            let missing = || StoreError::Missing { what: "the preview of", name: row.deployment.to_string() };
            get(db, row.deployment)?.ok_or_else(missing)
        })
        .await
    }

    /// Also one that has expired or was deleted; see [`PreviewRow::is_there`].
    pub async fn preview(&self, deployment: DeploymentId) -> Result<Option<PreviewRow>, StoreError> {
        self.read("read a preview", move |db| get(db, deployment)).await
    }

    /// As [`Self::preview`], by the label of its host name.
    pub async fn preview_of_label(&self, label: String) -> Result<Option<PreviewRow>, StoreError> {
        self.read("find a preview", move |db| {
            Ok(db.prepare_cached(OF_LABEL)?.query_row([label], from_row).optional()?)
        })
        .await
    }

    /// The previews of an account in one world that are shown, newest first, and how many there are in all.
    pub async fn previews(
        &self,
        scope: Scope,
        now: Timestamp,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<ShownPreview>, u64), StoreError> {
        self.read("list previews", move |db| {
            let (account, at) = (scope.account.to_string(), int(now.millis()));
            let asked = params![account, scope.live, at, page(limit), int(offset as u64)];
            let with_links = |row: PreviewRow| {
                let links = preview_links::count_of(db, row.deployment, now)?;
                Ok(ShownPreview { row, links })
            };
            let found = rows(db, LIST, asked, from_row)?.into_iter().map(with_links);
            let found = found.collect::<Result<_, StoreError>>()?;
            let total =
                db.prepare_cached(COUNT)?.query_row(params![account, scope.live, at], |row| count(row, 0));
            Ok((found, total?))
        })
        .await
    }

    /// As [`Self::preview`], of several at once; those that have none are left out.
    pub async fn previews_of(&self, deployments: Vec<DeploymentId>) -> Result<Vec<PreviewRow>, StoreError> {
        self.read("read previews", move |db| {
            let found = deployments.into_iter().map(|id| get(db, id));
            Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        })
        .await
    }

    /// What the sites of an account in one world take up (bytes), each once, without this deployment's own and without
    /// those that are equal to this manifest.
    pub async fn preview_bytes(
        &self,
        scope: Scope,
        but: Option<DeploymentId>,
        manifest: Option<Sha256>,
    ) -> Result<u64, StoreError> {
        self.read("add up the previews", move |db| {
            let but = but.map(|id| id.to_string()).unwrap_or_default();
            let equal = manifest.as_ref().map_or("", Sha256::as_str);
            let asked = params![scope.account.to_string(), scope.live, but, equal];
            Ok(db.prepare_cached(BYTES)?.query_row(asked, |row| count(row, 0))?)
        })
        .await
    }

    /// How many links to a preview work.
    pub async fn count_preview_links(
        &self,
        deployment: DeploymentId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.read("count links to a preview", move |db| preview_links::count_of(db, deployment, now)).await
    }

    /// Changes a preview; `None` if there is no such, or none any more.
    pub async fn change_preview(
        &self,
        deployment: DeploymentId,
        change: PreviewChange,
    ) -> Result<Option<PreviewRow>, StoreError> {
        self.write("change a preview", move |db| {
            let Some(mut row) = get(db, deployment)?.filter(|row| row.deleted_at.is_none()) else {
                return Ok(None);
            };
            row.visibility = change.visibility.unwrap_or(row.visibility);
            row.single_page = change.single_page.unwrap_or(row.single_page);
            row.expires_at = change.expires_at.unwrap_or(row.expires_at);
            row.link_version += u64::from(change.revoke_links);
            db.prepare_cached(CHANGE)?.execute(params![
                row.visibility.word(),
                row.single_page,
                int(row.link_version),
                opt_time(row.expires_at),
                deployment.to_string(),
            ])?;
            if change.revoke_links {
                preview_links::delete_of(db, deployment)?;
            }
            Ok(Some(row))
        })
        .await
    }

    /// Makes every link to a preview or a deliverable that was ever given out worthless: after a restore nobody knows
    /// which of them were revoked.
    pub async fn close_doors(&self) -> Result<(), StoreError> {
        self.write("revoke all links", |db| {
            db.prepare_cached(REVOKE_ALL)?.execute([])?;
            db.prepare_cached(END_SHARES)?.execute([])?;
            db.prepare_cached(END_LINKS)?.execute([])?;
            Ok(())
        })
        .await
    }

    /// Takes a preview away for good. False if there was none any more. Its blobs are collected later, if nothing else
    /// names them.
    pub async fn delete_preview(&self, deployment: DeploymentId, at: Timestamp) -> Result<bool, StoreError> {
        self.write_append("delete a preview", move |db| {
            let asked = params![int(at.millis()), deployment.to_string()];
            preview_links::delete_of(db, deployment)?;
            Ok(db.prepare_cached(DELETE)?.execute(asked)? == 1)
        })
        .await
    }
}

fn get(db: &Connection, deployment: DeploymentId) -> Result<Option<PreviewRow>, StoreError> {
    Ok(db.prepare_cached(GET)?.query_row([deployment.to_string()], from_row).optional()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<PreviewRow> {
    let site = match row.get_ref(4)?.as_str_or_null()? {
        Some(_) => {
            Some(PreviewSite { manifest: sha256(row, 4)?, files: count(row, 5)?, bytes: count(row, 6)? })
        }
        None => None,
    };
    let visibility = Visibility::parse(row.get_ref(7)?.as_str()?).ok_or_else(|| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "this is no visibility");
        damaged(7, Type::Text, source)
    })?;
    Ok(PreviewRow {
        deployment: id(row, 0)?,
        label: row.get(1)?,
        account: id(row, 2)?,
        live: row.get(3)?,
        site,
        visibility,
        single_page: row.get(8)?,
        link_version: count(row, 9)?,
        created_at: time(row, 10)?,
        expires_at: time_or_null(row, 11)?,
        deleted_at: time_or_null(row, 12)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_planned;

    #[test]
    fn an_index_answers_each() {
        let queries = [
            (OF_LABEL, 1, "USING INDEX previews_label"),
            (LIST, 5, "SEARCH previews USING INDEX previews_scope (account=? AND live=?)"),
            (COUNT, 3, "SEARCH previews USING INDEX previews_scope (account=? AND live=?)"),
            (BYTES, 4, "SEARCH previews USING INDEX previews_scope (account=? AND live=?"),
        ];
        assert_planned(&queries, &["SCAN previews"]);
    }
}
