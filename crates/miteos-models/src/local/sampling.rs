//! Chooses the next token from a model's logits, within a grammar. Knows no model: a vocabulary is a list of bytes.
//!
//! The likeliest token is asked of the grammar first, then the likeliest few, and only then the whole vocabulary: in
//! most steps one look is enough. The result is the same as if the grammar had masked all tokens before.

use super::grammar::Matcher;

/// How many of the likeliest tokens are looked at before the whole vocabulary; with a temperature, the tokens that
/// are drawn from.
const FEW: usize = 48;

/// What each token of a model writes.
#[derive(Debug, Default)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    /// By token: where its bytes end.
    ends: Vec<usize>,
    /// By token: ends the model's turn.
    ends_turn: Vec<bool>,
}

impl Vocabulary {
    /// Adds the next token. Control tokens write nothing.
    pub fn push(&mut self, bytes: &[u8], ends_turn: bool) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.ends_turn.push(ends_turn);
    }

    /// What a token writes.
    pub fn piece(&self, token: i32) -> &[u8] {
        let Ok(index) = usize::try_from(token) else { return &[] };
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(index).and_then(|end| self.bytes.get(start..*end)).unwrap_or(&[])
    }

    pub fn ends_turn(&self, token: i32) -> bool {
        usize::try_from(token).ok().and_then(|index| self.ends_turn.get(index)).copied().unwrap_or(false)
    }
}

/// What decides about a token.
#[derive(Debug)]
pub struct Rules<'a> {
    pub vocabulary: &'a Vocabulary,
    /// `None`: free text, which the model may end.
    pub matcher: Option<&'a Matcher<'a>>,
    /// A token that may not come, whatever else holds.
    pub banned: Option<i32>,
}

impl Rules<'_> {
    fn allow(&self, token: i32) -> bool {
        if self.banned == Some(token) {
            return false;
        }
        let piece = self.vocabulary.piece(token);
        match self.matcher {
            Some(matcher) if self.vocabulary.ends_turn(token) => matcher.may_end(),
            Some(matcher) => matcher.allows(piece),
            None => !piece.is_empty() || self.vocabulary.ends_turn(token),
        }
    }

    /// The likeliest token that is allowed. `None`: there is none.
    pub fn likeliest(&self, logits: &[f32]) -> Option<i32> {
        let best = top(logits, 1);
        if let Some(token) = best.first().copied().filter(|token| self.allow(*token)) {
            return Some(token);
        }
        let few = top(logits, FEW).into_iter().find(|token| self.allow(*token));
        few.or_else(|| self.likeliest_of_all(logits))
    }

    fn likeliest_of_all(&self, logits: &[f32]) -> Option<i32> {
        let first_bytes = self.matcher.map(Matcher::next_bytes);
        let mut best: Option<(f32, i32)> = None;
        for (token, logit) in (0..).zip(logits) {
            if best.is_some_and(|(highest, _)| *logit <= highest) || logit.is_nan() {
                continue;
            }
            let starts_well = match (&first_bytes, self.vocabulary.piece(token).first()) {
                (Some(allowed), Some(byte)) => allowed[usize::from(*byte)],
                // A token without text may still end the turn.
                (Some(_), None) => true,
                (None, _) => true,
            };
            if starts_well && self.allow(token) {
                best = Some((*logit, token));
            }
        }
        best.map(|(_, token)| token)
    }

    /// Draws one of the likeliest allowed tokens. `draw` is uniform in `0.0..1.0`.
    pub fn drawn(&self, logits: &[f32], temperature: f32, draw: f32) -> Option<i32> {
        let allowed: Vec<i32> = top(logits, FEW).into_iter().filter(|token| self.allow(*token)).collect();
        let logit = |token: i32| {
            usize::try_from(token).ok().and_then(|at| logits.get(at)).copied().unwrap_or(f32::MIN)
        };
        let Some(first) = allowed.first() else { return self.likeliest_of_all(logits) };
        let highest = logit(*first);
        let weights: Vec<f32> =
            allowed.iter().map(|token| ((logit(*token) - highest) / temperature).exp()).collect();
        let mut left = draw * weights.iter().sum::<f32>();
        for (token, weight) in allowed.iter().zip(&weights) {
            if left < *weight {
                return Some(*token);
            }
            left -= weight;
        }
        Some(*first)
    }
}

/// The `count` likeliest tokens, likeliest first.
fn top(logits: &[f32], count: usize) -> Vec<i32> {
    let mut best: Vec<(f32, i32)> = Vec::with_capacity(count + 1);
    for (token, logit) in (0..).zip(logits) {
        let full = best.len() == count;
        if logit.is_nan() || (full && best.last().is_some_and(|(lowest, _)| logit <= lowest)) {
            continue;
        }
        let at = best.partition_point(|(known, _)| known >= logit);
        best.insert(at, (*logit, token));
        best.truncate(count);
    }
    best.into_iter().map(|(_, token)| token).collect()
}

