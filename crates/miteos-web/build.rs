//! Lists the built page (`web/dist`) for the library to hold. Without one there is nothing to list, and the library has a
//! page that says how to build it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where `scripts/web.sh` puts the page, from this crate.
const BUILT: &str = "../../web/dist";
/// How a copy that is packed for sending ends.
const PACKED: &str = ".gz";

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(BUILT);
    // The folder is in the repository, so that a page that is built later is noticed.
    let watched = folder.display();
    {
        println!("cargo:rerun-if-changed={watched}");
    }
    let mut files = Vec::new();
    if folder.join("index.html").is_file() {
        collect(&folder, &folder, &mut files)?;
        files.sort();
    }
    let mut list = String::from("[\n");
    for (name, file) in &files {
        let packed = PathBuf::from(format!("{}{PACKED}", file.display()));
        let packed =
            if packed.is_file() { format!("Some(include_bytes!({packed:?}))") } else { "None".to_owned() };
        let _ =
            writeln!(list, "    File {{ path: {name:?}, bytes: include_bytes!({file:?}), gzip: {packed} }},");
    }
    list.push(']');
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script here where to write")]
    let out =
        std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo did not say where to write"))?;
    fs::write(Path::new(&out).join("files.rs"), list)
}

/// Every file that is to be served, by the path it is served at.
fn collect(root: &Path, folder: &Path, into: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') || name.ends_with(PACKED) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, into)?;
        } else if let Ok(below) = path.strip_prefix(root) {
            into.push((format!("/{}", below.display()), path.canonicalize()?));
        }
    }
    Ok(())
}
