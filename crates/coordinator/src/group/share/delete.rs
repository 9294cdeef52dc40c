//! What goes with a share group that is deleted, and with a topic (`sharePartitionDeleteRequests`,
//! `maybeCleanupShareGroupState`).

use ottla_protocol::{ErrorCode, Str, Uuid};

use super::offsets::all_partitions;
use super::record;
use super::state_metadata::{DeleteShareState, InitTopic, InitTopics, ShareStateMetadata, combine};
use crate::group::Group;
use crate::records::CoordinatorRecord;
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// The first half of DeleteGroups: the state of a share group goes before the group does. The answer says
    /// what the share coordinator is to delete, if anything; then comes
    /// [`delete_groups`](Self::delete_groups). Groups of other types have nothing of the kind.
    pub fn delete_share_group_state(
        &mut self,
        group_id: &str,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        self.share_clock_ms = now_ms;
        let mut out = CoordinatorResult::default();
        let outcome = self.state_to_delete(group_id, &mut out.records);
        out.reply_after_commit(reply_id, Reply::DeleteShareGroupState(outcome));
        out
    }

    fn state_to_delete(
        &self,
        group_id: &str,
        records: &mut Vec<CoordinatorRecord>,
    ) -> Result<Option<DeleteShareState>, ErrorCode> {
        let Some(Group::Share(group)) = self.groups.get(group_id) else { return Ok(None) };
        group.validate_delete()?;
        let Some(metadata) = &group.state_metadata else { return Ok(None) };
        let again = metadata.deleting.keys().filter_map(|topic_id| {
            let topic = self.image.topics.topic_by_id(*topic_id)?;
            let (name, partitions) = (topic.name.clone(), all_partitions(topic));
            Some((*topic_id, InitTopic { name, partitions, timestamp_ms: 0 }))
        });
        let gone = combine(&metadata.initialized, &metadata.initializing);
        let gone = combine(&gone, &again.collect::<InitTopics>());
        let left = ShareStateMetadata {
            deleting: gone.iter().map(|(topic_id, topic)| (*topic_id, topic.name.clone())).collect(),
            ..Default::default()
        };
        let record = record::state_partitions(group.group_id(), &left);
        records.push(record.map_err(|_| ErrorCode::UnknownServerError)?);
        let partitions = gone.into_iter().filter(|(_, topic)| !topic.partitions.is_empty());
        let delete = DeleteShareState {
            group_id: group.group_id().clone(),
            partitions: partitions.map(|(topic_id, topic)| (topic_id, topic.partitions)).collect(),
        };
        Ok(Some(delete).filter(|delete| !delete.partitions.is_empty()))
    }

    /// Topics are gone, and share groups have no state for them any more.
    pub(crate) fn cleanup_share_state(
        &self,
        deleted_topics: &[(Uuid, Str)],
        records: &mut Vec<CoordinatorRecord>,
    ) {
        let is_deleted = |id: &Uuid| deleted_topics.iter().any(|(deleted, _)| deleted == id);
        for (group_id, group) in self.groups.iter() {
            let Group::Share(group) = group else { continue };
            let Some(metadata) = &group.state_metadata else { continue };
            let mut left = metadata.clone();
            left.initializing.retain(|topic_id, _| !is_deleted(topic_id));
            left.initialized.retain(|topic_id, _| !is_deleted(topic_id));
            left.deleting.retain(|topic_id, _| !is_deleted(topic_id));
            if left != *metadata {
                records.extend(record::state_partitions(group_id, &left));
            }
        }
    }
}
