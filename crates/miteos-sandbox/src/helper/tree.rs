//! The processes below this one: who they are, how much memory they hold, and their end.
//!
//! It reads `/proc` of the host, where the processes of a sandbox are visible with their outer ids.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::process::{self, Pid, Reaped};

const KIB: u64 = 1024;

/// All processes below this one.
fn descendants() -> Vec<Pid> {
    let own = process::own_pid();
    // This process has one thread, whose number is its own.
    if !Path::new(&format!("/proc/{own}/task/{own}/children")).exists() {
        return descendants_by_parent(own);
    }
    let mut found = BTreeSet::new();
    let mut open = vec![own];
    while let Some(pid) = open.pop() {
        for child in children_from_kernel(pid) {
            if found.insert(child) {
                open.push(child);
            }
        }
    }
    found.into_iter().collect()
}

/// The kernel's own list, which not every kernel is built with. A process or thread that has just ended has no
/// children: those of a thread are another thread's then.
fn children_from_kernel(pid: Pid) -> Vec<Pid> {
    let mut children = Vec::new();
    for thread in threads(pid) {
        let Ok(text) = std::fs::read_to_string(thread.join("children")) else { continue };
        children.extend(text.split_whitespace().filter_map(|number| number.parse::<Pid>().ok()));
    }
    children
}

/// The folders of a process's threads, the first one first.
fn threads(pid: Pid) -> impl Iterator<Item = PathBuf> {
    let listed = std::fs::read_dir(format!("/proc/{pid}/task"));
    listed.into_iter().flatten().flatten().map(|thread| thread.path())
}

/// The slow way: look at every process of the machine for its parent.
fn descendants_by_parent(own: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse::<Pid>().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name may contain anything, so fields are counted from its closing bracket.
            let parent = stat.rsplit_once(") ")?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = BTreeSet::new();
    let mut open = vec![own];
    while let Some(parent) = open.pop() {
        for (pid, _) in parents.iter().filter(|(_, of)| *of == parent) {
            if found.insert(*pid) {
                open.push(*pid);
            }
        }
    }
    found.into_iter().collect()
}

/// Whether all processes below this one hold more anonymous and shared memory than this. Mapped files are left
/// out: they can be dropped.
///
/// The quick sum counts a page once for each process that has it, so children that only read what their parent
/// had would look like copies of it. Only when that sum is over the limit is each page's share counted.
pub(super) fn descendants_hold_more_than(limit: u64) -> bool {
    let all = descendants();
    let sum = |memory_of: fn(Pid) -> u64| all.iter().map(|pid| memory_of(*pid)).fold(0, u64::saturating_add);
    sum(resident) > limit && sum(proportional) > limit
}

fn resident(pid: Pid) -> u64 {
    of_any_thread(pid, "status", ["RssAnon:", "RssShmem:"]).unwrap_or(0)
}

/// All threads have the same memory, but one that has ended shows none, and the first can end before the others.
fn of_any_thread(pid: Pid, file: &str, names: [&str; 2]) -> Option<u64> {
    threads(pid).find_map(|thread| field_sum(&thread.join(file), names))
}

/// A process that cannot be looked into, or a kernel that does not tell, counts in full.
fn proportional(pid: Pid) -> u64 {
    of_any_thread(pid, "smaps_rollup", ["Pss_Anon:", "Pss_Shmem:"]).unwrap_or_else(|| resident(pid))
}

/// The sum of two fields in KiB, as bytes; nothing when the first is missing.
fn field_sum(path: &Path, names: [&str; 2]) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.contains(names[0]).then(|| sum_of_fields(&text, names))
}

fn sum_of_fields(text: &str, [one, other]: [&str; 2]) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(one).or_else(|| line.strip_prefix(other)))
        .filter_map(|value| value.split_whitespace().next()?.parse::<u64>().ok())
        .fold(0, |sum, kib| sum.saturating_add(kib * KIB))
}

/// Kills until nothing is left and has seen the end of each: orphans become our children, and the first process
/// of a pid namespace is only collected once everything in it is gone.
pub(super) fn kill_all_descendants(pause: Duration) {
    loop {
        for pid in descendants() {
            process::kill(pid);
        }
        loop {
            match process::reap(false) {
                Ok(Reaped::One(..)) => {}
                Ok(Reaped::NoneYet) => break,
                Ok(Reaped::NoChildren) | Err(_) => return,
            }
        }
        std::thread::sleep(pause);
    }
}
