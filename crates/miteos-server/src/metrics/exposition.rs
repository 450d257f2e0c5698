//! The two text formats that Prometheus reads: OpenMetrics, and the older one for everything else that scrapes.

use std::fmt::Write;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    OpenMetrics,
    /// Version 0.0.4.
    Classic,
}

impl Format {
    /// What the `Accept` of a scraper asks for.
    pub fn asked_for(accept: Option<&str>) -> Self {
        match accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            true => Self::OpenMetrics,
            false => Self::Classic,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

pub fn text(registry: &Registry, format: Format) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail, and no metric of the catalogue refuses to be written.
    let _ = encode(&mut text, registry);
    match format {
        Format::OpenMetrics => text,
        Format::Classic => classic(&text),
    }
}

/// The older format names a counter's family like its sample, and has no end mark.
fn classic(text: &str) -> String {
    let mut classic = String::with_capacity(text.len() + 1_024);
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    for line in text.lines().filter(|line| *line != "# EOF") {
        let head = ["# HELP ", "# TYPE "].into_iter().find_map(|word| {
            let (name, rest) = line.strip_prefix(word)?.split_once(' ')?;
            counters.contains(&name).then_some((word, name, rest))
        });
        // Writing into a string cannot fail.
        let _ = match head {
            Some((word, name, rest)) => writeln!(classic, "{word}{name}_total {rest}"),
            None => writeln!(classic, "{line}"),
        };
    }
    classic
}
