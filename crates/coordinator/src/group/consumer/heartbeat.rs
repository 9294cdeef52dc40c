//! ConsumerGroupHeartbeat (`GroupCoordinatorService.consumerGroupHeartbeat`,
//! `GroupMetadataManager.consumerGroupHeartbeat`).

use ottla_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::member::AssignmentWithEpochs;
use super::update::{MemberUpdate, Topics};
use super::{ConsumerGroup, LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH};
use crate::config::GroupCoordinatorConfig;
use crate::context::RequestContext;
use crate::errors::coordinator_error;
use crate::group::classic::ClassicGroup;
use crate::group::{Env, Group, GroupError};
use crate::records::{group_metadata_tombstone, owned};
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;
use crate::timers::{TimerAction, TimerKey};

/// From this version on the member makes its own id.
const MEMBER_ID_REQUIRED_VERSION_MIN: i16 = 1;

/// What is wrong with a heartbeat whatever its group: checked before the group's shard is looked for.
///
/// # Errors
/// INVALID_REQUEST and UNSUPPORTED_ASSIGNOR as Kafka.
pub fn validate_consumer_group_heartbeat(
    config: &GroupCoordinatorConfig,
    context: &RequestContext,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<(), GroupError> {
    let invalid = |message: &str| Err(GroupError::new(ErrorCode::InvalidRequest, message));
    let is_blank = |text: &Str| text.trim().is_empty();
    let is_blank_option = |text: &Option<Str>| text.as_ref().is_some_and(is_blank);
    let epoch = request.member_epoch;
    let needs_id = context.api_version >= MEMBER_ID_REQUIRED_VERSION_MIN
        || epoch > 0
        || epoch == LEAVE_GROUP_MEMBER_EPOCH;
    if needs_id && is_blank(&request.member_id) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if is_blank_option(&request.instance_id) {
        return invalid("InstanceId can't be empty.");
    }
    if is_blank_option(&request.rack_id) {
        return invalid("RackId can't be empty.");
    }
    if epoch == 0 {
        if request.rebalance_timeout_ms == -1 {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        if request.topic_partitions.as_ref().is_none_or(|topics| !topics.is_empty()) {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
            return invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
            );
        }
    } else if epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        if request.instance_id.is_none() {
            return invalid("InstanceId can't be null.");
        }
    } else if epoch < LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        return invalid("MemberEpoch is invalid.");
    }
    let assignors = &config.consumer.assignors;
    match request.server_assignor.as_ref().filter(|name| !assignors.contains(name)) {
        Some(name) => {
            let known: Vec<&str> = assignors.iter().map(|name| &**name).collect();
            let known = known.join(", ");
            let message = format!("ServerAssignor {name} is not supported. Supported assignors: {known}.");
            Err(GroupError::new(ErrorCode::UnsupportedAssignor, message))
        }
        None => Ok(()),
    }
}

/// ConsumerGroupHeartbeat's answer when there is nothing but an error to tell.
pub fn consumer_group_heartbeat_error(error: &GroupError) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        error_code: coordinator_error(error.code).code(),
        error_message: error.text(),
        ..Default::default()
    }
}

impl GroupCoordinatorShard {
    /// A member joins, is alive, tells what it has, or leaves; and learns what it is to have.
    ///
    /// `new_member_uuid` becomes the member id of a member of version 0 that has none: pass 128 fresh random
    /// bits.
    pub fn consumer_group_heartbeat(
        &mut self,
        context: &RequestContext,
        request: &ConsumerGroupHeartbeatRequest,
        reply_id: ReplyId,
        new_member_uuid: Uuid,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let answered = validate_consumer_group_heartbeat(&self.config, context, request).and_then(|()| {
            match request.member_epoch {
                LEAVE_GROUP_MEMBER_EPOCH | LEAVE_GROUP_STATIC_MEMBER_EPOCH => {
                    self.consumer_group_leave(request, now_ms, &mut out)
                }
                _ => self.consumer_heartbeat(context, request, new_member_uuid, now_ms, &mut out),
            }
        });
        match answered {
            Ok(response) => out.reply_after_commit(reply_id, Reply::ConsumerGroupHeartbeat(response)),
            Err(error) => {
                out = CoordinatorResult::default();
                let response = consumer_group_heartbeat_error(&error);
                out.reply(reply_id, Reply::ConsumerGroupHeartbeat(response));
            }
        }
        self.note_sight(context, &out);
        out
    }

    /// Keeps what who asks may see, if this has regular expressions matched.
    pub(crate) fn note_sight(&mut self, context: &RequestContext, out: &CoordinatorResult) {
        for timer in &out.timers {
            if let TimerAction::Schedule { key: TimerKey::ConsumerRegex { group_id }, .. } = timer {
                self.sights.insert(group_id.clone(), context.sees.clone());
            }
        }
    }

