//! The way of records from a broker's answer to the application, without network, clock and tasks: for
//! `cargo xtask instructions` to count. Not part of the interface.

use bytes::Bytes;
use ottla_protocol::messages::fetch_response::PartitionData;
use ottla_protocol::{Records, TopicPartition};

use super::IsolationLevel;
use super::fetch::{CompletedFetch, ReadOptions};
use crate::Result;
use crate::record::ConsumerRecord;

/// Reads all records of an answer with these batches, which begin at offset 0.
///
/// # Errors
/// When they can't be read.
pub fn read_answer(partition: &TopicPartition, batches: &Bytes) -> Result<Vec<ConsumerRecord>> {
    let data = PartitionData { records: Some(Records::Bytes(batches.clone())), ..Default::default() };
    let options = ReadOptions { isolation: IsolationLevel::ReadUncommitted, check_crcs: true };
    let mut records = Vec::new();
    CompletedFetch::new(partition.clone(), 1, 0, data).take(usize::MAX, options, &mut records)?;
    Ok(records)
}
