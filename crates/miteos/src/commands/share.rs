//! `miteos share …`: what is public, and the end of that.

use miteos_client::api::{ListPreviews, ListShares, ListedPreviewLink, Preview, SharedDeliverable};
use miteos_client::{Client, ClientError};
use serde::Serialize;

use crate::cli::Share;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::shares as show;

/// Rows that are asked for at once; the most that the contract allows.
const PAGE: i64 = 100;
/// How the ids of deployments begin.
const DEPLOYMENT: &str = "dep_";

/// All that somebody without a key can see.
#[derive(Serialize)]
struct Public {
    shares: Vec<SharedDeliverable>,
    previews: Vec<Preview>,
}

pub async fn share(context: &Context<'_>, command: Share) -> Result<Exit, Failure> {
    let client = context.client()?;
    let theme = context.terminal.theme();
    match command {
        Share::List => {
            let public = Public { shares: shares(&client).await?, previews: previews(&client).await? };
            context.show(&public, || show::public(&public.shares, &public.previews, theme))
        }
        Share::Links { id } => {
            let links = links(&client, &id).await?;
            context.show(&links, || show::links(&links, theme))
        }
        Share::Revoke { id, link: Some(link) } => {
            client.revoke_preview_link(&id, &link).await?;
            context.done("revoked")
        }
        Share::Revoke { id, link: None } if id.starts_with(DEPLOYMENT) => {
            client.revoke_preview_links(&id).await?;
            context.done("revoked all links to this preview; who may open its address is as before")
        }
        Share::Revoke { id, link: None } => {
            client.revoke_share(&id).await?;
            context.done("revoked")
        }
    }
}

async fn shares(client: &Client) -> Result<Vec<SharedDeliverable>, Failure> {
    all(async |offset| {
        let query = ListShares { limit: Some(PAGE), offset: Some(offset), ..ListShares::default() };
        client.list_shares(&query).await.map(|page| (page.shares, page.total))
    })
    .await
}

async fn previews(client: &Client) -> Result<Vec<Preview>, Failure> {
    all(async |offset| {
        let query = ListPreviews { limit: Some(PAGE), offset: Some(offset) };
        client.list_previews(&query).await.map(|page| (page.previews, page.total))
    })
    .await
}

async fn links(client: &Client, id: &str) -> Result<Vec<ListedPreviewLink>, Failure> {
    all(async |offset| {
        let query = ListPreviews { limit: Some(PAGE), offset: Some(offset) };
        client.list_preview_links(id, &query).await.map(|page| (page.links, page.total))
    })
    .await
}

/// Page after page. What is revoked meanwhile ends the list early at most.
async fn all<T>(fetch: impl AsyncFn(i64) -> Result<(Vec<T>, u64), ClientError>) -> Result<Vec<T>, Failure> {
    let mut all = Vec::new();
    loop {
        let (page, total) = fetch(i64::try_from(all.len()).unwrap_or(i64::MAX)).await?;
        let is_last = page.is_empty();
        all.extend(page);
        if is_last || all.len() as u64 >= total {
            return Ok(all);
        }
    }
}
