//! Configurations as clients send them.

use miteos_standins::appstore::PRIVATE_KEY;
use serde_json::json;

use super::*;

fn parse(target: TargetKind, credentials: Value, settings: Value) -> Result<Config, ConfigError> {
    Config::parse(target, &credentials, &settings)
}

#[test]
fn the_least_that_each_target_needs() {
    for (target, settings) in [
        (TargetKind::Netlify, Value::Null),
        (TargetKind::Vercel, json!({})),
        (TargetKind::Cloudflare, json!({ "account_id": "0123456789abcdef0123456789abcdef" })),
        (TargetKind::Expo, json!({})),
    ] {
        let config = parse(target, json!({ "token": " tok-0123456789 \n" }), settings).unwrap();
        assert_eq!((config.kind(), config.secrets()), (target, vec!["tok-0123456789"]));
        assert_eq!(config.export_dir(), (target == TargetKind::Expo).then_some("dist"));
        assert!(!format!("{config:?}").contains("tok-0123456789"));
    }
}

#[test]
fn what_is_wrong_is_named_and_no_value_of_a_credential_is_told() {
    let token = || json!({ "token": "tok-0123456789" });
    for (target, credentials, settings, part) in [
        (TargetKind::Netlify, json!({}), Value::Null, "token"),
        (TargetKind::Netlify, json!({ "token": "" }), Value::Null, "token"),
        (TargetKind::Netlify, json!({ "token": "a\nb" }), Value::Null, "token"),
        (TargetKind::Netlify, json!({ "token": "tok-0123456789", "more": "hidden" }), Value::Null, "more"),
        (TargetKind::Netlify, json!("tok-0123456789"), Value::Null, "credentials"),
        (TargetKind::Netlify, json!({ "token": 123_456_789_012_345_u64 }), Value::Null, "credentials"),
        (TargetKind::Netlify, json!({ "token": 0.012_345_678 }), Value::Null, "credentials"),
        (TargetKind::Netlify, json!({ "token": true }), Value::Null, "a string"),
        (TargetKind::Netlify, token(), json!({ "single_page": "tok-0123, expected x" }), "a boolean"),
        (TargetKind::Netlify, token(), json!({ "sites": "x" }), "sites"),
        (TargetKind::Netlify, token(), json!({ "site": "../x" }), "site"),
        (TargetKind::Netlify, token(), json!({ "environment": "staging" }), "environment"),
        (TargetKind::Vercel, token(), json!({ "team_id": "a/b" }), "team_id"),
        (TargetKind::Vercel, token(), json!({ "upload": "zip" }), "upload"),
        (TargetKind::Cloudflare, token(), json!({}), "account_id"),
        (TargetKind::Cloudflare, token(), json!({ "account_id": "../../user" }), "account_id"),
        (TargetKind::Cloudflare, token(), json!({ "account_id": "abc", "product": "pages" }), "project"),
        (
            TargetKind::Cloudflare,
            token(),
            json!({ "account_id": "abc", "environment": "preview" }),
            "environment",
        ),
        (TargetKind::Expo, token(), json!({ "action": "build" }), "platform"),
        (TargetKind::Expo, token(), json!({ "export_dir": "../x" }), "export_dir"),
        (TargetKind::Expo, token(), json!({ "profile": "--help" }), "profile"),
        (
            TargetKind::Appstore,
            json!({ "issuer_id": "i", "key_id": "k", "private_key": "hidden-key" }),
            json!({ "app_id": "1" }),
            "private_key",
        ),
    ] {
        let error = parse(target, credentials.clone(), settings.clone()).unwrap_err().to_string();
        let shown = if part == "environment" || part == "upload" { "settings" } else { part };
        assert!(error.contains(shown), "{target:?} {credentials} {settings}: {error}");
        assert!(!error.contains("tok-0123") && !error.contains("hidden"), "{error}");
        assert!(!error.contains("12345") && !error.contains("true"), "{error}");
    }
}

#[test]
fn a_key_in_the_wrong_field_is_not_repeated() {
    let key = concat!("-----BEGIN PRIVATE", " KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg");
    for (name, credentials) in [
        ("issuer_id", json!({ "issuer_id": key, "key_id": "k", "private_key": PRIVATE_KEY })),
        ("key_id", json!({ "issuer_id": "i", "key_id": key, "private_key": PRIVATE_KEY })),
    ] {
        let error = parse(TargetKind::Appstore, credentials, json!({ "app_id": "1" })).unwrap_err();
        assert_eq!(error, ConfigError::Credential { name });
        assert!(!error.to_string().contains("BEGIN"), "{error}");
    }
}
