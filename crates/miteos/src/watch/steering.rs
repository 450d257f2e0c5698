//! The calls by which a person steers a task, made beside the watching: a server that does not answer holds up neither
//! the picture nor Ctrl-C. Knows nothing of how they are asked for.

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use miteos_client::api::DecideApproval;
use miteos_client::{Client, ClientError};

/// What is asked of the server.
#[derive(Debug, Clone)]
pub enum Deed {
    Pause,
    Resume,
    Cancel,
    /// Tells the agents, and then lets them go on if they were paused for it.
    Guide {
        message: String,
        resume: bool,
    },
    Decide {
        agent_id: String,
        approval_id: String,
        decision: DecideApproval,
        /// What is said when it is done.
        what: String,
        if_refused: IfRefused,
    },
}

/// Whether a refused decision is a person's to give again. What was decided by rule would only be refused again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfRefused {
    AskAgain,
    LeaveIt,
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    pub deed: Deed,
    /// `Some`: the server refused it (422), and this is its sentence. The task may have ended, or not begun.
    pub outcome: Result<Option<String>, ClientError>,
}

/// The calls under way.
pub struct Steering {
    client: Client,
    calls: FuturesUnordered<BoxFuture<'static, Done>>,
    cancelled: bool,
}

impl Steering {
    pub fn new(client: Client) -> Self {
        Self { client, calls: FuturesUnordered::new(), cancelled: false }
    }

    /// Makes a call, beside those that are under way.
    pub fn begin(&mut self, deed: Deed, task_id: &str) {
        self.cancelled |= matches!(deed, Deed::Cancel);
        let (client, task_id) = (self.client.clone(), task_id.to_owned());
        self.calls.push(Box::pin(async move {
            let outcome = perform(&client, &task_id, &deed).await;
            Done { deed, outcome }
        }));
    }

    pub fn is_busy(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Whether the task was told to end.
    pub fn was_cancelled(&self) -> bool {
        self.cancelled
    }

    /// What came of the next call; never, if there is none.
    pub async fn next(&mut self) -> Done {
        match self.calls.next().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }
}

async fn perform(client: &Client, task_id: &str, deed: &Deed) -> Result<Option<String>, ClientError> {
    match deed {
        Deed::Pause => refusal(client.pause_task(task_id).await),
        Deed::Resume => refusal(client.resume_task(task_id).await),
        Deed::Cancel => refusal(client.cancel_task(task_id).await),
        Deed::Guide { message, resume } => {
            let guided = refusal(client.guide_task(task_id, message).await)?;
            let resumed = if *resume { refusal(client.resume_task(task_id).await)? } else { None };
            Ok(guided.or(resumed))
        }
        Deed::Decide { agent_id, approval_id, decision, .. } => {
            refusal(client.approve(agent_id, approval_id, decision).await)
        }
    }
}

/// A refusal is no failure: the state of the task changed, or does not allow it yet.
fn refusal(result: Result<(), ClientError>) -> Result<Option<String>, ClientError> {
    match result {
        Ok(()) => Ok(None),
        Err(ClientError::Api { status: 422, detail, .. }) => Ok(Some(detail)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deeds() -> Vec<Deed> {
        let decision = DecideApproval { approved: true, reason: None, input: None };
        vec![
            Deed::Pause,
            Deed::Resume,
            Deed::Guide { message: "left".into(), resume: true },
            Deed::Decide {
                agent_id: "agnt_1".into(),
                approval_id: "appr_1".into(),
                decision,
                what: "approved".into(),
                if_refused: IfRefused::AskAgain,
            },
            Deed::Cancel,
        ]
    }

    async fn standin(status: axum::http::StatusCode, body: &'static str) -> Steering {
        let app = axum::Router::new().fallback(move || async move { (status, body) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Steering::new(Client::new(&url, "mt_test_x").unwrap())
    }

    /// Whatever the task has become in the meantime, its watching goes on.
    #[tokio::test]
    async fn a_refusal_of_any_deed_is_a_sentence_and_no_failure() {
        let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
        let mut steering = standin(status, r#"{"detail":"the task is over"}"#).await;
        for deed in deeds() {
            assert!(!steering.is_busy() && !steering.was_cancelled());
            steering.begin(deed, "task_1");
            assert!(steering.is_busy());
            let done = steering.next().await;
            assert_eq!(done.outcome.unwrap().as_deref(), Some("the task is over"), "{:?}", done.deed);
        }
        assert!(steering.was_cancelled());
        let mut steering = standin(axum::http::StatusCode::UNAUTHORIZED, "{}").await;
        steering.begin(Deed::Pause, "task_1");
        assert!(steering.next().await.outcome.is_err());
    }
}
