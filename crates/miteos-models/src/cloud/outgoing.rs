//! Turns a call into the client library's request. It knows what providers refuse, not how they answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use genai::adapter::AdapterKind;
use genai::chat::{
    CacheControl, ChatMessage, ChatOptions, ChatRequest, ChatRole, ContentPart, CustomPart, MessageContent,
    ReasoningEffort, Tool, ToolCall, ToolChoice as WireChoice, ToolResponse,
};
use serde_json::{Value, json};

use super::http::Limits;
use super::kept::Kept;
use crate::call::{CallRef, Message, Request, ToolChoice};
use crate::known::Wire;
use crate::prices::Quirks;

/// The longest idempotency key that is sent.
const MAX_KEY_BYTES: usize = 255;

/// How one provider is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub wire: Wire,
    pub adapter: AdapterKind,
    pub quirks: Quirks,
    /// A server that speaks OpenAI's chat completions but is not OpenAI's; it may know less of them.
    pub compatible: bool,
}

/// The conversation as the client library takes it.
pub(crate) fn conversation(request: &Request, dialect: &Dialect) -> ChatRequest {
    let mut writer =
        Writer { request, dialect, out: Vec::new(), ids: BTreeMap::new(), numbered: 0, open: Vec::new() };
    let system = system(request, dialect);
    if dialect.wire == Wire::Anthropic && !system.is_empty() {
        writer.out.push(ChatMessage::system(system.clone()).with_options(CacheControl::Ephemeral));
    }
    for message in &request.messages {
        writer.message(message);
    }
    writer.close_calls();
    let mut messages = writer.out;
    if dialect.wire == Wire::Anthropic
        && let Some(last) = messages.pop()
    {
        // What was marked in earlier calls is found again from here, so one mark behind the end is enough.
        messages.push(last.with_options(CacheControl::Ephemeral));
    }
    let mut conversation = ChatRequest::new(messages);
    if dialect.wire != Wire::Anthropic && !system.is_empty() {
        conversation = conversation.with_system(system);
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            Tool::new(tool.name.clone())
                .with_description(tool.description.clone())
                .with_schema(tool.schema.clone())
        });
        conversation = conversation.with_tools(tools);
    }
    conversation
}

/// A model that cannot be forced to call a function is told to.
fn system(request: &Request, dialect: &Dialect) -> String {
    match &request.choice {
        ToolChoice::Force(name) if dialect.quirks.refuses_forced_tool => {
            format!(
                "{}\n\nAnswer with exactly one call of the function `{name}` and no other text.",
                request.system
            )
        }
        ToolChoice::Force(_) | ToolChoice::Auto | ToolChoice::None => request.system.to_string(),
    }
}

struct Writer<'a> {
    request: &'a Request,
    dialect: &'a Dialect,
    out: Vec<ChatMessage>,
    /// The caller's call ids to those on the wire.
    ids: BTreeMap<&'a str, String>,
    numbered: usize,
    /// Calls of the last turn that have no result yet.
    open: Vec<&'a CallRef>,
}

impl<'a> Writer<'a> {
    fn message(&mut self, message: &'a Message) {
        match message {
            Message::User { text } => {
                self.close_calls();
                self.out.push(ChatMessage::user(some_text(text, "(empty)")));
            }
            Message::Assistant { text, calls, opaque } => {
                self.close_calls();
                self.assistant(text, calls, opaque.as_ref());
            }
            Message::ToolResult { call_id, tool, text, is_error } => {
                self.result(call_id, tool, text, *is_error);
            }
        }
    }

    fn assistant(&mut self, text: &Arc<str>, calls: &'a [CallRef], opaque: Option<&Value>) {
        let kept =
            opaque.and_then(|opaque| Kept::read(opaque, self.request.model.provider())).unwrap_or_default();
        let mut parts = kept.parts(self.dialect.wire, !calls.is_empty());
        if !text.trim().is_empty() {
            parts.push(ContentPart::Text(text.to_string()));
        }
        for (nth, call) in calls.iter().enumerate() {
            let wire_id = self.wire_id(&call.tool);
            self.ids.insert(&call.id, wire_id.clone());
            parts.push(ContentPart::ToolCall(ToolCall {
                call_id: wire_id,
                fn_name: call.tool.clone(),
                fn_arguments: arguments(&call.arguments),
                thought_signatures: kept.signatures_of(nth),
            }));
        }
        if parts.is_empty() {
            parts.push(ContentPart::Text("(no answer)".to_owned()));
        }
        self.open = calls.iter().collect();
        self.out.push(ChatMessage::assistant(MessageContent::from_parts(parts)));
    }

    /// Ids are numbered anew in the order of the conversation, which is the same in every call of it: providers
    /// differ in the length and letters they take, and nine letters and digits suit all of them. Gemini pairs
    /// results with calls by name and order.
    fn wire_id(&mut self, tool: &str) -> String {
        let nth = self.numbered;
        self.numbered += 1;
        match self.dialect.wire {
            Wire::Gemini => format!("call#{tool}#{nth}"),
            Wire::Chat | Wire::Responses | Wire::Anthropic => format!("c{nth:08}"),
        }
    }

