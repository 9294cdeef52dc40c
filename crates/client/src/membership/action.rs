//! What a membership wants done.

use ottla_protocol::messages::{
    ConsumerGroupHeartbeatRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    ShareGroupHeartbeatRequest, SyncGroupRequest,
};
use ottla_protocol::{Str, TopicPartition, Uuid};

use crate::Error;

/// Something to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send to the coordinator; [`super::Event::Answered`] brings the answer.
    Send {
        /// For the answer.
        id: u64,
        /// What.
        request: GroupRequest,
        /// How long to wait for the answer, finding the coordinator included.
        timeout_ms: i64,
    },
    /// The coordinator is another, or its session is dead: look it up anew before the next request.
    ForgetCoordinator,
    /// Commit the positions of all partitions (auto commit) before a rebalance goes on, trying again until
    /// `deadline_ms`, Unix ms; [`super::Event::Committed`] tells the end.
    Commit {
        /// For the answer.
        id: u64,
        /// Until when.
        deadline_ms: i64,
    },
    /// The next auto commit is due a full `auto.commit.interval.ms` from now.
    ResetAutoCommit,
    /// No further record of these partitions goes to the application: they are about to be given up.
    PauseFetching(Vec<TopicPartition>),
    /// Call the application's rebalance listener; [`super::Event::Called`] tells that it returned. Answer at once where
    /// there is no listener.
    Call {
        /// For the answer.
        id: u64,
        /// Which of its methods.
        callback: Callback,
        /// With what, in order; may be empty for [`Callback::Assigned`], and for `Revoked` by an eager member without partitions.
        partitions: Vec<TopicPartition>,
    },
    /// From now on the member owns exactly these.
    Assign {
        /// All, in order.
        partitions: Vec<TopicPartition>,
        /// Those among them that it did not own before.
        added: Vec<TopicPartition>,
    },
    /// These topics' metadata is needed from now on, kept fresh.
    Topics(MetadataTopics),
    /// Fetch metadata anew now; [`super::Event::Metadata`], then [`super::Event::Refreshed`].
    RefreshMetadata {
        /// For the answer.
        id: u64,
    },
    /// The application's next `poll` returns this error.
    Fail(Error),
    /// The group was left (or there was none to leave): `unsubscribe` or `close` may return.
    Left,
}

/// Methods of a rebalance listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Callback {
    /// `onPartitionsAssigned`.
    Assigned,
    /// `onPartitionsRevoked`.
    Revoked,
    /// `onPartitionsLost`.
    Lost,
}

/// Topics of which a member needs metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataTopics {
    /// All: a pattern is matched here.
    All,
    /// By name, in order.
    Named(Vec<Str>),
    /// By id: a pattern is matched by the broker, and only the assignment tells the topics.
    Ids(Vec<Uuid>),
}

/// A request to the coordinator.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupRequest {
    /// Classic.
    JoinGroup(JoinGroupRequest),
    /// Classic.
    SyncGroup(SyncGroupRequest),
    /// Classic.
    Heartbeat(HeartbeatRequest),
    /// Classic. As for version 3 and later; [`leave_group_for`] makes an older one of it.
    LeaveGroup(LeaveGroupRequest),
    /// KIP-848. A `subscribed_topic_regex` asks for version 1.
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest),
    /// KIP-932. Version 1 and later.
    ShareGroupHeartbeat(ShareGroupHeartbeatRequest),
}

/// The request in the form of a version: up to 2 it names one member, not a list.
pub fn leave_group_for(mut request: LeaveGroupRequest, version: i16) -> LeaveGroupRequest {
    if version < 3
        && let Some(member) = request.members.pop()
    {
        request.member_id = member.member_id;
        request.members = Vec::new();
    }
    request
}
