//! ConsumerGroupHeartbeat (key 68), versions 0-1: a member of a consumer group (KIP-848) joins, is alive, or leaves.
//!
//! v1 regular expressions, member ids made by clients.

use std::sync::Arc;

use ottla_coordinator::{
    GroupError, Reply, consumer_group_heartbeat_error, validate_consumer_group_heartbeat,
};
use ottla_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_protocol::{ErrorCode, Uuid};

use super::group_request::{
    authorize_member, authorize_topics, group_context_with_sight, is_group_type_enabled, run,
};
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when what the heartbeat changed is persisted.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let refuse = |error: ErrorCode| consumer_group_heartbeat_error(&GroupError::from(error));
    if !is_group_type_enabled(&broker, "consumer", "group.version") {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    let names = request.subscribed_topic_names.iter().flatten();
    let authorized = authorize_member(&ctx, &broker, &request.group_id)
        .and_then(|()| authorize_topics(&ctx, &broker, names));
    let context = group_context_with_sight(&ctx, &broker);
    let valid = authorized
        .and_then(|()| validate_consumer_group_heartbeat(&broker.groups.config, &context, &request));
    if let Err(error) = valid {
        return consumer_group_heartbeat_error(&error);
    }
    let uuid = Uuid::from_random(broker.random.next_u128());
    let group_id = request.group_id.clone();
    let reply = run(&broker, &group_id, move |shard, id, now_ms| {
        shard.consumer_group_heartbeat(&context, &request, id, uuid, now_ms)
    });
    match reply.await {
        Ok(Reply::ConsumerGroupHeartbeat(response)) => response,
        Ok(_) => refuse(ErrorCode::UnknownServerError),
        Err(error) => refuse(error),
    }
}
