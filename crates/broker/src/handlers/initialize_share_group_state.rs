//! InitializeShareGroupState (key 83), version 0: the group coordinator sets the
//! state of share partitions up (KIP-932).
//!
//! A request without a group, topics or partitions gets an empty answer.

use std::sync::Arc;

use ottla_coordinator::share::coordinator::{StateError, StateReply};
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::initialize_share_group_state_response::{
    InitializeStateResult, PartitionResult,
};
use ottla_protocol::messages::{InitializeShareGroupStateRequest, InitializeShareGroupStateResponse};

use super::share_state_request::{share_partition, state_partitions, text};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Runs one operation for each partition.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: InitializeShareGroupStateRequest,
) -> InitializeShareGroupStateResponse {
    let is_empty = request.group_id.is_empty() || request.topics.is_empty();
    if is_empty {
        return InitializeShareGroupStateResponse::default();
    }
    let is_allowed = broker.may(&ctx, AclOperation::ClusterAction, Resource::Cluster);
    let partitions = state_partitions(&broker);
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for data in topic.partitions {
            let partition = data.partition;
            if !is_allowed {
                answers.push(respond(partition, Err(ErrorCode::ClusterAuthorizationFailed.into())));
                continue;
            }
            let key = share_partition(&request.group_id, topic.topic_id, partition);
            let reply = broker.share_states.run(key, partitions, move |shard, key, id, now_ms| {
                shard.initialize_state(key, data.state_epoch, data.start_offset, id, now_ms)
            });
            answers.push(respond(partition, reply.await));
        }
        results.push(InitializeStateResult { topic_id: topic.topic_id, partitions: answers });
    }
    InitializeShareGroupStateResponse { results }
}

fn respond(partition: i32, reply: Result<StateReply, StateError>) -> PartitionResult {
    match reply {
        Ok(_) => PartitionResult { partition, ..Default::default() },
        Err(error) => {
            PartitionResult { partition, error_code: error.code.code(), error_message: text(error.message) }
        }
    }
}
