//! What is known of one share partition (`ShareGroupOffset`).

use super::combine::combine_state_batches;
use crate::share::partition::StateBatch;

/// The state of a share partition, or what an update says of it: -1 for an offset or an epoch that it does
/// not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Number of the snapshot, from 0.
    pub snapshot_epoch: i32,
    /// Raised when the state is set up anew.
    pub state_epoch: i32,
    /// Of the partition's leader that wrote last.
    pub leader_epoch: i32,
    /// Everything below is done with; -1: nobody has read the partition yet.
    pub start_offset: i64,
    /// Records from the start offset on that are done with; -1: not known.
    pub delivery_complete_count: i32,
    /// What is in flight, in order.
    pub state_batches: Vec<StateBatch>,
    /// When the state was set up, or enough was written for a snapshot. Unix ms.
    pub create_timestamp_ms: i64,
    /// When the snapshot was written, Unix ms: later than the former if time has passed without writes.
    pub write_timestamp_ms: i64,
}

impl PartitionState {
    /// The state after an update.
    pub(super) fn merge(&mut self, update: PartitionState) {
        if update.start_offset != -1 {
            self.start_offset = update.start_offset;
        }
        if update.leader_epoch != -1 {
            self.leader_epoch = update.leader_epoch;
        }
        self.delivery_complete_count = update.delivery_complete_count;
        let batches = std::mem::take(&mut self.state_batches);
        self.state_batches =
            combine_state_batches(batches.into_iter().chain(update.state_batches), self.start_offset);
    }
}
