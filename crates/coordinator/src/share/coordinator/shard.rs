//! One partition of `__share_group_state`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_metadata::MetadataImage;
use ottla_protocol::ErrorCode;

use super::operations::{StateError, StateReply};
use super::partition_state::PartitionState;
use super::record::{
    SharePartitionKey, ShareRecord, decode_share_record, snapshot_record, snapshot_tombstone,
};
use super::redundant::RedundantOffsets;
use crate::census::behind;
use crate::errors::coordinator_error;
use crate::result::{CoordinatorResult, Deferred};
use crate::{CoordinatorShard, ReplayError, Replayed};

/// Settings of the share coordinator, each named after its key without `share.coordinator.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareCoordinatorConfig {
    /// `snapshot.update.records.per.snapshot`
    pub snapshot_update_records_per_snapshot: i32,
    /// `write.timeout.ms`
    pub write_timeout_ms: i32,
    /// `state.topic.prune.interval.ms`
    pub state_topic_prune_interval_ms: i32,
    /// `cold.partition.snapshot.interval.ms`
    pub cold_partition_snapshot_interval_ms: i32,
}

impl Default for ShareCoordinatorConfig {
    fn default() -> Self {
        Self {
            snapshot_update_records_per_snapshot: 500,
            write_timeout_ms: 5_000,
            state_topic_prune_interval_ms: 300_000,
            cold_partition_snapshot_interval_ms: 300_000,
        }
    }
}

/// What a shard is to be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ShareCoordinatorTimer {
    /// Snapshots of partitions that are not written to.
    SnapshotColdPartitions,
    /// Deletion of what snapshots have made redundant.
    Prune,
}

/// What the driver is to do beyond the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareCoordinatorEvent {
    /// Delete the records of the partition below this offset.
    Prune {
        /// First offset to keep.
        before_offset: i64,
    },
}

/// A share partition, and what is remembered to fence writers.
#[derive(Debug)]
pub(super) struct Tracked {
    pub state: PartitionState,
    pub highest_leader_epoch: i32,
    pub highest_state_epoch: i32,
    /// Updates that count towards the next snapshot.
    pub updates: i32,
}

/// The coordinator of the share partitions of one partition of `__share_group_state`.
///
/// *Invariant:* its state changes in `replay` only.
#[derive(Debug)]
pub struct ShareCoordinatorShard {
    config: Arc<ShareCoordinatorConfig>,
    image: Arc<MetadataImage>,
    partitions: BTreeMap<SharePartitionKey, Tracked>,
    redundant: RedundantOffsets,
    pruned: Option<i64>,
    log_end_offset: i64,
    high_watermark: i64,
}

impl ShareCoordinatorShard {
    /// A shard without state.
    pub fn new(config: Arc<ShareCoordinatorConfig>, image: Arc<MetadataImage>) -> Self {
        Self {
            config,
            image,
            partitions: BTreeMap::new(),
            redundant: RedundantOffsets::default(),
            pruned: None,
            log_end_offset: 0,
            high_watermark: 0,
        }
    }

    /// What is known of a share partition.
    pub fn partition_state(&self, key: &SharePartitionKey) -> Option<&PartitionState> {
        self.partitions.get(key).map(|tracked| &tracked.state)
    }

    /// Number of share partitions.
    pub fn partitions_len(&self) -> usize {
        self.partitions.len()
    }

    /// At most `max` share partitions, in order of their keys, from the one behind `after` on: start offset, and how many
    /// records from it on are done with; -1 for what is not known.
    pub fn partitions_after(
        &self,
        after: Option<&SharePartitionKey>,
        max: usize,
    ) -> Vec<(SharePartitionKey, i64, i32)> {
        let partitions = self.partitions.range(behind(after)).take(max);
        let state = |tracked: &Tracked| (tracked.state.start_offset, tracked.state.delivery_complete_count);
        partitions.map(|(key, tracked)| (key.clone(), state(tracked).0, state(tracked).1)).collect()
    }

