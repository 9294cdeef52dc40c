//! DeleteGroups (`GroupCoordinatorShard.deleteGroups`).

use ottla_protocol::messages::delete_groups_response::DeletableGroupResult;
use ottla_protocol::{ErrorCode, Str};

use crate::records::CoordinatorRecord;
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// Deletes groups that have no members, with all their offsets. The ids all belong to this shard, each
    /// once.
    pub fn delete_groups(&self, group_ids: &[Str], reply_id: ReplyId) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let results = group_ids.iter().map(|group_id| {
            let error = self.delete_group(group_id, &mut out.records).err().unwrap_or(ErrorCode::None);
            DeletableGroupResult { group_id: group_id.clone(), error_code: error.code() }
        });
        let results = results.collect();
        out.reply_after_commit(reply_id, Reply::DeleteGroups(results));
        out
    }

    fn delete_group(&self, group_id: &Str, records: &mut Vec<CoordinatorRecord>) -> Result<(), ErrorCode> {
        let group = self.groups.get(group_id).ok_or(ErrorCode::GroupIdNotFound)?;
        group.validate_delete()?;
        self.delete_all_offsets(group_id, records);
        records.extend(group.tombstones(group_id)?);
        Ok(())
    }
}

#[cfg(test)]
#[path = "delete_test.rs"]
mod tests;
