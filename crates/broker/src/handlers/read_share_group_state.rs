//! ReadShareGroupState (key 84), version 0: a partition's new leader learns what became of
//! records, and fences the leaders before it (KIP-932).
//!
//! A request without a group, topics or partitions gets an empty answer.

use std::sync::Arc;

use ottla_coordinator::share::coordinator::{ReadState, StateError, StateReply};
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::read_share_group_state_response::{
    PartitionResult, ReadStateResult, StateBatch,
};
use ottla_protocol::messages::{ReadShareGroupStateRequest, ReadShareGroupStateResponse};

use super::share_state_request::{share_partition, state_partitions, text};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Runs one operation for each partition.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ReadShareGroupStateRequest,
) -> ReadShareGroupStateResponse {
    let is_empty = request.group_id.is_empty()
        || request.topics.is_empty()
        || request.topics.iter().any(|topic| topic.partitions.is_empty());
    if is_empty {
        return ReadShareGroupStateResponse::default();
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
                shard.read_state(key, data.leader_epoch, id, now_ms)
            });
            answers.push(respond(partition, reply.await));
        }
        results.push(ReadStateResult { topic_id: topic.topic_id, partitions: answers });
    }
    ReadShareGroupStateResponse { results }
}

fn respond(partition: i32, reply: Result<StateReply, StateError>) -> PartitionResult {
    let failed = |error: StateError| PartitionResult {
        partition,
        error_code: error.code.code(),
        error_message: text(error.message),
        ..Default::default()
    };
    match reply {
        Ok(StateReply::State(ReadState { state_epoch, start_offset, state_batches })) => {
            let batch = |batch: ottla_coordinator::share::partition::StateBatch| StateBatch {
                first_offset: batch.first_offset,
                last_offset: batch.last_offset,
                delivery_state: batch.delivery_state,
                delivery_count: batch.delivery_count,
            };
            let state_batches = state_batches.into_iter().map(batch).collect();
            PartitionResult { partition, state_epoch, start_offset, state_batches, ..Default::default() }
        }
        Ok(_) => failed(ErrorCode::UnknownServerError.into()),
        Err(error) => failed(error),
    }
}
