//! Expiry of offsets and of the groups that are left without any
//! (`GroupCoordinatorShard.cleanupGroupMetadata`, KIP-211).
//!
//! An offset that was committed with a retention time of its own (OffsetCommit 2-4) expires when that ends.
//! Any other expires `offsets.retention.minutes` after a moment that depends on its group:
//!
//! | group | moment |
//! | --- | --- |
//! | without protocol type (offsets only) | the offset was committed |
//! | empty | the group became empty; if that was not recorded, the offset was committed |
//! | stable, protocol type `consumer`, topic not subscribed to | the offset was committed |
//! | consumer group (KIP-848), topic not subscribed to | the offset was committed |
//! | any other | never |
//!
//! An offset with an open transaction stays.

use ottla_protocol::Str;

use crate::offsets::OffsetAndMetadata;
use crate::records::{CoordinatorRecord, offset_commit_tombstone};
use crate::result::{CoordinatorResult, GroupEvent};
use crate::shard::GroupCoordinatorShard;
use crate::timers::TimerKey;

/// From when on the retention time of a group's offsets runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpirationBase {
    /// From the commit of each offset.
    CommitTimestamp,
    /// From this moment, Unix ms.
    StateTimestamp(i64),
}

impl ExpirationBase {
    fn is_expired(self, offset: &OffsetAndMetadata, retention_ms: i64, now_ms: i64) -> bool {
        if let Some(expire_timestamp_ms) = offset.expire_timestamp_ms {
            return now_ms >= expire_timestamp_ms;
        }
        let base_ms = match self {
            ExpirationBase::CommitTimestamp => offset.commit_timestamp_ms,
            ExpirationBase::StateTimestamp(timestamp_ms) => timestamp_ms,
        };
        now_ms.saturating_sub(base_ms) >= retention_ms
    }
}

impl GroupCoordinatorShard {
    /// Removes the offsets that have expired, and the empty groups that have no offsets left; then arms the
    /// timer for the next time. Called by `on_timer`.
    pub fn cleanup_expired(&self, now_ms: i64) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        out.write.atomic = false;
        for (group_id, group) in self.groups.iter().filter(|(_, group)| group.expires()) {
            let all_expired = self.cleanup_expired_offsets(group_id, now_ms, &mut out.records);
            if all_expired && group.is_empty() {
                out.records.extend(group.tombstones(group_id).unwrap_or_default());
            }
        }
        if !out.records.is_empty() {
            out.events.push(GroupEvent::Expired { tombstones: out.records.len() });
        }
        self.schedule_group_expiration(now_ms, &mut out);
        out
    }

    pub(crate) fn schedule_group_expiration(&self, now_ms: i64, out: &mut CoordinatorResult) {
        out.schedule(TimerKey::GroupExpiration, now_ms, self.config.offsets_retention_check_interval_ms);
    }

    /// Whether the group has no offsets left, pending ones included.
    fn cleanup_expired_offsets(
        &self,
        group_id: &Str,
        now_ms: i64,
        records: &mut Vec<CoordinatorRecord>,
    ) -> bool {
        let has_pending = self.offsets.pending_of_group(group_id).next().is_some();
        if self.offsets.of_group(group_id).next().is_none() {
            return !has_pending;
        }
        let Some(group) = self.groups.get(group_id) else { return false };
        let Some(base) = group.expiration_base() else { return false };
        let mut all_expired = true;
        for (key, offset) in self.offsets.of_group(group_id) {
            let is_expired = !group.is_subscribed_to(&key.topic)
                && base.is_expired(offset, self.config.offsets_retention_ms, now_ms)
                && !self.offsets.is_pending(key);
            if is_expired {
                records.extend(offset_commit_tombstone(key));
            } else {
                all_expired = false;
            }
        }
        all_expired && !has_pending
    }
}

#[cfg(test)]
#[path = "expire_test.rs"]
mod tests;
