//! OffsetFetch (`OffsetMetadataManager.fetchOffsets`, `fetchAllOffsets`, and the versions of
//! `OffsetFetchRequest` and `OffsetFetchResponse`).

use ottla_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use ottla_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::errors::offset_fetch_error;
use crate::group::Group;
use crate::group::classic::ClassicGroupState;
use crate::offsets::{OffsetAndMetadata, OffsetKey};
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

const BATCH_VERSION_MIN: i16 = 8;
const TOP_LEVEL_ERROR_VERSION_MIN: i16 = 2;
const INVALID_OFFSET: i64 = -1;
const NO_LEADER_EPOCH: i32 = -1;

impl GroupCoordinatorShard {
    /// The offsets of a group, all of them when the request names no topics.
    ///
    /// Topics carry their names; with an id as well, an offset that was committed for another topic of that
    /// name is not returned. "All" answers with names and zero ids, which the caller resolves for version 10.
    ///
    /// With `require_stable` the latest offsets are read and the answer waits until they are committed; a
    /// partition for which a transaction is open answers UNSTABLE_OFFSET_COMMIT. Without, the committed
    /// offsets are read, and the answer is due at once.
    pub fn fetch_offsets(
        &self,
        request: &OffsetFetchRequestGroup,
        require_stable: bool,
        reply_id: ReplyId,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let (member_id, member_epoch) = (request.member_id.as_ref(), request.member_epoch);
        let valid = match self.group_at(&request.group_id, require_stable) {
            Some(Group::Consumer(group)) => {
                group.validate_offset_fetch(member_id, member_epoch, require_stable)
            }
            Some(Group::Streams(group)) => group.validate_offset_fetch(member_id, member_epoch),
            // A share group has no offsets of this kind, as if it did not exist.
            Some(Group::Classic(_) | Group::Share(_)) | None => Ok(()),
        };
        if let Err(error) = valid {
            let response = OffsetFetchResponseGroup {
                group_id: request.group_id.clone(),
                error_code: error.code(),
                ..Default::default()
            };
            out.reply(reply_id, Reply::OffsetFetch(response));
            return out;
        }
        let topics = match (&request.topics, self.has_group_at(&request.group_id, require_stable)) {
            (Some(topics), exists) => self.fetch_topics(&request.group_id, topics, exists, require_stable),
            (None, true) => self.fetch_all(&request.group_id, require_stable),
            (None, false) => Vec::new(),
        };
        let response =
            OffsetFetchResponseGroup { group_id: request.group_id.clone(), topics, ..Default::default() };
        if require_stable {
            out.reply_after_commit(reply_id, Reply::OffsetFetch(response));
        } else {
            out.reply(reply_id, Reply::OffsetFetch(response));
        }
        out
    }

    fn has_group_at(&self, group_id: &Str, latest: bool) -> bool {
        match self.group_at(group_id, latest) {
            Some(Group::Classic(group)) => group.state() != ClassicGroupState::Dead,
            Some(Group::Consumer(_) | Group::Streams(_)) => true,
            Some(Group::Share(_)) | None => false,
        }
    }

    fn group_at(&self, group_id: &Str, latest: bool) -> Option<&Group> {
        if latest { self.groups.get(group_id) } else { self.groups.get_committed(group_id) }
    }

