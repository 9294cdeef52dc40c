//! ListOffsets (key 2), versions 1-11: offsets by timestamp.
//!
//! -1 latest · -2 earliest · v7 -3 largest timestamp (KIP-734) · v8 -4 earliest local (KIP-405) · v9 -5 latest tiered (KIP-1005) ·
//! v11 -6 earliest pending upload (KIP-1023) · v2 isolation level · v4 leader epochs · v10 timeout for remote look-ups.

use std::collections::HashSet;
use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::list_offsets_request::ListOffsetsPartition;
use ottla_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use ottla_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use ottla_storage::{FoundOffset, PartitionLog, special_timestamp};

use crate::broker::Broker;
use crate::cold_looks::look_up;
use crate::context::RequestContext;

/// Lowest special timestamp, and the version that brought each: index 0 is -1.
const SPECIAL_VERSIONS: [i16; 6] = [1, 1, 7, 8, 9, 11];
const READ_COMMITTED: i8 = 1;
/// First version that tells the leader epoch.
const LEADER_EPOCH_VERSION: i16 = 4;
/// `replica_id` of a consumer.
const CONSUMER: i32 = -1;

/// Answers partition by partition.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let mut seen = HashSet::new();
    let mut duplicates = HashSet::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            if !seen.insert((&*topic.name, partition.partition_index)) {
                duplicates.insert((topic.name.to_string(), partition.partition_index));
            }
        }
    }
    let mut allowed = broker.topics(&ctx, AclOperation::Describe);
    let is_allowed: Vec<_> = request.topics.iter().map(|topic| allowed.allow(&topic.name)).collect();
    let mut topics = Vec::with_capacity(request.topics.len());
    for (is_allowed, topic) in is_allowed.into_iter().zip(&request.topics) {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let index = asked.partition_index;
            let found = if !is_allowed {
                Err(ErrorCode::TopicAuthorizationFailed)
            } else if duplicates.contains(&(topic.name.to_string(), index)) {
                Err(ErrorCode::InvalidRequest)
            } else {
                find(ctx.api_version, &broker, &request, &topic.name, asked).await
            };
            partitions.push(respond(ctx.api_version, index, found));
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name.clone(), partitions });
    }
    ListOffsetsResponse { topics, ..Default::default() }
}

fn respond(
    version: i16,
    index: i32,
    found: Result<Option<FoundOffset>, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    match found {
        Ok(Some(found)) => ListOffsetsPartitionResponse {
            partition_index: index,
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch.filter(|_| version >= LEADER_EPOCH_VERSION).unwrap_or(-1),
            ..Default::default()
        },
        Ok(None) => ListOffsetsPartitionResponse { partition_index: index, ..Default::default() },
        Err(error) => ListOffsetsPartitionResponse {
            partition_index: index,
            error_code: error.code(),
            ..Default::default()
        },
    }
}

async fn find(
    version: i16,
    broker: &Broker,
    request: &ListOffsetsRequest,
    topic: &str,
    asked: &ListOffsetsPartition,
) -> Result<Option<FoundOffset>, ErrorCode> {
    check_timestamp(version, asked.timestamp)?;
    let partition =
        broker.partitions.get(topic, asked.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    partition.check_leader_epoch(asked.current_leader_epoch)?;
    // Its log may have another place when the disk has answered.
    let look_into = |on_cold| {
        let Ok(log) = partition.log() else { return Ok(Err(ErrorCode::KafkaStorageError)) };
        let bound = bound(&log, request);
        log.offset_for_timestamp(asked.timestamp, on_cold).map(|found| Ok((found, bound)))
    };
    let (found, bound) = look_up(look_into).await.map_err(|why| why.code())??;
    Ok(match asked.timestamp {
        // The end as this client may see it.
        special_timestamp::LATEST => found.map(|found| FoundOffset {
            offset: bound,
            leader_epoch: Some(partition.leader_epoch()),
            ..found
        }),
        timestamp if timestamp < 0 && timestamp != special_timestamp::MAX_TIMESTAMP => found,
        _ => found.filter(|found| found.offset < bound),
    })
}

/// First offset that the client may not see.
fn bound(log: &PartitionLog, request: &ListOffsetsRequest) -> i64 {
    match (request.replica_id, request.isolation_level) {
        (CONSUMER, READ_COMMITTED) => log.last_stable_offset(),
        (CONSUMER, _) => log.high_watermark(),
        _ => log.log_end_offset(),
    }
}

/// Special timestamps are known from certain versions on; other negative ones mean nothing.
fn check_timestamp(version: i16, timestamp: i64) -> Result<(), ErrorCode> {
    if timestamp >= 0 {
        return Ok(());
    }
    let at = usize::try_from(-1 - timestamp).unwrap_or(usize::MAX);
    match SPECIAL_VERSIONS.get(at) {
        Some(since) if version >= *since => Ok(()),
        Some(_) => Err(ErrorCode::UnsupportedVersion),
        None => Err(ErrorCode::InvalidRequest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_timestamps_have_versions() {
        for (version, timestamp, expected) in [
            (1, 0, Ok(())),
            (1, -2, Ok(())),
            (6, -3, Err(ErrorCode::UnsupportedVersion)),
            (7, -3, Ok(())),
            (10, -6, Err(ErrorCode::UnsupportedVersion)),
            (11, -6, Ok(())),
            (11, -7, Err(ErrorCode::InvalidRequest)),
            (11, i64::MIN, Err(ErrorCode::InvalidRequest)),
        ] {
            assert_eq!(check_timestamp(version, timestamp), expected, "v{version} {timestamp}");
        }
    }
}
