//! Expo through a stand-in of its command-line tool, which answers with what the real one was seen to write.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use miteos_deploy::expo::{
    App, Command, Content, Folder as Given, Lines, NoRunner, Project, Ran, Runner, RunnerError,
    prepare_source,
};
use miteos_deploy::{Artifact, ErrorKind, Release, TargetKind, Visibility};
use miteos_tools::http::{EgressPolicy, Guarded};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::crash::{Scenario, everywhere};
use crate::setup::{Folder, Run, clock, quick, target};

const KIND: TargetKind = TargetKind::Expo;
const TOKEN: &str = "expo_standin_0123456789";
/// What says which project it is.
const APP_JSON: &str = r#"{"expo":{"name":"Shop","slug":"shop","owner":"acme",
    "extra":{"eas":{"projectId":"5ab9c0de-0000-4000-8000-0123456789ab"}}}}"#;
const REFERENCE: &str = "acme/shop/5ab9c0de-0000-4000-8000-0123456789ab";

#[derive(Default)]
struct World {
    /// Identifier and how often it was made.
    deployments: BTreeMap<String, u32>,
    production: Option<String>,
    /// Id, message and questions so far.
    builds: Vec<(String, String, u32)>,
    cancelled: Vec<String>,
    /// What the next run writes instead, and its exit code.
    fails: Option<(String, i32)>,
    /// The command that fails once, with what it writes; without a text it hangs.
    fails_once: Option<(&'static str, Option<&'static str>)>,
    /// Whether an identifier can be used once only.
    once_only: bool,
    ran: Vec<Vec<String>>,
}

/// The tool's stand-in.
struct Eas {
    world: Mutex<World>,
    marks: watch::Sender<u64>,
    stop_at: Mutex<Option<u64>>,
}

impl Eas {
    fn new() -> Arc<Self> {
        let (world, stop_at) = (Mutex::default(), Mutex::new(None));
        Arc::new(Self { world, marks: watch::Sender::new(0), stop_at })
    }

    async fn mark(&self) {
        let mut here = 0;
        self.marks.send_modify(|seen| {
            here = *seen;
            *seen += 1;
        });
        let stop = *self.stop_at.lock().unwrap();
        if stop.is_some_and(|stop| here >= stop) {
            std::future::pending::<()>().await;
        }
    }

    fn answer(&self, arguments: &[String]) -> (i32, String, String) {
        let mut world = self.world.lock().unwrap();
        world.ran.push(arguments.to_vec());
        if let Some((said, code)) = world.fails.clone() {
            return (code, String::new(), said);
        }
        let after = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name);
            at.and_then(|at| arguments.get(at + 1)).cloned().unwrap_or_default()
        };
        let id = after("--id");
        let value = match arguments[0].as_str() {
            "whoami" => return (0, "test-person\n".into(), String::new()),
            "deploy" => {
                if world.once_only && world.deployments.contains_key(&id) {
                    return (1, String::new(), format!("Deployment identifier {id} already exists"));
                }
                *world.deployments.entry(id.clone()).or_default() += 1;
                json!({ "dashboardUrl": "https://expo.dev/x", "identifier": id, "url": format!("https://shop--{id}.expo.app") })
            }
            "deploy:alias" if !after("--alias").is_empty() => {
                let name = after("--alias");
                json!({ "aliases": [{ "id": "a", "url": format!("https://shop--{name}.expo.app"), "name": name }] })
            }
            "deploy:alias" => {
                world.production = Some(id.clone());
                json!({ "production": { "id": id, "url": "https://shop.expo.app" } })
            }
            "build:list" => {
                let number = |name: &str| after(name).parse::<usize>().unwrap();
                let builds =
                    world.builds.iter().rev().skip(number("--offset")).take(number("--limit").min(50));
                builds
                    .map(|(id, message, _)| json!({ "id": id, "message": message, "status": "NEW" }))
                    .collect()
            }
            "build" => {
                let id = format!("build-{}", world.builds.len() + 1);
                world.builds.push((id.clone(), after("--message"), 0));
                json!([{ "id": id, "status": "NEW", "platform": "IOS" }])
            }
            "build:view" => {
                let Some(build) = world.builds.iter_mut().find(|build| build.0 == arguments[1]) else {
                    return (1, String::new(), "no such build".into());
                };
                build.2 += 1;
                let status = ["IN_QUEUE", "IN_PROGRESS", "FINISHED"][(build.2 as usize).min(2)];
                json!({ "id": build.0, "status": status, "artifacts": { "buildUrl": "https://expo.dev/a.ipa" }, "project": { "id": "p" } })
            }
            "build:cancel" => {
                world.cancelled.push(arguments[1].clone());
                json!({})
            }
            other => return (2, String::new(), format!("command {other} not found")),
        };
        // A warning in front of the output, as npx likes to write it.
        (0, format!("EAS Hosting is still in preview.\n{value}\n"), String::new())
    }
}

