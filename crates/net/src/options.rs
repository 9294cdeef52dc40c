//! What the server is started with: plain values, named as Kafka's configuration keys.

use std::fmt;
use std::time::Duration;

use crate::tls::TlsListener;

/// Settings of a [`crate::Server`]. Field names are Kafka's configuration keys in snake case; the defaults are Kafka 4.3's.
#[derive(Clone, Debug)]
pub struct NetOptions {
    /// The sockets to listen on. At least one.
    pub listeners: Vec<ListenerOptions>,
    /// Data threads, each with a runtime of its own; 0 means one per core. Kafka's `num.network.threads` and
    /// `num.io.threads` have no direct counterpart, because a request runs to completion on its connection's thread.
    pub threads: usize,
    /// `socket.request.max.bytes`: the largest frame accepted, without its 4-byte size, in bytes.
    pub socket_request_max_bytes: u32,
    /// `queued.max.request.bytes`: bytes of frames that are being received or not answered yet, over all connections,
    /// before no more are read. Zero or negative: no limit.
    pub queued_max_request_bytes: i64,
    /// `max.connections` of the whole broker.
    pub max_connections: u32,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: u32,
    /// `max.connections.per.ip.overrides`: host name or address, and its limit.
    pub max_connections_per_ip_overrides: Vec<(String, u32)>,
    /// `max.connection.creation.rate` of the whole broker, in connections per second.
    pub max_connection_creation_rate: u32,
    /// `connections.max.idle.ms`: a connection without a complete request or any progress of an answer for this long is
    /// closed. Negative: never.
    pub connections_max_idle_ms: i64,
    /// A connection whose client has not authenticated for this long is closed, where the listener asks for it. Not one of Kafka's
    /// keys: there `connections.max.idle.ms` holds for such connections too. Negative: never.
    pub authentication_max_ms: i64,
    /// `socket.send.buffer.bytes` (SO_SNDBUF); -1 leaves the operating system's default.
    pub socket_send_buffer_bytes: i32,
    /// `socket.receive.buffer.bytes` (SO_RCVBUF); -1 leaves the operating system's default.
    pub socket_receive_buffer_bytes: i32,
    /// `ottla.network.busy.poll.us`: how long a data thread looks for more requests after its last activity before it sleeps. Zero:
    /// it sleeps at once.
    pub busy_poll: Duration,
    /// Name of the inter-broker listener. If there are other listeners too, its connections are admitted even when
    /// `max_connections` is reached: the least recently used connection of another listener makes room.
    pub inter_broker_listener_name: Option<String>,
    /// `quota.window.num`: how many windows rates of connections are measured over.
    pub quota_window_num: u32,
    /// `quota.window.size.seconds`: how long each is.
    pub quota_window_seconds: u32,
}

impl Default for NetOptions {
    fn default() -> Self {
        NetOptions {
            listeners: Vec::new(),
            threads: 0,
            socket_request_max_bytes: 100 * 1024 * 1024,
            queued_max_request_bytes: -1,
            max_connections: UNLIMITED,
            max_connections_per_ip: UNLIMITED,
            max_connections_per_ip_overrides: Vec::new(),
            max_connection_creation_rate: UNLIMITED,
            connections_max_idle_ms: 600_000,
            authentication_max_ms: 60_000,
            socket_send_buffer_bytes: 100 * 1024,
            socket_receive_buffer_bytes: 100 * 1024,
            busy_poll: Duration::ZERO,
            inter_broker_listener_name: None,
            quota_window_num: 11,
            quota_window_seconds: 1,
        }
    }
}

/// Kafka's default of all connection limits (`Integer.MAX_VALUE`), which in practice is none.
pub const UNLIMITED: u32 = i32::MAX as u32;

/// One listener.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    /// The listener's name, unique among the listeners, for instance `PLAINTEXT` or `INTERNAL`.
    pub name: String,
    /// Host name or address to bind; empty means all interfaces (IPv6 and IPv4, or IPv4 alone where there is no IPv6).
    pub host: String,
    /// Port to bind; 0 lets the operating system choose, see [`crate::BoundServer::addresses`].
    pub port: u16,
    /// What is spoken here.
    pub protocol: SecurityProtocol,
    /// What a protocol with TLS presents; nothing for one without.
    pub tls: Option<TlsListener>,
    /// `socket.listen.backlog.size`.
    pub backlog: i32,
    /// `listener.name.<name>.max.connections`.
    pub max_connections: u32,
    /// `listener.name.<name>.max.connection.creation.rate`, in connections per second.
    pub max_connection_creation_rate: u32,
    /// `sasl.server.max.receive.size`: the largest frame of a connection that has not authenticated, in bytes; no more than
    /// `socket.request.max.bytes` counts.
    pub unauthenticated_request_max_bytes: u32,
}

impl ListenerOptions {
    /// A plaintext listener with Kafka's defaults.
    pub fn plaintext(name: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        ListenerOptions {
            name: name.into(),
            host: host.into(),
            port,
            protocol: SecurityProtocol::Plaintext,
            tls: None,
            backlog: 50,
            max_connections: UNLIMITED,
            max_connection_creation_rate: UNLIMITED,
            unauthenticated_request_max_bytes: 512 * 1024,
        }
    }
}

/// Kafka's security protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Unencrypted, unauthenticated.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Whether clients authenticate by SASL.
    pub fn has_sasl(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    }

    /// Whether the connection is encrypted.
    pub fn has_tls(self) -> bool {
        matches!(self, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
    }

    /// Kafka's name of the protocol.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
