//! Which model is taken, what is said about it, and what is refused.

use async_trait::async_trait;
use miteos_core::money::Usage;

use super::*;
use crate::call::{CallRef, Finish, ToolChoice};
use crate::cloud::{FIRST_BYTE_TIMEOUT, LOCAL_FIRST_BYTE_TIMEOUT};
use crate::config::{Override, Secret};

struct Fixed;

#[async_trait]
impl Provider for Fixed {
    async fn call(&self, request: &Request, _: &mut (dyn FnMut(Delta) + Send)) -> Result<Answer, ModelError> {
        Ok(Answer {
            text: "fixed".into(),
            calls: vec![],
            opaque: None,
            usage: Usage::default(),
            model: request.model.to_string(),
            finish: Finish::Stop,
        })
    }

    fn offered(&self) -> Vec<Offered> {
        vec![Offered {
            model: "small".into(),
            window_tokens: 4096,
            max_output_tokens: 1024,
            price: Some(Price::FREE),
            local: true,
            here: true,
            small: false,
        }]
    }
}

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

fn with_key(provider: &str) -> ModelsConfig {
    let mut config = ModelsConfig::default();
    let endpoint = Endpoint { base_url: None, key: Some(Secret::new("k")) };
    config.endpoints.insert(provider.into(), endpoint);
    config
}

#[test]
fn without_a_model_it_says_what_to_do() {
    let models = Models::new(ModelsConfig::default());
    let error = models.default_model().unwrap_err().to_string();
    for way in ["ANTHROPIC_API_KEY", "Ollama", "miteos model pull"] {
        assert!(error.contains(way), "{error}");
    }
    assert!(models.planner_model().is_err());
    assert!(models.list().is_empty());
}

#[test]
fn the_local_model_is_the_last_resort() {
    let mut models = Models::new(ModelsConfig::default());
    models.register(LOCAL_PROVIDER, Arc::new(Fixed));
    assert_eq!(models.default_model(), Ok(&name("local/small")));
    let info = models.info(&name("local/small"));
    assert_eq!(
        info,
        ModelInfo {
            price: Some(Price::FREE),
            window_tokens: 4096,
            max_output_tokens: 1024,
            local: true,
            small: false
        }
    );
    let mut models = Models::new(ModelsConfig { default: Some(name("openai/gpt-5")), ..with_key("openai") });
    models.register(LOCAL_PROVIDER, Arc::new(Fixed));
    assert_eq!(models.default_model(), Ok(&name("openai/gpt-5")));
    assert_eq!(models.planner_model(), Ok(&name("openai/gpt-5")));
}

#[test]
fn what_cannot_be_called_is_refused_with_the_mend() {
    let mut models = Models::new(with_key("openai"));
    models.register(LOCAL_PROVIDER, Arc::new(Fixed));
    assert_eq!(models.check(&name("openai/anything")), Ok(()));
    assert_eq!(models.check(&name("ollama/anything")), Ok(()));
    assert_eq!(models.check(&name("test/scripted")), Ok(()));
    assert!(models.check(&name("anthropic/x")).unwrap_err().to_string().contains("set ANTHROPIC_API_KEY"));
    assert!(models.check(&name("acme/x")).unwrap_err().to_string().contains("anthropic"));
    assert!(models.check(&name("local/huge")).unwrap_err().to_string().contains("small"));
    assert!(models.check(&name("test/other")).is_err());
}

