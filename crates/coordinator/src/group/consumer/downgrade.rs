//! A consumer group becomes a classic group again when the last member of the new protocol goes
//! (`convertToClassicGroup`).

use std::collections::BTreeSet;

use ottla_protocol::messages::ConsumerProtocolAssignment;
use ottla_protocol::messages::consumer_protocol_assignment::TopicPartition;
use ottla_protocol::{EncodeError, Str, encode_versioned};

use super::member::ConsumerGroupMember;
use super::{ConsumerGroup, record};
use crate::config::GroupCoordinatorConfig;
use crate::group::classic::{ClassicAction, ClassicGroup, ClassicGroupMember, protocol_version};
use crate::group::modern::{Assignment, TopicResolver};
use crate::group::{Env, GroupError};

impl ConsumerGroup {
    /// Whether the group becomes a classic one when these members go.
    pub(super) fn may_downgrade_without(
        &self,
        leaving: &BTreeSet<Str>,
        config: &GroupCoordinatorConfig,
    ) -> bool {
        let leaving_members = leaving.iter().filter_map(|member_id| self.base.member(member_id));
        let leaving_classic = leaving_members.filter(|member| member.uses_classic_protocol()).count();
        let remaining = self.base.members_len().saturating_sub(leaving.len());
        remaining > 0
            && self.classic_members.saturating_sub(leaving_classic) == remaining
            && config.consumer.migration_policy.is_downgrade_enabled()
            && remaining <= config.max_size()
    }

    /// Whether the group becomes a classic one when a classic member takes the place of this one.
    pub(super) fn may_downgrade_replacing(
        &self,
        replaced: &ConsumerGroupMember,
        config: &GroupCoordinatorConfig,
    ) -> bool {
        self.classic_members + 1 == self.base.members_len()
            && !replaced.uses_classic_protocol()
            && config.consumer.migration_policy.is_downgrade_enabled()
            && self.base.members_len() <= config.max_size()
    }

    /// Writes the classic group of those who stay. `joining` takes the place of the static member of its
    /// instance. With a reason, the classic group rebalances when it is written.
    pub(super) fn downgrade(
        &self,
        leaving: &BTreeSet<Str>,
        joining: Option<&ConsumerGroupMember>,
        rebalance_reason: Option<String>,
        env: &mut Env<'_>,
    ) -> Result<(), GroupError> {
        let group_id = self.group_id();
        let replaced = joining.and_then(|member| member.base.instance_id.as_ref());
        let replaced = replaced.and_then(|instance_id| self.static_members.get(instance_id));
        let mut member_ids: BTreeSet<Str> = self.base.members().map(|(id, _)| id.clone()).collect();
        if let (Some(joining), Some(replaced)) = (joining, replaced) {
            // The replacement is written before this, and the old id is gone with it.
            member_ids.remove(replaced);
            member_ids.insert(joining.member_id().clone());
        }
        let tombstones = record::group_tombstones(group_id, &member_ids, &self.regexes())?;
        env.out.records.extend(tombstones);
        let staying = self.base.members().filter(|(id, _)| !leaving.contains(*id) && Some(*id) != replaced);
        let staying = staying.map(|(_, member)| &**member).chain(joining);
        let members = staying.filter_map(|member| {
            let id = if joining.is_some_and(|joining| joining.member_id() == member.member_id()) {
                replaced.unwrap_or(member.member_id())
            } else {
                member.member_id()
            };
            Some((to_classic(member)?, self.base.target_assignment(id).cloned().unwrap_or_default()))
        });
        let resolver = TopicResolver::new(env.image);
        let encode = |assignment: &Assignment, metadata: &[u8]| {
            encode_assignment(assignment, protocol_version(metadata), &resolver)
        };
        let epoch = self.base.epochs().group_epoch;
        let (record, protocols) =
            ClassicGroup::downgraded(group_id.clone(), epoch, members.collect(), encode, env.now_ms)?;
        env.out.records.push(record);
        env.out.deferred.action =
            Some(ClassicAction::Downgraded { group_id: group_id.clone(), protocols, rebalance_reason });
        self.cancel_timers(env.out);
        Ok(())
    }
}

fn to_classic(member: &ConsumerGroupMember) -> Option<ClassicGroupMember> {
    let classic = member.classic.as_ref()?;
    Some(ClassicGroupMember {
        member_id: member.member_id().clone(),
        group_instance_id: member.base.instance_id.clone(),
        client_id: member.base.client_id.clone(),
        client_host: member.base.client_host.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        session_timeout_ms: classic.session_timeout_ms,
        protocols: classic.protocols.clone(),
        assignment: Default::default(),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
    })
}

/// An assignment as the consumers' embedded protocol has it (`ConsumerProtocol.serializeAssignment`).
pub(super) fn encode_assignment(
    assignment: &Assignment,
    version: i16,
    resolver: &TopicResolver<'_>,
) -> Result<bytes::Bytes, EncodeError> {
    let topics = assignment.iter().filter_map(|(topic_id, partitions)| {
        let topic = resolver.name(*topic_id)?.clone();
        Some(TopicPartition { topic, partitions: partitions.iter().copied().collect() })
    });
    let message = ConsumerProtocolAssignment { assigned_partitions: topics.collect(), ..Default::default() };
    encode_versioned(&message, version)
}
