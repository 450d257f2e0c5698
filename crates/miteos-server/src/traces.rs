//! Spans for a collector, as OpenTelemetry has them: requests, tasks, model calls, tool calls, deliveries, deployments.
//! Without a collector nothing is made. It never carries prompts, answers or file names unless the owner asked for messages, and
//! nothing waits for it: spans that cannot be sent in time are lost, and nothing else is.

mod config;
mod content;
mod deployments;
mod names;
mod sender;

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use miteos_core::ids::{AgentId, CallId, TaskId};
use miteos_core::money::MicroUsd;
use miteos_core::task::Task;
use miteos_core::tool::AgentType;
use miteos_models::{Answer, Request};
use miteos_store::{DeliveryRow, WebhookRow};
use miteos_tools::http::{Guarded, Url};
use opentelemetry::context::FutureExt;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

pub use config::TraceConfig;

use crate::metrics::Metrics;

/// Tasks of which is remembered whose request made them; of one more the spans begin a trace of their own.
const MAX_ORIGINS: usize = 10_000;

/// Makes spans, or does nothing.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Inner>>);

struct Inner {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    messages: bool,
    takes_parents: bool,
    /// The request that made a task, for as long as the task is not over and this process lives.
    origins: Mutex<HashMap<TaskId, Context>>,
}

/// Whose work is under way.
#[derive(Clone, Copy)]
struct Whose {
    task: TaskId,
    agent: Option<(AgentId, AgentType)>,
}

impl Traces {
    /// Sends to the collector of the configuration. An error says what is wrong with it.
    pub fn start(config: &TraceConfig, http: &Guarded, metrics: &Arc<Metrics>) -> Result<Self, String> {
        let provider = sender::provider(config, http.for_owner(), Arc::clone(metrics))?;
        let scope = InstrumentationScope::builder("miteos")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(names::SCHEMA_URL)
            .build();
        let inner = Inner {
            tracer: provider.tracer_with_scope(scope),
            provider,
            messages: config.messages,
            takes_parents: config.takes_parents,
            origins: Mutex::default(),
        };
        Ok(Self(Some(Arc::new(inner))))
    }

