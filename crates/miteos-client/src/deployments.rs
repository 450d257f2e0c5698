//! Calls on deployments and deploy configurations, and a deployment's log as one stream that survives cuts.

use std::pin::Pin;

use futures::Stream;
use miteos_api::{
    CreateDeployConfig, CreateDeployment, DeployConfig, Deployment, DeploymentList, DeploymentLogLine,
    ListDeployments, ReadDeploymentLog, Success, UpdateDeployConfig,
};
use reqwest::Method;

use crate::client::Client;
use crate::error::ClientError;
use crate::link::{Link, Look};
use crate::sse::Frame;
use crate::tasks::Empty;

/// The longest log that is read as text (bytes); a server keeps a tenth of it.
const MAX_LOG_BYTES: usize = 16 * 1024 * 1024;

/// What a deployment's stream tells.
#[derive(Debug, Clone, PartialEq)]
pub enum DeploymentNews {
    /// A line of the log, with its number.
    Line { no: u64, line: DeploymentLogLine },
    /// A state was reached. The stream ends with a final one.
    Status(Box<Deployment>),
}

/// News in order, each line once. Ends after the final state, or with the first error that retrying cannot mend.
pub type DeploymentStream = Pin<Box<dyn Stream<Item = Result<DeploymentNews, ClientError>> + Send>>;

impl Client {
    /// `POST /deployments`. A lost answer is asked for again under one idempotency key, so that no twin is made.
    pub async fn create_deployment(&self, deployment: &CreateDeployment) -> Result<Deployment, ClientError> {
        self.json(&self.post(&["deployments"], deployment)?).await
    }

    /// `GET /deployments`, newest first.
    pub async fn list_deployments(&self, query: &ListDeployments) -> Result<DeploymentList, ClientError> {
        self.json(&self.get(&["deployments"])?.query(query)?).await
    }

    /// `GET /deployments/{id}`.
    pub async fn deployment(&self, id: &str) -> Result<Deployment, ClientError> {
        self.json(&self.get(&["deployments", id])?).await
    }

    /// `POST /deployments/{id}/cancel`: answers when nothing of it runs any more.
    pub async fn cancel_deployment(&self, id: &str) -> Result<(), ClientError> {
        let _: Success = self.json(&self.post(&["deployments", id, "cancel"], &Empty {})?).await?;
        Ok(())
    }

    /// `POST /deployments/{id}/rollback`: makes an older one the live one again, where its provider can (else 422).
    pub async fn roll_back_deployment(&self, id: &str) -> Result<Deployment, ClientError> {
        self.json(&self.post(&["deployments", id, "rollback"], &Empty {})?).await
    }

    /// `GET /deployments/{id}/logs`: what it said up to now.
    pub async fn deployment_log(&self, id: &str) -> Result<String, ClientError> {
        let call = self.get(&["deployments", id, "logs"])?;
        let mut failed = 0;
        loop {
            match self.log_once(&call).await {
                Ok(text) => return Ok(text),
                Err(error) => self.pause_or_give_up(&call, &mut failed, error).await?,
            }
        }
    }

    async fn log_once(&self, call: &crate::client::Call) -> Result<String, ClientError> {
        let mut response = self.send_once(call).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > MAX_LOG_BYTES {
                return Err(ClientError::protocol("the log is longer than any should be"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Follows a deployment from the line after `after` (0: from the beginning) until it is over. A connection that is
    /// cut, or a server that is restarted, is resumed without the caller noticing.
    pub fn follow_deployment(&self, id: &str, after: u64) -> DeploymentStream {
        let link = Link::new(self.clone());
        let follower = Follower { link, id: id.to_owned(), cursor: after, told: None, done: false };
        Box::pin(futures::stream::unfold(follower, |mut follower| async move {
            follower.next().await.map(|item| (item, follower))
        }))
    }

    /// `POST /deploy-configs`: stored only if the provider takes the credentials.
    pub async fn create_deploy_config(
        &self,
        config: &CreateDeployConfig,
    ) -> Result<DeployConfig, ClientError> {
        self.json(&self.post(&["deploy-configs"], config)?).await
    }

    /// `GET /deploy-configs`, newest first.
    pub async fn list_deploy_configs(&self) -> Result<Vec<DeployConfig>, ClientError> {
        self.json(&self.get(&["deploy-configs"])?).await
    }

    /// `GET /deploy-configs/{id}`.
    pub async fn deploy_config(&self, id: &str) -> Result<DeployConfig, ClientError> {
        self.json(&self.get(&["deploy-configs", id])?).await
    }

    /// `PATCH /deploy-configs/{id}`. Sets values, so it may be repeated.
    pub async fn update_deploy_config(
        &self,
        id: &str,
        change: &UpdateDeployConfig,
    ) -> Result<DeployConfig, ClientError> {
        self.json(&self.call(Method::PATCH, &["deploy-configs", id])?.json(change)?).await
    }

    /// `DELETE /deploy-configs/{id}`: refused (422) while a deployment uses it.
    pub async fn delete_deploy_config(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&["deploy-configs", id]).await
    }
}

struct Follower {
    link: Link,
    id: String,
    /// The number of the last line that was handed out.
    cursor: u64,
    /// The state that was handed out last: a new connection tells it again.
    told: Option<miteos_api::DeploymentStatus>,
    done: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<DeploymentNews, ClientError>> {
        while !self.done {
            match self.step().await {
                Ok(Some(news)) => {
                    self.link.progressed();
                    return Some(Ok(news));
                }
                Ok(None) => {}
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// A little further: perhaps some news.
    async fn step(&mut self) -> Result<Option<DeploymentNews>, ClientError> {
        match self.link.look().await? {
            Look::Frame(frame) => self.accept(&frame),
            Look::Nothing => Ok(None),
            Look::Closed => {
                let query = ReadDeploymentLog { after: i64::try_from(self.cursor).ok() };
                let call = self.link.client().get(&["deployments", &self.id, "logs"])?.query(&query)?;
                self.link.open(call).await.map(|()| None)
            }
            Look::Ended => {
                let what = "the log ends before the deployment does";
                self.link.cut(ClientError::protocol(what)).await.map(|()| None)
            }
        }
    }

    fn accept(&mut self, frame: &Frame) -> Result<Option<DeploymentNews>, ClientError> {
        let unreadable = |error: serde_json::Error| {
            ClientError::protocol(format!("a line of the log cannot be read: {error}"))
        };
        match frame.event.as_deref() {
            Some("log") => {
                let no = frame.id.as_deref().and_then(|id| id.parse().ok());
                let no: u64 = no.ok_or_else(|| ClientError::protocol("a line of the log has no number"))?;
                if no <= self.cursor {
                    return Ok(None);
                }
                self.cursor = no;
                let line = serde_json::from_str(&frame.data).map_err(unreadable)?;
                Ok(Some(DeploymentNews::Line { no, line }))
            }
            Some("status") => {
                let deployment: Deployment = serde_json::from_str(&frame.data).map_err(unreadable)?;
                if self.told.replace(deployment.status) == Some(deployment.status) {
                    return Ok(None);
                }
                self.done = deployment.status.is_terminal();
                Ok(Some(DeploymentNews::Status(Box::new(deployment))))
            }
            // Something new.
            Some(_) | None => Ok(None),
        }
    }
}
