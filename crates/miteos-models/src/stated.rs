//! What the operator states about models: prices and windows, as comma lists. They beat the built-in table.

use miteos_core::money::Price;

use crate::config::{ModelsConfig, Override};
use crate::name::ModelName;

/// Prices: `provider/model=INPUT/OUTPUT`, also `/CACHED` behind it, in dollars per million tokens.
pub const PRICES: &str = "MITEOS_PRICES";
/// Windows: `provider/model=TOKENS`.
pub const WINDOWS: &str = "MITEOS_WINDOWS";
/// Smaller windows leave no room for an agent's tools.
const MIN_WINDOW_TOKENS: u32 = 1_024;
/// A price above this is a slip of the pen (dollars per million tokens).
const MAX_DOLLARS: u64 = 1_000_000;

/// Takes the two lists into the configuration. What cannot be understood is a problem and changes nothing.
pub(crate) fn read(config: &mut ModelsConfig, get: &dyn Fn(&str) -> Option<String>) {
    each(config, PRICES, get(PRICES), "openai/my-model=0.50/1.50", |text, stated| {
        stated.price = Some(price(text)?);
        Some(())
    });
    each(config, WINDOWS, get(WINDOWS), "openai/my-model=32768", |text, stated| {
        let tokens = text.parse().ok().filter(|tokens| *tokens >= MIN_WINDOW_TOKENS)?;
        stated.window_tokens = Some(tokens);
        Some(())
    });
}

fn each(
    config: &mut ModelsConfig,
    variable: &str,
    list: Option<String>,
    example: &str,
    take: impl Fn(&str, &mut Override) -> Option<()>,
) {
    for entry in list.unwrap_or_default().split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let taken = entry.rsplit_once('=').and_then(|(name, text)| {
            let name: ModelName = name.trim().parse().ok()?;
            let mut stated = config.overrides.get(&name).copied().unwrap_or_default();
            take(text.trim(), &mut stated)?;
            config.overrides.insert(name, stated);
            Some(())
        });
        if taken.is_none() {
            config.problems.push(format!("{variable}: cannot read \"{entry}\"; one looks like {example}"));
        }
    }
}

fn price(text: &str) -> Option<Price> {
    let mut parts = text.split('/').map(|part| dollars(part.trim()));
    let (input, output) = (parts.next()??, parts.next()??);
    let cache_read = match parts.next() {
        None => None,
        Some(cached) => Some(cached?),
    };
    parts.next().is_none().then_some(Price { input, output, cache_read, cache_write: None })
}

/// Dollars as micro-dollars, exactly: more than six places are refused.
fn dollars(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return None;
    }
    let whole: u64 = whole.parse().ok().filter(|whole| *whole <= MAX_DOLLARS)?;
    let micros: u64 = format!("{part:0<6}").parse().ok()?;
    Some(whole * 1_000_000 + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(prices: &str, windows: &str) -> ModelsConfig {
        let mut config = ModelsConfig::default();
        read(&mut config, &|name| Some(if name == PRICES { prices } else { windows }.to_owned()));
        config
    }

    #[test]
    fn prices_and_windows_of_one_model_stand_side_by_side() {
        let config = stated(
            "openai/my-model=0.50/1.5, groq/openai/gpt-oss-120b=2/10/0.000001",
            "openai/my-model=32768",
        );
        assert_eq!(config.problems, Vec::<String>::new());
        let of = |name: &str| config.overrides[&name.parse::<ModelName>().unwrap()];
        let price = Price { input: 500_000, output: 1_500_000, cache_read: None, cache_write: None };
        assert_eq!(of("openai/my-model").price, Some(price));
        assert_eq!(of("openai/my-model").window_tokens, Some(32_768));
        let cached = of("groq/openai/gpt-oss-120b").price.unwrap();
        assert_eq!((cached.input, cached.output, cached.cache_read), (2_000_000, 10_000_000, Some(1)));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_changes_nothing() {
        for prices in [
            "a/b=1",
            "a/b=1/2/3/4",
            "a/b=-1/2",
            "a/b=1/.5",
            "a/b=1/0.1234567",
            "b=1/2",
            "a/b",
            "a/b=9999999/1",
        ] {
            let config = stated(prices, "");
            assert!(config.overrides.is_empty(), "{prices}");
            assert!(
                config.problems[0].contains(prices) && config.problems[0].contains("0.50/1.50"),
                "{prices}"
            );
        }
        assert!(stated("", "a/b=12").problems[0].contains(WINDOWS));
        assert_eq!(stated(" , ", ""), ModelsConfig::default());
    }
}
