//! `miteos agent …`

use crate::cli::Agent;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::show;

pub async fn agent(context: &Context<'_>, command: Agent) -> Result<Exit, Failure> {
    let client = context.client()?;
    match command {
        Agent::Get { id } => {
            let agent = client.agent(&id).await?;
            context.show(&agent, || show::agent(&agent, context.terminal.theme()))
        }
        Agent::Pause { id } => {
            client.pause_agent(&id).await?;
            context.done("paused; a running tool call finishes first")
        }
        Agent::Resume { id } => {
            client.resume_agent(&id).await?;
            context.done("resumed")
        }
        Agent::Cancel { id } => {
            client.cancel_agent(&id).await?;
            context.done("cancelled")
        }
        Agent::Guide { id, message } => {
            client.guide_agent(&id, &message).await?;
            context.done("told; it is in the agent's next model call")
        }
    }
}
