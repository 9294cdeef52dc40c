//! Why a server does not start.

use std::io;

use crate::options::SecurityProtocol;

/// A server that cannot start, or a limit that cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No listener was given.
    #[error("no listener is configured; set listeners, for example listeners=PLAINTEXT://:9092")]
    NoListeners,
    /// Two listeners share a name.
    #[error("listener {0} is configured twice; each listener needs a name of its own")]
    DuplicateListener(String),
    /// A protocol with TLS and no certificate, or the other way round.
    #[error(
        "listener {listener} with the protocol {protocol} needs a key store if it has TLS, and none if it has not"
    )]
    NoCertificate {
        /// Name of the listener.
        listener: String,
        /// What it asks for.
        protocol: SecurityProtocol,
    },
    /// The host of a listener has no address.
    #[error("listener {listener}: the host \"{host}\" has no address: {source}")]
    Resolve {
        /// Name of the listener.
        listener: String,
        /// The host as configured.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// The address of a listener cannot be bound.
    #[error("listener {listener} cannot bind {address}: {source}{}", bind_hint(source))]
    Bind {
        /// Name of the listener.
        listener: String,
        /// The address that was tried.
        address: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A host of `max.connections.per.ip.overrides` has no address.
    #[error("max.connections.per.ip.overrides: the host \"{host}\" has no address: {source}")]
    Override {
        /// The host as configured.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// A thread or its runtime cannot be created.
    #[error("cannot start a network thread: {0}")]
    Thread(#[source] io::Error),
}

fn bind_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            " (another process listens there, perhaps another broker; stop it or choose another port in listeners)"
        }
        io::ErrorKind::PermissionDenied => " (ports below 1024 need a privilege; choose a higher one)",
        io::ErrorKind::AddrNotAvailable => {
            " (no interface of this machine has that address; leave the host empty to listen on all of them, and name the \
             outside address in advertised.listeners)"
        }
        _ => "",
    }
}
