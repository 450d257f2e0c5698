//! Brave Search: GET `/res/v1/web/search`, key in `X-Subscription-Token`, hits in `web.results`.

use reqwest::header::{ACCEPT, HeaderName, HeaderValue};
use serde::Deserialize;

use super::{Asker, Hit, SearchError};
use crate::http::{Method, Redirects, Request};

/// The service gives no more than this at once.
const MAX_COUNT: usize = 20;

#[derive(Deserialize)]
struct Answer {
    /// Left out when nothing was found.
    #[serde(default)]
    web: Option<Web>,
    /// `search` in every proper answer.
    r#type: String,
}

#[derive(Deserialize)]
struct Web {
    #[serde(default)]
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    title: String,
    url: String,
    #[serde(default)]
    description: String,
}

pub(super) async fn search(asker: &Asker<'_>, query: &str, limit: usize) -> Result<Vec<Hit>, SearchError> {
    let mut url = asker.url("https://api.search.brave.com", "res/v1/web/search")?;
    url.query_pairs_mut().append_pair("q", query).append_pair("count", &limit.min(MAX_COUNT).to_string());
    let request = Request::new(Method::GET, url, Redirects::Return)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .secret_header(HeaderName::from_static("x-subscription-token"), asker.key());
    let answer: Answer = asker.json(request).await?;
    if answer.r#type != "search" {
        return Err(SearchError::Strange { service: asker.service(), what: "it is no list of results" });
    }
    let found = answer.web.map(|web| web.results).unwrap_or_default();
    Ok(found.into_iter().map(|f| Hit { title: f.title, url: f.url, snippet: f.description }).collect())
}
