//! The stand-ins of the providers, a row each: how a deployment gets there, what it asks of them, and what they have then.

use std::path::Path;

use miteos_deploy::TargetKind;
use miteos_server::{Clock as _, SystemClock};
use miteos_standins::appstore::Appstore;
use miteos_standins::cloudflare::{ACCOUNT, Cloudflare};
use miteos_standins::netlify::Netlify;
use miteos_standins::vercel::Vercel;
use miteos_standins::{Provider, Standin, What};
use serde_json::{Value, json};

use super::write_site;

/// A kind of request: method and a part of the path.
pub type Asked = (&'static str, &'static str);

/// A provider as tests of all of them need it.
pub struct Row<S: 'static> {
    pub kind: TargetKind,
    pub standin: Standin<S>,
    pub credentials: Value,
    pub settings: Value,
    /// How many deployments it has.
    pub count: fn(&S) -> usize,
    /// The one that visitors see.
    pub live: fn(&S) -> Option<String>,
    /// Lets deployments fail there; none: it knows no such thing.
    pub fail: Option<fn(&mut S, bool)>,
    /// Something that was not deployed before.
    pub write: fn(&Path, usize),
    /// What makes a deployment, what sends a file, and what asks or says that it is done.
    pub makes: Asked,
    pub sends: Asked,
    pub ends: Asked,
    /// Where it says that a file is not what it was said to be, with which status, and what that ends in.
    pub digest: (Asked, u16, &'static str),
    /// What a limit of an hour is.
    pub limited: &'static str,
    /// A limit until this second since 1970, told in a way that this provider has for itself.
    pub own_limit: Option<fn(u64) -> What>,
}

impl<S: Provider> Row<S> {
    pub fn count(&self) -> usize {
        self.standin.look(|standin| (self.count)(standin))
    }

    pub fn live(&self) -> Option<String> {
        self.standin.look(|standin| (self.live)(standin))
    }
}

fn write(folder: &Path, number: usize) {
    write_site(folder, "shop");
    std::fs::write(folder.join("number.txt"), format!("number {number}")).unwrap();
}

pub async fn netlify() -> Row<Netlify> {
    Row {
        kind: TargetKind::Netlify,
        standin: super::netlify().await,
        credentials: json!({"token": miteos_standins::netlify::TOKEN}),
        settings: json!({}),
        count: |netlify| netlify.deploys.len(),
        live: |netlify| netlify.sites.values().next()?.published.clone(),
        fail: Some(|netlify, fails| netlify.ends_in = fails.then_some("error")),
        write,
        makes: ("POST", "/deploys"),
        sends: ("PUT", "/files/"),
        ends: ("GET", "/deploys/"),
        digest: (("PUT", "/files/"), 422, "upload_failed"),
        limited: "provider_error",
        own_limit: None,
    }
}

pub async fn vercel() -> Row<Vercel> {
    Row {
        kind: TargetKind::Vercel,
        standin: Vercel::start().await.unwrap(),
        credentials: json!({"token": miteos_standins::vercel::TOKEN}),
        settings: json!({}),
        count: |vercel| vercel.deployments.len(),
        live: |vercel| vercel.production.values().next().cloned(),
        fail: Some(|vercel, fails| vercel.states = vec![if fails { "ERROR" } else { "READY" }]),
        write,
        makes: ("POST", "/v13/deployments"),
        sends: ("POST", "/v2/files"),
        ends: ("GET", "/v13/deployments/"),
        digest: (("POST", "/v2/files"), 400, "upload_failed"),
        limited: "quota",
        own_limit: Some(|until| {
            let limit = json!({"total": 100, "remaining": 0, "reset": until});
            let error = json!({"code": "rate_limited", "message": "Too many requests", "limit": limit});
            What::status(429, &json!({"error": error}).to_string())
        }),
    }
}

pub async fn workers() -> Row<Cloudflare> {
    Row {
        kind: TargetKind::Cloudflare,
        standin: Cloudflare::start().await.unwrap(),
        credentials: json!({"token": miteos_standins::cloudflare::TOKEN}),
        settings: json!({"account_id": ACCOUNT}),
        count: |cloudflare| cloudflare.workers.values().map(|worker| worker.versions.len()).sum(),
        live: |cloudflare| cloudflare.workers.values().next()?.live.clone(),
        fail: None,
        write,
        makes: ("PUT", "/workers/scripts/"),
        sends: ("POST", "/workers/assets/upload"),
        ends: ("POST", "/subdomain"),
        digest: (("POST", "/workers/assets/upload"), 400, "provider_rejected"),
        limited: "provider_error",
        own_limit: None,
    }
}

pub async fn pages() -> Row<Cloudflare> {
    let workers = workers().await;
    workers.standin.look(|cloudflare| cloudflare.make_project("shop"));
    Row {
        settings: json!({"account_id": ACCOUNT, "product": "pages", "project": "shop"}),
        count: |cloudflare| cloudflare.projects["shop"].deployments.len(),
        live: |cloudflare| cloudflare.projects["shop"].live.clone(),
        fail: Some(|cloudflare, fails| {
            let end = if fails { "failure" } else { "success" };
            cloudflare.stages = vec![("deploy", "active"), ("deploy", end)];
        }),
        makes: ("POST", "/deployments"),
        sends: ("POST", "/pages/assets/upload"),
        ends: ("GET", "/deployments/"),
        digest: (("POST", "/pages/assets/upload"), 400, "provider_rejected"),
        ..workers
    }
}

pub async fn appstore() -> Row<Appstore> {
    Row {
        kind: TargetKind::Appstore,
        standin: Appstore::start(SystemClock.now().millis() / 1000).await.unwrap(),
        credentials: super::appstore::credentials(),
        settings: json!({"app_id": miteos_standins::appstore::APP}),
        count: |appstore| appstore.uploads.len(),
        live: |_| None,
        fail: Some(|appstore, fails| appstore.ends_in = if fails { "FAILED" } else { "COMPLETE" }),
        write: |folder, number| {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("Example.ipa"), super::appstore::ipa(number)).unwrap();
        },
        makes: ("POST", "/v1/buildUploads"),
        sends: ("PUT", "/upload/"),
        ends: ("GET", "/v1/buildUploads/"),
        digest: (("PATCH", "/v1/buildUploadFiles/"), 409, "provider_rejected"),
        limited: "provider_error",
        own_limit: None,
    }
}
