//! ListGroups (key 16), versions 0-5: the groups of this broker. v4 by state (KIP-518) · v5 by type (KIP-848).

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::list_groups_response::ListedGroup;
use ottla_protocol::messages::{ListGroupsRequest, ListGroupsResponse};

use super::group_request::offsets_partitions;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers from every shard that is here.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    // Whether all groups may be seen; else only those that may be described.
    let sees_all = broker.may_see(&ctx, AclOperation::Describe, Resource::Cluster);
    let mut groups = Vec::new();
    for partition in 0..offsets_partitions(&broker) {
        let asked = request.clone();
        match broker.groups.look(partition, move |shard| shard.list_groups(&asked)).await {
            Ok(listed) => groups.extend(listed),
            // Led by another broker, which lists them.
            Err(ErrorCode::NotCoordinator) => {}
            Err(error) => return ListGroupsResponse { error_code: error.code(), ..Default::default() },
        }
    }
    groups.retain(|group: &ListedGroup| {
        sees_all || broker.may_see(&ctx, AclOperation::Describe, Resource::Group(&group.group_id))
    });
    ListGroupsResponse { groups, ..Default::default() }
}
