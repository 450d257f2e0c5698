//! A stand-in for the other side of a call that must not happen twice: each payment leaves a line in a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::tool::{AgentType, RetryClass, Risk, ToolSpec};
use miteos_tools::{Settled, Tool, ToolContext, ToolError, ToolOutput};
use serde_json::{Value, json};

/// A payment over this is critical.
const SMALL: i64 = 100;

/// What the bank says when it is asked what became of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// The truth: done, or never begun.
    Truth,
    /// It cannot tell.
    Unknown,
    /// It does not answer.
    Nothing,
}

pub struct Bank {
    spec: ToolSpec,
    file: PathBuf,
    says: Says,
    /// A payment is made, but the answer never comes.
    silent: bool,
}

impl Bank {
    pub fn tool(folder: &Path, says: Says) -> Arc<dyn Tool> {
        Self::make(folder, says, false)
    }

    pub fn silent(folder: &Path, says: Says) -> Arc<dyn Tool> {
        Self::make(folder, says, true)
    }

    fn make(folder: &Path, says: Says, silent: bool) -> Arc<dyn Tool> {
        let schema = json!({"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"], "additionalProperties": false});
        let spec = ToolSpec { name: "pay".into(), description: "Pays.".into(), schema };
        Arc::new(Self { spec, file: folder.join("payments"), says, silent })
    }
}

/// The payments so far: the idempotency key, which attempt it was, and the amount.
pub fn payments(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("payments")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[async_trait]
impl Tool for Bank {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }
    fn agents(&self) -> &[AgentType] {
        &AgentType::ALL
    }
    fn risk(&self, input: &Value) -> Risk {
        // Without arguments nobody knows: the worst.
        if input["amount"].as_i64().is_some_and(|amount| amount <= SMALL) {
            Risk::Low
        } else {
            Risk::Critical
        }
    }
    fn read_only(&self) -> bool {
        false
    }
    fn retry(&self) -> RetryClass {
        RetryClass::Once
    }
    async fn run(&self, ctx: &ToolContext, input: Value) -> Result<ToolOutput, ToolError> {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.file).unwrap();
        writeln!(file, "{} {} {}", ctx.call_id, ctx.attempt, input["amount"]).unwrap();
        file.sync_all().unwrap();
        if self.silent {
            ctx.cancel.cancelled().await;
            return Err(ToolError::Cancelled);
        }
        Ok(ToolOutput::text(format!("paid {}", input["amount"])))
    }
    async fn settle(&self, ctx: &ToolContext, input: Value) -> Result<Settled, ToolError> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        match self.says {
            Says::Truth if text.contains(&ctx.call_id.to_string()) => {
                Ok(Settled::Done(ToolOutput::text(format!("paid {}", input["amount"]))))
            }
            Says::Truth => Ok(Settled::NotStarted),
            Says::Unknown => Ok(Settled::Unknown),
            Says::Nothing => Err(ToolError::failed("the bank does not answer")),
        }
    }
}
