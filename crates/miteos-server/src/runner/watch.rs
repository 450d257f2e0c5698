//! What operators see of a call: its place in the figures and its span. It decides nothing.

use miteos_core::ids::CallId;
use miteos_core::money::{MicroUsd, Usage};
use miteos_models::{Answer, ErrorKind, ModelName, Request};
use miteos_tools::{ToolError, ToolOutput};

use super::Deps;
use crate::metrics::{ANSWERED, UnderWay};
use crate::traces::Open;

/// A model call under way.
pub struct ModelWatch<'a> {
    deps: &'a Deps,
    model: &'a ModelName,
    under_way: UnderWay,
    pub span: Open,
}

impl<'a> ModelWatch<'a> {
    pub fn begin(deps: &'a Deps, request: &'a Request) -> Self {
        let under_way = deps.tasks.metrics.model_begins();
        Self { deps, model: &request.model, under_way, span: deps.traces.chat(request) }
    }

    pub fn answered(&self, answer: &Answer, cost: Option<MicroUsd>, refused: bool) {
        self.span.answered(answer, cost, &self.deps.traces);
        self.deps.tasks.metrics.model_used(self.model, &answer.usage, cost);
        match refused {
            true => self.ended("refused"),
            false => self.deps.tasks.metrics.model_called(self.model, self.under_way.ended(ANSWERED)),
        }
    }

    pub fn failed(&self, kind: ErrorKind) {
        self.ended(match kind {
            ErrorKind::RateLimited { .. } => "rate_limited",
            ErrorKind::Transient { .. } => "transient",
            ErrorKind::TooLong => "too_long",
            ErrorKind::Refused => "refused",
            ErrorKind::Auth => "auth",
            ErrorKind::Fatal => "fatal",
        });
    }

    /// What a call without an answer was billed for.
    pub fn used(&self, usage: &Usage, cost: Option<MicroUsd>) {
        self.deps.tasks.metrics.model_used(self.model, usage, cost);
    }

    /// Nobody wants its answer any more.
    pub fn dropped(&self) {
        self.ended("dropped");
    }

    fn ended(&self, outcome: &'static str) {
        self.span.failed(outcome);
        self.deps.tasks.metrics.model_called(self.model, self.under_way.ended(outcome));
    }
}

/// A tool call under way. `tool` is one of the registry's.
pub struct ToolWatch<'a> {
    deps: &'a Deps,
    tool: &'a str,
    under_way: UnderWay,
    pub span: Open,
}

impl<'a> ToolWatch<'a> {
    pub fn begin(deps: &'a Deps, tool: &'a str, call: CallId, arguments: impl FnOnce() -> String) -> Self {
        let under_way = deps.tasks.metrics.tool_begins();
        Self { deps, tool, under_way, span: deps.traces.tool(tool, call, arguments) }
    }

    pub fn ended(&self, outcome: &Result<ToolOutput, ToolError>) {
        let word = match outcome {
            Ok(output) => {
                self.span.gave(|| output.text.clone(), &self.deps.traces);
                "ok"
            }
            Err(ToolError::Failed(text)) => {
                self.span.gave(|| text.clone(), &self.deps.traces);
                "failed"
            }
            Err(ToolError::Cancelled) => "cancelled",
            Err(ToolError::Internal { .. }) => "error",
        };
        if word != "ok" {
            self.span.failed(word);
        }
        self.deps.tasks.metrics.tool_called(self.tool, self.under_way.ended(word));
    }

    /// A process that is gone had begun it: nothing was run now, or nobody knows.
    pub fn settled(&self) {
        self.deps.tasks.metrics.tool_called(self.tool, self.under_way.ended("settled"));
    }
}
