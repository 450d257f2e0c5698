//! Each limit stops its bomb. The bombs are bounded, so that a missing limit fails the test and not the machine.

use miteos_sandbox::{Exit, Limits};

use super::bench::{Bench, Run, everywhere_at_once, probe, run};

const MIB: u64 = 1024 * 1024;

fn strain(words: &[&str], limits: Limits) -> Run {
    let words: Vec<&str> = ["strain"].into_iter().chain(words.iter().copied()).collect();
    Run { limits, ..probe(&words) }
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

#[test]
fn processes_files_memory_and_temporary_space_end_at_their_limit() {
    let limits = Limits {
        processes: 40,
        open_files: 64,
        process_memory_bytes: 128 * MIB,
        file_bytes: 8 * MIB,
        tmp_bytes: 12 * MIB,
        shm_bytes: 6 * MIB,
        home_bytes: 10 * MIB,
        ..Limits::snippet()
    };
    let cases: &[(&[&str], std::ops::RangeInclusive<u64>)] = &[
        (&["processes", "400"], 20..=40),
        (&["files", "1000"], 40..=64),
        (&["memory", "600"], 60..=128),
        (&["fill", "big", "64"], 7..=8),
        (&["fill", "/tmp/a", "8"], 7..=8),
        (&["fill", "/dev/shm/a", "8"], 5..=6),
        (&["fill", "/home/sandbox/a", "8"], 7..=8),
    ];
    everywhere_at_once(|who, with| {
        let bench = Bench::new(who);
        let mut runs: Vec<Run> = cases.iter().map(|(words, _)| strain(words, limits)).collect();
        // Two files of the largest size do not fit into /tmp.
        runs.push(Run {
            limits,
            ..run(&["sh", "-c", "./probe strain fill /tmp/a 8; ./probe strain fill /tmp/b 8"])
        });
        let mut results = bench.drive(with, &runs).results;
        let both = results.pop().unwrap().unwrap().stdout.to_text();
        let total: u64 = both.lines().map(number).sum();
        assert!((10..=12).contains(&total), "{who:?} {with:?} /tmp held {total} MiB");
        for ((words, expected), result) in cases.iter().zip(results) {
            let outcome = result.unwrap();
            assert_eq!(outcome.exit, Exit::Code(0), "{who:?} {with:?} {words:?}");
            let got = number(&outcome.stdout.to_text());
            assert!(expected.contains(&got), "{who:?} {with:?} {words:?}: {got}");
        }
    });
}

#[test]
fn many_processes_together_end_at_the_trees_memory_limit() {
    let limits = Limits { memory_bytes: 200 * MIB, ..Limits::snippet() };
    everywhere_at_once(|who, with| {
        let bench = Bench::new(who);
        for words in [["tree-memory", "6", "60"].as_slice(), &["shared-memory", "400"]] {
            let outcome = bench.outcome(with, strain(words, limits));
            assert_eq!(outcome.exit, Exit::MemoryLimit, "{who:?} {with:?} {words:?}");
            assert!(outcome.wall_ms < 10_000, "{}", outcome.wall_ms);
        }
    });
}

#[test]
fn memory_below_the_limit_is_no_reason_to_end() {
    let limits = Limits { memory_bytes: 300 * MIB, wall_ms: 800, ..Limits::snippet() };
    everywhere_at_once(|who, with| {
        let bench = Bench::new(who);
        // The second would be 720 MiB if each child's view were counted.
        for words in [["tree-memory", "3", "40"], ["inherited-memory", "5", "120"]] {
            let outcome = bench.outcome(with, strain(&words, limits));
            assert_eq!(outcome.exit, Exit::TimedOut, "{who:?} {with:?} {words:?}");
        }
    });
}

#[test]
fn entries_of_temporary_folders_are_limited() {
    let limits = Limits { tmp_files: 500, ..Limits::snippet() };
    everywhere_at_once(|who, with| {
        // bwrap has no such mount option: the inner stage counts and ends the run.
        let script = "./probe strain entries /tmp 3000; sleep 20";
        let limits = Limits { wall_ms: 3_000, ..limits };
        let outcome = Bench::new(who).outcome(with, Run { limits, ..run(&["sh", "-c", script]) });
        let made = outcome.stdout.to_text();
        let stopped_by_mount = made.trim().parse::<u64>().is_ok_and(|made| made <= 500);
        assert!(
            stopped_by_mount || outcome.exit == Exit::WorkspaceLimit,
            "{who:?} {with:?} {:?} {made}",
            outcome.exit
        );
    });
}

#[test]
fn a_growing_workspace_ends_the_run() {
    let small = Limits {
        workspace_bytes: 40 * MIB,
        workspace_total_bytes: 50 * MIB,
        workspace_files: 300,
        ..Limits::snippet()
    };
    everywhere_at_once(|who, with| {
        let bench = Bench::new(who);
        for words in [["fill-files", ".", "8", "8"].as_slice(), &["deep", "200"]] {
            let outcome = bench.outcome(with, strain(words, small));
            assert_eq!(outcome.exit, Exit::WorkspaceLimit, "{who:?} {with:?} {words:?}");
            // And no other run starts on top of it.
            let refused = bench.drive(with, &[Run { limits: small, ..run(&["true"]) }]).results.remove(0);
            assert!(refused.unwrap_err().contains("over its limit before the start"));
            // The server, that is this process, tidies up.
            for entry in std::fs::read_dir(bench.workspace()).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    std::fs::remove_dir_all(path).unwrap();
                } else if !path.ends_with("probe") {
                    std::fs::remove_file(path).unwrap();
                }
            }
        }
    });
}