    fn fetch_topics(
        &self,
        group_id: &Str,
        topics: &[OffsetFetchRequestTopics],
        exists: bool,
        require_stable: bool,
    ) -> Vec<OffsetFetchResponseTopics> {
        let topics = topics.iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|partition_index| {
                let key = OffsetKey::new(group_id.clone(), topic.name.clone(), *partition_index);
                if require_stable && self.offsets.is_pending(&key) {
                    return unstable(*partition_index);
                }
                let offset = self.offsets.get_at(&key, require_stable).filter(|_| exists);
                match offset.filter(|offset| is_same_topic(offset.topic_id, topic.topic_id)) {
                    Some(offset) => found(*partition_index, offset),
                    None => missing(*partition_index),
                }
            });
            OffsetFetchResponseTopics {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions: partitions.collect(),
            }
        });
        topics.collect()
    }

    fn fetch_all(&self, group_id: &Str, require_stable: bool) -> Vec<OffsetFetchResponseTopics> {
        let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
        let mut add = |key: &OffsetKey, partition: OffsetFetchResponsePartitions| match topics.last_mut() {
            Some(topic) if topic.name == key.topic => topic.partitions.push(partition),
            _ => topics.push(OffsetFetchResponseTopics {
                name: key.topic.clone(),
                topic_id: Uuid::ZERO,
                partitions: vec![partition],
            }),
        };
        if require_stable {
            for (key, offset) in self.offsets.of_group(group_id) {
                let is_pending = self.offsets.is_pending(key);
                add(key, if is_pending { unstable(key.partition) } else { found(key.partition, offset) });
            }
        } else {
            for (key, offset) in self.offsets.of_group_committed(group_id) {
                add(key, found(key.partition, offset));
            }
        }
        topics
    }
}

/// The groups of a request. Up to version 7 there is one, in fields of its own.
pub fn offset_fetch_groups(api_version: i16, request: &OffsetFetchRequest) -> Vec<OffsetFetchRequestGroup> {
    if api_version >= BATCH_VERSION_MIN {
        return request.groups.clone();
    }
    let topics = request.topics.as_ref().map(|topics| {
        let topics = topics.iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name.clone(),
            topic_id: Uuid::ZERO,
            partition_indexes: topic.partition_indexes.clone(),
        });
        topics.collect()
    });
    vec![OffsetFetchRequestGroup { group_id: request.group_id.clone(), topics, ..Default::default() }]
}

/// The response that holds these groups. Up to version 7 there is one, in fields of its own.
pub fn offset_fetch_response(api_version: i16, groups: Vec<OffsetFetchResponseGroup>) -> OffsetFetchResponse {
    if api_version >= BATCH_VERSION_MIN {
        return OffsetFetchResponse { groups, ..Default::default() };
    }
    let Some(group) = groups.into_iter().next() else { return OffsetFetchResponse::default() };
    let topics = group.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
            partition_index: partition.partition_index,
            committed_offset: partition.committed_offset,
            committed_leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata,
            error_code: partition.error_code,
        });
        OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
    });
    OffsetFetchResponse { error_code: group.error_code, topics: topics.collect(), ..Default::default() }
}

/// The answer for a group whose shard can't be asked. Version 1 has no error for the group: each partition
/// has it.
pub fn offset_fetch_group_error(
    api_version: i16,
    group: &OffsetFetchRequestGroup,
    error: ErrorCode,
) -> OffsetFetchResponseGroup {
    let error_code = offset_fetch_error(error).code();
    let mut response = OffsetFetchResponseGroup { group_id: group.group_id.clone(), ..Default::default() };
    if api_version >= TOP_LEVEL_ERROR_VERSION_MIN {
        response.error_code = error_code;
        return response;
    }
    let topics = group.topics.iter().flatten().map(|topic| OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: (topic.partition_indexes.iter())
            .map(|index| OffsetFetchResponsePartitions { error_code, ..missing(*index) })
            .collect(),
    });
    response.topics = topics.collect();
    response
}

/// An offset is for another topic of the same name only when both ids are known and differ.
fn is_same_topic(committed: Uuid, requested: Uuid) -> bool {
    committed.is_zero() || requested.is_zero() || committed == requested
}

fn found(partition_index: i32, offset: &OffsetAndMetadata) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: offset.committed_offset,
        committed_leader_epoch: offset.leader_epoch.unwrap_or(NO_LEADER_EPOCH),
        metadata: Some(offset.metadata.clone()),
        error_code: ErrorCode::None.code(),
    }
}

fn missing(partition_index: i32) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: INVALID_OFFSET,
        committed_leader_epoch: NO_LEADER_EPOCH,
        metadata: Some(Str::new()),
        error_code: ErrorCode::None.code(),
    }
}

fn unstable(partition_index: i32) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        error_code: ErrorCode::UnstableOffsetCommit.code(),
        ..missing(partition_index)
    }
}

#[cfg(test)]
#[path = "fetch_test.rs"]
mod tests;