#[async_trait]
impl Runner for Eas {
    async fn run(
        &self,
        command: &Command,
        lines: Lines<'_>,
        _cancel: &CancellationToken,
    ) -> Result<Ran, RunnerError> {
        check_folder(command);
        lines(&format!("\u{1b}[2mrunning\u{1b}[22m {} with {TOKEN}", command.arguments[0]));
        let token = command.environment.iter().find(|(name, _)| name == "EXPO_TOKEN").expect("a token");
        assert_eq!(token.1.reveal(), TOKEN);
        assert!(!command.arguments.iter().any(|argument| argument.contains(TOKEN)), "a token is no argument");
        self.mark().await;
        let failing = {
            let mut world = self.world.lock().unwrap();
            let meant = world.fails_once.is_some_and(|(name, _)| command.arguments[0] == name);
            if meant { world.fails_once.take() } else { None }
        };
        match failing {
            Some((_, Some(said))) => {
                return Ok(Ran { exit_code: Some(1), stdout: Vec::new(), stderr: said.into() });
            }
            // What it was asked for is done, and it does not end.
            Some((_, None)) => {
                let _ = self.answer(&command.arguments);
                return Err(RunnerError::TimedOut { seconds: command.timeout.as_secs() });
            }
            None => {}
        }
        let (code, stdout, stderr) = self.answer(&command.arguments);
        self.mark().await;
        Ok(Ran { exit_code: Some(code), stdout: stdout.into(), stderr: stderr.into() })
    }
}

/// The tool is given what it needs, and the project's own files to build it from and for nothing else.
fn check_folder(command: &Command) {
    let named = |app: &App| assert_eq!(app.json()["expo"]["owner"], "acme");
    match (&command.folder, command.arguments[0].as_str()) {
        (Given::Empty, "whoami") | (Given::Source(_), "build") => {}
        (Given::Export(app, site), "deploy") => {
            named(app);
            assert!(site.get("index.html").is_some());
        }
        (Given::Named(app), "deploy:alias" | "build:list" | "build:view" | "build:cancel") => named(app),
        (_, other) => panic!("{other} in the wrong folder"),
    }
}

fn app() -> App {
    App::of(&Folder::new(&[("app.json", APP_JSON.as_bytes())]).workspace).unwrap()
}

/// The files of a web build.
fn export() -> Artifact {
    let site = Folder::site().scan(KIND).unwrap();
    Artifact::Project(Arc::new(Project { app: app(), content: Content::Export(Arc::new(site)) }))
}

/// A project to be built.
fn source() -> Artifact {
    let folder = Folder::new(&[("app.json", APP_JSON.as_bytes())]);
    let app = prepare_source(&folder.workspace).unwrap();
    Artifact::Project(Arc::new(Project { app, content: Content::Source(folder.workspace.clone()) }))
}

