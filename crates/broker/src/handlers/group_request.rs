//! What the handlers of the group APIs share.

use ottla_coordinator::{
    CoordinatorResult, GroupCoordinatorShard, Reply, ReplyId, RequestContext as GroupContext,
};
use ottla_protocol::{ErrorCode, Str};

use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics::CONSUMER_OFFSETS;

/// What the coordinator wants to know of a request.
pub fn group_context(ctx: &RequestContext) -> GroupContext {
    GroupContext {
        api_version: ctx.api_version,
        client_id: Str::from(ctx.client_id()),
        client_host: GroupContext::host_of(ctx.peer().ip()),
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

/// Number of partitions of the offsets topic; 0 while it does not exist.
pub fn offsets_partitions(broker: &Broker) -> i32 {
    broker.image().topics.topic(CONSUMER_OFFSETS).map_or(0, |topic| topic.partitions.len() as i32)
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
