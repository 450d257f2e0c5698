//! `miteos key …` and `miteos usage`.

use miteos_client::api::{CreateApiKey, ListUsage};

use crate::cli;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::locate::World;
use crate::render::account;

/// Tasks in a report; the most the contract allows.
const PAGE: i64 = 100;

pub async fn key(context: &Context<'_>, command: cli::Key) -> Result<Exit, Failure> {
    let client = context.client()?;
    let theme = context.terminal.theme();
    match command {
        cli::Key::Create { name, scopes, environment, tier, expires, requests_per_minute } => {
            let own = match context.world() {
                World::Live => "live",
                World::Test => "test",
            };
            let asked = CreateApiKey {
                name,
                environment: environment.unwrap_or_else(|| own.to_owned()),
                scopes,
                tier,
                expires_at: expires,
                requests_per_minute,
            };
            let made = client.create_api_key(&asked).await?;
            context.show(&made, || account::made_key(&made, theme))
        }
        cli::Key::List => {
            let list = client.list_api_keys().await?;
            context.show(&list, || account::keys(&list, theme))
        }
        cli::Key::Revoke { id } => {
            client.revoke_api_key(&id).await?;
            context.done("revoked")
        }
    }
}

pub async fn usage(context: &Context<'_>, asked: cli::Usage) -> Result<Exit, Failure> {
    let query = ListUsage {
        from: asked.from,
        to: asked.to,
        group_by: Some(asked.by),
        limit: Some(PAGE),
        offset: None,
    };
    let usage = context.client()?.usage(&query).await?;
    context.show(&usage, || account::usage(&usage, context.terminal.theme()))
}
