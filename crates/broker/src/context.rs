//! What a handler knows about the request beside its body.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use ottla_net::ConnectionContext;
use ottla_protocol::{ApiKey, Str};
use ottla_security::sasl::SaslSession;
use ottla_security::{Decisions, Principal};
use tokio::sync::Mutex;

use crate::metrics::{ThreadRequests, WaitingRequest};
use crate::quotas::{PartitionChanges, QuotaCache, RequestQuota};
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
    /// Where the connection stands with SASL; nothing on a listener without it.
    sasl: Option<Box<SaslSession>>,
    /// Who uses it; nobody has said so on a listener without authentication.
    principal: Option<Arc<Principal>>,
    /// What the principal was allowed before.
    decisions: Decisions,
    /// Whose quotas hold for it.
    quotas: QuotaCache,
}

/// Lends the SASL session of a connection.
pub(crate) fn with_session<R>(connection: &ConnectionContext, f: impl FnOnce(&mut SaslSession) -> R) -> R {
    connection.with_state(|known: &mut ConnectionState| f(known.sasl.get_or_insert_default()))
}

/// Who uses a connection: `User:ANONYMOUS` until [`set_principal`] says who. Each connection has its own copy, so that
/// threads do not count references in each other's way.
pub fn principal_of(connection: &ConnectionContext) -> Arc<Principal> {
    connection.with_state(|known: &mut ConnectionState| {
        known.principal.get_or_insert_with(|| Arc::new(Principal::anonymous())).clone()
    })
}

/// Lends what is remembered of the quotas that hold for a connection.
pub(crate) fn with_quota_cache<R>(connection: &ConnectionContext, f: impl FnOnce(&mut QuotaCache) -> R) -> R {
    connection.with_state(|known: &mut ConnectionState| f(&mut known.quotas))
}

/// Whether it was said who uses a connection.
pub(crate) fn is_known(connection: &ConnectionContext) -> bool {
    connection.with_state(|known: &mut ConnectionState| known.principal.is_some())
}

/// Who uses a connection from now on: who has authenticated, also again. What was allowed to somebody else before is
/// forgotten.
pub fn set_principal(connection: &ConnectionContext, principal: Principal) {
    connection.with_state(|known: &mut ConnectionState| {
        known.principal = Some(Arc::new(principal));
        known.decisions = Decisions::default();
    });
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
    /// Bytes of its frame, which what is sliced from the request keeps alive.
    pub frame_bytes: usize,
    /// When the request was read, in Unix milliseconds.
    pub now_ms: i64,
    /// The same in Unix microseconds.
    pub began_us: i64,
    /// Where this thread counts its requests.
    pub requests: ThreadRequests,
    /// Who sent it.
    pub principal: Arc<Principal>,
    /// The connection that it came on.
    pub connection: Rc<ConnectionContext>,
    /// What it takes from quotas, while there are any.
    pub(crate) quota: Option<RequestQuota>,
}

impl RequestContext {
    /// The client id, empty when the client sent none.
    pub fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }

    /// The request's answer waits, as long as what this gives is kept.
    pub fn wait(&self) -> WaitingRequest {
        self.requests.wait(self.api_key)
    }

    /// Name of the listener that the client uses: metadata answers name this listener's endpoints.
    pub fn listener(&self) -> &str {
        self.connection.listener_name()
    }

    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer_addr()
    }

    /// What the controller has to ask before it creates partitions in the client's name, if a quota holds.
    pub(crate) fn strict_changes(&self) -> Option<Arc<PartitionChanges>> {
        self.quota.as_ref()?.partition_changes(true)
    }

    /// Whether the client has authenticated by a delegation token.
    pub fn is_token_authenticated(&self) -> bool {
        self.connection
            .with_state(|known: &mut ConnectionState| known.sasl.as_ref().is_some_and(|sasl| sasl.is_token()))
    }

    /// Lends what the connection's principal was allowed before.
    pub(crate) fn with_decisions<R>(&self, f: impl FnOnce(&mut Decisions) -> R) -> R {
        self.connection.with_state(|known: &mut ConnectionState| f(&mut known.decisions))
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
}
