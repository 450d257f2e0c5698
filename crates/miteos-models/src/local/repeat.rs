//! Notices when a generation goes round in circles.
//!
//! A small model at temperature 0 may repeat a passage until the output limit. The guard knows tokens only, not what
//! they mean.

/// The longest passage whose repetition is noticed, in tokens.
const MAX_PERIOD: usize = 64;
/// Tokens that must have repeated what stood before them.
const MIN_REPEATED: usize = 96;
/// How often the passage must have come again.
const MIN_TIMES: usize = 4;

/// Follows one generation.
#[derive(Debug)]
pub struct Repeats {
    tokens: Vec<i32>,
    /// By period less one: how many tokens in a row equal the one a period before.
    runs: [usize; MAX_PERIOD],
}

impl Default for Repeats {
    fn default() -> Self {
        Self { tokens: Vec::new(), runs: [0; MAX_PERIOD] }
    }
}

impl Repeats {
    pub fn push(&mut self, token: i32) {
        for (index, run) in self.runs.iter_mut().enumerate() {
            let before = self.tokens.len().checked_sub(index + 1).and_then(|at| self.tokens.get(at));
            *run = if before == Some(&token) { *run + 1 } else { 0 };
        }
        self.tokens.push(token);
    }

    /// The token that would go on with a passage which was repeated too often.
    pub fn next_in_loop(&self) -> Option<i32> {
        let period = self.runs.iter().enumerate().find_map(|(index, run)| {
            let period = index + 1;
            (*run >= MIN_REPEATED.max(period * MIN_TIMES)).then_some(period)
        })?;
        self.tokens.get(self.tokens.len() - period).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(tokens: impl IntoIterator<Item = i32>) -> Option<i32> {
        let mut repeats = Repeats::default();
        for token in tokens {
            repeats.push(token);
        }
        repeats.next_in_loop()
    }

    #[test]
    fn a_passage_is_stopped_where_it_would_begin_again() {
        let passage = 30;
        let times = MIN_TIMES + 1;
        assert_eq!(after((0..passage).cycle().take(passage as usize * times)), Some(0));
        assert_eq!(after((0..passage).cycle().take(passage as usize * times - 1)), None);
        assert_eq!(after(std::iter::repeat_n(7, MIN_REPEATED + 1)), Some(7));
        assert_eq!(after(std::iter::repeat_n(7, MIN_REPEATED)), None);
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        assert_eq!(after(0..5000), None);
        assert_eq!(after([]), None);
        let table = (0..400).flat_map(|row| [1, 2, 1000 + row, 3]);
        assert_eq!(after(table), None, "rows with the same frame differ");
        let broken = (0..10).cycle().take(95).chain([99]).chain((0..10).cycle().take(95));
        assert_eq!(after(broken), None);
    }
}
