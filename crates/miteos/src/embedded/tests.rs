//! That each setting does what it says, from whichever source it comes.

use std::collections::BTreeSet;

use super::*;
use crate::config::{Env, FILE_NAME, Purpose};

/// A setting, a value, and whether a configuration has it.
type Case = (&'static str, &'static str, fn(&Config) -> bool);

const CASES: [Case; 22] = [
    (config::LISTEN, "127.0.0.1:7123", |c| c.listen.port() == 7123),
    (config::PUBLIC_URL, "https://m.example", |c| c.public_url.as_deref() == Some("https://m.example")),
    (config::BOOTSTRAP_KEY, "mt_live_0123456789012345", |c| {
        c.bootstrap_key.as_ref().is_some_and(|key| key.expose() == "mt_live_0123456789012345")
    }),
    (config::SECRET_KEY, "0123456789abcdef", |c| {
        c.secret_key.as_ref().is_some_and(|key| key.expose() == "0123456789abcdef")
    }),
    (config::MODEL, "groq/one", |c| is(c.models.default.as_ref(), "groq/one")),
    (config::PLANNER_MODEL, "groq/two", |c| is(c.models.planner.as_ref(), "groq/two")),
    (config::FALLBACK_MODELS, "groq/a,xai/b", |c| {
        c.models.fallbacks.len() == 2 && is(c.models.fallbacks.last(), "xai/b")
    }),
    (config::PRICES, "groq/one=0.50/1.50", |c| of(c, "groq/one").is_some_and(|one| one.price.is_some())),
    (config::WINDOWS, "groq/one=4096", |c| {
        of(c, "groq/one").is_some_and(|one| one.window_tokens == Some(4096))
    }),
    (config::SANDBOX, "bwrap", |c| matches!(c.sandbox.backend, BackendChoice::Bwrap)),
    (config::SEARCH, "duckduckgo", |c| c.search.base_url.is_none()),
    (config::SEARXNG_URL, "http://search.example", |c| c.search.base_url.is_some()),
    (config::EGRESS_ALLOW, "10.1.0.0/16", |c| c.egress.refusal([10, 1, 2, 3].into()).is_none()),
    (config::BUILD_REGISTRIES, "npm=https://npm.example/", |c| {
        c.build_registries.as_ref().is_some_and(|all| all.allowed().to_string() == "npm.example:443")
    }),
    (config::EAS, "/opt/eas", |c| c.deploy.eas.as_deref() == Some(std::path::Path::new("/opt/eas"))),
    (config::PREVIEW_LISTEN, "127.0.0.1:7125", |c| c.preview.listen.is_some_and(|at| at.port() == 7125)),
    (config::PREVIEW_URL, "https://*.preview.example", |c| {
        c.preview.hosts == PreviewHosts::parse("https://*.preview.example").ok()
    }),
    (config::PREVIEW_MAX_MIB, "512", |c| c.preview.max_bytes == 512 * 1024 * 1024),
    (config::PREVIEW_DAYS, "30", |c| c.preview.lives_ms == Some(30 * 24 * 3600 * 1000)),
    (config::METRICS_LISTEN, "127.0.0.1:7124", |c| c.metrics.listen.is_some_and(|at| at.port() == 7124)),
    (config::METRICS_TOKEN, "0123456789abcdef", |c| {
        c.metrics.token.as_ref().is_some_and(|token| token.expose() == "0123456789abcdef")
    }),
    (config::OPENAI_BASE_URL, "http://models.example/v1", |c| {
        c.models.endpoints["openai"].base_url.as_deref() == Some("http://models.example/v1/")
    }),
];

fn is(name: Option<&ModelName>, text: &str) -> bool {
    name.is_some_and(|name| name.to_string() == text)
}

fn of<'c>(config: &'c Config, name: &str) -> Option<&'c models::Override> {
    config.models.overrides.get(&name.parse().unwrap())
}

async fn resolved(file: &str, env: &[(&str, &str)], flags: &Flags) -> Result<Config, Failure> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), file).unwrap();
    let settings = Settings::load(Env::of(env), Purpose::Serve, Some(folder.path()), None).unwrap();
    resolve(&settings, flags).await
}

#[tokio::test]
async fn each_setting_holds_from_the_file_and_from_the_environment() {
    for (name, value, holds) in CASES {
        let key = config::variable(name).unwrap().key();
        let by_file = resolved(&format!("{key} = \"{value}\"\n"), &[], &Flags::default()).await.unwrap();
        assert!(holds(&by_file), "{name} in the file");
        let by_environment = resolved("", &[(name, value)], &Flags::default()).await.unwrap();
        assert!(holds(&by_environment), "{name} in the environment");
    }
}

#[tokio::test]
async fn flags_beat_the_environment_which_beats_the_file() {
    let file = "listen = \"127.0.0.1:1\"\npublic_url = \"http://file\"\n";
    let env = [(config::LISTEN, "127.0.0.1:2"), (config::PUBLIC_URL, "http://environment")];
    let flags = Flags {
        listen: Some("127.0.0.1:3".to_owned()),
        public_url: Some("http://flag".to_owned()),
        ..Flags::default()
    };
    for (env, flags, port, url) in [
        (&[][..], &Flags::default(), 1, "http://file"),
        (&env[..], &Flags::default(), 2, "http://environment"),
        (&env[..], &flags, 3, "http://flag"),
    ] {
        let config = resolved(file, env, flags).await.unwrap();
        assert_eq!((config.listen.port(), config.public_url.as_deref()), (port, Some(url)));
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_is_right() {
    for (name, value, hint) in [
        (config::LISTEN, "here", "127.0.0.1:7700"),
        (config::PUBLIC_URL, "miteos.example.org", "https://"),
        (config::PREVIEW_LISTEN, "7701", "127.0.0.1:"),
        (config::PREVIEW_URL, "https://preview.example", "https://*."),
        (config::PREVIEW_MAX_MIB, "10 GiB", "1 to 1000000"),
        (config::PREVIEW_DAYS, "0", "1 to 3660"),
        (config::DATABASE_URL, "postgres://u:hush@h/d", "--data-dir"),
        (config::SANDBOX, "docker", "namespaces"),
    ] {
        let refused = resolved("", &[(name, value)], &Flags::default()).await.err().unwrap();
        assert!(!refused.message.contains("hush"), "{}", refused.message);
        assert!(refused.hint.is_some_and(|text| text.contains(hint)), "{name}");
    }
}

#[test]
fn every_variable_that_a_part_of_the_server_reads_is_in_the_table() {
    // What a part asks for is what it reads.
    let asked = std::cell::RefCell::new(BTreeSet::new());
    let get = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        // Without one nothing else of traces is read.
        (name == config::OTEL_ENDPOINT).then(|| "http://collector.example:4318".to_owned())
    };
    TraceConfig::from_settings(&get).unwrap();
    models::config_from_env(&get);
    SearchConfig::from_settings(&get).unwrap();
    let asked = asked.into_inner();
    assert!(asked.contains("XAI_API_KEY") && asked.contains("SEARXNG_URL"), "{asked:?}");
    let lacking: Vec<_> = asked.iter().filter(|name| config::variable(name).is_none()).collect();
    assert_eq!(lacking, Vec::<&String>::new());
}
