//! Providers that are reached over HTTP: clouds, gateways, and model servers of one's own.
//!
//! The client library shapes requests and reads streams; this module bounds the call, checks what the library lets
//! pass, and makes an answer or an error of it. It makes one attempt.

mod failure;
mod http;
mod kept;
mod outgoing;
mod redact;
mod watch;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures::StreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{ChatStream, ChatStreamEvent, StopReason, StreamEnd, ToolCall};
use genai::resolver::{AuthData, Endpoint as Address};
use genai::{Headers, ModelIden, ServiceTarget};
use miteos_core::chat::guess_tokens;
use miteos_core::money::Usage;
use serde_json::Value;

use self::kept::Kept;
use self::outgoing::Dialect;
use self::redact::Redactor;
use self::watch::{Seen, Watch};
use crate::call::{Answer, Delta, Finish, Message, Request, RequestedCall};
use crate::config::Endpoint;
use crate::error::{ErrorKind, ModelError};
use crate::known::{Wire, known};
use crate::name::ModelName;
use crate::prices;
use crate::provider::Provider;

pub use self::http::{
    CALL_TIMEOUT, CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT, IDLE_TIMEOUT, LOCAL_FIRST_BYTE_TIMEOUT,
    MAX_ANSWER_BYTES, MAX_STREAM_BYTES,
};
pub(crate) use self::http::{Http, Limits};

/// One provider over HTTP.
pub(crate) struct Cloud {
    name: String,
    wire: Wire,
    adapter: AdapterKind,
    base_url: String,
    endpoint: Endpoint,
    redact: Redactor,
    limits: Limits,
    http: Http,
    client: OnceLock<Result<genai::Client, String>>,
}

