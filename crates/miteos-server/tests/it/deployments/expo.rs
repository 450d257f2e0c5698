//! Expo's web hosting through the whole server, with a stand-in of its tool (`eas.sh`).

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use miteos_server::Config;
use serde_json::{Value, json};

use super::{ended, events, log, pace, until};
use crate::harness::{TestServer, wait_until};
use crate::standin::{Script, StandIn};

pub const TOKEN: &str = "expo_standin_0123456789";
const PROJECT: &str = "5ab9c0de-0000-4000-8000-0123456789ab";

/// The tool's stand-in, with its folder.
pub struct Eas(tempfile::TempDir);

impl Eas {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = include_str!("eas.sh");
        let text = text.replace("world=WORLD", &format!("world={}", folder.path().display()));
        let program = folder.path().join("eas");
        std::fs::write(&program, text.replace("TOKEN\" != TOKEN", &format!("TOKEN\" != {TOKEN}"))).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default().trim().to_owned()
    }

    /// How often the command was run.
    fn count(&self, command: &str) -> usize {
        let calls = self.read("calls");
        calls.lines().filter(|line| line.split(' ').next() == Some(command)).count()
    }

    pub fn deployments(&self) -> Vec<String> {
        let Ok(found) = std::fs::read_dir(self.path("deployments")) else { return Vec::new() };
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn change(&self) -> impl Fn(&mut Config) + Clone + Send + Sync + use<> {
        with(self.path("eas"))
    }
}

/// A server whose tool of Expo is this program.
pub fn with(program: PathBuf) -> impl Fn(&mut Config) + Clone + Send + Sync + 'static {
    move |config| {
        config.deploy.eas = Some(program.clone());
        config.deploy.pace = pace();
        config.deploy.visits = 0;
    }
}

fn app_json(more: Value) -> Value {
    let mut expo =
        json!({"name": "Shop", "slug": "shop", "owner": "acme", "extra": {"eas": {"projectId": PROJECT}}});
    expo.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "expo": expo })
}

/// An exported project.
pub fn write_project(folder: &Path, title: &str) {
    std::fs::create_dir_all(folder.join("dist/assets")).unwrap();
    std::fs::write(folder.join("app.json"), app_json(json!({})).to_string()).unwrap();
    std::fs::write(folder.join("dist/index.html"), format!("<h1>{title}</h1>")).unwrap();
    std::fs::write(folder.join("dist/assets/a.js"), "let a").unwrap();
    // Beside the export, where the tool would read it.
    std::fs::write(folder.join("app.config.js"), "process.exit(7)").unwrap();
    std::fs::create_dir_all(folder.join("node_modules/@expo/config")).unwrap();
    std::fs::write(folder.join("node_modules/@expo/config/index.js"), "process.exit(7)").unwrap();
}

struct Scene {
    server: TestServer,
    eas: Eas,
    workspace: String,
}

impl Scene {
    async fn start() -> Self {
        let eas = Eas::new();
        let server = TestServer::start_with(Script::default(), eas.change()).await;
        let workspace = workspace(&server).await;
        config(&server, json!({})).await;
        Self { server, eas, workspace }
    }

    fn folder(&self) -> PathBuf {
        self.server.folder.join("workspaces").join(&self.workspace)
    }

    async fn deploy(&self) -> String {
        deploy(&self.server, &self.workspace).await
    }

    async fn ended(&self, id: &str) -> Value {
        ended(&self.server, id).await
    }
}

async fn workspace(server: &TestServer) -> String {
    let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": "shop"}))).await;
    let id = made["id"].as_str().unwrap().to_owned();
    write_project(&server.folder.join("workspaces").join(&id), "one");
    id
}

async fn config(server: &TestServer, settings: Value) -> Value {
    let body =
        json!({"name": "ours", "target": "expo", "credentials": {"token": TOKEN}, "settings": settings});
    server.expect(201, "POST", "/deploy-configs", Some(body)).await
}

