//! Builds with the real sandbox: a site made by Vite with packages of this machine's registry, and everything that can
//! go wrong. Where no sandbox works, that it says so and runs nothing.
//!
//! The site needs node, npm and a registry that can be reached; `./scripts/setup.sh --tests` gets the programs.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test without a harness")]
#![expect(clippy::disallowed_methods, reason = "it starts itself again with a secret in its environment")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use miteos_deploy::TargetKind;
use miteos_deploy::build::{
    Build, BuildErrorKind, BuildFailure, BuildLimits, Built, Machine, Registries, RegistrySource, ToolSource,
    clear,
};
use miteos_deploy::detect::BuildSettings;
use miteos_deploy::site::{Index, scan};
use miteos_sandbox::{BackendChoice, Exit, Limits, Network, RunSpec, Sandbox, SandboxConfig, State};
use miteos_tools::Workspace;
use miteos_tools::http::{EgressPolicy, Guarded};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything but a whole build.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stands in this process's environment, as a provider's token may in a server's.
const SECRET: &str = "sekret-of-the-server";
const SECRET_VARIABLE: &str = "MITEOS_TEST_PROVIDER_TOKEN";

fn main() {
    miteos_sandbox::run_helper_if_asked();
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    if std::env::var_os(SECRET_VARIABLE).is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let status = again.args(std::env::args_os().skip(1)).env(SECRET_VARIABLE, SECRET).status().unwrap();
        std::process::exit(status.code().unwrap_or(1));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(all());
}

async fn all() {
    let folder = tempfile::tempdir().unwrap();
    open_to_the_sandbox(folder.path());
    let sandbox = Sandbox::probe(config(folder.path(), std::env::current_exe().unwrap())).await;
    a_plain_folder_is_published_as_it_is(&sandbox).await;
    without_a_sandbox_nothing_is_run(folder.path()).await;
    if let State::Unavailable { reason, .. } = sandbox.status().state {
        assert!(failure(&sandbox, &[("x", "")], "true").await.message.contains(&reason));
        return;
    }
    commands_get_a_copy_and_no_secret(&sandbox).await;
    failures_are_told_apart(&sandbox).await;
    limits_are_kept(&sandbox).await;
    waiting_is_not_building(&sandbox).await;
    cancelled_it_leaves_no_process(&sandbox).await;
    without_a_package_manager_its_mend_is_named(&sandbox).await;
    programs_of_a_home_are_used(&sandbox).await;
    other_hosts_are_refused_and_named(&sandbox).await;
    the_registry_of_a_scope_reaches_the_package_manager(&sandbox).await;
    a_site_is_built_with_vite(&sandbox).await;
}

fn config(folder: &Path, helper: PathBuf) -> SandboxConfig {
    SandboxConfig {
        backend: BackendChoice::Auto,
        runtime_dir: folder.join("run"),
        helper,
        read_only_binds: Vec::new(),
        hidden_folders: Vec::new(),
        max_concurrent: 2,
        drop_uid_base: 64_000,
    }
}

/// A server that is root runs programs as another user, who has to get to the files.
fn open_to_the_sandbox(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A workspace and what a build of it needs.
struct Place {
    folder: tempfile::TempDir,
    workspace: Workspace,
    registries: RegistrySource,
    tools: ToolSource,
    cancel: CancellationToken,
    lines: Mutex<Vec<String>>,
    limits: BuildLimits,
    places: Semaphore,
}

/// The machine's registry may be a mirror at an address that is not public.
fn http() -> Guarded {
    Guarded::new(EgressPolicy::parse("0.0.0.0/0,::/0").unwrap())
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_the_sandbox(folder.path());
        let workspace = Workspace::create(folder.path().join("ws")).unwrap();
        let machine = || Arc::new(Machine::new(folder.path().join("asked"), http()));
        let place = Self {
            registries: RegistrySource::new(None, machine()),
            tools: ToolSource::new(folders_of_path(), machine()),
            folder,
            workspace,
            cancel: CancellationToken::new(),
            lines: Mutex::default(),
            limits: BuildLimits::default(),
            places: Semaphore::new(1),
        };
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.workspace.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn build_folder(&self) -> PathBuf {
        self.folder.path().join("builds/one")
    }

    async fn build(&self, sandbox: &Sandbox, settings: &BuildSettings) -> Result<Built, BuildFailure> {
        let log = |line: String| self.lines.lock().unwrap().push(line);
        let build = Build {
            workspace: &self.workspace,
            settings,
            folder: &self.build_folder(),
            sandbox,
            dial: Arc::new(http()),
            registries: &self.registries,
            tools: &self.tools,
            limits: self.limits,
            places: &self.places,
            cancel: &self.cancel,
            log: &log,
        };
        build.run().await
    }

    fn said(&self, part: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|line| line.contains(part))
    }
}