#[test]
fn the_operator_knows_best() {
    let mut config = with_key("openai");
    let price = Price { input: 7, output: 9, ..Price::FREE };
    let stated = Override { price: Some(price), window_tokens: Some(50_000), max_output_tokens: None };
    config.overrides.insert(name("openai/gpt-5"), stated);
    let models = Models::new(config);
    let info = models.info(&name("openai/gpt-5"));
    assert_eq!((info.price, info.window_tokens), (Some(price), 50_000));
    assert!(info.max_output_tokens > UNKNOWN_OUTPUT_TOKENS);
    let unknown = models.info(&name("openai/never-heard-of"));
    assert_eq!((unknown.price, unknown.window_tokens), (None, UNKNOWN_WINDOW_TOKENS));
    let own = models.info(&name("ollama/qwen3"));
    assert_eq!((own.price, own.window_tokens, own.local), (Some(Price::FREE), LOCAL_WINDOW_TOKENS, true));
    assert_eq!(own.max_output_tokens, LOCAL_WINDOW_TOKENS / 4);
}

#[test]
fn an_answer_is_priced_by_what_is_stated_then_by_who_answered() {
    let price = |input| Price { input, output: input, ..Price::FREE };
    let stated = |input| Override { price: Some(price(input)), ..Override::default() };
    let listed = |text: &str| prices::look_up(&name(text)).unwrap().price;
    let of = |config: &ModelsConfig, requested: &str, answered: &str| {
        Models::new(config.clone()).price_of(&name(requested), answered)
    };
    let mut config = with_key("openai");
    let dated = "openai/gpt-5-2099-01-31";
    assert_eq!(of(&config, "openai/gpt-5", dated), listed("openai/gpt-5"));
    assert_eq!(of(&config, "openai/gpt-5", "openai/gpt-4.1"), listed("openai/gpt-4.1"));
    assert_ne!(listed("openai/gpt-4.1"), listed("openai/gpt-5"));
    // An answer under no known name costs what was asked for.
    for odd in ["openai/never-heard-of", "no name", ""] {
        assert_eq!(of(&config, "openai/gpt-5", odd), listed("openai/gpt-5"), "{odd}");
    }
    assert_eq!(of(&config, "openai/never-heard-of", "openai/nor-of-this"), None);
    let routed = of(&config, "openrouter/openrouter/auto", "openrouter/anthropic/claude-sonnet-4.5");
    assert_eq!(routed, listed("anthropic/claude-sonnet-4-5"));
    config.overrides.insert(name("openai/gpt-4.1"), stated(7));
    assert_eq!(of(&config, "openai/gpt-5", "openai/gpt-4.1"), Some(price(7)));
    config.overrides.insert(name("openai/gpt-5"), stated(9));
    assert_eq!(of(&config, "openai/gpt-5", "openai/gpt-4.1"), Some(price(9)));
    assert_eq!(of(&config, "openai/gpt-5", dated), Some(price(9)));
    // Behind another server, names say nothing about prices.
    config.overrides.remove(&name("openai/gpt-4.1"));
    for (url, own) in [("http://h/v1/", false), ("https://api.openai.com/v1/", true)] {
        config.endpoints.insert("openai".into(), Endpoint { base_url: Some(url.into()), key: None });
        assert_eq!(of(&config, "openai/gpt-5", "openai/gpt-4.1"), Some(price(9)), "{url}");
        let unstated = of(&config, "openai/mine", "openai/gpt-4.1");
        assert_eq!(unstated, listed("openai/gpt-4.1").filter(|_| own), "{url}");
    }
}

#[test]
fn the_list_shows_roles() {
    let mut config = with_key("anthropic");
    config.default = Some(name("anthropic/claude-sonnet-5-5"));
    config.fallbacks = vec![name("ollama/qwen3")];
    let listed = Models::new(config).list();
    let roles: Vec<_> = listed.iter().map(|model| (model.name.to_string(), model.roles.clone())).collect();
    let expected = [
        ("anthropic/claude-sonnet-5-5".to_owned(), vec!["default", "planner"]),
        ("ollama/qwen3".to_owned(), vec!["fallback"]),
    ];
    assert_eq!(roles, expected);
}

