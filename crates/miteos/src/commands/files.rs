//! Files in both directions: what is put into a workspace, and where deliverables are written.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use miteos_client::api::Deliverable;
use miteos_client::{Client, Upload, UploadSource};

use crate::failure::Failure;
use crate::names::{Taken, safe_path};
use crate::render::summary::Written;

/// More files than this are a mistake, such as naming the home folder.
const MAX_FILES: usize = 10_000;
/// Files in one request.
const FILES_A_REQUEST: usize = 100;

/// The files that these paths stand for: a file under its own name, a folder with everything in it under its.
/// Links are not followed.
pub fn uploads(paths: &[PathBuf]) -> Result<Vec<Upload>, Failure> {
    let mut uploads = Vec::new();
    for path in paths {
        let reading = |error| Failure::io(format!("read {}", path.display()), &error);
        let whole = std::fs::canonicalize(path).map_err(reading)?;
        let name = whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        collect(&whole, &name, &mut uploads)?;
    }
    uploads.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(uploads)
}

fn collect(path: &Path, name: &str, uploads: &mut Vec<Upload>) -> Result<(), Failure> {
    let reading = |error: std::io::Error| Failure::io(format!("read {}", path.display()), &error);
    let kind = std::fs::symlink_metadata(path).map_err(reading)?.file_type();
    if kind.is_file() {
        if uploads.len() >= MAX_FILES {
            return Err(
                Failure::usage(format!("that is more than {MAX_FILES} files")).hint("name a smaller folder")
            );
        }
        uploads.push(Upload { name: name.to_owned(), source: UploadSource::Path(path.to_owned()) });
    } else if kind.is_dir() {
        for entry in std::fs::read_dir(path).map_err(reading)? {
            let entry = entry.map_err(reading)?;
            let below = entry.file_name().to_string_lossy().into_owned();
            let below = if name.is_empty() { below } else { format!("{name}/{below}") };
            collect(&entry.path(), &below, uploads)?;
        }
    }
    Ok(())
}

/// Sends them, some at a time.
pub async fn put(client: &Client, workspace: &str, uploads: &[Upload]) -> Result<(), Failure> {
    for some in uploads.chunks(FILES_A_REQUEST) {
        client.upload_files(workspace, some).await?;
    }
    Ok(())
}

/// Writes a task's deliverables into a folder, each under a safe name. A file that is not whole never stands under its
/// name, and none takes the place of another one that is there: agents choose the names, and the folder may be a
/// project whose `Makefile` the person runs next.
pub async fn fetch(
    client: &Client,
    task_id: &str,
    deliverables: &[Deliverable],
    folder: &Path,
    written: &mut Vec<Written>,
) -> Result<(), Failure> {
    let mut taken = Taken::default();
    for deliverable in deliverables {
        written.push(fetch_one(client, task_id, deliverable, folder, &mut taken).await?);
    }
    Ok(())
}

async fn fetch_one(
    client: &Client,
    task_id: &str,
    file: &Deliverable,
    folder: &Path,
    taken: &mut Taken,
) -> Result<Written, Failure> {
    let name = safe_path(&file.name);
    let mut path = folder.join(taken.claim(name.clone()));
    let writing =
        |error: std::io::Error| Failure::io(format!("write {}", folder.join(&name).display()), &error);
    let parent = path.parent().unwrap_or(Path::new(".")).to_owned();
    std::fs::create_dir_all(&parent).map_err(writing)?;
    let mut part = ordinary().tempfile_in(&parent).map_err(writing)?;
    let mut writer = tokio::fs::File::from_std(part.reopen().map_err(writing)?);
    let bytes = client.download(task_id, file, &mut writer).await?;
    writer.sync_all().await.map_err(writing)?;
    loop {
        match part.persist_noclobber(&path) {
            Ok(_) => return Ok(Written { path, bytes }),
            Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => {
                // Fetched before.
                if same(refused.file.path(), &path) {
                    return Ok(Written { path, bytes });
                }
                part = refused.file;
                path = folder.join(taken.claim(name.clone()));
            }
            Err(refused) => return Err(writing(refused.error)),
        }
    }
}

/// Temporary files with the rights that the person's other new files have: they become results.
fn ordinary() -> tempfile::Builder<'static, 'static> {
    #[allow(unused_mut, reason = "only systems with such rights change it")]
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What the person's umask leaves of it.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

/// Whether two files have the same content. What cannot be read is another one.
fn same(one: &Path, other: &Path) -> bool {
    let compared = || -> std::io::Result<bool> {
        if !std::fs::symlink_metadata(other)?.is_file() {
            return Ok(false);
        }
        let (one, other) = (std::fs::File::open(one)?, std::fs::File::open(other)?);
        if one.metadata()?.len() != other.metadata()?.len() {
            return Ok(false);
        }
        let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
        loop {
            let (left, right) = (one.fill_buf()?, other.fill_buf()?);
            let read = left.len().min(right.len());
            if left[..read] != right[..read] {
                return Ok(false);
            }
            if read == 0 {
                return Ok(true);
            }
            one.consume(read);
            other.consume(read);
        }
    };
    compared().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_content_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let long = vec![7_u8; 100_000];
        let one = file("one", &long);
        assert!(same(&one, &file("two", &long)));
        let mut other = long.clone();
        other[99_999] = 8;
        assert!(!same(&one, &file("three", &other)));
        assert!(!same(&one, &file("four", &long[1..])));
        assert!(!same(&one, folder.path()) && !same(&one, &folder.path().join("none")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&one, folder.path().join("link")).unwrap();
            assert!(!same(&one, &folder.path().join("link")), "a link is another's file");
        }
    }

    #[test]
    fn folders_are_taken_whole_and_links_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("site");
        std::fs::create_dir_all(root.join("css")).unwrap();
        std::fs::write(root.join("index.html"), "x").unwrap();
        std::fs::write(root.join("css/a.css"), "x").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
        let single = folder.path().join("notes.txt");
        std::fs::write(&single, "x").unwrap();
        let found = uploads(&[root, single]).unwrap();
        let names: Vec<&str> = found.iter().map(|upload| upload.name.as_str()).collect();
        assert_eq!(names, ["notes.txt", "site/css/a.css", "site/index.html"]);
        assert!(uploads(&[folder.path().join("missing")]).is_err());
    }
}
