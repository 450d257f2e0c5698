//! A native build is packed in the real sandbox: the tool finds the project and the token, and nothing of the machine. Where
//! no sandbox works, that it says so and runs nothing. This file starts itself as the sandbox's helper, so it has no
//! harness.

#![expect(clippy::unwrap_used, reason = "a test without a harness")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use miteos_deploy::build::{Machine, Registries, RegistrySource, ToolSource};
use miteos_deploy::expo::{
    Command, EAS_CLI_VERSION, Eas, Folder, Jail, Runner, RunnerError, Sandboxes, prepare_source,
};
use miteos_sandbox::{BackendChoice, Sandbox, SandboxConfig, State};
use miteos_tools::Workspace;
use miteos_tools::http::{EgressPolicy, Guarded};
use miteos_tools::secret::Secret;
use tokio_util::sync::CancellationToken;

/// Longest run.
const PATIENCE: Duration = Duration::from_secs(60);
const APP_JSON: &str = r#"{"expo":{"slug":"shop","plugins":["expo-router"],
    "extra":{"eas":{"projectId":"5ab9c0de-0000-4000-8000-0123456789ab"}}}}"#;

fn main() {
    miteos_sandbox::run_helper_if_asked();
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(all());
}

struct One(Sandbox);

#[async_trait]
impl Sandboxes for One {
    async fn sandbox(&self) -> &Sandbox {
        &self.0
    }
}