/// Uniform numbers in `0.0..1.0` from a seed (SplitMix64), so that a repeated call gives the same answer.
#[derive(Debug)]
pub struct Draws(u64);

impl Draws {
    /// The same text gives the same numbers.
    pub fn seeded(text: &str) -> Self {
        // FNV-1a; the generator below mixes further.
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 24 bits are what an f32 holds exactly.
        (mixed >> 40) as f32 / (1u32 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::super::grammar::Builder;
    use super::*;

    fn vocabulary(pieces: &[&str]) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for piece in pieces {
            vocabulary.push(piece.as_bytes(), false);
        }
        vocabulary.push(b"", true);
        vocabulary
    }

    #[test]
    fn the_likeliest_allowed_token_is_taken() {
        let vocabulary = vocabulary(&["x", "{", "{\"a\"", "{\"b\"", ""]);
        let mut builder = Builder::default();
        let whole = builder.literal("{\"a\":1}");
        let grammar = builder.finish(whole);
        let matcher = Matcher::new(&grammar);
        let rules = Rules { vocabulary: &vocabulary, matcher: Some(&matcher), banned: None };
        assert_eq!(rules.likeliest(&[9.0, 1.0, 2.0, 3.0, 8.0, 7.0]), Some(2));
        assert_eq!(rules.likeliest_of_all(&[9.0, 1.0, 2.0, 3.0, 8.0, 7.0]), Some(2));
        assert_eq!(Rules { banned: Some(2), ..rules }.likeliest(&[9.0, 1.0, 2.0, 3.0, 8.0, 7.0]), Some(1));
    }

    #[test]
    fn a_token_far_down_is_found() {
        let mut pieces: Vec<String> = (0..500).map(|n| format!("no{n}")).collect();
        pieces.push("yes".into());
        let vocabulary = vocabulary(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
        let mut builder = Builder::default();
        let whole = builder.literal("yes!");
        let grammar = builder.finish(whole);
        let matcher = Matcher::new(&grammar);
        let logits: Vec<f32> = (0..502_i16).map(|n| 600.0 - f32::from(n)).collect();
        let rules = Rules { vocabulary: &vocabulary, matcher: Some(&matcher), banned: None };
        assert_eq!(rules.likeliest(&logits), Some(500));
        assert_eq!(rules.drawn(&logits, 1.0, 0.5), Some(500));
        assert_eq!(Rules { banned: Some(500), ..rules }.likeliest(&logits), None);
    }

    #[test]
    fn the_turn_may_end_where_the_grammar_may() {
        let vocabulary = vocabulary(&["a", "b"]);
        let mut builder = Builder::default();
        let (first, more) = (builder.literal("a"), builder.literal("b"));
        let more = builder.optional(more);
        let whole = builder.sequence(&[first, more]);
        let grammar = builder.finish(whole);
        let (before, logits) = (Matcher::new(&grammar), [1.0, 2.0, 3.0]);
        let mut behind = before.clone();
        assert!(behind.accept(b"a") && behind.may_end());
        for (matcher, chosen) in [(&before, 0), (&behind, 2)] {
            let rules = Rules { vocabulary: &vocabulary, matcher: Some(matcher), banned: None };
            assert_eq!(rules.likeliest(&logits), Some(chosen));
            assert_eq!(rules.likeliest_of_all(&logits), Some(chosen));
        }
    }

    #[test]
    fn free_text_may_end_but_not_write_control_tokens() {
        let vocabulary = vocabulary(&["a", ""]);
        let rules = Rules { vocabulary: &vocabulary, matcher: None, banned: None };
        assert_eq!(rules.likeliest(&[1.0, 9.0, 5.0]), Some(2));
        assert!(vocabulary.ends_turn(2) && !vocabulary.ends_turn(1) && !vocabulary.ends_turn(-1));
    }

    #[test]
    fn draws_are_repeatable_and_follow_the_weights() {
        let vocabulary = vocabulary(&["a", "b"]);
        let rules = Rules { vocabulary: &vocabulary, matcher: None, banned: None };
        let count = |seed: &str| {
            let mut draws = Draws::seeded(seed);
            (0..2000).filter(|_| rules.drawn(&[1.0, 0.0, -99.0], 1.0, draws.next()) == Some(0)).count()
        };
        let share = count("call-1");
        assert_eq!(share, count("call-1"));
        assert!((1360..1560).contains(&share), "e/(e+1) of 2000 is 1462, not {share}");
    }
}
