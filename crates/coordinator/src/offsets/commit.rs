//! OffsetCommit (`OffsetMetadataManager.commitOffset`).

use ottla_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use ottla_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::context::RequestContext;
use crate::errors::offset_commit_error;
use crate::group::Group;
use crate::group::classic::{ClassicGroupState, CommitValidation};
use crate::group::consumer::CommitPartitions;
use crate::offsets::{OffsetAndMetadata, OffsetKey};
use crate::records::{CoordinatorRecord, offset_commit_record};
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

/// `OffsetCommitRequest.DEFAULT_RETENTION_TIME`: the broker's retention holds.
const DEFAULT_RETENTION_TIME: i64 = -1;

impl GroupCoordinatorShard {
    /// Commits the offsets of a group, or of a consumer without a group (generation -1).
    ///
    /// The request's topics carry their names, and their ids as far as they are known; the caller has
    /// resolved one from the other and answers unknown topics itself. The answer waits for the commit of the
    /// records.
    pub fn commit_offset(
        &mut self,
        context: &RequestContext,
        request: &OffsetCommitRequest,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let checked = self.validate_offset_commit(context, request, now_ms, &mut out).and_then(|allowed| {
            // One partition that may not be committed refuses all.
            request.topics.iter().try_for_each(|topic| {
                let topic_id = self.topic_id_of(topic.topic_id, &topic.name);
                let mut partitions = topic.partitions.iter().filter(|partition| !self.is_refused(partition));
                partitions.try_for_each(|partition| allowed.validate(topic_id, partition.partition_index))
            })
        });
        if let Err(error) = checked {
            out.reply(reply_id, Reply::OffsetCommit(offset_commit_error(request, error)));
            return out;
        }
        let expire_timestamp_ms = (request.retention_time_ms != DEFAULT_RETENTION_TIME)
            .then(|| now_ms.saturating_add(request.retention_time_ms));
        let mut response = OffsetCommitResponse::default();
        for topic in &request.topics {
            let partitions = topic.partitions.iter().map(|partition| {
                let key =
                    OffsetKey::new(request.group_id.clone(), topic.name.clone(), partition.partition_index);
                let offset = from_request(topic.topic_id, partition, now_ms, expire_timestamp_ms);
                let error = match self.offset_record(&key, &offset) {
                    Ok(record) => {
                        out.records.push(record);
                        ErrorCode::None
                    }
                    Err(error) => error,
                };
                OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: error.code(),
                }
            });
            response.topics.push(OffsetCommitResponseTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions: partitions.collect(),
            });
        }
        out.reply_after_commit(reply_id, Reply::OffsetCommit(response));
        out
    }

    /// The record of an offset, or why it can't be committed.
    pub(super) fn offset_record(
        &self,
        key: &OffsetKey,
        offset: &OffsetAndMetadata,
    ) -> Result<CoordinatorRecord, ErrorCode> {
        if is_too_long(&offset.metadata, self.config.offset_metadata_max_bytes) {
            return Err(ErrorCode::OffsetMetadataTooLarge);
        }
        // Only its metadata can make a record impossible: in version 1 it is limited to 32 KiB.
        offset_commit_record(key, offset).map_err(|_| ErrorCode::OffsetMetadataTooLarge)
    }

    fn validate_offset_commit(
        &mut self,
        context: &RequestContext,
        request: &OffsetCommitRequest,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) -> Result<CommitPartitions, ErrorCode> {
        let group =
            match self.group_for_commit(&request.group_id, request.generation_id_or_member_epoch, now_ms) {
                Ok(group) => group,
                // From version 9 on, clients know the error that says what is the matter.
                Err(ErrorCode::IllegalGeneration) if context.api_version >= 9 => {
                    return Err(ErrorCode::GroupIdNotFound);
                }
                Err(error) => return Err(error),
            };
        let commit = CommitValidation {
            member_id: &request.member_id,
            group_instance_id: request.group_instance_id.as_ref(),
            generation_id: request.generation_id_or_member_epoch,
            is_transactional: false,
        };
        let group = match group {
            Group::Consumer(group) => return group.validate_offset_commit(&commit, context.api_version),
            Group::Streams(group) => {
                let partitions = request.topics.iter().flat_map(|topic| {
                    topic.partitions.iter().map(|partition| (&topic.name, partition.partition_index))
                });
                let valid = group.validate_offset_commit(&commit, context.api_version, partitions);
                return valid.map(|()| CommitPartitions::Any);
            }
            Group::Share(_) => return Err(ErrorCode::GroupIdNotFound),
            Group::Classic(group) => group,
        };
        group.validate_offset_commit(&commit)?;
        // Committing keeps the session alive.
        if matches!(group.state(), ClassicGroupState::Stable | ClassicGroupState::PreparingRebalance) {
            group.reschedule_heartbeat(&request.member_id, now_ms, out);
        }
        Ok(CommitPartitions::Any)
    }

    /// The id of a topic, by its name if the request has none.
    pub(super) fn topic_id_of(&self, topic_id: Uuid, name: &str) -> Uuid {
        match topic_id.is_zero() {
            true => self.image.topics.topic_id(name).unwrap_or_default(),
            false => topic_id,
        }
    }

    /// Whether a partition is answered with an error of its own.
    fn is_refused(&self, partition: &OffsetCommitRequestPartition) -> bool {
        let metadata = partition.committed_metadata.as_ref();
        metadata.is_some_and(|metadata| is_too_long(metadata, self.config.offset_metadata_max_bytes))
    }

    /// The group to which offsets are committed. A consumer that manages its partitions itself has none: its
    /// offsets make a simple group, one without members or protocol type.
    pub(super) fn group_for_commit(
        &mut self,
        group_id: &Str,
        generation_id: i32,
        now_ms: i64,
    ) -> Result<&mut Group, ErrorCode> {
        if self.groups.get(group_id).is_none() {
            if generation_id >= 0 {
                return Err(ErrorCode::IllegalGeneration);
            }
            if group_id.len() > crate::group::TEXT_LENGTH_MAX {
                return Err(ErrorCode::InvalidGroupId);
            }
            self.create_classic_group(group_id, now_ms);
        }
        self.groups.get_mut(group_id).ok_or(ErrorCode::UnknownServerError)
    }
}

fn from_request(
    topic_id: Uuid,
    partition: &OffsetCommitRequestPartition,
    now_ms: i64,
    expire_timestamp_ms: Option<i64>,
) -> OffsetAndMetadata {
    OffsetAndMetadata {
        committed_offset: partition.committed_offset,
        leader_epoch: (partition.committed_leader_epoch != -1).then_some(partition.committed_leader_epoch),
        metadata: partition.committed_metadata.clone().unwrap_or_default(),
        commit_timestamp_ms: now_ms,
        expire_timestamp_ms,
        record_offset: -1,
        topic_id,
    }
}

/// Whether a text has more UTF-16 units than `units_max`.
fn is_too_long(text: &str, units_max: i32) -> bool {
    let units_max = usize::try_from(units_max).unwrap_or(0);
    // No text has more units than bytes.
    text.len() > units_max && text.encode_utf16().count() > units_max
}

#[cfg(test)]
#[path = "commit_test.rs"]
mod tests;
