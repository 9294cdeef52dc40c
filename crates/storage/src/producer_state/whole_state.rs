//! The whole state of a log's producers, as the tail checkpoint holds it.
//!
//! Kafka's snapshot keeps one batch per producer and no ended transaction: enough at the start of a segment that is then
//! read. Here nothing may be missing, as nothing before is read again: all batches by which a retry is recognised,
//! and the transactions that have ended but are not yet replicated.
//!
//! Layout, big-endian: number of producers (uint32), then per producer: id (int64), epoch (int16), coordinator epoch
//! (int32), timestamp (int64), first offset of the ongoing transaction (int64, -1: none), number of batches (uint8),
//! and per batch: last sequence (int32), last offset (int64), offset delta (int32), timestamp (int64). Then the number of
//! ended transactions (uint32), and per transaction: first offset, producer id, offset of the marker (int64 each).

use super::entry::{BatchMetadata, ProducerEntry};
use super::{ProducerStateManager, TxnMetadata, is_expired};
use crate::checkpoint::fields::Fields;

/// The state of all producers at an offset.
#[derive(Debug, Default)]
pub struct WholeState {
    producers: Vec<ProducerEntry>,
    unreplicated: Vec<(i64, TxnMetadata)>,
}

impl WholeState {
    /// Reads what [`ProducerStateManager::encode_whole`] wrote; none when it is not that.
    pub fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let mut state = Self::default();
        for _ in 0..fields.u32()? {
            state.producers.push(decode_entry(fields)?);
        }
        for _ in 0..fields.u32()? {
            let first_offset = fields.i64()?;
            let producer_id = fields.i64()?;
            let last_offset = Some(fields.i64()?).filter(|offset| *offset >= first_offset)?;
            state
                .unreplicated
                .push((first_offset, TxnMetadata { producer_id, last_offset: Some(last_offset) }));
        }
        Some(state)
    }
}

impl ProducerStateManager {
    /// Appends the state to `out`.
    pub fn encode_whole(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.producers.len() as u32).to_be_bytes());
        for entry in self.producers.values() {
            encode_entry(entry, out);
        }
        let unreplicated = &self.transactions().unreplicated;
        out.extend_from_slice(&(unreplicated.len() as u32).to_be_bytes());
        for (first_offset, txn) in unreplicated {
            for field in [*first_offset, txn.producer_id, txn.last_offset.unwrap_or(*first_offset)] {
                out.extend_from_slice(&field.to_be_bytes());
            }
        }
    }

    /// Takes `state` for that before `offset`. Snapshots behind it are of a log that went further, and are not
    /// counted on any more.
    pub fn start_from(
        &mut self,
        dir: &std::path::Path,
        state: WholeState,
        offset: i64,
        now_ms: i64,
    ) -> std::io::Result<()> {
        self.remove_snapshots(dir, |snapshot| snapshot > offset)?;
        self.forget_all();
        for entry in state.producers {
            if !is_expired(&entry, now_ms, self.producer_id_expiration_ms) {
                self.load_entry(entry);
            }
        }
        if !state.unreplicated.is_empty() {
            self.transactions.get_or_insert_default().unreplicated.extend(state.unreplicated);
        }
        self.map_end_offset = offset;
        self.last_snapshot_offset = self.latest_snapshot_offset().unwrap_or_default();
        Ok(())
    }
}

fn encode_entry(entry: &ProducerEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(&entry.producer_id.to_be_bytes());
    out.extend_from_slice(&entry.producer_epoch.to_be_bytes());
    out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
    out.extend_from_slice(&entry.last_timestamp.to_be_bytes());
    out.extend_from_slice(&entry.current_txn_first_offset.unwrap_or(-1).to_be_bytes());
    out.push(entry.batches().count() as u8);
    for batch in entry.batches() {
        out.extend_from_slice(&batch.last_sequence.to_be_bytes());
        out.extend_from_slice(&batch.last_offset.to_be_bytes());
        out.extend_from_slice(&batch.offset_delta.to_be_bytes());
        out.extend_from_slice(&batch.timestamp.to_be_bytes());
    }
}

fn decode_entry(fields: &mut Fields<'_>) -> Option<ProducerEntry> {
    let mut entry = ProducerEntry::empty(fields.i64()?);
    entry.producer_epoch = fields.i16()?;
    entry.coordinator_epoch = fields.i32()?;
    let last_timestamp = fields.i64()?;
    entry.current_txn_first_offset = Some(fields.i64()?).filter(|offset| *offset >= 0);
    for _ in 0..fields.u8()? {
        let batch = BatchMetadata {
            last_sequence: fields.i32()?,
            last_offset: fields.i64()?,
            offset_delta: fields.i32()?,
            timestamp: fields.i64()?,
        };
        entry.add_batch(entry.producer_epoch, batch);
    }
    entry.last_timestamp = last_timestamp;
    Some(entry)
}
