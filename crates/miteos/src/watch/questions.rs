//! The questions that a watched task has for a person, one at a time, and what is done with the answers.

use std::collections::HashSet;

use miteos_client::Client;
use miteos_client::api::{Approval, DecideApproval, Risk};
use serde_json::{Map, Value};

use super::answer::{self, Answer, Choice};
use super::steering::{Deed, Done, IfRefused, Steering};
use crate::failure::Failure;
use crate::render::approval::{Extent, card};
use crate::render::text;
use crate::terminal::{Terminal, Typed};
use crate::view::RunView;

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    Ask,
    /// Yes up to high risk; what is critical is asked for.
    Yes,
    No,
}

/// What is being asked at this moment.
#[derive(Debug, Clone, PartialEq)]
enum Open {
    Nothing,
    Approval(Box<Approval>),
    Reason(Box<Approval>),
    Edit(Box<Approval>),
    Menu(Paused),
    Guidance(Paused),
}

/// Whether the task holds while the menu is open. Where it cannot be paused, it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paused {
    Yes,
    No,
}

/// What to do next.
#[derive(Debug)]
pub enum Next {
    Typed(Option<String>),
    Done(Box<Done>),
}

pub struct Questions<'a> {
    consent: Consent,
    terminal: &'a Terminal,
    open: Open,
    typed: Typed,
    steering: Steering,
    /// Approvals that were answered here or told of, so that none comes up twice.
    handled: HashSet<String>,
    /// Nobody answers any more: stdin has ended.
    unattended: bool,
}

impl<'a> Questions<'a> {
    pub fn new(client: Client, consent: Consent, terminal: &'a Terminal) -> Self {
        Self {
            consent,
            terminal,
            open: Open::Nothing,
            typed: Typed::default(),
            steering: Steering::new(client),
            handled: HashSet::new(),
            unattended: !terminal.can_ask(),
        }
    }

    pub fn is_open(&self) -> bool {
        self.open != Open::Nothing
    }

    /// Whether the menu of a pause is open.
    pub fn is_in_menu(&self) -> bool {
        matches!(self.open, Open::Menu(_) | Open::Guidance(_))
    }

    /// Whether the task was told to end: nothing is to be asked about it any more.
    pub fn was_cancelled(&self) -> bool {
        self.steering.was_cancelled()
    }

    /// Waits until there is something to do: a typed line, or the end of the input; or what came of a call. Never, if
    /// nothing is asked and nothing is under way. Dropping it loses nothing.
    pub async fn next(&mut self) -> Next {
        let is_open = self.is_open();
        tokio::select! {
            done = self.steering.next(), if self.steering.is_busy() => Next::Done(Box::new(done)),
            line = self.typed.next(), if is_open => Next::Typed(line),
            else => std::future::pending().await,
        }
    }

    /// Whether taking note of the view's approvals will print something.
    pub fn would_print(&self, view: &RunView) -> bool {
        self.is_open() || view.approvals.iter().any(|approval| !self.handled.contains(&approval.id))
    }

    /// Approvals came or went.
    pub fn changed(&mut self, view: &RunView) {
        if let Open::Approval(asked) | Open::Reason(asked) | Open::Edit(asked) = &self.open
            && !view.approvals.iter().any(|approval| approval.id == asked.id)
        {
            let what = format!("\n{} was decided elsewhere\n", text::line(&asked.id));
            self.terminal.ask(&what);
            self.open = Open::Nothing;
        }
        self.ask_next(view);
    }

    /// Opens the next question, if none is open and there is one.
    pub fn ask_next(&mut self, view: &RunView) {
        while !self.is_open() && !self.was_cancelled() {
            let next = view.approvals.iter().find(|approval| !self.handled.contains(&approval.id));
            let Some(approval) = next.cloned() else { return };
            match (self.consent, approval.risk) {
                (Consent::No, _) => {
                    self.decide(&approval, no(Some("rejected by --no".to_owned())), IfRefused::LeaveIt);
                }
                (Consent::Yes, Risk::Low | Risk::Medium | Risk::High) => {
                    self.decide(&approval, yes(None), IfRefused::LeaveIt);
                }
                (Consent::Ask | Consent::Yes, _) if self.unattended => self.tell(&approval),
                // What comes of it is said first, and not in the middle of the next card.
                (Consent::Ask | Consent::Yes, _) if self.steering.is_busy() => return,
                (Consent::Ask | Consent::Yes, _) => {
                    self.show(view, &approval, Extent::Beginning);
                    self.open = Open::Approval(Box::new(approval));
                    self.prompt();
                }
            }
        }
    }

