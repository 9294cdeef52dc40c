//! Share groups' records (KIP-932): which of a partition's records are with whom, and where that is kept.
//!
//! | file | holds |
//! | --- | --- |
//! | `partition/` | [`SharePartition`]: the records in flight of one partition for one group, on the partition's leader |
//! | `coordinator/` | [`ShareCoordinatorShard`](coordinator::ShareCoordinatorShard): where the state is kept |

pub mod coordinator;
pub mod partition;

pub use partition::SharePartition;