    fn consumer_heartbeat(
        &mut self,
        context: &RequestContext,
        request: &ConsumerGroupHeartbeatRequest,
        new_member_uuid: Uuid,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) -> Result<ConsumerGroupHeartbeatResponse, GroupError> {
        let group_id = owned(&request.group_id);
        let joins = request.member_epoch == 0;
        let high_watermark = self.high_watermark;
        let mut env = Env { config: &self.config, image: &self.image, now_ms, out };
        let mut topics = Topics { hashes: &mut self.topic_hashes, last_new_topics: self.last_new_topics };
        let member_id = match request.member_id.is_empty() {
            true => Str::from(new_member_uuid.to_string()),
            false => owned(&request.member_id),
        };
        let not_found = |what: String| Err(GroupError::new(ErrorCode::GroupIdNotFound, what));
        match self.groups.get_mut(&group_id) {
            Some(Group::Consumer(group)) => {
                group.heartbeat(context, request, member_id, &mut topics, &mut env)
            }
            None if joins => ConsumerGroup::new(group_id, high_watermark).heartbeat(
                context,
                request,
                member_id,
                &mut topics,
                &mut env,
            ),
            None => not_found(format!("Consumer group {group_id} not found.")),
            Some(Group::Classic(classic)) if joins && classic.is_empty() => {
                env.out.records.push(group_metadata_tombstone(&group_id)?);
                let mut group = ConsumerGroup::new(group_id, high_watermark);
                let response = group.heartbeat(context, request, member_id, &mut topics, &mut env)?;
                classic.cancel_timers(env.out);
                Ok(response)
            }
            Some(Group::Classic(classic)) if joins => {
                let mut group = upgraded(classic, high_watermark, &mut topics, &mut env)?;
                let response = group.heartbeat(context, request, member_id, &mut topics, &mut env)?;
                // Whoever waits for the end of a rebalance finds the new group when it comes back.
                classic.give_way(&mut env);
                Ok(response)
            }
            Some(_) => not_found(format!("Group {group_id} is not a consumer group.")),
        }
    }
}

fn upgraded(
    classic: &ClassicGroup,
    high_watermark: i64,
    topics: &mut Topics<'_>,
    env: &mut Env<'_>,
) -> Result<ConsumerGroup, GroupError> {
    ConsumerGroup::upgrade(classic, high_watermark, topics.hashes, env)
}

impl ConsumerGroup {
    fn heartbeat(
        &mut self,
        context: &RequestContext,
        request: &ConsumerGroupHeartbeatRequest,
        member_id: Str,
        topics: &mut Topics<'_>,
        env: &mut Env<'_>,
    ) -> Result<ConsumerGroupHeartbeatResponse, GroupError> {
        self.check_not_full(&member_id, env.config)?;
        let owned_partitions = request.topic_partitions.as_deref();
        let member = self.member_for_heartbeat(request, &member_id, env)?;
        let mut updated = member.clone();
        if let Some(instance_id) = &request.instance_id {
            updated.base.instance_id = Some(owned(instance_id));
        }
        if let Some(rack_id) = &request.rack_id {
            updated.base.rack_id = Some(owned(rack_id));
        }
        if request.rebalance_timeout_ms != -1 {
            updated.rebalance_timeout_ms = request.rebalance_timeout_ms;
        }
        if let Some(assignor) = &request.server_assignor {
            updated.server_assignor = Some(owned(assignor));
        }
        if let Some(names) = &request.subscribed_topic_names {
            updated.base.subscribed_topic_names = names.iter().map(owned).collect();
        }
        if let Some(regex) = &request.subscribed_topic_regex {
            updated.subscribed_topic_regex = owned(regex);
        }
        updated.base.client_id = owned(&context.client_id);
        updated.base.client_host = owned(&context.client_host);
        updated.classic = None;
        let update = MemberUpdate { member, updated };
        let outcome = self.update_subscription(&update, false, topics, env)?;
        let target = self.update_target(&update, outcome, env)?;
        let MemberUpdate { member, updated } = update;
        let updated =
            self.reconcile(updated, &target, outcome.has_subscription_changed, owned_partitions, env)?;
        let config = env.group_config(self.group_id());
        let (session_ms, interval_ms) =
            (config.consumer_session_timeout_ms(), config.consumer_heartbeat_interval_ms());
        env.out.schedule(self.session_key(&member_id), env.now_ms, session_ms.into());
        let is_full_request = request.rebalance_timeout_ms != -1
            && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
            && request.topic_partitions.is_some();
        let shows_assignment = request.member_epoch == 0
            || is_full_request
            || member.assigned_partitions != updated.assigned_partitions;
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(updated.member_id().clone()),
            member_epoch: updated.member_epoch(),
            heartbeat_interval_ms: interval_ms,
            assignment: shows_assignment.then(|| to_response(&updated.assigned_partitions)),
            ..Default::default()
        })
    }
}

fn to_response(assignment: &AssignmentWithEpochs) -> Assignment {
    let topics = assignment.iter().map(|(topic_id, partitions)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.keys().copied().collect(),
    });
    Assignment { topic_partitions: topics.collect() }
}

#[cfg(test)]
#[path = "heartbeat_test.rs"]
mod tests;