impl Cloud {
    /// A known provider, or any other server that speaks OpenAI's chat completions.
    pub fn new(name: &str, endpoint: &Endpoint, limits: Limits, http: &Http) -> Self {
        let known = known(name);
        let base_url = match (&endpoint.base_url, known) {
            (Some(url), _) => Endpoint::slashed(url),
            (None, Some(known)) => known.base_url.to_owned(),
            (None, None) => String::new(),
        };
        let wire = match known {
            // Servers that copy OpenAI copy its chat completions.
            Some(known) if known.wire == Wire::Responses && endpoint.base_url.is_some() => Wire::Chat,
            Some(known) => known.wire,
            None => Wire::Chat,
        };
        Self {
            name: name.to_owned(),
            wire,
            adapter: known.map_or(AdapterKind::OpenAI, |known| known.adapter),
            base_url,
            endpoint: endpoint.clone(),
            redact: Redactor::new(endpoint),
            limits,
            http: http.clone(),
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> Result<&genai::Client, ModelError> {
        let made = self.client.get_or_init(|| {
            let client = self.http.for_address(&self.base_url)?;
            genai::Client::builder().with_reqwest(client).build().map_err(|error| error.to_string())
        });
        made.as_ref().map_err(|reason| {
            let message = format!("model provider {} cannot be called from this machine", self.name);
            ModelError::new(ErrorKind::Fatal, message).with_source(self.redact.clean_long(reason))
        })
    }

    fn dialect(&self, model: &ModelName) -> Dialect {
        let row = prices::look_up(model).copied().unwrap_or_default();
        let mut quirks = row.quirks;
        let (wire, adapter) = match self.wire {
            Wire::Responses if quirks.responses_only || quirks.reasons || row == prices::Row::default() => {
                (Wire::Responses, AdapterKind::OpenAIResp)
            }
            // Older models without thoughts to give back.
            Wire::Responses => (Wire::Chat, self.adapter),
            wire => (wire, self.adapter),
        };
        if self.wire == Wire::Responses && row == prices::Row::default() {
            // Newer than the table, so like the newest in it.
            quirks = prices::Quirks { reasons: true, refuses_temperature: true, ..quirks };
        }
        let official =
            known(&self.name).is_some_and(|known| !known.is_local()) && self.endpoint.base_url.is_none();
        Dialect { wire, adapter, quirks, compatible: wire == Wire::Chat && !official }
    }

    fn target(&self, dialect: &Dialect, request: &Request) -> ServiceTarget {
        let auth = match &self.endpoint.key {
            Some(key) => AuthData::Key(key.expose().to_owned()),
            // The library knows no server without a key, so the whole address and no headers are given.
            None if dialect.wire == Wire::Chat => AuthData::RequestOverride {
                url: Endpoint::with_path(&self.base_url, "chat/completions"),
                headers: Headers::default(),
            },
            None => AuthData::Key(String::new()),
        };
        ServiceTarget {
            endpoint: Address::from_owned(self.base_url.clone()),
            auth,
            model: ModelIden::new(dialect.adapter, request.model.model().to_owned()),
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<Answer, ModelError> {
        let client = self.client()?;
        let dialect = self.dialect(&request.model);
        let watch = Arc::new(Watch::new(dialect.wire));
        let options =
            outgoing::options(request, &dialect, &self.limits).with_raw_frame_sink_arc(watch.clone());
        let conversation = outgoing::conversation(request, &dialect);
        let target = self.target(&dialect, request);
        let response = client.exec_chat_stream(target, conversation, Some(&options)).await;
        let stream =
            response.map_err(|error| failure::classify(&error, None, &self.name, &self.redact))?.stream;
        let mut reading = Reading {
            cloud: self,
            request,
            dialect,
            watch,
            text: String::new(),
            reasoning: String::new(),
            named: 0,
        };
        let end = reading.read_all(stream, on_delta).await?;
        reading.into_answer(end)
    }

    fn passing(&self, what: &str) -> ModelError {
        ModelError::new(
            ErrorKind::Transient { retry_after_ms: None },
            format!("model provider {} {what}", self.name),
        )
        .perhaps_billed(true)
    }
}

#[async_trait]
impl Provider for Cloud {
    async fn call(
        &self,
        request: &Request,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<Answer, ModelError> {
        let whole = self.limits.whole;
        match tokio::time::timeout(whole, self.attempt(request, on_delta)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.passing(&format!("was not done after {} s", whole.as_secs()))),
        }
    }
}

/// An answer that is being read.
struct Reading<'a> {
    cloud: &'a Cloud,
    request: &'a Request,
    dialect: Dialect,
    watch: Arc<Watch>,
    text: String,
    reasoning: String,
    /// How many calls were announced.
    named: usize,
}

impl Reading<'_> {
    async fn read_all(
        &mut self,
        mut stream: ChatStream,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<StreamEnd, ModelError> {
        let mut streamed: Vec<ToolCall> = Vec::new();
        while let Some(event) = stream.next().await {
            let event = event.map_err(|error| self.failed(&error))?;
            match event {
                ChatStreamEvent::Start
                | ChatStreamEvent::Heartbeat
                | ChatStreamEvent::ThoughtSignatureChunk(_) => {}
                ChatStreamEvent::Chunk(chunk) => {
                    self.text.push_str(&chunk.content);
                    on_delta(Delta::Text(chunk.content));
                }
                ChatStreamEvent::ReasoningChunk(chunk) => {
                    self.reasoning.push_str(&chunk.content);
                    on_delta(Delta::Reasoning(chunk.content));
                }
                ChatStreamEvent::ToolCallChunk(chunk) => {
                    self.announce(chunk.tool_call, &mut streamed, on_delta);
                }
                ChatStreamEvent::End(end) => {
                    self.within_limits(&streamed)?;
                    return Ok(end);
                }
            }
            self.within_limits(&streamed)?;
        }
        Err(self.cut())
    }

    /// Tells a call's name once.
    fn announce(
        &mut self,
        call: ToolCall,
        streamed: &mut Vec<ToolCall>,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) {
        if self.dialect.wire == Wire::Chat {
            let seen = self.watch.seen();
            for call in seen.calls.iter().skip(self.named).take_while(|call| !call.name.is_empty()) {
                on_delta(Delta::ToolName(call.name.clone()));
                self.named += 1;
            }
            return;
        }
        match streamed.last_mut() {
            // Outside of chat completions a call's pieces carry all of it so far, and do not mix.
            Some(last) if last.call_id == call.call_id => *last = call,
            _ => {
                on_delta(Delta::ToolName(call.fn_name.clone()));
                streamed.push(call);
            }
        }
    }

    fn within_limits(&self, streamed: &[ToolCall]) -> Result<(), ModelError> {
        let limits = &self.cloud.limits;
        let seen = self.watch.seen();
        let arguments: usize = seen.calls.iter().map(|call| call.arguments.len()).sum();
        let streamed: usize =
            streamed.iter().map(|call| call.fn_arguments.as_str().map_or(0, str::len)).sum();
        if self.text.len() + self.reasoning.len() + arguments + streamed > limits.answer_bytes
            || seen.bytes > limits.stream_bytes
        {
            let name = &self.cloud.name;
            let most = limits.answer_bytes;
            let message =
                format!("the answer of model provider {name} is larger than the {most} bytes that are taken");
            return Err(ModelError::new(ErrorKind::Fatal, message).perhaps_billed(true));
        }
        if seen.garbled {
            return Err(self.cloud.passing("sent something that is no JSON or no answer"));
        }
        Ok(())
    }

    fn failed(&self, error: &genai::Error) -> ModelError {
        let mut seen = self.watch.seen();
        if self.dialect.wire == Wire::Gemini
            && let Some(reason) = seen.incomplete.take()
        {
            return refused_prompt(&self.cloud.name, &reason);
        }
        failure::classify(error, seen.failure.take(), &self.cloud.name, &self.cloud.redact)
    }

    /// The stream ended without its finish marker.
    fn cut(&self) -> ModelError {
        let seen = self.watch.seen();
        match (&seen.failure, &seen.incomplete) {
            (Some(body), _) => failure::told_in_stream(body, &self.cloud.name, &self.cloud.redact),
            (None, Some(reason)) if self.dialect.wire == Wire::Gemini => {
                refused_prompt(&self.cloud.name, reason)
            }
            (None, _) if seen.bytes == 0 => self.cloud.passing("sent no stream of events"),
            (None, _) => self.cloud.passing("cut its answer off"),
        }
    }

    fn into_answer(self, mut end: StreamEnd) -> Result<Answer, ModelError> {
        let Some(stop) = end.captured_stop_reason.take() else { return Err(self.cut()) };
        if stop.raw() == "MALFORMED_FUNCTION_CALL" {
            return Err(self.cloud.passing("wrote a call that it could not finish itself"));
        }
        let mut seen = self.watch.seen();
        let wire = self.dialect.wire;
        let opaque = Kept::of(&self.cloud.name, wire, &end, &mut seen, &self.reasoning);
        let calls = match wire {
            Wire::Chat => std::mem::take(&mut seen.calls)
                .into_iter()
                .map(|call| RequestedCall::from_text(call.name, call.arguments))
                .collect(),
            Wire::Responses | Wire::Anthropic | Wire::Gemini => captured_calls(&end),
        };
        let model = seen.model.take().unwrap_or_else(|| self.request.model.model().to_owned());
        Ok(Answer {
            usage: self.usage(&end, &calls),
            finish: finish(&stop, &seen, !calls.is_empty()),
            model: format!("{}/{model}", self.cloud.name),
            opaque,
            calls,
            text: self.text,
        })
    }

    /// What the provider counted; a side that it did not count is guessed high, because nothing would look free.
    fn usage(&self, end: &StreamEnd, calls: &[RequestedCall]) -> Usage {
        let count = |tokens: Option<i32>| tokens.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let told = end.captured_usage.clone().unwrap_or_default();
        let prompt = told.prompt_tokens_details.unwrap_or_default();
        let reasoning = count(told.completion_tokens_details.and_then(|details| details.reasoning_tokens));
        let mut usage = Usage {
            input: count(told.prompt_tokens),
            // Some count the thoughts apart when there was nothing else.
            output: count(told.completion_tokens).max(reasoning),
            cache_read: count(prompt.cached_tokens),
            cache_write: count(prompt.cache_creation_tokens),
            reasoning,
        };
        if usage.input == 0 {
            usage.input = guess_tokens(request_bytes(self.request));
        }
        if usage.output == 0 {
            let calls: usize = calls.iter().map(call_bytes).sum();
            usage.output = guess_tokens((self.text.len() + self.reasoning.len() + calls) as u64);
        }
        usage
    }
}

fn refused_prompt(provider: &str, reason: &str) -> ModelError {
    ModelError::new(ErrorKind::Refused, format!("model provider {provider} refuses this content ({reason})"))
}

fn captured_calls(end: &StreamEnd) -> Vec<RequestedCall> {
    let calls = end.captured_content.iter().flat_map(|content| content.tool_calls());
    calls
        .map(|call| match &call.fn_arguments {
            Value::String(raw) => RequestedCall::from_text(call.fn_name.clone(), raw.clone()),
            Value::Null => RequestedCall::from_text(call.fn_name.clone(), String::new()),
            other => RequestedCall::from_text(call.fn_name.clone(), other.to_string()),
        })
        .collect()
}

fn finish(stop: &StopReason, seen: &Seen, has_calls: bool) -> Finish {
    match stop {
        // OpenAI's responses call both "incomplete".
        StopReason::MaxTokens(_) if seen.incomplete.as_deref() == Some("content_filter") => Finish::Refused,
        StopReason::MaxTokens(_) => Finish::Length,
        StopReason::ContentFilter(_) => Finish::Refused,
        // Not every server says so when it calls.
        StopReason::Completed(_) | StopReason::ToolCall(_) | StopReason::StopSequence(_) if has_calls => {
            Finish::ToolCalls
        }
        StopReason::Completed(_) | StopReason::ToolCall(_) | StopReason::StopSequence(_) => Finish::Stop,
        StopReason::Other(_) => Finish::Other,
    }
}

fn call_bytes(call: &RequestedCall) -> usize {
    let arguments = match &call.arguments {
        Ok(value) => value.to_string().len(),
        Err(raw) => raw.len(),
    };
    call.tool.len() + arguments
}

/// The bytes of a request that a model reads.
pub(crate) fn request_bytes(request: &Request) -> u64 {
    let tools: usize =
        request.tools.iter().map(|t| t.name.len() + t.description.len() + t.schema.to_string().len()).sum();
    let messages: usize = request.messages.iter().map(message_bytes).sum();
    (request.system.len() + tools + messages) as u64
}

fn message_bytes(message: &Message) -> usize {
    match message {
        Message::User { text } | Message::ToolResult { text, .. } => text.len(),
        Message::Assistant { text, calls, .. } => {
            text.len() + calls.iter().map(|call| call.tool.len() + call.arguments.len()).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests;
