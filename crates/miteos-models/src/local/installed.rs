//! Which local models are on this machine. The hash is checked when a model is pulled and noted beside it, so that a
//! start does not read a gigabyte.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::catalog::{CATALOG, LocalModel};

/// A model whose weights are here, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledModel {
    pub model: &'static LocalModel,
    pub path: PathBuf,
}

/// What stands in the note beside a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub sha256: String,
    pub bytes: u64,
    /// Where it came from, for people.
    pub source: String,
}

/// The models in a folder whose size and noted hash are right. A folder that is not there holds none.
pub fn installed(models_dir: &Path) -> Vec<InstalledModel> {
    CATALOG.iter().filter_map(|model| check(model, models_dir)).collect()
}

/// This model in a folder, if it is there and right.
pub fn check(model: &'static LocalModel, models_dir: &Path) -> Option<InstalledModel> {
    is_whole(model, models_dir).then(|| InstalledModel { model, path: models_dir.join(model.file) })
}

/// Whether the file is there in its size and its note tells the right hash.
pub fn is_whole(model: &LocalModel, models_dir: &Path) -> bool {
    let path = models_dir.join(model.file);
    let size = fs::metadata(&path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
    let noted = read_note(&path).is_some_and(|note| note.bytes == model.bytes && note.sha256 == model.sha256);
    noted && size == Some(model.bytes)
}

fn note_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

fn read_note(file: &Path) -> Option<Note> {
    serde_json::from_slice(&fs::read(note_path(file)).ok()?).ok()
}

/// Writes the note of a file whose hash was checked.
pub fn write_note(file: &Path, note: &Note) -> io::Result<()> {
    let path = note_path(file);
    let mut part = path.clone().into_os_string();
    part.push(".part");
    fs::write(&part, serde_json::to_vec_pretty(note)?)?;
    fs::rename(&part, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_counts_with_the_right_size_and_note_only() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(installed(&dir.path().join("none")), []);
        let model = &CATALOG[1];
        let path = dir.path().join(model.file);
        let file = fs::File::create(&path).unwrap();
        file.set_len(model.bytes).unwrap();
        assert_eq!(installed(dir.path()), [], "without a note");
        let note = Note { sha256: model.sha256.into(), bytes: model.bytes, source: "test".into() };
        write_note(&path, &Note { sha256: "00".into(), ..note.clone() }).unwrap();
        assert_eq!(installed(dir.path()), [], "another hash");
        write_note(&path, &note).unwrap();
        assert_eq!(installed(dir.path()), [InstalledModel { model, path: path.clone() }]);
        file.set_len(model.bytes - 1).unwrap();
        assert_eq!(installed(dir.path()), [], "another size");
    }
}
