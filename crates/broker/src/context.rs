//! What a handler knows about the request beside its body.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use ottla_net::ConnectionContext;
use ottla_protocol::{ApiKey, Str};
use tokio::sync::Mutex;

use crate::share::{ConnectionGuard, ShareManager};
use crate::telemetry::ClientFacts;

/// What a connection has told of its client in ApiVersions.
#[derive(Clone, Debug, Default)]
pub struct ClientSoftware {
    /// Such as `apache-kafka-java`.
    pub name: Str,
    /// Such as `4.3.1`.
    pub version: Str,
}

/// What is remembered of a connection.
#[derive(Default)]
struct ConnectionState {
    software: ClientSoftware,
    produce_turn: Arc<Mutex<()>>,
    /// Its end closes the share session that was opened on the connection.
    shares: Option<ConnectionGuard>,
}

/// One request's header and connection.
#[derive(Clone)]
pub struct RequestContext {
    /// The API.
    pub api_key: ApiKey,
    /// The version that the client chose.
    pub api_version: i16,
    /// Echoed in the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
    /// When the request was read, in Unix milliseconds.
    pub now_ms: i64,
    /// The connection that it came on.
    pub connection: Rc<ConnectionContext>,
}

impl RequestContext {
    /// The client id, empty when the client sent none.
    pub fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }

    /// Name of the listener that the client uses: metadata answers name this listener's endpoints.
    pub fn listener(&self) -> &str {
        self.connection.listener_name()
    }

    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer_addr()
    }

    /// Remembers the software that the client says it is.
    pub fn set_client_software(&self, software: ClientSoftware) {
        self.connection.with_state(|known: &mut ConnectionState| known.software = software);
    }

    /// Whose turn it is among the connection's Produces of transactions: one that waits for its verification must not be
    /// overtaken by those behind it, whose records continue its sequence. Turns come in the order of the requests.
    pub fn produce_turn(&self) -> Arc<Mutex<()>> {
        self.connection.with_state(|known: &mut ConnectionState| known.produce_turn.clone())
    }

    /// The connection's number among those with share sessions; the session ends with the connection.
    pub fn share_connection(&self, shares: &Arc<ShareManager>) -> u64 {
        self.connection.with_state(|known: &mut ConnectionState| {
            known.shares.get_or_insert_with(|| shares.connection()).id()
        })
    }

    /// Lends what is known of the client.
    pub fn with_client_facts<R>(&self, f: impl FnOnce(&ClientFacts<'_>) -> R) -> R {
        let software = self.connection.with_state(|known: &mut ConnectionState| known.software.clone());
        f(&ClientFacts {
            client_id: self.client_id(),
            software_name: &software.name,
            software_version: &software.version,
            source: self.peer(),
        })
    }

    /// The client's host as Kafka prints it in group descriptions: a slash and the address.
    pub fn client_host(&self) -> String {
        match self.peer().ip() {
            IpAddr::V4(ip) => format!("/{ip}"),
            IpAddr::V6(ip) => format!("/{}", java_ipv6(ip)),
        }
    }
}

/// An IPv6 address as Java prints it: eight groups, none left out.
fn java_ipv6(ip: std::net::Ipv6Addr) -> String {
    ip.segments().map(|s| format!("{s:x}")).join(":")
}

#[cfg(test)]
mod tests {
    #[test]
    fn ipv6_addresses_are_printed_in_full() {
        assert_eq!(super::java_ipv6(std::net::Ipv6Addr::LOCALHOST), "0:0:0:0:0:0:0:1");
    }
}
