//! OffsetDelete (key 47), version 0: a group forgets offsets of topics that it does not read (KIP-496).

use std::sync::Arc;

use ottla_coordinator::Reply;
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use ottla_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::group_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the tombstones are persisted.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    mut request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    if let Err(error) = broker.authorize(&ctx, AclOperation::Delete, Resource::Group(&request.group_id)) {
        return failed(error);
    }
    let image = broker.image();
    let mut allowed = broker.topics(&ctx, AclOperation::Read);
    let mut refused: Vec<OffsetDeleteResponseTopic> = Vec::new();
    for topic in &mut request.topics {
        let is_allowed = allowed.allow(&topic.name);
        let error = match is_allowed {
            true => ErrorCode::UnknownTopicOrPartition,
            false => ErrorCode::TopicAuthorizationFailed,
        };
        let known = image.topics.topic(&topic.name).filter(|_| is_allowed);
        let mut missing = Vec::new();
        topic.partitions.retain(|partition| {
            let there = known.is_some_and(|k| k.partitions.get(partition.partition_index).is_some());
            if !there {
                missing.push(OffsetDeleteResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: error.code(),
                });
            }
            there
        });
        if !missing.is_empty() {
            refused.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions: missing });
        }
    }
    request.topics.retain(|topic| !topic.partitions.is_empty());
    drop((image, allowed));
    let group_id = request.group_id.clone();
    let reply = run(&broker, &group_id, move |shard, id, _| shard.delete_offsets(&request, id));
    let mut response = match reply.await {
        Ok(Reply::OffsetDelete(response)) => response,
        Ok(_) => failed(ErrorCode::UnknownServerError),
        Err(error) => failed(error),
    };
    if response.error_code == ErrorCode::None.code() {
        for topic in refused {
            match response.topics.iter_mut().find(|t| t.name == topic.name) {
                Some(same) => same.partitions.extend(topic.partitions),
                None => response.topics.push(topic),
            }
        }
    }
    response
}

fn failed(error: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse { error_code: error.code(), ..Default::default() }
}
