//! Prices, windows and quirks of models as data. The table is made by `scripts/refresh-prices.py`.
//!
//! A name is looked up by these rules, the first that finds a row wins:
//!
//! 1. exactly, as `provider/model`;
//! 2. a model behind a gateway (`openrouter/anthropic/claude-…`) has its maker's list price; a variant (`…:nitro`)
//!    has none, because variants are priced on their own;
//! 3. without its date (`-2026-03-05`, `-20260305`) or `-latest`, or the other way round the newest dated row of an
//!    undated name;
//! 4. the row of the whole provider (`ollama/*`), which only servers of one's own have.
//!
//! What is found nowhere has no known price, which is not the same as free.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use miteos_core::money::Price;
use serde::Deserialize;

use crate::name::ModelName;

const TABLE: &str = include_str!("../data/prices.json");

/// What the table says about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Row {
    pub price: Option<Price>,
    /// Prompt tokens that fit at this price.
    pub window_tokens: Option<u32>,
    pub max_output_tokens: Option<u32>,
    pub quirks: Quirks,
}

/// What a request to the model has to respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Quirks {
    /// It thinks before it answers, and may want its thoughts back.
    pub reasons: bool,
    pub refuses_temperature: bool,
    pub refuses_forced_tool: bool,
    /// It answers on OpenAI's responses interface only.
    pub responses_only: bool,
}

type Columns = (Option<u64>, Option<u64>, Option<u64>, Option<u64>, Option<u64>, Option<u64>, String);

#[derive(Deserialize)]
struct Document {
    source: String,
    date: String,
    models: BTreeMap<String, Columns>,
}

struct Table {
    origin: String,
    rows: BTreeMap<String, Row>,
}

fn table() -> &'static Table {
    static PARSED: OnceLock<Table> = OnceLock::new();
    PARSED.get_or_init(|| match serde_json::from_str::<Document>(TABLE) {
        Ok(document) => Table {
            origin: format!("{}, {}", document.source, document.date),
            rows: document.models.into_iter().map(|(name, columns)| (name, row(columns))).collect(),
        },
        // The table is part of the binary and a test reads it, so this can only be a build of a broken tree.
        Err(error) => {
            tracing::error!(%error, "the built-in price table cannot be read; every price is unknown");
            Table { origin: "none".to_owned(), rows: BTreeMap::new() }
        }
    })
}

fn row((input, output, cache_read, cache_write, window, max_output, flags): Columns) -> Row {
    let narrow = |tokens: Option<u64>| tokens.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    Row {
        price: input.zip(output).map(|(input, output)| Price { input, output, cache_read, cache_write }),
        window_tokens: narrow(window),
        max_output_tokens: narrow(max_output),
        quirks: Quirks {
            reasons: flags.contains('r'),
            refuses_temperature: flags.contains('t'),
            refuses_forced_tool: flags.contains('f'),
            responses_only: flags.contains('e'),
        },
    }
}

/// Where the table comes from and of when it is.
pub(crate) fn origin() -> &'static str {
    &table().origin
}

/// The row of a model by the rules above.
pub(crate) fn look_up(name: &ModelName) -> Option<&'static Row> {
    let rows = &table().rows;
    let own = name.to_string();
    by_name(rows, &own)
        .or_else(|| by_name(rows, &makers_name(name)?))
        .or_else(|| (!runs_elsewhere(name)).then(|| rows.get(&format!("{}/*", name.provider())))?)
}

/// Ollama passes models whose name says so on to its own cloud; those are not free.
fn runs_elsewhere(name: &ModelName) -> bool {
    name.model().ends_with("-cloud") || name.model().ends_with(":cloud")
}

fn by_name<'a>(rows: &'a BTreeMap<String, Row>, name: &str) -> Option<&'a Row> {
    if let Some(row) = rows.get(name) {
        return Some(row);
    }
    let plain = undated(name);
    if plain != name
        && let Some(row) = rows.get(plain)
    {
        return Some(row);
    }
    let prefix = format!("{plain}-");
    let dated = rows.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
    dated.filter(|(key, _)| undated(key) == plain && !key.ends_with("-latest")).last().map(|(_, row)| row)
}

