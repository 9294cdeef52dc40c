//! Heartbeat (key 12), versions 0-4: a member of a classic group is alive. v3 static members (KIP-345).

use std::sync::Arc;

use ottla_coordinator::{Reply, errors::heartbeat_error};
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::group_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers whether the member is in the group, and whether it must join again.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    if let Err(error) = broker.authorize(&ctx, AclOperation::Read, Resource::Group(&request.group_id)) {
        return heartbeat_error(error);
    }
    let group_id = request.group_id.clone();
    let reply = run(&broker, &group_id, move |shard, id, now_ms| shard.heartbeat(&request, id, now_ms));
    match reply.await {
        Ok(Reply::Heartbeat(response)) => response,
        Ok(_) => heartbeat_error(ErrorCode::UnknownServerError),
        Err(error) => heartbeat_error(error),
    }
}
