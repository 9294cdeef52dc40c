//! OffsetForLeaderEpoch: was the log truncated since a position was set (KIP-320)?

use ottla_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ottla_protocol::messages::offset_for_leader_epoch_response::OffsetForLeaderEpochResponse;
use ottla_protocol::{ErrorCode, TopicPartition};

use super::super::state::FetchPosition;
use super::{Unauthorized, by_topic};
use crate::Result;

/// What an answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochsAnswer {
    /// The largest epoch not above the one asked for, and where it ends; -1s when the leader knows none.
    pub ends: Vec<(TopicPartition, i32, i64)>,
    /// To be asked for again, with fresh metadata.
    pub retry: Vec<TopicPartition>,
}

/// The request for the ends of these positions' epochs.
pub fn epochs_request<'a>(
    positions: impl IntoIterator<Item = &'a (TopicPartition, FetchPosition)>,
) -> OffsetForLeaderEpochRequest {
    let positions = positions.into_iter().filter_map(|(tp, position)| {
        Some((tp.clone(), (position.offset_epoch?, position.current_leader.epoch.unwrap_or(-1))))
    });
    let partition = |(partition, (leader_epoch, current_leader_epoch))| OffsetForLeaderPartition {
        partition,
        current_leader_epoch,
        leader_epoch,
    };
    OffsetForLeaderEpochRequest {
        // A consumer.
        replica_id: -1,
        topics: by_topic(positions)
            .into_iter()
            .map(|(topic, partitions)| OffsetForLeaderTopic {
                topic,
                partitions: partitions.into_iter().map(partition).collect(),
            })
            .collect(),
    }
}

/// What the answer means for the partitions that were asked for.
///
/// # Errors
/// When a topic may not be read.
pub fn read_epochs(
    asked: &[(TopicPartition, FetchPosition)],
    response: OffsetForLeaderEpochResponse,
) -> Result<EpochsAnswer> {
    let mut answer = EpochsAnswer::default();
    let mut unauthorized = Unauthorized::default();
    for topic in response.topics {
        for partition in topic.partitions {
            let tp = TopicPartition::new(topic.topic.clone(), partition.partition);
            match ErrorCode::from_code(partition.error_code) {
                ErrorCode::None => answer.ends.push((tp, partition.leader_epoch, partition.end_offset)),
                ErrorCode::TopicAuthorizationFailed => unauthorized.add(&topic.topic),
                error => {
                    tracing::debug!(partition = %tp, error = error.name(), "epoch look-up failed, trying again")
                }
            }
        }
    }
    unauthorized.check()?;
    let answered = |tp: &TopicPartition| answer.ends.iter().any(|(known, ..)| known == tp);
    answer.retry = asked.iter().filter(|(tp, _)| !answered(tp)).map(|(tp, _)| tp.clone()).collect();
    Ok(answer)
}
