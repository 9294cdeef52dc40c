//! Our own load: it costs the machine so little that what is measured is the broker.
//!
//! | file | what |
//! | --- | --- |
//! | `batch` | batches of records, and produce requests with them |
//! | `produce` | one producer, pipelined or one request at a time |
//! | `swarm` | many producers on one thread, each with one request under way |
//! | `fetch` | consumers: over and over from the beginning, or at the tail |
//! | `fixed_rate` | a producer that keeps to a timetable whatever the broker does, and a consumer behind it |
//! | `steady` | thousands of producers that each send a record a second |
//! | `reconnect` | connections, and nothing else |
//! | `many_topics` | a producer that goes round thousands of topics |
//! | `coordinator` | what clients of groups and of transactions ask first |
//! | `transactions` | producers whose records count only when they are committed |
//! | `groups` | members that share partitions out, and fetch nothing |
//! | `share` | share consumers of one partition |

pub mod batch;
pub mod coordinator;
pub mod fetch;
pub mod fixed_rate;
pub mod groups;
pub mod many_topics;
pub mod produce;
pub mod reconnect;
pub mod share;
pub mod steady;
pub mod swarm;
pub mod transactions;

/// The work of a thread that measures latencies: it is run as soon as the scheduler can, so that the thread's own wait for a processor
/// beside other load is not told as the broker's.
pub fn on_time<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    || {
        ottla_net::time_slice::ask_for_a_short_one();
        work()
    }
}

/// What a load moved.
#[derive(Clone, Copy, Default)]
pub struct Moved {
    /// Bytes of the records' values; of consumers, of whole batches.
    pub bytes: u64,
    /// Records, where the load knows them.
    pub records: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// From the first request to the last response.
    pub seconds: f64,
}
