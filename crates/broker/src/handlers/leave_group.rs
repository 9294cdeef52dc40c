//! LeaveGroup (key 13), versions 0-5: members leave a classic group. v3 many members, by instance id (KIP-345) · v5 reason (KIP-800).

use std::sync::Arc;

use ottla_coordinator::{Reply, errors::leave_group_error};
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::group_request::{group_context, run};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the members are gone.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    if let Err(error) = broker.authorize(&ctx, AclOperation::Read, Resource::Group(&request.group_id)) {
        return leave_group_error(ctx.api_version, &request, error);
    }
    let context = group_context(&ctx);
    let asked = request.clone();
    let group_id = request.group_id.clone();
    let reply =
        run(&broker, &group_id, move |shard, id, now_ms| shard.leave_group(&context, &request, id, now_ms));
    match reply.await {
        Ok(Reply::LeaveGroup(response)) => response,
        Ok(_) => leave_group_error(ctx.api_version, &asked, ErrorCode::UnknownServerError),
        Err(error) => leave_group_error(ctx.api_version, &asked, error),
    }
}
