//! Cloudflare, both products, against its stand-in.

use miteos_deploy::{ErrorKind, Release, TargetKind};
use miteos_standins::cloudflare::{ACCOUNT, Cloudflare, TOKEN};
use miteos_standins::{Fault, Standin, What, When};
use serde_json::{Value, json};

use crate::crash::{Scenario, everywhere};
use crate::setup::{Folder, Run, target, tools};

const KIND: TargetKind = TargetKind::Cloudflare;

fn run_with(standin: &Standin<Cloudflare>, folder: &Folder, more: Value, key: &str) -> Run {
    let mut settings = json!({ "account_id": ACCOUNT });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let tools = tools(KIND, &standin.url);
    let target = target(&tools, KIND, &json!({ "token": TOKEN }), &settings);
    let artifact = folder.artifact(&*target);
    Run::new(tools, target, artifact, key)
}

fn worker(standin: &Standin<Cloudflare>, folder: &Folder, key: &str) -> Run {
    run_with(standin, folder, json!({}), key)
}

fn pages(standin: &Standin<Cloudflare>, folder: &Folder, key: &str) -> Run {
    run_with(standin, folder, json!({ "product": "pages", "project": "shop" }), key)
}

fn with_rules() -> Folder {
    let folder = Folder::site();
    folder.write("_headers", b"/*\n  X-Test: 1\n");
    folder.write("_redirects", b"/a /b 301\n");
    folder
}

async fn standin() -> Standin<Cloudflare> {
    let standin = Cloudflare::start().await.unwrap();
    standin.look(|cloudflare| cloudflare.make_project("shop"));
    standin
}

#[tokio::test]
async fn a_worker_goes_live_and_the_same_again_uploads_nothing() {
    let (standin, folder) = (standin().await, with_rules());
    let release = run_with(&standin, &folder, json!({ "single_page": true }), "dep-1").drive().await.unwrap();
    assert_eq!(release.url, "https://ws-01abc.test.workers.dev");
    standin.look(|cloudflare| {
        let worker = &cloudflare.workers["ws-01abc"];
        assert!(worker.enabled && worker.live.as_deref() == Some(&release.deployment_id));
        let version = &worker.versions[0];
        assert_eq!((version.tag.as_str(), version.message.as_str()), ("miteos:dep-1", "a change"));
        assert_eq!(version.config["not_found_handling"], "single-page-application");
        assert_eq!(version.config["_redirects"], "/a /b 301\n");
        assert!(!version.assets.contains_key("/_headers") && version.assets.len() == 6);
    });
    // Two files of one content and one extension are one upload: five contents, two in each request.
    assert_eq!(standin.count("POST", "/assets/upload"), 3);
    standin.forget_recorded();
    let again = worker(&standin, &folder, "dep-2");
    let second = again.drive().await.unwrap();
    assert_eq!((standin.count("POST", "/assets/upload"), standin.count("PUT", "")), (0, 1));
    assert!(again.said("nothing to upload"));
    assert_ne!(second.deployment_id, release.deployment_id);
    again.target.roll_back(&release, &again.cancel).await.unwrap();
    standin.look(|cloudflare| {
        assert_eq!(cloudflare.workers["ws-01abc"].live.as_deref(), Some(release.deployment_id.as_str()));
    });
}

