//! Money and tokens. Every model call's cost is rounded up to a whole micro-dollar once, so that sums are exact.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Millionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    pub const ZERO: Self = Self(0);

    pub fn from_cents(cents: u64) -> Self {
        Self(cents.saturating_mul(10_000))
    }

    pub fn dollars(self) -> f64 {
        // A task that costs 2^53 micro-dollars (nine billion dollars) is not foreseen.
        self.0 as f64 / 1e6
    }

    /// Whole cents, rounded up.
    pub fn cents_up(self) -> u64 {
        self.0.div_ceil(10_000)
    }

    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for MicroUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for MicroUsd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for MicroUsd {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// Tokens of one model call, or of many added up.
///
/// `input` counts all prompt tokens, those read from and written to a cache included; `output` counts all
/// generated tokens, reasoning included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_read: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

impl Usage {
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
    }
}

/// What a model costs, in millionths of a dollar per million tokens (so 3 dollars a million is 3,000,000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Price {
    pub input: u64,
    pub output: u64,
    /// `None`: cached tokens cost what other input costs.
    #[serde(default)]
    pub cache_read: Option<u64>,
    #[serde(default)]
    pub cache_write: Option<u64>,
}

impl Price {
    pub const FREE: Self = Self { input: 0, output: 0, cache_read: None, cache_write: None };

    /// The cost of a call, rounded up to a whole micro-dollar.
    pub fn cost(&self, usage: &Usage) -> MicroUsd {
        let read = usage.cache_read.min(usage.input);
        let write = usage.cache_write.min(usage.input - read);
        let plain = usage.input - read - write;
        let total = u128::from(plain) * u128::from(self.input)
            + u128::from(read) * u128::from(self.cache_read.unwrap_or(self.input))
            + u128::from(write) * u128::from(self.cache_write.unwrap_or(self.input))
            + u128::from(usage.output) * u128::from(self.output);
        MicroUsd(u64::try_from(total.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }

    /// The most that a call with this many prompt tokens and this output limit can cost.
    pub fn worst_case(&self, input: u64, output: u64) -> MicroUsd {
        let dearest = self.input.max(self.cache_write.unwrap_or(0)).max(self.cache_read.unwrap_or(0));
        Price { input: dearest, output: self.output, cache_read: None, cache_write: None }.cost(&Usage {
            input,
            output,
            ..Usage::default()
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_rounds_up_once_and_knows_the_cache() {
        let price = Price {
            input: 3_000_000,
            output: 15_000_000,
            cache_read: Some(300_000),
            cache_write: Some(3_750_000),
        };
        assert_eq!(price.cost(&Usage { input: 1, ..Usage::default() }), MicroUsd(3));
        let usage = Usage { input: 1000, output: 10, cache_read: 800, cache_write: 100, reasoning: 5 };
        assert_eq!(price.cost(&usage), MicroUsd(300 + 240 + 375 + 150));
        let cheap = Price { input: 75_000, ..Price::FREE };
        assert_eq!(cheap.cost(&Usage { input: 1, ..Usage::default() }), MicroUsd(1));
        assert!(price.worst_case(1000, 10) >= price.cost(&usage));
    }

    #[test]
    fn cents_round_up() {
        assert_eq!(MicroUsd(42_000).cents_up(), 5);
        assert_eq!(MicroUsd(0).cents_up(), 0);
        assert_eq!(MicroUsd(40_000).cents_up(), 4);
    }
}
