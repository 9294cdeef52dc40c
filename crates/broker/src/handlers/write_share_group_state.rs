//! WriteShareGroupState (key 85), versions 0-1: a partition's leader keeps what became
//! of records (KIP-932). v1 number of records that are done with (KIP-1226).
//!
//! A request without a group, topics or partitions gets an empty answer.

use std::sync::Arc;

use ottla_coordinator::share::coordinator::{StateError, StateReply, StateWrite};
use ottla_coordinator::share::partition::StateBatch;
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::write_share_group_state_request::PartitionData;
use ottla_protocol::messages::write_share_group_state_response::{PartitionResult, WriteStateResult};
use ottla_protocol::messages::{WriteShareGroupStateRequest, WriteShareGroupStateResponse};

use super::share_state_request::{share_partition, state_partitions, text};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Runs one operation for each partition.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: WriteShareGroupStateRequest,
) -> WriteShareGroupStateResponse {
    let is_empty = request.group_id.is_empty()
        || request.topics.is_empty()
        || request.topics.iter().any(|topic| topic.partitions.is_empty());
    if is_empty {
        return WriteShareGroupStateResponse::default();
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
            let write = state_write(&data);
            let reply = broker.share_states.run(key, partitions, move |shard, key, id, now_ms| {
                shard.write_state(key, &write, id, now_ms)
            });
            answers.push(respond(partition, reply.await));
        }
        results.push(WriteStateResult { topic_id: topic.topic_id, partitions: answers });
    }
    WriteShareGroupStateResponse { results }
}

fn state_write(data: &PartitionData) -> StateWrite {
    let batch = |batch: &ottla_protocol::messages::write_share_group_state_request::StateBatch| StateBatch {
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
        delivery_state: batch.delivery_state,
        delivery_count: batch.delivery_count,
    };
    StateWrite {
        state_epoch: data.state_epoch,
        leader_epoch: data.leader_epoch,
        start_offset: data.start_offset,
        delivery_complete_count: data.delivery_complete_count,
        state_batches: data.state_batches.iter().map(batch).collect(),
    }
}

fn respond(partition: i32, reply: Result<StateReply, StateError>) -> PartitionResult {
    match reply {
        Ok(_) => PartitionResult { partition, ..Default::default() },
        Err(error) => {
            PartitionResult { partition, error_code: error.code.code(), error_message: text(error.message) }
        }
    }
}
