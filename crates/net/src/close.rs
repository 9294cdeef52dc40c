//! Why connections end, and what is said about it.

use std::io;
use std::time::Instant;

use crate::context::ConnectionContext;
use crate::frame::BadInput;
use crate::log_limit::LogLimit;
use crate::stats::WorkerStats;

/// The end of a connection.
#[derive(Debug)]
pub(crate) enum CloseReason {
    /// The client closed it.
    Peer,
    /// The socket failed.
    Socket(io::Error),
    /// No request and no progress for `connections.max.idle.ms`.
    Idle,
    /// The same, in the middle of a request.
    Incomplete { received: usize, size: Option<usize> },
    /// No request, but something else.
    BadInput(BadInput),
    /// The service asked for it.
    Service(String),
    /// The service panicked.
    Panic(String),
    /// The service's response is not what its size prefix says.
    Malformed,
    /// A file range of a response cannot be read in full.
    File(io::Error),
    /// Made room for the inter-broker listener.
    Evicted,
    /// The server stops.
    Shutdown,
}

/// Kinds of warnings, each limited on its own: those of bad input, and one for incomplete requests.
pub(crate) fn log_limit() -> LogLimit {
    LogLimit::new(BadInput::KINDS + 1)
}

impl CloseReason {
    /// Counts and logs the end of a connection.
    pub(crate) fn report(
        &self,
        connection: &ConnectionContext,
        idle_ms: i64,
        limit: &LogLimit,
        stats: &WorkerStats,
    ) {
        let (peer, listener) = (connection.peer_addr(), connection.listener_name());
        match self {
            CloseReason::Peer => tracing::debug!(%peer, listener, "connection closed by the client"),
            CloseReason::Socket(error) => tracing::debug!(%peer, listener, %error, "connection lost"),
            CloseReason::Shutdown => tracing::debug!(%peer, listener, "connection closed: the server stops"),
            CloseReason::Idle => {
                stats.closed_idle.add(1);
                tracing::debug!(%peer, listener, "connection closed: idle for connections.max.idle.ms={idle_ms}");
            }
            CloseReason::Evicted => {
                stats.closed_evicted.add(1);
                tracing::info!(%peer, listener, "connection closed: max.connections is reached and another broker connected");
            }
            CloseReason::Incomplete { received, size } => {
                stats.closed_incomplete.add(1);
                if let Some(suppressed) = limit.allow(BadInput::KINDS, Instant::now()) {
                    let size = size.map_or("unknown size".to_owned(), |size| format!("{} bytes", size + 4));
                    tracing::warn!(
                        %peer, listener, suppressed,
                        "connection closed: a request of {size} is still incomplete after connections.max.idle.ms={idle_ms}, \
                         {received} bytes of it have come; check the client and the network, or what connects to this port"
                    );
                }
            }
            CloseReason::BadInput(bad) => {
                if let Some(counter) = stats.closed_bad_input.get(bad.kind()) {
                    counter.add(1);
                }
                if let Some(suppressed) = limit.allow(bad.kind(), Instant::now()) {
                    tracing::warn!(%peer, listener, suppressed, "connection closed: {bad}");
                }
            }
            CloseReason::Service(reason) => tracing::info!(%peer, listener, "connection closed: {reason}"),
            CloseReason::Panic(message) => {
                stats.panics.add(1);
                tracing::error!(%peer, listener, "connection closed: a request handler panicked: {message}; please report this");
            }
            CloseReason::Malformed => {
                tracing::error!(%peer, listener, "connection closed: a response has another length than it says; please report this");
            }
            CloseReason::File(error) => {
                tracing::warn!(%peer, listener, %error, "connection closed: log data of a response could not be read");
            }
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
