//! Every metric there is: its name, what it counts, its labels. `docs/observability.md` shows the same table; a test
//! keeps the two together. Names and labels are promises: they are added to and not changed.

use prometheus_client::registry::{Metric, Registry};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as the table shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// As it is scraped: a counter ends in `_total`.
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

impl Described {
    /// The name without what the text format adds to a counter's.
    pub fn family(&self) -> &'static str {
        self.name.strip_suffix("_total").unwrap_or(self.name)
    }

    /// Puts the metric among those that are scraped.
    pub fn register<M: Metric + Clone>(&self, registry: &mut Registry, metric: M) -> M {
        registry.register(self.family(), self.help, metric.clone());
        metric
    }
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*]: $help:literal;)+) => {
        $(
            pub(super) const $constant: Described =
                Described { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )+
        /// All of them, in the order of the page.
        pub const METRICS: &[Described] = &[$($constant),+];
    };
}

metrics! {
    BUILD = Gauge "miteos_build_info" ["version"]: "1; the label says which version runs";
    REQUESTS = Counter "miteos_http_requests_total" ["method", "path", "status"]: "requests that were answered, by operation and class of status; gone: the client left before the answer";
    REQUEST_SECONDS = Histogram "miteos_http_request_duration_seconds" ["method", "path"]: "time to the head of the answer";
    REQUESTS_IN_FLIGHT = Gauge "miteos_http_requests_in_flight" []: "requests whose answer has not begun";
    STREAMS = Gauge "miteos_streams_open" ["transport"]: "event streams that clients hold open: sse or websocket";
    RECORDS = Counter "miteos_journal_records_total" []: "records appended to the journal, all of them durable";
    EVENTS = Counter "miteos_journal_events_total" []: "of these the ones that clients see as events";
    COMMITS = Counter "miteos_store_commits_total" ["outcome"]: "transactions of the database's writer: committed or failed";
    COMMIT_SECONDS = Histogram "miteos_store_commit_duration_seconds" []: "time of such a transaction, from its begin to the disk";
    COMMIT_WRITES = Histogram "miteos_store_commit_writes" []: "writes that share a transaction";
    TASKS = Gauge "miteos_tasks" ["state"]: "unfinished tasks: pending (the queue of admission), planning, running, paused";
    TASKS_CREATED = Counter "miteos_tasks_created_total" []: "tasks that were made";
    TASKS_ENDED = Counter "miteos_tasks_ended_total" ["outcome"]: "tasks that ended: complete, failed, cancelled";
    RECOVERED = Gauge "miteos_tasks_recovered" []: "unfinished tasks that this process found when it started";
    RUNNERS = Gauge "miteos_task_runners" []: "tasks that are driven at the moment";
    AGENTS = Gauge "miteos_agents_running" []: "agents that think or act";
    APPROVALS = Gauge "miteos_approvals_pending" []: "approvals that wait for a person";
    MODEL_CALLS = Counter "miteos_model_calls_total" ["provider", "model", "outcome"]: "model calls: answered, rate_limited, transient, too_long, refused, auth, fatal, dropped";
    MODEL_SECONDS = Histogram "miteos_model_call_duration_seconds" ["provider", "model"]: "time of a model call, whatever came of it";
    MODEL_TOKENS = Counter "miteos_model_tokens_total" ["provider", "model", "kind"]: "tokens: input (cached ones included), output (reasoning included), and of these cache_read, cache_write, reasoning";
    MODEL_COST = Counter "miteos_model_cost_micro_dollars_total" ["provider", "model"]: "cost of calls with a known price, in millionths of a US dollar";
    MODELS_IN_FLIGHT = Gauge "miteos_model_calls_in_flight" []: "model calls under way";
    TOOL_CALLS = Counter "miteos_tool_calls_total" ["tool", "outcome"]: "tool calls: ok, failed, cancelled, error (inside the server), settled (after a restart)";
    TOOL_SECONDS = Histogram "miteos_tool_call_duration_seconds" ["tool"]: "time of a tool call";
    TOOLS_IN_FLIGHT = Gauge "miteos_tool_calls_in_flight" []: "tool calls under way";
    SANDBOX_RUNS = Counter "miteos_sandbox_runs_total" ["outcome"]: "programs of agents: exited, signal, timed_out, limit, cancelled, not_run, error";
    SANDBOX_SECONDS = Histogram "miteos_sandbox_run_duration_seconds" []: "time of such a program, with the wait for its place";
    DELIVERIES = Counter "miteos_webhook_attempts_total" ["outcome"]: "attempts to deliver to a webhook: delivered, retried (it is tried again), failed (it is not), cancelled";
    DELIVERY_SECONDS = Histogram "miteos_webhook_attempt_duration_seconds" []: "time of such an attempt";
    DELIVERIES_PENDING = Gauge "miteos_webhook_deliveries_pending" []: "deliveries that are not settled";
    DELIVERIES_DUE = Gauge "miteos_webhook_deliveries_due" []: "of these the ones whose time has come";
    DEPLOYMENTS = Gauge "miteos_deployments" ["state"]: "deployments under way: pending (they wait for a place), building, deploying";
    DEPLOYMENTS_ENDED = Counter "miteos_deployments_ended_total" ["target", "outcome"]: "deployments that ended: live, failed, canceled";
    DEPLOYMENT_SECONDS = Histogram "miteos_deployment_state_duration_seconds" ["target", "state"]: "time in a state: pending, building, deploying; states that a restart fell into are left out";
    DEPLOYED_FILES = Counter "miteos_deployment_files_total" ["target"]: "files of deployments that went live";
    DEPLOYED_BYTES = Counter "miteos_deployment_bytes_total" ["target"]: "bytes of these files";
    PREVIEW_REQUESTS = Counter "miteos_preview_requests_total" ["status"]: "requests that the preview host answered, by class of status";
    BLOBS_COLLECTED = Counter "miteos_blobs_collected_total" []: "big values that nothing named any more and that were taken away";
    BLOB_BYTES_COLLECTED = Counter "miteos_blobs_collected_bytes_total" []: "their bytes";
    TRACE_EXPORTS = Counter "miteos_trace_exports_total" ["outcome"]: "attempts to hand spans to the collector: taken, refused, unreachable";
    CPU_SECONDS = Counter "process_cpu_seconds_total" []: "processor time of this process, user and system";
    RESIDENT = Gauge "process_resident_memory_bytes" []: "resident memory";
    VIRTUAL = Gauge "process_virtual_memory_bytes" []: "address space";
    OPEN_FILES = Gauge "process_open_fds" []: "open files and connections";
    MAX_FILES = Gauge "process_max_fds" []: "how many there may be";
    STARTED = Gauge "process_start_time_seconds" []: "when this process started, in seconds since 1970";
    UPTIME = Gauge "miteos_uptime_seconds" []: "for how long it has run";
}
