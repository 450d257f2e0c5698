//! The system calls a program may not make.
//!
//! A list of what is refused, not of what is allowed: programs of every kind run here, and refused calls answer
//! with an error instead of killing the program. The list holds what reaches outside the namespaces (AF_VSOCK,
//! keyrings), what widens the kernel's surface (new namespaces, bpf, io_uring), what looks into other processes,
//! and what leaves a trap on the host (setuid bits in the workspace).

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Not in every libc of every architecture.
#[cfg(target_arch = "x86_64")]
const SYS_KEXEC_FILE_LOAD: libc::c_long = 320;
#[cfg(not(target_arch = "x86_64"))]
const SYS_KEXEC_FILE_LOAD: libc::c_long = 294;

/// Refused whatever the arguments, with EPERM.
const REFUSED: &[libc::c_long] = &[
    // Looking into other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Keyrings are not namespaced.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Kernel surface.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_vhangup,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    SYS_KEXEC_FILE_LOAD,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// Answered with ENOSYS, as by an older kernel, so that libraries take their other way. `clone3` and `openat2`
/// hide their flags from a filter; memory files and System V segments, queues and semaphores hold memory that
/// belongs to no process and so escapes every limit but a memory cgroup.
const UNKNOWN: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_openat2,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
];

/// Socket families a program may use.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Flags of `clone` that make a namespace.
const NAMESPACE_FLAGS: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Setuid and setgid, either of which is refused on any file.
const PRIVILEGED_BITS: [u64; 2] = [0o4000, 0o2000];

/// Requests that write into a terminal's input or change its line discipline.
const TERMINAL_REQUESTS: [u64; 4] = [0x5412, 0x541C, 0x5423, 0x541D];

/// SOCK_RAW and the old SOCK_PACKET.
const RAW_TYPES: [u64; 2] = [3, 10];

/// The bits of a socket's type that are not flags.
const SOCKET_TYPE_MASK: u64 = 0xF;

pub(super) fn install() -> io::Result<()> {
    // The last one installed is asked first; the strictest answer wins.
    if let Some(program) = foreign_calls() {
        apply(&program)?;
    }
    apply(&compile(unknown_rules(), libc::ENOSYS)?)?;
    apply(&compile(refused_rules()?, libc::EPERM)?)
}

fn apply(program: &BpfProgram) -> io::Result<()> {
    seccompiler::apply_filter(program).map_err(io::Error::other)
}

fn compile(rules: Rules, errno: libc::c_int) -> io::Result<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno as u32), architecture)
        .and_then(TryInto::try_into)
        .map_err(io::Error::other)
}

fn unknown_rules() -> Rules {
    UNKNOWN.iter().map(|call| (number(*call), Vec::new())).collect()
}

/// System call numbers are the same on every width.
#[allow(clippy::useless_conversion, reason = "c_long is i32 on 32-bit targets")]
fn number(call: libc::c_long) -> i64 {
    i64::from(call)
}

fn refused_rules() -> io::Result<Rules> {
    let mut rules: Rules =
        REFUSED.iter().chain(REFUSED_HERE).map(|call| (number(*call), Vec::new())).collect();
    let mut add = |call: libc::c_long, chain: Vec<SeccompRule>| {
        rules.insert(number(call), chain);
    };

    let mut clone = Vec::new();
    for flag in NAMESPACE_FLAGS {
        clone.push(rule(vec![has_bits(0, flag as u64)?])?);
    }
    add(libc::SYS_clone, clone);
    add(libc::SYS_socket, socket_rules()?);
    add(libc::SYS_socketpair, vec![rule(vec![differs(0, libc::AF_UNIX as u64)?])?]);

    let mut ioctl = Vec::new();
    for request in TERMINAL_REQUESTS {
        ioctl.push(rule(vec![equals(1, request)?])?);
    }
    add(libc::SYS_ioctl, ioctl);

    add(libc::SYS_fchmod, mode_rules(1)?);
    add(libc::SYS_fchmodat, mode_rules(2)?);
    add(SYS_FCHMODAT2, mode_rules(2)?);
    add(libc::SYS_mknodat, mode_rules(2)?);
    add(libc::SYS_mkdirat, mode_rules(2)?);
    add(libc::SYS_openat, creation_rules(2, 3)?);
    #[cfg(target_arch = "x86_64")]
    {
        add(libc::SYS_chmod, mode_rules(1)?);
        add(libc::SYS_creat, mode_rules(1)?);
        add(libc::SYS_mknod, mode_rules(1)?);
        add(libc::SYS_mkdir, mode_rules(1)?);
        add(libc::SYS_open, creation_rules(1, 2)?);
    }
    Ok(rules)
}