    /// After Ctrl-C: what came of the pause opens the menu. An approval that is being asked for comes again after it.
    pub fn pause(&mut self, view: &RunView) {
        self.leave_line();
        self.steering.begin(Deed::Pause, &view.task_id);
    }

    /// After the second Ctrl-C.
    pub fn cancel(&mut self, view: &RunView) {
        self.leave_line();
        self.steering.begin(Deed::Cancel, &view.task_id);
    }

    /// Closes what is open. The cursor stands behind its prompt, and what follows begins a line.
    pub fn leave_line(&mut self) {
        if std::mem::replace(&mut self.open, Open::Nothing) != Open::Nothing {
            self.terminal.ask("\n");
        }
    }

    fn open_menu(&mut self, paused: Paused) {
        self.typed.forget();
        self.open = Open::Menu(paused);
        self.prompt();
    }

    /// What came of a call. A refusal is the server's sentence for the person, and the task goes on as it is. The next
    /// question is the caller's to ask for.
    pub fn done(&mut self, done: Done) -> Result<(), Failure> {
        let refused = done.outcome?;
        if let Some(why) = &refused {
            self.terminal.note(&text::line(why));
        }
        match (done.deed, refused) {
            (Deed::Pause, _) if self.was_cancelled() => {}
            (Deed::Pause, None) => self.open_menu(Paused::Yes),
            (Deed::Pause, Some(_)) => self.open_menu(Paused::No),
            (Deed::Decide { what, .. }, None) => self.terminal.note(&what),
            // Someone else was quicker, or the arguments were refused. If it still is open, a person is asked again.
            (Deed::Decide { approval_id, if_refused: IfRefused::AskAgain, .. }, Some(_)) => {
                self.handled.remove(&approval_id);
            }
            (Deed::Decide { if_refused: IfRefused::LeaveIt, .. }, Some(_))
            | (Deed::Resume | Deed::Cancel | Deed::Guide { .. }, _) => {}
        }
        Ok(())
    }

    /// Takes a typed line, or the end of the input.
    pub fn answer(&mut self, view: &RunView, typed: Option<String>) {
        let was = std::mem::replace(&mut self.open, Open::Nothing);
        let Some(typed) = typed else {
            self.unattended = true;
            if let Open::Menu(Paused::Yes) | Open::Guidance(Paused::Yes) = was {
                self.steering.begin(Deed::Resume, &view.task_id);
            }
            return self.ask_next(view);
        };
        match was {
            Open::Nothing => {}
            Open::Approval(approval) => self.answered(view, approval, &typed),
            Open::Reason(approval) => {
                let reason = Some(typed.trim().to_owned()).filter(|reason| !reason.is_empty());
                self.decide(&approval, no(reason), IfRefused::AskAgain);
            }
            Open::Edit(approval) => self.edited(approval, &typed),
            Open::Menu(paused) => self.chosen(view, paused, &typed),
            Open::Guidance(paused) => {
                let resume = paused == Paused::Yes;
                match typed.trim() {
                    "" if resume => self.steering.begin(Deed::Resume, &view.task_id),
                    "" => {}
                    message => self
                        .steering
                        .begin(Deed::Guide { message: message.to_owned(), resume }, &view.task_id),
                }
            }
        }
        self.ask_next(view);
    }

