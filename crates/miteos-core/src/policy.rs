//! When a person is asked: the autonomy dial against a call's risk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tool::Risk;

/// A threshold above every dial setting: calls of this risk are always asked for.
pub const ALWAYS_ASKS: u8 = 101;

/// What an account set for one tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolRule {
    Always,
    Never,
}

/// From which dial setting on a call of each risk runs without asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub low: u8,
    pub medium: u8,
    pub high: u8,
    pub critical: u8,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, ToolRule>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { low: 20, medium: 50, high: 100, critical: 100, tools: BTreeMap::new() }
    }
}

impl Policy {
    pub fn must_ask(&self, autonomy: u8, tool: &str, risk: Risk) -> bool {
        let threshold = match risk {
            Risk::Low => self.low,
            Risk::Medium => self.medium,
            Risk::High => self.high,
            Risk::Critical => self.critical,
        };
        match (self.tools.get(tool), risk) {
            (Some(ToolRule::Always), _) => true,
            (Some(ToolRule::Never), Risk::Low | Risk::Medium | Risk::High) => false,
            // `never` is refused for critical tools.
            (Some(ToolRule::Never), Risk::Critical) | (None, _) => autonomy < threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dial_against_the_thresholds() {
        let policy = Policy::default();
        let asks = |dial| {
            [Risk::Low, Risk::Medium, Risk::High, Risk::Critical].map(|risk| policy.must_ask(dial, "x", risk))
        };
        assert_eq!(asks(0), [true; 4]);
        assert_eq!(asks(19), [true; 4]);
        assert_eq!(asks(20), [false, true, true, true]);
        assert_eq!(asks(49), [false, true, true, true]);
        assert_eq!(asks(50), [false, false, true, true]);
        assert_eq!(asks(99), [false, false, true, true]);
        assert_eq!(asks(100), [false; 4]);
    }

    #[test]
    fn rules_for_single_tools() {
        let mut policy = Policy::default();
        policy.tools.insert("read_file".into(), ToolRule::Always);
        policy.tools.insert("send_email".into(), ToolRule::Never);
        policy.tools.insert("deploy".into(), ToolRule::Never);
        assert!(policy.must_ask(100, "read_file", Risk::Low));
        assert!(!policy.must_ask(0, "send_email", Risk::High));
        assert!(policy.must_ask(99, "deploy", Risk::Critical));
    }
}
