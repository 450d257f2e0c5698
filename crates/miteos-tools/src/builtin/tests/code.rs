//! Programs: that they run once, and how their ends are told.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::super::*;
use super::{call, failure, said};
use crate::registry::Registry;
use crate::search::SearchConfig;
use crate::services::{CodeEnd, CodeError, CodeLimits};
/// One byte more than is shown.
const MAX_SHOWN: usize = 2 * 1024 + 1;

use crate::testing::{House, ScriptedCode, exited};

#[tokio::test]
async fn programs_run_once_and_their_end_is_kept() {
    let code = ScriptedCode::new(|job| {
        assert_eq!(
            (job.command.join(" ").as_str(), job.stdin.as_slice()),
            ("python3 -u -", &b"print(1)"[..])
        );
        assert_eq!((job.limits, job.timeout.as_secs()), (CodeLimits::Snippet, 30));
        std::fs::write(job.workspace.join("made.txt"), "x").unwrap();
        std::fs::remove_file(job.workspace.join("old.txt")).unwrap();
        Ok(exited(0, "1\n"))
    });
    let house = House::with(code.clone(), SearchConfig::keyless());
    house.put("old.txt", "");
    let input = json!({"language": "python", "code": "print(1)"});
    let tool = Registry::builtin().get("code_exec").cloned().unwrap();
    assert_eq!(tool.settle(&house.ctx, input.clone()).await.unwrap(), Settled::NotStarted);
    let output = call(&house.ctx, "code_exec", input.clone()).await.unwrap();
    assert_eq!(output.text, "exit code 0\n--- stdout\n1\n--- files changed\nmade.txt, old.txt (deleted)\n");
    assert_eq!(tool.settle(&house.ctx, input.clone()).await.unwrap(), Settled::Done(output.clone()));
    assert_eq!(call(&house.ctx, "code_exec", input.clone()).await.unwrap(), output);
    assert_eq!(code.runs(), 1, "a call that has ended is not run again");
    crate::calls::forget(&house.ctx.services.calls_dir, &house.ctx.workspace, house.ctx.call_id).unwrap();
    assert_eq!(tool.settle(&house.ctx, input).await.unwrap(), Settled::NotStarted);
}

#[tokio::test]
async fn what_a_silent_program_wrote_is_shown_if_it_is_little_text() {
    let code = ScriptedCode::new(|job| {
        let put = |name: &str, bytes: &[u8]| std::fs::write(job.workspace.join(name), bytes).unwrap();
        match job.stdin.as_slice() {
            b"table" => put("t.csv", b"region,total\nnorth,60\n"),
            b"spoken" => put("t.csv", b"region,total\n"),
            b"picture" => put("p.png", &[0x89, 0x50, 0xff]),
            b"long" => put("l.txt", "x".repeat(MAX_SHOWN).as_bytes()),
            b"many" => (0..4).for_each(|n| put(&format!("{n}.txt"), b"a")),
            other => panic!("{other:?}"),
        }
        Ok(exited(0, if job.stdin == b"spoken" { "done" } else { "" }))
    });
    let house = House::with(code, SearchConfig::keyless());
    let silent = "exit code 0\n(no output)\n--- files changed\n";
    let cases = [
        ("table", format!("{silent}t.csv\n--- t.csv\nregion,total\nnorth,60\n")),
        ("spoken", "exit code 0\n--- stdout\ndone\n--- files changed\nt.csv\n".to_owned()),
        ("picture", format!("{silent}p.png\n")),
        ("long", format!("{silent}l.txt\n")),
        ("many", format!("{silent}0.txt, 1.txt, 2.txt, 3.txt\n")),
    ];
    for (number, (program, told)) in (1..).zip(cases) {
        let input = json!({"language": "python", "code": program});
        assert_eq!(said(&house.call(number), "code_exec", input).await, told);
    }
}

#[tokio::test]
async fn a_program_that_a_crash_cut_off_is_not_repeated() {
    let code = ScriptedCode::new(|_| Err(CodeError::Internal("the helper went away".into())));
    let house = House::with(code.clone(), SearchConfig::keyless());
    let input = json!({"language": "bash", "code": "echo"});
    assert!(matches!(call(&house.ctx, "code_exec", input.clone()).await, Err(ToolError::Internal { .. })));
    let tool = Registry::builtin().get("code_exec").cloned().unwrap();
    let Settled::Interrupted(told) = tool.settle(&house.ctx, input.clone()).await.unwrap() else {
        panic!("settled otherwise")
    };
    assert!(told.contains("look at the files"));
    assert!(failure(&house.ctx, "code_exec", input).await.contains("look at the files"));
    assert_eq!(code.runs(), 1);
}