#[test]
fn a_stand_in_is_not_said_to_have_what_it_stands_for() {
    let mut config = with_key("openai");
    assert_eq!(Models::new(config.clone()).list().len(), 1);
    config.endpoints.insert("openai".into(), Endpoint { base_url: Some("http://h/v1/".into()), key: None });
    let models = Models::new(config);
    assert!(models.list().is_empty());
    assert_eq!(models.check(&name("openai/whatever")), Ok(()));
    let mut config = with_key("openai");
    config.endpoints.get_mut("openai").unwrap().base_url = Some("https://api.openai.com/v1/".into());
    assert_eq!(Models::new(config).list().len(), 1, "its own address is no stand-in");
}

#[test]
fn a_server_on_this_machine_gets_its_time() {
    let first_byte =
        |url: &str| limits("openai", &Endpoint { base_url: Some(url.to_owned()), key: None }).first_byte;
    assert_eq!(first_byte("http://127.0.0.1:8000/v1/"), LOCAL_FIRST_BYTE_TIMEOUT);
    assert_eq!(first_byte("http://localhost/v1/"), LOCAL_FIRST_BYTE_TIMEOUT);
    assert_eq!(first_byte("https://models.example/v1/"), FIRST_BYTE_TIMEOUT);
    assert_eq!(limits("openai", &Endpoint::default()).first_byte, FIRST_BYTE_TIMEOUT);
}

fn prompt(messages: Vec<Message>) -> Request {
    Request {
        model: name("openai/gpt-5"),
        system: "".into(),
        tools: Arc::from([]),
        messages: messages.into(),
        choice: ToolChoice::Auto,
        max_output_tokens: 10,
        call_id: "c".into(),
        temperature: None,
    }
}

#[test]
fn tokens_are_guessed_high() {
    let models = Models::new(ModelsConfig::default());
    let said = |text: &str| models.prompt_tokens(&prompt(vec![Message::User { text: text.into() }]));
    let empty = said("");
    assert!(empty < 50);
    assert!(said("The quick brown fox jumps over the lazy dog.") >= empty + 10);
    assert!(said("統計データの分析") >= empty + 8);
}

/// Each of these is sent and billed, and a budget is kept by the worst case.
#[test]
fn everything_that_is_sent_counts() {
    let models = Models::new(ModelsConfig::default());
    let answer = |calls: Vec<CallRef>, opaque: Option<serde_json::Value>| {
        models.prompt_tokens(&prompt(vec![Message::Assistant { text: "".into(), calls, opaque }]))
    };
    let bare = answer(vec![], None);
    let thoughts = serde_json::json!({"signature": "s".repeat(30_000)});
    assert!(answer(vec![], Some(thoughts)) >= bare + 10_000);
    let call = |tool: &str| CallRef { id: "1".into(), tool: tool.into(), arguments: "{}".into() };
    let short = answer(vec![call("a")], None);
    assert!(short >= bare + 16, "a call has a frame");
    assert!(answer(vec![call(&"a".repeat(3_001))], None) >= short + 1_000);
    let result = |tool: String| {
        let (call_id, text) = ("1".into(), "".into());
        models.prompt_tokens(&prompt(vec![Message::ToolResult { call_id, tool, text, is_error: false }]))
    };
    assert!(result("a".repeat(3_001)) >= result("a".into()) + 1_000);
}

#[tokio::test]
async fn calls_go_to_the_provider_or_nowhere() {
    let mut models = Models::new(ModelsConfig::default());
    models.register("acme", Arc::new(Fixed));
    let mut request = Request {
        model: name("acme/small"),
        system: "".into(),
        tools: Arc::from([]),
        messages: vec![].into(),
        choice: ToolChoice::Auto,
        max_output_tokens: 10,
        call_id: String::new(),
        temperature: None,
    };
    assert_eq!(models.call(&request, &mut |_| ()).await.unwrap().text, "fixed");
    request.model = name("anthropic/claude-opus-5");
    let error = models.call(&request, &mut |_| ()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    request.model = name("nobody/x");
    assert_eq!(models.call(&request, &mut |_| ()).await.unwrap_err().kind, ErrorKind::Fatal);
}
