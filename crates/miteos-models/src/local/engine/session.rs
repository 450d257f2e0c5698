//! A loaded model with the state of the last conversations.
//!
//! The computed state of a prompt is kept in a slot. The next call starts from the slot that shares the longest
//! beginning with its prompt, so that an agent's next step computes its new messages only, also when agents take turns.

use std::collections::VecDeque;
use std::time::Instant;

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use miteos_core::money::Usage;

use super::worker::millis;
use super::{Event, Job};
use crate::call::Answer;
use crate::error::{ErrorKind, ModelError};
use crate::local::block;
use crate::local::catalog::{CONTEXT_TOKENS, MAX_OUTPUT_TOKENS};
use crate::local::grammar::Matcher;
use crate::local::prompt::Piece;
use crate::local::repeat::Repeats;
use crate::local::sampling::{Draws, Rules, Vocabulary};
use crate::local::stream::{Ended, Reader};

/// Conversations whose state is kept.
pub const MAX_SLOTS: u32 = 8;
/// Prompt tokens that are computed at once; a cancelled call stops between two such parts, within a few seconds.
pub const BATCH_TOKENS: u32 = 128;
/// A slot that would lose more than this is left as it is if another one is free or older: its conversation may go on.
const MAX_LOST_TOKENS: usize = 64;
/// Answers whose tokens are remembered.
const MAX_WRITTEN: usize = 64;
/// How often a repetition is broken in one answer before the answer is cut.
const MAX_BREAKS: u32 = 6;

#[derive(Debug, Default)]
struct Slot {
    tokens: Vec<LlamaToken>,
    /// The number of the last call that used it.
    used: u64,
}

/// A model, its context and what is kept in it.
pub struct Session<'m> {
    model: &'m LlamaModel,
    context: LlamaContext<'m>,
    vocabulary: Vocabulary,
    slots: Vec<Slot>,
    calls: u64,
    /// What the model wrote, with the tokens it used: the same text cut otherwise would not match the kept state.
    written: VecDeque<(String, Vec<LlamaToken>)>,
    batch: LlamaBatch<'static>,
}

/// The answer in hand.
struct Writing<'j> {
    job: &'j Job,
    slot: usize,
    matcher: Option<Matcher<'j>>,
    reader: Reader,
    repeats: Repeats,
    draws: Draws,
    tokens: Vec<LlamaToken>,
    text: Vec<u8>,
    breaks: u32,
    limit: usize,
}

/// Why an answer could not be made.
enum Stop {
    Cancelled,
    Error(ModelError),
}

impl<'m> Session<'m> {
    pub fn new(model: &'m LlamaModel, context: LlamaContext<'m>) -> Self {
        let vocab = model.vocab();
        let mut vocabulary = Vocabulary::default();
        for token in vocab.tokens() {
            vocabulary.push(&vocab.token_to_piece(token, false, None), vocab.is_eog(token));
        }
        let slots = (0..MAX_SLOTS).map(|_| Slot::default()).collect();
        let batch = LlamaBatch::new(BATCH_TOKENS as usize, 1);
        Self { model, context, vocabulary, slots, calls: 0, written: VecDeque::new(), batch }
    }

