//! Every setting, once: its variable, its flag, its key in the file, what it may be, its default and its meaning. The
//! help, the reference page and `doctor` are made of this table. It reads nothing.

/// What a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Path,
    /// Where to listen: an IP address and a port.
    Address,
    /// `http://` or `https://` with a host.
    Url,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Never shown.
    Secret,
    Text,
    /// A whole number from the first to the last of these.
    Number(u64, u64),
    /// Names, numbers or blocks with commas between; in the file also a list.
    List,
    /// May not be set in this version.
    Reserved,
}

/// A setting from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// With what it belongs to where it is not global, such as `serve --listen`.
    pub flag: Option<&'static str>,
    pub kind: Kind,
    /// What holds when nothing sets it; in words where it is no fixed value.
    pub default: &'static str,
    /// One sentence.
    pub meaning: &'static str,
}

/// What our own variables begin with.
const PREFIX: &str = "MITEOS_";

impl Variable {
    /// The name in `miteos.toml`: ours without the prefix, those of others whole.
    pub fn key(&self) -> String {
        self.name.strip_prefix(PREFIX).unwrap_or(self.name).to_lowercase()
    }

    /// Whether it is ours, and not the variable of a provider or service.
    pub fn is_ours(&self) -> bool {
        self.name.starts_with(PREFIX)
    }
}

/// The variable of this name.
pub fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// The variable of this key in the file, whichever way it is written.
pub fn by_key(key: &str) -> Option<&'static Variable> {
    let key = key.to_lowercase();
    VARIABLES.iter().find(|variable| variable.key() == key)
}

macro_rules! variables {
    ($($constant:ident = $name:literal, $kind:expr, $flag:expr, $default:literal: $meaning:literal;)+) => {
        $(
            #[doc = $meaning]
            #[allow(dead_code, reason = "some are read by the crates they belong to, through `Settings::get`")]
            pub const $constant: &str = $name;
        )+
        /// All of them, as the help shows them.
        pub const VARIABLES: &[Variable] = &[
            $(Variable { name: $name, flag: $flag, kind: $kind, default: $default, meaning: $meaning }),+
        ];
    };
}

const SANDBOXES: Kind = Kind::Word(&["auto", "namespaces", "bwrap", "none"]);
const FORMATS: Kind = Kind::Word(&["text", "json"]);
/// A mebibyte, and a million of them.
const MEBIBYTES: Kind = Kind::Number(1, 1_000_000);
/// A day, and ten years.
const DAYS: Kind = Kind::Number(1, 3_660);
const SERVICES: Kind = Kind::Word(&["brave", "tavily", "serper", "searxng", "duckduckgo"]);

#[rustfmt::skip]
mod rows {
    use super::{DAYS, FORMATS, Kind, MEBIBYTES, SANDBOXES, SERVICES, Variable};
    use Kind::{Address, List, Path, Reserved, Secret, Text, Url};