fn settings(build: &str) -> BuildSettings {
    BuildSettings { build: Some(build.to_owned()), ..BuildSettings::default() }
}

async fn failure(sandbox: &Sandbox, files: &[(&str, &str)], build: &str) -> BuildFailure {
    Place::new(files).build(sandbox, &settings(build)).await.err().expect("it fails")
}

async fn a_plain_folder_is_published_as_it_is(sandbox: &Sandbox) {
    let place = Place::new(&[("index.html", "<h1>hello</h1>")]);
    let built = place.build(sandbox, &BuildSettings::default()).await.unwrap();
    assert_eq!((built.output.as_str(), built.index, built.was_built), ("", Index::Required, false));
    assert_eq!(built.workspace.root(), place.workspace.root());
    assert!(!place.build_folder().exists());
    let empty = Place::new(&[("notes.md", "x")]).build(sandbox, &BuildSettings::default()).await;
    assert_eq!(empty.err().unwrap().kind, BuildErrorKind::NoOutput);
}

async fn without_a_sandbox_nothing_is_run(folder: &Path) {
    let none = SandboxConfig { runtime_dir: folder.join("none"), ..config(folder, "/bin/true".into()) };
    let sandbox = Sandbox::probe(none).await;
    let place = Place::new(&[("x", "")]);
    let refused = place.build(&sandbox, &settings("touch ran")).await.err().unwrap();
    assert_eq!(refused.kind, BuildErrorKind::Build);
    assert!(refused.message.contains("no sandbox works") && refused.message.contains("to mend it"));
    assert!(!place.build_folder().exists() && !place.workspace.root().join("ran").exists());
}

async fn commands_get_a_copy_and_no_secret(sandbox: &Sandbox) {
    let place = Place::new(&[
        ("src/page.html", "<h1>page</h1>"),
        (".env", "TOKEN=in-the-workspace"),
        ("src/.env.local", "TOKEN=in-the-workspace"),
        ("node_modules/a/index.js", "old"),
        (".git/config", "x"),
    ]);
    let script = "mkdir -p dist && cp src/page.html dist/index.html && env > dist/env.txt && ls -a . src > dist/list.txt \
                  && (echo to stdout; printf '\\033[31mto stderr\\033[0m\\n' >&2) && cat .env src/.env.local; true";
    let built = place.build(sandbox, &settings(script)).await.unwrap();
    assert_eq!((built.output.as_str(), built.index, built.was_built), ("dist", Index::Required, true));
    let site =
        scan(&built.workspace, &built.output, TargetKind::Netlify.limits(), built.index, &[SECRET]).unwrap();
    assert_eq!(site.files.len(), 3);
    let read = |name: &str| std::fs::read_to_string(built.workspace.root().join(name)).unwrap();
    let environment = read("dist/env.txt");
    assert!(!environment.contains(SECRET) && environment.contains("HOME=/home/sandbox\n"), "{environment}");
    assert!(!environment.contains("PROXY"), "it needs no registry, so it has no way out: {environment}");
    let list = read("dist/list.txt");
    for gone in [".env", "node_modules", ".git"] {
        assert!(!list.lines().any(|line| line.starts_with(gone)), "{gone}: {list}");
    }
    for said in ["$ mkdir", "to stdout", "to stderr", "src/.env.local stays out", "the output is dist"] {
        assert!(place.said(said), "{said}: {:?}", place.lines.lock().unwrap());
    }
    assert!(!place.workspace.root().join("dist").exists(), "the workspace stays as it was");
    clear(&place.build_folder()).unwrap();
    assert!(!place.build_folder().exists());
    clear(&place.build_folder()).unwrap();
}

