//! The orchestrator's own questions: the plan, its one replacement, and the conclusion.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Decision, Outcome};
use crate::chat::ModelCall;
use crate::command::{FailureKind, ModelFailure, Rejected};
use crate::event::{Deliverable, Ending, Event, PlannedSubtask, Question, Retry};
use crate::ids::{AgentId, SubtaskId};
use crate::plan::{self, Node};
use crate::settings::{BACKOFF_FIRST_MS, BACKOFF_MAX_MS, MAX_REFUSALS, RETRY_AFTER_MAX_MS};
use crate::task::{Replan, Stage};

/// Most files that a conclusion may hand over.
const MAX_CONCLUSION_PATHS: usize = 100;

impl Decision<'_> {
    pub(super) fn admit(&mut self) -> Outcome {
        if self.task.stage != Stage::Queued {
            return Err(Rejected::Stale);
        }
        self.emit(Event::TaskPlanning);
        Ok(())
    }

    pub(super) fn answered(
        &mut self,
        question: Question,
        round: u32,
        arguments: Result<Value, String>,
        model_call: ModelCall,
    ) -> Outcome {
        // A plan that replaces one failed part does not replace another that failed while it was made.
        if self.task.round(question) != Some(round) {
            return self.paid_in_vain(None, model_call);
        }
        match question {
            Question::Plan | Question::Replan => {
                let known = match question {
                    Question::Replan => self.task.usable_keys(),
                    Question::Plan | Question::Conclude => std::collections::BTreeSet::new(),
                };
                match arguments.map_err(|problem| vec![problem]).and_then(|a| plan::validate(&a, &known)) {
                    Ok(nodes) => self.planned(question, nodes, model_call),
                    Err(problems) => self.refused(question, problems, model_call),
                }
            }
            Question::Conclude => match arguments.and_then(|a| conclusion(&a)) {
                Ok((summary, paths)) => {
                    self.emit(Event::Concluded { summary: summary.into(), paths, model_call });
                }
                Err(problem) => self.refused(question, vec![problem], model_call),
            },
        }
        Ok(())
    }

    fn planned(&mut self, question: Question, nodes: Vec<Node>, model_call: ModelCall) {
        let mut ids: BTreeMap<String, SubtaskId> =
            self.task.subtasks.iter().map(|s| (s.key.clone(), s.id)).collect();
        for node in &nodes {
            ids.insert(node.key.clone(), SubtaskId(self.mint.ulid()));
        }
        let subtasks = nodes
            .into_iter()
            .map(|node| PlannedSubtask {
                // Every key was put in above; validation has checked the dependencies.
                id: ids.get(&node.key).copied().unwrap_or_else(|| SubtaskId(self.mint.ulid())),
                agent: AgentId(self.mint.ulid()),
                depends_on: node.depends_on.iter().filter_map(|key| ids.get(key).copied()).collect(),
                key: node.key,
                agent_type: node.agent_type,
                title: node.title,
                prompt: node.prompt,
                acceptance: node.acceptance,
            })
            .collect();
        let replaces = match &self.task.stage {
            Stage::Working { replan: Replan::Asking { failed, .. } } => failed.clone(),
            _ => Vec::new(),
        };
        self.emit(Event::TaskPlanned { subtasks, replaces, model_call });
        if question == Question::Plan {
            self.emit(Event::TaskRunning);
        }
    }

    fn refused(&mut self, question: Question, problems: Vec<String>, model_call: ModelCall) {
        let reasons = problems.join("; ");
        self.emit(Event::AnswerRefused { question, problems, model_call });
        let refusals = self.task.asking(question).map_or(0, |asking| asking.refused.len());
        if refusals > MAX_REFUSALS as usize {
            let what = match question {
                Question::Plan => "the plan",
                Question::Replan => "the replacement of the failed part of the plan",
                Question::Conclude => "the conclusion",
            };
            self.emit(Event::StopAsked {
                ending: Ending::Failed {
                    error: format!("{what} did not validate after {refusals} attempts: {reasons}"),
                },
            });
        }
    }

    pub(super) fn question_erred(
        &mut self,
        question: Question,
        round: u32,
        failure: &ModelFailure,
    ) -> Outcome {
        let asked = self.task.round(question) == Some(round);
        let Some(asking) = self.task.asking(question).filter(|_| asked) else { return Err(Rejected::Stale) };
        let models = self.task.settings.planner_models.len();
        match next_attempt(asking.retry, failure, models, self.task.settings.max_attempts, self.now) {
            Some(retry) => {
                self.emit(Event::QuestionRetried { question, retry, reason: failure.message.clone() });
            }
            None => self.emit(Event::StopAsked { ending: Ending::Failed { error: failure.message.clone() } }),
        }
        Ok(())
    }

    pub(super) fn published(&mut self, deliverables: Vec<Deliverable>) -> Outcome {
        let Stage::Publishing { summary, .. } = &self.task.stage else { return Err(Rejected::Stale) };
        let result = summary.clone();
        for deliverable in deliverables {
            self.emit(Event::DeliverableCreated { agent: None, deliverable });
        }
        let totals = self.task.totals();
        self.emit(Event::TaskComplete { result, totals });
        Ok(())
    }
}

fn conclusion(arguments: &Value) -> Result<(String, Vec<String>), String> {
    let summary = arguments.get("summary").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if summary.is_empty() {
        return Err("submit_result needs \"summary\", a text that answers the task".to_owned());
    }
    let paths = match arguments.get("deliverables") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).take(MAX_CONCLUSION_PATHS).map(str::to_owned).collect()
        }
        Some(_) => return Err("\"deliverables\" of submit_result is a list of workspace paths".to_owned()),
    };
    Ok((summary.to_owned(), paths))
}

/// The next attempt after a failed model call: wait, or take the next model, or `None`: give up.
pub(super) fn next_attempt(
    retry: Retry,
    failure: &ModelFailure,
    models: usize,
    max_attempts: u32,
    now: crate::time::Timestamp,
) -> Option<Retry> {
    let next_model = || {
        let model = retry.model + 1;
        (model < models).then_some(Retry { failed: 0, model, not_before: None })
    };
    match failure.kind {
        FailureKind::Trouble { retry_after_ms } => {
            let failed = retry.failed + 1;
            let asked = retry_after_ms.unwrap_or(0);
            if failed >= max_attempts || asked > RETRY_AFTER_MAX_MS {
                return next_model();
            }
            let backoff = (BACKOFF_FIRST_MS << retry.failed.min(16)).min(BACKOFF_MAX_MS);
            let wait = if asked > 0 { asked } else { backoff };
            Some(Retry { failed, model: retry.model, not_before: Some(now.plus_ms(wait)) })
        }
        FailureKind::Unusable => next_model(),
        FailureKind::TooLong | FailureKind::Refused => None,
    }
}
