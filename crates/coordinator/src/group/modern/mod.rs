//! What consumer groups (KIP-848) and share groups (KIP-932) have in common: the coordinator assigns, and
//! members come to its assignment one heartbeat at a time (Kafka's package `modern`).
//!
//! | file | holds |
//! | --- | --- |
//! | `group` | [`ModernGroup`]: members, epochs, target assignment, subscribed topics |
//! | `member` | [`ModernMember`]: what members of both types have |
//! | `subscription` | how many members read which topic, and whether all read the same |
//! | `metadata_hash` | one number for all that is known of a group's topics (KIP-1101) |
//! | `topics` | names to ids, partition counts and racks, out of the metadata image |
//! | `assignor` | what an assignor is given, and gives |
//! | `target_assignment` | from members and metadata to a new target assignment |
//!
//! Three epochs: the group's grows with every change of members, subscriptions or topics. The assignment's
//! says for which group epoch the target assignment was computed. A member's says which target assignment
//! the member has come to.

mod assignor;
mod group;
mod member;
mod metadata_hash;
mod subscription;
mod target_assignment;
mod topics;

pub(crate) use assignor::{
    Assignment, GroupAssignment, GroupSpec, MemberSpec, PartitionAssignor, PartitionAssignorError,
    owned_topic_partitions,
};
pub(crate) use group::{Epochs, ModernGroup};
pub(crate) use member::{MemberState, ModernGroupMember, ModernMember};
pub(crate) use metadata_hash::TopicHashes;
pub(crate) use subscription::{SubscribedTopics, SubscriptionType};
pub(crate) use target_assignment::{can_compute_next, compute_target_assignment};
pub(crate) use topics::TopicResolver;
