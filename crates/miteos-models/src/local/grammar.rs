//! A grammar over bytes, and the matcher that follows a text through it.
//!
//! The grammar is a network of states with calls between them, so that values may nest. The matcher says which bytes
//! may come next, which text must come next, and when the text is complete. It knows neither JSON schemas (see
//! [`super::schema`]) nor tokens: whoever samples tokens asks it about their bytes.

use std::rc::Rc;

/// States of one grammar. A schema that needs more is described less exactly.
pub const MAX_STATES: usize = 60_000;
/// Readings of a text that are followed at the same time. The first alternatives of a choice with more are lost, so
/// whoever builds one has to stay below.
pub const MAX_THREADS: usize = 512;
/// Calls inside one another: the nesting of a value.
const MAX_DEPTH: u32 = 200;
/// Bytes that [`Matcher::forced`] returns at most.
const MAX_FORCED_BYTES: usize = 512;

pub type StateId = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Byte { low: u8, high: u8, to: StateId },
    Empty { to: StateId },
    Call { start: StateId, back: StateId },
}

#[derive(Debug, Clone, Default)]
struct State {
    edges: Vec<Edge>,
    /// The end of the rule that it belongs to.
    end: bool,
}

/// A finished grammar.
#[derive(Debug, Clone)]
pub struct Grammar {
    states: Vec<State>,
    start: StateId,
}

/// A piece of a grammar under construction: enters at `start`, goes on from `end`.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub start: StateId,
    pub end: StateId,
}

/// Puts a grammar together.
#[derive(Debug, Default)]
pub struct Builder {
    states: Vec<State>,
}

impl Builder {
    /// Whether [`MAX_STATES`] is reached. What is built then is still a grammar.
    pub fn is_full(&self) -> bool {
        self.states.len() >= MAX_STATES
    }

    fn state(&mut self) -> StateId {
        self.states.push(State::default());
        u32::try_from(self.states.len() - 1).unwrap_or(u32::MAX)
    }

    fn edge(&mut self, from: StateId, edge: Edge) {
        if let Some(state) = self.states.get_mut(from as usize) {
            state.edges.push(edge);
        }
    }

    /// Goes from one state to another without text.
    pub fn link(&mut self, from: StateId, to: StateId) {
        self.edge(from, Edge::Empty { to });
    }

    /// Nothing at all.
    pub fn empty(&mut self) -> Part {
        let state = self.state();
        Part { start: state, end: state }
    }

    /// Exactly this text.
    pub fn literal(&mut self, text: &str) -> Part {
        let start = self.state();
        let mut end = start;
        for byte in text.bytes() {
            let to = self.state();
            self.edge(end, Edge::Byte { low: byte, high: byte, to });
            end = to;
        }
        Part { start, end }
    }

    /// One byte of these ranges.
    pub fn bytes(&mut self, ranges: &[(u8, u8)]) -> Part {
        let (start, end) = (self.state(), self.state());
        for &(low, high) in ranges {
            self.edge(start, Edge::Byte { low, high, to: end });
        }
        Part { start, end }
    }

    /// One after the other.
    pub fn sequence(&mut self, parts: &[Part]) -> Part {
        let Some((first, rest)) = parts.split_first() else { return self.empty() };
        let mut end = first.end;
        for part in rest {
            self.link(end, part.start);
            end = part.end;
        }
        Part { start: first.start, end }
    }

    /// Any one of them. Of none: nothing can match.
    pub fn choice(&mut self, parts: &[Part]) -> Part {
        let (start, end) = (self.state(), self.state());
        for part in parts {
            self.link(start, part.start);
            self.link(part.end, end);
        }
        Part { start, end }
    }

    /// It or nothing.
    pub fn optional(&mut self, part: Part) -> Part {
        let nothing = self.empty();
        self.choice(&[part, nothing])
    }

    /// Any number of times, also none.
    pub fn repeat(&mut self, part: Part) -> Part {
        let (start, end) = (self.state(), self.state());
        self.link(start, part.start);
        self.link(start, end);
        self.link(part.end, start);
        Part { start, end }
    }