async fn failures_are_told_apart(sandbox: &Sandbox) {
    let failed = failure(sandbox, &[("x", "")], "echo first; echo the reason >&2; exit 3").await;
    assert_eq!(failed.kind, BuildErrorKind::Build);
    for part in ["exit code 3", "first", "the reason"] {
        assert!(failed.message.contains(part), "{failed}");
    }
    let installing = BuildSettings { install: Some("echo no; exit 4".to_owned()), ..settings("touch built") };
    let place = Place::new(&[("x", "")]);
    let failed = place.build(sandbox, &installing).await.err().unwrap();
    assert_eq!(failed.kind, BuildErrorKind::Install);
    assert!(!place.build_folder().join("source/built").exists(), "what follows a failure is not run");
    let failed = failure(sandbox, &[("x", "")], "miteos-no-such-program").await;
    assert!(failed.message.contains("did not find a program"), "{failed}");
    let failed = failure(sandbox, &[("x", "")], "mkdir dist").await;
    assert_eq!(failed.kind, BuildErrorKind::NoOutput);
    // A folder that the user names needs no page, but has to be there.
    let named =
        BuildSettings { output: Some("files".to_owned()), ..settings("mkdir files && echo x > files/a.txt") };
    let built = Place::new(&[("x", "")]).build(sandbox, &named).await.unwrap();
    assert_eq!((built.output.as_str(), built.index), ("files", Index::Optional));
    let named = BuildSettings { output: Some("files".to_owned()), ..settings("true") };
    let failed = Place::new(&[("x", "")]).build(sandbox, &named).await.err().unwrap();
    assert_eq!(failed.kind, BuildErrorKind::NoOutput);
    // What the build makes cannot lead the server out of it.
    let link = "mkdir dist && cp index.html dist/ && ln -s /etc/passwd dist/x.txt";
    let place = Place::new(&[("index.html", "x")]);
    let built = place.build(sandbox, &settings(link)).await.unwrap();
    let limits = TargetKind::Netlify.limits();
    assert!(scan(&built.workspace, &built.output, limits, built.index, &[]).is_err());
    let away = "ln -s / dist";
    let failed = failure(sandbox, &[("x", "")], away).await;
    assert_eq!(failed.kind, BuildErrorKind::NoOutput, "{failed}");
}

async fn limits_are_kept(sandbox: &Sandbox) {
    let mut place = Place::new(&[("x", "")]);
    place.limits.sandbox = Limits { wall_ms: 500, ..Limits::build() };
    let failed = place.build(sandbox, &settings("sleep 50")).await.err().unwrap();
    assert_eq!(failed.kind, BuildErrorKind::TimedOut);
    let mut place = Place::new(&[("x", "")]);
    place.limits.sandbox.output_read_bytes = 10_000;
    let failed = place.build(sandbox, &settings("yes")).await.err().unwrap();
    assert!(failed.message.contains("printed more than 10000 bytes"), "{failed}");
    let mut place = Place::new(&[("a", "12345"), ("b", "12345")]);
    place.limits.snapshot.max_bytes = 9;
    let failed = place.build(sandbox, &settings("true")).await.err().unwrap();
    assert!(failed.message.contains("more than 9 bytes"), "{failed}");
}

/// A build that waits for its place, or its command for one in the sandbox, uses up none of its time.
async fn waiting_is_not_building(sandbox: &Sandbox) {
    let mut place = Place::new(&[("x", "")]);
    place.limits.sandbox = Limits { wall_ms: 4_000, ..Limits::build() };
    let place = Arc::new(place);
    let taken = place.places.acquire().await.unwrap();
    let (waiting, own) = (Arc::clone(&place), sandbox.clone());
    let run =
        tokio::spawn(
            async move { waiting.build(&own, &settings("mkdir dist && touch dist/index.html")).await },
        );
    let told = async {
        while !place.said("it waits until another build is done") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert!(!place.build_folder().exists(), "nothing was begun");
    // All places of the sandbox are taken for longer than the build may run.
    let others = Place::new(&[("x", "")]);
    let root = || others.workspace.root().to_owned();
    let blockers = [blocker(sandbox.clone(), root()), blocker(sandbox.clone(), root())];
    let busy = async {
        while sandbox.status().running < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, busy).await.unwrap();
    drop(taken);
    for blocker in blockers {
        blocker.await.unwrap();
    }
    tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap().unwrap();
    // Who waits for a place can be cancelled there.
    let taken = place.places.acquire().await.unwrap();
    let (waiting, own) = (Arc::clone(&place), sandbox.clone());
    let run = tokio::spawn(async move { waiting.build(&own, &settings("true")).await.err().unwrap() });
    place.cancel.cancel();
    let ended = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
    assert_eq!(ended.kind, BuildErrorKind::Cancelled);
    drop(taken);
}

/// A program that takes a place in the sandbox for longer than the build beside it may run.
fn blocker(sandbox: Sandbox, workspace: PathBuf) -> tokio::task::JoinHandle<()> {
    let spec = RunSpec {
        program: ["sleep", "5"].map(Into::into).to_vec(),
        workspace,
        cwd: PathBuf::new(),
        home_cache: None,
        read_only: Vec::new(),
        env: Vec::new(),
        stdin: Vec::new(),
        limits: Limits::snippet(),
        network: Network::Off,
        output: None,
    };
    tokio::spawn(async move {
        let ended = sandbox.run(spec, CancellationToken::new()).await.unwrap();
        assert_eq!(ended.exit, Exit::Code(0));
    })
}

async fn cancelled_it_leaves_no_process(sandbox: &Sandbox) {
    let token = format!("miteos-build-{}", std::process::id());
    let place = Arc::new(Place::new(&[("x", "")]));
    let script = format!("(setsid sh -c 'sleep 77; : {token}' &); echo begun; sleep 78; : {token}");
    let (running, own) = (Arc::clone(&place), sandbox.clone());
    let run = tokio::spawn(async move { running.build(&own, &settings(&script)).await.err() });
    let begun = async {
        while !place.lines.lock().unwrap().iter().any(|line| line == "begun") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.unwrap();
    place.cancel.cancel();
    let ended = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap().expect("it was cancelled");
    assert_eq!(ended.kind, BuildErrorKind::Cancelled);
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains(&token), "{:?}", entry.path());
    }
    let again = place.build(sandbox, &settings("true")).await.err().unwrap();
    assert_eq!(again.kind, BuildErrorKind::Cancelled);
}