    /// Sends what is left, for so long at the most.
    pub async fn stop(&self, patience: Duration) {
        let Some(inner) = self.0.clone() else { return };
        // A thread of its own, since it blocks; its end is not waited for beyond the patience.
        let flushing = tokio::task::spawn_blocking(move || inner.provider.shutdown_with_timeout(patience));
        match tokio::time::timeout(patience, flushing).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => tracing::warn!("the last spans did not reach the collector"),
        }
    }

    /// A request. What the client's `traceparent` names is its parent.
    pub fn request(&self, headers: &HeaderMap, method: &Method, route: Option<&str>, id: &str) -> Open {
        let Some(inner) = &self.0 else { return Open(None) };
        let parent = match inner.takes_parents {
            true => {
                TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers))
            }
            false => Context::new(),
        };
        let known = names::known_method(method);
        let verb = if known == names::OTHER_METHOD { "HTTP" } else { known };
        let name = match route {
            Some(route) => format!("{verb} {route}"),
            None => verb.to_owned(),
        };
        let mut attributes = vec![
            KeyValue::new(names::HTTP_METHOD, known),
            KeyValue::new(names::URL_SCHEME, "http"),
            KeyValue::new(names::REQUEST_ID, id.to_owned()),
        ];
        attributes.extend(route.map(|route| KeyValue::new(names::HTTP_ROUTE, route.to_owned())));
        inner.open(name, SpanKind::Server, attributes, &parent)
    }

    /// The task was made by the request that is being answered.
    pub fn made(&self, task: TaskId) {
        let Some(inner) = &self.0 else { return };
        let mut origins = inner.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if origins.len() < MAX_ORIGINS {
            origins.insert(task, Context::current());
        }
    }

    /// The task is over.
    pub fn over(&self, task: TaskId) {
        let Some(inner) = &self.0 else { return };
        inner.origins.lock().unwrap_or_else(PoisonError::into_inner).remove(&task);
    }

    /// A stretch of a task: from when its runner takes it up to when it leaves it.
    pub fn turn(&self, task: &Task) -> Open {
        let Some(inner) = &self.0 else { return Open(None) };
        let origins = inner.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let parent = origins.get(&task.id).cloned().unwrap_or_default();
        drop(origins);
        let attributes = vec![
            KeyValue::new(names::TASK_ID, task.id.to_string()),
            KeyValue::new(names::CONVERSATION_ID, task.id.to_string()),
            KeyValue::new(names::TASK_STATUS, task.status().as_str()),
        ];
        inner.open("task", SpanKind::Internal, attributes, &parent)
    }

    /// A model call, below whatever is under way here.
    pub fn chat(&self, request: &Request) -> Open {
        let Some(inner) = &self.0 else { return Open(None) };
        let mut attributes = vec![
            KeyValue::new(names::OPERATION_NAME, "chat"),
            KeyValue::new(names::PROVIDER_NAME, names::provider(request.model.provider())),
            KeyValue::new(names::REQUEST_MODEL, request.model.model().to_owned()),
            KeyValue::new(names::REQUEST_MAX_TOKENS, i64::from(request.max_output_tokens)),
        ];
        if let Some(temperature) = request.temperature {
            attributes.push(KeyValue::new(names::REQUEST_TEMPERATURE, f64::from(temperature)));
        }
        if inner.messages {
            attributes.extend(content::asked(request));
        }
        let name = format!("chat {}", request.model.model());
        inner.open_below(name, SpanKind::Client, attributes)
    }

    /// A tool call, below whatever is under way here.
    pub fn tool(&self, tool: &str, call: CallId, arguments: impl FnOnce() -> String) -> Open {
        let Some(inner) = &self.0 else { return Open(None) };
        let mut attributes = vec![
            KeyValue::new(names::OPERATION_NAME, "execute_tool"),
            KeyValue::new(names::TOOL_NAME, tool.to_owned()),
            KeyValue::new(names::TOOL_TYPE, "function"),
            KeyValue::new(names::TOOL_CALL_ID, call.to_string()),
        ];
        if inner.messages {
            attributes.push(KeyValue::new(names::TOOL_CALL_ARGUMENTS, content::short(&arguments())));
        }
        inner.open_below(format!("execute_tool {tool}"), SpanKind::Internal, attributes)
    }

    /// One attempt to deliver to a webhook. Of its address only the host is told: the rest may be a secret.
    pub fn delivery(&self, webhook: &WebhookRow, delivery: &DeliveryRow) -> Open {
        let Some(inner) = &self.0 else { return Open(None) };
        let mut attributes = vec![
            KeyValue::new(names::HTTP_METHOD, "POST"),
            KeyValue::new(names::WEBHOOK_ID, webhook.id.to_string()),
            KeyValue::new(names::DELIVERY_ID, delivery.id.to_string()),
            KeyValue::new(names::EVENT_TYPE, delivery.kind.clone()),
            KeyValue::new(names::RESEND_COUNT, i64::from(delivery.attempts)),
        ];
        if let Ok(url) = Url::parse(&webhook.url) {
            attributes
                .extend(url.host_str().map(|host| KeyValue::new(names::SERVER_ADDRESS, host.to_owned())));
            let port = url.port_or_known_default();
            attributes.extend(port.map(|port| KeyValue::new(names::SERVER_PORT, i64::from(port))));
        }
        inner.open("POST".to_owned(), SpanKind::Client, attributes, &Context::new())
    }
}

impl Inner {
    fn open(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
        parent: &Context,
    ) -> Open {
        let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        let span = self.tracer.build_with_context(builder, parent);
        Open(Some(parent.with_span(span)))
    }