    pub(super) fn tracked(&self, key: &SharePartitionKey) -> Option<&Tracked> {
        self.partitions.get(key)
    }

    pub(super) fn config(&self) -> &ShareCoordinatorConfig {
        &self.config
    }

    pub(super) fn image(&self) -> &MetadataImage {
        &self.image
    }

    fn replay_snapshot(&mut self, offset: i64, key: SharePartitionKey, state: Option<PartitionState>) {
        self.redundant.update(&key, offset, state.is_none());
        let Some(state) = state else {
            self.partitions.remove(&key);
            return;
        };
        let tracked = self.partitions.remove(&key);
        let updates = tracked.as_ref().map_or(0, |tracked| tracked.updates);
        let full = updates >= self.config.snapshot_update_records_per_snapshot;
        let highest = |of: fn(&Tracked) -> i32, now: i32| tracked.as_ref().map_or(now, of).max(now);
        let tracked = Tracked {
            highest_leader_epoch: highest(|tracked| tracked.highest_leader_epoch, state.leader_epoch),
            highest_state_epoch: highest(|tracked| tracked.highest_state_epoch, state.state_epoch),
            updates: if full { 0 } else { updates },
            state,
        };
        self.partitions.insert(key, tracked);
    }

    fn replay_update(&mut self, key: SharePartitionKey, update: PartitionState) {
        match self.partitions.get_mut(&key) {
            Some(tracked) => {
                tracked.highest_leader_epoch = tracked.highest_leader_epoch.max(update.leader_epoch);
                tracked.updates = tracked.updates.saturating_add(1);
                tracked.state.merge(update);
            }
            None => {
                let highest_leader_epoch = update.leader_epoch;
                let tracked =
                    Tracked { state: update, highest_leader_epoch, highest_state_epoch: -1, updates: 1 };
                self.partitions.insert(key, tracked);
            }
        }
    }

    /// Snapshots of partitions that were not written to for long, unless all have one already
    /// (`snapshotColdPartitions`).
    fn snapshot_cold_partitions(&self, now_ms: i64, out: &mut CoordinatorResult<Self>) {
        let is_cold =
            |tracked: &Tracked| tracked.state.create_timestamp_ms != tracked.state.write_timestamp_ms;
        if self.partitions.values().all(is_cold) {
            return;
        }
        let interval_ms = i64::from(self.config.cold_partition_snapshot_interval_ms);
        for (key, Tracked { state, .. }) in &self.partitions {
            if now_ms.saturating_sub(state.write_timestamp_ms) >= interval_ms {
                let snapshot = PartitionState {
                    snapshot_epoch: state.snapshot_epoch.saturating_add(1),
                    write_timestamp_ms: now_ms,
                    ..state.clone()
                };
                out.records.extend(snapshot_record(key, &snapshot).ok());
            }
        }
        out.write.atomic = false;
    }

    fn prune(&mut self, out: &mut CoordinatorResult<Self>) {
        let redundant = self.redundant.last_redundant_offset();
        // A snapshot that is not committed may yet be lost.
        if let Some(before_offset) = redundant.filter(|offset| *offset < self.high_watermark)
            && self.pruned != redundant
        {
            self.pruned = redundant;
            out.events.push(ShareCoordinatorEvent::Prune { before_offset });
        }
    }

    fn schedule(&self, key: ShareCoordinatorTimer, now_ms: i64, out: &mut CoordinatorResult<Self>) {
        let delay_ms = match key {
            ShareCoordinatorTimer::SnapshotColdPartitions => self.config.cold_partition_snapshot_interval_ms,
            ShareCoordinatorTimer::Prune => self.config.state_topic_prune_interval_ms,
        };
        out.schedule(key, now_ms, i64::from(delay_ms));
    }

