//! OffsetDelete (`OffsetMetadataManager.deleteOffsets`), and the removal of the offsets of deleted groups and
//! topics.

use ottla_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use ottla_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::group::Group;
use crate::offsets::OffsetKey;
use crate::records::{CoordinatorRecord, offset_commit_tombstone};
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// Removes offsets of a group, except of topics that its members are subscribed to. The caller answers
    /// for topics and partitions that do not exist.
    pub fn delete_offsets(&self, request: &OffsetDeleteRequest, reply_id: ReplyId) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let group = match self.group_for_offset_delete(&request.group_id) {
            Ok(group) => group,
            Err(error) => {
                let response = OffsetDeleteResponse { error_code: error.code(), ..Default::default() };
                out.reply(reply_id, Reply::OffsetDelete(response));
                return out;
            }
        };
        let mut response = OffsetDeleteResponse::default();
        for topic in &request.topics {
            let is_subscribed = group.is_subscribed_to(&topic.name);
            let error = if is_subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
            let partitions = topic.partitions.iter().map(|partition| {
                let key =
                    OffsetKey::new(request.group_id.clone(), topic.name.clone(), partition.partition_index);
                if !is_subscribed && (self.offsets.get(&key).is_some() || self.offsets.is_pending(&key)) {
                    out.records.extend(offset_commit_tombstone(&key));
                }
                OffsetDeleteResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: error.code(),
                }
            });
            response.topics.push(OffsetDeleteResponseTopic {
                name: topic.name.clone(),
                partitions: partitions.collect(),
            });
        }
        out.reply_after_commit(reply_id, Reply::OffsetDelete(response));
        out
    }

    /// Topics were deleted: their offsets go. An offset that was committed for a younger topic of the same
    /// name stays.
    pub fn on_topics_deleted(&self, deleted_topics: &[(Uuid, Str)]) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        out.write.atomic = false;
        let committed = self.offsets.iter();
        let pending = self.offsets.iter_pending().map(|((_, key), offset)| (key, offset));
        for (key, offset) in committed.chain(pending) {
            let is_deleted = deleted_topics.iter().any(|(topic_id, name)| {
                *name == key.topic && (offset.topic_id.is_zero() || offset.topic_id == *topic_id)
            });
            if is_deleted {
                out.records.extend(offset_commit_tombstone(key));
            }
        }
        self.cleanup_share_state(deleted_topics, &mut out.records);
        out
    }

    /// The tombstones of all offsets of a group, those of open transactions included.
    pub(crate) fn delete_all_offsets(&self, group_id: &Str, records: &mut Vec<CoordinatorRecord>) {
        let committed = self.offsets.of_group(group_id).map(|(key, _)| key);
        let pending = self.offsets.pending_of_group(group_id).filter(|key| self.offsets.get(key).is_none());
        records.extend(committed.chain(pending).filter_map(|key| offset_commit_tombstone(key).ok()));
    }

    fn group_for_offset_delete(&self, group_id: &Str) -> Result<&Group, ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let group = self.groups.get(group_id).ok_or(ErrorCode::GroupIdNotFound)?;
        group.validate_offset_delete()?;
        Ok(group)
    }
}

#[cfg(test)]
#[path = "delete_test.rs"]
mod tests;