    /// Answers one call. A cancelled one ends with an error that nobody reads.
    pub fn answer(&mut self, job: &Job) -> Result<Answer, ModelError> {
        match self.try_answer(job) {
            Ok(answer) => Ok(answer),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Cancelled) => {
                Err(job.error(ErrorKind::Transient { retry_after_ms: None }, "cancelled"))
            }
        }
    }

    fn try_answer(&mut self, job: &Job) -> Result<Answer, Stop> {
        let started = Instant::now();
        let prompt = self.tokens_of(&job.shape.pieces);
        let limit = job.max_output_tokens.clamp(1, MAX_OUTPUT_TOKENS);
        if prompt.len() > (CONTEXT_TOKENS - limit) as usize {
            let message = format!(
                "the conversation has {} tokens; with an answer of {limit} only {} fit",
                prompt.len(),
                CONTEXT_TOKENS - limit
            );
            return Err(Stop::Error(job.error(ErrorKind::TooLong, &message)));
        }
        let mut writing = Writing::new(job, limit as usize);
        let head = self.forced(&mut writing);
        let prompt_tokens = prompt.len();
        let mut whole = prompt;
        whole.extend_from_slice(&head);
        let (slot, reused) = self.take_slot(&whole);
        writing.slot = slot;
        let rest = whole.split_off(reused);
        self.compute(&mut writing, &rest)?;
        let (prompt_ms, generating) = (millis(started), Instant::now());
        let ended = self.write(&mut writing)?;
        tracing::debug!(
            model = job.name,
            prompt_tokens,
            reused,
            prompt_ms,
            output_tokens = writing.tokens.len(),
            output_ms = millis(generating),
            breaks = writing.breaks,
            slot,
            "local model answered"
        );
        let usage = Usage {
            input: prompt_tokens as u64,
            output: writing.tokens.len() as u64,
            cache_read: reused.min(prompt_tokens) as u64,
            ..Usage::default()
        };
        self.remember(&writing);
        Ok(writing.reader.finish(ended, usage, job.name.clone()))
    }

    /// The tokens of a prompt. Text is never read as marks.
    fn tokens_of(&self, pieces: &[Piece]) -> Vec<LlamaToken> {
        let vocab = self.model.vocab();
        let mut tokens = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Mark(mark) => tokens.extend(vocab.tokenize(mark.as_bytes(), false, true)),
                Piece::Text(text) => match self.written.iter().find(|(written, _)| written == text) {
                    Some((_, written)) => tokens.extend_from_slice(written),
                    None if text.is_empty() => {}
                    None => tokens.extend(vocab.tokenize(text.as_bytes(), false, false)),
                },
            }
        }
        tokens
    }

    fn remember(&mut self, writing: &Writing<'_>) {
        let Ok(mut text) = String::from_utf8(writing.text.clone()) else { return };
        let mut tokens = writing.tokens.clone();
        // The line break behind a block is not written again.
        if text.ends_with(block::INNER_CLOSE)
            && tokens.last().is_some_and(|last| self.vocabulary.piece(last.0) == b"\n")
        {
            text.pop();
            tokens.pop();
        }
        self.written.retain(|(known, _)| *known != text);
        self.written.push_back((text, tokens));
        if self.written.len() > MAX_WRITTEN {
            self.written.pop_front();
        }
    }

    /// Chooses a slot for a prompt, cuts it back to the beginning that they share and says how long that is.
    fn take_slot(&mut self, prompt: &[LlamaToken]) -> (usize, usize) {
        self.calls += 1;
        let shared = |slot: &Slot| slot.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        let lengths: Vec<usize> = self.slots.iter().map(shared).collect();
        let best = (0..self.slots.len()).max_by_key(|at| (lengths[*at], self.slots[*at].used)).unwrap_or(0);
        // The last token is always computed: the first choice is made from what comes out of it.
        let reused = lengths[best].min(prompt.len().saturating_sub(1));
        let oldest = (0..self.slots.len()).min_by_key(|at| self.slots[*at].used).unwrap_or(0);
        let lost = self.slots[best].tokens.len() - reused;
        let at = if lost > MAX_LOST_TOKENS && oldest != best { oldest } else { best };
        if at != best {
            self.clear(at, 0);
            if reused > 0 && self.copy(best, at, reused) {
                self.slots[at].tokens = prompt[..reused].to_vec();
            }
        } else {
            self.clear(at, reused);
        }
        self.slots[at].used = self.calls;
        (at, self.slots[at].tokens.len())
    }

    fn copy(&mut self, from: usize, to: usize, count: usize) -> bool {
        let (Ok(from), Ok(to), Ok(end)) = (i32::try_from(from), i32::try_from(to), u32::try_from(count))
        else {
            return false;
        };
        self.context.copy_kv_cache_seq(from, to, Some(0), Some(end)).is_ok()
    }

    /// Drops what a slot holds from this token on; all of it, if it cannot be cut there.
    fn clear(&mut self, slot: usize, from: usize) {
        let sequence = u32::try_from(slot).ok();
        let cut =
            matches!(self.context.clear_kv_cache_seq(sequence, u32::try_from(from).ok(), None), Ok(true));
        if cut {
            self.slots[slot].tokens.truncate(from);
        } else {
            // Whole sequences can always be dropped.
            let _ = self.context.clear_kv_cache_seq(sequence, None, None);
            self.slots[slot].tokens.clear();
        }
    }

    /// Computes these tokens behind what the slot holds.
    fn compute(&mut self, writing: &mut Writing<'_>, tokens: &[LlamaToken]) -> Result<(), Stop> {
        for (index, part) in tokens.chunks(BATCH_TOKENS as usize).enumerate() {
            if writing.job.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            let is_last = (index + 1) * BATCH_TOKENS as usize >= tokens.len();
            if let Err(message) = self.compute_part(writing.slot, part, is_last) {
                self.clear(writing.slot, 0);
                let error = writing
                    .job
                    .error(ErrorKind::Transient { retry_after_ms: None }, "the computation failed");
                return Err(Stop::Error(error.with_source(message)));
            }
        }
        Ok(())
    }

    fn compute_part(&mut self, slot: usize, part: &[LlamaToken], is_last: bool) -> Result<(), String> {
        self.batch.clear();
        let start = self.slots[slot].tokens.len();
        for (index, token) in part.iter().enumerate() {
            let position = i32::try_from(start + index).map_err(|error| error.to_string())?;
            let sequence = i32::try_from(slot).map_err(|error| error.to_string())?;
            let wants_logits = is_last && index + 1 == part.len();
            self.batch.add(*token, position, &[sequence], wants_logits).map_err(|error| error.to_string())?;
        }
        loop {
            match self.context.decode(&mut self.batch) {
                Ok(()) => break,
                Err(DecodeError::NoKvCacheSlot) => self.make_room(slot)?,
                Err(error) => return Err(error.to_string()),
            }
        }
        self.slots[slot].tokens.extend_from_slice(part);
        Ok(())
    }

    /// Drops the conversation that was not used for the longest time.
    fn make_room(&mut self, keep: usize) -> Result<(), String> {
        let full = (0..self.slots.len()).filter(|at| *at != keep && !self.slots[*at].tokens.is_empty());
        let oldest = full.min_by_key(|at| self.slots[*at].used).ok_or("the context is full")?;
        self.clear(oldest, 0);
        Ok(())
    }

    /// Writes what must come next without asking the model, and returns its tokens, which are still to be computed.
    ///
    /// The last token is left to the model, which may join it with what follows, as it does in ordinary text.
    fn forced(&self, writing: &mut Writing<'_>) -> Vec<LlamaToken> {
        let Some(matcher) = &writing.matcher else { return Vec::new() };
        let text = matcher.forced();
        if text.len() < 2 {
            return Vec::new();
        }
        let mut tokens = self.model.vocab().tokenize(&text, false, false);
        tokens.pop();
        tokens.truncate(writing.limit.saturating_sub(writing.tokens.len() + 1));
        for token in &tokens {
            writing.take(*token, self.vocabulary.piece(token.0));
        }
        tokens
    }

    /// Writes until the end.
    fn write(&mut self, writing: &mut Writing<'_>) -> Result<Ended, Stop> {
        loop {
            if writing.job.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            let banned = writing.repeats.next_in_loop();
            if banned.is_some() {
                writing.breaks += 1;
                if writing.breaks > MAX_BREAKS {
                    return Ok(Ended::Cut);
                }
            }
            let logits = self.context.get_logits_ith(self.batch.n_tokens() - 1);
            let rules = Rules { vocabulary: &self.vocabulary, matcher: writing.matcher.as_ref(), banned };
            let temperature = writing.job.temperature;
            let chosen = if temperature > 0.0 {
                rules.drawn(logits, temperature, writing.draws.next())
            } else {
                rules.likeliest(logits)
            };
            let Some(token) = chosen else { return Ok(Ended::Cut) };
            if self.vocabulary.ends_turn(token) {
                return Ok(Ended::Whole);
            }
            let token = LlamaToken::new(token);
            writing.take(token, self.vocabulary.piece(token.0));
            if writing.matcher.as_ref().is_some_and(Matcher::is_complete) {
                return Ok(Ended::Whole);
            }
            if writing.tokens.len() >= writing.limit {
                return Ok(Ended::Cut);
            }
            let mut next = vec![token];
            next.extend(self.forced(writing));
            self.compute(writing, &next)?;
        }
    }
}

impl<'j> Writing<'j> {
    fn new(job: &'j Job, limit: usize) -> Self {
        let reader = match &job.shape.grammar {
            Some(_) => Reader::of_call(job.shape.finish_tool.clone(), job.shape.blocks.clone()),
            None => Reader::of_text(),
        };
        Self {
            job,
            slot: 0,
            matcher: job.shape.grammar.as_ref().map(Matcher::new),
            reader,
            repeats: Repeats::default(),
            draws: Draws::seeded(&job.call_id),
            tokens: Vec::new(),
            text: Vec::new(),
            breaks: 0,
            limit,
        }
    }

    /// Goes on by one token.
    fn take(&mut self, token: LlamaToken, piece: &[u8]) {
        if let Some(matcher) = &mut self.matcher {
            // It was chosen by this matcher.
            let fits = matcher.accept(piece);
            debug_assert!(fits, "the grammar refused what it had allowed");
        }
        self.tokens.push(token);
        self.text.extend_from_slice(piece);
        self.repeats.push(token.0);
        for delta in self.reader.push(piece) {
            self.job.tell(Event::Delta(delta));
        }
    }
}
