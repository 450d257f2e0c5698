//! The page for people, as bytes: what `scripts/web.sh` built, or a page that says how to build it. It knows nothing of
//! how they are served. A crate of its own, so that the server is not compiled anew when the page changes.
//!
//! A release holds the page. A debug program reads it from its source tree when it starts, so that whoever works on the
//! page need not compile.

#![forbid(unsafe_code)]

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Where it is served; the page itself is `/index.html`.
    pub path: &'static str,
    pub bytes: &'static [u8],
    /// The same, packed.
    pub gzip: Option<&'static [u8]>,
}

static BUILT: &[File] = &include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// What stands in for a page that was not built.
static NOT_BUILT: &[File] =
    &[File { path: "/index.html", bytes: include_bytes!("not-built.html"), gzip: None }];

/// The files of the page.
pub fn files() -> &'static [File] {
    if is_built() { built() } else { NOT_BUILT }
}

/// Whether this program has the page.
pub fn is_built() -> bool {
    !built().is_empty()
}

#[cfg(not(debug_assertions))]
fn built() -> &'static [File] {
    BUILT
}

/// As it lies in the source tree now; as it was compiled in, where that tree is gone.
#[cfg(debug_assertions)]
fn built() -> &'static [File] {
    static READ: std::sync::OnceLock<Vec<File>> = std::sync::OnceLock::new();
    let read = READ.get_or_init(|| on_disk::read().unwrap_or_default());
    if read.is_empty() { BUILT } else { read }
}

#[cfg(debug_assertions)]
mod on_disk;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_page() {
        let index = files().iter().find(|file| file.path == "/index.html").unwrap();
        let text = std::str::from_utf8(index.bytes).unwrap();
        assert!(text.starts_with("<!doctype html>"));
        assert!(is_built() || text.contains("scripts/web.sh"));
    }

    #[test]
    fn no_path_is_there_twice_and_none_leads_elsewhere() {
        let mut paths: Vec<_> = files().iter().map(|file| file.path).collect();
        assert!(paths.iter().all(|path| path.starts_with('/') && !path.contains("..")));
        paths.dedup();
        assert_eq!(paths.len(), files().len());
    }
}
