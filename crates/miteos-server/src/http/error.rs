//! Errors as clients see them: a status and one sentence. What happened inside goes to the log.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use miteos_api::ErrorBody;
use miteos_core::command::Rejected;
use miteos_store::StoreError;
use miteos_tools::WorkspaceError;

use crate::errors::chain;
use crate::feed::FeedError;
use crate::tasks::{CommandError, TaskError};

#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub detail: String,
    /// When it makes sense to try again (s).
    pub retry_after: Option<u32>,
}

impl ApiError {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after: None }
    }

    /// 429: too much of something; the same may go through after a while (s).
    pub fn too_many(detail: impl Into<String>, retry_after: u32) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// 400: the request cannot be understood.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 422: understood and refused.
    pub fn refused(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 404, the same for what does not exist and for what is another's.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    /// 500, with the cause in the log alone.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(error), "a request failed inside the server");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed inside; its log has the reason")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { detail: self.detail })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Missing { what: "the workspace" | "the deploy configuration", .. } => {
                Self::refused(error.to_string())
            }
            // Only another process can have answered it meanwhile.
            StoreError::Repeated(_) => Self::new(
                StatusCode::CONFLICT,
                "a request with this Idempotency-Key was answered just now; send it again for its answer",
            ),
            StoreError::Closed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"),
            other => Self::internal(&other),
        }
    }
}

impl From<TaskError> for ApiError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Store(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound => Self::not_found("task"),
            CommandError::Rejected(Rejected::NotFound(what)) => Self::not_found(what),
            CommandError::Rejected(rejected) => Self::refused(rejected.to_string()),
            CommandError::Task(error) => error.into(),
        }
    }
}

impl From<FeedError> for ApiError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Store(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<WorkspaceError> for ApiError {
    fn from(error: WorkspaceError) -> Self {
        match &error {
            WorkspaceError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            _ if error.is_callers() => Self::refused(error.to_string()),
            _ => Self::internal(&error),
        }
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(&error)
    }
}
