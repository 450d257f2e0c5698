//! `miteos doctor`: looks at everything a server needs on this machine, and says the mend for what fails.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use miteos_client::Client;
use serde::Serialize;

use crate::cli;
use crate::config::{self, Effective, Settings};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::locate;
use crate::render::checks::{self, Finding, Verdict};
use crate::render::units;

/// Less free space than this and a server soon stops.
const LITTLE_SPACE: u64 = 500_000_000;
/// Less than this is worth a word.
const SOME_SPACE: u64 = 5_000_000_000;
/// No clock is right that is before this version was written: 2026-11-01.
const EARLIEST: Duration = Duration::from_secs(1_793_491_200);
/// The clock of the disk and that of the process may differ by this.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(10);
/// The first bytes of every SQLite database.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

pub async fn doctor(context: &Context<'_>, doctor: cli::Doctor) -> Result<Exit, Failure> {
    if doctor.ready {
        return ready(context).await;
    }
    let folder = context.settings.data_dir();
    let listen = doctor.listen.or_else(|| context.settings.get(config::LISTEN));
    let server = running(context).await;
    let backup_bytes = crate::embedded::backup_bytes(&context.settings);
    let mut findings = vec![
        data_folder(folder),
        space(folder, backup_bytes),
        database(folder, &context.settings),
        clock(folder),
    ];
    let effective = context.settings.effective();
    findings.extend(settings(&effective, &context.settings));
    findings.push(match &server {
        Some(finding) => finding.clone(),
        None => port(listen.as_deref().unwrap_or(config::DEFAULT_LISTEN), "--listen"),
    });
    if server.is_none() {
        findings.extend(other_ports(&context.settings));
    }
    findings.extend(crate::embedded::checks(&context.settings).await);
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Failed);
    if context.global.json {
        context.terminal.json(&Report {
            ok: !failed,
            version: env!("CARGO_PKG_VERSION"),
            checks: &findings,
            settings: &effective,
        })?;
    } else {
        context.terminal.print(&checks::report(&findings, context.terminal.theme()));
    }
    Ok(if failed { Exit::Usage } else { Exit::Done })
}

/// The check that something else runs again and again: cheap, quiet, an exit code.
async fn ready(context: &Context<'_>) -> Result<Exit, Failure> {
    let running = || locate::running(context.settings.data_dir()).map(|running| running.url);
    let url = locate::named_url(context.global.url.as_deref(), &context.settings)
        .or_else(running)
        .unwrap_or_else(|| format!("http://{}", config::DEFAULT_LISTEN));
    // The question needs no key.
    match Client::new(&url, "none")?.readiness().await {
        Ok(_) => context.done(&format!("ready at {url}")),
        Err(error) => Err(Failure { exit: Exit::Unreachable, ..Failure::from(error) }),
    }
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    version: &'static str,
    checks: &'a [Finding],
    /// What something sets, with what set it.
    settings: &'a [Effective],
}

fn good(name: &'static str, detail: impl Into<String>) -> Finding {
    Finding { name, verdict: Verdict::Ok, detail: detail.into(), mend: None }
}

fn bad(name: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { name, verdict: Verdict::Failed, detail: detail.into(), mend: Some(mend.into()) }
}

fn warning(name: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Warning, ..bad(name, detail, mend) }
}

/// What is not as it is by default, and what cannot be as it is.
fn settings(effective: &[Effective], settings: &Settings) -> Vec<Finding> {
    const NAME: &str = "setting";
    let set =
        effective.iter().map(|set| good(NAME, format!("{} = {} ({})", set.name, set.value, set.source)));
    let wrong = settings.mistakes().into_iter().map(|mistake| match mistake.variable {
        Some(_) => bad(NAME, mistake.what, mistake.mend),
        None => warning(NAME, mistake.what, mistake.mend),
    });
    set.chain(wrong).collect()
}

/// The nearest folder that is there: the data folder is made at the first start.
fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"))
}

fn data_folder(folder: &Path) -> Finding {
    const NAME: &str = "data folder";
    let mend = "name another with --data-dir, or change who may write there";
    let here = existing(folder);
    match tempfile::NamedTempFile::new_in(here) {
        Ok(_) if here == folder => good(NAME, folder.display().to_string()),
        Ok(_) => good(NAME, format!("{} (made at the first start)", folder.display())),
        Err(error) => bad(NAME, format!("{} cannot be written: {error}", here.display()), mend),
    }
}

