//! From spans to the collector: a queue that loses what does not fit, and a thread that sends it in batches. The calls
//! go through the client for addresses of the server's owner.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use miteos_tools::http::header::{HeaderName, HeaderValue};
use miteos_tools::http::{Guarded, Method, Redirects, Request, Url};
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Response};
use opentelemetry_otlp::{Compression, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanLimits,
};
use tokio_util::sync::CancellationToken;

use super::config::{Sampling, TraceConfig};
use super::names;
use crate::errors::chain;
use crate::metrics::Metrics;

/// How often a batch is tried again that the collector could not take.
const RETRIES: usize = 1;
/// The most of the collector's answer that is read (bytes).
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Attributes of a span.
const MAX_ATTRIBUTES: u32 = 64;

/// Everything between a span and the collector.
pub fn provider(
    config: &TraceConfig,
    http: Guarded,
    metrics: Arc<Metrics>,
) -> Result<SdkTracerProvider, String> {
    let headers: HashMap<String, String> =
        config.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    let sender = Sender {
        http,
        metrics,
        runtime: tokio::runtime::Handle::current(),
        timeout: config.timeout,
        troubled: AtomicBool::new(false),
    };
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(sender)
        .with_endpoint(config.endpoint.as_str())
        .with_timeout(config.timeout)
        .with_headers(headers)
        .with_retry_policy(RetryPolicy::recommended().with_max_retries(RETRIES));
    if config.gzip {
        exporter = exporter.with_compression(Compression::Gzip);
    }
    let exporter = exporter.build().map_err(|error| chain(&error))?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(config.queue)
        .with_max_export_batch_size(config.batch)
        .with_scheduled_delay(config.delay)
        .build();
    let limits = SpanLimits { max_attributes_per_span: MAX_ATTRIBUTES, ..SpanLimits::default() };
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler(config.sampling))
        .with_span_limits(limits)
        .with_resource(resource(config))
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build());
    Ok(provider.build())
}

fn resource(config: &TraceConfig) -> Resource {
    let stated = config.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_schema_url(stated, names::SCHEMA_URL)
        .with_service_name(config.service.clone())
        .build()
}

fn sampler(sampling: Sampling) -> Sampler {
    let parent = |root| Sampler::ParentBased(Box::new(root));
    match sampling {
        Sampling::AlwaysOn => Sampler::AlwaysOn,
        Sampling::AlwaysOff => Sampler::AlwaysOff,
        Sampling::Ratio(share) => Sampler::TraceIdRatioBased(share),
        Sampling::ParentAlwaysOn => parent(Sampler::AlwaysOn),
        Sampling::ParentAlwaysOff => parent(Sampler::AlwaysOff),
        Sampling::ParentRatio(share) => parent(Sampler::TraceIdRatioBased(share)),
    }
}

/// Makes the calls on the server's own runtime: the thread that sends has none.
struct Sender {
    http: Guarded,
    metrics: Arc<Metrics>,
    runtime: tokio::runtime::Handle,
    timeout: Duration,
    /// The last batch was not taken; the log has been told.
    troubled: AtomicBool,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(
        &self,
        request: opentelemetry_http::Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())?;
        let mut call = Request::new(Method::POST, url, Redirects::Return).timeout(self.timeout).body(body);
        for (name, value) in &parts.headers {
            let (Ok(name), Ok(mut value)) =
                (HeaderName::from_bytes(name.as_str().as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
            else {
                continue;
            };
            value.set_sensitive(true);
            call = call.header(name, value);
        }
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let answer = http.send(call, &CancellationToken::new()).await?;
            let status = answer.status();
            Ok::<_, miteos_tools::http::HttpError>((status, answer.read_up_to(MAX_ANSWER_BYTES).await?))
        });
        match sent.await? {
            Ok((status, body)) => {
                self.took(status.is_success(), &format!("it answered {}", status.as_u16()));
                let answer = Response::builder().status(status.as_u16());
                Ok(answer.body(Bytes::from(body.bytes))?)
            }
            Err(error) => {
                self.metrics.trace_exported("unreachable");
                self.tell(false, &chain(&error));
                Err(error.into())
            }
        }
    }
}

impl Sender {
    fn took(&self, taken: bool, why: &str) {
        self.metrics.trace_exported(if taken { "taken" } else { "refused" });
        self.tell(taken, why);
    }

    /// Once when it begins to fail and once when it works again: not a line for each batch.
    fn tell(&self, taken: bool, why: &str) {
        if self.troubled.swap(!taken, Ordering::Relaxed) == taken {
            match taken {
                true => tracing::info!("the collector takes spans again"),
                false => tracing::warn!(why, "the collector takes no spans; they are lost until it does"),
            }
        }
    }
}
