//! A member of a share group (`ShareGroupMember`).

use ottla_protocol::Str;
use ottla_protocol::messages::share_group_current_member_assignment_value::TopicPartitions;
use ottla_protocol::messages::{ShareGroupCurrentMemberAssignmentValue, ShareGroupMemberMetadataValue};

use crate::group::modern::{
    Assignment, MemberState, ModernGroupMember, ModernMember, owned_topic_partitions,
};
use crate::records::owned;

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShareGroupMember {
    pub base: ModernMember,
    pub assigned_partitions: Assignment,
}

impl ModernGroupMember for ShareGroupMember {
    fn modern(&self) -> &ModernMember {
        &self.base
    }
}

impl ShareGroupMember {
    /// A member that nothing is known of yet.
    pub fn new(member_id: Str) -> Self {
        Self { base: ModernMember::new(member_id), assigned_partitions: Assignment::new() }
    }

    pub fn member_id(&self) -> &Str {
        &self.base.member_id
    }

    pub fn member_epoch(&self) -> i32 {
        self.base.member_epoch
    }

    /// Takes over the member's metadata record.
    pub fn update_with_metadata(&mut self, value: &ShareGroupMemberMetadataValue) {
        self.base.rack_id = value.rack_id.as_ref().map(owned);
        self.base.client_id = owned(&value.client_id);
        self.base.client_host = owned(&value.client_host);
        self.base.subscribed_topic_names = value.subscribed_topic_names.iter().map(owned).collect();
    }

    /// The member's metadata record.
    pub fn to_metadata(&self) -> ShareGroupMemberMetadataValue {
        ShareGroupMemberMetadataValue {
            rack_id: self.base.rack_id.clone(),
            client_id: self.base.client_id.clone(),
            client_host: self.base.client_host.clone(),
            subscribed_topic_names: self.base.subscribed_topic_names.iter().cloned().collect(),
        }
    }

    /// Takes over the member's current assignment record.
    pub fn update_with_assignment(&mut self, value: &ShareGroupCurrentMemberAssignmentValue) {
        self.base.member_epoch = value.member_epoch;
        self.base.previous_member_epoch = value.previous_member_epoch;
        self.base.state = MemberState::from_code(value.state);
        let topics = value.assigned_partitions.iter().filter(|topic| !topic.partitions.is_empty());
        self.assigned_partitions =
            topics.map(|topic| (topic.topic_id, topic.partitions.iter().copied().collect())).collect();
    }

    /// The member's current assignment record.
    pub fn to_assignment(&self) -> ShareGroupCurrentMemberAssignmentValue {
        let make = |topic_id, partitions| TopicPartitions { topic_id, partitions };
        ShareGroupCurrentMemberAssignmentValue {
            member_epoch: self.base.member_epoch,
            previous_member_epoch: self.base.previous_member_epoch,
            state: self.base.state.code(),
            assigned_partitions: owned_topic_partitions(&self.assigned_partitions, make),
        }
    }
}