fn space(folder: &Path, backup_bytes: u64) -> Finding {
    const NAME: &str = "disk space";
    let Some(free) = free_bytes(existing(folder)) else {
        return warning(
            NAME,
            "this system does not say how much is free",
            "see that there are a few gigabytes",
        );
    };
    let mut detail = format!("{} free", units::bytes(free));
    if backup_bytes > 0 {
        detail = format!("{detail}; a backup takes about {}", units::bytes(backup_bytes));
    }
    if free < LITTLE_SPACE {
        bad(NAME, format!("only {detail}"), "free some space, or name another disk with --data-dir")
    } else if free < SOME_SPACE {
        warning(NAME, detail, "large workspaces and local models need more")
    } else {
        good(NAME, detail)
    }
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(folder).ok()?;
    room.f_bavail.checked_mul(room.f_frsize)
}

#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

fn database(folder: &Path, settings: &Settings) -> Finding {
    const NAME: &str = "database";
    if settings.get(config::DATABASE_URL).is_some() {
        let detail = format!(
            "{} is set, and this version keeps its data in the data folder alone",
            config::DATABASE_URL
        );
        return bad(NAME, detail, "take it away, and choose the place with --data-dir");
    }
    let path = folder.join("miteos.db");
    let mut head = [0_u8; 16];
    let read =
        std::fs::File::open(&path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
    match read {
        Ok(()) if head == SQLITE_MAGIC => {
            let size = std::fs::metadata(&path).map(|meta| meta.len()).unwrap_or_default();
            good(NAME, format!("SQLite, {}", units::bytes(size)))
        }
        Ok(()) => bad(
            NAME,
            format!("{} is no SQLite database", path.display()),
            "move the file away, or restore it from a backup",
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            good(NAME, "SQLite, made at the first start")
        }
        // An empty database has no head yet.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => good(NAME, "SQLite, still empty"),
        Err(error) => bad(
            NAME,
            format!("{} cannot be read: {error}", path.display()),
            "run as the user whom the file belongs to",
        ),
    }
}

#[expect(clippy::disallowed_methods, reason = "it is the clock itself that is looked at")]
fn clock(folder: &Path) -> Finding {
    const NAME: &str = "clock";
    let mend = "let the system keep the time from the network";
    let now = SystemTime::now();
    if now.duration_since(UNIX_EPOCH).is_ok_and(|time| time < EARLIEST) || now < UNIX_EPOCH {
        return bad(NAME, "it is in the past: certificates and links will not be valid", mend);
    }
    let written = tempfile::NamedTempFile::new_in(existing(folder))
        .and_then(|file| file.as_file().metadata())
        .and_then(|meta| meta.modified());
    let apart = |written: SystemTime| {
        written.duration_since(now).or_else(|error| Ok::<_, ()>(error.duration())).unwrap_or_default()
    };
    match written.map(apart) {
        Ok(apart) if apart > CLOCK_TOLERANCE => warning(
            NAME,
            format!("the data folder's disk is {} apart from this machine", units::duration(apart)),
            mend,
        ),
        Ok(_) | Err(_) => good(NAME, "plausible"),
    }
}

/// The server that runs on this data folder or was named, if there is one.
async fn running(context: &Context<'_>) -> Option<Finding> {
    const NAME: &str = "server";
    let named = locate::named_url(context.global.url.as_deref(), &context.settings);
    let url =
        named.clone().or_else(|| locate::running(context.settings.data_dir()).map(|running| running.url))?;
    // Neither question needs a key.
    let client = Client::new(&url, "none").ok()?;
    match client.health().await {
        Ok(health) => Some(match client.readiness().await {
            Ok(_) => good(NAME, format!("version {} answers at {url}", health.version)),
            Err(error) => bad(NAME, format!("at {url} it cannot take work: {error}"), "its log says why"),
        }),
        Err(error) if named.is_some() => {
            Some(bad(NAME, format!("none at {url}: {error}"), "start it, or name another with --url"))
        }
        // What the data folder says of a server that is gone means nothing.
        Err(_) => None,
    }
}

/// The listeners that stand beside the API's when they have addresses of their own.
fn other_ports(settings: &Settings) -> Vec<Finding> {
    let named = [(config::METRICS_LISTEN, "--metrics-listen"), (config::PREVIEW_LISTEN, "--preview-listen")];
    // What is no address at all is told of among the settings.
    let asked = named.into_iter().filter_map(|(name, flag)| Some((settings.get(name)?, flag)));
    asked
        .filter(|(listen, _)| listen.parse::<SocketAddr>().is_ok())
        .map(|(listen, flag)| port(&listen, flag))
        .collect()
}

fn port(listen: &str, flag: &str) -> Finding {
    const NAME: &str = "port";
    let mend = format!("stop what is there, or choose another with {flag}");
    let Ok(address) = listen.parse::<SocketAddr>() else {
        return bad(NAME, format!("{listen} is no address to listen on"), "one looks like 127.0.0.1:7700");
    };
    match TcpListener::bind(address) {
        Ok(_) => good(NAME, format!("{address} is free")),
        Err(error) => bad(NAME, format!("{address} cannot be listened on: {error}"), mend),
    }
}