    fn fail(deferred: Deferred<Self>, error: ErrorCode) -> CoordinatorResult<Self> {
        let error = StateError::from(coordinator_error(error));
        let replies = deferred.replies.into_iter().map(|(id, _)| (id, Err(error.clone()))).collect();
        CoordinatorResult { replies, ..Default::default() }
    }
}

impl CoordinatorShard for ShareCoordinatorShard {
    type Reply = Result<StateReply, StateError>;
    type TimerKey = ShareCoordinatorTimer;
    type Action = ();
    type Event = ShareCoordinatorEvent;

    fn commit_timeout_ms(&self) -> i64 {
        i64::from(self.config.write_timeout_ms)
    }

    fn replay(
        &mut self,
        offset: i64,
        _producer_id: Option<i64>,
        key: &Bytes,
        value: Option<&Bytes>,
    ) -> Result<Replayed, ReplayError> {
        self.log_end_offset = self.log_end_offset.max(offset.saturating_add(1));
        match decode_share_record(key, value).map_err(|error| ReplayError { offset, error })? {
            ShareRecord::Snapshot(key, state) => self.replay_snapshot(offset, key, state),
            ShareRecord::Update(key, update) => self.replay_update(key, update),
            ShareRecord::Other(record_type) => return Ok(Replayed::Ignored(record_type)),
        }
        Ok(Replayed::Applied)
    }

    fn replay_end_txn_marker(&mut self, offset: i64, _producer_id: i64, _commit: bool) {
        self.log_end_offset = self.log_end_offset.max(offset.saturating_add(1));
    }

    fn on_high_watermark(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
    }

    /// Forgets partitions of topics that were deleted (`maybeCleanupShareState`).
    fn on_metadata(&mut self, image: Arc<MetadataImage>, _now_ms: i64) -> CoordinatorResult<Self> {
        let before = std::mem::replace(&mut self.image, image);
        let mut out = CoordinatorResult::default();
        let is_deleted = |key: &&SharePartitionKey| {
            before.topics.topic_by_id(key.topic_id).is_some()
                && self.image.topics.topic_by_id(key.topic_id).is_none()
        };
        let deleted = self.partitions.keys().filter(is_deleted);
        out.records.extend(deleted.filter_map(|key| snapshot_tombstone(key).ok()));
        out.write.atomic = false;
        out
    }

    fn on_loaded(&mut self, now_ms: i64) -> CoordinatorResult<Self> {
        let mut out = CoordinatorResult::default();
        self.schedule(ShareCoordinatorTimer::SnapshotColdPartitions, now_ms, &mut out);
        self.schedule(ShareCoordinatorTimer::Prune, now_ms, &mut out);
        out
    }

    fn on_unloaded(&mut self, _now_ms: i64) -> CoordinatorResult<Self> {
        CoordinatorResult::default()
    }

    fn on_records_committed(&mut self, deferred: Deferred<Self>, _now_ms: i64) -> CoordinatorResult<Self> {
        CoordinatorResult { replies: deferred.replies, ..Default::default() }
    }

    fn on_records_failed(
        &mut self,
        deferred: Deferred<Self>,
        error: ErrorCode,
        _now_ms: i64,
    ) -> CoordinatorResult<Self> {
        Self::fail(deferred, error)
    }

    fn on_commit_failed(
        &mut self,
        deferred: Deferred<Self>,
        error: ErrorCode,
        _now_ms: i64,
    ) -> CoordinatorResult<Self> {
        Self::fail(deferred, error)
    }

    fn on_timer(&mut self, key: &ShareCoordinatorTimer, now_ms: i64) -> CoordinatorResult<Self> {
        let mut out = CoordinatorResult::default();
        match key {
            ShareCoordinatorTimer::SnapshotColdPartitions => self.snapshot_cold_partitions(now_ms, &mut out),
            ShareCoordinatorTimer::Prune => self.prune(&mut out),
        }
        self.schedule(*key, now_ms, &mut out);
        out
    }

    fn log_end_offset(&self) -> i64 {
        self.log_end_offset
    }
}
