//! One's own SearXNG: GET `/search` with `format=json`, which its settings must allow; hits in `results`.

use serde::Deserialize;

use super::{Asker, Hit, SearchError};
use crate::http::{Method, Redirects, Request};

#[derive(Deserialize)]
struct Answer {
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    title: String,
    url: String,
    /// Null for some engines.
    #[serde(default)]
    content: Option<String>,
}

pub(super) async fn search(asker: &Asker<'_>, query: &str, _limit: usize) -> Result<Vec<Hit>, SearchError> {
    let mut url = asker.url("http://localhost:8888", "search")?;
    url.query_pairs_mut().append_pair("q", query).append_pair("format", "json");
    let answer: Answer = match asker.json(Request::new(Method::GET, url, Redirects::Return)).await {
        // It has no keys: 403 is its way to say that the format is switched off.
        Err(SearchError::Key { service, .. }) => {
            let what = "it refuses JSON; its owner has to add json to search.formats in its settings.yml";
            return Err(SearchError::Strange { service, what });
        }
        other => other?,
    };
    let hits = answer.results.into_iter();
    Ok(hits.map(|f| Hit { title: f.title, url: f.url, snippet: f.content.unwrap_or_default() }).collect())
}
