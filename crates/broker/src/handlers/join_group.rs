//! JoinGroup (key 11), versions 0-9: a member joins a classic group, and waits for the others.
//!
//! v4 member id required (KIP-394) · v5 static members (KIP-345) · v7 protocol type · v8 reason (KIP-800) · v9 skip assignment (KIP-814).

use std::sync::Arc;

use ottla_coordinator::{Reply, errors::join_group_error, validate_join_group};
use ottla_metadata::AclOperation;
use ottla_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use ottla_protocol::{ErrorCode, Uuid};

use super::group_request::{group_context_with_sight, run};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the group has gathered.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    if let Err(error) = broker.authorize(&ctx, AclOperation::Read, Resource::Group(&request.group_id)) {
        return join_group_error(ctx.api_version, error);
    }
    let context = group_context_with_sight(&ctx, &broker);
    let refuse = |error: ErrorCode, request_member_id| JoinGroupResponse {
        member_id: request_member_id,
        ..join_group_error(ctx.api_version, error)
    };
    let member_id = request.member_id.clone();
    if let Err(error) = validate_join_group(&broker.groups.config, &context, &request) {
        return refuse(error, member_id);
    }
    let uuid = Uuid::from_random(broker.random.next_u128());
    let group_id = request.group_id.clone();
    let reply = run(&broker, &group_id, move |shard, id, now_ms| {
        shard.join_group(&context, &request, id, uuid, now_ms)
    });
    match reply.await {
        Ok(Reply::JoinGroup(response)) => response,
        Ok(_) => refuse(ErrorCode::UnknownServerError, member_id),
        Err(error) => refuse(error, member_id),
    }
}
