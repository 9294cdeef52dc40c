//! Why connections end, and what is said about it.

use std::io;
use std::time::Instant;

use crate::context::ConnectionContext;
use crate::frame::BadInput;
use crate::log_limit::LogLimit;
use crate::stats::WorkerStats;
use crate::tls::TlsFailure;

/// The end of a connection.
#[derive(Debug)]
pub(crate) enum CloseReason {
    /// The client closed it.
    Peer,
    /// The socket failed.
    Socket(io::Error),
    /// What came is not TLS, or not as it should be.
    Tls(TlsFailure),
    /// No request and no progress for `connections.max.idle.ms`.
    Idle,
    /// The client has not said in time who it is.
    Unauthenticated,
    /// The same as `Idle`, in the middle of a request.
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
    /// The listener that it came by is closed.
    ListenerClosed,
    /// The server stops.
    Shutdown,
}

/// Kinds of warnings, each limited on its own: those of bad input, and these two.
pub(crate) fn log_limit() -> LogLimit {
    LogLimit::new(BadInput::KINDS + 3)
}

const LOG_INCOMPLETE: usize = BadInput::KINDS;
const LOG_UNAUTHENTICATED: usize = BadInput::KINDS + 1;
const LOG_TLS: usize = BadInput::KINDS + 2;

impl CloseReason {
    /// Why a socket's error ends a connection: TLS speaks by such errors.
    pub(crate) fn of_socket(error: io::Error) -> Self {
        match error.downcast::<TlsFailure>() {
            Ok(failure) => CloseReason::Tls(failure),
            Err(error) => CloseReason::Socket(error),
        }
    }

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
            CloseReason::Tls(failure) => {
                count_bad_input(stats, BadInput::Tls);
                if let Some(suppressed) = limit.allow(LOG_TLS, Instant::now()) {
                    tracing::warn!(%peer, listener, suppressed, "connection closed: {failure}");
                }
            }
            CloseReason::ListenerClosed => {
                tracing::debug!(%peer, listener, "connection closed: its listener is closed");
            }
            CloseReason::Shutdown => tracing::debug!(%peer, listener, "connection closed: the server stops"),
            CloseReason::Idle => {
                stats.closed_idle.add(1);
                tracing::debug!(%peer, listener, "connection closed: idle for connections.max.idle.ms={idle_ms}");
            }
            CloseReason::Unauthenticated => {
                stats.closed_idle.add(1);
                if let Some(suppressed) = limit.allow(LOG_UNAUTHENTICATED, Instant::now()) {
                    let protocol = connection.security_protocol();
                    tracing::warn!(
                        %peer, listener, suppressed,
                        "connection closed: it has not authenticated in time; the listener asks for {protocol}"
                    );
                }
            }
            CloseReason::Evicted => {
                stats.closed_evicted.add(1);
                tracing::info!(%peer, listener, "connection closed: max.connections is reached and another broker connected");
            }
            CloseReason::Incomplete { received, size } => {
                stats.closed_incomplete.add(1);
                if let Some(suppressed) = limit.allow(LOG_INCOMPLETE, Instant::now()) {
                    let size = size.map_or("unknown size".to_owned(), |size| format!("{} bytes", size + 4));
                    tracing::warn!(
                        %peer, listener, suppressed,
                        "connection closed: a request of {size} is still incomplete after connections.max.idle.ms={idle_ms}, \
                         {received} bytes of it have come; check the client and the network, or what connects to this port"
                    );
                }
            }
            CloseReason::BadInput(bad) => {
                count_bad_input(stats, *bad);
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

fn count_bad_input(stats: &WorkerStats, bad: BadInput) {
    if let Some(counter) = stats.closed_bad_input.get(bad.kind()) {
        counter.add(1);
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