    variables! {
        URL = "MITEOS_URL", Url, Some("--url"), "the server on the data folder, else http://127.0.0.1:7700": "The server that the client commands talk to.";
        API_KEY = "MITEOS_API_KEY", Secret, Some("--key"), "keys.json in the data folder, for a server on this machine": "The key they use.";
        CONFIG = "MITEOS_CONFIG", Path, Some("--config"), "miteos.toml in the data folder; for serve and doctor also in the current folder": "The configuration file.";
        DATA_DIR = "MITEOS_DATA_DIR", Path, Some("--data-dir"), "the platform's place for data, such as ~/.local/share/miteos": "The data folder.";
        LISTEN = "MITEOS_LISTEN", Address, Some("serve --listen"), "127.0.0.1:7700": "Where the server listens.";
        PUBLIC_URL = "MITEOS_PUBLIC_URL", Url, Some("serve --public-url"), "where it listens": "The address that the server puts into links.";
        PREVIEW_LISTEN = "MITEOS_PREVIEW_LISTEN", Address, Some("serve --preview-listen"), "127.0.0.1, the port behind the server's; another one if that is taken": "Where the preview host listens.";
        PREVIEW_URL = "MITEOS_PREVIEW_URL", Url, Some("serve --preview-url"), "http://*.localhost and its port": "The host names of previews, such as https://*.preview.example, on a domain of their own.";
        PREVIEW_MAX_MIB = "MITEOS_PREVIEW_MAX_MIB", MEBIBYTES, None, "10240": "What the previews of one account may take up together, in MiB; equal sites count once.";
        PREVIEW_DAYS = "MITEOS_PREVIEW_DAYS", DAYS, None, "none: they stay until somebody ends them": "How many days a new preview is shown, unless asked otherwise later.";
        DATABASE_URL = "MITEOS_DATABASE_URL", Reserved, Some("serve --database-url"), "SQLite in the data folder": "The database; this version refuses to start when it is set.";
        BOOTSTRAP_KEY = "MITEOS_BOOTSTRAP_KEY", Secret, None, "one is made": "The live key of a new server: mt_live_ and more, 20 to 200 characters.";
        SECRET_KEY = "MITEOS_SECRET_KEY", Secret, None, "made at the first start and kept in secret.key": "Master key for signatures and stored secrets, at least 16 bytes.";
        MODEL = "MITEOS_MODEL", Text, Some("run --model"), "the first that is configured": "The default model, provider/model.";
        PLANNER_MODEL = "MITEOS_PLANNER_MODEL", Text, None, "the default model": "The model that plans.";
        FALLBACK_MODELS = "MITEOS_FALLBACK_MODELS", List, None, "none": "Models that are tried in order when one fails; at most 8.";
        PRICES = "MITEOS_PRICES", List, None, "the built-in table": "Prices of models, provider/model=INPUT/OUTPUT in dollars per million tokens, also /CACHED INPUT behind it.";
        WINDOWS = "MITEOS_WINDOWS", List, None, "what the model's server says, else the table": "Windows of models, provider/model=TOKENS.";
        SANDBOX = "MITEOS_SANDBOX", SANDBOXES, None, "auto": "How programs of agents are isolated; none is no isolation.";
        SEARCH = "MITEOS_SEARCH", SERVICES, None, "the first with a key, else duckduckgo": "The service that searches the web.";
        EGRESS_ALLOW = "MITEOS_EGRESS_ALLOW", List, None, "none": "Blocks of private addresses that agents' calls and webhooks may reach, such as 10.1.0.0/16.";
        BUILD_REGISTRIES = "MITEOS_BUILD_REGISTRIES", List, None, "what npm, pnpm, yarn or pip of this machine answer": "Where builds get packages from: npm=, python= or @scope= and an https address; an address alone is one more host.";
        EAS = "MITEOS_EAS", Path, None, "the pinned version, which npm installs when it is first needed": "The program eas of Expo, for deployments to it; of the pinned version.";
        METRICS_LISTEN = "MITEOS_METRICS_LISTEN", Address, Some("serve --metrics-listen"), "none": "An address where the server's own figures are, and nothing else.";
        METRICS_TOKEN = "MITEOS_METRICS_TOKEN", Secret, None, "none: it is not there": "The token that opens /v1/metrics, at least 16 bytes.";
        LOG_FORMAT = "MITEOS_LOG_FORMAT", FORMATS, Some("serve --log-format"), "serve: text on a terminal, else json; run: text": "How a line of the log looks.";
        LOG = "MITEOS_LOG", Text, None, "serve: warn,miteos=info,miteos_server=info; run: error": "What is logged: error, warn, info, debug or trace, also by module.";
        ANTHROPIC_KEY = "ANTHROPIC_API_KEY", Secret, None, "none": "The key of anthropic.";
        OPENAI_KEY = "OPENAI_API_KEY", Secret, None, "none": "The key of openai.";
        OPENAI_BASE_URL = "OPENAI_BASE_URL", Url, None, "OpenAI's own": "Any server that speaks OpenAI's chat completions, in place of openai.";
        GEMINI_KEY = "GEMINI_API_KEY", Secret, None, "none": "The key of gemini.";
        OPENROUTER_KEY = "OPENROUTER_API_KEY", Secret, None, "none": "The key of openrouter.";
        GROQ_KEY = "GROQ_API_KEY", Secret, None, "none": "The key of groq.";
        DEEPSEEK_KEY = "DEEPSEEK_API_KEY", Secret, None, "none": "The key of deepseek.";
        MISTRAL_KEY = "MISTRAL_API_KEY", Secret, None, "none": "The key of mistral.";
        XAI_KEY = "XAI_API_KEY", Secret, None, "none": "The key of xai.";
        OLLAMA_HOST = "OLLAMA_HOST", Text, None, "127.0.0.1:11434": "Where Ollama is, as Ollama itself reads it.";
        BRAVE_KEY = "BRAVE_API_KEY", Secret, None, "none": "The key of the search service brave.";
        TAVILY_KEY = "TAVILY_API_KEY", Secret, None, "none": "The key of the search service tavily.";
        SERPER_KEY = "SERPER_API_KEY", Secret, None, "none": "The key of the search service serper.";
        SEARXNG_URL = "SEARXNG_URL", Url, None, "none": "The address of one's own SearXNG.";
        OTEL_SDK_DISABLED = "OTEL_SDK_DISABLED", Text, None, "false": "Whether no spans are sent at all.";
        OTEL_TRACES_EXPORTER = "OTEL_TRACES_EXPORTER", Text, None, "otlp where an endpoint is set": "Which exporter spans go to: otlp or none.";
        OTEL_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT", Url, None, "none: no spans are sent": "The collector; /v1/traces is put behind it.";
        OTEL_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Url, None, "none": "The whole address that spans are sent to.";
        OTEL_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL", Text, None, "http/protobuf": "How spans are sent; there is no other way.";
        OTEL_TRACES_PROTOCOL = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", Text, None, "the one above": "The same for spans alone.";
        OTEL_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS", Secret, None, "none": "Headers that go with spans, name=value with commas between.";
        OTEL_TRACES_HEADERS = "OTEL_EXPORTER_OTLP_TRACES_HEADERS", Secret, None, "the ones above": "The same for spans alone.";
        OTEL_COMPRESSION = "OTEL_EXPORTER_OTLP_COMPRESSION", Text, None, "none": "How spans are packed: gzip or none.";
        OTEL_TRACES_COMPRESSION = "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", Text, None, "the one above": "The same for spans alone.";
        OTEL_TIMEOUT = "OTEL_EXPORTER_OTLP_TIMEOUT", Text, None, "10000": "How long a batch of spans may take, in milliseconds.";
        OTEL_TRACES_TIMEOUT = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", Text, None, "the one above": "The same for spans alone.";
        OTEL_SERVICE_NAME = "OTEL_SERVICE_NAME", Text, None, "miteos": "What the server calls itself in spans.";
        OTEL_RESOURCE_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES", List, None, "none": "More of what it says of itself, name=value.";
        OTEL_SAMPLER = "OTEL_TRACES_SAMPLER", Text, None, "parentbased_always_on": "Which traces are sent.";
        OTEL_SAMPLER_ARG = "OTEL_TRACES_SAMPLER_ARG", Text, None, "1.0": "Which share of them, for samplers that take one.";
        OTEL_PROPAGATORS = "OTEL_PROPAGATORS", List, None, "tracecontext,baggage": "How the trace of a request is read.";
        OTEL_MESSAGES = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", Text, None, "false": "Whether prompts and answers are in spans.";
        OTEL_QUEUE = "OTEL_BSP_MAX_QUEUE_SIZE", Text, None, "2048": "Spans that wait to be sent.";
        OTEL_BATCH = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Text, None, "512": "Spans that are sent together.";
        OTEL_DELAY = "OTEL_BSP_SCHEDULE_DELAY", Text, None, "5000": "How long a span waits for others, in milliseconds.";
    }
}

pub use rows::*;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_each_of_one_setting() {
        for (nth, variable) in VARIABLES.iter().enumerate() {
            let others = VARIABLES.iter().skip(nth + 1);
            assert!(others.clone().all(|other| other.name != variable.name), "{}", variable.name);
            assert!(others.clone().all(|other| other.key() != variable.key()), "{}", variable.key());
            assert_eq!(by_key(&variable.key().to_uppercase()), Some(variable));
            assert_eq!(super::variable(variable.name), Some(variable));
            assert!(variable.meaning.ends_with('.') && !variable.default.is_empty(), "{}", variable.name);
        }
    }
}
