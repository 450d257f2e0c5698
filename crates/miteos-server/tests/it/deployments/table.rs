//! Every fault of the list at every provider, through the whole server: what a deployment ends in, that there are never
//! two, and that the next one is well again. `docs/deploy-targets.md` has the same table for people.

use std::time::Duration;

use miteos_server::{Clock as _, SystemClock};
use miteos_standins::{Fault, Provider, What, When};
use serde_json::{Value, json};

use super::providers::{self, Asked, Row};
use super::{ended, log, to};
use crate::harness::TestServer;
use crate::standin::Script;

/// A fault, and the code that the deployment fails with; none: it goes live all the same.
struct Case {
    name: String,
    when: When,
    what: What,
    code: Option<&'static str>,
}

fn cases<S: Provider>(row: &Row<S>) -> Vec<Case> {
    let when = |(method, path): Asked| When::to(method, path);
    let case = |name: &str, when: When, what: What, code| Case { name: name.to_owned(), when, what, code };
    let plain = |status: u16| What::status(status, "{}");
    let (makes, sends, (digest, refused, refusal)) = (row.makes, row.sends, row.digest);
    let mut all = vec![
        case("401", when(makes), plain(401), Some("auth")),
        case("403", when(makes), plain(403), Some("permission")),
        case("429 for an hour", when(makes), What::limited("retry-after", "3600"), Some(row.limited)),
        case("500 for good", when(makes), plain(500), Some("provider_error")),
        case("503 for a while", when(sends).times(2), plain(503), None),
        case("slow", when(makes).once(), What::Slow(Duration::from_millis(200)), None),
        case("cut in an upload", when(sends).once(), What::CutUpload, None),
        case("cut in every upload", when(sends), What::CutUpload, Some("provider_error")),
        case("an answer that is lost", when(makes).once(), What::CutAnswer, None),
        case("a wrong digest", when(digest), plain(refused), Some(refusal)),
        case("a token that expires on the way", when(row.ends), plain(401), Some("auth")),
    ];
    // Each form in which a provider was seen to say for how long. These say that it is over …
    let over = 1_643_322_017;
    all.extend(
        limits(row.own_limit, Duration::ZERO, over)
            .into_iter()
            .map(|(name, what)| case(&format!("429 with {name}"), when(makes).once(), what, None)),
    );
    // … and these that it is for an hour: whoever did not read them would ask again at once, and go live.
    let hour = Duration::from_secs(3600);
    let in_an_hour = SystemClock.now().millis() / 1000 + hour.as_secs();
    all.extend(limits(row.own_limit, hour, in_an_hour).into_iter().map(|(name, what)| {
        case(&format!("429 for an hour with {name}"), when(makes).once(), what, Some(row.limited))
    }));
    all
}

/// A limit that ends then, in each form: so far from now, at this second since 1970.
fn limits(own: Option<fn(u64) -> What>, left: Duration, at: u64) -> Vec<(String, What)> {
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
    .chain(own.map(|own| ("its own body".to_owned(), own(at))))
    .collect()
}

/// `Thu, 27 Jan 2022 22:20:17 GMT` as `2022-01-27 22:20:17 UTC`, which one of the providers writes.
fn plain_date(date: &str) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let parts: Vec<&str> = date.split(' ').collect();
    let month = MONTHS.find(parts[2]).unwrap() / 3 + 1;
    format!("{}-{month:02}-{} {} UTC", parts[3], parts[1], parts[4])
}

struct Bench<S: 'static> {
    server: TestServer,
    row: Row<S>,
    workspace: String,
    made: usize,
}

impl<S: Provider> Bench<S> {
    async fn start(row: Row<S>) -> Self {
        let server = TestServer::start_with(Script::default(), to(row.kind, &row.standin.url)).await;
        let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": "shop"}))).await;
        let workspace = made["id"].as_str().unwrap().to_owned();
        let body = json!({
            "name": "ours", "target": row.kind.word(), "credentials": row.credentials, "settings": row.settings,
        });
        server.expect(201, "POST", "/deploy-configs", Some(body)).await;
        Self { server, row, workspace, made: 0 }
    }

    /// Deploys something new, and tells how it ended.
    async fn deploy(&mut self) -> Value {
        self.made += 1;
        (self.row.write)(&self.server.folder.join("workspaces").join(&self.workspace), self.made);
        let body = json!({"workspace_id": self.workspace, "target": self.row.kind.word()});
        let made = self.server.expect(201, "POST", "/deployments", Some(body)).await;
        ended(&self.server, made["id"].as_str().unwrap()).await
    }

    async fn check(&mut self, Case { name, when, what, code }: Case) {
        let name = format!("{}: {name}", self.row.kind.word());
        let before = self.row.count();
        self.row.standin.fault(Fault { when, what });
        let ended = self.deploy().await;
        self.row.standin.no_faults();
        let error = &ended["error"];
        let found = (error["code"].as_str(), ended["status"] == "live");
        assert_eq!(found, (code, code.is_none()), "{name}: {ended:#}");
        assert!(self.row.count() <= before + 1, "{name}: never two");
        if let Some(message) = error["message"].as_str() {
            let log = log(&self.server, ended["id"].as_str().unwrap()).await;
            assert!(
                message.len() > 20 && log.contains(message),
                "{name}: the log says why: {message}\n{log}"
            );
        }
    }

    async fn all(mut self) {
        for case in cases(&self.row) {
            self.check(case).await;
        }
        if let Some(fail) = self.row.fail {
            self.row.standin.look(|standin| fail(standin, true));
            let failed = self.deploy().await;
            assert_eq!(failed["error"]["code"], "provider_error", "{failed:#}");
            assert_eq!(failed["error"]["step"], "publish", "{failed:#}");
            self.row.standin.look(|standin| fail(standin, false));
        }
        let live = self.deploy().await;
        assert_eq!(live["status"], "live", "once the provider is well, so is the next one: {live:#}");
    }
}

#[tokio::test]
async fn netlify_ends_as_the_table_says() {
    Bench::start(providers::netlify().await).await.all().await;
}

#[tokio::test]
async fn vercel_ends_as_the_table_says() {
    Bench::start(providers::vercel().await).await.all().await;
}

#[tokio::test]
async fn cloudflare_workers_ends_as_the_table_says() {
    Bench::start(providers::workers().await).await.all().await;
}

#[tokio::test]
async fn cloudflare_pages_ends_as_the_table_says() {
    Bench::start(providers::pages().await).await.all().await;
}

#[tokio::test]
async fn the_app_store_ends_as_the_table_says() {
    Bench::start(providers::appstore().await).await.all().await;
}
