//! DeleteRecords (key 21), versions 0-2: moves the start of partitions.

use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use ottla_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics;

/// Answers with the new starts.
pub fn handle(ctx: &RequestContext, broker: &Broker, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut allowed = broker.topics(ctx, AclOperation::Delete);
    let topics = request
        .topics
        .into_iter()
        .map(|topic| (allowed.allow(&topic.name), topic))
        .map(|(is_allowed, topic)| DeleteRecordsTopicResult {
            partitions: topic
                .partitions
                .iter()
                .map(|p| match delete(broker, is_allowed, &topic.name, p.partition_index, p.offset) {
                    Ok(low_watermark) => DeleteRecordsPartitionResult {
                        partition_index: p.partition_index,
                        low_watermark,
                        error_code: ErrorCode::None.code(),
                    },
                    Err(error) => DeleteRecordsPartitionResult {
                        partition_index: p.partition_index,
                        low_watermark: -1,
                        error_code: error.code(),
                    },
                })
                .collect(),
            name: topic.name,
        })
        .collect();
    DeleteRecordsResponse { topics, ..Default::default() }
}

fn delete(broker: &Broker, is_allowed: bool, topic: &str, index: i32, offset: i64) -> Result<i64, ErrorCode> {
    if !is_allowed {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    let partition = broker.partitions.get(topic, index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if internal_topics::is_internal(topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let log = partition.log()?;
    let config = log.config();
    if config.compact && !config.delete {
        return Err(ErrorCode::PolicyViolation);
    }
    log.delete_records_before(offset).map_err(|why| why.code())
}
