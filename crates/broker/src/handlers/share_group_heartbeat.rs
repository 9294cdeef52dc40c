//! ShareGroupHeartbeat (key 76), version 1: a member of a share group (KIP-932) joins, is alive, or leaves.

use std::sync::Arc;

use ottla_coordinator::{GroupError, Reply, share_group_heartbeat_error, validate_share_group_heartbeat};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};

use super::group_request::{authorize_member, authorize_topics, group_context, is_share_enabled, run};
use super::share_persister;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Longest member id, in UTF-16 units: that of a UUID.
const MEMBER_ID_LENGTH_MAX: usize = 36;

/// Answers when what the heartbeat changed is persisted. State that the group needs is set up after that.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ShareGroupHeartbeatRequest,
) -> ShareGroupHeartbeatResponse {
    let refuse = |error: ErrorCode| share_group_heartbeat_error(&GroupError::from(error));
    if !is_share_enabled(&broker) {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    if let Err(error) = authorize_member(&ctx, &broker, &request.group_id) {
        return share_group_heartbeat_error(&error);
    }
    if !is_member_id_valid(&request.member_id) {
        let error = GroupError::new(ErrorCode::InvalidRequest, "Invalid member id in the request.");
        return share_group_heartbeat_error(&error);
    }
    let names = request.subscribed_topic_names.iter().flatten();
    let authorized = authorize_topics(&ctx, &broker, names);
    if let Err(error) = authorized.and_then(|()| validate_share_group_heartbeat(&request)) {
        return share_group_heartbeat_error(&error);
    }
    let context = group_context(&ctx);
    let group_id = request.group_id.clone();
    let reply = run(&broker, &group_id, move |shard, id, now_ms| {
        shard.share_group_heartbeat(&context, &request, id, now_ms)
    });
    match reply.await {
        Ok(Reply::ShareGroupHeartbeat(reply)) => {
            if let Some(initialize) = reply.initialize {
                let broker = broker.clone();
                tokio::task::spawn_local(async move {
                    share_persister::initialize_and_tell(&broker, initialize).await;
                });
            }
            reply.response
        }
        Ok(_) => refuse(ErrorCode::UnknownServerError),
        Err(error) => refuse(error),
    }
}

fn is_member_id_valid(member_id: &str) -> bool {
    !member_id.is_empty() && member_id.encode_utf16().count() <= MEMBER_ID_LENGTH_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_ids_are_no_longer_than_a_uuid() {
        assert!(is_member_id_valid(&"m".repeat(36)) && is_member_id_valid(&"é".repeat(36)));
        assert!(!is_member_id_valid("") && !is_member_id_valid(&"m".repeat(37)));
    }
}
