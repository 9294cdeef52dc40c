//! DeleteShareGroupOffsets (key 92), version 0: forgets where a share group without members has got to in some topics
//! (KIP-932).

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_coordinator::errors::coordinator_error;
use ottla_coordinator::{DeleteShareGroupOffsetsReply, Reply};
use ottla_metadata::AclOperation;
use ottla_protocol::messages::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use ottla_protocol::messages::{DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::group_request::{is_share_enabled, run};
use super::share_persister;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the share coordinator has deleted the state.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    mut request: DeleteShareGroupOffsetsRequest,
) -> DeleteShareGroupOffsetsResponse {
    if !is_share_enabled(&broker) {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    if let Err(error) = broker.authorize(&ctx, AclOperation::Delete, Resource::Group(&request.group_id)) {
        return refuse(error);
    }
    if request.group_id.is_empty() {
        return refuse(ErrorCode::InvalidGroupId);
    }
    let mut topics = denied(&ctx, &broker, &mut request);
    let group_id = request.group_id.clone();
    let reply = run(&broker, &group_id, move |shard, id, now_ms| {
        shard.delete_share_group_offsets(&request, id, now_ms)
    });
    match reply.await {
        Ok(Reply::DeleteShareGroupOffsets(reply)) => {
            let mut response = finish(&broker, reply).await;
            if response.error_code == ErrorCode::None.code() {
                topics.append(&mut response.responses);
                response.responses = topics;
            }
            response
        }
        Ok(_) => refuse(ErrorCode::UnknownServerError),
        Err(error) => refuse(coordinator_error(error)),
    }
}

/// Takes out the topics that may not be read, and answers for them.
fn denied(
    ctx: &RequestContext,
    broker: &Broker,
    request: &mut DeleteShareGroupOffsetsRequest,
) -> Vec<DeleteShareGroupOffsetsResponseTopic> {
    let error = ErrorCode::TopicAuthorizationFailed;
    let mut allowed = broker.topics(ctx, AclOperation::Read);
    let mut denied = Vec::new();
    request.topics.retain(|topic| {
        let is_allowed = allowed.allow(&topic.topic_name);
        if !is_allowed {
            denied.push(DeleteShareGroupOffsetsResponseTopic {
                topic_name: topic.topic_name.clone(),
                error_code: error.code(),
                error_message: Some(Str::from_static(error.message())),
                ..Default::default()
            });
        }
        is_allowed
    });
    denied
}

async fn finish(broker: &Broker, reply: DeleteShareGroupOffsetsReply) -> DeleteShareGroupOffsetsResponse {
    let DeleteShareGroupOffsetsReply { mut response, delete } = reply;
    let Some(delete) = delete else { return response };
    let refused = share_persister::delete(broker, &delete).await;
    let image = broker.image();
    let mut deleted: BTreeMap<Uuid, Str> = BTreeMap::new();
    for topic_id in delete.partitions.keys() {
        let name = image.topics.topic_name(*topic_id).cloned().unwrap_or_default();
        match refused.iter().find(|((refused, _), _)| refused == topic_id) {
            None => {
                deleted.insert(*topic_id, name);
            }
            Some((_, why)) => response.responses.push(DeleteShareGroupOffsetsResponseTopic {
                topic_id: *topic_id,
                topic_name: name,
                error_code: why.code.code(),
                error_message: Some(Str::from_static(why.code.message())),
            }),
        }
    }
    if deleted.is_empty() {
        return response;
    }
    let group_id = delete.group_id.clone();
    let reply = run(broker, &delete.group_id, move |shard, id, now_ms| {
        shard.complete_delete_share_group_offsets(&group_id, &deleted, id, now_ms)
    });
    match reply.await {
        Ok(Reply::DeleteShareGroupOffsets(reply)) if reply.response.error_code == ErrorCode::None.code() => {
            let mut done = reply.response;
            done.responses.append(&mut response.responses);
            done
        }
        Ok(Reply::DeleteShareGroupOffsets(reply)) => reply.response,
        Ok(_) => refuse(ErrorCode::UnknownServerError),
        Err(error) => refuse(coordinator_error(error)),
    }
}

fn refuse(error: ErrorCode) -> DeleteShareGroupOffsetsResponse {
    DeleteShareGroupOffsetsResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..Default::default()
    }
}
