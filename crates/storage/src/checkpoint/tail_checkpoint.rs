//! Up to where the tail of a log need not be read again after the process was killed. Ours alone: Kafka leaves files of
//! other names in a partition's directory as they are.
//!
//! Two files take turns and are overwritten in place: that costs an append no journal entry and no waiting for the disk,
//! as replacing a file would. Neither is made durable. A process that is killed while it writes one leaves the other;
//! after the end of the machine neither counts, which the [`BootId`] shows.
//!
//! Layout, big-endian: CRC-32C of all that follows the length (uint32), length (uint32), version (uint16), boot id (16
//! bytes), sequence (uint64), the segment's base offset and the next offset (int64 each), the [`SegmentMark`]: position
//! and the entries of the offset, time and transaction index (uint32 each), largest timestamp and its offset (int64
//! each); the [`LastBatch`]: base offset of its segment (int64), end (uint32), header (61 bytes); the producers
//! ([`crate::producer_state::WholeState`]). Bytes behind the length are of an older, longer content.

use std::io;
use std::path::{Path, PathBuf};

use ottla_protocol::records::crc32c;

use super::fields::Fields;
use crate::boot_id::BootId;
use crate::fs::{Disk, found, open_rw, write_all_at};
use crate::producer_state::{ProducerStateManager, WholeState};
use crate::segment::{LastBatch, SegmentMark, TimestampOffset};

/// Names of the two files.
pub const TAIL_CHECKPOINT_FILES: [&str; 2] = ["tail-checkpoint-0", "tail-checkpoint-1"];
/// A content beyond this is not written, and not read. Bytes.
const CONTENT_MAX: u32 = 64 << 20;
const VERSION: u16 = 1;
/// CRC and length.
const HEAD_SIZE: usize = 8;

/// What all before an offset has come to.
#[derive(Debug)]
pub struct TailCheckpoint {
    /// Ascends from one to the next; says which file it goes to.
    pub sequence: u64,
    /// Base offset of the segment that was active.
    pub segment: i64,
    /// The log's end then.
    pub offset: i64,
    /// The segment's end then.
    pub mark: SegmentMark,
    /// The last batch; in the segment before when the active one was empty.
    pub last_batch: LastBatch,
    /// The producers' state before `offset`.
    pub producers: WholeState,
}

impl TailCheckpoint {
    /// The newest one in a partition's directory that was written since the machine started. What can't be read or
    /// understood is passed over.
    pub fn read(dir: &Path, boot_id: BootId) -> Option<Self> {
        let one = |name: &str| {
            let path = dir.join(name);
            let len = std::fs::metadata(&path).ok()?.len();
            let bytes = std::fs::read(&path).ok().filter(|_| len <= u64::from(CONTENT_MAX))?;
            let decoded = Self::decode(&bytes, boot_id);
            if decoded.is_none() {
                tracing::debug!("{} is not of this boot, or not whole", path.display());
            }
            decoded
        };
        TAIL_CHECKPOINT_FILES.into_iter().filter_map(one).max_by_key(|checkpoint| checkpoint.sequence)
    }

    fn decode(bytes: &[u8], boot_id: BootId) -> Option<Self> {
        let mut fields = Fields(bytes);
        let crc = fields.u32()?;
        let len = usize::try_from(fields.u32()?).ok()?;
        let covered = fields.0.get(..len).filter(|covered| crc32c(covered) == crc)?;
        let mut fields = Fields(covered);
        if fields.take() != Some(VERSION.to_be_bytes()) || fields.u128()? != boot_id.0 {
            return None;
        }
        let checkpoint = Self {
            sequence: fields.u64()?,
            segment: fields.i64()?,
            offset: fields.i64()?,
            mark: SegmentMark {
                position: fields.u32()?,
                offset_entries: fields.u32()?,
                time_entries: fields.u32()?,
                txn_entries: fields.u32()?,
                max_timestamp: TimestampOffset { timestamp: fields.i64()?, offset: fields.i64()? },
            },
            last_batch: LastBatch { segment: fields.i64()?, end: fields.u32()?, header: fields.take()? },
            producers: WholeState::decode(&mut fields)?,
        };
        fields.0.is_empty().then_some(checkpoint)
    }
}

/// A checkpoint to be written; its fields are those of [`TailCheckpoint`].
#[derive(Clone, Copy, Debug)]
pub struct NewTailCheckpoint<'a> {
    /// Which start of the machine this is.
    pub boot_id: BootId,
    /// Ascends from one to the next.
    pub sequence: u64,
    /// Base offset of the active segment.
    pub segment: i64,
    /// The log's end.
    pub offset: i64,
    /// The segment's end.
    pub mark: SegmentMark,
    /// The last batch.
    pub last_batch: &'a LastBatch,
    /// The producers before `offset`.
    pub producers: &'a ProducerStateManager,
}