#[tokio::test]
async fn pages_goes_live_and_the_same_again_uploads_nothing() {
    let (standin, folder) = (standin().await, with_rules());
    let release = pages(&standin, &folder, "dep-1").drive().await.unwrap();
    assert_eq!(release.url, "https://shop.pages.dev");
    standin.look(|cloudflare| {
        let project = &cloudflare.projects["shop"];
        assert_eq!(project.live.as_deref(), Some(release.deployment_id.as_str()));
        assert_eq!(project.deployments[0].rules, ["_headers", "_redirects"]);
        assert_eq!(
            (project.deployments[0].branch.as_str(), project.deployments[0].manifest.len()),
            ("main", 6)
        );
    });
    assert_eq!(standin.count("POST", "/pages/assets/upload"), 1);
    standin.forget_recorded();
    let settings = json!({ "product": "pages", "project": "shop", "environment": "preview" });
    let preview = run_with(&standin, &folder, settings, "dep-2").drive().await.unwrap();
    assert_eq!(standin.count("POST", "/pages/assets/upload"), 0);
    assert!(preview.url.ends_with(".shop.pages.dev"), "{}", preview.url);
    standin.look(|cloudflare| {
        let project = &cloudflare.projects["shop"];
        assert_eq!(project.live.as_deref(), Some(release.deployment_id.as_str()));
    });
    let third = pages(&standin, &folder, "dep-3").drive().await.unwrap();
    let other = pages(&standin, &folder, "dep-4");
    other.target.roll_back(&release, &other.cancel).await.unwrap();
    standin.look(|cloudflare| {
        let project = &cloudflare.projects["shop"];
        assert_eq!(project.live.as_deref(), Some(release.deployment_id.as_str()));
        assert_ne!(project.live.as_deref(), Some(third.deployment_id.as_str()));
    });
}

#[tokio::test]
async fn credentials_are_checked_with_a_clear_answer() {
    let standin = standin().await;
    let tools = tools(KIND, &standin.url);
    let cancel = Default::default();
    let of = |token: &str, settings: Value| target(&tools, KIND, &json!({ "token": token }), &settings);
    let good = of(TOKEN, json!({ "account_id": ACCOUNT })).verify(&cancel).await.unwrap();
    assert_eq!(good.account, "test.workers.dev");
    let pages = json!({ "account_id": ACCOUNT, "product": "pages", "project": "shop" });
    assert_eq!(of(TOKEN, pages.clone()).verify(&cancel).await.unwrap().project.as_deref(), Some("shop"));
    let wrong = of("cf_wrong_0123456789", pages).verify(&cancel).await.unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::Forbidden);
    assert!(
        wrong.message.contains("(status 403, 10000)") && wrong.message.contains("Workers Scripts"),
        "{wrong}"
    );
    let gone = json!({ "account_id": ACCOUNT, "product": "pages", "project": "gone" });
    let error = of(TOKEN, gone).verify(&cancel).await.unwrap_err();
    assert!(error.kind == ErrorKind::NotFound && error.message.contains("8000007"), "{error}");
    standin.look(|cloudflare| cloudflare.subdomain = None);
    let none = of(TOKEN, json!({ "account_id": ACCOUNT })).verify(&cancel).await.unwrap_err();
    assert!(none.kind == ErrorKind::Config && none.message.contains("workers.dev"), "{none}");
    let folder = Folder::site();
    let release =
        run_with(&standin, &folder, json!({ "register_subdomain": "mine" }), "dep-1").drive().await.unwrap();
    assert_eq!(release.url, "https://ws-01abc.mine.workers.dev");
}

