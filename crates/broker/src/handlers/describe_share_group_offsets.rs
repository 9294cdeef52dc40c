//! DescribeShareGroupOffsets (key 90), versions 0-1: where share groups stand in their partitions (KIP-932). v1 lag
//! (KIP-1226).
//!
//! What the share coordinator refuses is described as never begun, without an error, as Kafka does.

use std::sync::Arc;

use ottla_coordinator::SharePartitions;
use ottla_coordinator::errors::coordinator_error;
use ottla_coordinator::share::coordinator::StateSummary;
use ottla_metadata::AclOperation;
use ottla_protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use ottla_protocol::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use ottla_protocol::messages::{DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_request::{is_share_enabled, look};
use super::share_persister;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Start offset of a partition that was not begun.
const UNINITIALIZED_START_OFFSET: i64 = -1;
/// Lag that is not known.
const UNINITIALIZED_LAG: i64 = -1;

/// Answers group by group.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: DescribeShareGroupOffsetsRequest,
) -> DescribeShareGroupOffsetsResponse {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        groups.push(match is_share_enabled(&broker) {
            true => describe(&ctx, &broker, group).await,
            false => DescribeShareGroupOffsetsResponseGroup {
                group_id: group.group_id,
                error_code: ErrorCode::UnsupportedVersion.code(),
                ..Default::default()
            },
        });
    }
    DescribeShareGroupOffsetsResponse { groups, ..Default::default() }
}

async fn describe(
    ctx: &RequestContext,
    broker: &Broker,
    group: DescribeShareGroupOffsetsRequestGroup,
) -> DescribeShareGroupOffsetsResponseGroup {
    let group_id = group.group_id;
    if let Err(error) = broker.authorize(ctx, AclOperation::Describe, Resource::Group(&group_id)) {
        return DescribeShareGroupOffsetsResponseGroup {
            group_id,
            error_code: error.code(),
            ..Default::default()
        };
    }
    let all = group.topics.is_none();
    let (mut unknown, mut denied) = (Vec::new(), Vec::new());
    let mut allowed = broker.topics(ctx, AclOperation::Describe);
    let partitions = match group.topics {
        Some(mut topics) => {
            topics.retain(|topic| {
                let is_allowed = allowed.allow(&topic.topic_name);
                if !is_allowed {
                    denied.push(refuse(topic));
                }
                is_allowed
            });
            known_partitions(broker, topics, &mut unknown)
        }
        None => match initialized(broker, &group_id).await {
            Ok(partitions) => partitions,
            Err(error) => {
                return DescribeShareGroupOffsetsResponseGroup {
                    group_id,
                    error_code: error.code(),
                    error_message: Some(Str::from_static(error.message())),
                    ..Default::default()
                };
            }
        },
    };
    let summaries = share_persister::summaries(broker, &group_id, &partitions).await;
    let image = broker.image();
    let mut topics = Vec::with_capacity(partitions.len());
    for (topic_id, partitions) in partitions {
        // A topic that was deleted meanwhile has no offsets.
        let Some(topic_name) = image.topics.topic_name(topic_id) else { continue };
        if all && !allowed.allow(topic_name) {
            continue;
        }
        let partitions = partitions.into_iter().map(|partition| {
            let summary = summaries.get(&(topic_id, partition)).copied();
            describe_partition(partition, summary, || end_offset(broker, topic_name, partition))
        });
        topics.push(DescribeShareGroupOffsetsResponseTopic {
            topic_name: topic_name.clone(),
            topic_id,
            partitions: partitions.collect(),
        });
    }
    topics.append(&mut unknown);
    topics.append(&mut denied);
    DescribeShareGroupOffsetsResponseGroup { group_id, topics, ..Default::default() }
}

