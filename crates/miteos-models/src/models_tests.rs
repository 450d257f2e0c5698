//! Which model is taken, what is said about it, and what is refused.

use async_trait::async_trait;
use miteos_core::money::Usage;

use super::*;
use crate::call::{Finish, ToolChoice};
use crate::config::{Endpoint, Override, Secret};

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
}

#[test]
fn tokens_are_guessed_high() {
    let models = Models::new(ModelsConfig::default());
    assert!(models.count_tokens("The quick brown fox jumps over the lazy dog.") >= 10);
    assert!(models.count_tokens("統計データの分析") >= 8);
    assert!(models.count_tokens("") <= 1);
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
