//! App Store Connect against its stand-in, with an archive made here.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use miteos_deploy::appstore::{Ipa, IpaError, Platform, read_ipa};
use miteos_deploy::{Artifact, ErrorKind, Release, TargetKind, Visibility};
use miteos_standins::appstore::{APP, Appstore, BUNDLE, ISSUER, KEY_ID, PRIVATE_KEY};
use miteos_standins::{Fault, Standin, What, When};
use miteos_tools::workspace::Name;
use serde_json::{Value, json};

use crate::crash::{Scenario, everywhere};
use crate::setup::{Folder, NOW_MS, Run, target, tools};

const KIND: TargetKind = TargetKind::Appstore;
/// The payload makes the file three pieces long.
const PAYLOAD_BYTES: usize = 250_000;

/// An archive with these files; the second of a pair says whether it is packed.
fn zip(files: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (name, bytes, packed) in files {
        let at = u32::try_from(out.len()).unwrap();
        let body = if *packed {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        } else {
            bytes.to_vec()
        };
        let (length, full) = (u32::try_from(body.len()).unwrap(), u32::try_from(bytes.len()).unwrap());
        let method: u16 = if *packed { 8 } else { 0 };
        let mut common = Vec::new();
        common.extend(20_u16.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        common.extend(method.to_le_bytes());
        common.extend([0; 8]);
        common.extend(length.to_le_bytes());
        common.extend(full.to_le_bytes());
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(&body);
        list.extend(b"PK\x01\x02\x14\x00");
        list.extend(&common);
        list.extend([0; 10]);
        list.extend(at.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let (at, length) = (u32::try_from(out.len()).unwrap(), u32::try_from(list.len()).unwrap());
    let count = u16::try_from(files.len()).unwrap();
    out.extend(&list);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
    out
}

fn plist(bundle: &str, build: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict><key>CFBundleIdentifier</key>\
         <string>{bundle}</string><key>CFBundleShortVersionString</key><string>1.2</string><key>CFBundleVersion</key>\
         <string>{build}</string></dict></plist>"
    )
}

fn archive(bundle: &str, build: &str) -> Vec<u8> {
    let payload: Vec<u8> = (0..PAYLOAD_BYTES).map(|at| (at * 7 % 251) as u8).collect();
    zip(&[
        ("Payload/App.app/Frameworks/X.framework/Info.plist", b"not this one", false),
        ("Payload/App.app/payload", &payload, false),
        ("Payload/App.app/Info.plist", plist(bundle, build).as_bytes(), true),
    ])
}

fn ipa(folder: &Folder) -> Result<Ipa, IpaError> {
    read_ipa(&folder.workspace, &Name::parse("app.ipa").unwrap(), KIND.limits().max_file_bytes)
}

fn credentials() -> Value {
    json!({ "issuer_id": ISSUER, "key_id": KEY_ID, "private_key": PRIVATE_KEY })
}

fn run(standin: &Standin<Appstore>, folder: &Folder, key: &str) -> Run {
    let tools = tools(KIND, &standin.url);
    let target = target(&tools, KIND, &credentials(), &json!({ "app_id": APP }));
    let artifact = target.prepare(Artifact::Ipa(Arc::new(ipa(folder).unwrap()))).unwrap();
    Run::new(tools, target, artifact, key)
}

async fn begin(build: &str) -> (Standin<Appstore>, Folder) {
    let standin = Appstore::start(NOW_MS / 1000).await.unwrap();
    let folder = Folder::new(&[("app.ipa", &archive(BUNDLE, build))]);
    (standin, folder)
}

#[test]
fn an_archive_tells_what_it_is() {
    let folder = Folder::new(&[("app.ipa", &archive(BUNDLE, "13"))]);
    let read = ipa(&folder).unwrap();
    assert_eq!((read.bundle_id.as_str(), read.version.as_str(), read.build.as_str()), (BUNDLE, "1.2", "13"));
    assert_eq!(read.platform, Platform::Ios);
    for (bytes, part) in [
        (b"no archive".to_vec(), "no ZIP archive"),
        (zip(&[("Payload/A.app/x", b"x", false)]), "no Payload/"),
        (zip(&[("Payload/A.app/Info.plist", b"x", false)]), "no property list"),
        (archive("", "1"), "no CFBundleIdentifier"),
        (archive(BUNDLE, "1")[..1000].to_vec(), "no ZIP archive"),
    ] {
        folder.write("app.ipa", &bytes);
        let error = ipa(&folder).err().unwrap().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// Forty lists, each of which names the next one twice.
fn doubling() -> Vec<u8> {
    const LISTS: u8 = 40;
    let mut out = b"bplist00".to_vec();
    for list in 0..LISTS {
        out.extend([0xa2, list + 1, list + 1]);
    }
    out.push(0x09);
    let table = out.len() as u64;
    out.extend((0..=LISTS).map(|object| 8 + 3 * object));
    out.extend([0, 0, 0, 0, 0, 0, 1, 1]);
    for number in [u64::from(LISTS) + 1, 0, table] {
        out.extend(number.to_be_bytes());
    }
    out
}

#[test]
fn a_property_list_is_read_within_bounds() {
    let folder = Folder::new(&[]);
    let deep = |levels: usize| format!("{}{}", "(".repeat(levels), ")".repeat(levels)).into_bytes();
    let shared = format!("{{ a = ({}); }}", "x,".repeat(60_000)).into_bytes();
    for (bytes, part) in [
        (deep(100_000), "no property list"),
        (deep(2_000_000), "too big"),
        (doubling(), "no property list"),
        (shared, "no property list"),
    ] {
        folder.write("app.ipa", &zip(&[("Payload/A.app/Info.plist", &bytes, true)]));
        let error = ipa(&folder).err().unwrap().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    // The form in which apps have it.
    let mut binary = Vec::new();
    let list = plist::Value::from_reader(std::io::Cursor::new(plist(BUNDLE, "13"))).unwrap();
    list.to_writer_binary(&mut binary).unwrap();
    folder.write("app.ipa", &zip(&[("Payload/A.app/Info.plist", &binary, true)]));
    assert_eq!(ipa(&folder).unwrap().build, "13");
}

#[tokio::test]
async fn a_file_that_changes_between_its_parts_is_no_build() {
    let (standin, folder) = begin("13").await;
    let begun = run(&standin, &folder, "dep-1");
    let mut other = archive(BUNDLE, "13");
    other[200_000] ^= 1;
    folder.write("app.ipa", &other);
    let error = begun.drive().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FileChanged, "{error}");
    assert_eq!(standin.count("PATCH", "/v1/"), 0);
}

#[tokio::test]
async fn an_upload_that_was_left_behind_is_removed_and_a_foreign_one_is_left_alone() {
    let (standin, folder) = begin("13").await;
    standin.fault(Fault { when: When::to("PATCH", "/v1/"), what: What::status(409, "{}") });
    run(&standin, &folder, "dep-1").drive().await.unwrap_err();
    standin.no_faults();
    let longer = [archive(BUNDLE, "13"), archive(BUNDLE, "13")].concat();
    folder.write("app.ipa", &longer);
    let second = run(&standin, &folder, "dep-2");
    let release = second.drive().await.unwrap();
    assert!(second.said("left behind"));
    standin.look(|appstore| {
        assert_eq!(appstore.uploads.keys().collect::<Vec<_>>(), [&release.deployment_id]);
        let file = appstore.files.values().find(|file| file.upload == release.deployment_id).unwrap();
        assert_eq!((file.name.as_str(), file.bytes), ("miteos-dep-2.ipa", longer.len() as u64));
    });
    // Another order of ours that may just be at it.
    let (standin, folder) = begin("15").await;
    let bytes = archive(BUNDLE, "15").len() as u64;
    standin.look(|appstore| {
        appstore.created = "2999-06-01T09:00:00-07:00";
        appstore.begin_foreign("1.2", "15", "miteos-dep-1.ipa", bytes);
    });
    let error = run(&standin, &folder, "dep-2").drive().await.unwrap_err();
    assert!(error.kind == ErrorKind::NameTaken && error.message.contains("another deployment"), "{error}");
    assert_eq!((standin.count("DELETE", ""), standin.look(|appstore| appstore.uploads.len())), (0, 1));
    let (standin, folder) = begin("14").await;
    let bytes = archive(BUNDLE, "14").len() as u64;
    standin.look(|appstore| appstore.begin_foreign("1.2", "14", "Example.ipa", bytes));
    let begun = run(&standin, &folder, "dep-3");
    let error = begun.drive().await.unwrap_err();
    assert!(error.kind == ErrorKind::NameTaken && error.message.contains("somebody else"), "{error}");
    begun.cancel().await.unwrap();
    standin.look(|appstore| assert_eq!((appstore.uploads.len(), appstore.files.len()), (1, 1)));
    assert_eq!((standin.count("DELETE", ""), standin.count("PUT", "")), (0, 0));
}

#[tokio::test]
async fn a_build_goes_up_in_parts_and_is_processed() {
    let (standin, folder) = begin("13").await;
    let release = run(&standin, &folder, "dep-1").drive().await.unwrap();
    assert_eq!(release.visibility, Visibility::Account);
    assert!(release.url.ends_with(&format!("/apps/{APP}/testflight/ios/{}", release.deployment_id)));
    standin.look(|appstore| {
        let file = appstore.files.values().next().unwrap();
        let whole: Vec<u8> = file.parts.values().flatten().copied().collect();
        assert_eq!(whole, archive(BUNDLE, "13"));
        assert_eq!(appstore.uploads[&release.deployment_id].state, "COMPLETE");
    });
    let again = run(&standin, &folder, "dep-2").drive().await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::NameTaken);
    assert!(again.message.contains("raise the build number"), "{again}");
}

#[tokio::test]
async fn keys_and_tokens_are_checked() {
    let (standin, folder) = begin("13").await;
    let good = run(&standin, &folder, "dep-1");
    assert_eq!(good.target.verify(&good.cancel).await.unwrap().project.as_deref(), Some("Example"));
    // As the provider sees it, every token of ours is an old one.
    standin.look(|appstore| appstore.now += 3600);
    let error = good.target.verify(&good.cancel).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadCredentials);
    assert!(error.message.contains("it has expired") && error.message.contains("clock"), "{error}");
    assert!(!error.message.contains("eyJ"), "{error}");
    standin.look(|appstore| appstore.now -= 3600);
    let tools = tools(KIND, &standin.url);
    let other = target(&tools, KIND, &credentials(), &json!({ "app_id": "99" }));
    let error = other.verify(&good.cancel).await.unwrap_err();
    assert!(error.kind == ErrorKind::NotFound && error.message.contains("make the app"), "{error}");
    let foreign = Folder::new(&[("app.ipa", &archive("org.example.other", "1"))]);
    let error = run(&standin, &foreign, "dep-2").drive().await.unwrap_err();
    assert!(error.kind == ErrorKind::Config && error.message.contains(BUNDLE), "{error}");
}

#[tokio::test]
async fn each_fault_ends_as_it_should() {
    for (method, path, what, kind) in [
        ("POST", "/v1/buildUploads", What::status(403, "{}"), ErrorKind::Forbidden),
        ("POST", "/v1/buildUploadFiles", What::status(500, "{}"), ErrorKind::Unavailable),
        ("PUT", "/upload/", What::status(403, ""), ErrorKind::Unavailable),
        ("PUT", "/upload/", What::CutUpload, ErrorKind::Network),
        ("PATCH", "/v1/", What::status(409, "{}"), ErrorKind::Rejected),
        ("GET", "/v1/buildUploads/", What::status(429, "{}"), ErrorKind::RateLimited { until_ms: 0 }),
    ] {
        let (standin, folder) = begin("13").await;
        standin.fault(Fault { when: When::to(method, path), what: what.clone() });
        let begun = run(&standin, &folder, "dep-1");
        if kind.code() == "rate_limited" {
            // A limit is waited for, as long as it lasts.
            begun.until(|| begun.said("takes no more requests now")).await;
            continue;
        }
        let error = begun.drive().await.unwrap_err();
        assert_eq!(error.kind.code(), kind.code(), "{method} {path} {what:?}: {error}");
    }
    let (standin, folder) = begin("13").await;
    standin.look(|appstore| appstore.ends_in = "FAILED");
    let error = run(&standin, &folder, "dep-1").drive().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ProviderFailed);
    assert!(error.message.ends_with("90683: Missing purpose string in Info.plist"), "{error}");
}

#[tokio::test]
async fn what_passes_is_waited_for_and_cancelling_removes_the_upload() {
    let (standin, folder) = begin("13").await;
    let once = |method: &str, path: &str, what: What| {
        standin.fault(Fault { when: When::to(method, path).once(), what })
    };
    once("POST", "/v1/buildUploads", What::CutAnswer);
    once("POST", "/v1/buildUploadFiles", What::CutAnswer);
    once("PUT", "/upload/", What::CutUpload);
    once("PUT", "/upload/", What::status(403, ""));
    once("PATCH", "/v1/", What::CutAnswer);
    run(&standin, &folder, "dep-1").drive().await.unwrap();
    standin.look(|appstore| assert_eq!((appstore.uploads.len(), appstore.files.len()), (1, 1)));
    let (standin, folder) = begin("14").await;
    standin.fault(Fault { when: When::to("PATCH", "/v1/"), what: What::status(409, "{}") });
    let begun = run(&standin, &folder, "dep-1");
    begun.drive().await.unwrap_err();
    begun.cancel().await.unwrap();
    begun.cancel().await.unwrap();
    standin.look(|appstore| assert!(appstore.uploads.is_empty()));
}

#[tokio::test]
async fn what_is_processed_cannot_be_ended_and_is_live_in_the_end() {
    let (standin, folder) = begin("13").await;
    let begun = run(&standin, &folder, "dep-1");
    let is_processed =
        || standin.look(|appstore| appstore.uploads.values().any(|upload| upload.state == "PROCESSING"));
    begun.until(is_processed).await;
    begun.cancel().await.unwrap();
    assert!(is_processed(), "it stays");
    let error = begun.live_after_all().await.unwrap_err();
    assert!(error.kind == ErrorKind::Unavailable && error.message.contains("still under way"), "{error}");
    assert_eq!(begun.live_after_all().await.unwrap().unwrap().step, miteos_deploy::Step::Live);
}

struct Deploying(Standin<Appstore>, #[expect(dead_code, reason = "it keeps the files")] Folder);

#[async_trait::async_trait]
impl Scenario for Deploying {
    async fn begin() -> (Self, Run) {
        let (standin, folder) = begin("13").await;
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
        self.0.look(|appstore| {
            assert_eq!(appstore.uploads.keys().collect::<Vec<_>>(), [&release.deployment_id], "{when}");
            assert_eq!(appstore.uploads[&release.deployment_id].state, "COMPLETE", "{when}");
            assert_eq!(appstore.files.len(), 1, "{when}");
        });
    }
}

#[tokio::test]
async fn a_crash_anywhere_neither_doubles_nor_loses_it() {
    everywhere::<Deploying>().await;
}
