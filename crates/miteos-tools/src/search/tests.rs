//! Each service against answers written after its public documentation, and against what goes wrong.

use std::collections::HashMap;

use super::*;
use crate::testing::{Server, ok, open_client, reply};

async fn ask(service: SearchService, server: &Server, limit: usize) -> Result<Vec<Hit>, SearchError> {
    let base_url = Some(Url::parse(&server.url("")).unwrap());
    let config = SearchConfig { service, key: Secret::new("the-key"), base_url };
    search(&open_client(), &config, "rust & async", limit, &CancellationToken::new()).await
}

fn hit(title: &str, url: &str, snippet: &str) -> Hit {
    Hit { title: title.to_owned(), url: url.to_owned(), snippet: snippet.to_owned() }
}

const BRAVE: &str = r#"{"type":"search","query":{"original":"q","more_results_available":true},"mixed":{"type":"mixed"},
 "web":{"type":"search","results":[
  {"title":"Asynchronous <strong>Rust</strong>","url":"https://example.org/a","is_source_local":false,"description":"What &amp; how of <strong>async</strong>.","language":"en"},
  {"title":"Second","url":"https://example.org/b"},
  {"title":"Odd","url":"javascript:alert(1)","description":"x"}],"family_friendly":true}}"#;

#[tokio::test]
async fn brave() {
    let server = Server::start(|_| ok("application/json", BRAVE)).await;
    let hits = ask(SearchService::Brave, &server, 50).await.unwrap();
    assert_eq!(
        hits,
        [
            hit("Asynchronous Rust", "https://example.org/a", "What & how of async."),
            hit("Second", "https://example.org/b", "")
        ]
    );
    let asked = server.last();
    assert!(asked.starts_with("GET /res/v1/web/search?q=rust+%26+async&count=20 HTTP"), "{asked}");
    assert!(asked.contains("x-subscription-token: the-key"));
    let nothing =
        Server::start(|_| ok("application/json", r#"{"type":"search","query":{"original":"q"}}"#)).await;
    assert!(ask(SearchService::Brave, &nothing, 5).await.unwrap().is_empty());
    let other = Server::start(|_| ok("application/json", r#"{"type":"ErrorResponse","id":"x"}"#)).await;
    assert!(matches!(ask(SearchService::Brave, &other, 5).await, Err(SearchError::Strange { .. })));
}

#[tokio::test]
async fn tavily() {
    let body = r#"{"query":"q","answer":null,"images":[],"response_time":1.1,"results":[
        {"title":"T","url":"https://example.org/t","content":"Text of T","score":0.9,"raw_content":null}]}"#;
    let server = Server::start(move |_| ok("application/json", body)).await;
    let hits = ask(SearchService::Tavily, &server, 3).await.unwrap();
    assert_eq!(hits, [hit("T", "https://example.org/t", "Text of T")]);
    let asked = server.last();
    assert!(
        asked.starts_with("POST /search HTTP") && asked.contains("authorization: Bearer the-key"),
        "{asked}"
    );
    let (_, body) = asked.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["query"], &body["max_results"]), (&"rust & async".into(), &3.into()));
    let none = Server::start(|_| ok("application/json", r#"{"query":"q","results":[]}"#)).await;
    assert!(ask(SearchService::Tavily, &none, 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn serper() {
    let body = r#"{"searchParameters":{"q":"q","type":"search"},"organic":[
        {"title":"S1","link":"https://example.org/1","snippet":"One","position":1},
        {"title":"S2","link":"https://example.org/2","position":2}],"credits":1}"#;
    let server = Server::start(move |_| ok("application/json", body)).await;
    let hits = ask(SearchService::Serper, &server, 1).await.unwrap();
    assert_eq!(hits, [hit("S1", "https://example.org/1", "One")], "no more than was asked for");
    assert!(server.last().contains("x-api-key: the-key"));
    let none = Server::start(|_| ok("application/json", r#"{"organic":[]}"#)).await;
    assert!(ask(SearchService::Serper, &none, 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn searxng() {
    let body = r#"{"query":"q","number_of_results":0,"results":[
        {"url":"https://example.org/x","title":"X","content":"About  X\n","engine":"e","engines":["e"],"score":1.0},
        {"url":"https://example.org/y","title":"Y","content":null}],"answers":[],"unresponsive_engines":[]}"#;
    let server = Server::start(move |_| ok("application/json", body)).await;
    let hits = ask(SearchService::Searxng, &server, 9).await.unwrap();
    assert_eq!(hits, [hit("X", "https://example.org/x", "About X"), hit("Y", "https://example.org/y", "")]);
    assert!(server.last().starts_with("GET /search?q=rust+%26+async&format=json HTTP"));
    let off = Server::start(|_| reply("403 Forbidden", "", "")).await;
    let error = ask(SearchService::Searxng, &off, 9).await.unwrap_err().to_string();
    assert!(error.contains("search.formats"), "{error}");
    let below = Server::start(move |_| ok("application/json", body)).await;
    let base_url = Some(Url::parse(&below.url("/searx")).unwrap());
    let config = SearchConfig { service: SearchService::Searxng, key: Secret::new(""), base_url };
    search(&crate::http::Guarded::new(Default::default()), &config, "q", 1, &CancellationToken::new())
        .await
        .unwrap();
    assert!(
        below.last().starts_with("GET /searx/search?"),
        "the owner's own address may be private and in a folder"
    );
}

const DUCK: &str = r#"<!DOCTYPE html><html><body><div id="links" class="results">
<div class="result results_links results_links_deep web-result result--ad"><h2 class="result__title">
 <a class="result__a" href="https://duckduckgo.com/y.js?ad_domain=x">An advertisement</a></h2></div>
<div class="result results_links results_links_deep web-result"><div class="links_main result__body">
 <h2 class="result__title"><a rel="nofollow" class="result__a"
  href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fexample.org%2Fa%3Fb%3D1%26c%3D2&amp;rut=abc">First <b>hit</b></a></h2>
 <a class="result__snippet" href="//duckduckgo.com/l/?uddg=x">What it <b>says</b>.</a></div></div>
<div class="result web-result"><h2><a class="result__a" href="https://example.org/direct">Second</a></h2></div>
</div></body></html>"#;

#[tokio::test]
async fn duckduckgo() {
    let server = Server::start(|_| ok("text/html; charset=UTF-8", DUCK)).await;
    let hits = ask(SearchService::DuckDuckGo, &server, 9).await.unwrap();
    assert_eq!(
        hits,
        [
            hit("First hit", "https://example.org/a?b=1&c=2", "What it says."),
            hit("Second", "https://example.org/direct", "")
        ]
    );
    assert!(server.last().starts_with("GET /html/?q=rust+%26+async HTTP"));
    let nothing = r#"<div class="results"><div class="no-results">No results.</div></div>"#;
    let none = Server::start(move |_| ok("text/html", nothing)).await;
    assert!(ask(SearchService::DuckDuckGo, &none, 9).await.unwrap().is_empty());
    let modal =
        r#"<form id="challenge-form"><div class="anomaly-modal__title">Unfortunately, bots</div></form>"#;
    let robot = Server::start(move |_| ok("text/html", modal)).await;
    assert!(matches!(ask(SearchService::DuckDuckGo, &robot, 9).await, Err(SearchError::TooMany { .. })));
    let accepted = Server::start(|_| reply("202 Accepted", "content-type: text/html\r\n", "")).await;
    assert!(matches!(ask(SearchService::DuckDuckGo, &accepted, 9).await, Err(SearchError::TooMany { .. })));
    let changed =
        Server::start(|_| ok("text/html", "<div class='r2'><a href='https://x.org'>x</a></div>")).await;
    let error = ask(SearchService::DuckDuckGo, &changed, 9).await.unwrap_err();
    assert!(
        matches!(error, SearchError::Strange { .. }) && error.to_string().contains("its page has changed")
    );
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart_and_never_tells_the_key() {
    for service in SearchService::ALL {
        let refused = Server::start(|_| reply("401 Unauthorized", "", r#"{"detail":"the-key"}"#)).await;
        let busy = Server::start(|_| reply("429 Too Many Requests", "retry-after: 9\r\n", "")).await;
        let broken = Server::start(|_| reply("503 Service Unavailable", "", "")).await;
        let garbage = Server::start(|_| ok("application/json", "\u{1}{not json <b>")).await;
        let away = Server::start(|_| reply("302 Found", "location: http://127.0.0.1:1/\r\n", "")).await;
        let shape =
            Server::start(|_| ok("application/json", r#"{"results":"none","organic":1,"web":[]}"#)).await;
        let mut texts = Vec::new();
        let error = ask(service, &refused, 5).await.unwrap_err();
        let told = match service {
            SearchService::Searxng => matches!(error, SearchError::Strange { .. }),
            _ => matches!(error, SearchError::Key { status: 401, .. }),
        };
        assert!(told, "{service:?}: {error:?}");
        texts.push(format!("{error} {error:?}"));
        let error = ask(service, &busy, 5).await.unwrap_err();
        assert!(matches!(error, SearchError::TooMany { .. }), "{service:?}: {error:?}");
        let error = ask(service, &broken, 5).await.unwrap_err();
        assert!(matches!(error, SearchError::Status { status: 503, .. }), "{service:?}: {error:?}");
        let error = ask(service, &away, 5).await.unwrap_err();
        assert!(matches!(error, SearchError::Status { status: 302, .. }), "{service:?}: {error:?}");
        for server in [&garbage, &shape] {
            let error = ask(service, server, 5).await.unwrap_err();
            assert!(matches!(error, SearchError::Strange { .. }), "{service:?}: {error:?}");
            texts.push(format!("{error} {error:?}"));
        }
        assert!(texts.iter().all(|text| !text.contains("the-key")), "{texts:?}");
    }
}

#[tokio::test]
async fn long_and_dirty_texts_are_tidied() {
    let body = serde_json::json!({"results": [
        {"title": "a\n\tb  c", "url": "https://example.org/\u{7}x y", "content": "é".repeat(2000)}]})
    .to_string();
    let server = Server::start(move |_| ok("application/json", &body)).await;
    let hits = ask(SearchService::Tavily, &server, 5).await.unwrap();
    assert_eq!((hits[0].title.as_str(), hits[0].url.as_str()), ("a b c", "https://example.org/xy"));
    assert!(hits[0].snippet.len() <= MAX_SNIPPET_BYTES + 3 && hits[0].snippet.ends_with('…'));
}

fn resolve(list: &[(&str, &str)]) -> Result<SearchConfig, SearchConfigError> {
    let set: HashMap<String, String> = list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    SearchConfig::from_settings(&|name| set.get(name).cloned())
}

#[test]
fn the_service_is_chosen_from_settings() {
    assert_eq!(resolve(&[]).unwrap().service, SearchService::DuckDuckGo);
    assert_eq!(
        resolve(&[("SERPER_API_KEY", "k"), ("TAVILY_API_KEY", "t")]).unwrap().service,
        SearchService::Tavily
    );
    assert_eq!(resolve(&[("BRAVE_API_KEY", " ")]).unwrap().service, SearchService::DuckDuckGo);
    let named =
        resolve(&[("MITEOS_SEARCH", "Serper"), ("SERPER_API_KEY", "k"), ("BRAVE_API_KEY", "b")]).unwrap();
    assert_eq!((named.service, named.key.reveal()), (SearchService::Serper, "k"));
    assert!(!format!("{named:?}").contains("\"k\""));
    let own = resolve(&[("SEARXNG_URL", "http://localhost:8888")]).unwrap();
    assert_eq!(
        (own.service, own.base_url.unwrap().as_str()),
        (SearchService::Searxng, "http://localhost:8888/")
    );
    assert!(matches!(resolve(&[("MITEOS_SEARCH", "bing")]), Err(SearchConfigError::UnknownService(_))));
    assert!(matches!(resolve(&[("MITEOS_SEARCH", "brave")]), Err(SearchConfigError::MissingKey { .. })));
    assert!(matches!(resolve(&[("SEARXNG_URL", "localhost")]), Err(SearchConfigError::BadUrl)));
    assert!(
        resolve(&[("MITEOS_SEARCH", "duckduckgo"), ("BRAVE_API_KEY", "b")]).unwrap().key.reveal().is_empty()
    );
}
