//! JoinGroup of a classic member of a consumer group (`classicGroupJoinToConsumerGroup`). The answer comes
//! at once: there is no join phase. The member's epoch is its generation.

use std::collections::BTreeSet;

use ottla_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::member::{ClassicMember, ConsumerGroupMember};
use super::update::{MemberUpdate, Topics};
use super::{CONSUMER_PROTOCOL_TYPE, ConsumerGroup};
use crate::config::ConsumerGroupMigrationPolicy;
use crate::context::RequestContext;
use crate::group::classic::{Subscription, member_protocols};
use crate::group::{Env, GroupError};
use crate::records::owned;

/// From this version on a new member joins twice: first to get its id (KIP-394).
const MEMBER_ID_REQUIRED_VERSION_MIN: i16 = 4;

/// What the answer to a JoinGroup has to wait for.
pub(crate) enum ClassicJoined {
    /// Nothing: the member has got an id, with which it is to come back.
    MemberIdRequired(Str),
    /// The records.
    Joined(JoinGroupResponse),
}

impl ConsumerGroup {
    pub(crate) fn classic_join(
        &mut self,
        context: &RequestContext,
        request: &JoinGroupRequest,
        new_member_uuid: Uuid,
        topics: &mut Topics<'_>,
        env: &mut Env<'_>,
    ) -> Result<ClassicJoined, GroupError> {
        self.check_classic_allowed(env)?;
        let is_unknown = request.member_id.is_empty();
        let member_id = match is_unknown {
            true => Str::from(new_member_uuid.to_string()),
            false => owned(&request.member_id),
        };
        self.check_not_full(&member_id, env.config)?;
        if !self.supports_classic(request) {
            let message = format!("Member {member_id}'s protocols are not supported.");
            return Err(GroupError::new(ErrorCode::InconsistentGroupProtocol, message));
        }
        let needs_id = request.group_instance_id.is_none()
            && is_unknown
            && context.api_version >= MEMBER_ID_REQUIRED_VERSION_MIN;
        if needs_id {
            return Ok(ClassicJoined::MemberIdRequired(member_id));
        }
        let protocols = member_protocols(&request.protocols);
        let first = protocols.first().ok_or(ErrorCode::InconsistentGroupProtocol)?;
        let protocol_name = first.name.clone();
        let subscription = Subscription::parse(&first.metadata).ok_or(ErrorCode::UnknownServerError)?;
        let member = self.member_for_classic_join(request, &member_id, is_unknown, env)?;
        let replaced = request.group_instance_id.as_ref().and_then(|id| self.static_member(id));
        let downgrades = replaced.is_some_and(|member| self.may_downgrade_replacing(member, env.config));
        let rebalance_timeout_ms = match context.api_version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        };
        let mut updated = member.clone();
        updated.base.rack_id = subscription.rack_id.or(updated.base.rack_id);
        updated.base.subscribed_topic_names = subscription.topics;
        if rebalance_timeout_ms != -1 {
            updated.rebalance_timeout_ms = rebalance_timeout_ms;
        }
        updated.classic = Some(ClassicMember { session_timeout_ms: request.session_timeout_ms, protocols });
        take_over(&mut updated, context, request);
        let owned_partitions: Vec<TopicPartitions> = (subscription.owned_partitions.into_iter())
            .filter_map(|(topic, partitions)| {
                Some(TopicPartitions { topic_id: env.image.topics.topic_id(&topic)?, partitions })
            })
            .collect();
        let update = MemberUpdate { member, updated };
        let updated = self.update_classic(update, downgrades, &owned_partitions, topics, env)?;
        self.awaiting_rejoin.remove(&member_id);
        env.out.cancel(self.join_key(&member_id));
        if !downgrades {
            let session_ms = request.session_timeout_ms.into();
            env.out.schedule(self.session_key(&member_id), env.now_ms, session_ms);
            env.out.schedule(self.sync_key(&member_id), env.now_ms, rebalance_timeout_ms.into());
        }
        Ok(ClassicJoined::Joined(JoinGroupResponse {
            member_id: updated.member_id().clone(),
            generation_id: updated.member_epoch(),
            protocol_type: Some(Str::from_static(CONSUMER_PROTOCOL_TYPE)),
            protocol_name: Some(protocol_name),
            ..Default::default()
        }))
    }

    fn check_classic_allowed(&self, env: &Env<'_>) -> Result<(), GroupError> {
        if env.config.consumer.migration_policy != ConsumerGroupMigrationPolicy::Disabled {
            return Ok(());
        }
        let message = format!(
            "Cannot join the consumer group {} with the classic protocol because the group migration is \
             disabled.",
            self.group_id()
        );
        Err(GroupError::new(ErrorCode::InconsistentGroupProtocol, message))
    }

    fn update_classic(
        &mut self,
        update: MemberUpdate,
        downgrades: bool,
        owned_partitions: &[TopicPartitions],
        topics: &mut Topics<'_>,
        env: &mut Env<'_>,
    ) -> Result<ConsumerGroupMember, GroupError> {
        let outcome = self.update_subscription(&update, true, topics, env)?;
        let has_changed = outcome.has_subscription_changed;
        if !downgrades {
            let target = self.update_target(&update, outcome, env)?;
            return self.reconcile(update.updated, &target, has_changed, Some(owned_partitions), env);
        }
        let mut updated = update.updated;
        let is_stale = self.base.epochs().assignment_epoch < outcome.group_epoch;
        if !is_stale {
            let target = self.last_target(&updated);
            updated = self.reconcile(updated, &target, has_changed, Some(owned_partitions), env)?;
        }
        let reason = is_stale.then(|| {
            format!("Downgrade group {} from consumer to classic with stale assignment.", self.group_id())
        });
        self.downgrade(&BTreeSet::new(), Some(&updated), reason, env)?;
        Ok(updated)
    }

    fn member_for_classic_join(
        &self,
        request: &JoinGroupRequest,
        member_id: &Str,
        is_unknown: bool,
        env: &mut Env<'_>,
    ) -> Result<ConsumerGroupMember, GroupError> {
        let known_or_new = || match self.base.member(member_id) {
            Some(member) => ConsumerGroupMember::clone(member),
            None => ConsumerGroupMember::new(member_id.clone()),
        };
        match &request.group_instance_id {
            None => Ok(known_or_new()),
            Some(instance_id) if is_unknown => match self.static_member(instance_id).cloned() {
                Some(existing) => self.replace_member(&existing, member_id, env),
                None => Ok(known_or_new()),
            },
            Some(instance_id) => {
                Ok(ConsumerGroupMember::clone(self.known_static_member(instance_id, member_id)?))
            }
        }
    }

    /// Whether all classic members support one of the protocols.
    fn supports_classic(&self, request: &JoinGroupRequest) -> bool {
        request.protocol_type == CONSUMER_PROTOCOL_TYPE
            && request.protocols.iter().any(|protocol| {
                let supporters = self.classic_protocols.get(&protocol.name).copied().unwrap_or(0);
                supporters == self.classic_members
            })
    }
}

/// What a joining member says of itself beside its subscription. It has no regular expression.
fn take_over(member: &mut ConsumerGroupMember, context: &RequestContext, request: &JoinGroupRequest) {
    if let Some(instance_id) = &request.group_instance_id {
        member.base.instance_id = Some(owned(instance_id));
    }
    member.subscribed_topic_regex = Str::new();
    member.base.client_id = owned(&context.client_id);
    member.base.client_host = owned(&context.client_host);
}
