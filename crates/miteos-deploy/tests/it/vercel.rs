//! Vercel against its stand-in.

use miteos_deploy::{ErrorKind, Release, TargetKind, Visibility};
use miteos_standins::vercel::{TEAM, TOKEN, Vercel};
use miteos_standins::{Fault, Standin, What, When};
use serde_json::{Value, json};

use crate::crash::{Scenario, everywhere};
use crate::setup::{Folder, Run, target, tools};

const KIND: TargetKind = TargetKind::Vercel;

fn run_with(standin: &Standin<Vercel>, folder: &Folder, settings: Value, key: &str) -> Run {
    let tools = tools(KIND, &standin.url);
    let target = target(&tools, KIND, &json!({ "token": TOKEN }), &settings);
    let artifact = folder.artifact(&*target);
    Run::new(tools, target, artifact, key)
}

fn run(standin: &Standin<Vercel>, folder: &Folder, key: &str) -> Run {
    run_with(standin, folder, json!({ "team_id": TEAM }), key)
}

#[tokio::test]
async fn a_site_goes_live_and_the_same_again_uploads_nothing() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    standin.look(|vercel| vercel.polls_without_alias = 2);
    let release = run(&standin, &folder, "dep-1").drive().await.unwrap();
    assert_eq!(
        (release.url.as_str(), release.visibility),
        ("https://ws-01abc.vercel.app", Visibility::Public)
    );
    // Six files, two of one content, and the build's configuration.
    assert_eq!(standin.count("POST", "/v2/files"), 6);
    standin.look(|vercel| {
        let made = &vercel.deployments[&release.deployment_id];
        assert!(made.prebuilt && made.production);
        let paths: Vec<&str> = made.files.iter().map(|(path, _)| path.as_str()).collect();
        assert!(paths.contains(&".vercel/output/config.json"));
        assert!(paths.contains(&".vercel/output/static/assets/deep/na\u{ef}ve name.txt"));
    });
    for one in standin.recorded() {
        assert!(one.query.contains(&("teamId".into(), TEAM.into())), "{} {}", one.method, one.path);
    }
    standin.forget_recorded();
    let second = run(&standin, &folder, "dep-2").drive().await.unwrap();
    assert_ne!(second.deployment_id, release.deployment_id);
    assert_eq!(standin.count("POST", "/v2/files"), 0);
    let other = run(&standin, &folder, "dep-3");
    other.target.roll_back(&release, &other.cancel).await.unwrap();
    standin.look(|vercel| assert_eq!(vercel.production["ws-01abc"], release.deployment_id));
}

#[tokio::test]
async fn a_preview_has_its_own_address_and_perhaps_a_sign_in() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    let settings =
        json!({ "environment": "preview", "project": "shop", "upload": "files", "single_page": true });
    folder.write("package.json", b"{}");
    let release = run_with(&standin, &folder, settings, "dep-1").drive().await.unwrap();
    assert!(release.url.starts_with("https://shop-") && release.visibility == Visibility::Perhaps);
    standin.look(|vercel| {
        let made = &vercel.deployments[&release.deployment_id];
        assert!(!made.prebuilt && !made.production && vercel.production.is_empty());
        let paths: Vec<&str> = made.files.iter().map(|(path, _)| path.as_str()).collect();
        assert!(paths.contains(&"vercel.json") && !paths.contains(&"package.json"));
    });
    folder.write("public/x.html", b"x");
    let tools = tools(KIND, &standin.url);
    let target = target(&tools, KIND, &json!({ "token": TOKEN }), &json!({ "upload": "files" }));
    let site = folder.scan(KIND).unwrap();
    let error = target.prepare(miteos_deploy::Artifact::Site(site.into())).err().unwrap();
    assert!(error.kind == ErrorKind::Config && error.message.contains("public/"), "{error}");
}

