//! What can go wrong at a provider, switched on for the requests that it is meant for.

use std::time::Duration;

/// Which requests a fault is for.
#[derive(Debug, Clone, Default)]
pub struct When {
    /// Upper case; any if empty.
    pub method: String,
    /// A part of the path; any if empty.
    pub path: String,
    /// So many of those pass before it.
    pub after: u32,
    /// So many are hit; all later ones if `None`.
    pub times: Option<u32>,
}

impl When {
    pub fn to(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    pub fn once(self) -> Self {
        Self { times: Some(1), ..self }
    }

    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }
}

/// What then happens.
#[derive(Debug, Clone)]
pub enum What {
    /// An answer in place of the right one; nothing is done.
    Answer { status: u16, headers: Vec<(String, String)>, body: String },
    /// The right answer after a while.
    Slow(Duration),
    /// The connection is cut while the body is still being read; nothing is done.
    CutUpload,
    /// The request is carried out and its answer is lost.
    CutAnswer,
}

impl What {
    pub fn status(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.to_owned() }
    }

    pub fn limited(name: &str, value: &str) -> Self {
        Self::Answer {
            status: 429,
            headers: vec![(name.to_owned(), value.to_owned())],
            body: "{}".to_owned(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Fault {
    pub when: When,
    pub what: What,
}

/// The faults that are switched on, with how often each was met.
#[derive(Default)]
pub(crate) struct Faults {
    list: Vec<(Fault, u32)>,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.list.push((fault, 0));
    }

    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// What happens to this request, if anything.
    pub fn meet(&mut self, method: &str, path: &str) -> Option<What> {
        for (fault, met) in &mut self.list {
            let when = &fault.when;
            let fits = (when.method.is_empty() || when.method == method) && path.contains(&when.path);
            if !fits {
                continue;
            }
            *met += 1;
            let turn = *met > when.after && when.times.is_none_or(|times| *met <= when.after + times);
            if turn {
                return Some(fault.what.clone());
            }
        }
        None
    }
}
