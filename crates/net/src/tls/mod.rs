//! TLS (rustls with ring): what a listener presents and asks for, and the encrypted stream of one connection.
//!
//! | module | what |
//! | --- | --- |
//! | `settings` | keys, certificates, versions, suites |
//! | `stream` | a socket with TLS |
//! | `negotiation` | handshakes and TLS 1.2, by rustls |
//! | `traffic`, `records` | TLS 1.3 after the handshake |
//! | `send_buffer` | what is encrypted and not sent |
//! | `gate` | how much handshakes may disturb others |

mod gate;
mod negotiation;
mod records;
mod send_buffer;
mod settings;
mod stream;
mod traffic;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::ServerConfig;

pub(crate) use gate::HandshakeGate;
pub(crate) use send_buffer::trim;
pub use settings::{ClientAuth, TlsError, TlsSettings};
pub(crate) use stream::{TlsFailure, TlsStream};

/// The TLS of a listener. Cloned, it is still the same one: what replaces it is seen by the connections that come afterwards, and
/// disturbs none that are there.
#[derive(Clone)]
pub struct TlsListener(Arc<Shared>);

struct Shared {
    config: ArcSwap<ServerConfig>,
    handshakes: Handshakes,
}

/// How a listener's handshakes went, since it was opened. There is one such pair for all threads: next to a handshake its cost is
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Handshakes {
    pub(crate) fn done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl TlsListener {
    /// Checks settings and makes them ready to be used.
    ///
    /// # Errors
    /// When key and certificate do not belong together, or something is asked for that is not served.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        let config = ArcSwap::new(settings.build()?);
        Ok(Self(Arc::new(Shared { config, handshakes: Handshakes::default() })))
    }

    /// Takes other settings for the connections to come.
    ///
    /// # Errors
    /// As [`TlsListener::new`]; then everything stays as it is.
    pub fn replace(&self, settings: &TlsSettings) -> Result<(), TlsError> {
        self.0.config.store(settings.build()?);
        Ok(())
    }

    /// Handshakes that were completed since the listener was opened.
    pub fn handshakes_done(&self) -> u64 {
        self.0.handshakes.done.load(Ordering::Relaxed)
    }

    /// Handshakes that failed: nothing common to speak, a certificate that is not good, or no TLS at all. Who goes away in the middle
    /// is not among them.
    pub fn handshakes_failed(&self) -> u64 {
        self.0.handshakes.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.0.config.load_full()
    }

    pub(crate) fn handshakes(&self) -> &Handshakes {
        &self.0.handshakes
    }
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsListener")
    }
}
