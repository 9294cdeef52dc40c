//! ShareGroupDescribe (key 77), version 1: members and state of share groups (KIP-932).

use std::sync::Arc;

use ottla_coordinator::errors::coordinator_error;
use ottla_coordinator::partition_for;
use ottla_protocol::messages::share_group_describe_response::DescribedGroup;
use ottla_protocol::messages::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_request::{is_share_enabled, offsets_partitions};
use crate::authorized_operations;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers group by group.
pub async fn handle(
    _ctx: RequestContext,
    broker: Arc<Broker>,
    request: ShareGroupDescribeRequest,
) -> ShareGroupDescribeResponse {
    let is_enabled = is_share_enabled(&broker);
    let mut groups = Vec::with_capacity(request.group_ids.len());
    for group_id in request.group_ids {
        let mut group = match is_enabled {
            true => describe(&broker, group_id).await,
            false => refuse(group_id, ErrorCode::UnsupportedVersion),
        };
        let asked = request.include_authorized_operations && group.error_code == ErrorCode::None.code();
        group.authorized_operations =
            if asked { authorized_operations::GROUP } else { authorized_operations::UNKNOWN };
        groups.push(group);
    }
    ShareGroupDescribeResponse { groups, ..Default::default() }
}

async fn describe(broker: &Broker, group_id: Str) -> DescribedGroup {
    if group_id.is_empty() {
        return refuse(group_id, ErrorCode::InvalidGroupId);
    }
    let partitions = offsets_partitions(broker);
    if partitions == 0 {
        return refuse(group_id, ErrorCode::NotCoordinator);
    }
    let id = group_id.clone();
    let partition = partition_for(&group_id, partitions);
    let described = broker.groups.look(partition, move |shard| shard.share_group_describe(&[id])).await;
    match described {
        Ok(mut groups) if groups.len() == 1 => groups.remove(0),
        Ok(_) => refuse(group_id, ErrorCode::UnknownServerError),
        Err(error) => refuse(group_id, coordinator_error(error)),
    }
}

fn refuse(group_id: Str, error: ErrorCode) -> DescribedGroup {
    DescribedGroup { group_id, error_code: error.code(), ..Default::default() }
}
