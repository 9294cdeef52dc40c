//! What the handlers of the group APIs share.

use ottla_coordinator::errors::coordinator_error;
use ottla_coordinator::{
    CoordinatorResult, GroupCoordinatorShard, GroupError, Reply, ReplyId, RequestContext as GroupContext,
    TopicSight, partition_for,
};
use ottla_metadata::AclOperation;
use ottla_protocol::{ErrorCode, Str};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics::CONSUMER_OFFSETS;

/// What the coordinator wants to know of a request.
pub fn group_context(ctx: &RequestContext) -> GroupContext {
    GroupContext {
        api_version: ctx.api_version,
        client_id: Str::from(ctx.client_id()),
        client_host: GroupContext::host_of(ctx.peer().ip()),
        sees: TopicSight::default(),
    }
}

/// The same for requests that may have regular expressions matched.
pub fn group_context_with_sight(ctx: &RequestContext, broker: &Broker) -> GroupContext {
    GroupContext { sees: broker.topic_sight(ctx), ..group_context(ctx) }
}

/// Whether who sends a heartbeat may read the group.
///
/// # Errors
/// GROUP_AUTHORIZATION_FAILED.
pub fn authorize_member(ctx: &RequestContext, broker: &Broker, group_id: &str) -> Result<(), GroupError> {
    broker.authorize(ctx, AclOperation::Read, Resource::Group(group_id)).map_err(GroupError::from)
}

/// Whether a member may describe each topic that it names: else it would learn whether they are there.
///
/// # Errors
/// TOPIC_AUTHORIZATION_FAILED, which names none.
pub fn authorize_topics<'a>(
    ctx: &RequestContext,
    broker: &Broker,
    names: impl Iterator<Item = &'a Str>,
) -> Result<(), GroupError> {
    let mut allowed = broker.topics(ctx, AclOperation::Describe);
    // All are asked for, so that the log of denials is whole.
    match names.filter(|name| !allowed.allow(name)).count() {
        0 => Ok(()),
        _ => Err(ErrorCode::TopicAuthorizationFailed.into()),
    }
}

/// Runs an operation on the shard of a group.
pub async fn run(
    broker: &Broker,
    group_id: &str,
    operation: impl FnOnce(&mut GroupCoordinatorShard, ReplyId, i64) -> CoordinatorResult + Send + 'static,
) -> Result<Reply, ErrorCode> {
    broker.groups.run(group_id, offsets_partitions(broker), operation).await
}

/// Looks at the shard of a group.
///
/// # Errors
/// When the shard is not here, or not yet.
pub async fn look<R: Send + 'static>(
    broker: &Broker,
    group_id: &str,
    look: impl FnOnce(&GroupCoordinatorShard) -> R + Send + 'static,
) -> Result<R, ErrorCode> {
    match offsets_partitions(broker) {
        0 => Err(ErrorCode::NotCoordinator),
        count => broker.groups.look(partition_for(group_id, count), look).await,
    }
}

/// Has a group of a newer type described.
///
/// # Errors
/// Also when the type is not enabled, or the group has no name.
pub async fn describe_group<R: Send + 'static>(
    ctx: &RequestContext,
    broker: &Broker,
    is_enabled: bool,
    group_id: &Str,
    describe: fn(&GroupCoordinatorShard, &[Str]) -> Vec<R>,
) -> Result<R, ErrorCode> {
    if !is_enabled {
        return Err(ErrorCode::UnsupportedVersion);
    }
    if !broker.may(ctx, AclOperation::Describe, Resource::Group(group_id)) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    if group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let asked = group_id.clone();
    let described = look(broker, group_id, move |shard| describe(shard, &[asked])).await;
    let mut described = described.map_err(coordinator_error)?;
    match described.len() {
        1 => Ok(described.remove(0)),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// Number of partitions of the offsets topic; 0 while it does not exist.
pub fn offsets_partitions(broker: &Broker) -> i32 {
    broker.partitions_of(CONSUMER_OFFSETS)
}

/// Whether share groups are served: the feature is on.
pub fn is_share_enabled(broker: &Broker) -> bool {
    broker.image().features.level("share.version") >= 1
}

/// Whether groups of a newer type are served: `group.coordinator.rebalance.protocols` names the type, and the feature
/// is on.
pub fn is_group_type_enabled(broker: &Broker, group_type: &str, feature: &str) -> bool {
    let protocols = &broker.config.groups.rebalance_protocols;
    protocols.iter().any(|name| name == group_type) && broker.image().features.level(feature) >= 1
}
