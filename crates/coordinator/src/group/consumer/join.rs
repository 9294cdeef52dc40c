//! Which member a request speaks of, and whether it may (`getOrMaybeSubscribe...ConsumerGroupMember`).

use std::sync::Arc;

use ottla_protocol::messages::ConsumerGroupHeartbeatRequest;
use ottla_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::{ErrorCode, Str};

use super::member::ConsumerGroupMember;
use super::{ConsumerGroup, LEAVE_GROUP_STATIC_MEMBER_EPOCH, record};
use crate::config::GroupCoordinatorConfig;
use crate::group::modern::Assignment;
use crate::group::{Env, GroupError};

impl ConsumerGroup {
    /// Whether there is room for a member, which may belong to the group already.
    pub(super) fn check_not_full(
        &self,
        member_id: &str,
        config: &GroupCoordinatorConfig,
    ) -> Result<(), GroupError> {
        let max = config.consumer.max_size;
        let is_full = self.base.members_len() >= usize::try_from(max).unwrap_or(0);
        if is_full && !self.has_member(member_id) {
            let message = format!("The consumer group has reached its maximum capacity of {max} members.");
            return Err(GroupError::new(ErrorCode::GroupMaxSizeReached, message));
        }
        Ok(())
    }

    /// The member of a heartbeat, as it was or newly made.
    pub(super) fn member_for_heartbeat(
        &self,
        request: &ConsumerGroupHeartbeatRequest,
        member_id: &Str,
        env: &mut Env<'_>,
    ) -> Result<ConsumerGroupMember, GroupError> {
        let joins = request.member_epoch == 0;
        let owned_partitions = request.topic_partitions.as_deref();
        let member = match &request.instance_id {
            None => match self.base.member(member_id) {
                Some(member) => member.clone(),
                None if joins => return Ok(ConsumerGroupMember::new(member_id.clone())),
                None => self.existing_member(member_id)?.clone(),
            },
            Some(instance_id) if joins => {
                return match self.static_member(instance_id).cloned() {
                    None => Ok(match self.base.member(member_id) {
                        Some(member) => ConsumerGroupMember::clone(member),
                        None => ConsumerGroupMember::new(member_id.clone()),
                    }),
                    Some(existing) => {
                        if !existing.uses_classic_protocol() {
                            check_released(&existing, member_id, instance_id)?;
                        }
                        self.replace_member(&existing, member_id, env)
                    }
                };
            }
            Some(instance_id) => self.known_static_member(instance_id, member_id)?.clone(),
        };
        check_member_epoch(&member, request.member_epoch, owned_partitions)?;
        Ok(ConsumerGroupMember::clone(&member))
    }

    /// The static member of an instance, which has to have this id.
    pub(super) fn known_static_member(
        &self,
        instance_id: &Str,
        member_id: &Str,
    ) -> Result<&Arc<ConsumerGroupMember>, GroupError> {
        let member = self.static_member(instance_id).ok_or_else(|| {
            let message = format!("Instance id {instance_id} is unknown.");
            GroupError::new(ErrorCode::UnknownMemberId, message)
        })?;
        if member.member_id() != member_id {
            let existing = member.member_id();
            let message = format!(
                "Static member {member_id} with instance id {instance_id} was fenced by member {existing}."
            );
            return Err(GroupError::new(ErrorCode::FencedInstanceId, message));
        }
        Ok(member)
    }

    /// A static member comes back under a new id, and takes over what the old one had (`replaceMember`).
    pub(super) fn replace_member(
        &self,
        existing: &ConsumerGroupMember,
        member_id: &Str,
        env: &mut Env<'_>,
    ) -> Result<ConsumerGroupMember, GroupError> {
        let mut member = existing.clone();
        member.base.member_id = member_id.clone();
        member.base.member_epoch = 0;
        member.base.previous_member_epoch = 0;
        let group_id = self.group_id();
        for tombstone in record::member_tombstones(group_id, existing.member_id()) {
            env.out.records.push(tombstone?);
        }
        let nothing = Assignment::new();
        let target = self.base.target_assignment(existing.member_id()).map_or(&nothing, |target| &**target);
        env.out.records.push(record::member(group_id, &member)?);
        env.out.records.push(record::target(group_id, member_id, target)?);
        env.out.records.push(record::current_assignment(group_id, &member)?);
        if existing.member_id() != member_id {
            self.cancel_member_timers(existing.member_id(), env.out);
        }
        Ok(member)
    }
}

/// Whether the member of an instance has left for a while.
fn check_released(
    existing: &ConsumerGroupMember,
    member_id: &Str,
    instance_id: &Str,
) -> Result<(), GroupError> {
    if existing.member_epoch() == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        return Ok(());
    }
    let owner = existing.member_id();
    let message = format!(
        "Static member {member_id} with instance id {instance_id} cannot join the group because the \
         instance id is owned by {owner} member."
    );
    Err(GroupError::new(ErrorCode::UnreleasedInstanceId, message))
}

/// Whether the member is in the epoch that it says it is in. The epoch before is good once more, should the
/// answer that told of the new one have been lost; but then the member can't have more than it was given.
fn check_member_epoch(
    member: &ConsumerGroupMember,
    received: i32,
    owned_partitions: Option<&[TopicPartitions]>,
) -> Result<(), GroupError> {
    let known = member.member_epoch();
    if received == 0 || received == known {
        return Ok(());
    }
    let fenced = |what: &str| {
        let message = format!(
            "The consumer group member has a {what} member epoch ({received}) than the one known by the \
             group coordinator ({known}). The member must abandon all its partitions and rejoin."
        );
        Err(GroupError::new(ErrorCode::FencedMemberEpoch, message))
    };
    if received > known {
        return fenced("greater");
    }
    let is_subset = owned_partitions.is_some_and(|topics| {
        topics.iter().all(|topic| {
            let assigned = member.assigned_partitions.get(&topic.topic_id);
            assigned.is_some_and(|assigned| topic.partitions.iter().all(|p| assigned.contains_key(p)))
        })
    });
    if received == member.base.previous_member_epoch && is_subset { Ok(()) } else { fenced("smaller") }
}
