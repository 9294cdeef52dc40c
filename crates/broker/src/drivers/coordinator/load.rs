//! Reads a partition of an internal topic from its start into a shard.

use bytes::Bytes;
use ottla_coordinator::CoordinatorShard;
use ottla_protocol::records::{BatchIter, EndTransactionMarker, RecordBatch};
use ottla_storage::{OnCold, ReadOptions};

use crate::partitions::{Partition, ReadBound};

/// Bytes per read.
const CHUNK_BYTES: usize = 1 << 20;
/// Most bytes that the records of one batch may take when decompressed.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// Reads a partition into its empty shard. Blocks.
///
/// # Errors
/// In words, when the partition can't be read; it must not be served then.
pub fn load<S: CoordinatorShard>(mut shard: S, partition: &Partition) -> Result<S, String> {
    shard.on_high_watermark(partition.high_watermark());
    let mut offset = partition.log_start_offset();
    loop {
        let options =
            ReadOptions { offset, max_bytes: CHUNK_BYTES, min_one_message: true, on_cold: OnCold::Wait };
        let read = partition
            .read(options, ReadBound::LogEnd)
            .map_err(|unread| format!("reading offset {offset}: {unread}"))?;
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

fn replay_batch<S: CoordinatorShard>(
    shard: &mut S,
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
