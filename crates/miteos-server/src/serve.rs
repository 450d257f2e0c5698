//! Answers HTTP on every connection that comes in: a bounded number of them at once, each with a time for its requests'
//! heads. It does not know what is answered.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::listener::Attentive;

/// How long a client may take for the head of a request, and how long a connection may stay open between two. Longer
/// than the minute after which proxies usually close a connection that they keep, so that it is not this end which
/// closes one under a request.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(75);

/// Who stands at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// A connection's own service: the shared one, told who asks.
struct OfPeer<S> {
    inner: S,
    peer: Option<Peer>,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for OfPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        self.inner.call(request)
    }
}

/// Answers until `stop`; then lets the requests under way end, and returns when the last connection is closed.
///
/// At most `most` connections are open at once, those that became WebSockets included: the others wait in the system's
/// queue, so that files and the database can always be opened.
pub async fn serve(
    mut listener: Attentive,
    router: Router,
    most: usize,
    patience: Duration,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(most));
    let open = TaskTracker::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    // Shared by all: handed over as it is, a router copies its table of routes for each connection (41 KiB).
    let service =
        TowerToHyperService::new(router.map_request(|request: Request<Incoming>| request.map(Body::new)));
    loop {
        let io = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            io = listener.accept(&places) => io,
        };
        let service = OfPeer { peer: io.peer().map(Peer), inner: service.clone() };
        let connection = http.serve_connection(TokioIo::new(io), service).with_upgrades();
        let stop = stop.clone();
        open.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                // Clients come and go as they like.
                tracing::trace!(%error, "a connection broke off");
            }
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}
