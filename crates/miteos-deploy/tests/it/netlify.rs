//! Netlify against its stand-in.

use std::collections::BTreeSet;
use std::time::Duration;

use miteos_deploy::{ErrorKind, Release, TargetKind, Visibility};
use miteos_standins::netlify::{Netlify, TOKEN};
use miteos_standins::{Fault, Standin, What, When};
use serde_json::{Value, json};

use crate::crash::{Scenario, everywhere};
use crate::setup::{Folder, Run, target, tools};

const KIND: TargetKind = TargetKind::Netlify;

fn run_with(standin: &Standin<Netlify>, folder: &Folder, token: &str, settings: Value, key: &str) -> Run {
    let tools = tools(KIND, &standin.url);
    let target = target(&tools, KIND, &json!({ "token": token }), &settings);
    let artifact = folder.artifact(&*target);
    Run::new(tools, target, artifact, key)
}

fn run(standin: &Standin<Netlify>, folder: &Folder, key: &str) -> Run {
    run_with(standin, folder, TOKEN, json!({}), key)
}

async fn standin() -> Standin<Netlify> {
    let standin = Netlify::start().await.unwrap();
    standin.look(|netlify| netlify.polls_per_state = 1);
    standin
}

#[tokio::test]
async fn a_site_goes_live_and_the_same_again_uploads_nothing() {
    let (standin, folder) = (standin().await, Folder::site());
    let first = run(&standin, &folder, "dep-1");
    let release = first.drive().await.unwrap();
    assert_eq!(release.url, "https://ws-01abc.netlify.app");
    assert_eq!(release.visibility, Visibility::Public);
    // Six files, two of one content.
    assert_eq!(standin.count("PUT", "/files/"), 5);
    assert!(first.said("5 of 5 files"));
    standin.look(|netlify| {
        assert_eq!(
            netlify.sites[&release.project_id].published.as_deref(),
            Some(release.deployment_id.as_str())
        );
        assert!(
            netlify.deploys[&release.deployment_id].files.contains_key("/assets/deep/na\u{ef}ve name.txt")
        );
    });
    standin.forget_recorded();
    let second = run(&standin, &folder, "dep-2").drive().await.unwrap();
    assert_ne!(second.deployment_id, release.deployment_id);
    assert_eq!((standin.count("PUT", ""), standin.count("POST", "/sites")), (0, 1));
    let back = run(&standin, &folder, "dep-3").target.roll_back(&release, &Default::default()).await.unwrap();
    assert_eq!(back, release);
    standin.look(|netlify| {
        assert_eq!(
            netlify.sites[&release.project_id].published.as_deref(),
            Some(release.deployment_id.as_str())
        );
    });
}

#[tokio::test]
async fn a_preview_leaves_what_is_live() {
    let (standin, folder) = (standin().await, Folder::site());
    let live = run(&standin, &folder, "dep-1").drive().await.unwrap();
    folder.write("index.html", b"<h1>next</h1>");
    let settings = json!({ "site": "ws-01abc.netlify.app", "environment": "preview", "single_page": true });
    let preview = run_with(&standin, &folder, TOKEN, settings, "dep-2").drive().await.unwrap();
    assert_eq!(preview.url, format!("https://{}--ws-01abc.netlify.app", preview.deployment_id));
    standin.look(|netlify| {
        assert_eq!(netlify.sites[&live.project_id].published.as_deref(), Some(live.deployment_id.as_str()));
        assert!(netlify.deploys[&preview.deployment_id].files.contains_key("/_redirects"));
    });
}

