//! OffsetCommit.

use std::collections::BTreeMap;

use ottla_protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::offset_commit_response::OffsetCommitResponse;
use ottla_protocol::{ErrorCode, TopicPartition};

use super::super::{ConsumerGroupMetadata, OffsetAndMetadata};
use super::{TopicIds, Unauthorized, by_topic, group_not_authorized};
use crate::Error;

/// Last version with names of topics.
const LAST_VERSION_WITH_NAMES: i16 = 9;
/// First version with ids of static members.
const FIRST_VERSION_WITH_INSTANCE: i16 = 7;

/// What an answer says.
#[derive(Clone, Debug)]
pub enum CommitAnswer {
    /// Committed.
    Done,
    /// To be tried again. With `find_coordinator` after looking for it anew.
    Retry {
        /// Why.
        error: Error,
        /// Whether another node may be the coordinator by now.
        find_coordinator: bool,
    },
    /// The member does not own the partitions any more, or is being given others: of consequence for the membership.
    Refused(ErrorCode),
    /// Never.
    Failed(Error),
}

/// The versions that can carry a commit: lowest and highest.
pub fn commit_versions(
    offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ids: &TopicIds,
    is_static: bool,
) -> (i16, i16) {
    let lowest = if is_static { FIRST_VERSION_WITH_INSTANCE } else { 2 };
    let has_ids = ids.has_all(offsets.keys().map(|tp| &tp.topic));
    (lowest, if has_ids { 10 } else { LAST_VERSION_WITH_NAMES })
}

/// The request that commits offsets as this member.
pub fn commit_request(
    offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    member: &ConsumerGroupMetadata,
    ids: &TopicIds,
) -> OffsetCommitRequest {
    let partition = |(partition_index, offset): (i32, OffsetAndMetadata)| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: offset.offset,
        committed_leader_epoch: offset.leader_epoch.unwrap_or(-1),
        committed_metadata: Some(offset.metadata),
    };
    let offsets = offsets.iter().map(|(tp, offset)| (tp.clone(), offset.clone()));
    OffsetCommitRequest {
        group_id: member.group_id.clone(),
        generation_id_or_member_epoch: member.generation_id,
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        retention_time_ms: -1,
        topics: by_topic(offsets)
            .into_iter()
            .map(|(name, partitions)| OffsetCommitRequestTopic {
                topic_id: ids.id(&name),
                name,
                partitions: partitions.into_iter().map(partition).collect(),
            })
            .collect(),
    }
}

/// What the answer means: the first error of a partition decides.
pub fn read_commit(group_id: &str, ids: &TopicIds, response: &OffsetCommitResponse) -> CommitAnswer {
    let mut unauthorized = Unauthorized::default();
    for topic in &response.topics {
        let name = ids.name(&topic.name, topic.topic_id);
        for partition in &topic.partitions {
            let error = ErrorCode::from_code(partition.error_code);
            if error.is_err() {
                tracing::debug!(topic = %name, partition = partition.partition_index, error = error.name(), "commit failed");
            }
            match error {
                ErrorCode::None => {}
                ErrorCode::TopicAuthorizationFailed => unauthorized.add(&name),
                error => return failure(group_id, error),
            }
        }
    }
    match unauthorized.check() {
        Ok(()) => CommitAnswer::Done,
        Err(error) => CommitAnswer::Failed(error),
    }
}

fn failure(group_id: &str, code: ErrorCode) -> CommitAnswer {
    match code {
        ErrorCode::GroupAuthorizationFailed => CommitAnswer::Failed(group_not_authorized(group_id)),
        ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator | ErrorCode::RequestTimedOut => {
            CommitAnswer::Retry { error: Error::api(code, None), find_coordinator: true }
        }
        ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId => {
            CommitAnswer::Retry { error: Error::api(code, None), find_coordinator: false }
        }
        ErrorCode::FencedInstanceId
        | ErrorCode::RebalanceInProgress
        | ErrorCode::UnknownMemberId
        | ErrorCode::IllegalGeneration
        | ErrorCode::StaleMemberEpoch => CommitAnswer::Refused(code),
        ErrorCode::OffsetMetadataTooLarge | ErrorCode::InvalidCommitOffsetSize => {
            CommitAnswer::Failed(Error::api(code, None))
        }
        code => CommitAnswer::Failed(Error::api(
            code,
            Some(&format!("Unexpected error in commit: {}", code.message())),
        )),
    }
}

/// What the application is told when the membership does not allow a commit.
pub fn refusal(code: ErrorCode) -> Error {
    match code {
        ErrorCode::RebalanceInProgress => Error::api(
            code,
            Some(
                "Offset commit cannot be completed since the consumer group is executing a rebalance at the moment. You \
                 can try completing the rebalance by calling poll() and then retry commit again",
            ),
        ),
        ErrorCode::FencedInstanceId => Error::api(code, None),
        _ => Error::CommitFailed(
            "Offset commit cannot be completed since the consumer is not part of an active group for auto partition \
             assignment; it is likely that the consumer was kicked out of the group: the time between calls to poll() \
             was longer than max.poll.interval.ms, or heartbeats did not arrive. Process less in one poll \
             (max.poll.records), or raise max.poll.interval.ms."
                .to_owned(),
        ),
    }
}
