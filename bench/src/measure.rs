//! What is measured, a file each. Every measurement starts its own servers in folders of its own, and ends by itself.

pub mod api;
pub mod cancel;
pub mod disconnects;
pub mod endurance;
pub mod feed;
pub mod in_flight;
pub mod load;
pub mod preview;
pub mod recovery;
pub mod reference;
pub mod requests;
pub mod startup;
pub mod throughput;
pub mod transfer;
pub mod waiting;

use std::path::Path;

use tempfile::TempDir;

use crate::Failure;

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Full,
    /// Less than a minute for everything.
    Quick,
}

impl Size {
    /// One of two numbers.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// What measurements are made with.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    pub size: Size,
    /// Where data folders are made.
    pub folder: &'a Path,
    /// The released program, if it is built.
    pub released: Option<&'a Path>,
}

impl Setting<'_> {
    /// A new data folder, removed when it is dropped.
    pub fn data_folder(&self) -> Result<TempDir, Failure> {
        Ok(tempfile::Builder::new().prefix("miteos-bench-").tempdir_in(self.folder)?)
    }
}
