//! What the service knows about the connection a frame came from.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::options::SecurityProtocol;
use crate::tls::TlsListener;

/// One connection. It lives on one thread; the service may keep an `Rc` of it in waiting answers.
pub struct ConnectionContext {
    id: u64,
    thread: usize,
    listener: Arc<ListenerInfo>,
    peer_addr: SocketAddr,
    local_addr: SocketAddr,
    /// Whether it is known who the client is, or nobody asks.
    authenticated: Cell<bool>,
    peer_certificate: OnceCell<Vec<u8>>,
    state: RefCell<Option<Box<dyn Any>>>,
}

/// What is common to the connections of a listener.
#[derive(Debug)]
pub(crate) struct ListenerInfo {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) protocol: SecurityProtocol,
    /// An inter-broker listener among others: its connections are not closed to make room.
    pub(crate) protected: bool,
    /// The largest frame before authentication.
    pub(crate) unauthenticated_request_max_bytes: u32,
    pub(crate) tls: Option<TlsListener>,
}

impl ConnectionContext {
    pub(crate) fn new(
        id: u64,
        thread: usize,
        listener: Arc<ListenerInfo>,
        peer_addr: SocketAddr,
        local_addr: SocketAddr,
    ) -> Self {
        let authenticated = Cell::new(listener.protocol == SecurityProtocol::Plaintext);
        ConnectionContext {
            id,
            thread,
            listener,
            peer_addr,
            local_addr,
            authenticated,
            peer_certificate: OnceCell::new(),
            state: RefCell::new(None),
        }
    }

    pub(crate) fn listener(&self) -> &ListenerInfo {
        &self.listener
    }

    /// Unique within the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Index of the data thread that serves this connection.
    pub fn thread(&self) -> usize {
        self.thread
    }

    /// Name of the listener that accepted it.
    pub fn listener_name(&self) -> &str {
        &self.listener.name
    }

    /// What the listener speaks.
    pub fn security_protocol(&self) -> SecurityProtocol {
        self.listener.protocol
    }

    /// Whether the client has authenticated, or need not.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.get()
    }

    /// The certificate that the client has proved to be its own, in DER, where one was asked for.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.peer_certificate.get().map(Vec::as_slice)
    }

    pub(crate) fn set_peer_certificate(&self, der: &[u8]) {
        self.peer_certificate.get_or_init(|| der.to_vec());
    }

    /// The client is known: the limits of those who are not no longer hold.
    pub fn set_authenticated(&self) {
        self.authenticated.set(true);
    }

    /// The client's address; an IPv4 address is given as such on a dual-stack listener too.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer_addr
    }

    /// The address the client connected to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Runs `f` on what the service keeps for this connection (client software, principal), created on first use. One type per
    /// connection: another type replaces what was kept.
    ///
    /// # Panics
    /// If `f` itself asks for the state again.
    pub fn with_state<T: Default + 'static, R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut slot = self.state.borrow_mut();
        let state = slot.get_or_insert_with(|| Box::new(T::default()));
        if !state.is::<T>() {
            *state = Box::new(T::default());
        }
        match state.downcast_mut::<T>() {
            Some(state) => f(state),
            // Not reached: the slot holds a `T` by now.
            None => f(&mut T::default()),
        }
    }
}

/// Kafka's connection id: `local:port-remote:port-thread-number`.
impl fmt::Display for ConnectionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}-{}", self.local_addr, self.peer_addr, self.thread, self.id)
    }
}

impl fmt::Debug for ConnectionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionContext({self}, {})", self.listener.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_kept_until_another_type_is_asked_for() {
        let listener = ListenerInfo {
            index: 0,
            name: "P".into(),
            protocol: SecurityProtocol::Plaintext,
            protected: false,
            unauthenticated_request_max_bytes: 1024,
            tls: None,
        };
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let context = ConnectionContext::new(7, 1, Arc::new(listener), address(5000), address(9092));
        context.with_state(|name: &mut String| name.push_str("librdkafka"));
        assert_eq!(context.with_state(|name: &mut String| name.clone()), "librdkafka");
        assert_eq!(context.with_state(|number: &mut u32| *number), 0);
        assert_eq!(context.with_state(|name: &mut String| name.clone()), "");
        assert_eq!(context.to_string(), "127.0.0.1:9092-127.0.0.1:5000-1-7");
    }
}