    /// A rule whose body is set later with [`Self::define`], so that it may call itself.
    pub fn declare(&mut self) -> StateId {
        self.state()
    }

    /// Sets the body of a declared rule.
    pub fn define(&mut self, rule: StateId, body: Part) {
        self.link(rule, body.start);
        let end = self.state();
        self.link(body.end, end);
        if let Some(state) = self.states.get_mut(end as usize) {
            state.end = true;
        }
    }

    /// A use of a declared rule.
    pub fn call(&mut self, rule: StateId) -> Part {
        let (start, end) = (self.state(), self.state());
        self.edge(start, Edge::Call { start: rule, back: end });
        Part { start, end }
    }

    /// The grammar whose whole text is `part`.
    pub fn finish(mut self, part: Part) -> Grammar {
        let start = self.declare();
        self.define(start, part);
        Grammar { states: self.states, start }
    }
}

impl Grammar {
    fn state(&self, id: StateId) -> Option<&State> {
        self.states.get(id as usize)
    }
}

/// Where to go on when the current rule ends.
#[derive(Debug, PartialEq)]
struct Frame {
    back: StateId,
    parent: Option<Rc<Frame>>,
    depth: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct Thread {
    state: StateId,
    frame: Option<Rc<Frame>>,
}

/// A text on its way through a grammar.
#[derive(Debug, Clone)]
pub struct Matcher<'g> {
    grammar: &'g Grammar,
    /// Each waits for a byte.
    threads: Vec<Thread>,
    /// The text so far may be the whole text.
    may_end: bool,
}

impl<'g> Matcher<'g> {
    pub fn new(grammar: &'g Grammar) -> Self {
        let mut matcher = Self { grammar, threads: Vec::new(), may_end: false };
        matcher.settle(vec![Thread { state: grammar.start, frame: None }]);
        matcher
    }

    /// Whether nothing can follow any more.
    pub fn is_complete(&self) -> bool {
        self.may_end && self.threads.is_empty()
    }

    /// Whether the text so far may be the whole text.
    pub fn may_end(&self) -> bool {
        self.may_end
    }

    /// Which bytes may come next.
    pub fn next_bytes(&self) -> [bool; 256] {
        let mut allowed = [false; 256];
        for (low, high, _, _) in self.byte_edges() {
            for byte in low..=high {
                allowed[usize::from(byte)] = true;
            }
        }
        allowed
    }

    /// Whether these bytes may come next.
    pub fn allows(&self, bytes: &[u8]) -> bool {
        !bytes.is_empty() && self.clone().accept(bytes)
    }

