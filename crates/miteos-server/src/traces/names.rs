//! The names of attributes. Those of OpenTelemetry are of its semantic conventions 1.42.0, which the page
//! `docs/observability.md` says too; a later version changes both.

use axum::http::Method;
use miteos_models::Finish;

pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.42.0";

pub const HTTP_METHOD: &str = "http.request.method";
pub const HTTP_ROUTE: &str = "http.route";
pub const HTTP_STATUS: &str = "http.response.status_code";
pub const RESEND_COUNT: &str = "http.request.resend_count";
pub const URL_SCHEME: &str = "url.scheme";
pub const SERVER_ADDRESS: &str = "server.address";
pub const SERVER_PORT: &str = "server.port";
pub const ERROR_TYPE: &str = "error.type";

pub const OPERATION_NAME: &str = "gen_ai.operation.name";
pub const PROVIDER_NAME: &str = "gen_ai.provider.name";
pub const REQUEST_MODEL: &str = "gen_ai.request.model";
pub const REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
pub const REQUEST_TEMPERATURE: &str = "gen_ai.request.temperature";
pub const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub const CACHE_CREATION_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
pub const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
pub const CONVERSATION_ID: &str = "gen_ai.conversation.id";
pub const AGENT_ID: &str = "gen_ai.agent.id";
pub const AGENT_NAME: &str = "gen_ai.agent.name";
pub const TOOL_NAME: &str = "gen_ai.tool.name";
pub const TOOL_TYPE: &str = "gen_ai.tool.type";
pub const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
pub const TOOL_CALL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
pub const TOOL_CALL_RESULT: &str = "gen_ai.tool.call.result";
pub const SYSTEM_INSTRUCTIONS: &str = "gen_ai.system_instructions";
pub const INPUT_MESSAGES: &str = "gen_ai.input.messages";
pub const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";

pub const REQUEST_ID: &str = "miteos.request.id";
pub const CLIENT_REQUEST_ID: &str = "miteos.client_request.id";
pub const TASK_ID: &str = "miteos.task.id";
pub const TASK_STATUS: &str = "miteos.task.status";
pub const COST: &str = "miteos.cost.micro_dollars";
pub const WEBHOOK_ID: &str = "miteos.webhook.id";
pub const DELIVERY_ID: &str = "miteos.delivery.id";
pub const DEPLOYMENT_ID: &str = "miteos.deployment.id";
pub const DEPLOYMENT_TARGET: &str = "miteos.deployment.target";
pub const DEPLOYMENT_STATUS: &str = "miteos.deployment.status";
pub const EVENT_TYPE: &str = "miteos.event.type";

/// The conventions' word for all methods that are none of HTTP.
pub const OTHER_METHOD: &str = "_OTHER";

/// A method of HTTP, or the word for all others.
pub fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "CONNECT" => "CONNECT",
        _ => OTHER_METHOD,
    }
}

/// The conventions' name of a provider, where they have one.
pub fn provider(ours: &str) -> String {
    match ours {
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        other => other,
    }
    .to_owned()
}

pub fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::ToolCalls => "tool_calls",
        Finish::Length => "length",
        Finish::Refused => "content_filter",
        Finish::Other => "other",
    }
}