fn run_with(eas: &Arc<Eas>, settings: Value) -> Run {
    let runner: Arc<dyn Runner> = Arc::clone(eas) as Arc<dyn Runner>;
    let tools = miteos_deploy::Tools {
        http: Guarded::new(EgressPolicy::default()),
        bases: miteos_deploy::Bases::default(),
        clock: clock(),
        pace: quick(),
        runner,
    };
    let target = target(&tools, KIND, &json!({ "token": TOKEN }), &settings);
    let artifact = if settings["action"] == "build" { source() } else { export() };
    let artifact = target.prepare(artifact).unwrap();
    Run::new(tools, target, artifact, "dep-1")
}

fn build() -> Value {
    json!({ "action": "build", "platform": "ios" })
}

#[tokio::test]
async fn a_web_build_goes_live_and_back() {
    let eas = Eas::new();
    let run = run_with(&eas, json!({}));
    assert_eq!(run.target.verify(&run.cancel).await.unwrap().account, "test-person");
    let release = run.drive().await.unwrap();
    assert_eq!((release.url.as_str(), release.visibility), ("https://shop.expo.app", Visibility::Public));
    assert_eq!(release.project_id, REFERENCE);
    assert!(run.said("eas: running deploy with ***"), "{:?}", run.lines);
    eas.world.lock().unwrap().production = None;
    run.target.roll_back(&release, &run.cancel).await.unwrap();
    assert_eq!(eas.world.lock().unwrap().production.as_deref(), Some(release.deployment_id.as_str()));
    let eas = Eas::new();
    let preview = run_with(&eas, json!({ "environment": "preview" })).drive().await.unwrap();
    assert_eq!(preview.url, format!("https://shop--{}.expo.app", preview.deployment_id));
    assert!(eas.world.lock().unwrap().production.is_none());
}

#[tokio::test]
async fn a_native_build_is_waited_for_and_can_be_cancelled() {
    let eas = Eas::new();
    let run = run_with(&eas, build());
    let release = run.drive().await.unwrap();
    assert_eq!((release.url.as_str(), release.project_id.as_str()), ("https://expo.dev/a.ipa", REFERENCE));
    run.cancel().await.unwrap();
    let world = eas.world.lock().unwrap();
    assert_eq!(
        (world.builds[0].1.as_str(), world.cancelled.as_slice()),
        ("miteos:dep-1", &["build-1".to_owned()][..])
    );
}

#[tokio::test]
async fn what_was_being_made_the_live_one_when_it_was_cancelled_is_live() {
    // Behind the upload nothing is shown yet; behind the alias it is, and the tool was killed before it could say so.
    for (mark, is_live) in [(1, false), (3, true)] {
        let eas = Eas::new();
        let run = run_with(&eas, json!({}));
        let stopped = stop_at(&eas, mark);
        tokio::select! {
            ended = run.drive() => panic!("{ended:?}"),
            () = stopped => {}
        }
        *eas.stop_at.lock().unwrap() = None;
        run.cancel().await.unwrap();
        let live = run.live_after_all().await.unwrap();
        assert_eq!(eas.world.lock().unwrap().production.is_some(), is_live);
        let live = live.map(|state| (state.step, state.url.unwrap()));
        let shown = is_live.then(|| (miteos_deploy::Step::Live, "https://shop.expo.app".to_owned()));
        assert_eq!(live, shown, "{mark}");
    }
}

