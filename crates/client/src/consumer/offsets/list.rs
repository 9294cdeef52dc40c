//! ListOffsets: offsets by time, and a log's start and end.

use ottla_protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use ottla_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsResponse};
use ottla_protocol::{ErrorCode, TopicPartition};

use super::super::IsolationLevel;
use super::{Unauthorized, by_topic};
use crate::Result;

/// An offset that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset.
    pub offset: i64,
    /// Time of its record, Unix ms; -1 for a log's start or end.
    pub timestamp_ms: i64,
    /// Epoch of the leader that appended it.
    pub leader_epoch: Option<i32>,
}

/// What an answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListAnswer {
    /// Offsets that were found.
    pub found: Vec<(TopicPartition, ListedOffset)>,
    /// Partitions without a record that is so new.
    pub missing: Vec<TopicPartition>,
    /// To be asked for again, with fresh metadata.
    pub retry: Vec<TopicPartition>,
}

/// The request for offsets by times (Unix ms, or the special ones below zero), with the epoch of the leader that is
/// asked.
pub fn list_request(
    lookups: impl IntoIterator<Item = (TopicPartition, (i64, Option<i32>))>,
    isolation: IsolationLevel,
    timeout_ms: i32,
) -> ListOffsetsRequest {
    let partition = |(partition_index, (timestamp, epoch)): (i32, (i64, Option<i32>))| ListOffsetsPartition {
        partition_index,
        current_leader_epoch: epoch.unwrap_or(-1),
        timestamp,
    };
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation.id(),
        topics: by_topic(lookups)
            .into_iter()
            .map(|(name, partitions)| ListOffsetsTopic {
                name,
                partitions: partitions.into_iter().map(partition).collect(),
            })
            .collect(),
        timeout_ms,
    }
}

/// First version that can carry a look-up with this isolation level.
pub fn lowest_list_version(isolation: IsolationLevel) -> i16 {
    match isolation {
        IsolationLevel::ReadUncommitted => 1,
        IsolationLevel::ReadCommitted => 2,
    }
}

/// What the answer means.
///
/// # Errors
/// When a topic may not be read.
pub fn read_list(response: ListOffsetsResponse) -> Result<ListAnswer> {
    let mut answer = ListAnswer::default();
    let mut unauthorized = Unauthorized::default();
    for topic in response.topics {
        for partition in topic.partitions {
            let tp = TopicPartition::new(topic.name.clone(), partition.partition_index);
            match ErrorCode::from_code(partition.error_code) {
                ErrorCode::None => match listed(&partition) {
                    Some(offset) => answer.found.push((tp, offset)),
                    None => answer.missing.push(tp),
                },
                // Logs of a time before timestamps: nothing can be found by time.
                ErrorCode::UnsupportedForMessageFormat => answer.missing.push(tp),
                ErrorCode::TopicAuthorizationFailed => unauthorized.add(&topic.name),
                error => {
                    tracing::debug!(partition = %tp, error = error.name(), "offset look-up failed, trying again");
                    answer.retry.push(tp);
                }
            }
        }
    }
    unauthorized.check()?;
    Ok(answer)
}

fn listed(partition: &ListOffsetsPartitionResponse) -> Option<ListedOffset> {
    (partition.offset >= 0).then(|| ListedOffset {
        offset: partition.offset,
        timestamp_ms: partition.timestamp,
        leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
    })
}