/// `openrouter/x-ai/grok-…` as `xai/grok-…`.
fn makers_name(name: &ModelName) -> Option<String> {
    if name.provider() != "openrouter" || name.model().contains(':') {
        return None;
    }
    let (maker, model) = name.model().split_once('/')?;
    match maker {
        // The gateway writes versions with dots, the maker with dashes.
        "anthropic" => Some(format!("anthropic/{}", model.replace('.', "-"))),
        "openai" | "deepseek" => Some(format!("{maker}/{model}")),
        "google" => Some(format!("gemini/{model}")),
        "mistralai" => Some(format!("mistral/{model}")),
        "x-ai" => Some(format!("xai/{model}")),
        _ => None,
    }
}

/// The name without a date or `-latest` at its end.
fn undated(name: &str) -> &str {
    if let Some(plain) = name.strip_suffix("-latest") {
        return plain;
    }
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    match name.rsplit_once('-') {
        Some((plain, last)) if digits(last, 8) => plain,
        Some((rest, day)) if digits(day, 2) => {
            let month = rest.rsplit_once('-').filter(|(_, month)| digits(month, 2));
            let year = month.and_then(|(rest, _)| rest.rsplit_once('-')).filter(|(_, year)| digits(year, 4));
            year.map_or(name, |(plain, _)| plain)
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(name: &str) -> Option<Price> {
        look_up(&name.parse().unwrap()).and_then(|row| row.price)
    }

    #[test]
    fn the_table_is_read_whole_and_small() {
        assert!(table().rows.len() > 100);
        assert!(TABLE.len() < 200_000);
        assert!(origin().starts_with("litellm "));
        // A paid row is never zero: nothing that is unknown may look free.
        for (name, row) in &table().rows {
            let own = ["local/", "ollama/", "lmstudio/", "llamacpp/", "test/scripted"];
            if let Some(price) = row.price
                && !own.iter().any(|prefix| name.starts_with(prefix))
            {
                assert!(price.input > 0 && price.output > 0, "{name}");
                assert!(price.cache_read != Some(0) && price.cache_write != Some(0), "{name}");
            }
        }
    }

    #[test]
    fn exact_then_maker_then_date() {
        let sonnet = price("anthropic/claude-sonnet-4-5").unwrap();
        assert_eq!((sonnet.input, sonnet.output), (3_000_000, 15_000_000));
        assert_eq!((sonnet.cache_read, sonnet.cache_write), (Some(300_000), Some(3_750_000)));
        assert_eq!(price("openrouter/anthropic/claude-sonnet-4.5"), Some(sonnet));
        assert_eq!(price("openrouter/anthropic/claude-sonnet-4.5:nitro"), None);
        assert_eq!(price("anthropic/claude-sonnet-4-5-20991231"), Some(sonnet));
        assert_eq!(price("anthropic/claude-sonnet-4-5-latest"), Some(sonnet));
        assert_eq!(price("openai/gpt-5-2099-01-31"), price("openai/gpt-5"));
        // A name that only begins like a known one is another model.
        assert_eq!(price("openai/gpt-5-supreme"), None);
        assert_eq!(price("nobody/nothing"), None);
    }

    #[test]
    fn ones_own_machine_is_free_by_a_row_of_its_own() {
        for name in
            ["local/qwen2.5-coder-1.5b", "ollama/qwen3:8b", "lmstudio/x", "llamacpp/y", "test/scripted"]
        {
            assert_eq!(price(name), Some(Price::FREE), "{name}");
        }
        assert_eq!(price("ollama/gpt-oss:120b-cloud"), None);
        assert!(price("test/scripted-priced").is_some_and(|price| price.input > 0));
    }

    #[test]
    fn dates_are_told_from_versions() {
        assert_eq!(undated("a/gpt-5-2026-03-05"), "a/gpt-5");
        assert_eq!(undated("a/claude-opus-4-5-20251101"), "a/claude-opus-4-5");
        assert_eq!(undated("a/claude-opus-4-5"), "a/claude-opus-4-5");
        assert_eq!(undated("a/mistral-large-latest"), "a/mistral-large");
        assert_eq!(undated("a/deep-research-pro-preview-12-2025"), "a/deep-research-pro-preview-12-2025");
    }

    #[test]
    fn quirks_are_read() {
        let quirks = |name: &str| look_up(&name.parse().unwrap()).unwrap().quirks;
        assert!(quirks("anthropic/claude-sonnet-5-5").refuses_forced_tool);
        assert!(quirks("anthropic/claude-sonnet-5-5").refuses_temperature);
        assert!(quirks("openai/gpt-5-pro").responses_only);
        assert_eq!(quirks("openai/gpt-4.1"), Quirks::default());
    }
}