#[tokio::test]
async fn credentials_are_checked_with_a_clear_answer() {
    let standin = Vercel::start().await.unwrap();
    let tools = tools(KIND, &standin.url);
    let cancel = Default::default();
    let good = target(&tools, KIND, &json!({ "token": TOKEN }), &json!({}));
    assert_eq!(good.verify(&cancel).await.unwrap().account, "test");
    let bad = target(&tools, KIND, &json!({ "token": "vcp_wrong0123456789" }), &json!({}));
    let error = bad.verify(&cancel).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadCredentials);
    let foreign = target(&tools, KIND, &json!({ "token": TOKEN }), &json!({ "team_id": "team_other" }));
    assert_eq!(foreign.verify(&cancel).await.unwrap_err().kind, ErrorKind::Forbidden);
    let lost = target(&tools, KIND, &json!({ "token": TOKEN }), &json!({ "project": "gone" }));
    assert_eq!(lost.verify(&cancel).await.unwrap_err().kind, ErrorKind::NotFound);
}

/// As Vercel says it in the body: until this second since 1970.
fn limited_until(reset: u64) -> What {
    let limit = json!({ "total": 100, "remaining": 0, "reset": reset });
    let error = json!({ "code": "rate_limited", "message": "Too many requests", "limit": limit });
    What::status(429, &json!({ "error": error }).to_string())
}

#[tokio::test]
async fn each_fault_ends_as_it_should() {
    let per_day = r#"{"error":{"code":"api-deployments-free-per-day","message":"Resource is limited - try again in 5 hours (more than 100)"}}"#;
    for (method, path, what, kind) in [
        ("POST", "/v13/", What::status(401, "{}"), ErrorKind::BadCredentials),
        ("POST", "/v13/", What::status(402, "{}"), ErrorKind::Quota),
        ("POST", "/v13/", What::status(403, "{}"), ErrorKind::Forbidden),
        (
            "POST",
            "/v13/",
            What::status(400, r#"{"error":{"code":"bad_request","message":"x"}}"#),
            ErrorKind::Rejected,
        ),
        ("POST", "/v13/", What::status(429, per_day), ErrorKind::Quota),
        ("POST", "/v13/", What::limited("retry-after", "3600"), ErrorKind::Quota),
        (
            "POST",
            "/v2/files",
            What::status(400, r#"{"error":{"code":"x","message":"digest"}}"#),
            ErrorKind::RejectedFile,
        ),
        ("POST", "/v2/files", What::status(500, ""), ErrorKind::Unavailable),
        ("POST", "/v2/files", What::CutUpload, ErrorKind::Network),
        ("GET", "/v13/", What::status(404, "{}"), ErrorKind::NotFound),
        // In the year 2100.
        ("POST", "/v13/", limited_until(4_102_444_800), ErrorKind::Quota),
    ] {
        let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
        standin.fault(Fault { when: When::to(method, path), what: what.clone() });
        let error = run(&standin, &folder, "dep-1").drive().await.unwrap_err();
        assert_eq!(error.kind, kind, "{method} {path} {what:?}: {error}");
        assert!(!error.message.contains(TOKEN), "{error}");
    }
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    let once = |method: &str, path: &str, what: What| {
        standin.fault(Fault { when: When::to(method, path).once(), what })
    };
    once("GET", "/v6/", What::limited("retry-after", "0"));
    once("POST", "/v2/files", What::CutUpload);
    once("POST", "/v2/files", What::status(502, "<html>"));
    once("POST", "/v13/", What::limited("x-ratelimit-reset", "0"));
    once("GET", "/v13/", limited_until(1_643_322_017));
    standin.fault(Fault { when: When::to("POST", "/v13/").after(1).once(), what: What::CutAnswer });
    once("GET", "/v13/", What::status(503, ""));
    let release = run(&standin, &folder, "dep-1").drive().await.unwrap();
    standin.look(|vercel| {
        assert_eq!(vercel.deployments.len(), 1, "the answer was lost, the deployment was not");
        assert_eq!(vercel.production["ws-01abc"], release.deployment_id);
    });
}

#[tokio::test]
async fn what_may_have_been_made_is_looked_for_before_it_is_made_again() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    // The answer is lost, and the deployment is listed some time later.
    standin.fault(Fault { when: When::to("POST", "/v13/").after(1).once(), what: What::CutAnswer });
    standin.look(|vercel| vercel.late_lists = 3);
    let release = run(&standin, &folder, "dep-1").drive().await.unwrap();
    standin.look(|vercel| {
        assert_eq!(vercel.deployments.keys().collect::<Vec<_>>(), [&release.deployment_id]);
    });
}

#[tokio::test]
async fn what_is_not_ended_and_goes_on_is_not_called_ended() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    standin.look(|vercel| (vercel.states, vercel.polls_without_alias) = (vec!["READY"], 4));
    let begun = run(&standin, &folder, "dep-1");
    begun.until(|| standin.look(|vercel| !vercel.deployments.is_empty())).await;
    // It is ready, has no names yet, and cannot be cancelled any more.
    begun.cancel().await.unwrap();
    let error = begun.live_after_all().await.unwrap_err();
    assert!(error.kind == ErrorKind::Unavailable && error.message.contains("still under way"), "{error}");
    loop {
        match begun.live_after_all().await {
            Ok(state) => break assert_eq!(state.unwrap().step, miteos_deploy::Step::Live),
            Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable, "{error}"),
        }
    }
    standin.look(|vercel| assert_eq!(vercel.production.len(), 1));
}