    /// Goes on by these bytes. `false`: they do not fit, and the matcher is of no more use.
    pub fn accept(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.step(*byte))
    }

    /// The text that must come next, whatever else is chosen. Empty where there is a choice.
    pub fn forced(&self) -> Vec<u8> {
        let mut ahead = self.clone();
        let mut text = Vec::new();
        while text.len() < MAX_FORCED_BYTES && !ahead.may_end {
            let Some(byte) = ahead.only_byte() else { break };
            text.push(byte);
            if !ahead.step(byte) {
                break;
            }
        }
        text
    }

    fn only_byte(&self) -> Option<u8> {
        let mut only = None;
        for (low, high, _, _) in self.byte_edges() {
            if low != high || only.is_some_and(|byte| byte != low) {
                return None;
            }
            only = Some(low);
        }
        only
    }

    fn byte_edges(&self) -> impl Iterator<Item = (u8, u8, StateId, &Thread)> {
        self.threads.iter().flat_map(|thread| {
            let edges = self.grammar.state(thread.state).map_or(&[][..], |state| &state.edges);
            edges.iter().filter_map(move |edge| match edge {
                Edge::Byte { low, high, to } => Some((*low, *high, *to, thread)),
                Edge::Empty { .. } | Edge::Call { .. } => None,
            })
        })
    }

    fn step(&mut self, byte: u8) -> bool {
        let next = self
            .byte_edges()
            .filter(|(low, high, _, _)| (*low..=*high).contains(&byte))
            .map(|(_, _, to, thread)| Thread { state: to, frame: thread.frame.clone() })
            .collect();
        self.settle(next);
        self.may_end || !self.threads.is_empty()
    }

    /// Follows all edges without text, until every thread waits for a byte.
    fn settle(&mut self, mut open: Vec<Thread>) {
        self.threads.clear();
        self.may_end = false;
        let mut seen: Vec<Thread> = Vec::with_capacity(open.len() * 4);
        while let Some(thread) = open.pop() {
            if seen.len() >= MAX_THREADS * 8 || seen.contains(&thread) {
                continue;
            }
            seen.push(thread.clone());
            let Some(state) = self.grammar.state(thread.state) else { continue };
            if state.end {
                match &thread.frame {
                    None => self.may_end = true,
                    Some(frame) => open.push(Thread { state: frame.back, frame: frame.parent.clone() }),
                }
            }
            let mut waits = false;
            for edge in &state.edges {
                match edge {
                    Edge::Byte { .. } => waits = true,
                    Edge::Empty { to } => open.push(Thread { state: *to, frame: thread.frame.clone() }),
                    Edge::Call { start, back } => {
                        let depth = thread.frame.as_ref().map_or(0, |frame| frame.depth) + 1;
                        if depth <= MAX_DEPTH {
                            let frame = Frame { back: *back, parent: thread.frame.clone(), depth };
                            open.push(Thread { state: *start, frame: Some(Rc::new(frame)) });
                        }
                    }
                }
            }
            if waits && self.threads.len() < MAX_THREADS {
                self.threads.push(thread);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(grammar: &Grammar, text: &str) -> bool {
        let mut matcher = Matcher::new(grammar);
        matcher.accept(text.as_bytes()) && matcher.may_end
    }

    #[test]
    fn a_rule_may_call_itself() {
        let mut b = Builder::default();
        let rule = b.declare();
        let (open, inner, close) = (b.literal("("), b.call(rule), b.literal(")"));
        let inner = b.optional(inner);
        let body = b.sequence(&[open, inner, close]);
        b.define(rule, body);
        let whole = b.call(rule);
        let grammar = b.finish(whole);
        assert!(accepts(&grammar, "((()))"));
        assert!(!accepts(&grammar, "((())"));
        assert!(!accepts(&grammar, "(()))"));
        let mut matcher = Matcher::new(&grammar);
        assert!(matcher.accept(b"(())"));
        assert!(matcher.is_complete());
    }

    #[test]
    fn what_must_come_is_known_and_what_may_come_is_not() {
        let mut b = Builder::default();
        let (start, left, right) = (b.literal("{\"a\":"), b.literal("12"), b.literal("13"));
        let either = b.choice(&[left, right]);
        let close = b.literal("}");
        let whole = b.sequence(&[start, either, close]);
        let grammar = b.finish(whole);
        let mut matcher = Matcher::new(&grammar);
        assert_eq!(matcher.forced(), b"{\"a\":1");
        assert!(matcher.accept(b"{\"a\":1"));
        assert!(matcher.forced().is_empty());
        assert!(
            matcher.allows(b"2}") && matcher.allows(b"3") && !matcher.allows(b"4") && !matcher.allows(b"")
        );
        assert!(matcher.accept(b"3"));
        assert_eq!(matcher.forced(), b"}");
    }

    #[test]
    fn a_rule_that_only_calls_itself_matches_nothing_and_ends() {
        let mut b = Builder::default();
        let rule = b.declare();
        let body = b.call(rule);
        b.define(rule, body);
        let whole = b.call(rule);
        let grammar = b.finish(whole);
        assert!(!Matcher::new(&grammar).accept(b"x"));
    }

    #[test]
    fn repetition_and_choice_of_none() {
        let mut b = Builder::default();
        let item = b.bytes(&[(b'0', b'9'), (b'a', b'f')]);
        let whole = b.repeat(item);
        let grammar = b.finish(whole);
        assert!(accepts(&grammar, "") && accepts(&grammar, "0f9") && !accepts(&grammar, "0g"));
        let mut b = Builder::default();
        let whole = b.choice(&[]);
        assert!(!accepts(&b.finish(whole), ""));
    }
}
