//! Streams groups (KIP-1071): the broker assigns the tasks of a Kafka Streams application to its members
//! (`org.apache.kafka.coordinator.group.streams` and the streams parts of `GroupMetadataManager`).
//!
//! | file | holds |
//! | --- | --- |
//! | `mod`, `state`, `member` | the group, its state, its members |
//! | `tasks`, `task_processes` | sets of tasks; which process owns which |
//! | `topology`, `topics/` | the application's topology; the same with the topics that there are |
//! | `assignor/`, `target_assignment` | what each member is to own |
//! | `current_assignment` | the way there |
//! | `heartbeat`, `validate`, `epochs`, `respond`, `endpoints` | StreamsGroupHeartbeat |
//! | `membership`, `rebalance` | members that leave or fall silent; the delayed first assignment |
//! | `describe` | StreamsGroupDescribe, ListGroups, the group in words |
//! | `commit` | who may commit offsets |
//! | `record`, `record_value`, `replay` | the records, from the state and back |
//!
//! Not obvious:
//! - The group changes in `replay` only, but for what is not persisted: the configured topology, the
//!   endpoints, who asked for a shutdown. A heartbeat that creates the group loses these, and the next one
//!   works them out again, as in Kafka.
//! - A group is replaced, not changed, by each record; members, assignments and owners are persistent maps,
//!   which the old and the new group share. So the committed group is there to be read while changes to it
//!   are on their way.
//! - The group epoch is bumped when a member, the topology, the topics or the assignor's settings change. An
//!   assignment is computed for an epoch; each member then goes to it in steps of its own.

mod assignor;
pub(crate) mod commit;
mod current_assignment;
mod describe;
mod endpoints;
mod epochs;
mod heartbeat;
mod member;
mod membership;
pub(crate) mod rebalance;
pub(crate) mod record;
mod record_value;
mod replay;
mod respond;
mod state;
mod target_assignment;
mod task_processes;
mod tasks;
mod topics;
mod topology;
pub(crate) mod validate;

#[cfg(test)]
mod history_test;
#[cfg(test)]
mod testing;

pub use state::StreamsGroupState;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use ottla_metadata::MetadataImage;
use ottla_metadata::image::PersistentMap;
use ottla_protocol::messages::streams_group_heartbeat_response::EndpointToPartitions;
use ottla_protocol::{ErrorCode, Str};

use member::StreamsGroupMember;
use task_processes::TaskProcesses;
use tasks::TasksTuple;
use topics::ConfiguredTopology;
use topology::StreamsTopology;

use crate::group::GroupError;

/// A streams group (`StreamsGroup`). Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct StreamsGroup {
    group_id: Str,
    /// Of the last change that asks for a new assignment.
    group_epoch: i32,
    /// Epoch of the topology that was found fit to run; -1 when it is not.
    validated_topology_epoch: i32,
    /// Hash of the topics that the topology needs, as of the group epoch.
    metadata_hash: i64,
    /// The group epoch that the target assignment is for; -1 when it was removed.
    assignment_epoch: i32,
    /// When the target assignment was computed, Unix ms; 0: not known.
    assignment_timestamp_ms: i64,
    members: PersistentMap<Str, Arc<StreamsGroupMember>>,
    /// By member.
    target_assignment: PersistentMap<Str, Arc<TasksTuple>>,
    /// Derived from the members.
    owners: TaskProcesses,
    topology: Option<Arc<StreamsTopology>>,
    /// The assignor's settings as of the group epoch.
    last_assignment_configs: Arc<BTreeMap<Str, Str>>,
    /// Not persisted.
    configured_topology: Option<Arc<ConfiguredTopology>>,
    /// Not persisted. What the hash of the topics holds for.
    metadata_refresh: MetadataRefresh,
    /// Not persisted. The member that wants all others to stop.
    shutdown_request_member_id: Option<Str>,
    /// Not persisted. Grows when what is known of the endpoints changes.
    endpoint_information_epoch: i32,
    /// Not persisted. What the members with endpoints answer queries for, as far as worked out.
    endpoints: PersistentMap<Str, Arc<EndpointToPartitions>>,
}

/// What the hash of the topics was last worked out for.
#[derive(Clone, Debug, Default)]
struct MetadataRefresh {
    image: Weak<MetadataImage>,
    /// The group epoch that came of it. If the group has a smaller one, that was not written.
    epoch: i32,
}

impl StreamsGroup {
    /// A group without members.
    pub fn new(group_id: Str) -> Self {
        Self {
            group_id,
            group_epoch: 1,
            validated_topology_epoch: 0,
            metadata_hash: 0,
            assignment_epoch: 1,
            assignment_timestamp_ms: 0,
            members: PersistentMap::default(),
            target_assignment: PersistentMap::default(),
            owners: TaskProcesses::default(),
            topology: None,
            last_assignment_configs: Arc::default(),
            configured_topology: None,
            metadata_refresh: MetadataRefresh::default(),
            shutdown_request_member_id: None,
            endpoint_information_epoch: 0,
            endpoints: PersistentMap::default(),
        }
    }

    /// What the group is doing.
    pub fn state(&self) -> StreamsGroupState {
        let is_validated =
            self.topology.as_ref().is_some_and(|topology| topology.epoch == self.validated_topology_epoch);
        if self.members.is_empty() {
            StreamsGroupState::Empty
        } else if !is_validated {
            StreamsGroupState::NotReady
        } else if self.group_epoch > self.assignment_epoch {
            StreamsGroupState::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.assignment_epoch)) {
            StreamsGroupState::Stable
        } else {
            StreamsGroupState::Reconciling
        }
    }

    pub fn members_len(&self) -> usize {
        self.members.size()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether the application reads a topic. One that does not run reads nothing.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        !self.is_empty()
            && self.topology.as_ref().is_some_and(|topology| topology.subtopology_of(topic).is_some())
    }

    /// Whether the topics may not be those of the last time.
    fn has_metadata_expired(&self, image: &Arc<MetadataImage>) -> bool {
        let refresh = &self.metadata_refresh;
        !std::ptr::eq(refresh.image.as_ptr(), Arc::as_ptr(image)) || self.group_epoch < refresh.epoch
    }

    fn unknown_member(&self, member_id: &str) -> GroupError {
        GroupError::new(
            ErrorCode::UnknownMemberId,
            format!("Member {member_id} is not a member of group {}.", self.group_id),
        )
    }

    fn request_shutdown(&mut self, member_id: &Str) {
        if self.shutdown_request_member_id.is_none() {
            self.shutdown_request_member_id = Some(crate::records::owned(member_id));
        }
    }
}
