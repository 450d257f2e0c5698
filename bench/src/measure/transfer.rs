//! What a big file costs in memory: one goes into a workspace, and comes out again.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Setting;
use crate::Failure;
use crate::machine::Memory;
use crate::model::Script;
use crate::process::Served;
use crate::report::Figure;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Growth that is still flat, whatever the size of the file (MiB).
const AIM_GROWTH_MIB: f64 = 16.0;
const MIB: f64 = 1024.0 * 1024.0;

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let bytes: u64 = setting.size.pick(1024, 64) * 1024 * 1024;
    let folder = setting.data_folder()?;
    let server = Served::start_and_rest(folder.path(), Script::default()).await?;
    let mut connection = server.connect().await?;
    let made = connection.post("/workspaces", "{\"name\":\"big\"}").await?;
    let made: Value = serde_json::from_slice(&made.body)?;
    let id = made["id"].as_str().ok_or("no workspace was made")?;
    let files = format!("/workspaces/{id}/files");
    let mut figures = vec![Figure::new("size of the file", bytes as f64 / MIB, "MiB")];
    // Once in small, so that what a first transfer sets up is not counted.
    connection.upload(&files, "small.bin", 1024).await?;
    let download = format!("{files}/big.bin/download");
    let (up, grown) = watched(&server, async {
        let reply = connection.upload(&files, "big.bin", bytes).await?;
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        if reply.status == 201 { Ok(()) } else { Err(format!("{}: {said}", reply.status).into()) }
    })
    .await?;
    figures.extend(shown("upload", bytes, up, grown));
    let (down, grown) = watched(&server, async {
        let read = connection.drain(&download).await?;
        if read == bytes { Ok(()) } else { Err(format!("{read} of {bytes} bytes came back").into()) }
    })
    .await?;
    figures.extend(shown("download", bytes, down, grown));
    server.stop().await?;
    Ok(figures)
}

fn shown(name: &str, bytes: u64, took: Duration, grown: Memory) -> Vec<Figure> {
    let heap = Figure::new(format!("{name}: growth of heap and stacks"), grown.anonymous as f64 / MIB, "MiB");
    vec![
        Figure::new(name, bytes as f64 / MIB / took.as_secs_f64(), "MiB/s"),
        Figure::new(format!("{name}: growth of resident memory"), grown.resident as f64 / MIB, "MiB"),
        heap.at_most(AIM_GROWTH_MIB),
    ]
}

/// The time of some work, and by how much the server's memory was larger during it than before, at the most.
pub async fn watched(
    server: &Served,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(Duration, Memory), Failure> {
    let before = server.memory().unwrap_or_default();
    let begun = Instant::now();
    let mut most = before;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                done?;
                let resident = most.resident.saturating_sub(before.resident);
                let anonymous = most.anonymous.saturating_sub(before.anonymous);
                return Ok((begun.elapsed(), Memory { resident, anonymous }));
            }
            () = tokio::time::sleep(LOOK) => {
                if let Some(now) = server.memory() {
                    most.resident = most.resident.max(now.resident);
                    most.anonymous = most.anonymous.max(now.anonymous);
                }
            }
        }
    }
}