async fn deploy(server: &TestServer, workspace: &str) -> String {
    let body = json!({"workspace_id": workspace, "target": "expo"});
    let made = server.expect(201, "POST", "/deployments", Some(body)).await;
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_exported_project_goes_live_and_back() {
    let scene = Scene::start().await;
    let server = &scene.server;
    assert_eq!(server.get("/deploy-configs").await[0]["provider_account"], "test-person");
    let first = scene.deploy().await;
    let live = scene.ended(&first).await;
    assert_eq!(
        (&live["status"], &live["url"]),
        (&json!("live"), &json!("https://shop.expo.app")),
        "{live:#}"
    );
    assert_eq!((&live["visibility"], &live["inspect_url"]), (&json!("public"), &json!("https://expo.dev/x")));
    let older = scene.eas.read("production");
    let shown = |file: &str| scene.eas.read(&format!("deployments/{older}/{file}"));
    assert_eq!((shown("index.html").as_str(), shown("assets/a.js").as_str()), ("<h1>one</h1>", "let a"));
    // It gets what it needs, the token, and nothing of the server.
    let names = scene.eas.read("env");
    let given = [
        "CI",
        "DISABLE_EAS_ANALYTICS",
        "DO_NOT_TRACK",
        "EAS_NO_VCS",
        "EAS_SKIP_NEW_VERSION_CHECK",
        "EXPO_NO_TELEMETRY",
        "EXPO_TOKEN",
        "HOME",
        "LANG",
        "NODE_EXTRA_CA_CERTS",
        "NO_COLOR",
        "OLDPWD",
        "PATH",
        "PWD",
        "SHLVL",
        "TERM",
        "TMPDIR",
        "_",
    ];
    assert!(names.lines().all(|name| given.contains(&name)), "{names}");
    let told = log(server, &first).await;
    for part in ["2 files, ", "eas: Creating deployment with ***", "live at https://shop.expo.app"] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    assert!(!told.contains(TOKEN) && !scene.eas.read("calls").contains(TOKEN));
    let kinds: Vec<String> = events(server, &first).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");

    std::fs::write(scene.folder().join("dist/index.html"), "<h1>two</h1>").unwrap();
    let second = scene.deploy().await;
    assert_eq!(scene.ended(&second).await["status"], "live");
    assert_ne!(scene.eas.read("production"), older);
    server.expect(200, "POST", &format!("/deployments/{first}/rollback"), None).await;
    assert_eq!(scene.eas.read("production"), older);
    assert_eq!(scene.eas.deployments().len(), 2);
}

#[tokio::test]
async fn what_the_tool_says_is_told_in_our_words() {
    let scene = Scene::start().await;
    for (file, text, code) in [
        ("fault.deploy", "The bearer token is invalid.", Some("auth")),
        (
            "fault.deploy",
            "Entity not authorized: AppEntity[x] (viewer = RobotViewerContext)",
            Some("permission"),
        ),
        ("fault.deploy", "Experience with id '5ab9c0de' does not exist.", Some("config_invalid")),
        ("fault.deploy", "You have reached your monthly limit on the Free plan", Some("quota")),
        ("fault.deploy", "Upload failed! (Payload too large)", Some("upload_failed")),
        ("fault.deploy", "Too many requests", Some("provider_error")),
        ("fault.deploy", "something that was never seen before", Some("provider_error")),
        ("fault.deploy", "garbage", Some("provider_rejected")),
        ("fault.deploy:alias", "Request failed with status code 502", Some("provider_error")),
        ("once.deploy", "Too many requests", None),
        ("once.deploy", "Error: socket hang up", None),
        ("once.deploy", "killed", None),
        ("once.deploy", "behind", None),
        ("once.deploy:alias", "Request failed with status code 502", None),
    ] {
        scene.eas.write(file, text);
        let before = scene.eas.deployments().len();
        let id = scene.deploy().await;
        let ended = scene.ended(&id).await;
        let found = (ended["error"]["code"].as_str(), ended["status"] == "live");
        let told = log(&scene.server, &id).await;
        assert_eq!(
            found,
            (code, code.is_none()),
            "{file} {text}: {ended:#}\n{told}\n{}",
            scene.eas.read("calls")
        );
        assert!(scene.eas.deployments().len() <= before + 1, "{text}: never two");
        if let Some(message) = ended["error"]["message"].as_str() {
            assert!(
                message.contains("eas-cli") && log(&scene.server, &id).await.contains(message),
                "{message}"
            );
        }
        let _ = std::fs::remove_file(scene.eas.path(file));
    }
}

#[tokio::test]
async fn a_cancel_kills_the_tool_and_all_that_it_started() {
    let scene = Scene::start().await;
    scene.eas.write("once.deploy", "slow");
    let id = scene.deploy().await;
    wait_until("the tool runs", || scene.eas.path("slow").exists()).await;
    let process = scene.eas.read("slow");
    scene.server.expect(200, "POST", &format!("/deployments/{id}/cancel"), None).await;
    assert_eq!(scene.ended(&id).await["error"]["code"], "canceled");
    let stat = || std::fs::read_to_string(Path::new("/proc").join(&process).join("stat")).unwrap_or_default();
    wait_until("it is dead", || stat().rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))).await;
    assert_eq!(scene.eas.deployments().len(), 0);
    let next = scene.deploy().await;
    assert_eq!(scene.ended(&next).await["status"], "live");
}