    fn result(&mut self, call_id: &str, tool: &str, text: &Arc<str>, is_error: bool) {
        let Some(at) = self.open.iter().position(|call| call.id == call_id) else {
            // Its call was dropped from the history; providers refuse a result without one.
            self.close_calls();
            self.out.push(ChatMessage::user(format!("Result of an earlier call of {tool}:\n{text}")));
            return;
        };
        self.open.remove(at);
        let wire_id = self.ids.get(call_id).cloned().unwrap_or_default();
        let text = some_text(text, "(no output)");
        let part = if self.dialect.wire == Wire::Anthropic {
            let data =
                json!({"type": "tool_result", "tool_use_id": wire_id, "content": text, "is_error": is_error});
            ContentPart::Custom(CustomPart { model_iden: None, data })
        } else {
            ContentPart::ToolResponse(ToolResponse::new(wire_id, text).with_fn_name(tool))
        };
        // The results of one turn belong into one message.
        match self.out.last_mut() {
            Some(last) if last.role == ChatRole::Tool => last.content.push(part),
            _ => self.out.push(ChatMessage {
                role: ChatRole::Tool,
                content: MessageContent::from_parts(vec![part]),
                options: None,
            }),
        }
    }

    /// Providers refuse a turn whose calls are not all answered.
    fn close_calls(&mut self) {
        let none: Arc<str> = "(the result of this call was not kept)".into();
        while let Some(call) = self.open.first().copied() {
            self.result(&call.id, &call.tool, &none, true);
        }
    }
}

fn some_text(text: &str, otherwise: &str) -> String {
    if text.trim().is_empty() { otherwise.to_owned() } else { text.to_owned() }
}

/// Arguments of the past have to be an object, also where the model wrote none.
fn arguments(text: &str) -> Value {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => value,
        Ok(_) | Err(_) if text.trim().is_empty() => json!({}),
        Ok(_) | Err(_) => json!({"not_an_object": text}),
    }
}

/// The options of a call.
pub(crate) fn options(request: &Request, dialect: &Dialect, limits: &Limits) -> ChatOptions {
    let wire = dialect.wire;
    let mut options = ChatOptions::default()
        .with_stream_header_timeout(limits.first_byte)
        .with_stream_read_timeout(limits.idle)
        .with_max_tokens(request.max_output_tokens.max(1))
        .with_capture_usage(true)
        .with_capture_content(false)
        // Chat completions: see the watch.
        .with_capture_tool_calls(wire != Wire::Chat)
        .with_capture_reasoning_content(keeps_reasoning(dialect));
    if let Some(temperature) = request.temperature
        && !dialect.quirks.refuses_temperature
    {
        options = options.with_temperature(f64::from(temperature));
    }
    if let Some(choice) = choice(request, dialect) {
        options = options.with_tool_choice(choice);
    }
    if matches!(wire, Wire::Chat | Wire::Responses) {
        // Without a stated effort the library takes one from the model's name and cuts the name (mistral-medium).
        if dialect.adapter != AdapterKind::DeepSeek {
            options = options.with_reasoning_effort(ReasoningEffort::Budget(0));
        }
        // Leaves caching to the provider; the library would switch it off for want of marks.
        options = options.with_cache_control(CacheControl::Ephemeral5m);
    }
    if wire == Wire::Anthropic
        && matches!(request.choice, ToolChoice::Force(_))
        && !dialect.quirks.refuses_forced_tool
    {
        // Models that think unless told otherwise cannot be forced to call while they do.
        options = options.with_reasoning_effort(ReasoningEffort::Zero);
    }
    if let Some(body) = extra_body(request, dialect) {
        options = options.with_extra_body(body);
    }
    if let Some(key) = idempotency_key(&request.call_id)
        && wire != Wire::Gemini
    {
        options = options.with_extra_headers(("Idempotency-Key", key));
    }
    options
}

fn keeps_reasoning(dialect: &Dialect) -> bool {
    match dialect.wire {
        Wire::Anthropic => true,
        Wire::Responses | Wire::Gemini => dialect.quirks.reasons,
        Wire::Chat => dialect.adapter == AdapterKind::DeepSeek,
    }
}

fn choice(request: &Request, dialect: &Dialect) -> Option<WireChoice> {
    if request.tools.is_empty() {
        return None;
    }
    Some(match &request.choice {
        ToolChoice::Auto => WireChoice::Auto,
        ToolChoice::None => WireChoice::None,
        ToolChoice::Force(_) if dialect.quirks.refuses_forced_tool => WireChoice::Auto,
        // "Some tool" means the same where there is but one, and more servers know it.
        ToolChoice::Force(_) if dialect.compatible && request.tools.len() == 1 => WireChoice::Required,
        ToolChoice::Force(name) => WireChoice::Tool { name: name.clone() },
    })
}

fn extra_body(request: &Request, dialect: &Dialect) -> Option<Value> {
    let model = request.model.model();
    match dialect.wire {
        Wire::Chat => Some(json!({"model": model})),
        // The library asks for a summary of the thoughts, which OpenAI gives to verified organisations only.
        Wire::Responses if dialect.quirks.reasons => Some(json!({"model": model, "reasoning": null})),
        Wire::Responses | Wire::Anthropic => Some(json!({"model": model})),
        Wire::Gemini => None,
    }
}

fn idempotency_key(call_id: &str) -> Option<String> {
    let fits = !call_id.is_empty()
        && call_id.len() <= MAX_KEY_BYTES
        && call_id.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| call_id.to_owned())
}
