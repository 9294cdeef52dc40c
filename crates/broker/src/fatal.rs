//! The end of a node that can't go on: whoever finds out says so here, and the program stops in order and fails.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Says that the node can't go on.
#[derive(Clone, Debug)]
pub struct Fatal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sender: Mutex<Option<oneshot::Sender<String>>>,
    reason: OnceLock<String>,
}

/// Waits for it.
pub type FatalReason = oneshot::Receiver<String>;

impl Fatal {
    /// Nothing has happened yet.
    pub fn new() -> (Self, FatalReason) {
        let (sender, reason) = oneshot::channel();
        (Self(Arc::new(Shared { sender: Mutex::new(Some(sender)), reason: OnceLock::new() })), reason)
    }

    /// The node can't go on. The first reason counts.
    pub fn raise(&self, why: impl Into<String>) {
        if let Some(sender) = self.0.sender.lock().take() {
            let why = why.into();
            let _ = self.0.reason.set(why.clone());
            tracing::error!("{why}: this node stops");
            // Whoever embeds the node need not wait for it.
            let _ = sender.send(why);
        }
    }

    /// Why the node can't go on, if it can't.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.get().map(String::as_str)
    }
}