#[tokio::test]
async fn a_stop_in_the_middle_loses_nothing_and_doubles_nothing() {
    let eas = Eas::new();
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(Script::default()).await;
    let mut server = TestServer::over(temp.path(), standin.clone(), eas.change()).await;
    let workspace = workspace(&server).await;
    config(&server, json!({"environment": "preview"})).await;
    eas.write("once.deploy", "slow");
    let id = deploy(&server, &workspace).await;
    wait_until("the tool runs", || eas.path("slow").exists()).await;
    server.stop().await;
    // The workspace changes, and the deployment goes on with what was taken of it.
    std::fs::write(temp.path().join("workspaces").join(&workspace).join("dist/index.html"), "other").unwrap();
    std::fs::remove_file(temp.path().join("workspaces").join(&workspace).join("app.json")).unwrap();
    let server = TestServer::over(temp.path(), standin, eas.change()).await;
    let live = ended(&server, &id).await;
    assert_eq!(live["status"], "live", "{live:#}");
    let made = eas.deployments();
    assert_eq!(made.len(), 1);
    assert_eq!(live["url"], format!("https://shop--{}.expo.app", made[0]));
    assert_eq!(eas.read(&format!("deployments/{}/index.html", made[0])), "<h1>one</h1>");
    assert_eq!((eas.count("deploy"), eas.read("production").as_str()), (2, ""));
    assert_eq!(events(&server, &id).await.len(), 4);
}

#[tokio::test]
async fn a_project_that_says_nothing_of_itself_is_refused_before_the_tool_runs() {
    let scene = Scene::start().await;
    let dist = scene.folder().join("dist");
    for (change, code, part) in [
        ("no app.json", "config_invalid", "no app.json"),
        ("no id", "config_invalid", "eas init"),
        ("no page", "no_output", "index.html"),
        ("a secret", "output_refused", ".env"),
    ] {
        write_project(&scene.folder(), "one");
        match change {
            "no app.json" => std::fs::remove_file(scene.folder().join("app.json")).unwrap(),
            "no id" => {
                std::fs::write(scene.folder().join("app.json"), r#"{"expo":{"slug":"shop"}}"#).unwrap()
            }
            "no page" => std::fs::remove_file(dist.join("index.html")).unwrap(),
            _ => std::fs::write(dist.join(".env"), "KEY=1").unwrap(),
        }
        let id = scene.deploy().await;
        let failed = scene.ended(&id).await;
        let (found, said) = (&failed["error"]["code"], failed["error"]["message"].as_str().unwrap());
        assert!(found == code && said.contains(part), "{change}: {failed:#}");
    }
    assert_eq!(scene.eas.count("deploy"), 0);
}

#[tokio::test]
async fn another_folder_of_the_export_and_a_token_that_is_not_taken() {
    let eas = Eas::new();
    let server = TestServer::start_with(Script::default(), eas.change()).await;
    let body = json!({"name": "ours", "target": "expo", "credentials": {"token": "expo_wrong_0123456789"}});
    let refused = server.expect(422, "POST", "/deploy-configs", Some(body)).await;
    let said = refused["detail"].as_str().unwrap();
    assert!(said.contains("bearer token is invalid") && !said.contains("expo_wrong"), "{said}");
    config(&server, json!({"export_dir": "web-build"})).await;
    let workspace = workspace(&server).await;
    let folder = server.folder.join("workspaces").join(&workspace);
    std::fs::rename(folder.join("dist"), folder.join("web-build")).unwrap();
    let id = deploy(&server, &workspace).await;
    let live = until(&server, &id, |d| matches!(d["status"].as_str(), Some("live" | "failed"))).await;
    assert_eq!(live["status"], "live", "{live:#}");
    assert_eq!(eas.deployments().len(), 1);
}

#[tokio::test]
async fn a_server_without_the_tool_says_what_to_install() {
    let server = TestServer::start_with(Script::default(), |config| {
        config.deploy.eas = Some("/nonexistent/eas".into());
    })
    .await;
    let body = json!({"name": "ours", "target": "expo", "credentials": {"token": TOKEN}});
    let refused = server.expect(422, "POST", "/deploy-configs", Some(body)).await;
    assert!(refused["detail"].as_str().unwrap().contains("MITEOS_EAS"), "{refused}");
}
