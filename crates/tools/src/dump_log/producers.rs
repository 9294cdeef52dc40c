//! Snapshots of producer state (Kafka: `DumpLogSegments.dumpProducerIdSnapshot`).

use std::path::Path;

use ottla_storage::producer_state::snapshot;

use super::failure::DumpFailure;
use super::records::optional_long;
use crate::{Io, errln, out, outln};

/// Prints one producer a line; a damaged file is told on `err`.
///
/// # Errors
/// When the file can't be read.
pub fn dump(path: &Path, io: &mut Io) -> Result<(), DumpFailure> {
    let bytes = std::fs::read(path).map_err(|why| DumpFailure::open(path, &why))?;
    let entries = match snapshot::decode(&bytes) {
        Ok(entries) => entries,
        Err(why) => {
            errln!(io, "{why}");
            return Ok(());
        }
    };
    for entry in entries {
        out!(
            io,
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {}",
            entry.producer_id,
            entry.producer_epoch,
            entry.coordinator_epoch,
            optional_long(entry.current_txn_first_offset),
            entry.last_timestamp,
        );
        if let Some(batch) = entry.batches().next() {
            out!(
                io,
                " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                batch.first_sequence(),
                batch.last_sequence,
                batch.last_offset,
                batch.offset_delta,
                batch.timestamp,
            );
        }
        outln!(io);
    }
    Ok(())
}