    fn open_below(&self, name: String, kind: SpanKind, mut attributes: Vec<KeyValue>) -> Open {
        let below = Context::current();
        if let Some(Whose { task, agent }) = below.get::<Whose>() {
            attributes.push(KeyValue::new(names::CONVERSATION_ID, task.to_string()));
            attributes.push(KeyValue::new(names::TASK_ID, task.to_string()));
            if let Some((id, kind)) = agent {
                attributes.push(KeyValue::new(names::AGENT_ID, id.to_string()));
                attributes.push(KeyValue::new(names::AGENT_NAME, kind.as_str()));
            }
        }
        self.open(name, kind, attributes, &below)
    }
}

/// An open span, or nothing. It ends when it is dropped.
pub struct Open(Option<Context>);

impl Open {
    /// What is begun inside of the work stands below this span.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }

    /// Where work of the task begins that runs beside this one.
    pub fn place(&self, task: &Task, agent: Option<AgentId>) -> Place {
        let context = self.0.as_ref().map(|context| {
            let agent = agent.and_then(|id| task.agent(id)).map(|agent| (agent.id, agent.kind));
            context.with_value(Whose { task: task.id, agent })
        });
        Place(context)
    }

    /// What the client calls the request.
    pub fn called_by_client(&self, id: &str) {
        self.set(|| vec![KeyValue::new(names::CLIENT_REQUEST_ID, id.to_owned())]);
    }

    /// The head of the answer is known.
    pub fn responded(&self, status: StatusCode) {
        self.set(|| vec![KeyValue::new(names::HTTP_STATUS, i64::from(status.as_u16()))]);
        if status.is_server_error() {
            self.failed(status.as_str());
        }
    }

    /// The model has answered.
    pub fn answered(&self, answer: &Answer, cost: Option<MicroUsd>, messages_of: &Traces) {
        self.set(|| {
            let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
            let model = answer.model.split_once('/').map_or(answer.model.as_str(), |(_, model)| model);
            let reasons = vec![StringValue::from(names::finish(answer.finish))];
            let mut attributes = vec![
                KeyValue::new(names::RESPONSE_MODEL, model.to_owned()),
                KeyValue::new(names::FINISH_REASONS, Value::Array(Array::String(reasons))),
                KeyValue::new(names::INPUT_TOKENS, count(answer.usage.input)),
                KeyValue::new(names::OUTPUT_TOKENS, count(answer.usage.output)),
            ];
            for (name, tokens) in [
                (names::CACHE_READ_TOKENS, answer.usage.cache_read),
                (names::CACHE_CREATION_TOKENS, answer.usage.cache_write),
                (names::REASONING_TOKENS, answer.usage.reasoning),
            ] {
                attributes.extend((tokens > 0).then(|| KeyValue::new(name, count(tokens))));
            }
            attributes.extend(cost.map(|cost| KeyValue::new(names::COST, count(cost.0))));
            if messages_of.0.as_ref().is_some_and(|inner| inner.messages) {
                attributes.push(content::answered(answer));
            }
            attributes
        });
    }

    /// The tool has given something back.
    pub fn gave(&self, output: impl FnOnce() -> String, messages_of: &Traces) {
        if messages_of.0.as_ref().is_some_and(|inner| inner.messages) {
            self.set(|| vec![KeyValue::new(names::TOOL_CALL_RESULT, content::short(&output()))]);
        }
    }

    /// It came to nothing, in one word. Messages of errors stay in the log: they may quote what nobody asked for here.
    pub fn failed(&self, kind: &str) {
        self.set(|| vec![KeyValue::new(names::ERROR_TYPE, kind.to_owned())]);
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(kind.to_owned()));
        }
    }

    /// As [`Self::failed`], if there is a word for it.
    pub fn failed_with(&self, kind: Option<&str>) {
        if let Some(kind) = kind {
            self.failed(kind);
        }
    }

    fn set(&self, attributes: impl FnOnce() -> Vec<KeyValue>) {
        if let Some(context) = &self.0
            && context.span().is_recording()
        {
            context.span().set_attributes(attributes());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

/// Where spans of some work belong.
pub struct Place(Option<Context>);

impl Place {
    /// The work, with its spans there.
    pub async fn with<T>(self, work: impl Future<Output = T>) -> T {
        match self.0 {
            Some(context) => work.with_context(context).await,
            None => work.await,
        }
    }
}
