//! The keys of an issuer as they are now, and who waits for newer ones.

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_security::jwt::{Jwks, MissingKeys};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// The keys of an issuer. Read by every data thread, replaced by the thread that fetches.
#[derive(Debug)]
pub(in crate::authentication) struct Keys {
    current: ArcSwap<Jwks>,
    state: Mutex<State>,
    /// Wakes who fetches.
    wanted: Notify,
    /// How many attempts have ended, well or not.
    attempts: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    missing: MissingKeys,
    is_fetching: bool,
}

impl Keys {
    /// No keys; the first attempt to fetch them is under way.
    pub fn new() -> Self {
        Self {
            current: ArcSwap::default(),
            state: Mutex::new(State { missing: MissingKeys::default(), is_fetching: true }),
            wanted: Notify::new(),
            attempts: watch::Sender::new(0),
        }
    }

    /// The keys.
    pub fn current(&self) -> Arc<Jwks> {
        self.current.load_full()
    }

    /// Asks for a key that is not there; comes when the next attempt has ended. `None`: the issuer was asked for it not long ago, or
    /// there is nothing to ask for.
    pub fn ask(&self, id: Option<&str>, now_ms: i64) -> Option<impl Future<Output = ()> + use<>> {
        let mut ended = self.attempts.subscribe();
        let mut state = self.state.lock();
        let may_come = state.is_fetching || id.is_some_and(|id| state.missing.ask(id, now_ms));
        if !may_come {
            return None;
        }
        if !state.is_fetching {
            state.is_fetching = true;
            self.wanted.notify_one();
        }
        Some(async move {
            let _ = ended.changed().await;
        })
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        self.wanted.notified().await;
    }

    /// An attempt begins.
    pub fn begin(&self) {
        self.state.lock().is_fetching = true;
    }

    /// An attempt has ended, with keys or without.
    pub fn end(&self, found: Option<Jwks>) {
        let mut state = self.state.lock();
        state.is_fetching = false;
        if let Some(found) = found {
            state.missing.found(&found);
            self.current.store(Arc::new(found));
        }
        drop(state);
        self.attempts.send_modify(|count| *count += 1);
    }
}
