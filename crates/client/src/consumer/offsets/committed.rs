//! OffsetFetch: what a group has committed.

use std::collections::BTreeMap;

use ottla_protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_protocol::messages::offset_fetch_response::OffsetFetchResponse;
use ottla_protocol::{ErrorCode, Str, TopicPartition, Uuid};

use super::super::{ConsumerGroupMetadata, OffsetAndMetadata};
use super::{TopicIds, Unauthorized, by_topic, group_not_authorized};
use crate::Error;

/// First version with a list of groups.
const FIRST_VERSION_WITH_GROUPS: i16 = 8;
/// First version that can be asked to wait for transactions.
const FIRST_VERSION_STABLE: i16 = 7;
/// Last version with names of topics.
const LAST_VERSION_WITH_NAMES: i16 = 9;

/// What an answer says.
#[derive(Clone, Debug)]
pub enum CommittedAnswer {
    /// The offsets; nothing for partitions without one.
    Found(BTreeMap<TopicPartition, Option<OffsetAndMetadata>>),
    /// To be tried again. With `find_coordinator` after looking for it anew.
    Retry {
        /// Why.
        error: Error,
        /// Whether another node may be the coordinator by now.
        find_coordinator: bool,
    },
    /// Never.
    Failed(Error),
}

/// Highest version that can carry a look-up of these partitions.
pub fn highest_version(partitions: &[TopicPartition], ids: &TopicIds) -> i16 {
    if ids.has_all(partitions.iter().map(|tp| &tp.topic)) { 10 } else { LAST_VERSION_WITH_NAMES }
}

/// The request, in the form of a version. Offsets of open transactions are waited for, where the broker can.
pub fn committed_request(
    version: i16,
    partitions: &[TopicPartition],
    member: &ConsumerGroupMetadata,
    has_member_epochs: bool,
    ids: &TopicIds,
) -> OffsetFetchRequest {
    let topics = by_topic(partitions.iter().map(|tp| (tp.clone(), ())));
    let indexes = |partitions: Vec<(i32, ())>| partitions.into_iter().map(|(index, ())| index).collect();
    let mut request =
        OffsetFetchRequest { require_stable: version >= FIRST_VERSION_STABLE, ..Default::default() };
    if version < FIRST_VERSION_WITH_GROUPS {
        let topics = topics.into_iter();
        let topic =
            |(name, partitions)| OffsetFetchRequestTopic { name, partition_indexes: indexes(partitions) };
        request.group_id = member.group_id.clone();
        request.topics = Some(topics.map(topic).collect());
        return request;
    }
    let topic = |(name, partitions): (Str, Vec<(i32, ())>)| OffsetFetchRequestTopics {
        topic_id: ids.id(&name),
        name,
        partition_indexes: indexes(partitions),
    };
    let is_member = has_member_epochs && !member.member_id.is_empty() && member.generation_id >= 0;
    request.groups.push(OffsetFetchRequestGroup {
        group_id: member.group_id.clone(),
        member_id: is_member.then(|| member.member_id.clone()),
        member_epoch: if is_member { member.generation_id } else { -1 },
        topics: Some(topics.into_iter().map(topic).collect()),
    });
    request
}

struct Found {
    topic: Str,
    partition: i32,
    error: ErrorCode,
    offset: i64,
    leader_epoch: i32,
    metadata: Option<Str>,
}

/// What the answer means.
pub fn read_committed(
    group_id: &str,
    ids: &TopicIds,
    version: i16,
    response: OffsetFetchResponse,
) -> CommittedAnswer {
    let (error, found) = flatten(ids, version, response);
    if error.is_err() {
        return group_failure(group_id, error);
    }
    let mut offsets = BTreeMap::new();
    let mut unauthorized = Unauthorized::default();
    let mut retry = None;
    for found in found {
        let tp = TopicPartition::new(found.topic, found.partition);
        match found.error {
            ErrorCode::None => {
                let offset = (found.offset >= 0).then(|| OffsetAndMetadata {
                    offset: found.offset,
                    leader_epoch: (found.leader_epoch >= 0).then_some(found.leader_epoch),
                    metadata: found.metadata.unwrap_or_default(),
                });
                offsets.insert(tp, offset);
            }
            ErrorCode::TopicAuthorizationFailed => unauthorized.add(&tp.topic),
            error @ (ErrorCode::UnstableOffsetCommit | ErrorCode::UnknownTopicId) => retry = Some(error),
            ErrorCode::UnknownTopicOrPartition => {
                return CommittedAnswer::Failed(Error::api(
                    found.error,
                    Some(&format!("Topic or Partition {tp} does not exist")),
                ));
            }
            error => {
                let text = format!(
                    "Unexpected error in fetch offset response for partition {tp}: {}",
                    error.message()
                );
                return CommittedAnswer::Failed(Error::api(error, Some(&text)));
            }
        }
    }
    match (unauthorized.check(), retry) {
        (Err(error), _) => CommittedAnswer::Failed(error),
        (_, Some(code)) => CommittedAnswer::Retry { error: Error::api(code, None), find_coordinator: false },
        _ => CommittedAnswer::Found(offsets),
    }
}

fn flatten(ids: &TopicIds, version: i16, response: OffsetFetchResponse) -> (ErrorCode, Vec<Found>) {
    let mut out = Vec::new();
    let mut add =
        |topic: &Str, partition: i32, error: i16, offset: i64, leader_epoch: i32, metadata: Option<Str>| {
            let error = ErrorCode::from_code(error);
            out.push(Found { topic: topic.clone(), partition, error, offset, leader_epoch, metadata });
        };
    if version < FIRST_VERSION_WITH_GROUPS {
        for topic in response.topics {
            for p in topic.partitions {
                add(
                    &topic.name,
                    p.partition_index,
                    p.error_code,
                    p.committed_offset,
                    p.committed_leader_epoch,
                    p.metadata,
                );
            }
        }
        return (ErrorCode::from_code(response.error_code), out);
    }
    let Some(group) = response.groups.into_iter().next() else { return (ErrorCode::UnknownServerError, out) };
    for topic in group.topics {
        let id = if version > LAST_VERSION_WITH_NAMES { topic.topic_id } else { Uuid::ZERO };
        let name = ids.name(&topic.name, id);
        for p in topic.partitions {
            add(
                &name,
                p.partition_index,
                p.error_code,
                p.committed_offset,
                p.committed_leader_epoch,
                p.metadata,
            );
        }
    }
    (ErrorCode::from_code(group.error_code), out)
}

fn group_failure(group_id: &str, code: ErrorCode) -> CommittedAnswer {
    match code {
        ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => {
            CommittedAnswer::Retry { error: Error::api(code, None), find_coordinator: true }
        }
        ErrorCode::GroupAuthorizationFailed => CommittedAnswer::Failed(group_not_authorized(group_id)),
        // The member may have another epoch, or have to join anew, by the time of the answer.
        code if code.is_retriable()
            || matches!(code, ErrorCode::StaleMemberEpoch | ErrorCode::UnknownMemberId) =>
        {
            CommittedAnswer::Retry { error: Error::api(code, None), find_coordinator: false }
        }
        code => CommittedAnswer::Failed(Error::api(
            code,
            Some(&format!("Unexpected error in fetch offset response: {}", code.message())),
        )),
    }
}
