//! Every fault of the list at every provider, through the whole server: what a deployment ends in, that there are never
//! two, and that the next one is well again. `docs/deploy-targets.md` has the same table for people.

use std::path::Path;
use std::time::Duration;

use miteos_deploy::TargetKind;
use miteos_server::{Clock as _, SystemClock};
use miteos_standins::appstore::Appstore;
use miteos_standins::cloudflare::{ACCOUNT, Cloudflare};
use miteos_standins::netlify::Netlify;
use miteos_standins::vercel::Vercel;
use miteos_standins::{Fault, Standin, What, When};
use serde_json::{Value, json};

use super::{ended, log, to, write_site};
use crate::harness::TestServer;
use crate::standin::Script;

/// A kind of request: method and a part of the path.
type Asked = (&'static str, &'static str);

/// A provider as the table needs it.
trait Provider {
    const KIND: TargetKind;
    /// What makes a deployment, what sends a file, and what asks or says that it is done.
    const MAKES: Asked;
    const SENDS: Asked;
    const ENDS: Asked;
    /// Where it says that a file is not what it was said to be, with which status, and what that ends in.
    const DIGEST: (Asked, u16, &'static str);
    /// What a limit of an hour is.
    const LIMITED: &'static str = "provider_error";
    /// A limit until this second since 1970, told in a way that this provider has for itself.
    fn own_limit(_until: u64) -> Option<What> {
        None
    }

    fn url(&self) -> &str;
    fn fault(&self, when: When, what: What);
    fn no_faults(&self);
    fn credentials(&self) -> Value;
    fn settings(&self) -> Value {
        json!({})
    }
    /// How many deployments it has.
    fn count(&self) -> usize;
    /// Lets deployments fail there; `false`: it knows no such thing.
    fn fail(&self, fails: bool) -> bool;
    /// Something that was not deployed before.
    fn write(&self, folder: &Path, number: usize) {
        write_site(folder, "shop");
        std::fs::write(folder.join("number.txt"), format!("number {number}")).unwrap();
    }
}

struct Workers(Standin<Cloudflare>);
struct Pages(Standin<Cloudflare>);

impl Provider for Standin<Netlify> {
    const KIND: TargetKind = TargetKind::Netlify;
    const MAKES: Asked = ("POST", "/deploys");
    const SENDS: Asked = ("PUT", "/files/");
    const ENDS: Asked = ("GET", "/deploys/");
    const DIGEST: (Asked, u16, &'static str) = (Self::SENDS, 422, "upload_failed");

    fn url(&self) -> &str {
        &self.url
    }
    fn fault(&self, when: When, what: What) {
        self.fault(Fault { when, what });
    }
    fn no_faults(&self) {
        self.no_faults();
    }
    fn credentials(&self) -> Value {
        json!({"token": miteos_standins::netlify::TOKEN})
    }
    fn count(&self) -> usize {
        self.look(|netlify| netlify.deploys.len())
    }
    fn fail(&self, fails: bool) -> bool {
        self.look(|netlify| netlify.ends_in = fails.then_some("error"));
        true
    }
}

impl Provider for Standin<Vercel> {
    const KIND: TargetKind = TargetKind::Vercel;
    const MAKES: Asked = ("POST", "/v13/deployments");
    const SENDS: Asked = ("POST", "/v2/files");
    const ENDS: Asked = ("GET", "/v13/deployments/");
    const DIGEST: (Asked, u16, &'static str) = (Self::SENDS, 400, "upload_failed");
    const LIMITED: &'static str = "quota";
    fn own_limit(until: u64) -> Option<What> {
        let limit = json!({"total": 100, "remaining": 0, "reset": until});
        let error = json!({"code": "rate_limited", "message": "Too many requests", "limit": limit});
        Some(What::status(429, &json!({"error": error}).to_string()))
    }

    fn url(&self) -> &str {
        &self.url
    }
    fn fault(&self, when: When, what: What) {
        self.fault(Fault { when, what });
    }
    fn no_faults(&self) {
        self.no_faults();
    }
    fn credentials(&self) -> Value {
        json!({"token": miteos_standins::vercel::TOKEN})
    }
    fn count(&self) -> usize {
        self.look(|vercel| vercel.deployments.len())
    }
    fn fail(&self, fails: bool) -> bool {
        self.look(|vercel| vercel.states = vec![if fails { "ERROR" } else { "READY" }]);
        true
    }
}

impl Provider for Workers {
    const KIND: TargetKind = TargetKind::Cloudflare;
    const MAKES: Asked = ("PUT", "/workers/scripts/");
    const SENDS: Asked = ("POST", "/workers/assets/upload");
    const ENDS: Asked = ("POST", "/subdomain");
    const DIGEST: (Asked, u16, &'static str) = (Self::SENDS, 400, "provider_rejected");

    fn url(&self) -> &str {
        &self.0.url
    }
    fn fault(&self, when: When, what: What) {
        self.0.fault(Fault { when, what });
    }
    fn no_faults(&self) {
        self.0.no_faults();
    }
    fn credentials(&self) -> Value {
        json!({"token": miteos_standins::cloudflare::TOKEN})
    }
    fn settings(&self) -> Value {
        json!({"account_id": ACCOUNT})
    }
    fn count(&self) -> usize {
        self.0.look(|cloudflare| cloudflare.workers.values().map(|worker| worker.versions.len()).sum())
    }
    fn fail(&self, _: bool) -> bool {
        false
    }
}

impl Provider for Pages {
    const KIND: TargetKind = TargetKind::Cloudflare;
    const MAKES: Asked = ("POST", "/deployments");
    const SENDS: Asked = ("POST", "/pages/assets/upload");
    const ENDS: Asked = ("GET", "/deployments/");
    const DIGEST: (Asked, u16, &'static str) = (Self::SENDS, 400, "provider_rejected");

    fn url(&self) -> &str {
        &self.0.url
    }
    fn fault(&self, when: When, what: What) {
        self.0.fault(Fault { when, what });
    }
    fn no_faults(&self) {
        self.0.no_faults();
    }
    fn credentials(&self) -> Value {
        json!({"token": miteos_standins::cloudflare::TOKEN})
    }
    fn settings(&self) -> Value {
        json!({"account_id": ACCOUNT, "product": "pages", "project": "shop"})
    }
    fn count(&self) -> usize {
        self.0.look(|cloudflare| cloudflare.projects["shop"].deployments.len())
    }
    fn fail(&self, fails: bool) -> bool {
        let end = if fails { "failure" } else { "success" };
        self.0.look(|cloudflare| cloudflare.stages = vec![("deploy", "active"), ("deploy", end)]);
        true
    }
}

impl Provider for Standin<Appstore> {
    const KIND: TargetKind = TargetKind::Appstore;
    const MAKES: Asked = ("POST", "/v1/buildUploads");
    const SENDS: Asked = ("PUT", "/upload/");
    const ENDS: Asked = ("GET", "/v1/buildUploads/");
    const DIGEST: (Asked, u16, &'static str) = (("PATCH", "/v1/buildUploadFiles/"), 409, "provider_rejected");

    fn url(&self) -> &str {
        &self.url
    }
    fn fault(&self, when: When, what: What) {
        self.fault(Fault { when, what });
    }
    fn no_faults(&self) {
        self.no_faults();
    }
    fn credentials(&self) -> Value {
        super::appstore::credentials()
    }
    fn settings(&self) -> Value {
        json!({"app_id": miteos_standins::appstore::APP})
    }
    fn count(&self) -> usize {
        self.look(|appstore| appstore.uploads.len())
    }
    fn fail(&self, fails: bool) -> bool {
        self.look(|appstore| appstore.ends_in = if fails { "FAILED" } else { "COMPLETE" });
        true
    }
    fn write(&self, folder: &Path, number: usize) {
        std::fs::write(folder.join("Example.ipa"), super::appstore::ipa(number)).unwrap();
    }
}

/// A fault, and the code that the deployment fails with; none: it goes live all the same.
struct Case {
    name: String,
    when: When,
    what: What,
    code: Option<&'static str>,
}

fn cases<P: Provider>() -> Vec<Case> {
    let when = |(method, path): Asked| When::to(method, path);
    let case = |name: &str, when: When, what: What, code| Case { name: name.to_owned(), when, what, code };
    let plain = |status: u16| What::status(status, "{}");
    let mut all = vec![
        case("401", when(P::MAKES), plain(401), Some("auth")),
        case("403", when(P::MAKES), plain(403), Some("permission")),
        case("429 for an hour", when(P::MAKES), What::limited("retry-after", "3600"), Some(P::LIMITED)),
        case("500 for good", when(P::MAKES), plain(500), Some("provider_error")),
        case("503 for a while", when(P::SENDS).times(2), plain(503), None),
        case("slow", when(P::MAKES).once(), What::Slow(Duration::from_millis(200)), None),
        case("cut in an upload", when(P::SENDS).once(), What::CutUpload, None),
        case("cut in every upload", when(P::SENDS), What::CutUpload, Some("provider_error")),
        case("an answer that is lost", when(P::MAKES).once(), What::CutAnswer, None),
        case("a wrong digest", when(P::DIGEST.0), plain(P::DIGEST.1), Some(P::DIGEST.2)),
        case("a token that expires on the way", when(P::ENDS), plain(401), Some("auth")),
    ];
    // Each form in which a provider was seen to say for how long. These say that it is over …
    let over = 1_643_322_017;
    all.extend(
        limits::<P>(Duration::ZERO, over)
            .into_iter()
            .map(|(name, what)| case(&format!("429 with {name}"), when(P::MAKES).once(), what, None)),
    );
    // … and these that it is for an hour: whoever did not read them would ask again at once, and go live.
    let hour = Duration::from_secs(3600);
    let in_an_hour = SystemClock.now().millis() / 1000 + hour.as_secs();
    all.extend(limits::<P>(hour, in_an_hour).into_iter().map(|(name, what)| {
        case(&format!("429 for an hour with {name}"), when(P::MAKES).once(), what, Some(P::LIMITED))
    }));
    all
}

/// A limit that ends then, in each form: so far from now, at this second since 1970.
fn limits<P: Provider>(left: Duration, at: u64) -> Vec<(String, What)> {
    let seconds = left.as_secs();
    let time = std::time::UNIX_EPOCH + Duration::from_secs(at);
    let date = httpdate::fmt_http_date(time);
    let plain = plain_date(&date);
    [
        ("retry-after", seconds.to_string()),
        ("retry-after", format!("{seconds}.02")),
        ("retry-after", date.clone()),
        ("retry-after", plain.clone()),
        ("x-ratelimit-reset", at.to_string()),
        ("x-ratelimit-reset", format!("{at}.5")),
        ("x-ratelimit-reset", format!("{at}000")),
        ("x-ratelimit-reset", date),
        ("x-ratelimit-reset", plain),
        ("ratelimit-reset", seconds.to_string()),
        ("ratelimit", format!("\"burst\";r=9;t=1, \"default\";r=0;t={seconds}")),
    ]
    .map(|(name, value)| (format!("{name}: {value}"), What::limited(name, &value)))
    .into_iter()
    .chain(P::own_limit(at).map(|what| ("its own body".to_owned(), what)))
    .collect()
}

/// `Thu, 27 Jan 2022 22:20:17 GMT` as `2022-01-27 22:20:17 UTC`, which one of the providers writes.
fn plain_date(date: &str) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let parts: Vec<&str> = date.split(' ').collect();
    let month = MONTHS.find(parts[2]).unwrap() / 3 + 1;
    format!("{}-{month:02}-{} {} UTC", parts[3], parts[1], parts[4])
}

struct Bench<P> {
    server: TestServer,
    provider: P,
    workspace: String,
    made: usize,
}

impl<P: Provider> Bench<P> {
    async fn start(provider: P) -> Self {
        let server = TestServer::start_with(Script::default(), to(P::KIND, provider.url())).await;
        let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": "shop"}))).await;
        let workspace = made["id"].as_str().unwrap().to_owned();
        let body = json!({
            "name": "ours", "target": P::KIND.word(),
            "credentials": provider.credentials(), "settings": provider.settings(),
        });
        server.expect(201, "POST", "/deploy-configs", Some(body)).await;
        Self { server, provider, workspace, made: 0 }
    }

