//! Offsets by timestamp and by leader epoch.

use super::PartitionLog;
use crate::cold::OnCold;
use crate::error::StorageResult;
use crate::leader_epochs::EpochEntry;
use crate::segment::FoundTimestamp;

/// The timestamps that mean something else in a ListOffsets request.
pub mod special_timestamp {
    /// The end of the log.
    pub const LATEST: i64 = -1;
    /// The start of the log.
    pub const EARLIEST: i64 = -2;
    /// The record with the largest timestamp (KIP-734).
    pub const MAX_TIMESTAMP: i64 = -3;
    /// The start of what is on local disks (KIP-405).
    pub const EARLIEST_LOCAL: i64 = -4;
    /// The end of what is in remote storage (KIP-1005).
    pub const LATEST_TIERED: i64 = -5;
    /// The start of what is not yet in remote storage (KIP-1023).
    pub const EARLIEST_PENDING_UPLOAD: i64 = -6;
}

/// An offset that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// Timestamp of the record, Unix ms; -1 where the question was not about a record.
    pub timestamp: i64,
    /// The offset.
    pub offset: i64,
    /// Leader epoch at that offset.
    pub leader_epoch: Option<i32>,
}

impl PartitionLog {
    /// The first record at or after `timestamp` (Unix ms), or what one of the [`special_timestamp`]s asks for.
    /// None when there is no such record. `LATEST` is the log's end: the caller knows which bound its client
    /// may see.
    ///
    /// # Errors
    /// With [`OnCold::Tell`], [`StorageError::Cold`](crate::StorageError::Cold) where it would have to wait for the disk.
    pub fn offset_for_timestamp(
        &self,
        timestamp: i64,
        on_cold: OnCold,
    ) -> StorageResult<Option<FoundOffset>> {
        let plain = |offset, leader_epoch| Some(FoundOffset { timestamp: -1, offset, leader_epoch });
        let state = self.open_state()?;
        match timestamp {
            // Nothing is remote, so all that is left is local.
            special_timestamp::EARLIEST | special_timestamp::EARLIEST_LOCAL => {
                let start = self.log_start_offset();
                let epoch = state.epochs.earliest().filter(|e| e.start_offset <= start).map(|e| e.epoch);
                Ok(plain(start, epoch))
            }
            special_timestamp::LATEST => Ok(plain(self.log_end_offset(), state.epochs.latest_epoch())),
            special_timestamp::LATEST_TIERED | special_timestamp::EARLIEST_PENDING_UPLOAD => {
                Ok(plain(-1, Some(-1)))
            }
            special_timestamp::MAX_TIMESTAMP => {
                drop(state);
                Self::look(on_cold, |on_cold| self.find_max_timestamp(on_cold))
            }
            _ => {
                drop(state);
                Self::look(on_cold, |on_cold| self.find_timestamp(timestamp, on_cold))
            }
        }
    }

    fn find_timestamp(&self, timestamp: i64, on_cold: OnCold) -> StorageResult<Option<FoundOffset>> {
        let mut state = self.open_state()?;
        let dir = state.dir.clone();
        let env = self.env_with(&dir, on_cold);
        let start_offset = self.log_start_offset();
        let mut search = || {
            for segment in &mut state.segments {
                // Compaction or a power failure may have left nothing in a segment. Of the first that has the time Kafka looks
                // no further, even if what it finds lies before the log's start.
                if segment.size() > 0 && segment.largest_timestamp(env)? >= timestamp {
                    return segment.find_by_timestamp(env, timestamp, start_offset);
                }
            }
            Ok(None)
        };
        search().map(|found| found.map(Into::into)).map_err(|e| self.fail("looking up a timestamp in", e))
    }

    fn find_max_timestamp(&self, on_cold: OnCold) -> StorageResult<Option<FoundOffset>> {
        let mut state = self.open_state()?;
        let dir = state.dir.clone();
        let env = self.env_with(&dir, on_cold);
        let mut search = || {
            let mut latest: Option<(usize, i64)> = None;
            for (at, segment) in state.segments.iter_mut().enumerate() {
                let max = segment.max_timestamp(env)?.timestamp;
                if latest.is_none_or(|(_, timestamp)| max > timestamp) {
                    latest = Some((at, max));
                }
            }
            match latest.and_then(|(at, _)| state.segments.get_mut(at)) {
                Some(segment) => segment.find_max_timestamp(env),
                None => Ok(None),
            }
        };
        search().map(|found| found.map(Into::into)).map_err(|e| self.fail("looking up a timestamp in", e))
    }

    /// The newest leader epoch that wrote here, or was told to.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.state.lock().epochs.latest_epoch()
    }

    /// The leader epoch under which `offset` was written.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        self.state.lock().epochs.epoch_for_offset(offset)
    }

    /// All leader epochs and where they start.
    pub fn epoch_entries(&self) -> Vec<EpochEntry> {
        self.state.lock().epochs.entries().to_vec()
    }

    /// The largest epoch up to `epoch` that is known here, and where it ends (OffsetForLeaderEpoch).
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.state.lock().epochs.end_offset_for(epoch, self.log_end_offset())
    }

    /// Notes that a leader epoch starts here, as a new leader does before its first append.
    pub fn assign_epoch_start_offset(&self, epoch: i32, start_offset: i64) -> StorageResult<()> {
        let mut state = self.open_state()?;
        state.epochs.assign(epoch, start_offset);
        self.write_epochs(&mut state)
    }
}

impl From<FoundTimestamp> for FoundOffset {
    fn from(found: FoundTimestamp) -> Self {
        Self { timestamp: found.timestamp, offset: found.offset, leader_epoch: found.leader_epoch }
    }
}
