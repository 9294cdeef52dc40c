//! Answers of brokers on their way to the application.

mod buffer;
mod completed;
#[cfg(test)]
mod fetch_test;

pub use buffer::{CollectOptions, Collected, FetchBuffer};
pub use completed::{CompletedFetch, DECOMPRESSED_BYTES_MAX, ReadOptions, consumer_record, known_epoch};
