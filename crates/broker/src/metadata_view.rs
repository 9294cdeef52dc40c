//! The cluster as clients of one listener see it (`KRaftMetadataCache`).

use ottla_metadata::{BrokerRegistration, Endpoint, MetadataImage, PartitionRegistration};
use ottla_protocol::ErrorCode;
use std::sync::Arc;

/// No leader.
pub const NO_LEADER: i32 = -1;

/// An image through the eyes of a listener's clients.
pub struct MetadataView<'a> {
    image: &'a MetadataImage,
    listener: &'a str,
}

/// One partition's leader and replicas for a metadata answer.
#[derive(Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// Why the partition can't be used, if it can't.
    pub error: ErrorCode,
    /// Id of the leader that this listener's clients can reach, or [`NO_LEADER`].
    pub leader: i32,
    /// Replicas to tell.
    pub replicas: Vec<i32>,
    /// In-sync replicas to tell.
    pub isr: Vec<i32>,
    /// Replicas that are down.
    pub offline: Vec<i32>,
}

impl<'a> MetadataView<'a> {
    /// `image` as seen from `listener`.
    pub fn new(image: &'a MetadataImage, listener: &'a str) -> Self {
        Self { image, listener }
    }

    /// Brokers that are alive and have this listener, with their endpoint on it.
    pub fn alive_brokers(&self) -> impl Iterator<Item = (&'a Arc<BrokerRegistration>, &'a Endpoint)> {
        self.brokers().filter(|(broker, _)| !broker.fenced)
    }

    /// Brokers that have this listener, fenced ones too.
    pub fn brokers(&self) -> impl Iterator<Item = (&'a Arc<BrokerRegistration>, &'a Endpoint)> {
        let listener = self.listener;
        self.image.cluster.brokers().filter_map(move |broker| Some((broker, endpoint(broker, listener)?)))
    }

    /// Any broker that is alive: what metadata answers name as controller, which forwards to the real one.
    pub fn controller_id(&self) -> i32 {
        self.image.cluster.brokers().find(|b| !b.fenced).map_or(NO_LEADER, |b| b.id)
    }

    /// A partition. `only_alive` leaves unreachable replicas out and tells of it by an error (Metadata v0);
    /// `listener_errors` tells a leader without this listener from one that is down (v6 and later).
    pub fn partition(
        &self,
        partition: &PartitionRegistration,
        only_alive: bool,
        listener_errors: bool,
    ) -> PartitionView {
        let told = |ids: &[i32]| -> Vec<i32> {
            ids.iter().copied().filter(|id| !only_alive || self.is_reachable(*id)).collect()
        };
        let (replicas, isr) = (told(&partition.replicas), told(&partition.isr));
        let offline =
            partition.replicas.iter().copied().filter(|id| !self.is_replica_online(*id, partition)).collect();
        let (leader, error) = if self.is_reachable(partition.leader) {
            let missing = replicas.len() < partition.replicas.len() || isr.len() < partition.isr.len();
            (partition.leader, if missing { ErrorCode::ReplicaNotAvailable } else { ErrorCode::None })
        } else if self.is_alive(partition.leader) && listener_errors {
            (NO_LEADER, ErrorCode::ListenerNotFound)
        } else {
            (NO_LEADER, ErrorCode::LeaderNotAvailable)
        };
        PartitionView { error, leader, replicas, isr, offline }
    }

    fn is_alive(&self, id: i32) -> bool {
        self.image.cluster.is_unfenced(id)
    }

    fn is_reachable(&self, id: i32) -> bool {
        self.image.cluster.broker(id).is_some_and(|b| !b.fenced && endpoint(b, self.listener).is_some())
    }

    /// A replica is offline when its broker is, or when its log directory is not among the broker's any more.
    fn is_replica_online(&self, id: i32, partition: &PartitionRegistration) -> bool {
        let Some(broker) = self.image.cluster.broker(id) else { return false };
        let at = partition.replicas.iter().position(|r| *r == id);
        let directory = at.and_then(|at| partition.directories.get(at)).copied().unwrap_or_default();
        !broker.fenced
            && endpoint(broker, self.listener).is_some()
            && ottla_metadata::directory_id::is_online(directory, &broker.directories)
    }
}

fn endpoint<'a>(broker: &'a BrokerRegistration, listener: &str) -> Option<&'a Endpoint> {
    broker.listeners.iter().find(|endpoint| &*endpoint.name == listener)
}
