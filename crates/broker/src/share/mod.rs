//! Share groups' records on their way to members and back (KIP-932, `kafka.server.share`).
//!
//! A member's connection to a broker has a *share session*: the partitions it fetches from, and an epoch that
//! tells a repeated request from the next one. Records in flight of a partition for a group are a
//! [`SharePartition`](ottla_coordinator::share::SharePartition) behind a mutex ([`SharedPartition`]), which data
//! threads hold for as long as it takes to look at batch headers in memory. What blocks or takes time is done
//! elsewhere: each partition has a *keeper*, a task on the control thread that reads the state from the
//! persister, writes what has changed, and lets locks run out.
//!
//! | file | holds |
//! | --- | --- |
//! | `sessions` | [`ShareSessions`]: epochs, partitions, connections |
//! | `manager` | [`ShareManager`]: share partitions by group, acknowledging, releasing, removal |
//! | `shared_partition` | [`SharedPartition`]: one of them, with its queue of writes |
//! | `take` | reading the log and acquiring records |
//! | `keeper` | the task of one of them |
//! | `persister` | [`Persister`]: where the state is kept |
//! | `fetch` | a fetch: attempts, and waiting between them |
//! | `batches` | what has been read of the log: batch headers, and the part that was acquired |
//! | `settings` | [`ShareSettings`]: what the group is configured to |

mod batches;
mod fetch;
mod keeper;
mod manager;
mod persister;
mod sessions;
mod settings;
mod shared_partition;
mod take;

#[cfg(test)]
mod fetch_test;
#[cfg(test)]
mod persister_test;
#[cfg(test)]
mod sessions_test;
#[cfg(test)]
mod testing;

pub use fetch::{Fetched, ShareFetch};
pub use manager::{ConnectionGuard, Outcome, ShareError, ShareManager};
pub use persister::{LocalPersister, Persister};
pub use sessions::{
    FINAL_EPOCH, INITIAL_EPOCH, SessionContext, SessionRequest, ShareSessions, SharedTopicPartition,
};
pub use settings::{AutoOffsetReset, ShareSettings};
pub use shared_partition::SharedPartition;
