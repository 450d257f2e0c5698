//! What the server counts about itself, for Prometheus. No series is about an account, a task or a key: whoever may
//! read these numbers learns how busy the server is and nothing about whose work it does. It knows no HTTP server.

mod catalogue;
mod deployments;
mod exposition;
mod http;
mod process;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use miteos_core::event::Event;
use miteos_core::money::{MicroUsd, Usage};
use miteos_core::time::Timestamp;
use miteos_models::ModelName;
use miteos_store::{CommitSeen, Gauges};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use catalogue::{Described, Kind, METRICS};
pub use exposition::Format;

use process::Process;

/// Models that get series of their own. A task may name any model of a provider, so that without an end to it a client
/// could make series without end; what comes later is counted as `other`.
const MAX_MODELS: usize = 100;
/// What stands for names that get no series of their own.
const OTHER: &str = "other";
/// What a model call came to that gave an answer.
pub const ANSWERED: &str = "answered";

/// The value of a label.
type Word = Cow<'static, str>;
type Labels<const N: usize> = [(&'static str, Word); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Bounds of what takes from under a millisecond to seconds (s): requests, commits, deliveries.
const SHORT: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Bounds of what may take minutes (s): models, tools, programs.
const LONG: [f64; 13] = [0.005, 0.05, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];
/// Bounds of the number of writes that share a commit.
const WRITES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

fn short() -> Histogram {
    Histogram::new(SHORT)
}

fn long() -> Histogram {
    Histogram::new(LONG)
}

/// All of it.
pub struct Metrics {
    registry: Registry,
    pub http: http::Http,
    pub deployments: deployments::Deployments,
    process: Process,
    records: Counter,
    events: Counter,
    commits: Counters<1>,
    commit_seconds: Histogram,
    commit_writes: Histogram,
    tasks: Family<Labels<1>, Gauge>,
    tasks_created: Counter,
    tasks_ended: Counters<1>,
    recovered: Gauge,
    runners: Gauge,
    pub agents: Gauge,
    approvals: Gauge,
    streams: Family<Labels<1>, Gauge>,
    model_calls: Counters<3>,
    model_seconds: Histograms<2>,
    model_tokens: Counters<3>,
    model_cost: Counters<2>,
    models_in_flight: Gauge,
    known_models: Mutex<HashSet<String>>,
    tool_calls: Counters<2>,
    tool_seconds: Histograms<1>,
    tools_in_flight: Gauge,
    sandbox_runs: Counters<1>,
    sandbox_seconds: Histogram,
    deliveries: Counters<1>,
    delivery_seconds: Histogram,
    deliveries_pending: Gauge,
    deliveries_due: Gauge,
    trace_exports: Counters<1>,
    blobs_collected: Counter,
    blob_bytes_collected: Counter,
    /// What the store was asked last, and when: a scraper in a hurry costs it nothing.
    pub looked: tokio::sync::Mutex<Option<(Instant, Gauges)>>,
}

/// What is read when somebody asks, because nobody counts it along.
pub struct Seen {
    /// `None` if the store could not be asked: its gauges are left out then.
    pub stored: Option<Gauges>,
    pub runners: usize,
    pub sse: usize,
    pub websockets: usize,
}

/// How a thing ended, as a label says it.
pub struct Ended {
    pub outcome: &'static str,
    pub took: Duration,
}

impl Metrics {
    /// With every operation of the table known, so that no request makes a series.
    pub fn new(now: Timestamp) -> Self {
        let mut registry = Registry::default();
        let r = &mut registry;
        let build: Family<Labels<1>, Gauge> = catalogue::BUILD.register(r, Family::default());
        build.get_or_create(&[("version", Word::from(env!("CARGO_PKG_VERSION")))]).set(1);
        Self {
            http: http::Http::new(r),
            deployments: deployments::Deployments::new(r),
            process: Process::new(r, now),
            records: catalogue::RECORDS.register(r, Counter::default()),
            events: catalogue::EVENTS.register(r, Counter::default()),
            commits: catalogue::COMMITS.register(r, Family::default()),
            commit_seconds: catalogue::COMMIT_SECONDS.register(r, short()),
            commit_writes: catalogue::COMMIT_WRITES.register(r, Histogram::new(WRITES)),
            tasks: catalogue::TASKS.register(r, Family::default()),
            tasks_created: catalogue::TASKS_CREATED.register(r, Counter::default()),
            tasks_ended: catalogue::TASKS_ENDED.register(r, Family::default()),
            recovered: catalogue::RECOVERED.register(r, Gauge::default()),
            runners: catalogue::RUNNERS.register(r, Gauge::default()),
            agents: catalogue::AGENTS.register(r, Gauge::default()),
            approvals: catalogue::APPROVALS.register(r, Gauge::default()),
            streams: catalogue::STREAMS.register(r, Family::default()),
            model_calls: catalogue::MODEL_CALLS.register(r, Family::default()),
            model_seconds: catalogue::MODEL_SECONDS.register(r, Family::new_with_constructor(long)),
            model_tokens: catalogue::MODEL_TOKENS.register(r, Family::default()),
            model_cost: catalogue::MODEL_COST.register(r, Family::default()),
            models_in_flight: catalogue::MODELS_IN_FLIGHT.register(r, Gauge::default()),
            known_models: Mutex::default(),
            tool_calls: catalogue::TOOL_CALLS.register(r, Family::default()),
            tool_seconds: catalogue::TOOL_SECONDS.register(r, Family::new_with_constructor(long)),
            tools_in_flight: catalogue::TOOLS_IN_FLIGHT.register(r, Gauge::default()),
            sandbox_runs: catalogue::SANDBOX_RUNS.register(r, Family::default()),
            sandbox_seconds: catalogue::SANDBOX_SECONDS.register(r, long()),
            deliveries: catalogue::DELIVERIES.register(r, Family::default()),
            delivery_seconds: catalogue::DELIVERY_SECONDS.register(r, short()),
            deliveries_pending: catalogue::DELIVERIES_PENDING.register(r, Gauge::default()),
            deliveries_due: catalogue::DELIVERIES_DUE.register(r, Gauge::default()),
            trace_exports: catalogue::TRACE_EXPORTS.register(r, Family::default()),
            blobs_collected: catalogue::BLOBS_COLLECTED.register(r, Counter::default()),
            blob_bytes_collected: catalogue::BLOB_BYTES_COLLECTED.register(r, Counter::default()),
            looked: tokio::sync::Mutex::default(),
            registry,
        }
    }

    /// The writer has ended a transaction.
    pub fn committed(&self, commit: &CommitSeen) {
        let outcome = if commit.ok { "committed" } else { "failed" };
        self.commits.get_or_create(&[("outcome", outcome.into())]).inc();
        self.commit_seconds.observe(commit.took.as_secs_f64());
        self.commit_writes.observe(commit.writes as f64);
    }

    /// These events of one task are durable.
    pub fn appended<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        for event in events {
            self.records.inc();
            if event.public_type().is_some() {
                self.events.inc();
            }
            let ended = match event {
                Event::TaskCreated(_) => {
                    self.tasks_created.inc();
                    continue;
                }
                Event::TaskComplete { .. } => "complete",
                Event::TaskFailed { .. } => "failed",
                Event::TaskCancelled { .. } => "cancelled",
                _ => continue,
            };
            self.tasks_ended.get_or_create(&[("outcome", ended.into())]).inc();
        }
    }

    /// So many records of a deployment are durable, of which so many are public.
    pub fn appended_of_deployment(&self, records: u64, public: u64) {
        self.records.inc_by(records);
        self.events.inc_by(public);
    }

    /// So many blobs that nothing named are gone.
    pub fn collected(&self, blobs: u64, bytes: u64) {
        self.blobs_collected.inc_by(blobs);
        self.blob_bytes_collected.inc_by(bytes);
    }

    /// So many unfinished tasks were there at the start.
    pub fn recovered(&self, tasks: u64) {
        self.recovered.set(signed(tasks));
    }

    /// A model call begins; what it came to is told with [`Self::model_called`].
    pub fn model_begins(&self) -> UnderWay {
        UnderWay::new(&self.models_in_flight)
    }

    /// A model of the configuration: it has series of its own, whatever else is called.
    pub fn model_is_configured(&self, model: &ModelName) {
        self.known_models().insert(model.to_string());
    }

    pub fn model_called(&self, model: &ModelName, ended: Ended) {
        if ended.outcome == ANSWERED {
            self.claim(model);
        }
        let (provider, name) = self.model_labels(model);
        let labels = [provider.clone(), name.clone(), ("outcome", ended.outcome.into())];
        self.model_calls.get_or_create(&labels).inc();
        self.model_seconds.get_or_create(&[provider, name]).observe(ended.took.as_secs_f64());
    }

    /// What a call has used, answered or not. `cost` is `None` where no price is known.
    pub fn model_used(&self, model: &ModelName, usage: &Usage, cost: Option<MicroUsd>) {
        let (provider, name) = self.model_labels(model);
        for (kind, tokens) in [
            ("input", usage.input),
            ("output", usage.output),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write),
            ("reasoning", usage.reasoning),
        ] {
            if tokens > 0 {
                let labels = [provider.clone(), name.clone(), ("kind", kind.into())];
                self.model_tokens.get_or_create(&labels).inc_by(tokens);
            }
        }
        if let Some(cost) = cost {
            self.model_cost.get_or_create(&[provider, name]).inc_by(cost.0);
        }
    }

    /// A name that has answered is one of a model; any other may be a client's invention.
    fn claim(&self, model: &ModelName) {
        let mut known = self.known_models();
        if known.len() < MAX_MODELS {
            known.insert(model.to_string());
        }
    }

    fn known_models(&self) -> MutexGuard<'_, HashSet<String>> {
        self.known_models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn model_labels(&self, model: &ModelName) -> ((&'static str, Word), (&'static str, Word)) {
        let own = self.known_models().contains(&model.to_string());
        let (provider, name) = match own {
            true => (Word::from(model.provider().to_owned()), Word::from(model.model().to_owned())),
            false => (Word::from(OTHER), Word::from(OTHER)),
        };
        (("provider", provider), ("model", name))
    }

    /// A tool call begins; what it came to is told with [`Self::tool_called`].
    pub fn tool_begins(&self) -> UnderWay {
        UnderWay::new(&self.tools_in_flight)
    }

    /// `tool` is one of the registry's, which are few.
    pub fn tool_called(&self, tool: &str, ended: Ended) {
        let name = ("tool", Word::from(tool.to_owned()));
        self.tool_calls.get_or_create(&[name.clone(), ("outcome", ended.outcome.into())]).inc();
        self.tool_seconds.get_or_create(&[name]).observe(ended.took.as_secs_f64());
    }

    pub fn sandbox_ran(&self, ended: Ended) {
        self.sandbox_runs.get_or_create(&[("outcome", ended.outcome.into())]).inc();
        self.sandbox_seconds.observe(ended.took.as_secs_f64());
    }

    /// One attempt to deliver to a webhook.
    pub fn delivered(&self, ended: Ended) {
        self.deliveries.get_or_create(&[("outcome", ended.outcome.into())]).inc();
        self.delivery_seconds.observe(ended.took.as_secs_f64());
    }

    /// One attempt to hand spans to the collector.
    pub fn trace_exported(&self, outcome: &'static str) {
        self.trace_exports.get_or_create(&[("outcome", outcome.into())]).inc();
    }

    /// Everything, as text.
    pub fn text(&self, seen: &Seen, now: Timestamp, format: Format) -> String {
        self.runners.set(signed(seen.runners));
        for (transport, open) in [("sse", seen.sse), ("websocket", seen.websockets)] {
            self.streams.get_or_create(&[("transport", transport.into())]).set(signed(open));
        }
        self.tasks.clear();
        if let Some(stored) = &seen.stored {
            for (state, count) in &stored.tasks {
                self.tasks.get_or_create(&[("state", (*state).into())]).set(signed(*count));
            }
            self.deployments.show(&stored.deployments);
            self.approvals.set(signed(stored.approvals));
            self.deliveries_pending.set(signed(stored.deliveries_pending));
            self.deliveries_due.set(signed(stored.deliveries_due));
        }
        self.process.look(now);
        exposition::text(&self.registry, format)
    }
}

fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// Something that is under way: counted until it is dropped, however that comes about.
pub struct UnderWay {
    gauge: Gauge<i64, std::sync::atomic::AtomicI64>,
    begun: Instant,
}

impl UnderWay {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self { gauge: gauge.clone(), begun: Instant::now() }
    }

    /// How it ended, so far as time goes.
    pub fn ended(&self, outcome: &'static str) -> Ended {
        Ended { outcome, took: self.begun.elapsed() }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

/// A part of a gauge that belongs to one holder, and goes with it.
pub struct Share {
    gauge: Gauge,
    held: i64,
}

impl Share {
    pub fn of(gauge: &Gauge) -> Self {
        Self { gauge: gauge.clone(), held: 0 }
    }

    pub fn set(&mut self, count: usize) {
        let count = signed(count);
        if count != self.held {
            self.gauge.inc_by(count - self.held);
            self.held = count;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.gauge.dec_by(self.held);
    }
}

/// A counter of seconds.
type Seconds = Counter<f64, AtomicU64>;

#[cfg(test)]
mod tests;
