//! Web search: one question, five services. Each service knows its own wire format and nothing of the others.

mod brave;
mod duckduckgo;
mod searxng;
mod serper;
mod tavily;

use std::time::Duration;

use miteos_core::content::floor_boundary;
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::http::{Guarded, HttpError, Request, Response};
use crate::secret::Secret;

/// The variable that names the service.
pub const SERVICE_VARIABLE: &str = "MITEOS_SEARCH";
pub const BRAVE_KEY_VARIABLE: &str = "BRAVE_API_KEY";
pub const TAVILY_KEY_VARIABLE: &str = "TAVILY_API_KEY";
pub const SERPER_KEY_VARIABLE: &str = "SERPER_API_KEY";
/// The address of one's own SearXNG.
pub const SEARXNG_URL_VARIABLE: &str = "SEARXNG_URL";

/// A search may take this long.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Bigger answers are refused (bytes).
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Longer snippets are cut (bytes).
const MAX_SNIPPET_BYTES: usize = 600;
/// Longer titles are cut (bytes).
const MAX_TITLE_BYTES: usize = 200;

/// Which service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchService {
    Brave,
    Tavily,
    Serper,
    Searxng,
    DuckDuckGo,
}

impl SearchService {
    /// In the order in which they are chosen when none is named.
    pub const ALL: [Self; 5] = [Self::Brave, Self::Tavily, Self::Serper, Self::Searxng, Self::DuckDuckGo];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Brave => "brave",
            Self::Tavily => "tavily",
            Self::Serper => "serper",
            Self::Searxng => "searxng",
            Self::DuckDuckGo => "duckduckgo",
        }
    }

    /// The variable that has its key, or for SearXNG its address.
    pub fn variable(self) -> Option<&'static str> {
        match self {
            Self::Brave => Some(BRAVE_KEY_VARIABLE),
            Self::Tavily => Some(TAVILY_KEY_VARIABLE),
            Self::Serper => Some(SERPER_KEY_VARIABLE),
            Self::Searxng => Some(SEARXNG_URL_VARIABLE),
            Self::DuckDuckGo => None,
        }
    }
}

/// The search service, resolved.
#[derive(Debug, Clone)]
pub struct SearchConfig {
    pub service: SearchService,
    /// Empty for services that take none.
    pub key: Secret,
    /// `None`: the service's own public address. One's own may be private, since the owner wrote it down.
    pub base_url: Option<Url>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchConfigError {
    #[error("MITEOS_SEARCH is \"{0}\"; it can be brave, tavily, serper, searxng or duckduckgo")]
    UnknownService(String),
    #[error("MITEOS_SEARCH is {service}, which needs {variable}; set it or choose duckduckgo")]
    MissingKey { service: &'static str, variable: &'static str },
    #[error("SEARXNG_URL is no http or https address; one looks like http://localhost:8888")]
    BadUrl,
}

impl SearchConfig {
    /// The service that needs no key.
    pub fn keyless() -> Self {
        Self { service: SearchService::DuckDuckGo, key: Secret::new(""), base_url: None }
    }

    /// From settings, looked up by the names of the variables above: the named service, else the first with a key,
    /// else the one that needs none.
    pub fn from_settings(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, SearchConfigError> {
        let set =
            |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let named = set(SERVICE_VARIABLE);
        let service = match &named {
            Some(name) => SearchService::ALL
                .into_iter()
                .find(|service| service.as_str() == name.to_ascii_lowercase())
                .ok_or_else(|| SearchConfigError::UnknownService(name.clone()))?,
            None => SearchService::ALL
                .into_iter()
                .find(|service| service.variable().is_some_and(|variable| set(variable).is_some()))
                .unwrap_or(SearchService::DuckDuckGo),
        };
        let Some(variable) = service.variable() else { return Ok(Self::keyless()) };
        let missing = SearchConfigError::MissingKey { service: service.as_str(), variable };
        let value = set(variable).ok_or(missing)?;
        if service != SearchService::Searxng {
            return Ok(Self { service, key: Secret::new(value), base_url: None });
        }
        let url =
            Url::parse(&value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        Ok(Self { service, key: Secret::new(""), base_url: Some(url.ok_or(SearchConfigError::BadUrl)?) })
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub title: String,
    pub url: String,
    pub snippet: String,
}

/// Why a search gave nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The key is missing, wrong or used up: the owner has to act.
    #[error(
        "the search service {service} refused the server's key ({status}); try web_fetch with a known address"
    )]
    Key { service: &'static str, status: u16 },
    #[error(
        "the search service {service} asks to wait; search less often or use web_fetch with a known address"
    )]
    TooMany { service: &'static str },
    #[error(
        "the search service {service} answered with status {status}; try again with other words or later"
    )]
    Status { service: &'static str, status: u16 },
    /// The answer is not what the service documents.
    #[error(
        "the answer of the search service {service} could not be read ({what}); use web_fetch with a known address"
    )]
    Strange { service: &'static str, what: &'static str },
    #[error("{0}")]
    Http(#[source] HttpError),
}

