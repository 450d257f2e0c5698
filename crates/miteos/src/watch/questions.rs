//! The questions that a watched task has for a person, one at a time, and what is done with the answers.

use std::collections::HashSet;

use miteos_client::api::{Approval, DecideApproval, Risk};
use miteos_client::{Client, ClientError};
use serde_json::{Map, Value};

use super::answer::{self, Answer, Choice};
use crate::failure::Failure;
use crate::render::approval::{Extent, card};
use crate::render::text;
use crate::terminal::Terminal;
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
    Menu,
    Guidance,
}

pub struct Questions<'a> {
    client: Client,
    consent: Consent,
    terminal: &'a Terminal,
    open: Open,
    /// Approvals that were answered here or told of, so that none comes up twice.
    handled: HashSet<String>,
    /// Nobody answers any more: stdin has ended.
    unattended: bool,
}

impl<'a> Questions<'a> {
    pub fn new(client: Client, consent: Consent, terminal: &'a Terminal) -> Self {
        let unattended = !terminal.can_ask();
        Self { client, consent, terminal, open: Open::Nothing, handled: HashSet::new(), unattended }
    }

    pub fn is_open(&self) -> bool {
        self.open != Open::Nothing
    }

    /// Whether taking note of the view's approvals will print something.
    pub fn would_print(&self, view: &RunView) -> bool {
        self.is_open() || view.approvals.iter().any(|approval| !self.handled.contains(&approval.id))
    }

    /// Approvals came or went.
    pub async fn changed(&mut self, view: &RunView) -> Result<(), Failure> {
        if let Open::Approval(asked) | Open::Reason(asked) | Open::Edit(asked) = &self.open
            && !view.approvals.iter().any(|approval| approval.id == asked.id)
        {
            let what = format!("\n{} was decided elsewhere\n", text::line(&asked.id));
            self.terminal.ask(&what);
            self.open = Open::Nothing;
        }
        self.ask_next(view).await
    }

    /// Opens the next question, if none is open and there is one.
    pub async fn ask_next(&mut self, view: &RunView) -> Result<(), Failure> {
        while !self.is_open() {
            let next = view.approvals.iter().find(|approval| !self.handled.contains(&approval.id));
            let Some(approval) = next.cloned() else { return Ok(()) };
            match (self.consent, approval.risk) {
                (Consent::No, _) => {
                    self.decide(&approval, false, Some("rejected by --no".to_owned()), None).await?;
                }
                (Consent::Yes, Risk::Low | Risk::Medium | Risk::High) => {
                    self.decide(&approval, true, None, None).await?;
                }
                (Consent::Ask | Consent::Yes, _) if self.unattended => self.tell(&approval),
                (Consent::Ask | Consent::Yes, _) => {
                    self.show(view, &approval, Extent::Beginning);
                    self.open = Open::Approval(Box::new(approval));
                    self.prompt();
                }
            }
        }
        Ok(())
    }

    /// After Ctrl-C.
    pub fn open_menu(&mut self) {
        self.open = Open::Menu;
        self.prompt();
    }

    pub fn close(&mut self) {
        self.open = Open::Nothing;
    }

    /// Takes a typed line, or the end of the input.
    pub async fn answer(&mut self, view: &RunView, typed: Option<String>) -> Result<(), Failure> {
        let Some(typed) = typed else {
            self.unattended = true;
            let was = std::mem::replace(&mut self.open, Open::Nothing);
            if let Open::Menu | Open::Guidance = was {
                self.client.resume_task(&view.task_id).await?;
            }
            return Ok(());
        };
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Approval(approval) => self.answered(view, approval, &typed).await?,
            Open::Reason(approval) => {
                let reason = Some(typed.trim().to_owned()).filter(|reason| !reason.is_empty());
                self.decide(&approval, false, reason, None).await?;
            }
            Open::Edit(approval) => self.edited(approval, &typed).await?,
            Open::Menu => self.chosen(view, &typed).await?,
            Open::Guidance => {
                if !typed.trim().is_empty() {
                    self.client.guide_task(&view.task_id, typed.trim()).await?;
                }
                self.client.resume_task(&view.task_id).await?;
            }
        }
        Ok(())
    }

    async fn answered(
        &mut self,
        view: &RunView,
        approval: Box<Approval>,
        typed: &str,
    ) -> Result<(), Failure> {
        match answer::approval(typed) {
            Answer::Yes => return self.decide(&approval, true, None, None).await,
            Answer::No => return self.decide(&approval, false, None, None).await,
            Answer::Because(reason) => return self.decide(&approval, false, Some(reason), None).await,
            Answer::Reason => self.open = Open::Reason(approval),
            Answer::Edit => self.open = Open::Edit(approval),
            Answer::View => {
                self.show(view, &approval, Extent::Whole);
                self.open = Open::Approval(approval);
            }
            Answer::Unclear => self.open = Open::Approval(approval),
        }
        self.prompt();
        Ok(())
    }

    async fn edited(&mut self, approval: Box<Approval>, typed: &str) -> Result<(), Failure> {
        if typed.trim().is_empty() {
            self.open = Open::Approval(approval);
            self.prompt();
            return Ok(());
        }
        match answer::edited(typed, &approval.input) {
            Ok(input) => self.decide(&approval, true, None, Some(input)).await,
            Err(why) => {
                self.terminal.ask(&format!(" {}\n", text::line(&why)));
                self.open = Open::Edit(approval);
                self.prompt();
                Ok(())
            }
        }
    }

    async fn chosen(&mut self, view: &RunView, typed: &str) -> Result<(), Failure> {
        match answer::menu(typed) {
            Choice::Resume => Ok(self.client.resume_task(&view.task_id).await?),
            Choice::Cancel => Ok(self.client.cancel_task(&view.task_id).await?),
            Choice::Guide => {
                self.open = Open::Guidance;
                self.prompt();
                Ok(())
            }
            Choice::Unclear => {
                self.open_menu();
                Ok(())
            }
        }
    }

    async fn decide(
        &mut self,
        approval: &Approval,
        approved: bool,
        reason: Option<String>,
        input: Option<Map<String, Value>>,
    ) -> Result<(), Failure> {
        self.handled.insert(approval.id.clone());
        let what = match (approved, &input) {
            (true, None) => "approved",
            (true, Some(_)) => "approved with your arguments",
            (false, _) => "rejected",
        };
        let decision = DecideApproval { approved, reason, input };
        match self.client.approve(&approval.agent_id, &approval.id, &decision).await {
            Ok(()) => {
                self.terminal.note(&format!(
                    "{what} {}: {}",
                    text::line(&approval.tool),
                    text::line(&approval.summary)
                ));
                Ok(())
            }
            // Someone else was quicker, or the arguments were refused: the server's sentence says which.
            Err(ClientError::Api { status: 422, detail, .. }) => {
                self.terminal.note(&text::line(&detail));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
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

    fn show(&self, view: &RunView, approval: &Approval, extent: Extent) {
        let (lines, _hidden) = card(Some(view), approval, self.terminal.theme(), extent);
        self.terminal.ask(&format!("\n{}\n", lines.join("\n")));
    }

    fn prompt(&self) {
        let question = match &self.open {
            Open::Nothing => return,
            Open::Approval(_) => " allow it?  y yes · n no · r no, with a reason · e edit the arguments › ",
            Open::Reason(_) => " why not? (the agent is told) › ",
            Open::Edit(_) => " name=value, or all arguments as a JSON object; nothing goes back › ",
            Open::Menu => " paused.  r resume · g guide · c cancel › ",
            Open::Guidance => " what should the agents know? › ",
        };
        self.terminal.ask(question);
    }
}
