//! The repository's own text files, each read once. Knows which folders are not ours.

use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours, wherever they are.
const NOT_OURS: [&str; 5] = ["target", "node_modules", "dist", "miteos-out", "__pycache__"];
/// Hidden folders that are ours.
const HIDDEN_BUT_OURS: [&str; 4] = [".cargo", ".ci", ".config", ".github"];
/// Endings of text that a person wrote, or that tests compare with.
const ENDINGS: [&str; 18] = [
    "css", "html", "js", "json", "md", "mjs", "py", "rs", "sh", "snap", "sql", "svg", "toml", "ts", "tsx",
    "txt", "yaml", "yml",
];
/// Folders whose files have no ending.
const PLAIN: [&str; 1] = [".ci/"];

/// A file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// From the root, with slashes.
    pub path: String,
    pub text: String,
}

impl TextFile {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }
}

/// The folder that holds the workspace's manifest.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// All text files below `root`, in the order of their paths.
pub fn read(root: &Path) -> io::Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            if kind.is_dir() && is_ours(&name) {
                folders.push(entry.path());
            }
            let path = relative(root, &entry.path());
            if kind.is_file() && is_text(&path) {
                files.push(TextFile { text: std::fs::read_to_string(entry.path())?, path });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_ours(name: &str) -> bool {
    if name.starts_with('.') { HIDDEN_BUT_OURS.contains(&name) } else { !NOT_OURS.contains(&name) }
}

fn is_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((_, ending)) => ENDINGS.contains(&ending),
        None => PLAIN.iter().any(|folder| path.starts_with(folder)) || name.starts_with("LICENSE"),
    }
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_read() {
        let files = read(&root()).unwrap();
        let has = |path: &str| files.iter().any(|file| file.path == path);
        assert!(has("Cargo.toml") && has("xtask/src/tree.rs") && has(".ci/run") && has("README.md"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/") || file.path.starts_with(".git/")));
        assert!(!has("Cargo.lock"));
    }
}