#[tokio::test]
async fn what_the_tool_says_has_a_kind() {
    for (said, kind) in [
        ("The bearer token is invalid.", ErrorKind::BadCredentials),
        ("An Expo user account is required. Either log in to continue", ErrorKind::BadCredentials),
        ("Entity not authorized: AppEntity[x] (viewer = RobotViewerContext)", ErrorKind::Forbidden),
        ("EAS project not configured.", ErrorKind::Config),
        ("Slug for project identified by \"extra.eas.projectId\" (a) does not match", ErrorKind::Config),
        ("Experience with id '5ab9c0de' does not exist.", ErrorKind::Config),
        ("Credentials are not set up. Run this command again in interactive mode.", ErrorKind::Config),
        ("GraphQL request failed: DEV_DOMAIN_NAME_TAKEN", ErrorKind::NameTaken),
        ("You have reached your monthly limit on the Free plan", ErrorKind::Quota),
        ("Upload failed! (Payload too large)", ErrorKind::RejectedFile),
        ("request to https://api.expo.dev/graphql failed, reason: getaddrinfo ENOTFOUND", ErrorKind::Network),
        ("Error: socket hang up", ErrorKind::Network),
        ("Request failed with status code 502", ErrorKind::Unavailable),
        ("GraphQL request failed. Internal Server Error", ErrorKind::Unavailable),
        ("Too many requests", ErrorKind::Unavailable),
        ("\u{1b}[31mSomething else\u{1b}[39m expo_standin_0123456789", ErrorKind::ProviderFailed),
    ] {
        let eas = Eas::new();
        eas.world.lock().unwrap().fails = Some((said.to_owned(), 1));
        let run = run_with(&eas, json!({}));
        let error = run.target.verify(&run.cancel).await.unwrap_err();
        assert_eq!(error.kind, kind, "{said}: {error}");
        assert!(!error.message.contains(TOKEN) && !error.message.contains('\u{1b}'), "{error}");
        assert!(error.message.starts_with("eas-cli failed (exit code 1): "), "{error}");
    }
}

#[tokio::test]
async fn a_question_without_an_answer_ends_no_build() {
    for said in [
        Some("Request failed with status code 502"),
        Some("something that was never seen before"),
        Some("socket hang up"),
        None,
    ] {
        for command in ["build:list", "build:view"] {
            let eas = Eas::new();
            let run = run_with(&eas, build());
            eas.world.lock().unwrap().fails_once = Some((command, said));
            run.drive().await.unwrap();
            assert_eq!(eas.world.lock().unwrap().builds.len(), 1, "{command} {said:?}");
        }
    }
    // The build was made, and the tool hung behind that.
    let eas = Eas::new();
    let run = run_with(&eas, build());
    eas.world.lock().unwrap().fails_once = Some(("build", None));
    run.drive().await.unwrap();
    assert_eq!(eas.world.lock().unwrap().builds.len(), 1);
}

#[tokio::test]
async fn a_build_is_found_behind_those_that_were_made_since() {
    let eas = Eas::new();
    let run = run_with(&eas, build());
    {
        let mut world = eas.world.lock().unwrap();
        world.builds.push(("build-0".to_owned(), "miteos:dep-1".to_owned(), 0));
        world.builds.extend((1..70).map(|n| (format!("build-{n}"), "another".to_owned(), 0)));
    }
    assert_eq!(run.drive().await.unwrap().deployment_id, "build-0");
    assert_eq!(eas.world.lock().unwrap().builds.len(), 70);
}

#[tokio::test]
async fn a_build_is_cancelled_when_the_provider_says_so() {
    let eas = Eas::new();
    let run = run_with(&eas, build());
    // Behind the making of the build, before its answer.
    let stopped = stop_at(&eas, 3);
    tokio::select! {
        ended = run.drive() => panic!("{ended:?}"),
        () = stopped => {}
    }
    *eas.stop_at.lock().unwrap() = None;
    eas.world.lock().unwrap().fails_once = Some(("build:cancel", Some("boom")));
    let error = run.cancel().await.unwrap_err();
    assert!(error.kind == ErrorKind::Unavailable && error.message.contains("boom"), "{error}");
    run.cancel().await.unwrap();
    assert_eq!(eas.world.lock().unwrap().cancelled, ["build-1"]);
    // Of a build that is over, the tool fails for good.
    eas.world.lock().unwrap().builds[0].2 = 9;
    eas.world.lock().unwrap().fails_once = Some(("build:cancel", Some("the build is over")));
    run.cancel().await.unwrap();
}