    fn answered(&mut self, view: &RunView, approval: Box<Approval>, typed: &str) {
        match answer::approval(typed) {
            Answer::Yes => return self.decide(&approval, yes(None), IfRefused::AskAgain),
            Answer::No => return self.decide(&approval, no(None), IfRefused::AskAgain),
            Answer::Because(reason) => {
                return self.decide(&approval, no(Some(reason)), IfRefused::AskAgain);
            }
            Answer::Reason => self.open = Open::Reason(approval),
            Answer::Edit => self.open = Open::Edit(approval),
            Answer::View => {
                self.show(view, &approval, Extent::Whole);
                self.open = Open::Approval(approval);
            }
            Answer::Unclear => self.open = Open::Approval(approval),
        }
        self.prompt();
    }

    fn edited(&mut self, approval: Box<Approval>, typed: &str) {
        if typed.trim().is_empty() {
            self.open = Open::Approval(approval);
            return self.prompt();
        }
        match answer::edited(typed, &approval.input) {
            Ok(input) => self.decide(&approval, yes(Some(input)), IfRefused::AskAgain),
            Err(why) => {
                self.terminal.ask(&format!(" {}\n", text::line(&why)));
                self.open = Open::Edit(approval);
                self.prompt();
            }
        }
    }

    fn chosen(&mut self, view: &RunView, paused: Paused, typed: &str) {
        match (answer::menu(typed), paused) {
            (Choice::Resume, Paused::Yes) => self.steering.begin(Deed::Resume, &view.task_id),
            (Choice::Resume, Paused::No) => {}
            (Choice::Unclear, Paused::No) if typed.trim().is_empty() => {}
            (Choice::Cancel, _) => self.steering.begin(Deed::Cancel, &view.task_id),
            (Choice::Guide, _) => {
                self.open = Open::Guidance(paused);
                self.prompt();
            }
            (Choice::Unclear, _) => {
                self.open = Open::Menu(paused);
                self.prompt();
            }
        }
    }

    fn decide(&mut self, approval: &Approval, decision: DecideApproval, if_refused: IfRefused) {
        self.handled.insert(approval.id.clone());
        let what = match (decision.approved, &decision.input) {
            (true, None) => "approved",
            (true, Some(_)) => "approved with your arguments",
            (false, _) => "rejected",
        };
        let what = format!("{what} {}: {}", text::line(&approval.tool), text::line(&approval.summary));
        let what = text::fit(&what, self.terminal.theme().columns);
        let (agent_id, approval_id) = (approval.agent_id.clone(), approval.id.clone());
        let deed = Deed::Decide { agent_id, approval_id, decision, what, if_refused };
        self.steering.begin(deed, &approval.task_id);
    }

    fn tell(&mut self, approval: &Approval) {
        self.handled.insert(approval.id.clone());
        let id = text::line(&approval.id);
        self.terminal.note(&format!(
            "waits for approval of {} ({} risk): {}",
            text::line(&approval.tool),
            approval.risk,
            text::line(&approval.summary)
        ));
        self.terminal.note(&format!("  miteos approve {id}    or    miteos reject {id} --reason \"…\""));
    }

    fn show(&mut self, view: &RunView, approval: &Approval, extent: Extent) {
        self.typed.forget();
        let (lines, _hidden) = card(Some(view), approval, self.terminal.theme(), extent);
        self.terminal.ask(&format!("\n{}\n", lines.join("\n")));
    }

    fn prompt(&self) {
        let question = match &self.open {
            Open::Nothing => return,
            Open::Approval(_) => " allow it?  y yes · n no · r no, with a reason · e edit the arguments › ",
            Open::Reason(_) => " why not? (the agent is told) › ",
            Open::Edit(_) => " name=value, or all arguments as a JSON object; nothing goes back › ",
            Open::Menu(Paused::Yes) => " paused.  r resume · g guide · c cancel › ",
            Open::Menu(Paused::No) => " it goes on.  r keep watching · g guide · c cancel › ",
            Open::Guidance(_) => " what should the agents know? › ",
        };
        self.terminal.ask(question);
    }
}

fn yes(input: Option<Map<String, Value>>) -> DecideApproval {
    DecideApproval { approved: true, reason: None, input }
}

fn no(reason: Option<String>) -> DecideApproval {
    DecideApproval { approved: false, reason, input: None }
}
