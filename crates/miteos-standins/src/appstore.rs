//! App Store Connect's API as far as the upload of builds needs it. It checks each token's signature and times, and
//! answers with the nulls that real answers hold.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde_json::{Value, json};

use crate::server::{Asked, Provider, Reply, Standin, merged};

pub const ISSUER: &str = "57246542-96fe-1a63-e053-0824d011072a";
pub const KEY_ID: &str = "2X9R4HXF34";
pub const APP: &str = "1234567890";
pub const BUNDLE: &str = "org.example.app";
/// A key that was made for these tests, by OpenSSL, as Apple makes them.
pub const PRIVATE_KEY: &str = concat!(
    "-----BEGIN PRIVATE",
    " KEY-----\n",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFloTxuKJrBCZGHNH\n",
    "5EFMtF6+PPcMhclhMi3uRN1vKl2hRANCAAS8YbIKcv7B0AQO/VzcsIDcQFieHcZf\n",
    "1mlbIQ1+ReYExgUm3uPs33s2494T9PQJzHPtPgJkAqspq71MPcaYIXZ3\n",
    "-----END PRIVATE",
    " KEY-----\n"
);
/// The longest that a token may be valid (seconds).
const MAX_VALID: u64 = 20 * 60;

pub struct Appstore {
    pub uploads: BTreeMap<String, Upload>,
    pub files: BTreeMap<String, File>,
    /// What time it is (seconds since 1970).
    pub now: u64,
    /// When uploads are said to have been made.
    pub created: &'static str,
    /// The size of a piece (bytes).
    pub part_bytes: u64,
    /// What processing ends in: `COMPLETE` or `FAILED`.
    pub ends_in: &'static str,
    made: u64,
}

pub struct Upload {
    pub version: String,
    pub build: String,
    pub state: &'static str,
    polls: u32,
}

pub struct File {
    pub upload: String,
    pub name: String,
    pub bytes: u64,
    /// What came for each piece.
    pub parts: BTreeMap<u64, Vec<u8>>,
    pub uploaded: bool,
}

impl Appstore {
    /// `now` in seconds since 1970.
    pub async fn start(now: u64) -> std::io::Result<Standin<Self>> {
        Self::listen(now, 0).await
    }

    pub async fn listen(now: u64, port: u16) -> std::io::Result<Standin<Self>> {
        let appstore = Self {
            uploads: BTreeMap::new(),
            files: BTreeMap::new(),
            now,
            created: "2025-06-01T09:00:00-07:00",
            part_bytes: 100_000,
            ends_in: "COMPLETE",
            made: 0,
        };
        Standin::start(appstore, port).await
    }

