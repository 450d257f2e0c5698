//! Following a task: drawing what happens, asking what must be asked, and reacting to Ctrl-C.

use std::time::{Duration, Instant};

use futures::StreamExt;
use miteos_client::api::{Event, EventType, Task, TaskStatus};
use miteos_client::{Client, ClientError};
use tokio::sync::mpsc;

use crate::failure::{Exit, Failure};
use crate::render::{log, tree};
use crate::signals::Signals;
use crate::terminal::{Region, Terminal};
use crate::view::RunView;

mod answer;
mod questions;
mod steering;

pub use questions::Consent;
use questions::{Next, Questions};

/// How often the live picture is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// An approval is asked for when it is this old: in a log that is read again, its answer follows at once.
const BEFORE_ASKING: Duration = Duration::from_millis(150);
/// How often the server's own totals are asked for: they count what no event shows.
const TOTALS_EVERY: Duration = Duration::from_secs(3);

/// How the watching looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Live,
    Lines,
    Json,
}

/// What Ctrl-C does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInterrupt {
    /// Pauses and asks; twice cancels.
    Steer,
    /// Stops watching, and the task goes on.
    Leave,
}

/// How it ended.
#[derive(Debug)]
pub struct Watched {
    pub view: RunView,
    /// The task as the server has it at the end.
    pub task: Task,
    pub exit: Exit,
}

/// How a task is watched.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub style: Style,
    pub consent: Consent,
    pub on_interrupt: OnInterrupt,
}

/// Follows a task to its end.
pub async fn watch(
    client: &Client,
    terminal: &Terminal,
    signals: &mut Signals,
    task: &Task,
    manner: Manner,
) -> Result<Watched, Failure> {
    let Manner { style, consent, on_interrupt } = manner;
    let mut watcher = Watcher {
        client,
        terminal,
        style,
        on_interrupt,
        view: RunView::new(task),
        region: Region::new(terminal),
        questions: Questions::new(client.clone(), consent, terminal),
        began: Instant::now(),
        turn: 0,
        interrupts: 0,
        unattended_interrupt: false,
        ask_at: None,
    };
    let end = Box::pin(watcher.run(signals)).await;
    watcher.region.clear();
    watcher.questions.leave_line();
    let Watcher { view, unattended_interrupt, .. } = watcher;
    match end? {
        End::Left => Ok(Watched { view, task: task.clone(), exit: Exit::Interrupted }),
        End::Over => {
            let Some(task) = signals.unless(client.task(&task.id)).await.transpose()? else {
                return Ok(Watched { view, task: task.clone(), exit: Exit::Interrupted });
            };
            let mut view = view;
            view.settle(&task);
            let exit = match task.status {
                TaskStatus::Complete => Exit::Done,
                TaskStatus::Failed => Exit::TaskFailed,
                TaskStatus::Cancelled if unattended_interrupt => Exit::Interrupted,
                TaskStatus::Cancelled => Exit::Cancelled,
                TaskStatus::Pending | TaskStatus::Planning | TaskStatus::Running | TaskStatus::Paused => {
                    return Err(Failure::new(Exit::Unreachable, "the task's log ended before the task did"));
                }
            };
            Ok(Watched { view, task, exit })
        }
    }
}

enum End {
    Over,
    Left,
}

struct Watcher<'a> {
    client: &'a Client,
    terminal: &'a Terminal,
    style: Style,
    on_interrupt: OnInterrupt,
    view: RunView,
    region: Region<'a>,
    questions: Questions<'a>,
    began: Instant,
    turn: usize,
    interrupts: u32,
    /// Ctrl-C with nobody to ask: the end of it is an interruption, not a choice.
    unattended_interrupt: bool,
    /// When the open approvals are to be looked at.
    ask_at: Option<tokio::time::Instant>,
}

