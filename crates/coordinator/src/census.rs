//! What shards hold, in pieces, for those who count it: a shard is held up for one piece at a time, however much it holds.

use std::ops::Bound;

use ottla_protocol::Str;

use crate::group::GroupType;
use crate::offsets::OffsetKey;
use crate::shard::GroupCoordinatorShard;
use crate::transaction::{TransactionCoordinatorShard, TransactionState};

/// A group in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Its id.
    pub group_id: Str,
    /// Its type.
    pub group_type: GroupType,
    /// The state's name, as ListGroups tells it.
    pub state: &'static str,
    /// Number of members.
    pub members: usize,
}

/// A transactional id in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionSummary {
    /// The id.
    pub transactional_id: Str,
    /// Its state.
    pub state: TransactionState,
    /// When its transaction began, Unix ms; -1: there is none.
    pub start_ms: i64,
}

impl GroupCoordinatorShard {
    /// At most `max` groups, in order of their ids, from the one behind `after` on.
    pub fn groups_after(&self, after: Option<&Str>, max: usize) -> Vec<GroupSummary> {
        let groups = self.groups.range_committed(behind(after));
        let summary = |(group_id, group): (&Str, &crate::group::Group)| GroupSummary {
            group_id: group_id.clone(),
            group_type: group.group_type(),
            state: group.state_name(),
            members: group.members_len(),
        };
        groups.map(summary).take(max).collect()
    }

    /// At most `max` committed offsets, in order of group, topic and partition, from the one behind `after` on.
    pub fn offsets_after(&self, after: Option<&OffsetKey>, max: usize) -> Vec<(OffsetKey, i64)> {
        let offsets = self.offsets.range(behind(after)).take(max);
        offsets.map(|(key, offset)| (key.clone(), offset.committed_offset)).collect()
    }
}

impl TransactionCoordinatorShard {
    /// At most `max` transactional ids, in order, from the one behind `after` on.
    pub fn transactions_after(&self, after: Option<&Str>, max: usize) -> Vec<TransactionSummary> {
        let transactions = self.transactions.range_committed(behind(after)).take(max);
        let summary = |(id, metadata): (&Str, &crate::transaction::TransactionMetadata)| TransactionSummary {
            transactional_id: id.clone(),
            state: metadata.state,
            start_ms: metadata.txn_start_timestamp_ms,
        };
        transactions.map(summary).collect()
    }
}

/// Everything behind a key.
pub(crate) fn behind<K: Clone>(after: Option<&K>) -> (Bound<K>, Bound<K>) {
    (after.cloned().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

#[cfg(test)]
#[path = "census_test.rs"]
mod tests;