    fn id(&mut self) -> String {
        self.made += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.made)
    }

    /// An upload that somebody else has begun, with its file announced.
    pub fn begin_foreign(&mut self, version: &str, build: &str, name: &str, bytes: u64) {
        let (id, file) = (self.id(), self.id());
        let (version, build) = (version.to_owned(), build.to_owned());
        self.uploads.insert(id.clone(), Upload { version, build, state: "AWAITING_UPLOAD", polls: 0 });
        let name = name.to_owned();
        self.files.insert(file, File { upload: id, name, bytes, parts: BTreeMap::new(), uploaded: false });
    }

    fn upload_json(&self, id: &str) -> Value {
        let upload = &self.uploads[id];
        let errors = if upload.state == "FAILED" {
            json!([{ "code": "90683", "description": "Missing purpose string in Info.plist" }])
        } else {
            json!([])
        };
        let state = json!({ "state": upload.state, "errors": errors, "warnings": [], "infos": [] });
        json!({
            "type": "buildUploads",
            "id": id,
            "attributes": {
                "cfBundleShortVersionString": upload.version,
                "cfBundleVersion": upload.build,
                "platform": "IOS",
                "createdDate": self.created,
                "uploadedDate": null,
                "state": state,
            },
        })
    }

    fn file_json(&self, id: &str, host: &str) -> Value {
        let file = &self.files[id];
        let operations: Vec<Value> = (0..file.bytes.div_ceil(self.part_bytes))
            .map(|part| {
                let offset = part * self.part_bytes;
                json!({
                    "method": "PUT",
                    "url": format!("http://{host}/upload/{id}/{part}?signature=once"),
                    "offset": offset,
                    "length": self.part_bytes.min(file.bytes - offset),
                    "partNumber": part + 1,
                    "requestHeaders": [{ "name": "Content-Type", "value": "application/zip" }, { "name": "x-part", "value": part.to_string() }],
                    "expiration": "2026-01-08T00:00:00Z",
                    "entityTag": null,
                })
            })
            .collect();
        let state = if file.uploaded { "UPLOAD_COMPLETE" } else { "AWAITING_UPLOAD" };
        let operations = if file.uploaded { Value::Null } else { operations.into() };
        json!({
            "type": "buildUploadFiles",
            "id": id,
            "attributes": {
                "assetType": "ASSET",
                "fileName": file.name,
                "fileSize": file.bytes,
                "uti": "com.apple.ipa",
                "uploadOperations": operations,
                "sourceFileChecksums": { "file": null, "composite": null },
                "assetDeliveryState": { "state": state, "errors": null, "warnings": null },
            },
        })
    }

    fn create_upload(&mut self, body: &Value) -> Reply {
        let attribute = |key: &str| body.pointer(&format!("/data/attributes/{key}")).and_then(Value::as_str);
        let app = body.pointer("/data/relationships/app/data/id").and_then(Value::as_str);
        let (Some(version), Some(build), Some("IOS"), Some(APP)) = (
            attribute("cfBundleShortVersionString"),
            attribute("cfBundleVersion"),
            attribute("platform"),
            app,
        ) else {
            return refused(409, "ENTITY_ERROR.ATTRIBUTE.REQUIRED", "an attribute is missing");
        };
        if self
            .uploads
            .values()
            .any(|one| one.version == version && one.build == build && one.state != "FAILED")
        {
            return refused(
                409,
                "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
                "The bundle version must be higher than the previously uploaded version",
            );
        }
        let upload = Upload {
            version: version.to_owned(),
            build: build.to_owned(),
            state: "AWAITING_UPLOAD",
            polls: 0,
        };
        let id = self.id();
        self.uploads.insert(id.clone(), upload);
        Reply::new(201, json!({ "data": self.upload_json(&id) }))
    }

    fn create_file(&mut self, body: &Value, host: &str) -> Reply {
        let upload = body.pointer("/data/relationships/buildUpload/data/id").and_then(Value::as_str);
        let bytes = body.pointer("/data/attributes/fileSize").and_then(Value::as_u64);
        let name = body.pointer("/data/attributes/fileName").and_then(Value::as_str);
        let upload = upload.filter(|id| self.uploads.contains_key(*id));
        let (Some(upload), Some(bytes), Some(name)) = (upload, bytes, name) else {
            return refused(409, "ENTITY_ERROR.RELATIONSHIP.INVALID", "there is no such upload");
        };
        let file = File {
            upload: upload.to_owned(),
            name: name.to_owned(),
            bytes,
            parts: BTreeMap::new(),
            uploaded: false,
        };
        let id = self.id();
        self.files.insert(id.clone(), file);
        Reply::new(201, json!({ "data": self.file_json(&id, host) }))
    }

    fn part(&mut self, asked: &Asked, id: &str, part: &str) -> Reply {
        let part_bytes = self.part_bytes;
        let (Some(file), Ok(number)) = (self.files.get_mut(id), part.parse::<u64>()) else {
            return Reply::new(404, Value::Null);
        };
        let signed = asked.query("signature") == Some("once") && asked.header("x-part") == part;
        if !signed
            || !asked.header("authorization").is_empty()
            || asked.header("content-type") != "application/zip"
        {
            return Reply::new(403, Value::Null);
        }
        let expected = part_bytes.min(file.bytes.saturating_sub(number * part_bytes));
        if asked.body.len() as u64 != expected {
            return Reply::new(400, Value::Null);
        }
        file.parts.insert(number, asked.body.to_vec());
        Reply::ok(Value::Null)
    }

    fn commit(&mut self, id: &str, body: &Value, host: &str) -> Reply {
        let part_bytes = self.part_bytes;
        let Some(file) = self.files.get_mut(id) else {
            return refused(404, "NOT_FOUND", "there is no such file");
        };
        if body.pointer("/data/attributes/uploaded") != Some(&Value::Bool(true)) {
            return refused(409, "ENTITY_ERROR.ATTRIBUTE.INVALID", "uploaded must be true");
        }
        if (file.parts.len() as u64) < file.bytes.div_ceil(part_bytes) {
            return refused(409, "STATE_ERROR", "parts are missing");
        }
        file.uploaded = true;
        if let Some(upload) = self.uploads.get_mut(&file.upload) {
            upload.state = "PROCESSING";
        }
        Reply::ok(json!({ "data": self.file_json(id, host) }))
    }

    fn list(&self, asked: &Asked) -> Reply {
        let wanted = |key: &str| asked.query(&format!("filter[{key}]"));
        let fits = |one: &Upload| {
            wanted("cfBundleVersion").is_none_or(|build| build == one.build)
                && wanted("cfBundleShortVersionString").is_none_or(|version| version == one.version)
        };
        let found = self.uploads.iter().filter(|(_, one)| fits(one)).map(|(id, _)| self.upload_json(id));
        Reply::ok(json!({ "data": found.collect::<Vec<_>>() }))
    }

    /// What is wrong with the token, if anything.
    fn wrong_token(&self, token: &str) -> Option<&'static str> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Some("it is no token");
        };
        let read = |part: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice::<Value>(&bytes).ok()
        };
        let (Some(head), Some(body), Ok(signature)) =
            (read(header), read(claims), BASE64_URL_SAFE_NO_PAD.decode(signature))
        else {
            return Some("it is not encoded right");
        };
        if head != json!({ "alg": "ES256", "kid": KEY_ID, "typ": "JWT" }) {
            return Some("its header is not right");
        }
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key()?);
        if public.verify(format!("{header}.{claims}").as_bytes(), &signature).is_err() {
            return Some("its signature is not right");
        }
        let (Some(from), Some(until)) = (body["iat"].as_u64(), body["exp"].as_u64()) else {
            return Some("it has no times");
        };
        let right = body["iss"] == ISSUER && body["aud"] == "appstoreconnect-v1";
        if !right || until.saturating_sub(from) > MAX_VALID || from > self.now + 60 {
            return Some("its claims are not right");
        }
        (until <= self.now).then_some("it has expired")
    }

    fn resource(&mut self, asked: &Asked, segments: &[&str]) -> Reply {
        let body = asked.json().unwrap_or(Value::Null);
        let host = asked.header("host").to_owned();
        match (asked.method.as_str(), segments) {
            ("GET", ["v1", "apps", APP]) => {
                let attributes = json!({ "bundleId": BUNDLE, "name": "Example" });
                Reply::ok(json!({ "data": { "type": "apps", "id": APP, "attributes": attributes } }))
            }
            ("GET", ["v1", "apps", APP, "buildUploads"]) => self.list(asked),
            ("POST", ["v1", "buildUploads"]) => self.create_upload(&body),
            ("POST", ["v1", "buildUploadFiles"]) => self.create_file(&body, &host),
            ("GET", ["v1", "buildUploads", id]) if self.uploads.contains_key(*id) => {
                let ends_in = self.ends_in;
                if let Some(upload) = self.uploads.get_mut(*id).filter(|one| one.state == "PROCESSING") {
                    upload.polls += 1;
                    if upload.polls > 1 {
                        upload.state = ends_in;
                    }
                }
                Reply::ok(json!({ "data": self.upload_json(id) }))
            }
            ("DELETE", ["v1", "buildUploads", id])
                if self
                    .uploads
                    .get(*id)
                    .is_some_and(|one| matches!(one.state, "PROCESSING" | "COMPLETE")) =>
            {
                refused(409, "STATE_ERROR", "the upload is processed and stays")
            }
            ("DELETE", ["v1", "buildUploads", id]) if self.uploads.remove(*id).is_some() => {
                Reply::new(204, Value::Null)
            }
            ("GET", ["v1", "buildUploads", id, "buildUploadFiles"]) if self.uploads.contains_key(*id) => {
                let files = self.files.iter().filter(|(_, file)| file.upload == *id);
                let files: Vec<Value> = files.map(|(id, _)| self.file_json(id, &host)).collect();
                Reply::ok(json!({ "data": files }))
            }
            ("GET", ["v1", "buildUploadFiles", id]) if self.files.contains_key(*id) => {
                Reply::ok(json!({ "data": self.file_json(id, &host) }))
            }
            ("PATCH", ["v1", "buildUploadFiles", id]) => self.commit(id, &body, &host),
            _ => refused(404, "NOT_FOUND", "The specified resource does not exist"),
        }
    }
}

fn refused(status: u16, code: &str, detail: &str) -> Reply {
    let error = json!({ "id": "e", "status": status.to_string(), "code": code, "title": "x" });
    Reply::new(status, json!({ "errors": [merged(error, json!({ "detail": detail }))] }))
}

fn public_key() -> Option<Vec<u8>> {
    let body: String = PRIVATE_KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64_STANDARD.decode(body).ok()?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new()).ok()?;
    Some(pair.public_key().as_ref().to_vec())
}

impl Provider for Appstore {
    fn answer(&mut self, asked: &Asked) -> Reply {
        let segments = asked.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let ("PUT", ["upload", id, part]) = (asked.method.as_str(), segments.as_slice()) {
            return self.part(asked, id, part);
        }
        if let Some(wrong) = self.wrong_token(asked.bearer()) {
            return refused(
                401,
                "NOT_AUTHORIZED",
                &format!("Provide a properly configured bearer token: {wrong}"),
            );
        }
        let mut reply = self.resource(asked, &segments);
        // Every document of Apple's says where it is.
        if reply.body.get("data").is_some() {
            reply.body["links"] =
                json!({ "self": format!("https://api.appstoreconnect.apple.com{}", asked.path) });
        }
        reply
    }
}
