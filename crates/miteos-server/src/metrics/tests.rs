//! The catalogue, what is scraped and the page say the same.

use std::collections::{BTreeMap, BTreeSet};

use miteos_core::deployment::{
    About, BuildWishes, Built, Command, Created, Deployment, Environment, Release, Target, Visibility,
};
use miteos_core::event::Totals;
use miteos_core::ids::{AccountId, DeploymentId, WorkspaceId};

use super::*;

/// Every series there can be has been touched.
fn touched() -> Metrics {
    let metrics = Metrics::new(Timestamp::from_millis(1_000));
    metrics.committed(&CommitSeen { writes: 3, took: Duration::from_millis(2), ok: true });
    let model: ModelName = "openai/gpt-x".parse().unwrap();
    let ended = |outcome| Ended { outcome, took: Duration::from_millis(20) };
    metrics.model_called(&model, ended("answered"));
    let usage = Usage { input: 7, output: 5, cache_read: 3, cache_write: 2, reasoning: 1 };
    metrics.model_used(&model, &usage, Some(MicroUsd(9)));
    metrics.tool_called("read_file", ended("ok"));
    metrics.sandbox_ran(ended("exited"));
    metrics.delivered(ended("delivered"));
    metrics.trace_exported("taken");
    metrics.appended([&Event::TaskFailed { error: "x".to_owned(), totals: Totals::default() }].into_iter());
    metrics.http.begin(&axum::http::Method::GET, Some("/v1/tasks/{id}")).answered(axum::http::StatusCode::OK);
    metrics.deployments.visited(axum::http::StatusCode::OK);
    metrics.collected(2, 100);
    ended_deployment(&metrics);
    metrics
}

/// One that waits for a second, is built for two and published for three.
fn ended_deployment(metrics: &Metrics) {
    let ulid = ulid::Ulid::from_parts(1, 1);
    let about = About {
        workspace: WorkspaceId(ulid),
        target: Target::Preview,
        config: None,
        environment: Environment::Preview,
        task: None,
        agent: None,
        call: None,
        deliverable: None,
        created_at: Timestamp::from_millis(0),
    };
    let created = Created { account: AccountId(ulid), live: true, about, wishes: BuildWishes::default() };
    let (mut deployment, _) = Deployment::create(DeploymentId(ulid), created);
    metrics.deployments.moved(&deployment, Timestamp::from_millis(0));
    let built = Built { digest: "d".into(), folder: "f".into(), files: 3, bytes: 500, manifest: None };
    let release = Release {
        url: "http://x.localhost/".into(),
        visibility: Visibility::Public,
        project: None,
        deployment: None,
        inspect_url: None,
        manifest: None,
    };
    for (command, ms) in
        [(Command::Begin, 1_000), (Command::Built(built), 3_000), (Command::Released(release), 6_000)]
    {
        deployment.handle(command, Timestamp::from_millis(ms)).unwrap();
        metrics.deployments.moved(&deployment, Timestamp::from_millis(ms));
    }
}

#[test]
fn a_deployment_is_counted_by_its_states() {
    let metrics = touched();
    let text = metrics.text(&seen(), Timestamp::from_millis(1_000), Format::Classic);
    let target = "target=\"preview\"";
    for line in [
        format!("miteos_deployments_ended_total{{{target},outcome=\"live\"}} 1"),
        format!("miteos_deployment_state_duration_seconds_sum{{{target},state=\"pending\"}} 1.0"),
        format!("miteos_deployment_state_duration_seconds_sum{{{target},state=\"building\"}} 2.0"),
        format!("miteos_deployment_state_duration_seconds_sum{{{target},state=\"deploying\"}} 3.0"),
        format!("miteos_deployment_files_total{{{target}}} 3"),
        format!("miteos_deployment_bytes_total{{{target}}} 500"),
        "miteos_deployments{state=\"building\"} 1".to_owned(),
        "miteos_preview_requests_total{status=\"2xx\"} 1".to_owned(),
        "miteos_blobs_collected_bytes_total 100".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

fn seen() -> Seen {
    let stored = Gauges {
        tasks: vec![("running", 2)],
        deployments: vec![("building", 1)],
        approvals: 1,
        deliveries_pending: 4,
        deliveries_due: 3,
    };
    Seen { stored: Some(stored), runners: 2, sse: 1, websockets: 0 }
}

/// Names and kinds as the text has them.
fn families(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.into(), kind.into())).collect()
}

/// The table of the page: name, kind, labels, meaning.
fn page() -> Vec<[String; 4]> {
    let page = include_str!("../../../../docs/observability.md");
    let table = page.split("<!-- begin: metrics -->").nth(1).unwrap();
    let table = table.split("<!-- end: metrics -->").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()));
    cells.map(|row| row.collect::<Vec<_>>().try_into().unwrap()).collect()
}

