//! Finding servers on loopback.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that answers every request with this list.
async fn server(body: &'static str) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    Endpoint { base_url: Some(format!("http://127.0.0.1:{port}/v1")), key: None }
}

/// An address where nobody listens.
async fn nobody() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Endpoint { base_url: Some(format!("http://{}/v1", listener.local_addr().unwrap())), key: None }
}

async fn look(config: &mut ModelsConfig, servers: Vec<(&str, Endpoint)>) -> Vec<Found> {
    let candidates = servers.into_iter().map(|(name, endpoint)| (known(name).unwrap(), endpoint)).collect();
    discover(config, candidates, std::time::Duration::from_secs(30)).await
}

const OLLAMA: &str = r#"{"object":"list","data":[{"id":"nomic-embed-text:latest","owned_by":"library"},{"id":"qwen3:8b","owned_by":"library"}]}"#;
const LLAMA: &str =
    r#"{"object":"list","data":[{"id":"qwen.gguf","owned_by":"llamacpp","meta":{"n_ctx":32768}}]}"#;

#[tokio::test]
async fn the_first_model_that_chats_is_taken() {
    let mut config = ModelsConfig::default();
    let found = look(&mut config, vec![("lmstudio", nobody().await), ("ollama", server(OLLAMA).await)]).await;
    assert_eq!(config.default.unwrap().to_string(), "ollama/qwen3:8b");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].models.len(), 1);
}

#[tokio::test]
async fn a_window_that_is_told_is_kept() {
    let mut config = ModelsConfig::default();
    look(&mut config, vec![("llamacpp", server(LLAMA).await)]).await;
    let name = config.default.unwrap();
    assert_eq!(name.to_string(), "llamacpp/qwen.gguf");
    assert_eq!(config.overrides[&name].window_tokens, Some(32_768));
}

#[tokio::test]
async fn what_is_no_model_server_is_left_alone() {
    let mut config = ModelsConfig::default();
    let servers = vec![
        ("llamacpp", server(r#"{"data":[{"id":"some-shop-item"}]}"#).await),
        ("lmstudio", server("<html>hello</html>").await),
        ("ollama", server(r#"{"object":"list","data":[]}"#).await),
    ];
    look(&mut config, servers).await;
    assert_eq!(config.default, None);
}

#[tokio::test]
async fn an_own_server_lists_what_stands_in_for_openai() {
    let mut config = ModelsConfig { default: "openai/gpt-6.1-sol".parse().ok(), ..ModelsConfig::default() };
    look(&mut config, vec![("openai", server(OLLAMA).await)]).await;
    assert_eq!(config.default.unwrap().to_string(), "openai/qwen3:8b");
    const WITH_IT: &str = r#"{"data":[{"id":"first"},{"id":"gpt-6.1-sol"}]}"#;
    let mut config = ModelsConfig { default: "openai/gpt-6.1-sol".parse().ok(), ..ModelsConfig::default() };
    look(&mut config, vec![("openai", server(WITH_IT).await)]).await;
    assert_eq!(config.default.unwrap().to_string(), "openai/gpt-6.1-sol");
}

#[tokio::test]
async fn a_chosen_models_server_is_asked_for_its_window() {
    let chosen = |name: &str| ModelsConfig {
        default: name.parse().ok(),
        default_is_chosen: true,
        ..ModelsConfig::default()
    };
    for (entry, tokens) in [
        (r#"{"id":"m","max_model_len":8192}"#, Some(8192)),
        (r#"{"id":"m","n_ctx":4096,"meta":{"n_ctx_train":131072}}"#, Some(4096)),
        (r#"{"id":"m","meta":{"n_ctx_train":131072}}"#, Some(131_072)),
        (r#"{"id":"m","max_model_len":"odd","meta":null}"#, None),
        (r#"{"id":"other","max_model_len":8192}"#, None),
    ] {
        let mut config = chosen("openai/m");
        let list = Box::leak(format!(r#"{{"data":[{{"no":"id"}},{entry}]}}"#).into_boxed_str());
        look(&mut config, vec![("openai", server(list).await)]).await;
        assert_eq!(config.default, "openai/m".parse().ok(), "the choice stays");
        let window =
            config.overrides.get(&"openai/m".parse().unwrap()).and_then(|stated| stated.window_tokens);
        assert_eq!(window, tokens, "{entry}");
    }
    // llama.cpp has one model, and answers with it to any name.
    let mut config = chosen("openai/whatever");
    look(&mut config, vec![("openai", server(LLAMA).await)]).await;
    assert_eq!(config.overrides[&"openai/whatever".parse().unwrap()].window_tokens, Some(32_768));
}

#[test]
fn of_the_servers_only_those_of_chosen_models_are_asked() {
    let asked = |model: &str, planner: Option<&str>, url: Option<&str>| {
        let mut config = ModelsConfig {
            default: model.parse().ok(),
            default_is_chosen: true,
            planner: planner.and_then(|name| name.parse().ok()),
            ..ModelsConfig::default()
        };
        let endpoint = Endpoint { base_url: url.map(str::to_owned), key: None };
        config.endpoints.insert("openai".into(), endpoint);
        candidates(&config).into_iter().map(|(provider, _)| provider.name).collect::<Vec<_>>()
    };
    assert_eq!(asked("openai/x", None, Some("http://h/v1/")), ["openai"]);
    assert_eq!(asked("openai/x", None, Some("https://api.openai.com/v1/")), [""; 0]);
    assert_eq!(asked("anthropic/x", None, Some("http://h/v1/")), [""; 0]);
    assert_eq!(asked("anthropic/x", Some("ollama/y"), None), ["ollama"]);
}

#[test]
fn nobody_is_asked_when_a_model_is_set() {
    let chosen =
        ModelsConfig { default: "openai/x".parse().ok(), default_is_chosen: true, ..ModelsConfig::default() };
    assert!(candidates(&chosen).is_empty());
    let keyed = ModelsConfig { default: "anthropic/x".parse().ok(), ..ModelsConfig::default() };
    assert!(candidates(&keyed).is_empty());
    let names: Vec<_> =
        candidates(&ModelsConfig::default()).iter().map(|(provider, _)| provider.name).collect();
    assert_eq!(names, ["ollama", "lmstudio", "llamacpp"]);
}