impl From<HttpError> for SearchError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

/// Asks the configured service. At most `limit` hits, the best first.
pub async fn search(
    http: &Guarded,
    config: &SearchConfig,
    query: &str,
    limit: usize,
    cancel: &CancellationToken,
) -> Result<Vec<Hit>, SearchError> {
    let asker = Asker { http, config, cancel };
    let hits = match config.service {
        SearchService::Brave => brave::search(&asker, query, limit).await,
        SearchService::Tavily => tavily::search(&asker, query, limit).await,
        SearchService::Serper => serper::search(&asker, query, limit).await,
        SearchService::Searxng => searxng::search(&asker, query, limit).await,
        SearchService::DuckDuckGo => duckduckgo::search(&asker, query).await,
    }?;
    let usable =
        hits.into_iter().filter(|hit| hit.url.starts_with("http://") || hit.url.starts_with("https://"));
    Ok(usable.take(limit).map(Hit::tidied).collect())
}

impl Hit {
    fn tidied(self) -> Self {
        Self {
            title: tidy(&self.title, MAX_TITLE_BYTES),
            url: self.url.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect(),
            snippet: tidy(&self.snippet, MAX_SNIPPET_BYTES),
        }
    }
}

/// What every service's module is given.
struct Asker<'a> {
    http: &'a Guarded,
    config: &'a SearchConfig,
    cancel: &'a CancellationToken,
}

impl Asker<'_> {
    fn service(&self) -> &'static str {
        self.config.service.as_str()
    }

    fn key(&self) -> &str {
        self.config.key.reveal()
    }

    /// The service's address with this path; `own` is its public one.
    fn url(&self, own: &str, path: &str) -> Result<Url, SearchError> {
        let strange = |_| SearchError::Strange { service: self.service(), what: "its address is not valid" };
        let base = match &self.config.base_url {
            Some(base) => base.clone(),
            None => Url::parse(own).map_err(strange)?,
        };
        let with_slash = if base.path().ends_with('/') {
            base
        } else {
            let path = format!("{}/", base.path());
            let mut base = base;
            base.set_path(&path);
            base
        };
        with_slash.join(path).map_err(strange)
    }

    async fn send(&self, request: Request) -> Result<Response, SearchError> {
        // An address of one's own comes from the configuration and may be private.
        let http = if self.config.base_url.is_some() { self.http.for_owner() } else { self.http.clone() };
        let response = http.send(request.timeout(TIMEOUT), self.cancel).await?;
        let service = self.service();
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED => {
                Err(SearchError::Key { service, status: response.status().as_u16() })
            }
            StatusCode::TOO_MANY_REQUESTS => Err(SearchError::TooMany { service }),
            status if status.is_success() => Ok(response),
            status => Err(SearchError::Status { service, status: status.as_u16() }),
        }
    }

    async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<T, SearchError> {
        let body = self.send(request).await?.read_all(MAX_ANSWER_BYTES).await?;
        serde_json::from_slice(&body).map_err(|error| {
            tracing::warn!(service = self.service(), %error, "a search answer does not have its documented shape");
            SearchError::Strange { service: self.service(), what: "it does not have the documented shape" }
        })
    }
}

/// Of a snippet or title with tags in it only this much is parsed (bytes).
const MAX_PARSED_BYTES: usize = 16 * 1024;

/// One line of plain text, without tags and entities left by services that mark the words found.
fn tidy(text: &str, max_bytes: usize) -> String {
    let text = &text[..floor_boundary(text, MAX_PARSED_BYTES)];
    let plain = if text.contains(['<', '&']) { plain_text(text) } else { text.to_owned() };
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= max_bytes {
        return line;
    }
    format!("{}…", &line[..floor_boundary(&line, max_bytes)])
}

fn plain_text(html: &str) -> String {
    dom_query::Document::fragment(html).root().text().to_string()
}

#[cfg(test)]
mod tests;
