//! Providers that are reached over HTTP: clouds, gateways, and model servers of one's own.
//!
//! The client library shapes requests and reads streams; this module bounds the call, checks what the library lets
//! pass, and makes an answer or an error of it. It makes one attempt.

mod counted;
mod failure;
mod http;
mod kept;
mod outgoing;
mod pieces;
mod reading;
mod redact;
mod watch;

use std::sync::OnceLock;

use async_trait::async_trait;
use genai::adapter::AdapterKind;
use genai::resolver::{AuthData, Endpoint as Address};
use genai::{Headers, ModelIden, ServiceTarget};

use self::outgoing::Dialect;
use self::reading::Reading;
use self::redact::Redactor;
use crate::call::{Answer, Delta, Message, Request, RequestedCall};
use crate::config::Endpoint;
use crate::error::{ErrorKind, ModelError};
use crate::known::{Wire, known, stand_in};
use crate::name::ModelName;
use crate::prices;
use crate::provider::Provider;

pub use self::http::{
    CALL_TIMEOUT, CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT, IDLE_TIMEOUT, LOCAL_FIRST_BYTE_TIMEOUT,
    MAX_ANSWER_BYTES, MAX_STREAM_BYTES,
};
pub(crate) use self::http::{Http, Limits, is_loopback};

/// One provider over HTTP.
pub(crate) struct Cloud {
    name: String,
    wire: Wire,
    adapter: AdapterKind,
    base_url: String,
    /// The address is not the provider's own.
    is_stand_in: bool,
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
        let stand_in = stand_in(name, endpoint);
        let base_url = match (stand_in, known) {
            (Some(url), _) => Endpoint::slashed(url),
            (None, Some(known)) => known.base_url.to_owned(),
            (None, None) => String::new(),
        };
        let wire = match known {
            // Servers that copy OpenAI copy its chat completions.
            Some(known) if known.wire == Wire::Responses && stand_in.is_some() => Wire::Chat,
            Some(known) => known.wire,
            None => Wire::Chat,
        };
        Self {
            name: name.to_owned(),
            wire,
            adapter: known.map_or(AdapterKind::OpenAI, |known| known.adapter),
            base_url,
            is_stand_in: stand_in.is_some(),
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
        let official = known(&self.name).is_some_and(|known| !known.is_local()) && !self.is_stand_in;
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
        let mut reading = Reading::new(self, request);
        let outcome = match tokio::time::timeout(whole, reading.run(on_delta)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.passing(&format!("was not done after {} s", whole.as_secs()))),
        };
        outcome.map_err(|error| reading.accounted(error))
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
        Message::User { text } => text.len(),
        Message::ToolResult { tool, text, .. } => tool.len() + text.len(),
        Message::Assistant { text, calls, opaque } => {
            let calls: usize = calls.iter().map(|call| call.tool.len() + call.arguments.len()).sum();
            // Thoughts that are sent back are read like what was said.
            text.len() + calls + opaque.as_ref().map_or(0, |kept| kept.to_string().len())
        }
    }
}

#[cfg(test)]
mod tests;