#[tokio::test]
async fn each_fault_ends_as_it_should() {
    let envelope = |code: u32| {
        format!(r#"{{"success":false,"errors":[{{"code":{code},"message":"said"}}],"result":null}}"#)
    };
    for (is_pages, method, path, what, kind) in [
        (false, "GET", "/subdomain", What::status(403, &envelope(10000)), ErrorKind::Forbidden),
        (false, "POST", "/assets-upload-session", What::status(401, "{}"), ErrorKind::BadCredentials),
        (false, "POST", "/assets/upload", What::status(500, "{}"), ErrorKind::Unavailable),
        (false, "POST", "/assets/upload", What::status(413, "{}"), ErrorKind::RejectedFile),
        (false, "PUT", "/scripts/", What::status(400, &envelope(10021)), ErrorKind::Rejected),
        // A status of success around a failure.
        (false, "PUT", "/scripts/", What::status(200, &envelope(10021)), ErrorKind::Rejected),
        (false, "POST", "/subdomain", What::status(403, "{}"), ErrorKind::Forbidden),
        (true, "GET", "/upload-token", What::status(404, &envelope(8_000_007)), ErrorKind::NotFound),
        (true, "POST", "/check-missing", What::status(500, "{}"), ErrorKind::Unavailable),
        (true, "POST", "/assets/upload", What::status(401, &envelope(8_000_013)), ErrorKind::BadCredentials),
        (true, "POST", "/deployments", What::status(200, &envelope(8_000_000)), ErrorKind::Unavailable),
        (
            true,
            "POST",
            "/deployments",
            What::status(429, &envelope(10429)),
            ErrorKind::RateLimited { until_ms: 0 },
        ),
        (true, "GET", "/deployments/", What::status(403, "{}"), ErrorKind::Forbidden),
    ] {
        let (standin, folder) = (standin().await, Folder::site());
        standin.fault(Fault { when: When::to(method, path), what: what.clone() });
        let mut run =
            if is_pages { pages(&standin, &folder, "dep-1") } else { worker(&standin, &folder, "dep-1") };
        run.tools.pace.max_inline_ms = 0;
        let log = |_| {};
        let job =
            miteos_deploy::Job { order: &run.order, artifact: &run.artifact, cancel: &run.cancel, log: &log };
        let mut state = run.journal.last(KIND);
        let error = loop {
            match run.target.next(&state, &job).await {
                Ok(advance) => state = advance.state,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind.code(), kind.code(), "{method} {path} {what:?}: {error}");
        assert!(!error.message.contains(TOKEN), "{error}");
    }
}

#[tokio::test]
async fn what_may_have_been_made_is_looked_for_before_it_is_made_again() {
    for is_pages in [false, true] {
        let (standin, folder) = (standin().await, Folder::site());
        let made = if is_pages { When::to("POST", "/deployments") } else { When::to("PUT", "/scripts/") };
        standin.fault(Fault { when: made.once(), what: What::CutAnswer });
        standin.look(|cloudflare| cloudflare.late_lists = 3);
        let run =
            if is_pages { pages(&standin, &folder, "dep-1") } else { worker(&standin, &folder, "dep-1") };
        let release = run.drive().await.unwrap();
        standin.look(|cloudflare| {
            let versions = cloudflare.workers.values().flat_map(|one| one.versions.iter().map(|one| &one.id));
            let deployments = cloudflare.projects["shop"].deployments.iter().map(|one| &one.id);
            assert_eq!(versions.chain(deployments).collect::<Vec<_>>(), [&release.deployment_id]);
        });
    }
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    for is_pages in [false, true] {
        let (standin, folder) = (standin().await, Folder::site());
        standin.look(|cloudflare| cloudflare.expire = 2);
        let once = |method: &str, path: &str, what: What| {
            standin.fault(Fault { when: When::to(method, path).once(), what })
        };
        once("POST", "/assets/upload", What::CutUpload);
        once("POST", "/assets/upload", What::status(502, "<html>"));
        once("GET", "/subdomain", What::limited("retry-after", "0"));
        once("PUT", "/scripts/", What::CutAnswer);
        once("POST", "/deployments", What::CutAnswer);
        let run =
            if is_pages { pages(&standin, &folder, "dep-1") } else { worker(&standin, &folder, "dep-1") };
        let release = run.drive().await.unwrap();
        standin.look(|cloudflare| {
            assert!(!release.deployment_id.is_empty());
            let workers: usize = cloudflare.workers.values().map(|worker| worker.versions.len()).sum();
            let pages = cloudflare.projects["shop"].deployments.len();
            assert_eq!((workers, pages), if is_pages { (0, 1) } else { (1, 0) });
        });
    }
}

#[tokio::test]
async fn a_deployment_that_fails_there_says_why() {
    for (stages, part) in [
        (vec![("build", "failure")], "could not finish the deployment in stage build: Failed: no space"),
        (vec![("deploy", "canceled")], "cancelled the deployment in stage deploy"),
    ] {
        let (standin, folder) = (standin().await, Folder::site());
        standin.look(|cloudflare| cloudflare.stages = stages);
        let error = pages(&standin, &folder, "dep-1").drive().await.unwrap_err();
        assert!(error.kind == ErrorKind::ProviderFailed && error.message.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_deployment_that_is_not_live_is_removed_when_it_is_cancelled() {
    let (standin, folder) = (standin().await, Folder::site());
    standin.look(|cloudflare| cloudflare.stages = vec![("deploy", "active")]);
    let begun = pages(&standin, &folder, "dep-1");
    begun.until(|| standin.count("GET", "/deployments/") > 3).await;
    begun.cancel().await.unwrap();
    begun.cancel().await.unwrap();
    standin.look(|cloudflare| assert!(cloudflare.projects["shop"].deployments.is_empty()));
    standin.look(|cloudflare| cloudflare.stages = vec![("deploy", "success")]);
    let live = pages(&standin, &folder, "dep-2");
    live.drive().await.unwrap();
    live.cancel().await.unwrap();
    standin.look(|cloudflare| assert_eq!(cloudflare.projects["shop"].deployments.len(), 1));
}

#[tokio::test]
async fn a_file_adds_no_part_to_the_form_that_carries_it() {
    let (standin, folder) = (standin().await, Folder::site());
    let part = |boundary: &str, head: &str, body: &str| {
        format!(
            "x\r\n--{boundary}\r\ncontent-disposition: form-data; {head}\r\n\r\n{body}\r\n--{boundary}--\r\n"
        )
    };
    // The boundary that was once in use: whoever knows it could end the file's own part.
    let known = "----miteos-part-7c0e5b1f9a3d4c62";
    let code = part(known, "name=\"_worker.bundle\"; filename=\"_worker.bundle\"", "code");
    folder.write("_headers", code.as_bytes());
    folder.write("_redirects", part(known, "name=\"branch\"", "main").as_bytes());
    pages(&standin, &folder, "dep-1").drive().await.unwrap();
    standin.look(|cloudflare| {
        assert_eq!(cloudflare.projects["shop"].deployments[0].rules, ["_headers", "_redirects"]);
    });
}

#[tokio::test]
async fn rules_that_change_are_not_sent() {
    for is_pages in [false, true] {
        let (standin, folder) = (standin().await, with_rules());
        let run =
            if is_pages { pages(&standin, &folder, "dep-1") } else { worker(&standin, &folder, "dep-1") };
        folder.write("_redirects", b"/a /c 301\n");
        let error = run.drive().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::FileChanged, "{error}");
        assert!(error.message.starts_with("_redirects changed"), "{error}");
        standin.look(|cloudflare| {
            assert!(cloudflare.workers.is_empty() && cloudflare.projects["shop"].deployments.is_empty());
        });
    }
}

#[tokio::test]
async fn a_version_that_is_listed_late_is_made_once() {
    for late_lists in [2, 1_000] {
        let (standin, folder) = (standin().await, Folder::site());
        standin.look(|cloudflare| cloudflare.late_lists = late_lists);
        let release = worker(&standin, &folder, "dep-1").drive().await.unwrap();
        standin.look(|cloudflare| {
            let versions = &cloudflare.workers["ws-01abc"].versions;
            assert_eq!((versions.len(), versions[0].id.as_str()), (1, release.deployment_id.as_str()));
        });
    }
}

#[tokio::test]
async fn a_preview_is_none_where_its_branch_is_the_live_one() {
    let (standin, folder) = (standin().await, Folder::site());
    standin.look(|cloudflare| cloudflare.projects.get_mut("shop").unwrap().branch = "preview".to_owned());
    let settings = json!({ "product": "pages", "project": "shop", "environment": "preview" });
    run_with(&standin, &folder, settings, "dep-1").drive().await.unwrap();
    standin.look(|cloudflare| {
        let project = &cloudflare.projects["shop"];
        assert_eq!((project.live.as_ref(), project.deployments[0].branch.as_str()), (None, "miteos-preview"));
    });
}

#[tokio::test]
async fn what_was_made_is_found_behind_what_was_made_since() {
    let (standin, folder) = (standin().await, Folder::site());
    for is_pages in [false, true] {
        let of = |key: &str| {
            if is_pages { pages(&standin, &folder, key) } else { worker(&standin, &folder, key) }
        };
        let first = of("dep-first");
        let path = if is_pages { "/deployments" } else { "/scripts/" };
        let method = if is_pages { "POST" } else { "PUT" };
        // Carried out, its answer lost, and then the server was away while others went on.
        standin.fault(Fault { when: When::to(method, path).once(), what: What::CutAnswer });
        let list = if is_pages { "/deployments" } else { "/versions" };
        standin.fault(Fault { when: When::to("GET", list).after(1), what: What::status(401, "{}") });
        first.drive().await.unwrap_err();
        standin.no_faults();
        for other in 0..30 {
            of(&format!("dep-{other}")).drive().await.unwrap();
        }
        let release = first.drive().await.unwrap();
        standin.look(|cloudflare| {
            let ids: Vec<&String> = if is_pages {
                cloudflare.projects["shop"].deployments.iter().map(|one| &one.id).collect()
            } else {
                cloudflare.workers["ws-01abc"].versions.iter().map(|one| &one.id).collect()
            };
            assert_eq!((ids.len(), ids[0]), (31, &release.deployment_id));
        });
    }
}

#[tokio::test]
async fn code_for_a_server_is_refused() {
    let (standin, folder) = (standin().await, Folder::site());
    folder.write("_worker.js", b"export default {}");
    let tools = tools(KIND, &standin.url);
    let target = target(&tools, KIND, &json!({ "token": TOKEN }), &json!({ "account_id": ACCOUNT }));
    let site = folder.scan(KIND).unwrap();
    let error = target.prepare(miteos_deploy::Artifact::Site(site.into())).err().unwrap();
    assert!(error.message.contains("_worker.js is code"), "{error}");
}

struct Deploying(Standin<Cloudflare>, #[expect(dead_code, reason = "it keeps the files")] Folder);

impl Deploying {
    fn check_worker(&self, release: &Release, when: &str) {
        self.0.look(|cloudflare| {
            let worker = &cloudflare.workers["ws-01abc"];
            assert_eq!(worker.versions.len(), 1, "{when}");
            assert!(worker.enabled && worker.live.as_deref() == Some(&release.deployment_id), "{when}");
        });
    }
}

#[async_trait::async_trait]
impl Scenario for Deploying {
    async fn begin() -> (Self, Run) {
        let (standin, folder) = (standin().await, Folder::site());
        let run = worker(&standin, &folder, "dep-1");
        (Self(standin, folder), run)
    }

    fn stop_at(&self, mark: u64) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.0.stop_at(mark))
    }

    fn go_on(&self) {
        self.0.go_on();
    }

    fn asked(&self) -> usize {
        self.0.recorded().len()
    }

    fn check(&self, release: &Release, when: &str) {
        self.check_worker(release, when);
    }
}

struct DeployingPages(Standin<Cloudflare>, #[expect(dead_code, reason = "it keeps the files")] Folder);

#[async_trait::async_trait]
impl Scenario for DeployingPages {
    async fn begin() -> (Self, Run) {
        let (standin, folder) = (standin().await, Folder::site());
        let run = pages(&standin, &folder, "dep-1");
        (Self(standin, folder), run)
    }

    fn stop_at(&self, mark: u64) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.0.stop_at(mark))
    }

    fn go_on(&self) {
        self.0.go_on();
    }

    fn asked(&self) -> usize {
        self.0.recorded().len()
    }

    fn check(&self, release: &Release, when: &str) {
        self.0.look(|cloudflare| {
            let project = &cloudflare.projects["shop"];
            assert_eq!(project.deployments.len(), 1, "{when}");
            assert_eq!(project.live.as_deref(), Some(release.deployment_id.as_str()), "{when}");
        });
    }
}

#[tokio::test]
async fn a_crash_anywhere_neither_doubles_nor_loses_a_worker() {
    everywhere::<Deploying>().await;
}

#[tokio::test]
async fn a_crash_anywhere_neither_doubles_nor_loses_a_deployment_to_pages() {
    everywhere::<DeployingPages>().await;
}
