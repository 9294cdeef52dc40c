//! OffsetForLeaderEpoch (key 23), versions 2-4: where a leader's term ended (KIP-101, KIP-320).

use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use ottla_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use ottla_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers partition by partition.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let is_broker = broker.may_see(ctx, AclOperation::ClusterAction, Resource::Cluster);
    let mut allowed = broker.topics(ctx, AclOperation::Describe);
    let topics = request
        .topics
        .into_iter()
        .map(|topic| (is_broker || allowed.allow(&topic.topic), topic))
        .map(|(is_allowed, topic)| OffsetForLeaderTopicResult {
            partitions: topic
                .partitions
                .iter()
                .map(|asked| {
                    let found = match is_allowed {
                        true => look_up(broker, &topic.topic, asked),
                        false => Err(ErrorCode::TopicAuthorizationFailed),
                    };
                    let (leader_epoch, end_offset) = found.ok().flatten().unwrap_or((-1, -1));
                    EpochEndOffset {
                        error_code: found.err().unwrap_or_default().code(),
                        partition: asked.partition,
                        leader_epoch,
                        end_offset,
                    }
                })
                .collect(),
            topic: topic.topic,
        })
        .collect();
    OffsetForLeaderEpochResponse { topics, ..Default::default() }
}

fn look_up(
    broker: &Broker,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ErrorCode> {
    let partition =
        broker.partitions.get(topic, asked.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    partition.check_leader_epoch(asked.current_leader_epoch)?;
    if asked.leader_epoch < 0 {
        return Ok(None);
    }
    Ok(partition.end_offset_for_epoch(asked.leader_epoch, &*partition.log()?))
}
