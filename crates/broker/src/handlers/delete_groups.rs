//! DeleteGroups (key 42), versions 0-2: forgets groups without members, and their offsets.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_coordinator::{Reply, errors::delete_group_error};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::group_request::run;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers group by group, when the tombstones are persisted.
pub async fn handle(
    _ctx: RequestContext,
    broker: Arc<Broker>,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    let mut seen = BTreeSet::new();
    for group_id in request.groups_names.into_iter().filter(|id| seen.insert(id.clone())) {
        let ids = vec![group_id.clone()];
        match run(&broker, &group_id, move |shard, id, _| shard.delete_groups(&ids, id)).await {
            Ok(Reply::DeleteGroups(deleted)) => results.extend(deleted),
            Ok(_) => results.push(delete_group_error(group_id, ErrorCode::UnknownServerError)),
            Err(error) => results.push(delete_group_error(group_id, error)),
        }
    }
    DeleteGroupsResponse { results, ..Default::default() }
}
