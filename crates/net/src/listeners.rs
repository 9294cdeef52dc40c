//! Listeners that come and go while the server runs (`SocketServer.addListeners`, `removeListeners`, KIP-226).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::acceptor::ListenerChange;
use crate::error::NetError;
use crate::listener;
use crate::options::{ListenerOptions, NetOptions};
use crate::quotas::ConnectionQuotas;

/// How long a listener's end is waited for. It comes at once unless the accepting thread is stuck.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Opens and closes listeners of a running server. Clones are of the same server.
#[derive(Clone, Debug)]
pub struct Listeners(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: NetOptions,
    /// Those that are open. The lock is kept while one is opened or closed.
    addresses: Mutex<Vec<(String, SocketAddr)>>,
    quotas: Arc<ConnectionQuotas>,
    changes: mpsc::UnboundedSender<ListenerChange>,
}

impl Listeners {
    pub(crate) fn new(
        options: NetOptions,
        addresses: Vec<(String, SocketAddr)>,
        quotas: Arc<ConnectionQuotas>,
        changes: mpsc::UnboundedSender<ListenerChange>,
    ) -> Self {
        let addresses = Mutex::new(addresses);
        Self(Arc::new(Inner { options, addresses, quotas, changes }))
    }

    /// Name and bound address of each listener that is open.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.0.addresses.lock().clone()
    }

    /// Opens a listener; where it listens. Clients that connect are served soon. Resolves a host name, which may block.
    ///
    /// # Errors
    /// When there is one of that name, or it cannot be served or bound.
    pub fn open(&self, listener: &ListenerOptions) -> Result<SocketAddr, NetError> {
        let inner = &*self.0;
        let mut addresses = inner.addresses.lock();
        if addresses.iter().any(|(name, _)| *name == listener.name) {
            return Err(NetError::DuplicateListener(listener.name.clone()));
        }
        listener::check(listener)?;
        let socket = listener::bind(listener, &inner.options)?;
        let address = listener::bound_address(&socket).map_err(NetError::Thread)?;
        let inter_broker = inner.options.inter_broker_listener_name.as_ref() == Some(&listener.name);
        let info =
            inner.quotas.open_listener(listener, |index| listener::info(listener, index, inter_broker));
        // Fails when the server stops, and with it everything.
        let _ = inner.changes.send(ListenerChange::Open(socket, info));
        tracing::info!(listener = listener.name, %address, "listening");
        addresses.push((listener.name.clone(), address));
        Ok(address)
    }

    /// Closes a listener and, soon, its connections. Waits, a moment, until its address is free. Whether there was one of that name.
    pub fn close(&self, name: &str) -> bool {
        let inner = &*self.0;
        let mut addresses = inner.addresses.lock();
        addresses.retain(|(open, _)| open != name);
        let Some(index) = inner.quotas.close_listener(name) else { return false };
        let (closed, is_closed) = std_mpsc::sync_channel(1);
        let _ = inner.changes.send(ListenerChange::Close(index, closed));
        let _ = is_closed.recv_timeout(CLOSE_MAX);
        tracing::info!(listener = name, "the listener is closed");
        true
    }
}