#[tokio::test]
async fn a_program_that_never_ran_may_be_tried_again() {
    let first = AtomicBool::new(true);
    let code = ScriptedCode::new(move |_| {
        if first.swap(false, Ordering::SeqCst) {
            Err(CodeError::NotRun("too many wait".to_owned()))
        } else {
            Ok(exited(2, ""))
        }
    });
    let house = House::with(code.clone(), SearchConfig::keyless());
    let input = json!({"language": "bash", "code": "exit 2"});
    assert_eq!(failure(&house.ctx, "code_exec", input.clone()).await, "too many wait");
    assert_eq!(said(&house.ctx, "code_exec", input).await, "exit code 2\n(no output)\n");
    assert!(!house.folder.path().join(format!("ws/.miteos/run/{}.sh", house.ctx.call_id)).exists());
}

#[tokio::test]
async fn a_library_that_is_not_there_is_told_with_what_is() {
    let code = ScriptedCode::new(|_| {
        let stderr = "ModuleNotFoundError: No module named 'pandas'\n".to_owned();
        Ok(crate::services::CodeOutcome { stderr, ..exited(1, "") })
    });
    let house = House::with(code, SearchConfig::keyless());
    let told = said(&house.ctx, "code_exec", json!({"language": "python", "code": "import pandas"})).await;
    assert!(
        told.starts_with("exit code 1\nnote: that library is not here") && told.contains("csv"),
        "{told}"
    );
}

#[tokio::test]
async fn programs_that_cannot_run_say_why() {
    let none = ScriptedCode::new(|job| {
        let cause = "it is in none of the folders of PATH".to_owned();
        Err(CodeError::NoInterpreter { program: job.command[0].clone(), cause })
    });
    let house = House::with(none, SearchConfig::keyless());
    let told = failure(&house.ctx, "code_exec", json!({"language": "javascript", "code": "1"})).await;
    assert_eq!(
        told,
        "javascript programs cannot be run: node could not be started: it is in none of the folders of PATH; shorten \
         the program or use another language"
    );
    let mut off = ScriptedCode::new(|_| Ok(exited(0, "")));
    std::sync::Arc::get_mut(&mut off).unwrap().off = Some("no sandbox works here; mend it".to_owned());
    let house = House::with(off.clone(), SearchConfig::keyless());
    let told = failure(&house.ctx, "code_exec", json!({"language": "bash", "code": "1"})).await;
    assert_eq!((told.as_str(), off.runs()), ("code_exec is off: no sandbox works here; mend it", 0));
    let cancelled = ScriptedCode::new(|_| Err(CodeError::Cancelled));
    let house = House::with(cancelled, SearchConfig::keyless());
    assert!(matches!(
        call(&house.ctx, "code_exec", json!({"language": "bash", "code": "1"})).await,
        Err(ToolError::Cancelled)
    ));
}

#[tokio::test]
async fn the_ends_of_programs_are_told_apart() {
    let code = ScriptedCode::new(|job| {
        let script = match job.command[0].as_str() {
            "bash" => std::fs::read_to_string(job.workspace.join(&job.command[1])).unwrap(),
            _ => String::from_utf8(job.stdin.clone()).unwrap(),
        };
        let mut outcome = exited(0, &job.command.join(" "));
        outcome.end = match script.as_str() {
            "slow" => CodeEnd::TimedOut,
            "big" => CodeEnd::Limit("it used more than 1 byte of memory".to_owned()),
            "signal" => CodeEnd::Signal(11),
            _ => CodeEnd::Exited(0),
        };
        outcome.stderr = "z".repeat(if script == "long" { 500_000 } else { 0 });
        outcome.notes = vec![format!("{} s", job.timeout.as_secs())];
        Ok(outcome)
    });
    let house = House::with(code, SearchConfig::keyless());
    let mut number = 0;
    let mut run = async |language: &str, code: &str, timeout: Option<u64>| {
        number += 1;
        let mut input = json!({"language": language, "code": code});
        if let Some(seconds) = timeout {
            input["timeout_s"] = seconds.into();
        }
        said(&house.call(number), "code_exec", input).await
    };
    assert!(run("bash", "slow", Some(7)).await.starts_with("stopped: it ran longer than"));
    assert!(
        run("bash", "big", None)
            .await
            .starts_with("stopped after 0.1 s: it used more than 1 byte of memory\nnote: 120 s\n")
    );
    assert!(run("python", "signal", Some(600)).await.starts_with("ended by signal 11\nnote: 600 s\n"));
    let long = run("bash", "long", None).await;
    assert!(long.contains("bytes left out") && long.len() < 100 * 1024, "{}", long.len());
    assert!(run("javascript", "console.log(1)", None).await.contains("node -\n"));
    assert!(run("javascript", "import fs from 'fs'\n1", None).await.contains("node --input-type=module -\n"));
}
