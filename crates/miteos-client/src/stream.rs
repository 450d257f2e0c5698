//! A task's events as one stream that survives cuts: resumed by cursor, in order, each once, to the end.

use std::pin::Pin;

use futures::Stream;
use miteos_api::Event;

use crate::client::Client;
use crate::error::ClientError;
use crate::link::{Link, Look};
use crate::sse::Frame;

/// Events in the order of `seq`, none missing, none twice. Ends after the task's terminal event, or with the
/// first error that retrying cannot mend.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<Event, ClientError>> + Send>>;

impl Client {
    /// Follows a task from the event after `after` (0: from the beginning) until it ends. A connection that
    /// is cut, or a server that is restarted, is resumed without the caller noticing.
    pub fn stream(&self, task_id: &str, after: u64) -> EventStream {
        let link = Link::new(self.clone());
        let follower = Follower { link, task_id: task_id.to_owned(), cursor: after, done: false };
        Box::pin(futures::stream::unfold(follower, |mut follower| async move {
            follower.next().await.map(|item| (item, follower))
        }))
    }
}

struct Follower {
    link: Link,
    task_id: String,
    /// The `seq` of the last event handed out.
    cursor: u64,
    done: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        while !self.done {
            match self.step().await {
                Ok(Some(event)) => {
                    self.done = event.kind.is_terminal();
                    return Some(Ok(event));
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

    /// A little further: perhaps an event.
    async fn step(&mut self) -> Result<Option<Event>, ClientError> {
        match self.link.look().await? {
            Look::Frame(frame) => self.accept(&frame).await,
            Look::Nothing => Ok(None),
            Look::Closed => self.connect().await.map(|()| None),
            Look::Ended => self.ended().await.map(|()| None),
        }
    }

    async fn accept(&mut self, frame: &Frame) -> Result<Option<Event>, ClientError> {
        let event: Event = serde_json::from_str(&frame.data)
            .map_err(|error| ClientError::protocol(format!("an event cannot be read: {error}")))?;
        if event.seq <= self.cursor {
            return Ok(None);
        }
        if event.seq != self.cursor + 1 {
            // Something is missing on this connection: the log itself has no gap, so read it again.
            let what = format!("event {} came where {} was due", event.seq, self.cursor + 1);
            self.link.cut(ClientError::protocol(what)).await?;
            return Ok(None);
        }
        self.cursor = event.seq;
        self.link.progressed();
        Ok(Some(event))
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        let query = miteos_api::ListEvents { after: i64::try_from(self.cursor).ok(), ..Default::default() };
        let call = self.link.client().get(&["tasks", &self.task_id, "events"])?.query(&query)?;
        self.link.open(call).await
    }

    /// The server closed the stream in good order.
    async fn ended(&mut self) -> Result<(), ClientError> {
        if self.link.close_if_progressed() {
            return Ok(());
        }
        match self.settled().await {
            Ok(true) => {
                self.done = true;
                Ok(())
            }
            Ok(false) => {
                let what = "the event stream ends at once, again and again";
                self.link.cut(ClientError::protocol(what)).await
            }
            Err(error) if error.is_transient() => self.link.cut(error).await,
            Err(error) => Err(error),
        }
    }

    /// Whether there is nothing after the cursor and never will be.
    async fn settled(&mut self) -> Result<bool, ClientError> {
        // In this order: a task that is over writes no event, so an empty page read afterwards is final.
        let over = self.link.client().task(&self.task_id).await?.status.is_terminal();
        Ok(over && self.link.client().events(&self.task_id, self.cursor, 1).await?.events.is_empty())
    }
}
