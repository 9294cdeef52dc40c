//! Members leave a consumer group, or are removed (`consumerGroupLeave`, `consumerGroupFenceMembers`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_protocol::{ErrorCode, Str};

use super::member::ConsumerGroupMember;
use super::{ConsumerGroup, LEAVE_GROUP_STATIC_MEMBER_EPOCH, count, record};
use crate::group::modern::TopicHashes;
use crate::group::{Env, Group, GroupError};
use crate::result::{CoordinatorResult, GroupEvent};
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// A heartbeat with epoch -1 or -2.
    pub(super) fn consumer_group_leave(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) -> Result<ConsumerGroupHeartbeatResponse, GroupError> {
        let group_id = &request.group_id;
        let group = match self.groups.get(group_id) {
            Some(Group::Consumer(group)) => group,
            Some(_) => {
                let message = format!("Group {group_id} is not a consumer group.");
                return Err(GroupError::new(ErrorCode::GroupIdNotFound, message));
            }
            None => {
                let message = format!("Group {group_id} not found.");
                return Err(GroupError::new(ErrorCode::GroupIdNotFound, message));
            }
        };
        let mut env = Env { config: &self.config, image: &self.image, now_ms, out };
        let member = match &request.instance_id {
            None => group.existing_member(&request.member_id)?,
            Some(instance_id) => group.known_static_member(instance_id, &request.member_id)?,
        };
        if request.instance_id.is_some() && request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
            group.leave_for_a_while(member, &mut env)?;
        } else {
            let leaving = BTreeSet::from([member.member_id().clone()]);
            group.fence(&leaving, "it has left", &mut self.topic_hashes, &mut env)?;
        }
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(request.member_id.clone()),
            member_epoch: request.member_epoch,
            ..Default::default()
        })
    }
}

impl ConsumerGroup {
    /// A static member is about to come back: it keeps its place, and what it has, until its session ends.
    fn leave_for_a_while(&self, member: &ConsumerGroupMember, env: &mut Env<'_>) -> Result<(), GroupError> {
        let mut leaving = member.clone();
        leaving.base.member_epoch = LEAVE_GROUP_STATIC_MEMBER_EPOCH;
        leaving.partitions_pending_revocation.clear();
        leaving.assigned_partitions.values_mut().flat_map(BTreeMap::values_mut).for_each(|epoch| *epoch = 0);
        env.out.records.push(record::current_assignment(self.group_id(), &leaving)?);
        Ok(())
    }

    /// Removes members; a group in which only classic ones are left may become a classic group again.
    pub(super) fn fence(
        &self,
        leaving: &BTreeSet<Str>,
        reason: &str,
        hashes: &mut TopicHashes,
        env: &mut Env<'_>,
    ) -> Result<(), GroupError> {
        if leaving.is_empty() {
            return Ok(());
        }
        for member_id in leaving {
            env.out.events.push(GroupEvent::MemberRemoved {
                group_id: self.group_id().clone(),
                member_id: member_id.clone(),
                reason: reason.to_owned(),
            });
        }
        if self.may_downgrade_without(leaving, env.config) {
            let reason =
                format!("Downgrade group {} from consumer to classic for member leaving.", self.group_id());
            return self.downgrade(leaving, None, Some(reason), env);
        }
        let members = || leaving.iter().filter_map(|member_id| self.base.member(member_id));
        for member_id in leaving {
            for tombstone in record::member_tombstones(self.group_id(), member_id) {
                env.out.records.push(tombstone?);
            }
        }
        let mut topics = self.base.subscribed_topics.clone();
        let mut regexes: BTreeMap<Str, usize> = BTreeMap::new();
        for member in members() {
            topics.update_names(Some(&member.base.subscribed_topic_names), None);
            member.regex().into_iter().for_each(|regex| count(&mut regexes, regex, true));
        }
        for (regex, _) in regexes.iter().filter(|(regex, gone)| self.regex_members(regex) == **gone) {
            env.out.records.push(record::regex_tombstone(self.group_id(), regex)?);
            topics.update_regex(self.resolved_regexes.get(regex).map(|regex| &regex.topics), None);
        }
        let hash = hashes.group_hash(topics.names(), env.image);
        let epoch = self.base.epochs().group_epoch.saturating_add(1);
        env.out.records.push(record::epoch(self.group_id(), epoch, hash)?);
        for member_id in leaving {
            self.cancel_member_timers(member_id, env.out);
        }
        Ok(())
    }
}
