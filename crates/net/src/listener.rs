//! Binding the listening sockets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::context::ListenerInfo;
use crate::error::NetError;
use crate::options::{ListenerOptions, NetOptions};

/// Whether a listener has what its protocol asks for.
pub(crate) fn check(listener: &ListenerOptions) -> Result<(), NetError> {
    if listener.protocol.has_tls() == listener.tls.is_some() {
        return Ok(());
    }
    Err(NetError::NoCertificate { listener: listener.name.clone(), protocol: listener.protocol })
}

/// What is common to the connections of a listener.
pub(crate) fn info(listener: &ListenerOptions, index: usize, protected: bool) -> ListenerInfo {
    ListenerInfo {
        index,
        name: listener.name.clone(),
        protocol: listener.protocol,
        protected,
        unauthenticated_request_max_bytes: listener.unauthenticated_request_max_bytes,
        tls: listener.tls.clone(),
    }
}

/// Binds and listens. What the accepted sockets need (no delay, keep-alive, buffer sizes) is set on the listening socket, from
/// which Linux passes it on, so that it costs no system call per connection.
pub(crate) fn bind(listener: &ListenerOptions, options: &NetOptions) -> Result<Socket, NetError> {
    let failed = |address: String| {
        move |source: io::Error| NetError::Bind { listener: listener.name.clone(), address, source }
    };
    let host = listener.host.trim_matches(['[', ']']);
    if host.is_empty() {
        let all_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, listener.port));
        return match open(all_v6, listener, options) {
            Ok(socket) => Ok(socket),
            // The port is taken for IPv4 as well then: say so instead of binding half of it.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(failed(format!("*:{}", listener.port))(error))
            }
            Err(_) => {
                let all_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, listener.port));
                open(all_v4, listener, options).map_err(failed(format!("*:{}", listener.port)))
            }
        };
    }
    let address = resolve(host, listener)?;
    let shown =
        if address.ip().to_string() == host { address.to_string() } else { format!("{address} ({host})") };
    open(address, listener, options).map_err(failed(shown))
}

/// The first address of the host, IPv4 before IPv6 as Java has it.
fn resolve(host: &str, listener: &ListenerOptions) -> Result<SocketAddr, NetError> {
    let failed =
        |source| NetError::Resolve { listener: listener.name.clone(), host: listener.host.clone(), source };
    let addresses: Vec<SocketAddr> = (host, listener.port).to_socket_addrs().map_err(failed)?.collect();
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    address.copied().ok_or_else(|| failed(io::Error::from(io::ErrorKind::NotFound)))
}

fn open(address: SocketAddr, listener: &ListenerOptions, options: &NetOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // A restarted broker must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    if let Ok(bytes) = usize::try_from(options.socket_receive_buffer_bytes) {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Ok(bytes) = usize::try_from(options.socket_send_buffer_bytes) {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(listener.backlog.max(1))?;
    Ok(socket)
}

/// The address a socket is bound to.
pub(crate) fn bound_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn options() -> NetOptions {
        NetOptions::default()
    }

    #[test]
    fn an_empty_host_is_all_interfaces() {
        let socket = bind(&ListenerOptions::plaintext("P", "", 0), &options()).unwrap();
        let port = bound_address(&socket).unwrap().port();
        assert_ne!(port, 0);
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        if bound_address(&socket).unwrap().is_ipv6() {
            TcpStream::connect(("::1", port)).unwrap();
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let first = bind(&ListenerOptions::plaintext("P", "127.0.0.1", 0), &options()).unwrap();
        let port = bound_address(&first).unwrap().port();
        let taken =
            bind(&ListenerOptions::plaintext("P", "127.0.0.1", port), &options()).unwrap_err().to_string();
        assert!(taken.contains(&port.to_string()) && taken.contains("another process"), "{taken}");
        let host = bind(&ListenerOptions::plaintext("P", "no.such.host.invalid", 0), &options())
            .unwrap_err()
            .to_string();
        assert!(host.contains("no.such.host.invalid"), "{host}");
    }

    #[test]
    fn accepted_sockets_inherit_their_options() {
        let options = NetOptions { socket_send_buffer_bytes: 50_000, ..options() };
        let socket = bind(&ListenerOptions::plaintext("P", "127.0.0.1", 0), &options).unwrap();
        let _client = TcpStream::connect(bound_address(&socket).unwrap()).unwrap();
        socket.set_nonblocking(false).unwrap();
        let (accepted, _) = socket.accept().unwrap();
        assert!(accepted.tcp_nodelay().unwrap() && accepted.keepalive().unwrap());
        // Linux doubles the value for its own bookkeeping.
        assert_eq!(accepted.send_buffer_size().unwrap(), 100_000);
    }
}