impl NewTailCheckpoint<'_> {
    /// Writes it over the older of the two in `dir`; how many bytes it has. One that is too large is left out.
    pub fn write(&self, dir: &Path, disk: &dyn Disk) -> io::Result<u32> {
        let content = self.encode();
        let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
        if len < CONTENT_MAX {
            let [first, second] = TAIL_CHECKPOINT_FILES;
            let name = if self.sequence.is_multiple_of(2) { first } else { second };
            write_all_at(disk, &open_rw(&dir.join(name))?, &[&content], 0)?;
        }
        Ok(len)
    }

    fn encode(&self) -> Vec<u8> {
        let SegmentMark { position, offset_entries, time_entries, txn_entries, max_timestamp } = self.mark;
        let mut out = vec![0; HEAD_SIZE];
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&self.boot_id.0.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.segment.to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
        for field in [position, offset_entries, time_entries, txn_entries] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        out.extend_from_slice(&max_timestamp.timestamp.to_be_bytes());
        out.extend_from_slice(&max_timestamp.offset.to_be_bytes());
        out.extend_from_slice(&self.last_batch.segment.to_be_bytes());
        out.extend_from_slice(&self.last_batch.end.to_be_bytes());
        out.extend_from_slice(&self.last_batch.header);
        self.producers.encode_whole(&mut out);
        let (head, covered) = out.split_at_mut(HEAD_SIZE);
        let len = u32::try_from(covered.len()).unwrap_or(u32::MAX);
        let (crc, rest) = head.split_at_mut(4);
        crc.copy_from_slice(&crc32c(covered).to_be_bytes());
        rest.copy_from_slice(&len.to_be_bytes());
        out
    }
}

/// Removes both files: the log does not hold any more what they speak of.
pub fn remove(dir: &Path) -> io::Result<()> {
    paths(dir).try_for_each(|path| found(std::fs::remove_file(path)).map(|_| ()))
}

/// Where the two files are.
pub fn paths(dir: &Path) -> impl Iterator<Item = PathBuf> {
    TAIL_CHECKPOINT_FILES.into_iter().map(move |name| dir.join(name))
}

#[cfg(test)]
mod tests {
    use ottla_protocol::records::BATCH_HEADER_SIZE;

    use super::*;
    use crate::fs::RealDisk;

    const BOOT: BootId = BootId(7);

    fn write(dir: &Path, sequence: u64) {
        let mark = SegmentMark {
            position: 100,
            offset_entries: 1,
            time_entries: 2,
            txn_entries: 3,
            max_timestamp: TimestampOffset { timestamp: 4, offset: 5 },
        };
        let last_batch = LastBatch { segment: 6, end: 100, header: [7; BATCH_HEADER_SIZE] };
        let producers = &ProducerStateManager::new(1000, Vec::new());
        let (segment, offset, last_batch) = (6, 8, &last_batch);
        let new = NewTailCheckpoint { boot_id: BOOT, sequence, segment, offset, mark, last_batch, producers };
        new.write(dir, &RealDisk).expect("write");
    }

    #[test]
    fn the_newest_counts_and_damage_is_seen() {
        let temp = crate::test_support::temp_dir();
        let dir = temp.path();
        assert!(TailCheckpoint::read(dir, BOOT).is_none());
        for sequence in 1..5 {
            write(dir, sequence);
            let found = TailCheckpoint::read(dir, BOOT).expect("whole");
            assert_eq!((found.sequence, found.segment, found.offset), (sequence, 6, 8));
            assert_eq!(found.mark.max_timestamp, TimestampOffset { timestamp: 4, offset: 5 });
            assert_eq!(
                (found.mark.offset_entries, found.mark.time_entries, found.mark.txn_entries),
                (1, 2, 3)
            );
        }
        assert!(TailCheckpoint::read(dir, BootId(8)).is_none(), "another start of the machine");
        let newest = dir.join(TAIL_CHECKPOINT_FILES[0]);
        let whole = std::fs::read(&newest).expect("read");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&newest, &damaged).expect("write");
            assert_eq!(TailCheckpoint::read(dir, BOOT).map(|c| c.sequence), Some(3), "damaged at {at}");
            std::fs::write(&newest, &whole[..at]).expect("write");
            assert_eq!(TailCheckpoint::read(dir, BOOT).map(|c| c.sequence), Some(3), "cut at {at}");
        }
        std::fs::write(&newest, [&whole[..], b"the end of an older one"].concat()).expect("write");
        assert_eq!(TailCheckpoint::read(dir, BOOT).map(|c| c.sequence), Some(4));
        remove(dir).expect("remove");
        assert!(TailCheckpoint::read(dir, BOOT).is_none());
        remove(dir).expect("nothing to remove");
    }
}