/// A server that is root runs programs as another user, who has to get to the files.
fn open_to_the_sandbox(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn sandbox(folder: &Path, backend: BackendChoice) -> Sandbox {
    Sandbox::probe(SandboxConfig {
        backend,
        runtime_dir: folder.join("run"),
        helper: std::env::current_exe().unwrap(),
        read_only_binds: Vec::new(),
        hidden_folders: Vec::new(),
        max_concurrent: 2,
        drop_uid_base: 64_000,
    })
    .await
}

/// Writes a program that stands in for npm: it installs a tool of these lines of a shell.
fn npm(bin: &Path, tool: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(bin).unwrap();
    let text = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin\nmkdir -p node_modules/.bin node_modules/eas-cli cache\necho \
         '{{\"version\":\"{EAS_CLI_VERSION}\"}}' >node_modules/eas-cli/package.json\ncat >node_modules/eas-cli/run \
         <<'END'\n#!/bin/sh\n{tool}\nEND\nchmod +x node_modules/eas-cli/run\nln -s ../eas-cli/run node_modules/.bin/eas\n"
    );
    std::fs::write(bin.join("npm"), text).unwrap();
    std::fs::set_permissions(bin.join("npm"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn eas(folder: &Path, sandbox: Sandbox) -> Eas {
    let http = Guarded::new(EgressPolicy::default());
    let registries = Registries::parse("npm=https://npm.example/").unwrap();
    let machine = Arc::new(Machine::new(folder.join("asked"), http.clone()));
    let source = RegistrySource::new(Some(registries), machine.clone());
    let tools = ToolSource::new(Vec::new(), machine);
    let jail = Jail { sandboxes: Arc::new(One(sandbox)), dial: Arc::new(http) };
    let path = folder.join("bin").display().to_string();
    Eas::pinned(folder.join("eas"), source, tools).looking_in(&path).with_jail(jail)
}

fn project(folder: &Path) -> Workspace {
    let copy = Workspace::create(folder.join("project")).unwrap();
    std::fs::write(folder.join("project/app.json"), APP_JSON).unwrap();
    std::fs::write(folder.join("project/App.js"), "export default 1").unwrap();
    prepare_source(&copy).unwrap();
    copy
}

fn command(source: Workspace, timeout: Duration) -> Command {
    Command {
        arguments: vec!["build".to_owned(), "--json".to_owned()],
        environment: vec![("EXPO_TOKEN".to_owned(), Secret::new("expo_token_0123456789"))],
        folder: Folder::Source(source),
        timeout,
    }
}

async fn all() {
    let folder = tempfile::tempdir().unwrap();
    open_to_the_sandbox(folder.path());
    let secret = folder.path().join("secret.key");
    std::fs::write(&secret, "the server's").unwrap();
    let unisolated = sandbox(&folder.path().join("none"), BackendChoice::None).await;
    refused_without(folder.path(), unisolated, "MITEOS_SANDBOX").await;
    let sandbox = sandbox(folder.path(), BackendChoice::Auto).await;
    if let State::Unavailable { reason, .. } = sandbox.status().state {
        refused_without(folder.path(), sandbox, &reason).await;
        return;
    }
    the_tool_sees_the_project_alone(folder.path(), &secret, sandbox.clone()).await;
    node_of_a_home_runs_the_tool(folder.path(), sandbox.clone()).await;
    hosts_that_are_not_expos_are_named(folder.path(), sandbox.clone()).await;
    its_time_is_limited(folder.path(), sandbox).await;
}

async fn refused_without(folder: &Path, sandbox: Sandbox, part: &str) {
    let place = folder.join("refused");
    npm(&place.join("bin"), "echo ran");
    let command = command(project(&place), PATIENCE);
    let error = eas(&place, sandbox).run(&command, &|_| {}, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&error, RunnerError::Unavailable { why } if why.contains(part)), "{error}");
    std::fs::remove_dir_all(&place).unwrap();
}

async fn the_tool_sees_the_project_alone(folder: &Path, secret: &Path, sandbox: Sandbox) {
    let place = folder.join("sees");
    let tool = format!(
        "pwd; find . -type f | sort; echo \"$EXPO_TOKEN $1\"; test -e {} && echo leaked; echo changed >>App.js; echo changed \
         >>/workspace/tool/node_modules/eas-cli/run; echo to people >&2; exit 4",
        secret.display()
    );
    npm(&place.join("bin"), &tool);
    let (eas, source) = (eas(&place, sandbox), project(&place));
    let lines = Mutex::new(Vec::new());
    let told = |line: &str| lines.lock().unwrap().push(line.to_owned());
    for _ in 0..2 {
        let ran =
            eas.run(&command(source.clone(), PATIENCE), &told, &CancellationToken::new()).await.unwrap();
        let out = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(ran.exit_code, Some(4), "{out} {}", String::from_utf8_lossy(&ran.stderr));
        let expected = [
            "/workspace/project",
            "./App.js",
            "./app.json",
            "./node_modules/expo-router/app.plugin.js",
            "./node_modules/expo-router/package.json",
            "expo_token_0123456789 build",
        ];
        assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    }
    assert!(lines.lock().unwrap().iter().any(|line| line == "to people"));
    // What it changes is its own copy.
    assert_eq!(std::fs::read_to_string(place.join("project/App.js")).unwrap(), "export default 1");
    let installed = place.join(format!("eas/eas-cli-{EAS_CLI_VERSION}/node_modules/eas-cli/run"));
    assert!(!std::fs::read_to_string(installed).unwrap().ends_with("changed\n"));
}

/// A shell stands in for a node that lies outside of the system: the tool is run by it, and sees nothing beside it.
async fn node_of_a_home_runs_the_tool(folder: &Path, sandbox: Sandbox) {
    let place = folder.join("node");
    npm(
        &place.join("bin"),
        "command -v node; readlink $(command -v node); ls /tools /tools/bin; node missing-script",
    );
    std::fs::copy("/bin/sh", place.join("bin/node")).unwrap();
    std::fs::write(place.join("bin/diary"), "the owner's").unwrap();
    let command = command(project(&place), PATIENCE);
    let ran = eas(&place, sandbox.clone()).run(&command, &|_| {}, &CancellationToken::new()).await.unwrap();
    let (out, said) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert_eq!(
        out, "/workspace/programs/node\n/tools/bin/node\n/tools:\nbin\n\n/tools/bin:\nnode\n",
        "{said}"
    );
    assert!(ran.exit_code != Some(0), "it ran: {said}");
    // What is not there is told with what is.
    let place = folder.join("no-node");
    npm(&place.join("bin"), "exec no-such-node");
    let command = self::command(project(&place), PATIENCE);
    let ran = eas(&place, sandbox).run(&command, &|_| {}, &CancellationToken::new()).await.unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.exit_code == Some(127) && said.contains("node with its package managers"), "{said}");
}

async fn hosts_that_are_not_expos_are_named(folder: &Path, sandbox: Sandbox) {
    let place = folder.join("hosts");
    let tool = "exec 3<>/dev/tcp/127.0.0.1/3128; printf 'CONNECT elsewhere.example:443 HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n' >&3; \
                head -1 <&3; exit 1";
    npm(&place.join("bin"), &format!("exec bash -c \"{}\"", tool.replace('"', "\\\"")));
    let command = command(project(&place), PATIENCE);
    let ran = eas(&place, sandbox).run(&command, &|_| {}, &CancellationToken::new()).await.unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.exit_code, Some(1));
    assert!(said.contains("elsewhere.example:443") && said.contains("api.expo.dev:443"), "{said}");
}

async fn its_time_is_limited(folder: &Path, sandbox: Sandbox) {
    let place = folder.join("slow");
    npm(&place.join("bin"), "sleep 300");
    let command = command(project(&place), Duration::from_secs(1));
    let error = eas(&place, sandbox).run(&command, &|_| {}, &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error, RunnerError::TimedOut { seconds: 1 });
}
