//! A server that does nothing: the same routes on a bare router, answering with as many bytes. What is faster than this
//! is the measuring itself.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::Failure;

/// Answers until it is killed.
pub async fn run(listen: SocketAddr, task_bytes: usize, list_bytes: usize) -> Result<(), Failure> {
    let task = Bytes::from(vec![b' '; task_bytes]);
    let list = Bytes::from(vec![b' '; list_bytes]);
    let (made, one) = (task.clone(), task);
    // The body is read and understood, as it has to be.
    let create =
        move |axum::Json(_): axum::Json<serde_json::Value>| async move { json(StatusCode::CREATED, made) };
    let router = Router::new()
        .route("/v1/healthz", get(|| async { "ok" }))
        .route("/v1/tasks", get(move || async move { json(StatusCode::OK, list) }).post(create))
        .route("/v1/tasks/{id}", get(move || async move { json(StatusCode::OK, one) }));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

fn json(status: StatusCode, body: Bytes) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}
