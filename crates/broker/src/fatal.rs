//! The end of a node that can't go on: whoever finds out says so here, and the program stops in order and fails.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Says that the node can't go on.
#[derive(Clone, Debug)]
pub struct Fatal(Arc<Mutex<Option<oneshot::Sender<String>>>>);

/// Waits for it.
pub type FatalReason = oneshot::Receiver<String>;

impl Fatal {
    /// Nothing has happened yet.
    pub fn new() -> (Self, FatalReason) {
        let (sender, reason) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), reason)
    }

    /// The node can't go on. The first reason counts.
    pub fn raise(&self, why: impl Into<String>) {
        if let Some(sender) = self.0.lock().take() {
            let why = why.into();
            tracing::error!("{why}: this node stops");
            // Whoever embeds the node need not wait for it.
            let _ = sender.send(why);
        }
    }
}
