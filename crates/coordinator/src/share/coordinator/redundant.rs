//! Up to where a partition of `__share_group_state` is not needed any more
//! (`ShareCoordinatorOffsetsManager`).

use std::collections::BTreeMap;

use super::record::SharePartitionKey;

/// The offset of each share partition's latest snapshot. What stands before the first of these is redundant.
#[derive(Debug, Default)]
pub(super) struct RedundantOffsets {
    by_key: BTreeMap<SharePartitionKey, i64>,
    by_offset: BTreeMap<i64, SharePartitionKey>,
    redundant: Option<i64>,
}

impl RedundantOffsets {
    /// A snapshot of `key`, or its tombstone, was written at `offset`.
    pub fn update(&mut self, key: &SharePartitionKey, offset: i64, is_delete: bool) {
        if let Some(previous) = self.by_key.insert(key.clone(), offset) {
            self.by_offset.remove(&previous);
        }
        self.by_offset.insert(offset, key.clone());
        self.redundant = self.by_offset.first_key_value().map(|(offset, _)| *offset);
        if is_delete {
            self.by_key.remove(key);
            self.by_offset.remove(&offset);
        }
    }

    /// Records below this offset are redundant; `None`: there are none such.
    pub fn last_redundant_offset(&self) -> Option<i64> {
        self.redundant.filter(|offset| *offset > 0)
    }
}
