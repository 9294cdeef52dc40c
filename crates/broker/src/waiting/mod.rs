//! Requests that wait for something to happen: Kafka's purgatories, one file each.

mod fetch;

pub use fetch::{FetchWaiter, FetchWaiters};
