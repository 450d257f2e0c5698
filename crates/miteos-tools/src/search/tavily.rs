//! Tavily: POST `/search`, key as bearer, hits in `results`.

use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::json;

use super::{Asker, Hit, SearchError};
use crate::http::Request;

/// The service gives no more than this at once.
const MAX_RESULTS: usize = 20;

#[derive(Deserialize)]
struct Answer {
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    title: String,
    url: String,
    #[serde(default)]
    content: String,
}

pub(super) async fn search(asker: &Asker<'_>, query: &str, limit: usize) -> Result<Vec<Hit>, SearchError> {
    let url = asker.url("https://api.tavily.com", "search")?;
    let body = json!({"query": query, "max_results": limit.min(MAX_RESULTS), "search_depth": "basic"});
    let request =
        Request::post_json(url, &body).secret_header(AUTHORIZATION, &format!("Bearer {}", asker.key()));
    let answer: Answer = asker.json(request).await?;
    Ok(answer.results.into_iter().map(|f| Hit { title: f.title, url: f.url, snippet: f.content }).collect())
}
