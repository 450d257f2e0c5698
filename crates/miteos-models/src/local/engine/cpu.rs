//! How many threads compute.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

/// More threads wait for memory, not for arithmetic.
const MAX_THREADS: usize = 8;
/// Where Linux describes its processors.
const PROCESSORS: &str = "/sys/devices/system/cpu";

/// How many threads work on a prompt and how many on an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    pub prompt: i32,
    pub answer: i32,
}

/// Physical cores that this process may use, at most [`MAX_THREADS`]: two threads of one core only wait for each other.
///
/// An answer gets one less. The threads meet after every step of the arithmetic and spin until the last one is there;
/// when another program holds one core for a moment, all of them burn theirs. Measured on two busy cores, one thread
/// writes twice as many tokens a second as two.
pub fn threads() -> Threads {
    let usable = available_parallelism().map_or(1, usize::from);
    of_cores(usable.min(physical_cores(Path::new(PROCESSORS)).unwrap_or(usable)))
}

fn of_cores(cores: usize) -> Threads {
    let count = |threads: usize| i32::try_from(threads.clamp(1, MAX_THREADS)).unwrap_or(1);
    Threads { prompt: count(cores), answer: count(cores.saturating_sub(1)) }
}

/// Counts the distinct sets of sibling threads. `None` where the system does not tell.
fn physical_cores(processors: &Path) -> Option<usize> {
    let mut cores = BTreeSet::new();
    for entry in fs::read_dir(processors).ok()?.flatten() {
        let siblings = entry.path().join("topology/thread_siblings_list");
        if let Ok(list) = fs::read_to_string(siblings) {
            cores.insert(list);
        }
    }
    (!cores.is_empty()).then_some(cores.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_count_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(physical_cores(dir.path()), None);
        for (processor, siblings) in [(0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")] {
            let topology = dir.path().join(format!("cpu{processor}/topology"));
            fs::create_dir_all(&topology).unwrap();
            fs::write(topology.join("thread_siblings_list"), siblings).unwrap();
        }
        fs::create_dir(dir.path().join("cpufreq")).unwrap();
        assert_eq!(physical_cores(dir.path()), Some(2));
        assert!((1..=8).contains(&threads().prompt));
    }

    #[test]
    fn an_answer_leaves_a_core_free_where_there_is_one() {
        assert_eq!(of_cores(1), Threads { prompt: 1, answer: 1 });
        assert_eq!(of_cores(2), Threads { prompt: 2, answer: 1 });
        assert_eq!(of_cores(64), Threads { prompt: 8, answer: 8 });
    }
}