#[tokio::test]
async fn a_cancel_waits_for_the_answer_of_what_is_just_being_made() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    let pause = std::time::Duration::from_millis(300);
    standin.fault(Fault { when: When::to("POST", "/v13/").after(1).once(), what: What::Slow(pause) });
    standin.look(|vercel| vercel.late_lists = 100);
    let begun = run(&standin, &folder, "dep-1");
    // Two questions, the first attempt, six files, and the second attempt, with a mark before and after each.
    let asked = standin.reached(2 * 9);
    let cancel = async {
        asked.await;
        begun.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(begun.drive(), cancel);
    assert_eq!(ended.unwrap_err().kind, ErrorKind::Cancelled);
    let made = standin.look(|vercel| vercel.deployments.keys().next().cloned());
    assert!(made.is_some() && begun.journal.last(KIND).deployment_id == made, "{made:?}");
}

#[tokio::test]
async fn minutes_without_the_provider_end_nothing_that_is_only_waited_for() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    let when = When::to("GET", "/v13/deployments/").times(30);
    standin.fault(Fault { when, what: What::status(503, "") });
    let release = run(&standin, &folder, "dep-1").drive().await.unwrap();
    standin.look(|vercel| assert_eq!(vercel.production["ws-01abc"], release.deployment_id));
    assert!(standin.count("GET", "/v13/deployments/") > 30);
    // A provider that has not answered for most of an hour is given up.
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    standin.fault(Fault { when: When::to("GET", "/v13/deployments/"), what: What::status(503, "") });
    let (gone, clock) = (run(&standin, &folder, "dep-1"), crate::setup::clock());
    let log = |line: miteos_deploy::Line| {
        if line.text.contains("taken again") {
            clock.forward(16 * 60 * 1000);
        }
    };
    let job =
        miteos_deploy::Job { order: &gone.order, artifact: &gone.artifact, cancel: &gone.cancel, log: &log };
    let state = gone.journal.last(KIND);
    let ended = miteos_deploy::drive(&*gone.target, state, &job, &gone.journal, &*clock, &gone.tools.pace);
    assert_eq!(ended.await.unwrap_err().kind, ErrorKind::Unavailable);
    // Three attempts for each of four failures.
    assert_eq!(standin.count("GET", "/v13/deployments/"), 12);
    // Where something is still to be done, a few attempts are enough.
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    standin.fault(Fault { when: When::to("GET", "/v6/").times(30), what: What::status(503, "") });
    let error = run(&standin, &folder, "dep-1").drive().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_project_can_be_named_by_its_id() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    standin.look(|vercel| vercel.projects.insert("shop".to_owned(), "prj_XLKmu1Dy".to_owned()));
    for named in ["prj_XLKmu1Dy", "shop"] {
        let one = run_with(&standin, &folder, json!({ "project": named }), &format!("dep-{named}"));
        one.target.verify(&one.cancel).await.unwrap();
        let release = one.drive().await.unwrap();
        assert_eq!(
            (release.project_id.as_str(), release.url.as_str()),
            ("prj_XLKmu1Dy", "https://shop.vercel.app")
        );
    }
    assert_eq!(standin.look(|vercel| vercel.projects.len()), 1);
    let error =
        run_with(&standin, &folder, json!({ "project": "prj_gone" }), "dep-3").drive().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn what_the_provider_says_is_told_short_and_without_tokens() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    let body = json!({ "error": { "code": format!("{TOKEN} {}", "c".repeat(100_000)), "message": "x" } });
    standin.fault(Fault { when: When::to("POST", "/v13/"), what: What::status(400, &body.to_string()) });
    let error = run(&standin, &folder, "dep-1").drive().await.unwrap_err();
    assert!(!error.message.contains(TOKEN) && error.message.len() < 1_000, "{}", error.message.len());
}

