//! What it costs to show a site on the server itself: until it is live, beside plain copies of the same folder, and in
//! memory; and the same site again.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Setting;
use super::transfer::watched;
use crate::Failure;
use crate::http::Connection;
use crate::machine::Memory;
use crate::model::Script;
use crate::process::{PATIENCE, Served};
use crate::report::Figure;

/// How often it is asked whether the site is live.
const LOOK: Duration = Duration::from_millis(2);
/// Memory is flat if the larger site takes at most so many times as much as the smaller.
const AIM_GROWTH: f64 = 1.25;
const KIB: usize = 1024;
const MIB: f64 = 1024.0 * 1024.0;

/// How much larger the second site is, to see whether memory grows with the size of a site.
const LARGER: usize = 4;

/// What the publication of one site took.
struct Published {
    plain: Duration,
    synced: Duration,
    first: Duration,
    again: Duration,
    grown: Memory,
}

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let (files, kib) = setting.size.pick((500, 400), (50, 40));
    let site = measure(setting, files, kib).await?;
    let larger = measure(setting, LARGER * files, kib).await?;
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    let held = |published: &Published| published.grown.anonymous as f64 / MIB;
    Ok(vec![
        Figure::new("files of the site", files as f64, "files"),
        Figure::new("size of the site", (files * kib) as f64 / KIB as f64, "MiB"),
        Figure::new("cp -r of it", ms(site.plain), "ms"),
        Figure::new("a copy of it with every file on the disk", ms(site.synced), "ms"),
        Figure::new("until it is live", ms(site.first), "ms"),
        Figure::new("until the same site is live again", ms(site.again), "ms"),
        Figure::new("growth of resident memory", site.grown.resident as f64 / MIB, "MiB"),
        Figure::new("growth of heap and stacks", held(&site), "MiB"),
        Figure::new("cp -r of a site four times as large", ms(larger.plain), "ms"),
        Figure::new("until a site four times as large is live", ms(larger.first), "ms"),
        Figure::new("growth of heap and stacks for that", held(&larger), "MiB"),
        Figure::new("that growth against the smaller site's", held(&larger) / held(&site), "×")
            .at_most(AIM_GROWTH),
    ])
}

/// Publishes a site of so many files twice, on a server of its own.
async fn measure(setting: Setting<'_>, files: usize, kib: usize) -> Result<Published, Failure> {
    let folder = setting.data_folder()?;
    let server = Served::start_and_rest(folder.path(), Script::default()).await?;
    let mut connection = server.connect().await?;
    // Once in small, so that what a first publication sets up is not counted.
    let small = workspace(&mut connection, folder.path(), "small").await?;
    write_site(&small.1, 2, 1)?;
    publish(&mut connection, &small.0).await?;
    let (id, site) = workspace(&mut connection, folder.path(), "site").await?;
    write_site(&site, files, kib)?;
    let copies = setting.data_folder()?;
    let plain = copied(&site, &copies.path().join("plain"))?;
    let synced = copied_to_the_disk(&site, &copies.path().join("synced"))?;
    let (first, grown) = watched(&server, publish(&mut connection, &id)).await?;
    let (again, _) = watched(&server, publish(&mut connection, &id)).await?;
    server.stop().await?;
    Ok(Published { plain, synced, first, again, grown })
}

/// A new workspace: its id and its folder.
async fn workspace(
    connection: &mut Connection,
    data: &Path,
    name: &str,
) -> Result<(String, std::path::PathBuf), Failure> {
    let made = connection.post("/workspaces", &json!({"name": name}).to_string()).await?;
    let made: Value = serde_json::from_slice(&made.body)?;
    let id = made["id"].as_str().ok_or("no workspace was made")?.to_owned();
    let folder = data.join("workspaces").join(&id);
    Ok((id, folder))
}

/// Files that are all different and cannot be packed.
fn write_site(folder: &Path, files: usize, kib: usize) -> Result<(), Failure> {
    std::fs::create_dir_all(folder.join("assets"))?;
    std::fs::write(folder.join("index.html"), "<!doctype html><title>measured</title>")?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (files as u64);
    for n in 1..files {
        let mut bytes = Vec::with_capacity(kib * KIB);
        while bytes.len() < kib * KIB {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_le_bytes());
        }
        std::fs::write(folder.join(format!("assets/{n}.bin")), bytes)?;
    }
    Ok(())
}

/// Deploys a workspace to the preview host, and returns when it is live.
async fn publish(connection: &mut Connection, workspace: &str) -> Result<(), Failure> {
    let body = json!({"workspace_id": workspace, "target": "preview"}).to_string();
    let made = connection.post("/deployments", &body).await?;
    let made: Value = serde_json::from_slice(&made.body)?;
    let path =
        format!("/deployments/{}", made["id"].as_str().ok_or_else(|| format!("it was refused: {made}"))?);
    let begun = Instant::now();
    loop {
        let shown = connection.json(&path).await?;
        match shown["status"].as_str() {
            Some("live") => return Ok(()),
            Some("failed") => return Err(format!("it failed: {}", shown["error"]).into()),
            _ if begun.elapsed() > PATIENCE => return Err("it was not live in time".into()),
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "cp is what is compared with")]
fn copied(from: &Path, to: &Path) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let status = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status()?;
    if status.success() { Ok(begun.elapsed()) } else { Err("cp failed".into()) }
}

/// What a copy costs that is there after a crash, too, as a preview is.
fn copied_to_the_disk(from: &Path, to: &Path) -> Result<Duration, Failure> {
    let begun = Instant::now();
    for folder in ["", "assets"] {
        std::fs::create_dir_all(to.join(folder))?;
        for entry in std::fs::read_dir(from.join(folder))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let mut file = std::fs::File::create(to.join(folder).join(entry.file_name()))?;
                file.write_all(&std::fs::read(entry.path())?)?;
                file.sync_all()?;
            }
        }
    }
    Ok(begun.elapsed())
}
