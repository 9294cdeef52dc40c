//! DescribeProducers (key 61), version 0: the producers that partitions know (KIP-664).

use ottla_controller::topic_name;
use ottla_metadata::AclOperation;
use ottla_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use ottla_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers partition by partition.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request
        .topics
        .into_iter()
        .map(|topic| (check(ctx, broker, &topic.name), topic))
        .map(|(checked, topic)| TopicResponse {
            partitions: topic
                .partition_indexes
                .iter()
                .map(|index| {
                    let found = checked.clone().and_then(|()| {
                        let found = producers(broker, &topic.name, *index);
                        found.map_err(|error| (error, Str::from_static(error.message())))
                    });
                    respond(*index, found)
                })
                .collect(),
            name: topic.name,
        })
        .collect();
    DescribeProducersResponse { topics, ..Default::default() }
}

/// An error and its text.
type Refused = (ErrorCode, Str);

fn check(ctx: &RequestContext, broker: &Broker, topic: &str) -> Result<(), Refused> {
    topic_name::validate(topic).map_err(|why| (ErrorCode::InvalidTopicException, Str::from(why)))?;
    let authorized = broker.authorize(ctx, AclOperation::Read, Resource::Topic(topic));
    authorized.map_err(|error| (error, Str::from_static(error.message())))
}

fn respond(partition_index: i32, found: Result<Vec<ProducerState>, Refused>) -> PartitionResponse {
    match found {
        Ok(active_producers) => PartitionResponse { partition_index, active_producers, ..Default::default() },
        Err((error, message)) => PartitionResponse {
            partition_index,
            error_code: error.code(),
            error_message: Some(message),
            ..Default::default()
        },
    }
}

fn producers(broker: &Broker, topic: &str, index: i32) -> Result<Vec<ProducerState>, ErrorCode> {
    let partition = broker.partitions.get(topic, index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let producers = partition.log()?.active_producers();
    Ok(producers
        .into_iter()
        .map(|p| ProducerState {
            producer_id: p.producer_id,
            producer_epoch: i32::from(p.producer_epoch),
            last_sequence: p.last_sequence,
            last_timestamp: p.last_timestamp,
            coordinator_epoch: p.coordinator_epoch,
            current_txn_start_offset: p.current_txn_start_offset,
        })
        .collect())
}
