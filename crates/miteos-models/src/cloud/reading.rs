//! Reads one answer to its end, and makes an answer or an error of it, with what it has cost.

use std::sync::Arc;

use futures::StreamExt;
use genai::chat::{ChatStream, ChatStreamEvent, StopReason, StreamEnd, ToolCall};
use miteos_core::chat::guess_tokens;
use miteos_core::money::Usage;
use serde_json::Value;

use super::counted::Counted;
use super::http::Limits;
use super::kept::Kept;
use super::outgoing::{self, Dialect};
use super::watch::{Seen, Watch};
use super::{Cloud, call_bytes, failure, request_bytes};
use crate::call::{Answer, Delta, Finish, Request, RequestedCall};
use crate::error::{ErrorKind, ModelError};
use crate::known::Wire;

/// An answer that is being read.
pub(super) struct Reading<'a> {
    cloud: &'a Cloud,
    request: &'a Request,
    dialect: Dialect,
    watch: Arc<Watch>,
    text: String,
    reasoning: String,
    /// How many calls were announced.
    named: usize,
    /// The calls so far, outside of chat completions.
    streamed: Vec<ToolCall>,
}

impl<'a> Reading<'a> {
    pub fn new(cloud: &'a Cloud, request: &'a Request) -> Self {
        let dialect = cloud.dialect(&request.model);
        Self {
            cloud,
            request,
            dialect,
            watch: Arc::new(Watch::new(dialect.wire)),
            text: String::new(),
            reasoning: String::new(),
            named: 0,
            streamed: Vec::new(),
        }
    }

    /// Sends the request and reads the answer.
    pub async fn run(&mut self, on_delta: &mut (dyn FnMut(Delta) + Send)) -> Result<Answer, ModelError> {
        let Cloud { name, redact, limits, .. } = self.cloud;
        let client = self.cloud.client()?;
        let options = outgoing::options(self.request, &self.dialect, limits)
            .with_raw_frame_sink_arc(self.watch.clone());
        let conversation = outgoing::conversation(self.request, &self.dialect);
        let target = self.cloud.target(&self.dialect, self.request);
        let response = client.exec_chat_stream(target, conversation, Some(&options)).await;
        let stream = response.map_err(|error| failure::classify(&error, None, name, redact))?.stream;
        let end = self.read_all(stream, on_delta).await?;
        self.answer(end)
    }

    /// An error with what the call has cost all the same: what the provider counted, else a guess once it had begun to
    /// answer.
    pub fn accounted(&self, error: ModelError) -> ModelError {
        let seen = self.watch.seen();
        let calls: usize = seen.calls.iter().map(|call| call.name.len() + call.arguments.len()).sum();
        let written = self.text.len() + self.reasoning.len() + calls + streamed_bytes(&self.streamed);
        let guessed = guess_tokens(written as u64);
        match seen.counted {
            Some(Counted { usage, has_output: true }) => error.with_usage(usage, false),
            Some(Counted { usage, has_output: false }) => {
                let output = usage.output.max(guessed);
                error.with_usage(Usage { output, ..usage }, output > usage.output)
            }
            None if written == 0 => error,
            None => {
                let input = guess_tokens(request_bytes(self.request));
                error.with_usage(Usage { input, output: guessed, ..Usage::default() }, true)
            }
        }
    }

    async fn read_all(
        &mut self,
        mut stream: ChatStream,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<StreamEnd, ModelError> {
        while let Some(event) = self.next(&mut stream).await? {
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
                    self.announce(chunk.tool_call, on_delta);
                }
                ChatStreamEvent::End(end) => {
                    self.within_limits()?;
                    return Ok(end);
                }
            }
            self.within_limits()?;
        }
        Err(self.cut())
    }

    /// The next event of the library. It buffers an event until it is whole, and the body of an error until its end,
    /// without a limit; so either has to be whole in time, however busily the provider sends.
    async fn next(
        &self,
        stream: &mut ChatStream,
    ) -> Result<Option<genai::Result<ChatStreamEvent>>, ModelError> {
        let Limits { first_byte, idle, .. } = self.cloud.limits;
        loop {
            let frames = self.watch.seen().frames;
            let patience = idle + if frames == 0 { first_byte } else { idle };
            match tokio::time::timeout(patience, stream.next()).await {
                Ok(event) => return Ok(event),
                // Comments, which keep the connection alive, are no events of the library.
                Err(_) if self.watch.seen().frames > frames => {}
                Err(_) => return Err(self.cloud.passing("sent no whole event in time")),
            }
        }
    }

    /// Tells a call's name once.
    fn announce(&mut self, call: ToolCall, on_delta: &mut (dyn FnMut(Delta) + Send)) {
        if self.dialect.wire == Wire::Chat {
            let seen = self.watch.seen();
            for call in seen.calls.iter().skip(self.named).take_while(|call| !call.name.is_empty()) {
                on_delta(Delta::ToolName(call.name.clone()));
                self.named += 1;
            }
            return;
        }
        match self.streamed.last_mut() {
            // Outside of chat completions a call's pieces carry all of it so far, and do not mix.
            Some(last) if last.call_id == call.call_id => *last = call,
            _ => {
                on_delta(Delta::ToolName(call.fn_name.clone()));
                self.streamed.push(call);
            }
        }
    }

    fn within_limits(&self) -> Result<(), ModelError> {
        let limits = &self.cloud.limits;
        let seen = self.watch.seen();
        let arguments: usize = seen.calls.iter().map(|call| call.arguments.len()).sum();
        let streamed = streamed_bytes(&self.streamed);
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

    fn answer(&mut self, mut end: StreamEnd) -> Result<Answer, ModelError> {
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
            usage: self.usage(&end, seen.counted, &calls),
            finish: finish(&stop, &seen, !calls.is_empty()),
            model: format!("{}/{model}", self.cloud.name),
            opaque,
            calls,
            text: std::mem::take(&mut self.text),
        })
    }

    /// What the provider counted; a side that it did not count is guessed high, because nothing would look free.
    fn usage(&self, end: &StreamEnd, counted: Option<Counted>, calls: &[RequestedCall]) -> Usage {
        let captured = captured_usage(end).filter(|usage| usage.total() > 0);
        let mut usage = captured.or(counted.map(|counted| counted.usage)).unwrap_or_default();
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

/// What the library passes on of the provider's count.
fn captured_usage(end: &StreamEnd) -> Option<Usage> {
    let count = |tokens: Option<i32>| tokens.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let told = end.captured_usage.clone()?;
    let prompt = told.prompt_tokens_details.unwrap_or_default();
    let reasoning = count(told.completion_tokens_details.and_then(|details| details.reasoning_tokens));
    Some(Usage {
        input: count(told.prompt_tokens),
        // Some count the thoughts apart when there was nothing else.
        output: count(told.completion_tokens).max(reasoning),
        cache_read: count(prompt.cached_tokens),
        cache_write: count(prompt.cache_creation_tokens),
        reasoning,
    })
}

fn streamed_bytes(calls: &[ToolCall]) -> usize {
    calls.iter().map(|call| call.fn_arguments.as_str().map_or(0, str::len)).sum()
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
        // OpenAI's responses have one word for all.
        StopReason::MaxTokens(word) if word == "incomplete" => match seen.incomplete.as_deref() {
            None | Some("max_output_tokens" | "max_tokens") => Finish::Length,
            Some("content_filter") => Finish::Refused,
            Some(_) => Finish::Other,
        },
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
