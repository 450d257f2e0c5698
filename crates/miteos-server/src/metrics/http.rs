//! Requests, by operation. Every series is made at the start from the table of operations, so that no request of a
//! stranger makes one: what fits no operation is counted as `other`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Instant;

use axum::http::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Counters, Histograms, OTHER, Word, catalogue, short};
use crate::http::operations;

/// Classes of answers, as the label says them.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "gone"];
/// Where the one without an answer stands.
const GONE: usize = 5;

pub struct Http {
    operations: HashMap<String, Vec<(&'static str, Operation)>>,
    other: Operation,
    in_flight: Gauge,
}

#[derive(Clone)]
struct Operation {
    answers: [Counter; CLASSES.len()],
    seconds: Histogram,
}

impl Http {
    pub fn new(registry: &mut Registry) -> Self {
        let requests: Counters<3> = catalogue::REQUESTS.register(registry, Family::default());
        let constructor: fn() -> Histogram = short;
        let seconds: Histograms<2> =
            catalogue::REQUEST_SECONDS.register(registry, Family::new_with_constructor(constructor));
        let one = |method: &'static str, path: &str| {
            let names = [("method", Word::from(method)), ("path", Cow::Owned(path.to_owned()))];
            let [method, path] = names.clone();
            let answers = CLASSES.map(|class| {
                let labels = [method.clone(), path.clone(), ("status", class.into())];
                requests.get_or_create_owned(&labels)
            });
            Operation { answers, seconds: seconds.get_or_create_owned(&names) }
        };
        let mut operations: HashMap<String, Vec<_>> = HashMap::new();
        for operation in operations::operations() {
            let path = format!("/v1{}", operation.path);
            let counted = one(operation.method, &path);
            operations.entry(path).or_default().push((operation.method, counted));
        }
        let other = one(OTHER, OTHER);
        let in_flight = catalogue::REQUESTS_IN_FLIGHT.register(registry, Gauge::default());
        Self { operations, other, in_flight }
    }

    /// A request has come in. `path` is that of its operation, as the router names it.
    pub fn begin(&self, method: &Method, path: Option<&str>) -> InFlight {
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        let operation = path.and_then(|path| self.operations.get(path));
        let operation = operation.and_then(|methods| methods.iter().find(|(name, _)| *name == method));
        let operation = operation.map_or(&self.other, |(_, operation)| operation).clone();
        self.in_flight.inc();
        InFlight { operation, gauge: self.in_flight.clone(), begun: Instant::now(), class: GONE }
    }
}

/// A request that is being answered. Dropped without an answer, it counts as one whose client has gone.
pub struct InFlight {
    operation: Operation,
    gauge: Gauge,
    begun: Instant,
    class: usize,
}

impl InFlight {
    pub fn answered(mut self, status: StatusCode) {
        self.class = usize::from(status.as_u16() / 100).clamp(1, GONE) - 1;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
        self.operation.answers[self.class].inc();
        if self.class != GONE {
            self.operation.seconds.observe(self.begun.elapsed().as_secs_f64());
        }
    }
}