/// What others have put there, such as an upload, does not count against a run.
#[test]
fn a_run_in_a_big_workspace_may_add_its_share() {
    let limits = Limits { workspace_bytes: 40 * MIB, wall_ms: 12_000, ..Limits::snippet() };
    everywhere_at_once(|who, with| {
        let bench = Bench::new(who);
        std::fs::write(bench.path("workspace/upload"), vec![1; 64 * MIB as usize]).unwrap();
        let small = ["sh", "-c", "./probe strain fill small 8; sleep 3"];
        bench.output(with, Run { limits, ..run(&small) });
        let outcome = bench.outcome(with, strain(&["fill-files", ".", "8", "8"], limits));
        assert_eq!(outcome.exit, Exit::WorkspaceLimit, "{who:?} {with:?}");
    });
}

#[test]
fn a_folder_that_hides_its_size_ends_the_run() {
    let script = "mkdir hidden; cd hidden; chmod 000 .; sleep 30";
    everywhere_at_once(|who, with| {
        if who == super::bench::Who::Root {
            // Root reads every folder.
            return;
        }
        let bench = Bench::new(who);
        let limits = Limits { wall_ms: 15_000, ..Limits::snippet() };
        let outcome = bench.outcome(with, Run { limits, ..run(&["sh", "-c", script]) });
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
        std::fs::set_permissions(bench.path("workspace/hidden"), mode).unwrap();
        let expected = if super::bench::is_root() { Exit::WorkspaceLimit } else { outcome.exit };
        assert_eq!(outcome.exit, expected, "{with:?}");
    });
}

#[test]
fn burning_processor_time_ends_with_a_signal() {
    let limits = Limits { cpu_s: 1, wall_ms: 20_000, ..Limits::snippet() };
    everywhere_at_once(|who, with| {
        let outcome = Bench::new(who).outcome(with, strain(&["processor"], limits));
        assert_eq!(outcome.exit, Exit::Signal(24), "{who:?} {with:?}");
    });
}

#[test]
fn a_flood_of_output_is_cut_and_its_head_and_tail_are_kept() {
    let limits = Limits { output_read_bytes: MIB, output_kept_bytes: 10_000, ..Limits::snippet() };
    everywhere_at_once(|who, with| {
        let outcome = Bench::new(who).outcome(with, strain(&["flood"], limits));
        assert_eq!(outcome.exit, Exit::OutputLimit, "{who:?} {with:?}");
        assert_eq!((outcome.stdout.head.len(), outcome.stdout.tail.len()), (5_000, 5_000));
        assert!(outcome.stdout.dropped_bytes >= MIB - 20_000);
        assert!(outcome.stdout.total_bytes() < MIB + 200_000, "reading stops at the kill");
        assert!(outcome.wall_ms < 5_000, "{}", outcome.wall_ms);
    });
}