/// The partitions of topics that exist; the others go to `unknown`.
fn known_partitions(
    broker: &Broker,
    topics: Vec<DescribeShareGroupOffsetsRequestTopic>,
    unknown: &mut Vec<DescribeShareGroupOffsetsResponseTopic>,
) -> SharePartitions {
    let image = broker.image();
    let mut known = SharePartitions::new();
    for topic in topics {
        match image.topics.topic_id(&topic.topic_name) {
            Some(topic_id) => known.entry(topic_id).or_default().extend(topic.partitions),
            None => unknown.push(DescribeShareGroupOffsetsResponseTopic {
                topic_name: topic.topic_name,
                partitions: topic.partitions.into_iter().map(not_begun).collect(),
                ..Default::default()
            }),
        }
    }
    known
}

/// All partitions that the group has begun.
async fn initialized(broker: &Broker, group_id: &Str) -> Result<SharePartitions, ErrorCode> {
    let id = group_id.clone();
    let found = look(broker, group_id, move |shard| shard.initialized_share_partitions(&id)).await;
    found.map_err(coordinator_error)
}

/// The end of a partition as consumers may see it.
fn end_offset(broker: &Broker, topic: &str, partition: i32) -> Result<i64, ErrorCode> {
    let partition = broker.partitions.get(topic, partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    Ok(partition.log()?.high_watermark())
}

fn not_begun(partition_index: i32) -> DescribeShareGroupOffsetsResponsePartition {
    DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset: UNINITIALIZED_START_OFFSET,
        lag: UNINITIALIZED_LAG,
        ..Default::default()
    }
}

fn refuse(topic: &DescribeShareGroupOffsetsRequestTopic) -> DescribeShareGroupOffsetsResponseTopic {
    let error = ErrorCode::TopicAuthorizationFailed;
    let partitions = topic.partitions.iter().map(|index| DescribeShareGroupOffsetsResponsePartition {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..not_begun(*index)
    });
    DescribeShareGroupOffsetsResponseTopic {
        topic_name: topic.topic_name.clone(),
        partitions: partitions.collect(),
        ..Default::default()
    }
}

fn describe_partition(
    partition_index: i32,
    summary: Option<StateSummary>,
    end_offset: impl FnOnce() -> Result<i64, ErrorCode>,
) -> DescribeShareGroupOffsetsResponsePartition {
    let Some(summary) = summary else { return not_begun(partition_index) };
    let StateSummary { leader_epoch, start_offset, delivery_complete_count, .. } = summary;
    let lag = match start_offset == UNINITIALIZED_START_OFFSET || delivery_complete_count < 0 {
        true => UNINITIALIZED_LAG,
        false => match end_offset() {
            Ok(end) => end.saturating_sub(start_offset).saturating_sub(delivery_complete_count.into()),
            Err(error) => {
                return DescribeShareGroupOffsetsResponsePartition {
                    partition_index,
                    error_code: error.code(),
                    error_message: Some(Str::from_static(error.message())),
                    ..Default::default()
                };
            }
        },
    };
    DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset,
        leader_epoch,
        lag,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_is_neither_before_the_start_nor_done_with() {
        let summary =
            StateSummary { state_epoch: 1, leader_epoch: 4, start_offset: 10, delivery_complete_count: 3 };
        let check = |summary, end: Result<i64, ErrorCode>, expect: (i64, i64, i16)| {
            let partition = describe_partition(0, summary, || end);
            assert_eq!((partition.start_offset, partition.lag, partition.error_code), expect);
        };
        check(Some(summary), Ok(20), (10, 7, 0));
        check(Some(StateSummary { start_offset: -1, ..summary }), Ok(20), (-1, -1, 0));
        check(Some(StateSummary { delivery_complete_count: -1, ..summary }), Ok(20), (10, -1, 0));
        check(None, Ok(20), (-1, -1, 0));
        let gone = ErrorCode::UnknownTopicOrPartition;
        let partition = describe_partition(0, Some(summary), || Err(gone));
        assert_eq!(partition.error_code, gone.code());
    }
}