#[tokio::test]
async fn a_deployment_that_fails_there_says_why() {
    for (states, part) in [
        (vec!["QUEUED", "ERROR"], "in step buildStep: Command \"build\" exited with 1"),
        (vec!["BLOCKED"], "holds the deployment back"),
        (vec!["CANCELED"], "cancelled"),
        (vec!["DELETED"], "deleted"),
    ] {
        let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
        standin.look(|vercel| vercel.states = states.clone());
        let error = run(&standin, &folder, "dep-1").drive().await.unwrap_err();
        assert!(
            error.kind == ErrorKind::ProviderFailed && error.message.contains(part),
            "{states:?}: {error}"
        );
    }
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    standin.look(|vercel| vercel.alias_fails = true);
    let error = run(&standin, &folder, "dep-1").drive().await.unwrap_err();
    assert!(
        error.message.ends_with("could not give the deployment its names: the name is used elsewhere"),
        "{error}"
    );
    standin.look(|vercel| (vercel.alias_fails, vercel.states) = (false, vec!["SOMETHING_NEW"]));
    standin.forget_recorded();
    // A state that is not known is never taken for live: it is asked again and again.
    run(&standin, &folder, "dep-2").until(|| standin.count("GET", "/v13/deployments/") > 10).await;
}

#[tokio::test]
async fn cancelling_finds_what_was_begun() {
    let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
    let run = run(&standin, &folder, "dep-1");
    standin.fault(Fault { when: When::to("POST", "/v13/").after(1), what: What::CutAnswer });
    standin.fault(Fault { when: When::to("GET", "/v6/").after(2), what: What::status(401, "{}") });
    assert!(run.drive().await.is_err());
    standin.no_faults();
    run.cancel().await.unwrap();
    standin.look(|vercel| {
        assert_eq!(vercel.deployments.len(), 1);
        assert!(vercel.deployments.values().all(|one| one.cancelled));
    });
}

struct Deploying(Standin<Vercel>, #[expect(dead_code, reason = "it keeps the files")] Folder);

#[async_trait::async_trait]
impl Scenario for Deploying {
    async fn begin() -> (Self, Run) {
        let (standin, folder) = (Vercel::start().await.unwrap(), Folder::site());
        let run = run(&standin, &folder, "dep-1");
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
        self.0.look(|vercel| {
            assert_eq!(vercel.deployments.keys().collect::<Vec<_>>(), [&release.deployment_id], "{when}");
            assert_eq!(vercel.production["ws-01abc"], release.deployment_id, "{when}");
        });
    }
}

#[tokio::test]
async fn a_crash_anywhere_neither_doubles_nor_loses_it() {
    everywhere::<Deploying>().await;
}