const PACKAGE: &str = r#"{"name":"x","scripts":{"build":"mkdir -p dist && echo page > dist/index.html"}}"#;

async fn without_a_package_manager_its_mend_is_named(sandbox: &Sandbox) {
    let mut place = Place::new(&[("package.json", PACKAGE)]);
    let machine = Machine::new(place.folder.path().join("asked"), http());
    place.tools = ToolSource::new(Vec::new(), Arc::new(machine));
    let settings = BuildSettings { install: Some("bun install".to_owned()), ..BuildSettings::default() };
    if Path::new("/usr/bin/bun").exists() || Path::new("/usr/local/bin/bun").exists() {
        // Here it is with the system, so there is nothing to see.
        return;
    }
    let failed = place.build(sandbox, &settings).await.err().unwrap();
    assert_eq!(failed.kind, BuildErrorKind::Install);
    assert!(
        failed.message.contains("`bun install` needs bun, which is neither on the server's PATH"),
        "{failed}"
    );
    assert!(!place.build_folder().exists(), "nothing was copied for it");
}

/// A node and an npm below a home, as a version manager keeps them. A shell stands in for node: what counts is that the
/// build finds this one, and the folder of npm around its script, and nothing beside.
async fn programs_of_a_home_are_used(sandbox: &Sandbox) {
    use std::os::unix::fs::PermissionsExt;
    let mut place = Place::new(&[("package.json", PACKAGE)]);
    let home = place.folder.path().join("home/.manager/v1");
    let npm = home.join("lib/node_modules/npm/bin");
    std::fs::create_dir_all(&npm).unwrap();
    std::fs::create_dir_all(home.join("bin")).unwrap();
    std::fs::copy("/bin/sh", home.join("bin/node")).unwrap();
    std::fs::write(npm.join("../told.txt"), "of the home").unwrap();
    std::fs::write(home.join("bin/diary"), "the owner's").unwrap();
    let script = "#!/usr/bin/env node\nmkdir -p dist\necho \"npm $1 $(cat /tools/lib/node_modules/npm/told.txt)\" >> dist/index.html\n\
                  ls /tools /tools/bin >> dist/index.html\n";
    std::fs::write(npm.join("npm-cli.js"), script).unwrap();
    std::fs::set_permissions(npm.join("npm-cli.js"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("../lib/node_modules/npm/bin/npm-cli.js", home.join("bin/npm")).unwrap();
    let machine = Arc::new(Machine::new(place.folder.path().join("asked"), http()));
    place.tools = ToolSource::new(vec![home.join("bin")], machine.clone());
    let registries = Registries::parse("npm=https://packages.invalid/").unwrap();
    place.registries = RegistrySource::new(Some(registries), machine);
    let install = BuildSettings { install: Some("npm ci".to_owned()), ..BuildSettings::default() };
    let built = place.build(sandbox, &install).await.unwrap();
    let page = std::fs::read_to_string(built.workspace.root().join("dist/index.html")).unwrap();
    let of = |verb: &str| format!("npm {verb} of the home\n/tools:\nbin\nlib\n\n/tools/bin:\nnode\n");
    assert_eq!(page, of("ci") + &of("run"));
    clear(&place.build_folder()).unwrap();
}

fn folders_of_path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

fn on_path(program: &str) -> bool {
    folders_of_path().iter().any(|folder| folder.join(program).is_file())
}

fn needs_npm() {
    assert!(on_path("npm") && on_path("node"), "node and npm are missing; run: ./scripts/setup.sh --tests");
}

async fn other_hosts_are_refused_and_named(sandbox: &Sandbox) {
    needs_npm();
    let mut place = Place::new(&[("package.json", PACKAGE)]);
    let own = Registries::parse("npm=https://packages.invalid/").unwrap();
    place.registries = RegistrySource::new(Some(own), Arc::new(Machine::new(PathBuf::new(), http())));
    let install = "npm view left-pad --registry https://other.invalid/ --fetch-retries 0";
    let settings = BuildSettings { install: Some(install.to_owned()), ..BuildSettings::default() };
    let failed = place.build(sandbox, &settings).await.err().unwrap();
    assert_eq!(failed.kind, BuildErrorKind::Install);
    assert!(failed.message.contains("it asked for other.invalid:443"), "{failed}");
    assert!(failed.message.contains("builds reach packages.invalid:443 only"), "{failed}");
    // The owner's registry is the one that npm asks, whatever the project's own file says.
    place.write(".npmrc", "registry=https://other.invalid/\n");
    clear(&place.build_folder()).unwrap();
    let install = "npm view left-pad --fetch-retries 0";
    let settings = BuildSettings { install: Some(install.to_owned()), ..BuildSettings::default() };
    let failed = place.build(sandbox, &settings).await.err().unwrap();
    assert!(failed.message.contains("packages.invalid:443 (the name cannot be looked up)"), "{failed}");
}

/// A variable for it would have a name that shells such as dash drop, and a public package of the same name would be taken.
async fn the_registry_of_a_scope_reaches_the_package_manager(sandbox: &Sandbox) {
    needs_npm();
    let mut place = Place::new(&[("package.json", PACKAGE)]);
    let own = Registries::parse("npm=https://packages.invalid/,@acme=https://acme.invalid/").unwrap();
    place.registries = RegistrySource::new(Some(own), Arc::new(Machine::new(PathBuf::new(), http())));
    let install = "npm config get @acme:registry >told.txt && npm view @acme/x --fetch-retries 0";
    let settings = BuildSettings { install: Some(install.to_owned()), ..BuildSettings::default() };
    let failed = place.build(sandbox, &settings).await.err().unwrap();
    assert!(failed.message.contains("it asked for acme.invalid:443 (the name"), "{failed}");
    let told = std::fs::read_to_string(place.build_folder().join("source/told.txt")).unwrap();
    assert_eq!(told.trim(), "https://acme.invalid/");
    clear(&place.build_folder()).unwrap();
}

async fn a_site_is_built_with_vite(sandbox: &Sandbox) {
    needs_npm();
    let place = Place::new(&[(".env", "VITE_SECRET=in-the-workspace")]);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vite-site");
    for name in ["package.json", "package-lock.json", "index.html", "src/main.js", "src/style.css"] {
        place.write(name, &std::fs::read_to_string(fixture.join(name)).unwrap());
    }
    let built = place.build(sandbox, &BuildSettings::default()).await;
    let built = built.unwrap_or_else(|error| {
        panic!("the packages of this machine's registry are needed (`npm config get registry`): {error}")
    });
    let site = scan(&built.workspace, &built.output, TargetKind::Netlify.limits(), built.index, &[]).unwrap();
    let paths: Vec<&str> = site.files.iter().map(|file| file.path.as_str()).collect();
    assert!(paths.contains(&"index.html"), "{paths:?}");
    assert!(paths.iter().any(|path| path.starts_with("assets/index-") && path.ends_with(".js")), "{paths:?}");
    let script = paths.iter().find(|path| path.ends_with(".js")).unwrap();
    let script = std::fs::read_to_string(built.workspace.root().join("dist").join(script)).unwrap();
    assert!(script.contains("no setting") && !script.contains("in-the-workspace"), "{script}");
    for said in ["$ npm ci", "$ npm run build", ".env stays out of the build", "the output is dist"] {
        assert!(place.said(said), "{said}: {:?}", place.lines.lock().unwrap());
    }
    assert!(!place.workspace.root().join("node_modules").exists(), "the workspace stays as it was");
    clear(&place.build_folder()).unwrap();
}