impl Watcher<'_> {
    async fn run(&mut self, signals: &mut Signals) -> Result<End, Failure> {
        let mut events = self.client.stream(&self.view.task_id, 0);
        let mut frames = tokio::time::interval(FRAME);
        frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut totals = self.totals();
        loop {
            // No arm waits for anything: what takes time is awaited here, beside the signals.
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        self.event(&event)?;
                        if self.terminal.is_broken() {
                            return Ok(End::Left);
                        }
                    }
                    Some(Err(error)) => return Err(self.lost(error)),
                    None => return Ok(End::Over),
                },
                () = at(self.ask_at), if self.ask_at.is_some() => {
                    self.ask_at = None;
                    if self.questions.would_print(&self.view) {
                        self.region.clear();
                    }
                    self.questions.changed(&self.view);
                }
                _ = frames.tick(), if self.style == Style::Live => self.draw(),
                task = totals.recv(), if self.style == Style::Live => {
                    if let Some(task) = task {
                        self.view.raise_totals(&task);
                    }
                }
                next = self.questions.next() => {
                    self.region.clear();
                    match next {
                        Next::Typed(line) => {
                            self.questions.answer(&self.view, line);
                            self.count_interrupts_afresh();
                        }
                        Next::Done(done) => {
                            self.questions.done(*done)?;
                            // After a moment, in which the log may tell what was decided.
                            self.ask_soon();
                        }
                    }
                }
                () = signals.next() => {
                    if let Some(end) = self.interrupted() {
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// Once the menu is answered, the next Ctrl-C is a first one; or one that leaves, if cancelling was the answer.
    fn count_interrupts_afresh(&mut self) {
        if self.questions.was_cancelled() {
            self.interrupts = 2;
        } else if !self.questions.is_in_menu() {
            self.interrupts = 0;
        }
    }

    fn ask_soon(&mut self) {
        self.ask_at = Some(tokio::time::Instant::now() + BEFORE_ASKING);
    }

    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        self.view.apply(event);
        match self.style {
            Style::Json => self.terminal.json(event)?,
            Style::Lines => self.log(event),
            Style::Live => {}
        }
        if matches!(event.kind, EventType::ApprovalRequired | EventType::ApprovalResolved) {
            self.ask_soon();
        }
        Ok(())
    }

    fn log(&self, event: &Event) {
        let theme = self.terminal.theme();
        if let Some(line) = log::line(&self.view, event, theme) {
            self.terminal.line(&line);
        }
        if event.kind == EventType::TaskPlanned {
            self.terminal.print(&tree::tree(&self.view, theme, tree::Frame::Still));
        }
    }

    fn draw(&mut self) {
        if self.questions.is_open() {
            return;
        }
        self.turn += 1;
        let frame = tree::Frame::Live { turn: self.turn, elapsed: self.began.elapsed() };
        let rows = self.terminal.rows().saturating_sub(1);
        let lines = tree::live(&self.view, self.terminal.theme(), frame, rows);
        self.region.draw(&lines);
    }

    /// Asks for the task now and then, beside everything else. Failures are the stream's to report.
    fn totals(&self) -> mpsc::Receiver<Task> {
        let (sender, receiver) = mpsc::channel(1);
        if self.style == Style::Live {
            let (client, id) = (self.client.clone(), self.view.task_id.clone());
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(TOTALS_EVERY).await;
                    if let Ok(task) = client.task(&id).await
                        && sender.send(task).await.is_err()
                    {
                        return;
                    }
                    if sender.is_closed() {
                        return;
                    }
                }
            });
        }
        receiver
    }

    fn interrupted(&mut self) -> Option<End> {
        self.interrupts += 1;
        self.region.clear();
        if self.on_interrupt == OnInterrupt::Leave || self.interrupts > 2 {
            return Some(End::Left);
        }
        if self.interrupts == 1 && self.terminal.can_ask() {
            self.questions.pause(&self.view);
            self.terminal.note("pausing; running calls finish first. Ctrl-C again cancels");
            return None;
        }
        self.unattended_interrupt = !self.terminal.can_ask();
        self.interrupts = self.interrupts.max(2);
        self.questions.cancel(&self.view);
        self.terminal.note("cancelling; Ctrl-C again leaves without waiting");
        None
    }

    fn lost(&self, error: ClientError) -> Failure {
        let failure = Failure::from(error);
        match failure.exit {
            Exit::Unreachable => {
                let hint = format!(
                    "the task goes on at the server; `miteos task watch {}` follows it again",
                    self.view.task_id
                );
                failure.hint(hint)
            }
            _ => failure,
        }
    }
}

async fn at(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
