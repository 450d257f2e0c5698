//! Files in both directions: what is put into a workspace, and where deliverables are written.

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

/// Writes a task's deliverables into a folder, each under a safe name. A
/// file that is not whole never stands under its name.
pub async fn fetch(
    client: &Client,
    task_id: &str,
    deliverables: &[Deliverable],
    folder: &Path,
    written: &mut Vec<Written>,
) -> Result<(), Failure> {
    let mut taken = Taken::default();
    for deliverable in deliverables {
        let path = folder.join(taken.claim(safe_path(&deliverable.name)));
        let bytes = fetch_one(client, task_id, deliverable, &path).await?;
        written.push(Written { path, bytes });
    }
    Ok(())
}

async fn fetch_one(client: &Client, task_id: &str, file: &Deliverable, path: &Path) -> Result<u64, Failure> {
    let writing = |error: std::io::Error| Failure::io(format!("write {}", path.display()), &error);
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(writing)?;
    let part = tempfile::NamedTempFile::new_in(parent).map_err(writing)?;
    let mut writer = tokio::fs::File::from_std(part.reopen().map_err(writing)?);
    let bytes = client.download(task_id, file, &mut writer).await?;
    writer.sync_all().await.map_err(writing)?;
    readable_by_others(part.as_file()).map_err(writing)?;
    part.persist(path).map_err(|error| writing(error.error))?;
    Ok(bytes)
}

/// A temporary file is its owner's alone; a result is an ordinary file.
#[cfg(unix)]
fn readable_by_others(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_others(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
