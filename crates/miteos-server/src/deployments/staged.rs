//! A deliverable in the place of a workspace: a page, or an archive that holds a site.

use std::fs::File;
use std::path::Path;

use futures::TryStreamExt;
use miteos_core::deployment::{Failure, FailureCode, FailureStep};
use miteos_deploy::site::{INDEX, Index};
use miteos_store::{DeliverableRow, Store};
use miteos_tools::Workspace;
use miteos_tools::workspace::Name;
use tokio_util::io::StreamReader;
use tokio_util::sync::CancellationToken;

use super::builder::{BuildError, BuiltFolder, Place};
use crate::archive::{self, ArchiveError, Kind, MAX_ARCHIVE_BYTES};
use crate::errors::chain;

/// Where it lies below the scratch folder, packed and unpacked.
const PACKED: &str = "packed";
const SITE: &str = "site";
/// The biggest page (bytes).
const MAX_PAGE_BYTES: u64 = 64 * 1024 * 1024;

/// What a deliverable is to this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Page,
    Archive(Kind),
}

fn form(row: &DeliverableRow) -> Option<Form> {
    if let Some(kind) = Kind::of(&row.name) {
        return Some(Form::Archive(kind));
    }
    let name = row.name.to_ascii_lowercase();
    let is_page =
        name.ends_with(".html") || name.ends_with(".htm") || row.media_type.starts_with("text/html");
    is_page.then_some(Form::Page)
}

/// Whether a deliverable can be shown as a site.
///
/// # Errors
/// A text saying why not, and what would be right.
pub fn check(row: &DeliverableRow) -> Result<(), String> {
    let limit = match form(row) {
        None => {
            return Err(format!(
                "{} is neither an HTML file nor a .zip or .tar.gz archive with a site in it",
                row.name
            ));
        }
        Some(Form::Page) => MAX_PAGE_BYTES,
        Some(Form::Archive(_)) => MAX_ARCHIVE_BYTES,
    };
    if row.size_bytes > limit {
        return Err(format!("{} has {} bytes; at most {limit} can be staged", row.name, row.size_bytes));
    }
    Ok(())
}

/// Puts the site into the scratch folder, which is there and empty.
pub async fn unpack(
    store: &Store,
    row: &DeliverableRow,
    scratch: &Path,
    cancel: &CancellationToken,
) -> Result<BuiltFolder, BuildError> {
    check(row).map_err(|why| failed(FailureCode::OutputRefused, why))?;
    let kind = match form(row) {
        Some(Form::Archive(kind)) => kind,
        Some(Form::Page) | None => {
            let page = name(&format!("{SITE}/{INDEX}"))?;
            copy(store, row, scratch, &page, cancel).await?;
            return Ok(built(name(SITE)?));
        }
    };
    copy(store, row, scratch, &name(PACKED)?, cancel).await?;
    let (scratch, cancel) = (scratch.to_owned(), cancel.clone());
    let unpacked = tokio::task::spawn_blocking(move || open_up(kind, &scratch, &cancel)).await;
    unpacked.unwrap_or_else(|panic| {
        tracing::error!(%panic, "unpacking an archive panicked");
        Err(failed(FailureCode::Interrupted, "the server failed inside; its log has the reason".to_owned()))
    })
}

/// From the blob to a file.
async fn copy(
    store: &Store,
    row: &DeliverableRow,
    scratch: &Path,
    to: &Name,
    cancel: &CancellationToken,
) -> Result<(), BuildError> {
    let lost = |error: &dyn std::error::Error| {
        tracing::error!(deliverable = %row.id, error = %chain(error), "a deliverable could not be copied");
        failed(
            FailureCode::Interrupted,
            "the file could not be read here; the log of the server has the reason".to_owned(),
        )
    };
    let stream = store.blobs().stream(&row.sha256, None).await.map_err(|error| lost(&error))?;
    let Some(stream) = stream else { return Err(lost(&std::io::Error::other("its blob is missing"))) };
    let reader = StreamReader::new(stream.chunks.map_err(std::io::Error::other));
    let folder = Workspace::on_demand(scratch.to_owned());
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(BuildError::Cancelled),
        copied = folder.copy_in(to, reader, row.size_bytes) => copied.map(drop).map_err(|error| lost(&error)),
    }
}

/// Unpacks the archive, and says where in it the site is. Blocks.
fn open_up(kind: Kind, scratch: &Path, cancel: &CancellationToken) -> Result<BuiltFolder, BuildError> {
    let (packed, site) = (scratch.join(PACKED), scratch.join(SITE));
    let here = |error| refused(ArchiveError::Io(error));
    std::fs::create_dir(&site).map_err(here)?;
    let archive = File::open(&packed).map_err(here)?;
    archive::unpack(kind, &archive, &site, cancel).map_err(refused)?;
    std::fs::remove_file(&packed).map_err(here)?;
    // Whoever packs a folder often packs the folder itself.
    let mut found = std::fs::read_dir(&site).map_err(here)?.flatten();
    if let (Some(only), None) = (found.next(), found.next())
        && only.path().join(INDEX).is_file()
        && let Some(folder) = only.file_name().to_str()
    {
        return Ok(built(name(&format!("{SITE}/{folder}"))?));
    }
    Ok(built(name(SITE)?))
}

fn refused(error: ArchiveError) -> BuildError {
    let code = match &error {
        ArchiveError::Canceled => return BuildError::Cancelled,
        ArchiveError::TooLarge { .. } | ArchiveError::TooMany | ArchiveError::TooMuch { .. } => {
            FailureCode::OutputTooLarge
        }
        ArchiveError::Broken(_) | ArchiveError::BadEntry { .. } => FailureCode::OutputRefused,
        ArchiveError::Io(_) => {
            tracing::error!(error = %chain(&error), "an archive could not be unpacked");
            FailureCode::Interrupted
        }
    };
    failed(code, error.to_string())
}

fn built(folder: Name) -> BuiltFolder {
    BuiltFolder { place: Place::Scratch(folder), index: Index::Required }
}

fn failed(code: FailureCode, message: String) -> BuildError {
    BuildError::Failed(Failure::new(code, FailureStep::Prepare, message))
}

fn name(text: &str) -> Result<Name, BuildError> {
    Name::parse(text).map_err(|error| failed(FailureCode::OutputRefused, error.to_string()))
}
