//! DuckDuckGo without a key: the page made for browsers without scripts. It is no documented interface, so every
//! page that is neither results nor a plain "nothing found" is an error and never an empty list.

use dom_query::Selection;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderValue};
use url::Url;

use super::{Asker, Hit, MAX_ANSWER_BYTES, SearchError};
use crate::http::{Method, Redirects, Request};

pub(super) async fn search(asker: &Asker<'_>, query: &str) -> Result<Vec<Hit>, SearchError> {
    let mut url = asker.url("https://html.duckduckgo.com", "html/")?;
    url.query_pairs_mut().append_pair("q", query);
    let request = Request::new(Method::GET, url, Redirects::Return)
        .header(ACCEPT, HeaderValue::from_static("text/html"))
        .header(ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
    let response = asker.send(request).await?;
    // 202 is its way to say that it takes the asker for a robot.
    if response.status() == StatusCode::ACCEPTED {
        return Err(SearchError::TooMany { service: asker.service() });
    }
    let body = response.read_all(MAX_ANSWER_BYTES).await?;
    let page = String::from_utf8_lossy(&body).into_owned();
    let service = asker.service();
    match tokio::task::spawn_blocking(move || read(&page)).await {
        Ok(Page::Results(hits)) => Ok(hits),
        Ok(Page::Nothing) => Ok(Vec::new()),
        Ok(Page::Robot) => Err(SearchError::TooMany { service }),
        Ok(Page::Strange) => Err(SearchError::Strange { service, what: "its page has changed" }),
        Err(_) => Err(SearchError::Strange { service, what: "its page is damaged" }),
    }
}

enum Page {
    Results(Vec<Hit>),
    Nothing,
    Robot,
    Strange,
}

fn read(page: &str) -> Page {
    let (document, _) = crate::page::parse(page);
    let hits: Vec<Hit> = document.select(".result").iter().filter_map(|result| hit(&result)).collect();
    if !hits.is_empty() {
        return Page::Results(hits);
    }
    if document.select(".anomaly-modal__title, #challenge-form, .anomaly-modal").exists() {
        return Page::Robot;
    }
    if document.select(".no-results").exists() {
        return Page::Nothing;
    }
    Page::Strange
}

fn hit(result: &Selection<'_>) -> Option<Hit> {
    if result.has_class("result--ad") {
        return None;
    }
    let link = result.select("a.result__a").first();
    let url = target(&link.attr("href")?)?;
    let snippet = result.select(".result__snippet").first().text().to_string();
    Some(Hit { title: link.text().to_string(), url, snippet })
}

/// Links go through `/l/?uddg=…`, which has the real address.
fn target(href: &str) -> Option<String> {
    let base = Url::parse("https://html.duckduckgo.com/html/").ok()?;
    let url = base.join(href).ok()?;
    let ours =
        url.host_str().is_some_and(|host| host == "duckduckgo.com" || host.ends_with(".duckduckgo.com"));
    if !ours {
        return Some(url.into());
    }
    if url.path() != "/l/" {
        // Such as `/y.js`, the way to an advertisement.
        return None;
    }
    url.query_pairs().find(|(key, _)| key == "uddg").map(|(_, value)| value.into_owned())
}
