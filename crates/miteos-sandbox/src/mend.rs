//! What an operator can do about a backend that does not work. Text only; nothing is changed here.

use std::path::Path;

use crate::status::{Attempt, Backend, State};
use crate::sys::process::{effective_uid, has_admin_capability};

/// Whether a failure is about the parts that a container may not let us replace.
pub(crate) fn is_about_proc(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["/proc", "proc mount", "mount proc", "hostname", "host name"].iter().any(|part| reason.contains(part))
}

pub(crate) fn for_missing_bwrap() -> &'static str {
    "install bubblewrap (`apt install bubblewrap`, `dnf install bubblewrap`), version 0.4 or newer"
}

/// The most likely cure for a failure of this backend on this machine.
pub(crate) fn for_failure(backend: Backend, reason: &str) -> String {
    if reason.contains("HostFilesAreHidden") {
        return "move the data folder out of /usr, and out of the folders that programs are shown".to_owned();
    }
    let few_rights = effective_uid() == 0 && !has_admin_capability();
    if few_rights && reason.contains("Permission denied") {
        return "put the data folder where every user can enter (mode 0711 or 0755 up to the root), or give the \
                server CAP_SYS_ADMIN"
            .to_owned();
    }
    if setting("/proc/sys/user/max_user_namespaces") == Some(0) {
        return "allow user namespaces: `sysctl -w user.max_user_namespaces=15000`".to_owned();
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return "allow user namespaces: `sysctl -w kernel.unprivileged_userns_clone=1`".to_owned();
    }
    let in_container = Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return match (in_container, backend) {
            (true, Backend::Namespaces | Backend::Bwrap) => container_mend(true),
            (false, Backend::Bwrap) => {
                "load AppArmor's profile for bubblewrap: `apt install apparmor-profiles && \
                 ln -s /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && \
                 apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict`"
                    .to_owned()
            }
            (false, Backend::Namespaces) => {
                "load an AppArmor profile for the server's program that contains \
                 `userns,`, or use the backend bwrap with its distribution's profile"
                    .to_owned()
            }
        };
    }
    if in_container {
        return container_mend(false);
    }
    match backend {
        Backend::Namespaces => "allow user namespaces for the server's user, or install bubblewrap \
             (`apt install bubblewrap`); a service manager's restrictions (`RestrictNamespaces=`, \
             `SystemCallFilter=`, `NoNewPrivileges=` with a setuid bwrap) can forbid them too"
            .to_owned(),
        Backend::Bwrap => {
            "allow user namespaces for bubblewrap; `bwrap --unshare-user --ro-bind / / true` shows \
             whether it works"
                .to_owned()
        }
    }
}

fn container_mend(apparmor: bool) -> String {
    let mut text = "start the container with `--security-opt seccomp=unconfined --security-opt \
                    systempaths=unconfined` (or a seccomp profile that allows unshare, clone with namespaces, \
                    mount, umount2 and pivot_root)"
        .to_owned();
    if apparmor {
        text.push_str(
            ", with `--security-opt apparmor=unconfined`, and on the host `sysctl -w \
             kernel.apparmor_restrict_unprivileged_userns=0`",
        );
    }
    text
}

/// All reasons in one line, and the mend that comes first.
pub(crate) fn unavailable(failed: &[Attempt]) -> State {
    let mut reasons: Vec<String> = Vec::new();
    let mut mends: Vec<String> = Vec::new();
    for attempt in failed {
        reasons.push(format!("{}: {}", attempt.backend.name(), attempt.reason));
        if !mends.contains(&attempt.mend) {
            mends.push(attempt.mend.clone());
        }
    }
    State::Unavailable { reason: reasons.join("; "), mend: mends.join("; or ") }
}

fn setting(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::ProcVariant;

    #[test]
    fn only_failures_about_proc_lead_to_the_shared_variant() {
        assert!(is_about_proc("mount /proc: Operation not permitted"));
        assert!(is_about_proc("start the inner stage: bwrap: Can't mount proc on /newroot/proc: EPERM"));
        assert!(!is_about_proc("make namespaces: Operation not permitted"));
    }

    #[test]
    fn a_refusal_names_every_backend_and_each_mend_once() {
        let attempt = |backend, reason: &str| Attempt {
            backend,
            proc: ProcVariant::Fresh,
            reason: reason.to_owned(),
            mend: "do this".to_owned(),
        };
        let failed = [attempt(Backend::Namespaces, "no"), attempt(Backend::Bwrap, "not installed")];
        let State::Unavailable { reason, mend } = unavailable(&failed) else { panic!("not unavailable") };
        assert_eq!(reason, "namespaces: no; bwrap: not installed");
        assert_eq!(mend, "do this");
    }
}
