//! An `.ipa` of a workspace goes to App Store Connect's stand-in, and what was begun is found again and ended.

use miteos_deploy::TargetKind;
use miteos_server::{Clock as _, SystemClock};
use miteos_standins::appstore::{APP, Appstore, BUNDLE, ISSUER, KEY_ID, PRIVATE_KEY};
use miteos_standins::{Fault, Standin, What, When};
use serde_json::{Value, json};

use super::{ended, log, to};
use crate::harness::{TestServer, wait_until};
use crate::standin::Script;

/// The payload makes the file three pieces long.
const PAYLOAD_BYTES: usize = 250_000;

pub fn credentials() -> Value {
    json!({"issuer_id": ISSUER, "key_id": KEY_ID, "private_key": PRIVATE_KEY})
}

/// An app with this build number: an archive whose files are not packed.
pub fn ipa(build: usize) -> Vec<u8> {
    let plist = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict><key>CFBundleIdentifier</key>\
         <string>{BUNDLE}</string><key>CFBundleShortVersionString</key><string>1.2</string><key>CFBundleVersion</key>\
         <string>{build}</string></dict></plist>"
    );
    let payload: Vec<u8> = (0..PAYLOAD_BYTES).map(|at| (at * 7 % 251) as u8).collect();
    let files =
        [("Payload/App.app/payload", payload.as_slice()), ("Payload/App.app/Info.plist", plist.as_bytes())];
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let (at, length) = (u32::try_from(out.len()).unwrap(), u32::try_from(bytes.len()).unwrap());
        let mut common = vec![20, 0];
        common.extend([0; 12]);
        common.extend(length.to_le_bytes());
        common.extend(length.to_le_bytes());
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0; 2]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(bytes);
        list.extend(b"PK\x01\x02\x14\x00");
        list.extend(&common);
        list.extend([0; 10]);
        list.extend(at.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let (at, length) = (u32::try_from(out.len()).unwrap(), u32::try_from(list.len()).unwrap());
    out.extend(&list);
    out.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    out.extend(length.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
    out
}

struct Scene {
    server: TestServer,
    standin: Standin<Appstore>,
    workspace: String,
}

impl Scene {
    async fn start() -> Self {
        let standin = Appstore::start(SystemClock.now().millis() / 1000).await.unwrap();
        let server = TestServer::start_with(Script::default(), to(TargetKind::Appstore, &standin.url)).await;
        let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": "app"}))).await;
        let workspace = made["id"].as_str().unwrap().to_owned();
        let body = json!({
            "name": "ours", "target": "appstore", "credentials": credentials(), "settings": {"app_id": APP},
        });
        server.expect(201, "POST", "/deploy-configs", Some(body)).await;
        let scene = Self { server, standin, workspace };
        scene.write(13);
        scene
    }

    fn write(&self, build: usize) {
        let folder = self.server.folder.join("workspaces").join(&self.workspace);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("Example.ipa"), ipa(build)).unwrap();
    }

    async fn deploy(&self) -> String {
        let body = json!({"workspace_id": self.workspace, "target": "appstore"});
        let made = self.server.expect(201, "POST", "/deployments", Some(body)).await;
        made["id"].as_str().unwrap().to_owned()
    }

    fn uploads(&self) -> usize {
        self.standin.look(|appstore| appstore.uploads.len())
    }
}

#[tokio::test]
async fn a_ready_app_of_a_workspace_goes_up() {
    let scene = Scene::start().await;
    let id = scene.deploy().await;
    let live = ended(&scene.server, &id).await;
    assert_eq!((&live["status"], &live["visibility"]), (&json!("live"), &json!("account")), "{live:#}");
    assert!(live["url"].as_str().unwrap().contains("/testflight/ios/"), "{live:#}");
    scene.standin.look(|appstore| {
        let file = appstore.files.values().next().unwrap();
        let whole: Vec<u8> = file.parts.values().flatten().copied().collect();
        assert!(whole == ipa(13), "the very file of the workspace");
        assert_eq!(file.name, format!("miteos-{id}.ipa"));
    });
    // The same build once more is refused before anything is sent.
    let again = ended(&scene.server, &scene.deploy().await).await;
    assert_eq!(again["error"]["code"], "name_taken", "{again:#}");
    assert_eq!(scene.uploads(), 1);
}

#[tokio::test]
async fn an_upload_whose_creation_was_not_answered_is_ended_with_the_deployment() {
    let scene = Scene::start().await;
    // It is made and its answer lost; before it can be looked for, the key is refused.
    scene.standin.fault(Fault { when: When::to("POST", "/v1/buildUploads").once(), what: What::CutAnswer });
    let looks = When::to("GET", &format!("/apps/{APP}/buildUploads")).after(1).once();
    scene.standin.fault(Fault { when: looks, what: What::status(401, "{}") });
    let id = scene.deploy().await;
    let failed = ended(&scene.server, &id).await;
    assert_eq!(failed["error"]["code"], "auth", "{failed:#}");
    assert_eq!(scene.standin.count("POST", "/v1/buildUploads"), 1, "it was begun there");
    let log = log(&scene.server, &id).await;
    assert_eq!(
        scene.uploads(),
        0,
        "nothing of it is left there, or its build number would be used up:\n{log}"
    );
    scene.standin.no_faults();
    assert_eq!(ended(&scene.server, &scene.deploy().await).await["status"], "live");
}

#[tokio::test]
async fn a_cancel_in_the_middle_of_the_upload_takes_it_back() {
    let scene = Scene::start().await;
    // The last word is never said.
    let slow = What::Slow(std::time::Duration::from_secs(60));
    scene.standin.fault(Fault { when: When::to("PATCH", "/v1/"), what: slow });
    let id = scene.deploy().await;
    wait_until("the parts are there", || {
        scene.standin.look(|appstore| appstore.files.values().any(|file| file.parts.len() == 3))
    })
    .await;
    scene.server.expect(200, "POST", &format!("/deployments/{id}/cancel"), None).await;
    assert_eq!(ended(&scene.server, &id).await["error"]["code"], "canceled");
    assert_eq!(scene.uploads(), 0);
}
