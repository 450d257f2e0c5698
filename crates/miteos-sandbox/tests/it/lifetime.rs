//! Nothing outlives its run: not a daemon, not a cancelled program, not the server's death.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use miteos_sandbox::{Exit, Limits};

use super::bench::{Bench, Run, everywhere_at_once, probe, processes_with, run, token, wait_until};

#[test]
fn a_program_that_ignores_every_signal_is_ended_in_time() {
    everywhere_at_once(|who, with| {
        let token = token("stubborn");
        let limits = Limits { wall_ms: 500, ..Limits::snippet() };
        let stubborn = Run { limits, ..probe(&["strain", "stubborn", &token]) };
        let outcome = Bench::new(who).outcome(with, stubborn);
        assert_eq!(outcome.exit, Exit::TimedOut, "{who:?} {with:?}");
        assert!((500..3_000).contains(&outcome.wall_ms), "{}", outcome.wall_ms);
        assert_eq!(processes_with(&token), Vec::<String>::new());
    });
}

#[test]
fn a_daemon_ends_with_its_program() {
    everywhere_at_once(|who, with| {
        let token = token("daemon");
        let text = Bench::new(who).output(with, probe(&["strain", "daemon", &token]));
        assert_eq!(text, format!("{token} started\n"));
        assert_eq!(processes_with(&token), Vec::<String>::new(), "{who:?} {with:?}");
    });
}

#[test]
fn a_daemon_ends_with_the_time() {
    everywhere_at_once(|who, with| {
        let token = token("daemon-late");
        let script = format!("./probe strain daemon {token}; ./probe strain sleep {token}");
        let limits = Limits { wall_ms: 600, ..Limits::snippet() };
        let outcome = Bench::new(who).outcome(with, Run { limits, ..run(&["sh", "-c", &script]) });
        assert_eq!(outcome.exit, Exit::TimedOut);
        assert_eq!(outcome.stdout.to_text(), format!("{token} started\n"));
        assert_eq!(processes_with(&token), Vec::<String>::new(), "{who:?} {with:?}");
    });
}

#[test]
fn a_killed_server_leaves_nothing() {
    everywhere_at_once(|who, with| {
        let bench = Bench::new(who);
        let token = token("orphan");
        let script = format!("./probe strain daemon {token}; ./probe strain sleep {token}");
        let mut server = bench
            .command(bench.path("probe"))
            .arg("drive")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let request = bench.request(with, &[run(&["sh", "-c", &script])], false, true);
        server.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
        let mut ready = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        // The shell, the daemon and the sleeper.
        wait_until("the programs run", || processes_with(&token).len() >= 3);
        server.kill().unwrap();
        server.wait().unwrap();
        wait_until("nothing is left", || processes_with(&token).is_empty());
        let helpers = format!("{} __sandbox-outer", bench.path("probe").display());
        wait_until("no helper is left", || processes_with(&helpers).is_empty());
    });
}
