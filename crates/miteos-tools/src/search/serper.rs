//! Serper: POST `/search`, key in `X-API-KEY`, hits in `organic`.

use reqwest::header::HeaderName;
use serde::Deserialize;
use serde_json::json;

use super::{Asker, Hit, SearchError};
use crate::http::Request;

#[derive(Deserialize)]
struct Answer {
    organic: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    title: String,
    link: String,
    #[serde(default)]
    snippet: String,
}

pub(super) async fn search(asker: &Asker<'_>, query: &str, limit: usize) -> Result<Vec<Hit>, SearchError> {
    let url = asker.url("https://google.serper.dev", "search")?;
    // Fewer than ten cost the same.
    let request = Request::post_json(url, &json!({"q": query, "num": limit.max(10)}))
        .secret_header(HeaderName::from_static("x-api-key"), asker.key());
    let answer: Answer = asker.json(request).await?;
    Ok(answer.organic.into_iter().map(|f| Hit { title: f.title, url: f.link, snippet: f.snippet }).collect())
}
