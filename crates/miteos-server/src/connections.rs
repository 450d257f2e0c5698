//! Who holds an event stream open: how many an account has of how many it may have, and whether the key that opened
//! one still opens anything. It does not know what is streamed, nor over what.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use miteos_core::ids::KeyId;
use miteos_store::{KeyRow, Scope, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::errors::chain;
use crate::tier;

/// WebSockets that have not shown a key yet, of all clients together.
const MAX_STRANGERS: u32 = 256;

/// The account has as many as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    pub limit: u32,
}

/// Over what a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Sse,
    WebSocket,
}

/// The open streams of this process.
pub struct Connections {
    state: Mutex<State>,
    /// How many streams are open, of all accounts.
    number: watch::Sender<usize>,
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    open: HashMap<Scope, u32>,
    keys: HashMap<KeyId, Opened>,
    strangers: u32,
    sse: usize,
    websockets: usize,
}

impl State {
    fn over(&mut self, transport: Transport) -> &mut usize {
        match transport {
            Transport::Sse => &mut self.sse,
            Transport::WebSocket => &mut self.websockets,
        }
    }
}

/// A key with open streams.
struct Opened {
    streams: u32,
    /// Cancelled when the key opens nothing any more, and when the server stops.
    over: CancellationToken,
}

impl Connections {
    pub fn new(stop: CancellationToken) -> Self {
        Self { state: Mutex::default(), number: watch::Sender::new(0), stop }
    }

    /// A place for one more stream. Live and test streams of an account are counted apart, like all they see.
    pub fn open(self: &Arc<Self>, key: &KeyRow, transport: Transport) -> Result<Connection, Full> {
        let scope = Scope { account: key.account, live: key.live };
        let mut state = self.state();
        let open = state.open.get(&scope).copied().unwrap_or(0);
        if let Some(limit) = tier::connections(&key.tier)
            && open >= limit
        {
            return Err(Full { limit });
        }
        state.open.insert(scope, open + 1);
        let opened =
            state.keys.entry(key.id).or_insert_with(|| Opened { streams: 0, over: self.stop.child_token() });
        opened.streams += 1;
        let over = opened.over.clone();
        *state.over(transport) += 1;
        self.number.send_modify(|number| *number += 1);
        Ok(Connection { connections: Arc::clone(self), scope, key: key.id, over, transport })
    }

    /// A place for a WebSocket that has yet to show its key; `None` if there are too many.
    pub fn stranger(self: &Arc<Self>) -> Option<Stranger> {
        let mut state = self.state();
        if state.strangers >= MAX_STRANGERS {
            return None;
        }
        state.strangers += 1;
        Some(Stranger(Arc::clone(self)))
    }

    /// Returns when nobody has followed anything for this long.
    pub async fn left(&self, quiet: Duration) {
        let mut number = self.number.subscribe();
        loop {
            // The sender lives as long as `self`.
            let _ = number.wait_for(|number| *number == 0).await;
            tokio::select! {
                () = tokio::time::sleep(quiet) => return,
                _ = number.changed() => {}
            }
        }
    }

    /// Whether somebody follows something.
    pub fn any(&self) -> bool {
        *self.number.borrow() > 0
    }

    /// How many streams are open: over SSE, and over WebSocket, those without a key so far included.
    pub fn open_now(&self) -> (usize, usize) {
        let state = self.state();
        (state.sse, state.websockets + usize::try_from(state.strangers).unwrap_or(usize::MAX))
    }

