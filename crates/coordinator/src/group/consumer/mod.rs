//! Consumer groups (KIP-848): the coordinator assigns partitions, members follow by heartbeats
//! (`ConsumerGroup` and the consumer parts of `GroupMetadataManager`).
//!
//! | file | holds |
//! | --- | --- |
//! | `mod`, `state`, `member` | the group, its states, its members |
//! | `record`, `replay` | the group as records, and what they change |
//! | `heartbeat`, `join`, `leave` | ConsumerGroupHeartbeat: who may, in what order; members come and go |
//! | `update` | from what a member says to group epoch, target assignment and current assignment |
//! | `current_assignment` | one member's next step to the target assignment |
//! | `regex` | expressions and the topics that they match |
//! | `timers` | sessions, rebalance timeouts, loading |
//! | `upgrade`, `downgrade` | from a classic group, and back, while members are there |
//! | `classic_*` | classic members in a consumer group |
//! | `offsets` | who may commit and fetch |
//! | `describe` | ConsumerGroupDescribe, and the group in words |
//! | `assignor/` | the assignors `uniform` and `range` |
//!
//! *Invariant:* a partition is assigned to, or awaits revocation from, at most one member. `partition_epochs`
//! says in which member epoch; a member gets a partition only when nobody is found there.

mod assignor;
mod classic_join;
mod classic_member;
mod current_assignment;
mod describe;
mod downgrade;
mod heartbeat;
mod join;
mod leave;
mod member;
mod offsets;
pub(crate) mod record;
mod regex;
mod replay;
mod state;
mod timers;
mod update;
mod upgrade;

pub(crate) use classic_join::ClassicJoined;
pub use heartbeat::{consumer_group_heartbeat_error, validate_consumer_group_heartbeat};
pub(crate) use offsets::CommitPartitions;
pub(crate) use replay::Remains;
pub use state::ConsumerGroupState;
pub(crate) use update::Topics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_protocol::messages::list_groups_response::ListedGroup;
use ottla_protocol::{ErrorCode, Str, Uuid};

use self::member::ConsumerGroupMember;
use self::regex::ResolvedRegex;
use crate::group::modern::{ModernGroup, SubscriptionType};
use crate::group::{GroupError, GroupType};
use crate::offsets::ExpirationBase;
use crate::records::CoordinatorRecord;

/// The protocol type of consumers.
pub(crate) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Member epoch of a member that leaves.
const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;
/// Member epoch of a static member that leaves for a while.
const LEAVE_GROUP_STATIC_MEMBER_EPOCH: i32 = -2;

/// A consumer group. It changes in `replay` only, but for the refresh deadline of its topics.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerGroup {
    base: ModernGroup<ConsumerGroupMember>,
    /// Member ids by group instance id.
    static_members: BTreeMap<Str, Str>,
    /// How many members want which assignor.
    server_assignors: BTreeMap<Str, usize>,
    /// Number of members that speak the classic protocol.
    classic_members: usize,
    /// How many of these support which classic protocol.
    classic_protocols: BTreeMap<Str, usize>,
    /// The epoch of the member that has a partition, or has to give it up.
    partition_epochs: BTreeMap<Uuid, BTreeMap<i32, i32>>,
    /// How many members have which expression.
    subscribed_regexes: BTreeMap<Str, usize>,
    resolved_regexes: BTreeMap<Str, ResolvedRegex>,
    /// Whether a record of Kafka before 4.1 is to be removed.
    has_partition_metadata_record: bool,
    /// Not persisted. Classic members that were told to join again, and for whom the timer runs.
    awaiting_rejoin: BTreeSet<Str>,
}

impl ConsumerGroup {
    /// A group without members; everything below `high_watermark` is committed.
    pub fn new(group_id: Str, high_watermark: i64) -> Self {
        Self {
            base: ModernGroup::new(group_id, high_watermark),
            static_members: BTreeMap::new(),
            server_assignors: BTreeMap::new(),
            classic_members: 0,
            classic_protocols: BTreeMap::new(),
            partition_epochs: BTreeMap::new(),
            subscribed_regexes: BTreeMap::new(),
            resolved_regexes: BTreeMap::new(),
            has_partition_metadata_record: false,
            awaiting_rejoin: BTreeSet::new(),
        }
    }

    pub fn group_id(&self) -> &Str {
        &self.base.group_id
    }

