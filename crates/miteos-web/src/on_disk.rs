//! The page as it lies in the source tree, for debug programs alone. What is read stays in memory until the program ends.

use std::path::Path;
use std::{fs, io};

use super::File;

/// Where `scripts/web.sh` puts it.
const DIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/dist");
/// How a copy that is packed for sending ends.
const PACKED: &str = "gz";

/// Every file that is served; none where no page was built.
pub fn read() -> io::Result<Vec<File>> {
    let root = Path::new(DIST);
    let mut files = Vec::new();
    if root.join("index.html").is_file() {
        collect(root, "", &mut files)?;
    }
    Ok(files)
}

fn collect(folder: &Path, below: &str, into: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') || path.extension().is_some_and(|end| end == PACKED) {
            continue;
        }
        let at = format!("{below}/{name}");
        if path.is_dir() {
            collect(&path, &at, into)?;
            continue;
        }
        let packed = fs::read(format!("{}.{PACKED}", path.display())).ok();
        into.push(File {
            path: String::leak(at),
            bytes: Vec::leak(fs::read(&path)?),
            gzip: packed.map(|bytes| &*Vec::leak(bytes)),
        });
    }
    Ok(())
}
