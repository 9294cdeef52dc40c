//! Where new replicas go (`org.apache.kafka.metadata.placement`).

mod random;
mod striped_replica_placer;

use ottla_protocol::Str;

pub(crate) use random::Random;
pub use striped_replica_placer::StripedReplicaPlacer;

/// A broker that can take replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableBroker {
    /// Its id.
    pub id: i32,
    /// Its rack.
    pub rack: Option<Str>,
    /// Whether it is fenced; such a broker is only used when there is no other.
    pub fenced: bool,
}
