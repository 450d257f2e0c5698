//! A log as server-sent events. The stream holds one page at the most, and what it sends is durable.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use axum::body::{Body, Bytes};
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::ReusableBoxFuture;

use crate::config::StreamTimes;
use crate::connections::Connection;
use crate::feed::{FeedError, Frame, Page, Subscription};
use crate::http::error::ApiError;

/// A comment: keeps proxies from closing a quiet stream.
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";
/// With a choice of types: so much of the log may pass by unsent before the client is told how far it has been read.
const TELL_EVERY: u64 = 64;

/// Who knows where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The client: it chose the place, or it is the beginning.
    Known,
    /// The server alone, because it is the present. It is told first: a client whose connection breaks before the first
    /// event comes back to it.
    Told,
}

pub fn stream(
    subscription: Subscription,
    connection: Connection,
    times: StreamTimes,
    start: Start,
) -> Response {
    let after = subscription.after();
    let reader = Reader {
        reading: ReusableBoxFuture::new(read(subscription)),
        frames: Vec::new().into_iter(),
        greeting: Some(match start {
            Start::Known => format!("retry: {}\n\n", times.retry.as_millis()),
            Start::Told => format!("retry: {}\n\nid: {after}\n\n", times.retry.as_millis()),
        }),
        ended: false,
        after,
        told: after,
        over: Box::pin(connection.over()),
        _connection: connection,
        sent_at: Instant::now(),
        quiet: Box::pin(tokio::time::sleep(times.keep_alive)),
        times,
    };
    let frames = futures::stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((Ok::<_, Infallible>(frame), reader))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // Asks reverse proxies not to hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

type Read = (Subscription, Result<Page, FeedError>);

async fn read(mut subscription: Subscription) -> Read {
    let page = subscription.next().await;
    (subscription, page)
}

struct Reader {
    /// The next page; it is read while nothing is left to be sent.
    reading: ReusableBoxFuture<'static, Read>,
    frames: std::vec::IntoIter<Frame>,
    /// What is said before anything else.
    greeting: Option<String>,
    ended: bool,
    /// How far the log has been read, and how far the client knows.
    after: u64,
    told: u64,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Holds the place of this stream.
    _connection: Connection,
    /// When something was last sent, and a timer that is set anew only when it runs out.
    sent_at: Instant,
    quiet: Pin<Box<Sleep>>,
    times: StreamTimes,
}

impl Reader {
    /// What goes out next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        let bytes = self.due().await?;
        self.sent_at = Instant::now();
        Some(bytes)
    }

    async fn due(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting.into());
        }
        loop {
            if let Some(frame) = self.frames.next() {
                self.told = frame.cursor();
                return Some(frame.sse());
            }
            if self.ended || self.after >= self.told + TELL_EVERY {
                return self.position();
            }
            tokio::select! {
                biased;
                () = &mut self.over => return None,
                (subscription, page) = &mut self.reading => {
                    self.reading.set(read(subscription));
                    self.take(page)?;
                }
                () = &mut self.quiet => {
                    let (now, due) = (Instant::now(), self.sent_at + self.times.keep_alive);
                    self.quiet.as_mut().reset(if due <= now { now + self.times.keep_alive } else { due });
                    if due <= now {
                        return Some(self.position().unwrap_or(Bytes::from_static(KEEP_ALIVE)));
                    }
                }
            }
        }
    }

    fn take(&mut self, page: Result<Page, FeedError>) -> Option<()> {
        match page {
            Ok(page) => {
                self.frames = page.frames.into_iter();
                self.after = page.after;
                self.ended = page.ended;
                Some(())
            }
            Err(error) => {
                // The client comes back with its cursor; the reason goes to the log.
                drop(ApiError::from(error));
                None
            }
        }
    }

    /// An id without an event, if the client does not know how far it is: the next time it asks from there.
    fn position(&mut self) -> Option<Bytes> {
        if self.told >= self.after {
            return None;
        }
        self.told = self.after;
        Some(format!("id: {}\n\n", self.after).into())
    }
}
