//! `.snapshot`: the state of all producers at an offset (Kafka: `ProducerSnapshot` version 1).
//!
//! Layout, big-endian: version (int16, 1), CRC-32C of all that follows it (uint32), number of entries (int32),
//! then per producer: producer id (int64), epoch (int16), last sequence (int32), last offset (int64), offset
//! delta (int32), timestamp (int64), coordinator epoch (int32), first offset of the ongoing transaction
//! (int64, -1: none).

use ottla_protocol::records::crc32c;

use super::entry::{BatchMetadata, ProducerEntry};

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const ENTRIES_AT: usize = 6;
const ENTRY_SIZE: usize = 46;

/// The file's content for these producers.
pub fn encode<'a>(entries: impl ExactSizeIterator<Item = &'a ProducerEntry>) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENTRIES_AT + 4 + entries.len() * ENTRY_SIZE);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    for entry in entries {
        out.extend_from_slice(&entry.producer_id.to_be_bytes());
        out.extend_from_slice(&entry.producer_epoch.to_be_bytes());
        out.extend_from_slice(&entry.last_sequence().to_be_bytes());
        out.extend_from_slice(&entry.last_data_offset().to_be_bytes());
        out.extend_from_slice(&entry.last_offset_delta().to_be_bytes());
        out.extend_from_slice(&entry.last_timestamp.to_be_bytes());
        out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        out.extend_from_slice(&entry.current_txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let crc = crc32c(&out[ENTRIES_AT..]);
    out[CRC_AT..ENTRIES_AT].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Reads a file's content; the error says why it is not one.
pub fn decode(bytes: &[u8]) -> Result<Vec<ProducerEntry>, String> {
    let version = bytes.first_chunk().map(|b| i16::from_be_bytes(*b)).ok_or("too short")?;
    if version != VERSION {
        return Err(format!("Snapshot contained an unknown file version {version}"));
    }
    let covered = bytes.get(ENTRIES_AT..).ok_or("too short")?;
    let stored = bytes.get(CRC_AT..).and_then(|b| b.first_chunk()).map(|b| u32::from_be_bytes(*b));
    if stored != Some(crc32c(covered)) {
        return Err("Snapshot is corrupt (CRC is no longer valid)".to_owned());
    }
    let (count, entries) = covered.split_first_chunk().ok_or("too short")?;
    let count = i32::from_be_bytes(*count);
    if usize::try_from(count).ok() != Some(entries.len() / ENTRY_SIZE) || entries.len() % ENTRY_SIZE != 0 {
        return Err(format!("Snapshot has {} bytes for {count} producers", entries.len()));
    }
    entries.chunks_exact(ENTRY_SIZE).map(|e| decode_entry(e).ok_or_else(|| "too short".to_owned())).collect()
}

fn decode_entry(mut bytes: &[u8]) -> Option<ProducerEntry> {
    let mut entry = ProducerEntry::empty(i64::from_be_bytes(take(&mut bytes)?));
    entry.producer_epoch = i16::from_be_bytes(take(&mut bytes)?);
    let last_sequence = i32::from_be_bytes(take(&mut bytes)?);
    let last_offset = i64::from_be_bytes(take(&mut bytes)?);
    let offset_delta = i32::from_be_bytes(take(&mut bytes)?);
    let timestamp = i64::from_be_bytes(take(&mut bytes)?);
    entry.coordinator_epoch = i32::from_be_bytes(take(&mut bytes)?);
    entry.current_txn_first_offset = Some(i64::from_be_bytes(take(&mut bytes)?)).filter(|o| *o >= 0);
    entry.last_timestamp = timestamp;
    if last_offset >= 0 {
        let batch = BatchMetadata { last_sequence, last_offset, offset_delta, timestamp };
        entry.add_batch(entry.producer_epoch, batch);
    }
    Some(entry)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_damage_is_seen() {
        let mut one = ProducerEntry::empty(7);
        let batch = BatchMetadata { last_sequence: 9, last_offset: 19, offset_delta: 4, timestamp: 1000 };
        one.add_batch(3, batch);
        one.current_txn_first_offset = Some(15);
        let mut two = ProducerEntry::empty(8);
        two.end_transaction(1, 5, 2000);
        let bytes = encode([&one, &two].into_iter());
        assert_eq!(bytes.len(), 10 + 2 * ENTRY_SIZE);
        let found = decode(&bytes).expect("decodes");
        assert_eq!(format!("{found:?}"), format!("{:?}", [one, two]));
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
            let mut damaged = bytes.clone();
            damaged[cut] ^= 0x40;
            assert!(decode(&damaged).is_err(), "damaged at {cut}");
        }
    }

    #[test]
    fn an_empty_snapshot_is_kafkas() {
        // Written by Kafka 4.3.1 for a log without idempotent producers.
        let bytes = encode(std::iter::empty());
        assert_eq!(bytes, [0, 1, 0x48, 0x67, 0x4b, 0xc7, 0, 0, 0, 0]);
    }
}