/// The same number on every architecture; not in every libc.
const SYS_FCHMODAT2: libc::c_long = 452;

/// Other families than the known ones, raw sockets, and netlink other than routing.
fn socket_rules() -> io::Result<Vec<SeccompRule>> {
    let mut other_family = Vec::new();
    for family in FAMILIES {
        other_family.push(differs(0, family as u64)?);
    }
    let mut rules = vec![rule(other_family)?];
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in RAW_TYPES {
            rules.push(rule(vec![equals(0, family as u64)?, masked(1, SOCKET_TYPE_MASK, kind)?])?);
        }
    }
    rules.push(rule(vec![equals(0, libc::AF_NETLINK as u64)?, differs(2, libc::NETLINK_ROUTE as u64)?])?);
    Ok(rules)
}

fn mode_rules(argument: u8) -> io::Result<Vec<SeccompRule>> {
    PRIVILEGED_BITS.into_iter().map(|bit| rule(vec![has_bits(argument, bit)?])).collect()
}

/// The mode counts only when the call creates a file; otherwise its register holds anything.
fn creation_rules(flags: u8, mode: u8) -> io::Result<Vec<SeccompRule>> {
    let nameless = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
    let mut rules = Vec::new();
    for creating in [libc::O_CREAT as u64, nameless] {
        for bit in PRIVILEGED_BITS {
            rules.push(rule(vec![has_bits(flags, creating)?, has_bits(mode, bit)?])?);
        }
    }
    Ok(rules)
}

fn rule(conditions: Vec<SeccompCondition>) -> io::Result<SeccompRule> {
    SeccompRule::new(conditions).map_err(io::Error::other)
}

/// The kernel reads these arguments as 32-bit numbers, and so must the filter.
fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> io::Result<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).map_err(io::Error::other)
}

fn equals(argument: u8, value: u64) -> io::Result<SeccompCondition> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn differs(argument: u8, value: u64) -> io::Result<SeccompCondition> {
    condition(argument, SeccompCmpOp::Ne, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> io::Result<SeccompCondition> {
    condition(argument, SeccompCmpOp::MaskedEq(mask), value)
}

fn has_bits(argument: u8, bits: u64) -> io::Result<SeccompCondition> {
    masked(argument, bits, bits)
}

/// On x86-64 every call has a second number (the x32 ABI), which the rules above do not know: all are refused.
#[cfg(target_arch = "x86_64")]
fn foreign_calls() -> Option<BpfProgram> {
    const X32_BIT: u32 = 0x4000_0000;
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7FFF_0000;
    const ERRNO: u32 = 0x0005_0000;
    const NUMBER_OFFSET: u32 = 0;
    let refuse = ERRNO | libc::ENOSYS as u32;
    Some(vec![
        sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: NUMBER_OFFSET },
        // -1 is what a tracer puts in to skip a call; it has the bit too and is no call at all.
        sock_filter { code: JUMP_IF_AT_LEAST, jt: 0, jf: 1, k: X32_BIT },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: refuse },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: ALLOW },
    ])
}

#[cfg(not(target_arch = "x86_64"))]
fn foreign_calls() -> Option<BpfProgram> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_for_this_machine() {
        assert!(!compile(refused_rules().unwrap(), libc::EPERM).unwrap().is_empty());
        assert!(!compile(unknown_rules(), libc::ENOSYS).unwrap().is_empty());
    }

    #[test]
    fn no_call_is_both_refused_and_unknown() {
        let refused = refused_rules().unwrap();
        assert!(UNKNOWN.iter().all(|call| !refused.contains_key(&number(*call))));
    }
}
