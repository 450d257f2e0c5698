//! How many files workspaces have, remembered from one request to the next as far as it still holds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use miteos_core::ids::WorkspaceId;
use miteos_core::time::Timestamp;
use miteos_tools::workspace::Counted;
use miteos_tools::{Workspace, WorkspaceError};

/// Folders that are remembered, of all workspaces together (about a hundred bytes each); one more and all are
/// forgotten.
const MAX_FOLDERS: usize = 50_000;

#[derive(Clone, Default)]
pub struct FileCounts {
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    counts: HashMap<WorkspaceId, Arc<Counted>>,
    folders: usize,
}

impl FileCounts {
    /// The number of files below the workspace's folder. Blocks. `now` is the machine's own time.
    pub fn of(&self, id: WorkspaceId, root: PathBuf, now: Timestamp) -> Result<u64, WorkspaceError> {
        // A workspace that nobody has used yet has no folder.
        if !root.is_dir() {
            return Ok(0);
        }
        let known = self.with(|known| known.counts.get(&id).cloned());
        let counted = Workspace::open(root)?.count(known.as_deref(), now)?;
        let files = counted.files;
        if known.as_deref() != Some(&counted) {
            self.with(|known| known.put(id, counted));
        }
        Ok(files)
    }

    /// The workspace is gone.
    pub fn forget(&self, id: WorkspaceId) {
        self.with(|known| known.remove(id));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    fn put(&mut self, id: WorkspaceId, counted: Counted) {
        self.remove(id);
        // A count that cannot be used again is not worth its room.
        if counted.folders() == 0 {
            return;
        }
        if self.folders + counted.folders() > MAX_FOLDERS {
            *self = Self::default();
        }
        self.folders += counted.folders();
        self.counts.insert(id, Arc::new(counted));
    }

    fn remove(&mut self, id: WorkspaceId) {
        if let Some(old) = self.counts.remove(&id) {
            self.folders -= old.folders();
        }
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    #[test]
    fn memory_is_bounded_and_counts_are_right_without_it() {
        let temp = tempfile::tempdir().unwrap();
        let counts = FileCounts::default();
        let later = Timestamp::from_millis(u64::MAX);
        let id = |n: u128| WorkspaceId(Ulid::from_parts(1, n));
        for n in 0..4 {
            let root = temp.path().join(n.to_string());
            for folder in 0..10 {
                std::fs::create_dir_all(root.join(folder.to_string())).unwrap();
            }
            std::fs::write(root.join("f"), "x").unwrap();
            assert_eq!(counts.of(id(n), root.clone(), later).unwrap(), 1);
            std::fs::write(root.join("9/g"), "x").unwrap();
            assert_eq!(counts.of(id(n), root, later).unwrap(), 2);
        }
        assert_eq!(counts.with(|known| (known.counts.len(), known.folders)), (4, 44));
        counts.with(|known| known.folders = MAX_FOLDERS);
        assert_eq!(counts.of(id(9), temp.path().join("0"), later).unwrap(), 2);
        assert_eq!(counts.with(|known| (known.counts.len(), known.folders)), (1, 11));
        counts.forget(id(9));
        assert_eq!(counts.with(|known| (known.counts.len(), known.folders)), (0, 0));
        assert_eq!(counts.of(id(9), temp.path().join("nowhere"), later).unwrap(), 0);
    }
}