/// A server that is no root has no more rights in the workspace than the program that left it: what the mode bits
/// of a folder hide can be neither measured nor used.
#[test]
fn folders_made_unusable_by_their_mode_neither_hide_their_size_nor_stay_so() {
    let small = Limits { workspace_bytes: 40 * MIB, wall_ms: 15_000, ..Limits::snippet() };
    let hiding = [
        "mkdir d; touch d/x; chmod 644 d; ./probe strain fill-files . 8 8",
        "chmod 311 .; exec ./probe strain fill-files . 8 8",
        "mkdir big; cd big; ../probe strain fill one 8; chmod 0 ..; sleep 30",
    ];
    let innocent = ["mkdir sub; chmod 000 sub", "chmod 0 .", "mkdir -p a/b; chmod 000 a/b; chmod 000 a"];
    everywhere_at_once(|who, with| {
        for script in hiding {
            let bench = Bench::new(who);
            let outcome = bench.outcome(with, Run { limits: small, ..run(&["sh", "-c", script]) });
            let hides = who == super::bench::Who::User || script.contains("fill-files");
            let expected = if hides { Exit::WorkspaceLimit } else { Exit::TimedOut };
            assert_eq!(outcome.exit, expected, "{who:?} {with:?} {script}");
        }
        for script in innocent {
            let bench = Bench::new(who);
            bench.output(with, run(&["sh", "-c", script]));
            // Longer than it takes to measure, and it can do everything again.
            let later = "sleep 3; touch new && ls -R . >/dev/null && rm -rf sub a";
            bench.output(with, run(&["sh", "-c", later]));
        }
    });
}

/// Threads that come and go make the lists of a process's children disappear while they are read; a first thread
/// that has ended makes the process look as if it had no memory.
#[test]
fn threads_do_not_hide_memory() {
    let limits = Limits { memory_bytes: 200 * MIB, wall_ms: 12_000, ..Limits::snippet() };
    everywhere_at_once(|who, with| {
        let bench = Bench::new(who);
        for words in [["churn-memory", "6", "60"].as_slice(), &["leaderless-memory", "400"]] {
            let outcome = bench.outcome(with, strain(words, limits));
            assert_eq!(outcome.exit, Exit::MemoryLimit, "{who:?} {with:?} {words:?}");
        }
    });
}

#[test]
fn a_flood_that_ends_by_itself_is_over_the_limit_every_time() {
    let limits = Limits { output_read_bytes: MIB, ..Limits::snippet() };
    everywhere_at_once(|who, with| {
        let bench = Bench::new(who);
        let flood = Run { limits, ..run(&["sh", "-c", "head -c 1200000 /dev/zero; exit 0"]) };
        for result in bench.drive(with, &vec![flood; 10]).results {
            assert_eq!(result.unwrap().exit, Exit::OutputLimit, "{who:?} {with:?}");
        }
    });
}

/// Files that have no name any more are in no walk; a disk that runs out of room shows them.
#[test]
fn files_without_a_name_do_not_fill_the_disk() {
    if !super::bench::is_root() {
        // Only root can make a small disk for the workspace.
        return;
    }
    let limits = Limits { workspace_bytes: 20 * MIB, wall_ms: 15_000, ..Limits::snippet() };
    for with in [super::bench::With::Namespaces, super::bench::With::Bwrap] {
        let bench = Bench::new(super::bench::Who::Root);
        let script = format!(
            "cp probe ../probe.copy; mount -t tmpfs -o size=120m,mode=755 none {0} && cp ../probe.copy {0}/probe && \
             exec ../probe drive",
            bench.workspace().display()
        );
        let mut command = bench.command("unshare");
        command.args(["--mount", "sh", "-c", &script]);
        let hide = Run { limits, ..probe(&["strain", "fill-nameless", "8", "10"]) };
        let answer = bench.drive_by(command, &bench.request(with, &[hide], false, false));
        let outcome = answer.results.into_iter().next().unwrap().unwrap();
        assert_eq!(outcome.exit, Exit::WorkspaceLimit, "{with:?} {}", outcome.stdout.to_text());
    }
}

/// A deep workspace is measured by a server that may not open many files.
#[test]
fn measuring_a_deep_workspace_takes_one_open_file_a_level() {
    everywhere_at_once(|who, with| {
        let bench = Bench::new(who);
        let mut command = bench.command("sh");
        command.args(["-c", "ulimit -Sn 110; exec ../probe drive"]);
        let deep = run(&["sh", "-c", "for n in $(seq 60); do mkdir d; cd d; done; sleep 5"]);
        let answer = bench.drive_by(command, &bench.request(with, &[deep, run(&["true"])], false, false));
        for result in answer.results {
            assert_eq!(result.unwrap().exit, Exit::Code(0), "{who:?} {with:?}");
        }
    });
}