    /// Returns when the server stops.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Ends the streams of keys that have been revoked or have expired, until the server stops.
    pub async fn watch_keys(self: Arc<Self>, store: Store, clock: Arc<dyn Clock>, every: Duration) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.stop.cancelled() => return,
            }
            let keys: Vec<KeyId> = self.state().keys.keys().copied().collect();
            for key in keys {
                match store.key(key).await {
                    Ok(row) if row.as_ref().is_some_and(|row| row.opens_at(clock.now())) => {}
                    Ok(_) => self.ended(key),
                    // The streams stay until it can be told.
                    Err(error) => tracing::warn!(error = %chain(&error), "a key could not be looked at"),
                }
            }
        }
    }

    /// Ends every stream that the key has opened.
    pub fn ended(&self, key: KeyId) {
        if let Some(opened) = self.state().keys.get(&key) {
            opened.over.cancel();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open stream. Its place is free again when this is dropped, however that comes about.
pub struct Connection {
    connections: Arc<Connections>,
    scope: Scope,
    key: KeyId,
    over: CancellationToken,
    transport: Transport,
}

impl Connection {
    /// Returns when the stream has to end. Whoever waits often keeps it: each beginning of a wait takes a lock that
    /// all streams of the key share.
    pub fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        self.over.clone().cancelled_owned()
    }

    /// Whether the stream ends because the server does, and not because of its key.
    pub fn server_stops(&self) -> bool {
        self.connections.stop.is_cancelled()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        *state.over(self.transport) -= 1;
        if let Some(open) = state.open.get_mut(&self.scope) {
            *open -= 1;
            if *open == 0 {
                state.open.remove(&self.scope);
            }
        }
        if let Some(opened) = state.keys.get_mut(&self.key) {
            opened.streams -= 1;
            if opened.streams == 0 {
                state.keys.remove(&self.key);
            }
        }
        drop(state);
        self.connections.number.send_modify(|number| *number -= 1);
    }
}

/// A WebSocket without a key so far.
pub struct Stranger(Arc<Connections>);

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.state().strangers -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use miteos_core::ids::AccountId;
    use miteos_core::time::Timestamp;
    use ulid::Ulid;

    fn key(n: u128, live: bool, tier: &str) -> KeyRow {
        KeyRow {
            id: KeyId(Ulid::from_parts(1, n)),
            account: AccountId(Ulid::from_parts(1, 1)),
            live,
            name: "k".to_owned(),
            hash: vec![0; 32],
            prefix: "mt_".to_owned(),
            scopes: Vec::new(),
            tier: tier.to_owned(),
            created_at: Timestamp::from_millis(1),
            expires_at: None,
            revoked_at: None,
            requests_per_minute: None,
        }
    }

    #[test]
    fn an_account_has_the_places_of_its_tier_whatever_key_it_uses() {
        let connections = Arc::new(Connections::new(CancellationToken::new()));
        let mut held: Vec<_> =
            (0..5).map(|n| connections.open(&key(n, true, "pro"), Transport::Sse).ok().unwrap()).collect();
        assert_eq!(connections.open(&key(9, true, "pro"), Transport::Sse).err(), Some(Full { limit: 5 }));
        let test = connections.open(&key(10, false, "pro"), Transport::Sse).ok().unwrap();
        assert!(connections.open(&key(9, true, "enterprise"), Transport::Sse).is_ok());
        held.pop();
        let again = connections.open(&key(9, true, "pro"), Transport::Sse).ok().unwrap();
        assert!(connections.open(&key(9, true, "pro"), Transport::Sse).is_err());
        assert_eq!(connections.open_now(), (6, 0));
        drop((held, test, again));
        assert_eq!(connections.open_now(), (0, 0));
        let state = connections.state();
        assert!(state.open.is_empty() && state.keys.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn all_have_left_when_nobody_came_back_for_a_while() {
        let connections = Arc::new(Connections::new(CancellationToken::new()));
        let quiet = Duration::from_secs(2);
        connections.left(quiet).await;
        let one = connections.open(&key(1, true, "pro"), Transport::Sse).ok().unwrap();
        assert!(connections.any());
        let begun = tokio::time::Instant::now();
        let comings = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(one);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let again = connections.open(&key(1, true, "pro"), Transport::Sse).ok().unwrap();
            tokio::time::sleep(Duration::from_secs(4)).await;
            drop(again);
        };
        tokio::join!(connections.left(quiet), comings);
        assert_eq!(begun.elapsed(), Duration::from_secs(12));
        assert!(!connections.any());
    }

    #[tokio::test]
    async fn the_end_of_a_key_ends_its_streams_alone_and_the_servers_ends_all() {
        let stop = CancellationToken::new();
        let connections = Arc::new(Connections::new(stop.clone()));
        let one = connections.open(&key(1, true, "pro"), Transport::Sse).ok().unwrap();
        let two = connections.open(&key(2, true, "pro"), Transport::Sse).ok().unwrap();
        connections.ended(one.key);
        one.over().await;
        assert!(!one.server_stops() && !two.over.is_cancelled());
        stop.cancel();
        two.over().await;
        assert!(two.server_stops());
    }

    #[test]
    fn strangers_are_counted_too() {
        let connections = Arc::new(Connections::new(CancellationToken::new()));
        let held: Vec<_> = (0..MAX_STRANGERS).map(|_| connections.stranger().unwrap()).collect();
        assert!(connections.stranger().is_none());
        assert_eq!(connections.open_now().1, held.len());
        drop(held);
        assert!(connections.stranger().is_some());
    }
}