#[tokio::test]
async fn credentials_are_checked_with_a_clear_answer() {
    let (standin, folder) = (standin().await, Folder::site());
    let good = run(&standin, &folder, "dep-1");
    let verified = good.target.verify(&good.cancel).await.unwrap();
    assert_eq!((verified.account.as_str(), verified.project), ("Test Person", None));
    let bad = run_with(&standin, &folder, "nfp_wrong0123456789", json!({}), "dep-1");
    let error = bad.target.verify(&bad.cancel).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadCredentials);
    assert_eq!(
        error.message,
        "Netlify does not accept the credentials (status 401): Access Denied; make a new token and store it in the \
         deploy configuration"
    );
    let lost = run_with(&standin, &folder, TOKEN, json!({ "site": "gone" }), "dep-1");
    assert_eq!(lost.target.verify(&lost.cancel).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_taken_name_gets_a_second_one_and_a_locked_site_is_refused() {
    let (standin, folder) = (standin().await, Folder::site());
    let mut taken = run(&standin, &folder, "dep-1");
    taken.order.project = miteos_standins::netlify::TAKEN.to_owned();
    let release = taken.drive().await.unwrap();
    assert!(release.url.starts_with("https://taken-"), "{}", release.url);
    standin.look(|netlify| netlify.sites.get_mut(&release.project_id).unwrap().locked = true);
    let mut locked = run(&standin, &folder, "dep-2");
    locked.order.project = miteos_standins::netlify::TAKEN.to_owned();
    let error = locked.drive().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    assert!(error.message.contains("unlock"), "{error}");
    assert_eq!(standin.look(|netlify| netlify.deploys.len()), 1);
}

#[tokio::test]
async fn each_fault_ends_as_it_should() {
    let body = r#"{"code":500,"message":"nfp_standin0123456789 failed"}"#;
    let faults = [
        ("GET", "/sites", What::status(401, "{}"), Some(ErrorKind::BadCredentials)),
        ("POST", "/deploys", What::status(403, "{}"), Some(ErrorKind::Forbidden)),
        ("POST", "/deploys", What::status(422, r#"{"code":422,"message":"no"}"#), Some(ErrorKind::Rejected)),
        ("POST", "/deploys", What::status(402, "{}"), Some(ErrorKind::Quota)),
        (
            "PUT",
            "/files/",
            What::status(422, r#"{"code":422,"message":"Digest"}"#),
            Some(ErrorKind::RejectedFile),
        ),
        ("PUT", "/files/", What::status(500, body), Some(ErrorKind::Unavailable)),
        ("GET", "/deploys/", What::status(404, "{}"), Some(ErrorKind::NotFound)),
        ("GET", "/deploys/", What::status(200, "no json"), Some(ErrorKind::TimedOut)),
    ];
    for (method, path, what, kind) in faults {
        let (standin, folder) = (standin().await, Folder::site());
        standin.fault(Fault { when: When::to(method, path), what: what.clone() });
        let run = run(&standin, &folder, "dep-1");
        if kind == Some(ErrorKind::TimedOut) {
            // Nothing readable for ever: the deadline ends it.
            let clock = crate::setup::clock();
            let mut tools = run.tools.clone();
            tools.clock = clock.clone();
            let slow = Run::new(
                tools.clone(),
                target(&tools, KIND, &json!({ "token": TOKEN }), &json!({})),
                run.artifact.clone(),
                "dep-1",
            );
            let ended = tokio::spawn(async move { slow.drive().await });
            while standin.count("GET", "/deploys/") == 0 {
                tokio::task::yield_now().await;
            }
            clock.forward(21 * 60 * 1000);
            assert_eq!(ended.await.unwrap().unwrap_err().kind, ErrorKind::TimedOut);
            continue;
        }
        let error = run.drive().await.unwrap_err();
        assert_eq!(Some(error.kind), kind, "{method} {path} {what:?}: {error}");
        assert!(!error.message.contains(TOKEN), "{error}");
    }
}

#[tokio::test]
async fn what_may_have_been_made_is_looked_for_before_it_is_made_again() {
    let (standin, folder) = (standin().await, Folder::site());
    standin.fault(Fault { when: When::to("POST", "/deploys").once(), what: What::CutAnswer });
    // The list is empty before, so only later ones are late.
    standin.look(|netlify| netlify.late_lists = 3);
    let release = run(&standin, &folder, "dep-1").drive().await.unwrap();
    standin.look(|netlify| {
        assert_eq!(netlify.deploys.keys().collect::<Vec<_>>(), [&release.deployment_id]);
    });
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let (standin, folder) = (standin().await, Folder::site());
    let once = |method: &str, path: &str, what: What| {
        standin.fault(Fault { when: When::to(method, path).once(), what })
    };
    once("GET", "/sites", What::limited("retry-after", "0"));
    once("POST", "/deploys", What::CutAnswer);
    once("PUT", "/style.css", What::CutUpload);
    once("PUT", "/big.bin", What::CutUpload);
    once("PUT", "/index.html", What::CutAnswer);
    once("PUT", "/empty.js", What::status(503, ""));
    once("GET", "/deploys/", What::Slow(Duration::from_millis(20)));
    let release = run(&standin, &folder, "dep-1").drive().await.unwrap();
    standin.look(|netlify| {
        assert_eq!(netlify.deploys.len(), 1, "the answer was lost, the deploy was not");
        assert_eq!(netlify.deploys[&release.deployment_id].state, "ready");
    });
}

#[tokio::test]
async fn a_limit_is_told_with_its_end() {
    let then = "2026-01-01 00:05:00 UTC";
    let date = "Thu, 01 Jan 2026 00:00:00 GMT";
    for (name, value) in [
        ("retry-after", "300"),
        ("retry-after", then),
        ("x-ratelimit-reset", then),
        ("x-ratelimit-reset", "1767225900"),
        ("x-ratelimit-reset", "1767225900.0"),
        ("retry-after", "Thu, 01 Jan 2026 00:05:00 GMT"),
    ] {
        let (standin, folder) = (standin().await, Folder::site());
        let headers = vec![(name.to_owned(), value.to_owned()), ("date".to_owned(), date.to_owned())];
        let what = What::Answer { status: 429, headers, body: "{}".to_owned() };
        standin.fault(Fault { when: When::to("POST", "/deploys"), what });
        let run = run(&standin, &folder, "dep-1");
        let log = |_| {};
        let job =
            miteos_deploy::Job { order: &run.order, artifact: &run.artifact, cancel: &run.cancel, log: &log };
        let mut state = run.journal.last(KIND);
        state = run.target.next(&state, &job).await.unwrap().state;
        let error = run.target.next(&state, &job).await.unwrap_err();
        let ErrorKind::RateLimited { until_ms } = error.kind else { panic!("{name}: {value}: {error}") };
        let wait = until_ms - crate::setup::NOW_MS;
        assert!((300_000..301_000).contains(&wait), "{name}: {value}: {wait}");
    }
}

#[tokio::test]
async fn a_fault_that_names_its_end_is_waited_for_until_then() {
    let (standin, folder) = (standin().await, Folder::site());
    let headers = vec![("retry-after".to_owned(), "300".to_owned())];
    let what = What::Answer { status: 503, headers, body: String::new() };
    standin.fault(Fault { when: When::to("GET", "/sites"), what });
    let begun = run(&standin, &folder, "dep-1");
    let job = miteos_deploy::Job {
        order: &begun.order,
        artifact: &begun.artifact,
        cancel: &begun.cancel,
        log: &|_| {},
    };
    let error = begun.target.next(&begun.journal.last(KIND), &job).await.unwrap_err();
    let ErrorKind::RateLimited { until_ms } = error.kind else { panic!("{error}") };
    assert!((300_000..301_000).contains(&(until_ms - crate::setup::NOW_MS)), "{until_ms}");
    assert_eq!(standin.count("GET", "/sites"), 1);
    // When the allowance is renewed is told with every answer, and is no reason to wait after a fault.
    standin.no_faults();
    let headers = vec![("x-ratelimit-reset".to_owned(), "300".to_owned())];
    let what = What::Answer { status: 502, headers, body: String::new() };
    standin.fault(Fault { when: When::to("GET", "/sites").times(2), what });
    begun.target.next(&begun.journal.last(KIND), &job).await.unwrap();
}

#[tokio::test]
async fn a_slow_upload_takes_no_time_from_what_comes_behind_it() {
    let (standin, folder) = (standin().await, Folder::site());
    let clock = crate::setup::clock();
    let mut tools = tools(KIND, &standin.url);
    tools.clock = clock.clone();
    let target = target(&tools, KIND, &json!({ "token": TOKEN }), &json!({}));
    let artifact = folder.artifact(&*target);
    let slow = Run::new(tools, target, artifact, "dep-1");
    let log = |line: miteos_deploy::Line| {
        if line.files_done == 1 {
            clock.forward(21 * 60 * 1000);
        }
    };
    let job =
        miteos_deploy::Job { order: &slow.order, artifact: &slow.artifact, cancel: &slow.cancel, log: &log };
    let state = slow.journal.last(KIND);
    let release =
        miteos_deploy::drive(&*slow.target, state, &job, &slow.journal, &*clock, &slow.tools.pace).await;
    let id = release.unwrap().deployment_id;
    assert!(standin.look(|netlify| netlify.deploys[&id].state == "ready"));
}

#[tokio::test]
async fn a_long_message_costs_neither_the_mark_nor_the_request() {
    let (standin, folder) = (standin().await, Folder::site());
    let mut told = run(&standin, &folder, "dep-1");
    told.order.message = "größer ".repeat(3_000);
    told.order.check().unwrap();
    standin.fault(Fault { when: When::to("POST", "/deploys").once(), what: What::CutAnswer });
    let release = told.drive().await.unwrap();
    standin.look(|netlify| {
        assert_eq!(netlify.deploys.len(), 1);
        let title = &netlify.deploys[&release.deployment_id].title;
        assert!(title.starts_with("[miteos:dep-1] größer") && title.len() < 130, "{title}");
    });
    told.order.message = "one\nline".to_owned();
    assert_eq!(told.order.check().unwrap_err().kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_deploy_that_fails_there_says_why() {
    let (standin, folder) = (standin().await, Folder::site());
    standin.look(|netlify| netlify.ends_in = Some("error"));
    let error = run(&standin, &folder, "dep-1").drive().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ProviderFailed);
    assert!(error.message.ends_with("Deploy failed: a plugin said no"), "{error}");
    let said = format!("a plugin sent {TOKEN} and Bearer abcdefghijklmnop{}", " on".repeat(1_000));
    standin.look(|netlify| netlify.said = Some(said));
    let error = run(&standin, &folder, "dep-3").drive().await.unwrap_err();
    assert!(error.message.contains("a plugin sent *** and ***") && error.message.len() < 600, "{error}");
    standin.look(|netlify| netlify.ends_in = Some("a_new_state"));
    let unknown = run(&standin, &folder, "dep-2");
    standin.forget_recorded();
    // A state that is not known is never taken for live: it is asked again and again.
    unknown.until(|| standin.count("GET", "/deploys/") > 10).await;
}

#[tokio::test]
async fn a_file_that_changes_is_never_uploaded_whole() {
    let (standin, folder) = (standin().await, Folder::site());
    let run = run(&standin, &folder, "dep-1");
    let mut other = vec![7_u8; 150_000];
    other[149_999] = 8;
    folder.write("big.bin", &other);
    let error = run.drive().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FileChanged);
    assert!(error.message.starts_with("big.bin changed"), "{error}");
    assert!(standin.look(|netlify| !netlify.contents.values().any(|bytes| *bytes == 150_000)));
}

#[tokio::test]
async fn cancelling_ends_the_deploy_there() {
    let (standin, folder) = (standin().await, Folder::site());
    let run = run(&standin, &folder, "dep-1");
    let stopped = standin.stop_at(9);
    tokio::select! {
        ended = run.drive() => panic!("{ended:?}"),
        () = stopped => {}
    }
    standin.go_on();
    run.cancel().await.unwrap();
    run.cancel().await.unwrap();
    standin.look(|netlify| assert!(netlify.deploys.values().all(|deploy| deploy.cancelled)));
    assert_eq!(standin.look(|netlify| netlify.deploys.len()), 1);
    run.cancel.cancel();
    assert_eq!(run.drive().await.unwrap_err().kind, ErrorKind::Cancelled);
}

struct Deploying(Standin<Netlify>, #[expect(dead_code, reason = "it keeps the files")] Folder);

#[async_trait::async_trait]
impl Scenario for Deploying {
    async fn begin() -> (Self, Run) {
        let (standin, folder) = (standin().await, Folder::site());
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
        self.0.look(|netlify| {
            assert_eq!(netlify.sites.len(), 1, "{when}");
            let deploys: BTreeSet<&String> = netlify.deploys.keys().collect();
            assert_eq!(deploys, BTreeSet::from([&release.deployment_id]), "{when}");
            assert_eq!(netlify.deploys[&release.deployment_id].state, "ready", "{when}");
            let published = netlify.sites[&release.project_id].published.as_deref();
            assert_eq!(published, Some(release.deployment_id.as_str()), "{when}");
        });
    }
}

#[tokio::test]
async fn a_crash_anywhere_neither_doubles_nor_loses_it() {
    everywhere::<Deploying>().await;
}
