//! Where the state of share partitions is kept (KIP-932): the share coordinator, one shard for each partition
//! of `__share_group_state` (`ShareCoordinatorShard`).
//!
//! The state of a share partition is a *snapshot* and the *updates* after it. After so many updates the next
//! write is a snapshot again; partitions that are not written to get one from time to time too, so that what
//! stands before the oldest of the latest snapshots can be deleted from the log.
//!
//! Two epochs fence writers: the *leader epoch*, of the partition's leader who reads and writes the state;
//! and the *state epoch*, which the group coordinator raises when it sets the state up anew.
//!
//! | file | holds |
//! | --- | --- |
//! | `shard` | [`ShareCoordinatorShard`]: state, replay, time |
//! | `operations` | initialize, write, read, read summary, delete |
//! | `partition_state` | [`PartitionState`]: what is known of one share partition |
//! | `combine` | state batches laid over each other |
//! | `record` | the records of `__share_group_state` |
//! | `redundant` | up to where the log is not needed |

mod combine;
mod operations;
mod partition_state;
mod record;
mod redundant;
mod shard;

#[cfg(test)]
mod coordinator_test;

pub use combine::combine_state_batches;
pub use operations::{ReadState, StateError, StateReply, StateSummary, StateWrite};
pub use partition_state::PartitionState;
pub use record::SharePartitionKey;
pub use shard::{
    ShareCoordinatorConfig, ShareCoordinatorEvent, ShareCoordinatorShard, ShareCoordinatorTimer,
};
