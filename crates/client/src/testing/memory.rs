//! A network in memory: addresses in `fd6f:7474::/32` that tests listen on.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

/// Bytes that fit into the pipe of a connection, for each direction.
const PIPE_BYTES: usize = 64 * 1024;

type Listening = HashMap<SocketAddr, mpsc::Sender<DuplexStream>>;

static LISTENING: LazyLock<Mutex<Listening>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Takes connections to one address; refuses them once it is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    accepted: mpsc::Receiver<DuplexStream>,
}

impl Listener {
    /// An address that nobody else has.
    pub(crate) fn fresh_address() -> SocketAddr {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let ip = Ipv6Addr::new(0xfd6f, 0x7474, 0, 0, 0, 0, (number >> 16) as u16, number as u16);
        SocketAddr::new(ip.into(), 9092)
    }

    pub(crate) fn bind(address: SocketAddr) -> Self {
        let (sender, accepted) = mpsc::channel(1000);
        LISTENING.lock().insert(address, sender);
        Self { address, accepted }
    }

    pub(crate) async fn accept(&mut self) -> Option<DuplexStream> {
        self.accepted.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENING.lock().remove(&self.address);
    }
}

/// Connects to an address in memory; nothing for other addresses.
pub(crate) fn connect(address: SocketAddr) -> Option<impl Future<Output = io::Result<DuplexStream>>> {
    let IpAddr::V6(ip) = address.ip() else { return None };
    (ip.segments()[..2] == [0xfd6f, 0x7474]).then_some(async move {
        let listener = LISTENING.lock().get(&address).cloned();
        let (near, far) = duplex(PIPE_BYTES);
        let taken = listener.is_some_and(|listener| listener.try_send(far).is_ok());
        if taken { Ok(near) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
    })
}
