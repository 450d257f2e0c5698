//! Where no sandbox works, nothing runs, and the operator is told why and what to do.

use std::path::PathBuf;

use miteos_sandbox::{
    BackendChoice, Exit, Limits, Network, RunSpec, Sandbox, SandboxConfig, SandboxError, State,
};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, With, everywhere, is_root, run, text_of};

fn config(folder: &std::path::Path, backend: BackendChoice) -> SandboxConfig {
    SandboxConfig {
        backend,
        runtime_dir: folder.join("runtime"),
        helper: env!("CARGO_BIN_EXE_sandbox-probe").into(),
        read_only_binds: Vec::new(),
        hidden_folders: Vec::new(),
        max_concurrent: 1,
        drop_uid_base: 64_000,
    }
}

fn touch(folder: &std::path::Path) -> RunSpec {
    RunSpec {
        program: vec!["touch".into(), "was-run".into()],
        workspace: folder.to_owned(),
        cwd: PathBuf::new(),
        home_cache: None,
        read_only: Vec::new(),
        env: Vec::new(),
        stdin: Vec::new(),
        limits: Limits::snippet(),
        network: Network::Off,
        output: None,
    }
}

/// A helper that is not one stands for every machine where nothing works.
#[tokio::test]
async fn without_a_backend_every_run_is_refused_with_reason_and_mend() {
    let folder = tempfile::tempdir().unwrap();
    let config = SandboxConfig { helper: "/bin/true".into(), ..config(folder.path(), BackendChoice::Auto) };
    let sandbox = Sandbox::probe(config).await;
    let status = sandbox.status();
    assert_eq!(status.failed.len(), 2);
    assert!(matches!(status.state, State::Unavailable { .. }));
    let refused = sandbox.run(touch(folder.path()), CancellationToken::new()).await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, SandboxError::Unavailable { .. }));
    for part in ["namespaces:", "bwrap:", "to mend it:", "nothing was run"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!folder.path().join("was-run").exists());
}

#[tokio::test]
async fn a_runtime_folder_that_is_a_link_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", folder.path().join("runtime")).unwrap();
    let sandbox = Sandbox::probe(config(folder.path(), BackendChoice::Auto)).await;
    assert!(matches!(sandbox.status().state, State::Unavailable { .. }));
}

#[tokio::test]
async fn no_isolation_is_chosen_by_name_and_marks_every_result() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::probe(config(folder.path(), BackendChoice::None)).await;
    assert_eq!(sandbox.status().state, State::Unsandboxed);
    let outcome = sandbox.run(touch(folder.path()), CancellationToken::new()).await.unwrap();
    assert_eq!((outcome.exit, outcome.isolated), (Exit::Code(0), false));
    assert!(folder.path().join("was-run").exists());
    // Its limits hold too.
    let mut spec = touch(folder.path());
    spec.program = ["yes"].map(Into::into).to_vec();
    let outcome = sandbox.run(spec, CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.exit, Exit::OutputLimit);
    let mut spec = touch(folder.path());
    spec.program = ["sleep", "50"].map(Into::into).to_vec();
    spec.limits.wall_ms = 200;
    assert_eq!(sandbox.run(spec, CancellationToken::new()).await.unwrap().exit, Exit::TimedOut);
}

/// User namespaces switched off for a part of the machine: a namespace whose limit is zero.
#[test]
fn forbidden_namespaces_are_named_with_their_setting() {
    if !is_root() {
        // Making such a namespace needs a user namespace of its own, which is what is tested.
        return;
    }
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let mut command = bench.command("unshare");
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" drive";
        command.args(["--user", "--map-root-user", "sh", "-c", script]).arg(bench.path("probe"));
        let answer = bench.drive_by(command, &bench.request(with, &[run(&["true"])], false, false));
        let error = answer.results.into_iter().next().unwrap().unwrap_err();
        assert!(error.contains("nothing was run") && error.contains(with.name()), "{who:?} {error}");
    }
}

/// Root without CAP_SYS_ADMIN, as in a container: folders must be reachable, and then it works.
#[test]
fn root_with_few_rights_still_drops_to_another_user() {
    if !is_root() {
        return;
    }
    for with in [With::Namespaces, With::Bwrap] {
        let bench = Bench::new(super::bench::Who::Root);
        let few = || {
            let mut command = bench.command("setpriv");
            command.args(["--bounding-set", "-sys_admin", "--"]).arg(bench.path("probe")).arg("drive");
            command
        };
        let request =
            bench.request(with, &[run(&["sh", "-c", "id -u; touch made; cat /etc/shadow"])], false, false);
        let refused = bench.drive_by(few(), &request);
        let State::Unavailable { mend, .. } = &refused.status.state else { panic!("{:?}", refused.status) };
        assert!(mend.contains("every user can enter"), "{mend}");

        let reachable = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o711);
        std::fs::set_permissions(bench.path(""), reachable).unwrap();
        let outcome = bench.drive_by(few(), &request).results.remove(0).unwrap();
        assert_eq!(outcome.stdout.to_text(), "1000\n", "{}", outcome.stderr.to_text());
        let owner =
            std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(bench.path("workspace/made")).unwrap());
        assert!((64_000..64_512).contains(&owner));
    }
}

/// A container whose /proc is partly covered: the kernel then allows no new one.
#[test]
fn a_covered_proc_leads_to_the_shared_variant() {
    if !is_root() {
        return;
    }
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let mut command = std::process::Command::new("unshare");
        let user = match who {
            super::bench::Who::Root => String::new(),
            super::bench::Who::User => {
                let id = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(bench.workspace()).unwrap());
                format!("setpriv --reuid {id} --regid {id} --clear-groups")
            }
        };
        let script = format!(
            "mount -t tmpfs none /proc/acpi 2>/dev/null || mount -t tmpfs none /proc/irq; exec {user} \"$0\" drive"
        );
        command
            .args(["--mount", "sh", "-c", &script])
            .arg(bench.path("probe"))
            .current_dir(bench.path("host"));
        let program = run(&[
            "sh",
            "-c",
            "cat /proc/$PPID/environ; ls /proc/1/root; echo x > /proc/sys/kernel/hostname; true",
        ]);
        let answer = bench.drive_by(command, &bench.request(with, &[program], false, false));
        let status = serde_json::to_value(&answer.status).unwrap();
        assert_eq!(status["proc"], "shared", "{who:?} {with:?} {status}");
        assert!(status["missing_layers"].to_string().contains("own /proc"));
        let outcome = answer.results.into_iter().next().unwrap().unwrap();
        assert_eq!(outcome.stdout.to_text(), "", "{who:?} {with:?}");
    }
}

#[test]
fn the_helper_words_do_nothing_for_strangers() {
    let bench = Bench::new(super::bench::Who::User);
    for words in [vec!["__sandbox-outer"], vec!["__sandbox-inner"], vec!["__sandbox-inner", "0", "1"]] {
        let mut command = bench.command(bench.path("probe"));
        let output = command.args(words).stdin(std::process::Stdio::null()).output().unwrap();
        assert!(!output.status.success(), "{}", text_of(&output));
    }
}
