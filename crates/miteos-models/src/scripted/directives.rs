//! Directives in a prompt: `[test:name]` or `[test:name=value]`. Unknown ones are no directives but text.

use std::time::Duration;

use super::{MAX_AGENTS, MAX_DELIVERABLE_BYTES, MAX_SLOW};

const OPEN: &str = "[test:";

/// What a prompt asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directives {
    pub fail: bool,
    pub agent_error: bool,
    pub approval: bool,
    pub budget: bool,
    pub slow: Option<Duration>,
    pub agents: usize,
    pub deliverable_bytes: Option<usize>,
    /// Which node of how many: set by the script's own plan.
    pub node: Option<(usize, usize)>,
    /// The node stands in for one that failed: set by the script's own plan.
    pub replacement: bool,
}

impl Directives {
    pub fn read(prompt: &str) -> Self {
        let mut found = Self {
            fail: false,
            agent_error: false,
            approval: false,
            budget: false,
            slow: None,
            agents: 1,
            deliverable_bytes: None,
            node: None,
            replacement: false,
        };
        for text in prompt.split(OPEN).skip(1) {
            let Some((inside, _)) = text.split_once(']') else { continue };
            let (name, value) = inside.split_once('=').unwrap_or((inside, ""));
            found.take(name.trim(), value.trim());
        }
        found
    }

    fn take(&mut self, name: &str, value: &str) {
        match name {
            "fail" => self.fail = true,
            "agent_error" => self.agent_error = true,
            "approval" => self.approval = true,
            "budget" => self.budget = true,
            "replacement" => self.replacement = true,
            "slow" => self.slow = duration(value).or(self.slow),
            "agents" => self.agents = value.parse().map_or(self.agents, |n: usize| n.clamp(1, MAX_AGENTS)),
            "deliverable" => self.deliverable_bytes = size(value).or(self.deliverable_bytes),
            "node" => {
                let pair =
                    value.split_once('/').and_then(|(nth, of)| Some((nth.parse().ok()?, of.parse().ok()?)));
                self.node = pair.or(self.node);
            }
            _ => {}
        }
    }
}

/// The prompt without its directives, as one line.
pub(super) fn plain(prompt: &str) -> String {
    let mut parts = prompt.split(OPEN);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once(']').map_or(part, |(_, rest)| rest));
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `30s`, `500ms`, `2m`; a bare number is seconds.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let ms = match unit {
        "ms" => number,
        "" | "s" => number * 1_000.0,
        "m" | "min" => number * 60_000.0,
        _ => return None,
    };
    Some(Duration::try_from_secs_f64(ms / 1_000.0).ok()?.min(MAX_SLOW))
}

/// `1MiB`, `64KiB`, `10MB`, `500B`; a bare number is bytes.
fn size(text: &str) -> Option<usize> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number * factor;
    // Bounded before the cast, so nothing is cut off but fractions.
    Some(bytes.min(MAX_DELIVERABLE_BYTES as f64) as usize)
}

fn number_and_unit(text: &str) -> Option<(f64, &'static str)> {
    const UNITS: [&str; 10] = ["ms", "min", "kib", "mib", "kb", "mb", "s", "m", "k", "b"];
    let text = text.to_ascii_lowercase();
    let unit =
        UNITS.into_iter().filter(|unit| text.ends_with(unit)).max_by_key(|unit| unit.len()).unwrap_or("");
    let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some((number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_wherever_they_stand() {
        let found = Directives::read(
            "do it [test:agents=5] now\n[test:slow=1.5s][test:deliverable=1MiB] [test:approval]",
        );
        assert_eq!(found.agents, 5);
        assert_eq!(found.slow, Some(Duration::from_millis(1_500)));
        assert_eq!(found.deliverable_bytes, Some(1 << 20));
        assert!(found.approval && !found.fail && !found.budget);
        assert_eq!(
            Directives::read("plain [test:unheard] [test:slow=soon] [test:agents=x] [test:").agents,
            1
        );
        assert_eq!(Directives::read("[test:agents=1000]").agents, MAX_AGENTS);
        assert_eq!(Directives::read("[test:agents=0]").agents, 1);
        assert_eq!(Directives::read("[test:node=2/3][test:replacement]").node, Some((2, 3)));
    }

    #[test]
    fn units() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("99m"), Some(MAX_SLOW));
        assert_eq!(duration("-1s"), None);
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("2MB"), Some(2_000_000));
        assert_eq!(size("1000MiB"), Some(MAX_DELIVERABLE_BYTES));
        assert_eq!(size("much"), None);
    }

    #[test]
    fn plain_text_has_no_directives() {
        assert_eq!(plain("Write [test:slow=3s] a\n note [test:fail]"), "Write a note");
    }
}