    /// The latest state.
    pub fn state(&self) -> ConsumerGroupState {
        ConsumerGroupState::of(self.base.members().map(|(_, member)| member), self.base.epochs())
    }

    /// The committed state.
    pub fn state_committed(&self) -> ConsumerGroupState {
        let members = self.base.members_committed().map(|(_, member)| member);
        ConsumerGroupState::of(members, self.base.epochs_committed())
    }

    pub fn members_len(&self) -> usize {
        self.base.members_len()
    }

    pub fn is_empty(&self) -> bool {
        self.base.members_len() == 0
    }

    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.base.subscribed_topics.contains(topic)
    }

    /// As of the last commit.
    pub fn as_listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.group_id().clone(),
            protocol_type: Str::from_static(CONSUMER_PROTOCOL_TYPE),
            group_state: Str::from_static(self.state_committed().name()),
            group_type: Str::from_static(GroupType::Consumer.name()),
        }
    }

    pub fn expiration_base(&self) -> Option<ExpirationBase> {
        Some(ExpirationBase::CommitTimestamp)
    }

    pub fn validate_delete(&self) -> Result<(), ErrorCode> {
        if self.is_empty() { Ok(()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    /// The tombstones of the whole group.
    pub fn tombstones(&self) -> Vec<CoordinatorRecord> {
        let member_ids = self.base.members().map(|(member_id, _)| member_id.clone()).collect();
        record::group_tombstones(self.group_id(), &member_ids, &self.regexes()).unwrap_or_default()
    }

    /// Everything below `high_watermark` is committed; whether there is something that is not.
    pub fn commit(&mut self, high_watermark: i64) -> bool {
        self.base.commit(high_watermark)
    }

    /// Topics that it reads have changed: looks at them with the next heartbeat.
    pub fn request_metadata_refresh(&mut self) {
        self.base.request_metadata_refresh();
    }

    /// Whether members subscribe by regular expressions.
    pub fn has_regexes(&self) -> bool {
        !self.subscribed_regexes.is_empty()
    }

    /// The topics that the group reads.
    pub fn subscribed_topics(&self) -> impl Iterator<Item = &Str> {
        self.base.subscribed_topics.names()
    }

    fn has_member(&self, member_id: &str) -> bool {
        self.base.member(member_id).is_some()
    }

    fn regexes(&self) -> Vec<Str> {
        self.resolved_regexes.keys().cloned().collect()
    }

    fn existing_member(&self, member_id: &str) -> Result<&Arc<ConsumerGroupMember>, GroupError> {
        self.base.member(member_id).ok_or_else(|| {
            let message = format!("Member {member_id} is not a member of group {}.", self.group_id());
            GroupError::new(ErrorCode::UnknownMemberId, message)
        })
    }

    fn static_member(&self, instance_id: &str) -> Option<&Arc<ConsumerGroupMember>> {
        self.base.member(self.static_members.get(instance_id)?)
    }

    /// The epoch of the member that has a partition, or has to give it up.
    fn partition_epoch(&self, topic_id: Uuid, partition: i32) -> Option<i32> {
        self.partition_epochs.get(&topic_id)?.get(&partition).copied()
    }

    fn regex_members(&self, regex: &str) -> usize {
        self.subscribed_regexes.get(regex).copied().unwrap_or(0)
    }
}

/// Whether all members read the same topics (`ConsumerGroup.subscriptionType`).
fn subscription_type(
    regexes: &BTreeMap<Str, usize>,
    topics: &crate::group::modern::SubscribedTopics,
    members: usize,
) -> SubscriptionType {
    let Some(count) = regexes.values().next() else { return topics.subscription_type(members) };
    let is_one_for_all =
        *count == members && topics.counts().all(|count| count.by_regex == 1 && count.by_name == 0);
    if is_one_for_all { SubscriptionType::Homogeneous } else { SubscriptionType::Heterogeneous }
}

/// Adds `by` to the number of a key, which goes when nothing is left.
fn count(counts: &mut BTreeMap<Str, usize>, key: &Str, adds: bool) {
    let number = counts.entry(key.clone()).or_default();
    *number = if adds { *number + 1 } else { number.saturating_sub(1) };
    if *number == 0 {
        counts.remove(key);
    }
}

#[cfg(test)]
mod invariants_test;
#[cfg(test)]
mod migration_test;
