//! A member of a consumer group (`ConsumerGroupMember`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::consumer_group_current_member_assignment_value::TopicPartitions;
use ottla_protocol::messages::consumer_group_member_metadata_value::{
    ClassicMemberMetadata, ClassicProtocol,
};
use ottla_protocol::messages::{ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue};
use ottla_protocol::{Str, Uuid};

use crate::group::classic::MemberProtocol;
use crate::group::modern::{Assignment, MemberState, ModernGroupMember, ModernMember};
use crate::records::{owned, owned_bytes};

/// For each partition, the member epoch in which it was assigned. No topic is without partitions.
pub(crate) type AssignmentWithEpochs = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// What is kept of a member that speaks the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassicMember {
    pub session_timeout_ms: i32,
    /// In order of preference; at least one.
    pub protocols: Vec<MemberProtocol>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerGroupMember {
    pub base: ModernMember,
    /// -1 when unknown.
    pub rebalance_timeout_ms: i32,
    /// Empty: none.
    pub subscribed_topic_regex: Str,
    pub server_assignor: Option<Str>,
    pub assigned_partitions: AssignmentWithEpochs,
    /// Partitions that the member has to give up before it may go on.
    pub partitions_pending_revocation: AssignmentWithEpochs,
    /// Set for members that speak the classic protocol.
    pub classic: Option<ClassicMember>,
}

impl ModernGroupMember for ConsumerGroupMember {
    fn modern(&self) -> &ModernMember {
        &self.base
    }
}

impl ConsumerGroupMember {
    /// A member that nothing is known of yet.
    pub fn new(member_id: Str) -> Self {
        Self {
            base: ModernMember::new(member_id),
            rebalance_timeout_ms: -1,
            subscribed_topic_regex: Str::new(),
            server_assignor: None,
            assigned_partitions: BTreeMap::new(),
            partitions_pending_revocation: BTreeMap::new(),
            classic: None,
        }
    }

    pub fn member_id(&self) -> &Str {
        &self.base.member_id
    }

    pub fn member_epoch(&self) -> i32 {
        self.base.member_epoch
    }

    pub fn uses_classic_protocol(&self) -> bool {
        self.classic.is_some()
    }

    /// The expression, if there is one.
    pub fn regex(&self) -> Option<&Str> {
        Some(&self.subscribed_topic_regex).filter(|regex| !regex.is_empty())
    }

    /// In which epoch the member was given a partition that it has, or is to give up.
    pub fn partition_epoch(&self, topic_id: Uuid, partition: i32) -> Option<i32> {
        let of = |assignment: &AssignmentWithEpochs| {
            assignment.get(&topic_id).and_then(|partitions| partitions.get(&partition)).copied()
        };
        of(&self.assigned_partitions).or_else(|| of(&self.partitions_pending_revocation))
    }

    /// Takes over the member's metadata record.
    pub fn update_with_metadata(&mut self, value: &ConsumerGroupMemberMetadataValue) {
        self.base.instance_id = value.instance_id.as_ref().map(owned);
        self.base.rack_id = value.rack_id.as_ref().map(owned);
        self.base.client_id = owned(&value.client_id);
        self.base.client_host = owned(&value.client_host);
        self.base.subscribed_topic_names = value.subscribed_topic_names.iter().map(owned).collect();
        self.subscribed_topic_regex = value.subscribed_topic_regex.as_ref().map(owned).unwrap_or_default();
        self.rebalance_timeout_ms = value.rebalance_timeout_ms;
        self.server_assignor = value.server_assignor.as_ref().map(owned);
        self.classic = value.classic_member_metadata.as_ref().map(|classic| ClassicMember {
            session_timeout_ms: classic.session_timeout_ms,
            protocols: (classic.supported_protocols.iter())
                .map(|protocol| MemberProtocol {
                    name: owned(&protocol.name),
                    metadata: owned_bytes(&protocol.metadata),
                })
                .collect(),
        });
    }

    /// The member's metadata record.
    pub fn to_metadata(&self) -> ConsumerGroupMemberMetadataValue {
        let classic = self.classic.as_ref().map(|classic| ClassicMemberMetadata {
            session_timeout_ms: classic.session_timeout_ms,
            supported_protocols: (classic.protocols.iter())
                .map(|protocol| ClassicProtocol {
                    name: protocol.name.clone(),
                    metadata: protocol.metadata.clone(),
                })
                .collect(),
        });
        ConsumerGroupMemberMetadataValue {
            instance_id: self.base.instance_id.clone(),
            rack_id: self.base.rack_id.clone(),
            client_id: self.base.client_id.clone(),
            client_host: self.base.client_host.clone(),
            subscribed_topic_names: self.base.subscribed_topic_names.iter().cloned().collect(),
            subscribed_topic_regex: Some(self.subscribed_topic_regex.clone()),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.server_assignor.clone(),
            classic_member_metadata: classic,
        }
    }

    /// Takes over the member's current assignment record.
    pub fn update_with_assignment(&mut self, value: &ConsumerGroupCurrentMemberAssignmentValue) {
        self.base.member_epoch = value.member_epoch;
        self.base.previous_member_epoch = value.previous_member_epoch;
        self.base.state = MemberState::from_code(value.state);
        self.assigned_partitions = from_record(&value.assigned_partitions, value.member_epoch);
        self.partitions_pending_revocation =
            from_record(&value.partitions_pending_revocation, value.member_epoch);
    }

    /// The member's current assignment record.
    pub fn to_assignment(&self) -> ConsumerGroupCurrentMemberAssignmentValue {
        ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.base.member_epoch,
            previous_member_epoch: self.base.previous_member_epoch,
            state: self.base.state.code(),
            assigned_partitions: to_record(&self.assigned_partitions),
            partitions_pending_revocation: to_record(&self.partitions_pending_revocation),
        }
    }
}

/// The same without epochs.
pub(crate) fn without_epochs(assignment: &AssignmentWithEpochs) -> Assignment {
    assignment.iter().map(|(id, partitions)| (*id, partitions.keys().copied().collect())).collect()
}

/// The same with one epoch for all.
pub(crate) fn with_epoch(assignment: &Assignment, epoch: i32) -> AssignmentWithEpochs {
    let with_epoch = |partitions: &BTreeSet<i32>| partitions.iter().map(|index| (*index, epoch)).collect();
    assignment.iter().map(|(id, partitions)| (*id, with_epoch(partitions))).collect()
}

/// Records of versions before 4.3 have no epochs: the member's stands in for them.
fn from_record(topics: &[TopicPartitions], member_epoch: i32) -> AssignmentWithEpochs {
    let mut assignment = AssignmentWithEpochs::new();
    for topic in topics {
        let epochs = topic.assignment_epochs.as_ref().filter(|epochs| epochs.len() == topic.partitions.len());
        let partitions = topic.partitions.iter().enumerate().map(|(at, partition)| {
            let epoch = epochs.and_then(|epochs| epochs.get(at)).copied();
            (*partition, epoch.unwrap_or(member_epoch.max(0)))
        });
        let partitions: BTreeMap<i32, i32> = partitions.collect();
        if !partitions.is_empty() {
            assignment.insert(topic.topic_id, partitions);
        }
    }
    assignment
}

fn to_record(assignment: &AssignmentWithEpochs) -> Vec<TopicPartitions> {
    let topics = assignment.iter().map(|(topic_id, partitions)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    });
    topics.collect()
}
