//! DescribeProducers (key 61), version 0: the producers that partitions know (KIP-664).

use ottla_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use ottla_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers partition by partition.
pub fn handle(
    _ctx: &RequestContext,
    broker: &Broker,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request
        .topics
        .into_iter()
        .map(|topic| TopicResponse {
            partitions: topic
                .partition_indexes
                .iter()
                .map(|index| match producers(broker, &topic.name, *index) {
                    Ok(active_producers) => {
                        PartitionResponse { partition_index: *index, active_producers, ..Default::default() }
                    }
                    Err(error) => PartitionResponse {
                        partition_index: *index,
                        error_code: error.code(),
                        error_message: Some(Str::from_static(error.message())),
                        ..Default::default()
                    },
                })
                .collect(),
            name: topic.name,
        })
        .collect();
    DescribeProducersResponse { topics, ..Default::default() }
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
