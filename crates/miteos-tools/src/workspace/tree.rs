//! Everything in a folder as it lies there, for a copy of the whole: the private part, links and all. Reached through
//! handles, so that code which changes the folder meanwhile leads nowhere else. Writes nothing.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::read;

/// A folder that is read.
pub struct Tree(Dir);

/// What stands under a name.
pub enum Found {
    Folder(Tree),
    File(File),
    /// A link, with what it leads to; it is not followed.
    Link(PathBuf),
    /// A socket, a pipe or the like.
    Other,
    /// Nothing any more.
    Gone,
    /// Something that this process may not read.
    Closed,
}

impl Tree {
    /// `None` if there is no such folder.
    pub fn open(folder: &Path) -> io::Result<Option<Self>> {
        match Dir::open_ambient_dir(folder, ambient_authority()) {
            Ok(dir) => Ok(Some(Self(dir))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is in it, sorted.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let names: io::Result<Vec<_>> =
            self.0.entries()?.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut names = names?;
        names.sort();
        Ok(names)
    }

    pub fn look(&self, name: &OsStr) -> io::Result<Found> {
        let looked = self.0.symlink_metadata(name).and_then(|meta| {
            let kind = meta.file_type();
            if kind.is_symlink() {
                self.0.read_link_contents(name).map(Found::Link)
            } else if kind.is_dir() {
                self.0.open_dir(name).map(|dir| Found::Folder(Self(dir)))
            } else if kind.is_file() {
                self.0.open_with(name, &read::reading()).map(|file| Found::File(file.into_std()))
            } else {
                Ok(Found::Other)
            }
        });
        match looked {
            // What was a file at the first look may be a pipe at the second.
            Ok(Found::File(file)) if !file.metadata()?.is_file() => Ok(Found::Other),
            Ok(found) => Ok(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Gone),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Found::Closed),
            Err(error) => Err(error),
        }
    }
}
