//! The runner of Expo's tool, with programs that are written here in the tool's and npm's place.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use miteos_deploy::TargetKind;
use miteos_deploy::build::{Machine, Registries, RegistrySource, ToolSource};
use miteos_deploy::expo::{App, Command, EAS_CLI_VERSION, Eas, Folder as Given, Ran, Runner, RunnerError};
use miteos_tools::http::{EgressPolicy, Guarded};
use miteos_tools::secret::Secret;
use tokio_util::sync::CancellationToken;

use crate::setup::Folder;

const APP_JSON: &str =
    r#"{"expo":{"slug":"shop","extra":{"eas":{"projectId":"5ab9c0de-0000-4000-8000-0123456789ab"}}}}"#;
/// A run that does not end by itself is given this long.
const LONG: Duration = Duration::from_secs(60);

/// A folder for the runner and a program in the tool's place.
struct Place {
    folder: tempfile::TempDir,
    lines: Mutex<Vec<String>>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), lines: Mutex::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a shell's lines as a program.
    fn program(&self, name: &str, lines: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn named(&self, lines: &str) -> Eas {
        Eas::named(self.path("data"), self.program("eas", lines), self.tools())
    }

    fn machine(&self) -> Arc<Machine> {
        Arc::new(Machine::new(self.path("asked"), Guarded::new(EgressPolicy::default())))
    }

    /// The owner's programs are in this one folder.
    fn tools(&self) -> ToolSource {
        ToolSource::new(vec![self.path("bin")], self.machine())
    }

    async fn run(&self, eas: &Eas, folder: Given, timeout: Duration) -> Result<Ran, RunnerError> {
        let cancel = CancellationToken::new();
        let lines = |line: &str| self.lines.lock().unwrap().push(line.to_owned());
        eas.run(&command(folder, timeout), &lines, &cancel).await
    }

    /// Waits until a program has written its process's number there.
    async fn process(&self, name: &str) -> String {
        let begun = Instant::now();
        loop {
            match std::fs::read_to_string(self.path(name)) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => assert!(begun.elapsed() < LONG, "{name} was never written"),
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn command(folder: Given, timeout: Duration) -> Command {
    Command {
        arguments: vec!["deploy".to_owned(), "--json".to_owned(), "two words".to_owned()],
        environment: vec![("EXPO_TOKEN".to_owned(), Secret::new("expo_token_0123456789"))],
        folder,
        timeout,
    }
}

fn app() -> App {
    App::of(&Folder::new(&[("app.json", APP_JSON.as_bytes())]).workspace).unwrap()
}

/// Whether a process is there and not only waits to be fetched.
fn is_alive(process: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn until_dead(process: &str) {
    let begun = Instant::now();
    while is_alive(process) {
        assert!(begun.elapsed() < LONG, "{process} is alive");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn the_tool_finds_what_it_is_given_and_nothing_else() {
    let place = Place::new();
    let eas = place.named(
        "env | cut -d= -f1 | sort | tr '\\n' ' '; echo; echo \"$EXPO_TOKEN|$1|$3|$#\"; cat app.json; echo; find . -type f | \
         sort; test -d \"$HOME\" && test -d \"$TMPDIR\" && echo folders; echo to people >&2; echo no line end >&2; \
         printf 'last' >&2; cat; exit 3",
    );
    let files = Folder::site();
    let site = files.scan(TargetKind::Expo).unwrap();
    let ran = place.run(&eas, Given::Export(app(), Arc::new(site)), LONG).await.unwrap();
    assert_eq!(ran.exit_code, Some(3));
    let out = String::from_utf8(ran.stdout).unwrap();
    let mut lines = out.lines();
    // What a shell sets by itself is not from here.
    let names: Vec<&str> = lines
        .next()
        .unwrap()
        .split(' ')
        .filter(|name| !matches!(*name, "" | "PWD" | "OLDPWD" | "SHLVL" | "_" | "NODE_EXTRA_CA_CERTS"))
        .collect();
    assert_eq!(names, ["EXPO_TOKEN", "HOME", "LANG", "PATH", "TMPDIR"]);
    assert_eq!(lines.next().unwrap(), "expo_token_0123456789|deploy|two words|3");
    let told: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(told, app().json());
    let files: Vec<&str> = lines.by_ref().take(8).collect();
    assert_eq!(
        files,
        [
            "./app.json",
            "./dist/assets/copy.txt",
            "./dist/assets/deep/na\u{ef}ve name.txt",
            "./dist/assets/empty.js",
            "./dist/big.bin",
            "./dist/index.html",
            "./dist/style.css",
            "./package.json"
        ]
    );
    assert_eq!(lines.next(), Some("folders"));
    assert_eq!(*place.lines.lock().unwrap(), ["to people", "no line end", "last"]);
    let begun = Instant::now();
    while std::fs::read_dir(place.path("data/runs")).unwrap().next().is_some() {
        assert!(begun.elapsed() < LONG, "what it was given is gone afterwards");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn what_changed_since_it_was_looked_through_is_not_handed_over() {
    let place = Place::new();
    let eas = place.named(&format!("echo ran >{}", place.path("ran").display()));
    let folder = Folder::site();
    let site = Arc::new(folder.scan(TargetKind::Expo).unwrap());
    for bytes in [&b"<h1>HELLO</h1>"[..], b"short", b"<h1>hello</h1> and more"] {
        folder.write("index.html", bytes);
        let given = Given::Export(app(), Arc::clone(&site));
        let error = place.run(&eas, given, LONG).await.unwrap_err();
        assert_eq!(error, RunnerError::Changed { path: "index.html".to_owned() });
    }
    assert!(!place.path("ran").exists());
}

#[tokio::test]
async fn however_a_run_ends_nothing_of_it_lives_on() {
    let place = Place::new();
    // It starts another program in the background, and neither ends by itself or minds being asked to.
    let stubborn = |name: &str| {
        let pid = place.path(name).display().to_string();
        place.named(&format!(
            "trap '' TERM INT HUP; sleep 300 & echo $! >{pid}.new; mv {pid}.new {pid}; sleep 300"
        ))
    };
    // Its time is over.
    let eas = stubborn("slow");
    let (ran, process) =
        tokio::join!(place.run(&eas, Given::Empty, Duration::from_secs(2)), place.process("slow"));
    assert_eq!(ran.unwrap_err(), RunnerError::TimedOut { seconds: 2 });
    until_dead(&process).await;
    // It is cancelled.
    let eas = stubborn("cancelled");
    let cancel = CancellationToken::new();
    let command = command(Given::Empty, LONG);
    let running = eas.run(&command, &|_| {}, &cancel);
    let (ran, process) = tokio::join!(running, async {
        let process = place.process("cancelled").await;
        cancel.cancel();
        process
    });
    assert_eq!(ran.unwrap_err(), RunnerError::Cancelled);
    until_dead(&process).await;
    // Nobody waits for it any more; a server that is killed lets go of it in the same way.
    let eas = stubborn("dropped");
    let cancel = CancellationToken::new();
    let process = tokio::select! {
        _ = eas.run(&command, &|_| {}, &cancel) => panic!("it does not end"),
        process = async {
            place.process("dropped").await
        } => process,
    };
    until_dead(&process).await;
    // It ends and leaves something running, which holds its output.
    let pid = place.path("left");
    let eas = place.named(&format!("sleep 300 & echo $! >{}; echo done", pid.display()));
    let begun = Instant::now();
    let ran = place.run(&eas, Given::Empty, LONG).await.unwrap();
    assert_eq!((ran.exit_code, ran.stdout.as_slice()), (Some(0), &b"done\n"[..]));
    assert!(begun.elapsed() < LONG / 2);
    until_dead(&place.process("left").await).await;
}

#[tokio::test]
async fn outputs_are_bounded_and_ends_told_apart() {
    let place = Place::new();
    let eas = place.named("head -c 6000000 /dev/zero; kill -9 $$");
    let ran = place.run(&eas, Given::Empty, LONG).await.unwrap();
    assert_eq!((ran.exit_code, ran.stdout.len()), (None, 4 * 1024 * 1024));
    let missing = Eas::named(place.path("data"), place.path("nothing"), place.tools());
    let error = place.run(&missing, Given::Empty, LONG).await.unwrap_err().to_string();
    assert!(error.contains("nothing (MITEOS_EAS) is no program"), "{error}");
}

fn pinned(place: &Place) -> Eas {
    let registries = Registries::parse("npm=https://npm.example/,@expo=https://own.example/").unwrap();
    let source = RegistrySource::new(Some(registries), place.machine());
    Eas::pinned(place.path("data"), source, place.tools())
        .looking_in(&place.path("bin").display().to_string())
}

/// What npm does, as far as it is needed; it counts how often.
fn npm(place: &Place, version: &str) {
    let count = place.path("installed").display().to_string();
    place.program(
        "bin/npm",
        &format!(
            "PATH=/usr/bin:/bin; echo \"$* $npm_config_registry $(cat \"$HOME/.npmrc\")\" >>{count}; mkdir -p node_modules/.bin \
             node_modules/eas-cli cache; echo '{{\"version\":\"{version}\"}}' >node_modules/eas-cli/package.json; printf \
             '#!/bin/sh\\necho tool \"$1\"\\n' >node_modules/.bin/eas; chmod +x node_modules/.bin/eas"
        ),
    );
}

#[tokio::test]
async fn the_pinned_tool_is_installed_once() {
    let place = Place::new();
    npm(&place, EAS_CLI_VERSION);
    let eas = pinned(&place);
    let run = || place.run(&eas, Given::Empty, LONG);
    let (first, second) = tokio::join!(run(), run());
    assert_eq!(
        (first.unwrap().stdout.as_slice(), second.unwrap().stdout.as_slice()),
        (&b"tool deploy\n"[..], &b"tool deploy\n"[..])
    );
    // Another server on the same folder finds it.
    place.run(&pinned(&place), Given::Empty, LONG).await.unwrap();
    let installed = std::fs::read_to_string(place.path("installed")).unwrap();
    assert_eq!(installed.lines().count(), 1, "{installed}");
    for part in [
        "--ignore-scripts",
        &format!("eas-cli@{EAS_CLI_VERSION}"),
        "https://npm.example/",
        "@expo:registry=https://own.example/",
    ] {
        assert!(installed.contains(part), "{part}: {installed}");
    }
    assert!(place.lines.lock().unwrap().iter().any(|line| line.contains("installing eas-cli")));
    assert!(!place.path("data/new").exists());
}

/// Node and npm as a version manager keeps them: programs of a folder that is on the server's `PATH` and nowhere near
/// `/usr`. A shell stands in for node.
#[tokio::test]
async fn node_and_npm_of_a_version_manager_run_the_tool() {
    let place = Place::new();
    npm(&place, EAS_CLI_VERSION);
    std::fs::create_dir_all(place.path("v22/lib/node_modules/npm/bin")).unwrap();
    let script = place.path("v22/lib/node_modules/npm/bin/npm-cli.js");
    let text = std::fs::read_to_string(place.path("bin/npm")).unwrap();
    let tool = "#!/bin/sh\\necho tool";
    assert!(text.contains(tool));
    let text = text.replace("#!/bin/sh\nPATH=/usr/bin:/bin", "#!/usr/bin/env node\nPATH=$PATH:/usr/bin:/bin");
    std::fs::write(&script, text.replace(tool, "#!/usr/bin/env node\\necho tool of $(command -v node)"))
        .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(place.path("v22/bin")).unwrap();
    std::fs::copy("/bin/sh", place.path("v22/bin/node")).unwrap();
    std::os::unix::fs::symlink("../lib/node_modules/npm/bin/npm-cli.js", place.path("v22/bin/npm")).unwrap();
    let registries = Registries::parse("npm=https://npm.example/").unwrap();
    let source = RegistrySource::new(Some(registries), place.machine());
    let tools = ToolSource::new(vec![place.path("v22/bin")], place.machine());
    let ran = place.run(&Eas::pinned(place.path("data"), source, tools), Given::Empty, LONG).await.unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    assert!(out.starts_with("tool of ") && out.contains("/programs/node"), "{out}");
    let installed = place.path(&format!("data/eas-cli-{EAS_CLI_VERSION}"));
    assert!(!installed.join("programs").exists(), "links to the machine are no part of what is kept");
}

#[tokio::test]
async fn a_tool_that_cannot_be_installed_is_told_with_the_mend() {
    let place = Place::new();
    let eas = pinned(&place);
    let error = place.run(&eas, Given::Empty, LONG).await.unwrap_err().to_string();
    assert!(error.contains("npm was found neither on") && error.contains("Node.js"), "{error}");
    place.program("bin/npm", "echo 'npm error 404 no such package' >&2; exit 1");
    let error = place.run(&eas, Given::Empty, LONG).await.unwrap_err().to_string();
    assert!(error.contains("could not install") && error.contains("404 no such package"), "{error}");
    npm(&place, "1.0.0");
    let error = place.run(&eas, Given::Empty, LONG).await.unwrap_err().to_string();
    assert!(error.contains("something else than version"), "{error}");
    // What went wrong before is in nobody's way.
    npm(&place, EAS_CLI_VERSION);
    place.run(&eas, Given::Empty, LONG).await.unwrap();
}
