//! SyncGroup (key 14), versions 0-5: a member fetches its assignment, which the leader brings.
//!
//! v3 static members (KIP-345) · v5 protocol type and name (KIP-559).

use std::sync::Arc;

use ottla_coordinator::{Reply, errors::sync_group_error, validate_sync_group};
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::group_request::{group_context, run};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the leader's assignment is persisted.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    let context = group_context(&ctx);
    let is_valid = validate_sync_group(&context, &request);
    // Only this is said before who asks is known to be allowed to.
    if is_valid == Err(ErrorCode::InconsistentGroupProtocol) {
        return sync_group_error(ErrorCode::InconsistentGroupProtocol);
    }
    let authorized = broker.authorize(&ctx, AclOperation::Read, Resource::Group(&request.group_id));
    if let Err(error) = authorized.and(is_valid) {
        return sync_group_error(error);
    }
    let group_id = request.group_id.clone();
    let reply =
        run(&broker, &group_id, move |shard, id, now_ms| shard.sync_group(&context, &request, id, now_ms));
    match reply.await {
        Ok(Reply::SyncGroup(response)) => response,
        Ok(_) => sync_group_error(ErrorCode::UnknownServerError),
        Err(error) => sync_group_error(error),
    }
}