#[test]
fn the_page_is_the_catalogue() {
    let code = |text: &str| format!("`{text}`");
    let expected: Vec<[String; 4]> = METRICS
        .iter()
        .map(|metric| {
            let labels: Vec<String> = metric.labels.iter().map(|label| code(label)).collect();
            [code(metric.name), metric.kind.as_str().into(), labels.join(", "), metric.help.into()]
        })
        .collect();
    let rows: String = expected.iter().map(|row| format!("| {} |\n", row.join(" | "))).collect();
    assert_eq!(page(), expected, "docs/observability.md should have this table:\n{rows}");
}

#[test]
fn what_is_scraped_is_the_catalogue_in_both_formats() {
    let metrics = touched();
    let now = Timestamp::from_millis(9_000);
    let open = metrics.text(&seen(), now, Format::OpenMetrics);
    let kinds: BTreeMap<String, String> =
        METRICS.iter().map(|m| (m.family().to_owned(), m.kind.as_str().to_owned())).collect();
    assert_eq!(families(&open), kinds);
    assert!(open.ends_with("# EOF\n"), "{open}");
    let classic = metrics.text(&seen(), now, Format::Classic);
    let kinds: BTreeMap<String, String> =
        METRICS.iter().map(|m| (m.name.to_owned(), m.kind.as_str().to_owned())).collect();
    assert_eq!(families(&classic), kinds);
    assert!(!classic.contains("# EOF") && classic.contains("# HELP miteos_tasks_created_total tasks that"));
    assert!(classic.contains("\nmiteos_uptime_seconds 8\n"), "{classic}");
}

#[test]
fn labels_are_those_of_the_catalogue() {
    let metrics = touched();
    let text = metrics.text(&seen(), Timestamp::from_millis(9_000), Format::Classic);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once('{').map_or((line, ""), |(name, rest)| (name, rest));
        let name = name.split(' ').next().unwrap();
        let own = |m: &&Described| {
            let parts = ["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", m.name));
            m.name == name || (m.kind == Kind::Histogram && parts.iter().any(|part| part == name))
        };
        let metric = METRICS.iter().find(own).unwrap_or_else(|| panic!("{line}"));
        let found: BTreeSet<&str> = labels
            .split("\",")
            .filter_map(|label| label.split_once("=\""))
            .map(|(label, _)| label)
            .filter(|label| *label != "le")
            .collect();
        assert_eq!(found, metric.labels.iter().copied().collect(), "{line}");
    }
}

#[test]
fn strangers_make_no_series() {
    let metrics = Metrics::new(Timestamp::from_millis(0));
    let count =
        |metrics: &Metrics| metrics.text(&seen(), Timestamp::from_millis(0), Format::Classic).lines().count();
    let before = count(&metrics);
    for n in 0..50 {
        let method = axum::http::Method::from_bytes(format!("M{n}").as_bytes()).unwrap();
        metrics.http.begin(&method, Some("/v1/tasks")).answered(axum::http::StatusCode::METHOD_NOT_ALLOWED);
        drop(metrics.http.begin(&axum::http::Method::GET, Some(&format!("/v1/{n}"))));
    }
    assert_eq!(count(&metrics), before);
    let ended = |outcome| Ended { outcome, took: Duration::ZERO };
    let configured = "openai/configured".parse().unwrap();
    metrics.model_is_configured(&configured);
    for n in 0..50 {
        metrics.model_called(&format!("openai/made-up-{n}").parse().unwrap(), ended("fatal"));
    }
    for n in 0..MAX_MODELS + 49 {
        metrics.model_called(&format!("openai/m{n}").parse().unwrap(), ended(ANSWERED));
    }
    metrics.model_called(&configured, ended("fatal"));
    let text = metrics.text(&seen(), Timestamp::from_millis(0), Format::Classic);
    let calls = text.lines().filter(|line| line.starts_with("miteos_model_calls_total{")).count();
    assert_eq!(calls, MAX_MODELS + 2);
    for line in [
        "provider=\"other\",model=\"other\",outcome=\"fatal\"} 50",
        "provider=\"other\",model=\"other\",outcome=\"answered\"} 50",
        "provider=\"openai\",model=\"configured\",outcome=\"fatal\"} 1",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_share_goes_with_its_holder() {
    let gauge = Gauge::default();
    let (mut one, mut two) = (Share::of(&gauge), Share::of(&gauge));
    one.set(3);
    two.set(2);
    one.set(1);
    assert_eq!(gauge.get(), 3);
    drop(one);
    assert_eq!(gauge.get(), 2);
}