    /// Deploys something new, and tells how it ended.
    async fn deploy(&mut self) -> Value {
        self.made += 1;
        let folder = self.server.folder.join("workspaces").join(&self.workspace);
        std::fs::create_dir_all(&folder).unwrap();
        self.provider.write(&folder, self.made);
        let body = json!({"workspace_id": self.workspace, "target": P::KIND.word()});
        let made = self.server.expect(201, "POST", "/deployments", Some(body)).await;
        ended(&self.server, made["id"].as_str().unwrap()).await
    }

    async fn check(&mut self, case: Case) {
        let name = format!("{}: {}", P::KIND.word(), case.name);
        let before = self.provider.count();
        self.provider.fault(case.when, case.what);
        let ended = self.deploy().await;
        self.provider.no_faults();
        let error = &ended["error"];
        assert_eq!(
            (error["code"].as_str(), ended["status"] == "live"),
            (case.code, case.code.is_none()),
            "{name}: {ended:#}"
        );
        assert!(self.provider.count() <= before + 1, "{name}: never two");
        if let Some(message) = error["message"].as_str() {
            let log = log(&self.server, ended["id"].as_str().unwrap()).await;
            assert!(
                message.len() > 20 && log.contains(message),
                "{name}: the log says why: {message}\n{log}"
            );
        }
    }

