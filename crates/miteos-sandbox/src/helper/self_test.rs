//! The start-up self-test: runs inside a sandbox and finds out whether it holds.
//!
//! It only looks and reports; which findings make a backend unusable is decided outside.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spec::{HOME_DIR, WORKSPACE_DIR};
use crate::sys::process;

/// What the test is told, on stdin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SelfTest {
    /// A file of the host that must not be readable.
    pub canary: String,
    /// A listener on the host's loopback that must not be reachable.
    pub canary_port: u16,
    /// Folders of the host that programs are shown.
    pub shown: Vec<String>,
    pub processes: u64,
    pub open_files: u64,
}

/// One property a sandbox must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question {
    WorkspaceIsWritable,
    HomeAndTmpAreWritable,
    SystemIsReadOnly,
    HostFilesAreHidden,
    NoCapabilities,
    NoNewPrivileges,
    FilterIsInstalled,
    NoNewNamespaces,
    NoMounts,
    KernelSettingsAreReadOnly,
    HostLoopbackIsUnreachable,
    NoVsock,
    NoKeyring,
    LoopbackWorks,
    LimitsAreSet,
    EnvironmentIsClean,
    NoInheritedFiles,
    OwnUser,
}

/// The test's answer, on stdout.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub answers: BTreeMap<Question, bool>,
    /// Layers that make the sandbox deeper and that this kernel does not have.
    pub missing_layers: Vec<String>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);

pub(super) fn main() -> ! {
    let mut text = String::new();
    let code = match io::stdin()
        .read_to_string(&mut text)
        .and_then(|_| serde_json::from_str::<SelfTest>(&text).map_err(io::Error::other))
        .and_then(|test| serde_json::to_vec(&examine(&test)).map_err(io::Error::other))
        .and_then(|answer| io::stdout().write_all(&answer))
        .and_then(|()| io::stdout().flush())
    {
        Ok(()) => 0,
        Err(_) => 1,
    };
    process::exit_now(code)
}

fn examine(test: &SelfTest) -> Findings {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let answers = BTreeMap::from([
        (Question::WorkspaceIsWritable, writable(WORKSPACE_DIR)),
        (Question::HomeAndTmpAreWritable, writable(HOME_DIR) && writable("/tmp") && writable("/dev/shm")),
        (
            Question::SystemIsReadOnly,
            !["/", "/usr", "/etc", "/dev", "/run", "/opt"].into_iter().any(writable),
        ),
        (Question::HostFilesAreHidden, hidden(test)),
        (
            Question::NoCapabilities,
            ["CapEff:", "CapPrm:", "CapBnd:", "CapAmb:", "CapInh:"]
                .into_iter()
                .all(|set| field(set).is_some_and(|mask| u64::from_str_radix(&mask, 16) == Ok(0))),
        ),
        (Question::NoNewPrivileges, field("NoNewPrivs:").as_deref() == Some("1")),
        (Question::FilterIsInstalled, field("Seccomp:").as_deref() == Some("2")),
        (Question::NoNewNamespaces, attempts::new_user_namespace_fails()),
        (Question::NoMounts, attempts::mount_fails()),
        (Question::KernelSettingsAreReadOnly, kernel_settings_are_read_only()),
        (Question::HostLoopbackIsUnreachable, unreachable(test.canary_port)),
        (Question::NoVsock, attempts::vsock_fails()),
        (Question::NoKeyring, attempts::keyring_fails()),
        (Question::LoopbackWorks, loopback_works()),
        (Question::LimitsAreSet, limits_are_set(test)),
        (Question::EnvironmentIsClean, environment_is_clean()),
        (Question::NoInheritedFiles, no_inherited_files()),
        (Question::OwnUser, process::own_ids() == (1000, 1000)),
    ]);
    let mut missing_layers = Vec::new();
    if !attempts::has_landlock() {
        missing_layers.push("landlock: this kernel does not have it or it is not enabled".to_owned());
    }
    Findings { answers, missing_layers }
}

fn writable(folder: &str) -> bool {
    let path = Path::new(folder).join(".sandbox-self-test");
    let written = std::fs::write(&path, "x").is_ok();
    written && std::fs::remove_file(&path).is_ok()
}

fn hidden(test: &SelfTest) -> bool {
    let canary = test.canary.trim_start_matches('/');
    ["/", "/proc/self/root", "/proc/1/root", "/oldroot"]
        .into_iter()
        .all(|root| std::fs::read(Path::new(root).join(canary)).is_err())
        && std::fs::read("/etc/shadow").is_err()
        && only_leads_to("/root", &test.shown)
}

/// Whether a folder is not there, or is there for the sake of what is shown below it and holds nothing else.
fn only_leads_to(folder: &str, shown: &[String]) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return true };
    entries.flatten().all(|entry| shown.iter().any(|place| Path::new(place).starts_with(entry.path())))
}

fn kernel_settings_are_read_only() -> bool {
    ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"]
        .into_iter()
        .all(|path| std::fs::OpenOptions::new().write(true).open(path).is_err())
}

fn unreachable(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), CONNECT_TIMEOUT).is_err()
}

fn loopback_works() -> bool {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else { return false };
    listener.local_addr().and_then(|address| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)).is_ok()
}

fn limits_are_set(test: &SelfTest) -> bool {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let at_most = |name: &str, most: u64| {
        limits
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .is_some_and(|value| value <= most)
    };
    at_most("Max processes", test.processes) && at_most("Max open files", test.open_files)
}

/// Only variables that were put there on purpose.
fn environment_is_clean() -> bool {
    let allowed = crate::run::BASE_VARIABLES;
    std::env::vars_os().all(|(key, _): (OsString, OsString)| allowed.iter().any(|name| key == *name))
}

fn no_inherited_files() -> bool {
    // Reading the folder opens one more.
    std::fs::read_dir("/proc/self/fd").is_ok_and(|entries| entries.count() <= 4)
}

/// Calls that have no safe wrapper because nobody should make them.
mod attempts {
    pub(super) use crate::sys::attempts::{
        has_landlock, keyring_fails, mount_fails, new_user_namespace_fails, vsock_fails,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_may_lead_to_what_is_shown_and_hold_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        std::fs::create_dir_all(folder.path().join("a/tools")).unwrap();
        let shown = [format!("{path}/a/tools")];
        assert!(only_leads_to(path, &shown) && only_leads_to("/nowhere", &[]));
        assert!(!only_leads_to(path, &[]));
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        assert!(!only_leads_to(path, &shown));
        assert!(!only_leads_to(path, &[path.to_owned()]), "the whole of it is not what is meant");
    }
}
