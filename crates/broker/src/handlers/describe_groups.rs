//! DescribeGroups (key 15), versions 0-6: members and state of classic groups. v3 authorized operations · v6 GROUP_ID_NOT_FOUND.

use std::sync::Arc;

use ottla_coordinator::errors::describe_group_error;
use ottla_metadata::AclOperation;
use ottla_protocol::messages::describe_groups_response::DescribedGroup;
use ottla_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_request::look;
use crate::authorization::Resource;
use crate::authorized_operations;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers group by group.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        let mut group = describe(&ctx, &broker, group_id).await;
        let asked = request.include_authorized_operations && ctx.api_version >= 3;
        group.authorized_operations =
            authorized_operations::of_group(&ctx, &broker, &group.group_id, asked, group.error_code);
        groups.push(group);
    }
    DescribeGroupsResponse { groups, ..Default::default() }
}

async fn describe(ctx: &RequestContext, broker: &Broker, group_id: Str) -> DescribedGroup {
    if let Err(error) = broker.authorize(ctx, AclOperation::Describe, Resource::Group(&group_id)) {
        return describe_group_error(group_id, error);
    }
    let version = ctx.api_version;
    let id = group_id.clone();
    let described = look(broker, &group_id, move |shard| shard.describe_groups(version, &[id])).await;
    match described {
        Ok(mut groups) if groups.len() == 1 => groups.remove(0),
        Ok(_) => describe_group_error(group_id, ErrorCode::UnknownServerError),
        Err(error) => describe_group_error(group_id, error),
    }
}
