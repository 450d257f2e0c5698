//! Honest programs: what they are given, what they say, how they end.

use miteos_sandbox::{Exit, Limits};

use super::bench::{Bench, Run, Who, With, everywhere, probe, run, write};

#[test]
fn output_exit_code_and_signal_are_reported() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let runs = [
            run(&["sh", "-c", "echo out; echo err >&2; exit 7"]),
            probe(&["strain", "signal-self", "6"]),
            run(&["true"]),
        ];
        let results: Vec<_> = bench.drive(with, &runs).results.into_iter().map(Result::unwrap).collect();
        assert_eq!(results[0].exit, Exit::Code(7));
        assert_eq!(
            (results[0].stdout.to_text(), results[0].stderr.to_text()),
            ("out\n".into(), "err\n".into())
        );
        assert_eq!(results[1].exit, Exit::Signal(6), "{who:?} {with:?}");
        assert_eq!(results[2].exit, Exit::Code(0));
        assert!(results.iter().all(|outcome| outcome.isolated));
    }
}

#[test]
fn a_program_sees_a_small_clean_world() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let text = bench.output(with, run(&["env"]));
        let mut names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER"]);
        let known = bench.output(with, run(&["sh", "-c", "id -u; id -g; pwd; hostname"]));
        assert_eq!(known, "1000\n1000\n/workspace\nsandbox\n", "{who:?} {with:?}");
        let listing = "ls -d /workspace /home/* /root /mnt /srv /media /boot /sys 2>/dev/null; true";
        assert_eq!(bench.output(with, run(&["sh", "-c", listing])), "/home/sandbox\n/workspace\n");
    }
}

#[test]
fn stdin_is_given_whole_and_cannot_be_grown() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let long = "ünïcode line\n".repeat(200_000);
        let counted = bench.output(with, Run { stdin: long.clone(), ..run(&["wc", "-c"]) });
        assert_eq!(counted.trim(), long.len().to_string());
        assert_eq!(bench.output(with, run(&["wc", "-c"])).trim(), "0");
        let script = "(echo more >> /proc/self/fd/0) 2>/dev/null || echo refused; cat";
        let text = bench.output(with, Run { stdin: "x\n".into(), ..run(&["sh", "-c", script]) });
        assert!(text.contains("refused") && !text.contains("more"), "{who:?} {with:?} {text}");
    }
}

#[test]
fn arguments_are_passed_as_they_are_however_many() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let odd = ["a b", "", "ünï\u{1F980}", "$HOME", "'\"\n"];
        let mut words = vec!["printf", "[%s]"];
        words.extend(odd);
        assert_eq!(bench.output(with, run(&words)), odd.map(|word| format!("[{word}]")).concat());

        let mut many = probe(&["strain", "echo-arguments"]);
        many.program.extend((0..20_000).map(|number| format!("argument-{number}")));
        assert_eq!(bench.output(with, many).trim(), "20000", "{who:?} {with:?}");

        let mut too_long = run(&["true"]);
        too_long.program.push("x".repeat(200_000));
        let error = bench.drive(with, &[too_long]).results.remove(0).unwrap_err();
        assert!(error.contains("too long together"), "{error}");
    }
}

#[test]
fn a_program_that_cannot_start_says_why() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let make = |name: &str, text: &str, mode: u32| write(&bench.workspace().join(name), text, mode);
        make("plain", "text", 0o644);
        make("no-line", "echo hello", 0o755);
        make("no-interpreter", "#!/no/such/program\n", 0o755);
        let expected = [
            ("no-such-program", "none of the folders of PATH"),
            ("./missing", "there is no file ./missing"),
            ("./plain", "not executable"),
            ("./no-line", "first line `#!`"),
            ("./no-interpreter", "interpreter"),
        ];
        let runs: Vec<Run> = expected.iter().map(|(name, _)| run(&[name])).collect();
        for ((name, part), result) in expected.iter().zip(bench.drive(with, &runs).results) {
            let error = result.unwrap_err();
            assert!(error.contains(part) && error.contains(name), "{who:?} {with:?}: {error}");
        }
    }
}

#[test]
fn many_runs_at_once_all_end_well() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let runs: Vec<Run> =
            (0..20).map(|number| run(&["sh", "-c", &format!("echo {number}; sleep 0.05")])).collect();
        let mut command = bench.command(bench.path("probe"));
        command.arg("drive");
        let answer = bench.drive_by(command, &bench.request(with, &runs, true, false));
        for (number, result) in answer.results.into_iter().enumerate() {
            let outcome = result.unwrap();
            assert_eq!(outcome.exit, Exit::Code(0), "{who:?} {with:?}");
            assert_eq!(outcome.stdout.to_text(), format!("{number}\n"));
        }
    }
}

#[test]
fn package_tools_find_what_they_need() {
    // Node reserves gigabytes of address space and starts a dozen threads.
    if !std::path::Path::new("/usr/bin/node").exists() {
        return;
    }
    for (who, with) in everywhere() {
        let code = "const http=require('http');const s=http.createServer((q,r)=>r.end('served')).listen(0,'localhost',()=>\
                    http.get({port:s.address().port,host:'localhost'},r=>r.on('data',d=>{console.log(String(d));s.close()})))";
        let limits = Limits::build();
        let text = Bench::new(who).output(with, Run { limits, ..run(&["/usr/bin/node", "-e", code]) });
        assert_eq!(text, "served\n", "{who:?} {with:?}");
    }
}

#[test]
fn the_status_tells_what_was_found() {
    for (who, with) in everywhere() {
        let status = serde_json::to_value(Bench::new(who).drive(with, &[]).status).unwrap();
        assert_eq!(status["state"], "isolated");
        assert_eq!(status["backend"], with.name());
        assert_eq!(status["dropped_uids"].is_array(), who == Who::Root);
        let limits = status["limits"].to_string();
        assert!(limits.contains("processes: resource limit in an own user namespace"), "{limits}");
        assert_eq!(limits.contains("counted every 500 ms"), with == With::Bwrap);
    }
}
