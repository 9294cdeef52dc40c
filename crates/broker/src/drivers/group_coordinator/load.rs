//! Reads a partition of `__consumer_offsets` from its start into a shard.

use std::sync::Arc;

use bytes::Bytes;
use ottla_coordinator::{GroupCoordinatorConfig, GroupCoordinatorShard};
use ottla_protocol::records::{BatchIter, EndTransactionMarker, RecordBatch};

use crate::partitions::{Partition, ReadBound};

/// Bytes per read.
const CHUNK_BYTES: usize = 1 << 20;
/// Most bytes that the records of one batch may take when decompressed.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// The shard of a partition. Blocks.
///
/// # Errors
/// In words, when the partition can't be read; its groups must not be served then.
pub fn load(
    config: Arc<GroupCoordinatorConfig>,
    partition: &Partition,
) -> Result<GroupCoordinatorShard, String> {
    let mut shard = GroupCoordinatorShard::new(config);
    shard.on_high_watermark(partition.high_watermark());
    let mut offset = partition.log_start_offset();
    loop {
        let read = partition
            .read(offset, CHUNK_BYTES, true, ReadBound::LogEnd)
            .map_err(|refused| format!("reading offset {offset}: {}", refused.error))?;
        if read.size == 0 {
            return Ok(shard);
        }
        for piece in read.pieces {
            let bytes = piece.to_bytes().map_err(|why| format!("reading offset {offset}: {why}"))?;
            for batch in BatchIter::new(&bytes) {
                let batch = batch.map_err(|why| format!("after offset {offset}: {why}"))?;
                replay_batch(&mut shard, &batch, &bytes)?;
                offset = batch.next_offset();
            }
        }
    }
}

fn replay_batch(
    shard: &mut GroupCoordinatorShard,
    batch: &RecordBatch<'_>,
    bytes: &Bytes,
) -> Result<(), String> {
    let producer_id = batch.is_transactional().then(|| batch.producer_id());
    let records = batch.records_in(bytes, BATCH_BYTES_MAX).map_err(|why| why.to_string())?;
    for record in records {
        let record = record.map_err(|why| format!("batch at {}: {why}", batch.base_offset()))?;
        let key = record.key.unwrap_or_default();
        if batch.is_control() {
            let value = record.value.unwrap_or_default();
            if let Ok(Some(marker)) = EndTransactionMarker::parse(&key, &value) {
                shard.replay_end_txn_marker(record.offset, batch.producer_id(), marker.committed);
            }
            continue;
        }
        shard
            .replay(record.offset, producer_id, &key, record.value.as_ref())
            .map_err(|why| why.to_string())?;
    }
    Ok(())
}
