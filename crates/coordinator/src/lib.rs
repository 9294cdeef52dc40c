//! Coordinators as replicated state machines: today the group coordinator, for classic and consumer groups and
//! committed offsets.
//!
//! What it is: Kafka's `GroupCoordinatorShard` and what lies under it. An operation takes a request and the
//! time, and returns a [`CoordinatorResult`]: records to append, answers to send now, answers to send once
//! the records are committed, timers to arm. State changes in [`GroupCoordinatorShard::replay`], which also
//! runs at start-up.
//!
//! What it is not: it has no clock, socket, file, thread or randomness, does not know the log that it writes
//! to, nor who may do what. [`CoordinatorRuntime`] performs results against a [`RecordLog`], still without
//! any of these; a driver supplies the log and the time.
//!
//! | file | holds |
//! | --- | --- |
//! | `coordinator_shard` | [`CoordinatorShard`]: what the runtime knows of any coordinator |
//! | `shard` | [`GroupCoordinatorShard`]: one partition of `__consumer_offsets` |
//! | `group/` | groups by type: `group/classic/`, `group/consumer/`, `group/share/`, `group/streams/`; `group/modern/` what newer types share |
//! | `offsets/` | committed offsets, one file per request |
//! | `records` | the records of `__consumer_offsets` |
//! | `transaction/` | [`transaction::TransactionCoordinatorShard`]: one partition of `__transaction_state` |
//! | `timeline` | a map that can be read as of the last commit |
//! | `result`, `reply`, `timers` | what an operation returns |
//! | `share/` | share groups' records: [`SharePartition`](share::SharePartition) and the share coordinator |
//! | `census` | what shards hold, in pieces, for metrics |
//! | `errors` | errors as clients are told them |
//! | `runtime` | performs results |

mod census;
mod config;
mod context;
mod coordinator_shard;
pub mod errors;
mod group;
mod offsets;
mod partition;
mod records;
mod reply;
mod result;
mod runtime;
mod shard;
pub mod share;
mod timeline;
mod timers;
pub mod transaction;

#[cfg(test)]
mod consumer_history_test;
#[cfg(test)]
mod consumer_testing;
#[cfg(test)]
mod histories_test;
#[cfg(test)]
mod history_test;
#[cfg(test)]
mod simulation_test;
#[cfg(test)]
mod testing;

pub use census::GroupSummary;
pub use config::{
    Bounded, ConsumerGroupConfig, ConsumerGroupMigrationPolicy, GroupCoordinatorConfig,
    NEW_MEMBER_JOIN_TIMEOUT_MS, ShareGroupConfig, StreamsGroupConfig,
};
pub use context::{RequestContext, TopicSight};
pub use coordinator_shard::{CoordinatorShard, ReplayError, Replayed};
pub use group::classic::ClassicGroupState;
pub use group::classic::join::validate_join_group;
pub use group::classic::sync::validate_sync_group;
pub use group::consumer::{
    ConsumerGroupState, consumer_group_heartbeat_error, validate_consumer_group_heartbeat,
};
pub use group::share::{
    DeleteShareState, InitializeShareState, ShareGroupState, SharePartitions, share_group_heartbeat_error,
    validate_share_group_heartbeat,
};
pub use group::streams::StreamsGroupState;
pub use group::streams::validate::validate_streams_group_heartbeat;
pub use group::{GroupError, GroupExplanation, GroupType, MemberSession};
pub use offsets::{
    OffsetAndMetadata, OffsetKey, offset_fetch_group_error, offset_fetch_groups, offset_fetch_response,
};
pub use partition::partition_for;
pub use records::CoordinatorRecord;
pub use reply::{
    AlterShareGroupOffsetsReply, DeleteShareGroupOffsetsReply, Reply, ReplyId, ShareGroupHeartbeatReply,
    StreamsGroupHeartbeatReply,
};
pub use result::{CoordinatorResult, Deferred, GroupEvent, ProducerIdAndEpoch, WriteOptions};
pub use runtime::{Append, Appended, CoordinatorRuntime, Outcome, RecordLog};
pub use shard::GroupCoordinatorShard;
pub use timers::{TimerAction, TimerKey, TimerQueue};
