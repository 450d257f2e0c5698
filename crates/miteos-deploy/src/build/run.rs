//! One command of a build in the sandbox, with its way out, its lines and its failure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miteos_sandbox::{
    Egress, EgressLimits, Exit, HOME_DIR, Limits, Network, OutputChunk, RunOutcome, RunSpec,
};
use tokio::sync::mpsc;

use super::environment::variables;
use super::failure::{BuildErrorKind, BuildFailure};
use super::log::Log;
use super::registries::Registries;
use super::tools::Tools;
use super::{Build, LINKS};

/// Lines that may wait to be handed on.
const WAITING_LINES: usize = 1024;
/// What a shell answers when there is no such program.
const NO_SUCH_PROGRAM: i32 = 127;

/// Where the commands of one build run.
pub(super) struct Room<'a> {
    pub build: &'a Build<'a>,
    pub source: &'a Path,
    pub home: &'a Path,
    pub registries: &'a Registries,
    pub tools: &'a Tools,
    pub isolated: bool,
}

/// Runs a line of a shell to its end, and says how long that took (ms).
pub(super) async fn command(
    room: &Room<'_>,
    line: &str,
    installs: bool,
    left_ms: u64,
    log: &mut Log<'_>,
) -> Result<u64, BuildFailure> {
    let Build { sandbox, limits, cancel, .. } = room.build;
    let limits = Limits { wall_ms: left_ms, ..limits.sandbox };
    if left_ms == 0 {
        return Err(timed_out(room, line));
    }
    let (sender, mut receiver) = mpsc::channel::<OutputChunk>(WAITING_LINES);
    let allowed = room.registries.allowed();
    let egress = (!allowed.is_empty())
        .then(|| Egress::new(allowed, Arc::clone(&room.build.dial), EgressLimits::packages()));
    let mut env = variables(room.registries, room.isolated && egress.is_some());
    let home = if room.isolated { Path::new(HOME_DIR) } else { room.home };
    env.push(("PATH".to_owned(), Tools::path(&home.join(LINKS))));
    let spec = RunSpec {
        program: ["/bin/sh", "-c", line].map(OsString::from).to_vec(),
        workspace: room.source.to_owned(),
        cwd: PathBuf::new(),
        home_cache: Some(room.home.to_owned()),
        read_only: room.tools.shown.clone(),
        env,
        stdin: Vec::new(),
        limits,
        network: egress.clone().map_or(Network::Off, Network::Proxy),
        output: Some(sender),
    };
    log.begin(line);
    let lines = async {
        while let Some(chunk) = receiver.recv().await {
            log.output(&chunk);
        }
    };
    let (outcome, ()) = tokio::join!(sandbox.run(spec, (*cancel).clone()), lines);
    let outcome = outcome?;
    let failed = outcome.exit != Exit::Code(0);
    log.end(failed);
    let refused = refused(egress.as_deref());
    if let Some(refused) = &refused {
        log.say(refused);
    }
    if !outcome.isolated {
        log.say("programs run without isolation here");
    }
    match failed {
        true => Err(failure(room, line, installs, &outcome, &log.tail(), refused)),
        false => Ok(outcome.wall_ms),
    }
}

/// What the command asked for in vain, with the mend.
fn refused(egress: Option<&Egress>) -> Option<String> {
    let egress = egress?;
    if egress.is_spent() {
        let EgressLimits { down_bytes, up_bytes, .. } = EgressLimits::packages();
        return Some(format!(
            "it moved more over the network than a build may ({down_bytes} bytes in, {up_bytes} out), so that was cut off"
        ));
    }
    let refused = egress.refused();
    (!refused.is_empty()).then(|| {
        format!(
            "it asked for {} and did not get it; builds reach {} only; the server's owner can add a host with \
             MITEOS_BUILD_REGISTRIES",
            refused.join(", "),
            egress.allowed()
        )
    })
}

fn timed_out(room: &Room<'_>, line: &str) -> BuildFailure {
    let minutes = room.build.limits.sandbox.wall_ms.div_ceil(60_000);
    let text = format!("`{line}` was not done when the {minutes} min of a build were over");
    BuildFailure::new(BuildErrorKind::TimedOut, text)
}

fn failure(
    room: &Room<'_>,
    line: &str,
    installs: bool,
    outcome: &RunOutcome,
    tail: &str,
    refused: Option<String>,
) -> BuildFailure {
    let limits = &room.build.limits.sandbox;
    let how = match outcome.exit {
        Exit::Cancelled => return BuildFailure::cancelled(),
        Exit::TimedOut => return timed_out(room, line),
        Exit::Code(NO_SUCH_PROGRAM) => {
            "did not find a program (exit code 127); builds see what is installed below /usr on the server's machine, and \
             node with its package managers as the server's PATH has them"
                .to_owned()
        }
        Exit::Code(code) => format!("failed (exit code {code})"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::OutputLimit => format!("printed more than {} bytes and was ended", limits.output_read_bytes),
        Exit::MemoryLimit => format!("used more than {} bytes of memory and was ended", limits.memory_bytes),
        Exit::WorkspaceLimit => format!(
            "wrote too much and was ended: more than {} bytes, {} bytes into its home or {} files, or the disk ran out \
             of room",
            limits.workspace_bytes, limits.home_bytes, limits.workspace_files
        ),
    };
    let mut text = format!("`{line}` {how}");
    for more in [refused.as_deref(), Some(tail)].into_iter().flatten().filter(|more| !more.is_empty()) {
        text.push('\n');
        text.push_str(more);
    }
    let kind = if installs { BuildErrorKind::Install } else { BuildErrorKind::Build };
    BuildFailure::new(kind, text)
}