    async fn all(mut self) {
        for case in cases::<P>() {
            self.check(case).await;
        }
        if self.provider.fail(true) {
            let failed = self.deploy().await;
            assert_eq!(failed["error"]["code"], "provider_error", "{failed:#}");
            assert_eq!(failed["error"]["step"], "publish", "{failed:#}");
            self.provider.fail(false);
        }
        let live = self.deploy().await;
        assert_eq!(live["status"], "live", "once the provider is well, so is the next one: {live:#}");
    }
}

#[tokio::test]
async fn netlify_ends_as_the_table_says() {
    Bench::start(super::netlify().await).await.all().await;
}

#[tokio::test]
async fn vercel_ends_as_the_table_says() {
    Bench::start(Vercel::start().await.unwrap()).await.all().await;
}

#[tokio::test]
async fn cloudflare_workers_ends_as_the_table_says() {
    Bench::start(Workers(Cloudflare::start().await.unwrap())).await.all().await;
}

#[tokio::test]
async fn cloudflare_pages_ends_as_the_table_says() {
    let standin = Cloudflare::start().await.unwrap();
    standin.look(|cloudflare| cloudflare.make_project("shop"));
    Bench::start(Pages(standin)).await.all().await;
}

#[tokio::test]
async fn the_app_store_ends_as_the_table_says() {
    let standin = Appstore::start(SystemClock.now().millis() / 1000).await.unwrap();
    let bench = Bench::start(standin).await;
    bench.all().await;
}
