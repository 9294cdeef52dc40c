//! DeleteGroups (key 42), versions 0-2: forgets groups without members, and their offsets. The state of share groups goes
//! first (KIP-932).

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_coordinator::{Reply, errors::delete_group_error};
use ottla_metadata::AclOperation;
use ottla_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_request::run;
use super::share_persister;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers group by group, when the tombstones are persisted.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    let mut denied = Vec::new();
    let mut seen = BTreeSet::new();
    for group_id in request.groups_names.into_iter().filter(|id| seen.insert(id.clone())) {
        if let Err(error) = broker.authorize(&ctx, AclOperation::Delete, Resource::Group(&group_id)) {
            denied.push(delete_group_error(group_id, error));
            continue;
        }
        if let Err(error) = delete_share_state(&broker, &group_id).await {
            results.push(delete_group_error(group_id, error));
            continue;
        }
        let ids = vec![group_id.clone()];
        match run(&broker, &group_id, move |shard, id, _| shard.delete_groups(&ids, id)).await {
            Ok(Reply::DeleteGroups(deleted)) => results.extend(deleted),
            Ok(_) => results.push(delete_group_error(group_id, ErrorCode::UnknownServerError)),
            Err(error) => results.push(delete_group_error(group_id, error)),
        }
    }
    results.extend(denied);
    DeleteGroupsResponse { results, ..Default::default() }
}

/// Has the share coordinator delete the state of a group, if it is a share group.
async fn delete_share_state(broker: &Broker, group_id: &Str) -> Result<(), ErrorCode> {
    let id = group_id.clone();
    let reply = run(broker, group_id, move |shard, reply_id, now_ms| {
        shard.delete_share_group_state(&id, reply_id, now_ms)
    });
    let Reply::DeleteShareGroupState(outcome) = reply.await? else {
        return Err(ErrorCode::UnknownServerError);
    };
    let Some(delete) = outcome? else { return Ok(()) };
    match share_persister::delete(broker, &delete).await.pop_last() {
        Some((_, why)) => Err(why.code),
        None => Ok(()),
    }
}
