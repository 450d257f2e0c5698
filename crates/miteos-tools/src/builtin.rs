//! The built-in tools, one or a family a file, and what they have in common.

mod code_exec;
mod delete_file;
mod edit_file;
mod list_files;
mod memory;
mod message_agent;
mod publish;
mod read_file;
mod search_files;
mod web_fetch;
mod web_search;
mod write_file;

use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::content::MAX_INLINE_BYTES;
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::tool::{Needs, Settled, Tool, ToolContext, ToolError, ToolOutput};

/// The folder of `.miteos/` that has the receipts of edits.
pub(crate) const RECEIPTS: &str = edit_file::RECEIPTS;

/// Results of the file tools stay below this (bytes), so that they are never stored as a file which would have to be
/// read by a file tool again.
const MAX_FILE_RESULT_BYTES: usize = MAX_INLINE_BYTES - 256;

const EVERYBODY: [AgentType; 6] = AgentType::ALL;
const CODERS: [AgentType; 3] = [AgentType::Builder, AgentType::Analyst, AgentType::Researcher];

/// Every built-in tool, in the order in which models see them.
pub(crate) fn all() -> Vec<Arc<dyn Tool>> {
    vec![
        list_files::tool(),
        read_file::tool(),
        search_files::tool(),
        write_file::tool(),
        edit_file::tool(),
        delete_file::tool(),
        code_exec::tool(),
        web_search::tool(),
        web_fetch::tool(),
        publish::tool(),
        message_agent::tool(),
        memory::remember(),
        memory::recall(),
    ]
}

/// What a built-in tool says of itself.
struct Declared {
    name: &'static str,
    description: &'static str,
    schema: Value,
    agents: &'static [AgentType],
    risk: Risk,
    read_only: bool,
    retry: RetryClass,
}

/// What a built-in tool does.
#[async_trait]
trait Work: Send + Sync + 'static {
    fn needs(&self) -> Needs {
        Needs::Nothing
    }

    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError>;

    async fn settle(&self, _ctx: &ToolContext) -> Result<Settled, ToolError> {
        Ok(Settled::Unknown)
    }

    /// Whether it leaves receipts although it may be repeated.
    fn leaves_receipts(&self) -> bool {
        false
    }
}

struct Builtin<W> {
    spec: ToolSpec,
    agents: &'static [AgentType],
    risk: Risk,
    read_only: bool,
    retry: RetryClass,
    work: W,
}

fn declare<W: Work>(declared: Declared, work: W) -> Arc<dyn Tool> {
    let Declared { name, description, schema, agents, risk, read_only, retry } = declared;
    let spec = ToolSpec { name: name.to_owned(), description: description.to_owned(), schema };
    Arc::new(Builtin { spec, agents, risk, read_only, retry, work })
}

#[async_trait]
impl<W: Work> Tool for Builtin<W> {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn agents(&self) -> &[AgentType] {
        self.agents
    }

    fn needs(&self) -> Needs {
        self.work.needs()
    }

    fn risk(&self, _input: &Value) -> Risk {
        self.risk
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn retry(&self) -> RetryClass {
        self.retry
    }

    fn leaves_notes(&self) -> bool {
        self.retry == RetryClass::Once || self.work.leaves_receipts()
    }

    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        if ctx.cancel.is_cancelled() {
            return Err(ToolError::Cancelled);
        }
        self.work.run(ctx, input).await
    }

    async fn settle(&self, ctx: &ToolContext, _input: Value) -> Result<Settled, ToolError> {
        self.work.settle(ctx).await
    }
}

/// The arguments as the tool's own type. They have passed the schema; what still does not fit is told to the model.
fn arguments<T: DeserializeOwned>(input: Value) -> Result<T, ToolError> {
    serde_json::from_value(input).map_err(|error| ToolError::Failed(format!("wrong arguments: {error}")))
}

#[cfg(test)]
mod tests;