#[tokio::test]
async fn what_a_web_deployment_publishes_was_looked_through() {
    let eas = Eas::new();
    let tools = run_with(&eas, json!({})).tools;
    let web = target(&tools, KIND, &json!({ "token": TOKEN }), &json!({}));
    let error = web.prepare(source()).err().unwrap();
    assert!(error.kind == ErrorKind::Config && error.message.contains("exported folder"), "{error}");
    let native = target(&tools, KIND, &json!({ "token": TOKEN }), &build());
    assert_eq!(native.prepare(export()).err().unwrap().kind, ErrorKind::Config);
    let site = Folder::site().scan(KIND).unwrap();
    assert_eq!(native.prepare(Artifact::Site(site.into())).err().unwrap().kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_server_without_the_tool_says_so() {
    let eas = Eas::new();
    let mut run = run_with(&eas, json!({}));
    run.tools.runner = Arc::new(NoRunner);
    let target = target(&run.tools, KIND, &json!({ "token": TOKEN }), &json!({}));
    let error = target.verify(&run.cancel).await.unwrap_err();
    assert!(error.kind == ErrorKind::Config && error.message.contains("24.8.0"), "{error}");
}

struct Web<const ONCE_ONLY: bool>(Arc<Eas>);

#[async_trait]
impl<const ONCE_ONLY: bool> Scenario for Web<ONCE_ONLY> {
    async fn begin() -> (Self, Run) {
        let eas = Eas::new();
        eas.world.lock().unwrap().once_only = ONCE_ONLY;
        let run = run_with(&eas, json!({}));
        (Self(eas), run)
    }

    fn stop_at(&self, mark: u64) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        stop_at(&self.0, mark)
    }

    fn go_on(&self) {
        *self.0.stop_at.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.0.world.lock().unwrap().ran.len()
    }

    fn check(&self, release: &Release, when: &str) {
        let world = self.0.world.lock().unwrap();
        assert_eq!(world.deployments.keys().collect::<Vec<_>>(), [&release.deployment_id], "{when}");
        assert_eq!(world.production.as_deref(), Some(release.deployment_id.as_str()), "{when}");
    }

    fn least_crashes() -> u64 {
        4
    }
}

#[tokio::test]
async fn a_preview_whose_answer_was_lost_gets_its_address() {
    let eas = Eas::new();
    eas.world.lock().unwrap().once_only = true;
    let run = run_with(&eas, json!({ "environment": "preview" }));
    let stopped = stop_at(&eas, 1);
    tokio::select! {
        ended = run.drive() => panic!("{ended:?}"),
        () = stopped => {}
    }
    *eas.stop_at.lock().unwrap() = None;
    let release = run.drive().await.unwrap();
    assert_eq!(release.url, format!("https://shop--{}.expo.app", release.deployment_id));
    assert_eq!(eas.world.lock().unwrap().deployments.len(), 1);
}

struct Native(Arc<Eas>);

#[async_trait]
impl Scenario for Native {
    async fn begin() -> (Self, Run) {
        let eas = Eas::new();
        let run = run_with(&eas, build());
        (Self(eas), run)
    }

    fn stop_at(&self, mark: u64) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        stop_at(&self.0, mark)
    }

    fn go_on(&self) {
        *self.0.stop_at.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.0.world.lock().unwrap().ran.len()
    }

    fn check(&self, release: &Release, when: &str) {
        let world = self.0.world.lock().unwrap();
        assert_eq!(
            (world.builds.len(), world.builds[0].0.as_str()),
            (1, release.deployment_id.as_str()),
            "{when}"
        );
    }
}

fn stop_at(eas: &Arc<Eas>, mark: u64) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    *eas.stop_at.lock().unwrap() = Some(mark);
    let mut marks = eas.marks.subscribe();
    Box::pin(async move {
        let seen = tokio::time::timeout(Duration::from_secs(60), marks.wait_for(|seen| *seen > mark)).await;
        seen.expect("the mark is met or the run ends").expect("the tool is there");
    })
}

#[tokio::test]
async fn a_crash_anywhere_neither_doubles_nor_loses_it() {
    everywhere::<Web<false>>().await;
    everywhere::<Web<true>>().await;
    everywhere::<Native>().await;
}
