//! ReadShareGroupStateSummary (key 87), versions 0-1: the group coordinator learns
//! where share partitions stand (KIP-932). v1 number of records that are done with (KIP-1226).
//!
//! A request without a group, topics or partitions gets an empty answer.

use std::sync::Arc;

use ottla_coordinator::share::coordinator::{StateError, StateReply, StateSummary};
use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::read_share_group_state_summary_response::{
    PartitionResult, ReadStateSummaryResult,
};
use ottla_protocol::messages::{ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse};

use super::share_state_request::{share_partition, state_partitions, text};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Runs one operation for each partition.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ReadShareGroupStateSummaryRequest,
) -> ReadShareGroupStateSummaryResponse {
    let is_empty = request.group_id.is_empty()
        || request.topics.is_empty()
        || request.topics.iter().any(|topic| topic.partitions.is_empty());
    if is_empty {
        return ReadShareGroupStateSummaryResponse::default();
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
            let reply = broker
                .share_states
                .run(key, partitions, |shard, key, id, _| shard.read_state_summary(key, id));
            answers.push(respond(partition, reply.await));
        }
        results.push(ReadStateSummaryResult { topic_id: topic.topic_id, partitions: answers });
    }
    ReadShareGroupStateSummaryResponse { results }
}

fn respond(partition: i32, reply: Result<StateReply, StateError>) -> PartitionResult {
    let failed = |error: StateError| PartitionResult {
        partition,
        error_code: error.code.code(),
        error_message: text(error.message),
        ..Default::default()
    };
    match reply {
        Ok(StateReply::Summary(summary)) => {
            let StateSummary { state_epoch, leader_epoch, start_offset, delivery_complete_count } = summary;
            PartitionResult {
                partition,
                state_epoch,
                leader_epoch,
                start_offset,
                delivery_complete_count,
                ..Default::default()
            }
        }
        Ok(_) => failed(ErrorCode::UnknownServerError.into()),
        Err(error) => failed(error),
    }
}
