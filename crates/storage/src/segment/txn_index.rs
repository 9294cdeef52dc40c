//! `.txnindex`: the aborted transactions whose marker lies in a segment (Kafka: `TransactionIndex`).
//!
//! An entry has 34 bytes: version 0 (int16), producer id, first offset, last offset (that of the abort marker)
//! and the last stable offset at that time (int64 each). The file exists only where something was aborted.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::lazy_file::{LazyFile, SegmentEnv};
use crate::fs::write_all_at;
use crate::names::TXN_INDEX_SUFFIX;

const ENTRY_SIZE: usize = 34;
const VERSION: i16 = 0;
/// Entries read at a time.
const BLOCK_ENTRIES: usize = 512;

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Who aborted.
    pub producer_id: i64,
    /// Its first record.
    pub first_offset: i64,
    /// Its abort marker.
    pub last_offset: i64,
    /// Last stable offset when the marker was written.
    pub last_stable_offset: i64,
}

impl AbortedTxn {
    /// Bytes of an entry.
    pub(crate) const SIZE: usize = ENTRY_SIZE;

    pub(crate) fn encode(&self) -> [u8; ENTRY_SIZE] {
        let mut out = [0; ENTRY_SIZE];
        let fields = [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        let (version, rest) = out.split_at_mut(2);
        version.copy_from_slice(&VERSION.to_be_bytes());
        for (place, field) in rest.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let version = i16::from_be_bytes(*bytes.first_chunk()?);
        let field = |at: usize| Some(i64::from_be_bytes(*bytes.get(2 + at * 8..)?.first_chunk()?));
        (version <= VERSION).then_some(Self {
            producer_id: field(0)?,
            first_offset: field(1)?,
            last_offset: field(2)?,
            last_stable_offset: field(3)?,
        })
    }
}

/// The index of one segment.
#[derive(Debug)]
pub struct TxnIndex {
    base_offset: i64,
    file: LazyFile,
    entries: u32,
}

impl TxnIndex {
    /// An index whose file holds `len` bytes, or does not exist (0).
    pub fn new(base_offset: i64, len: u64) -> Self {
        let entries = u32::try_from(len / ENTRY_SIZE as u64).unwrap_or(u32::MAX);
        Self { base_offset, file: LazyFile::default(), entries }
    }

    /// Number of entries.
    pub fn len(&self) -> u32 {
        self.entries
    }

    /// Whether nothing was aborted.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The file to append to; it is made if there is none.
    pub fn open(&mut self, env: SegmentEnv<'_>) -> io::Result<Arc<File>> {
        self.file.create(env, self.base_offset, TXN_INDEX_SUFFIX)
    }

    /// Adds an entry; last offsets ascend.
    pub fn append(&mut self, env: SegmentEnv<'_>, txn: &AbortedTxn) -> io::Result<()> {
        let file = self.open(env)?;
        self.append_to(&file, env, txn)
    }

    /// The same, with the file open ([`Self::open`]).
    pub fn append_to(&mut self, file: &File, env: SegmentEnv<'_>, txn: &AbortedTxn) -> io::Result<()> {
        write_all_at(env.disk, file, &[&txn.encode()], u64::from(self.entries) * ENTRY_SIZE as u64)?;
        self.entries += 1;
        Ok(())
    }

    /// Calls `each` for every entry, until it returns false; whether it did.
    pub fn scan(
        &mut self,
        env: SegmentEnv<'_>,
        mut each: impl FnMut(&AbortedTxn) -> bool,
    ) -> io::Result<bool> {
        if self.entries == 0 {
            return Ok(false);
        }
        let file = self.file.get(env, self.base_offset, TXN_INDEX_SUFFIX)?;
        let mut block = vec![0; ENTRY_SIZE * BLOCK_ENTRIES.min(self.entries as usize)];
        let end = u64::from(self.entries) * ENTRY_SIZE as u64;
        let mut position = 0;
        while position < end {
            let filled = env.read_up_to(&file, &mut block, position)?;
            if filled < ENTRY_SIZE {
                break;
            }
            for txn in block.get(..filled).unwrap_or_default().chunks_exact(ENTRY_SIZE) {
                if position >= end {
                    break;
                }
                position += ENTRY_SIZE as u64;
                if AbortedTxn::decode(txn).is_some_and(|txn| !each(&txn)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Adds the transactions to `found` that overlap `fetch_offset..upper_bound`; whether no later segment
    /// can have more of them.
    pub fn collect(
        &mut self,
        env: SegmentEnv<'_>,
        fetch_offset: i64,
        upper_bound: i64,
        found: &mut Vec<AbortedTxn>,
    ) -> io::Result<bool> {
        self.scan(env, |txn| {
            if txn.last_offset >= fetch_offset && txn.first_offset < upper_bound {
                found.push(*txn);
            }
            txn.last_stable_offset < upper_bound
        })
    }

    /// Whether every entry lies in the segment.
    pub fn is_sane(&mut self, env: SegmentEnv<'_>) -> io::Result<bool> {
        let base_offset = self.base_offset;
        let bad = self.scan(env, |txn| txn.last_offset >= base_offset)?;
        Ok(!bad)
    }

    /// Whether every entry can be read, and their markers ascend and lie in the segment before `end`.
    pub fn all_ascend(&mut self, env: SegmentEnv<'_>, end: i64) -> io::Result<bool> {
        let (mut count, mut next) = (0, self.base_offset);
        let bad = self.scan(env, |txn| {
            let ascends = txn.last_offset >= next && txn.last_offset < end;
            (count, next) = (count + 1, txn.last_offset.saturating_add(1));
            ascends
        })?;
        Ok(!bad && count == self.entries)
    }

    /// Removes the transactions that end at or after `offset`.
    pub fn truncate_to(&mut self, env: SegmentEnv<'_>, offset: i64) -> io::Result<()> {
        let mut keep = 0;
        self.scan(env, |txn| {
            let before = txn.last_offset < offset;
            keep += u32::from(before);
            before
        })?;
        if keep < self.entries {
            self.cut(env, keep)?;
        }
        Ok(())
    }

    /// Removes all entries.
    pub fn reset(&mut self, env: SegmentEnv<'_>) -> io::Result<()> {
        if self.entries > 0 { self.cut(env, 0) } else { Ok(()) }
    }

    /// The file, to be made durable; none where there are no entries.
    pub fn prepare_sync(&mut self, env: SegmentEnv<'_>) -> io::Result<Option<Arc<File>>> {
        if self.entries == 0 {
            return Ok(None);
        }
        self.file.get(env, self.base_offset, TXN_INDEX_SUFFIX).map(Some)
    }

    /// Keeps the first `keep` entries.
    pub fn keep_first(&mut self, env: SegmentEnv<'_>, keep: u32) -> io::Result<()> {
        if keep >= self.entries { Ok(()) } else { self.cut(env, keep) }
    }

    fn cut(&mut self, env: SegmentEnv<'_>, keep: u32) -> io::Result<()> {
        let file = self.file.get(env, self.base_offset, TXN_INDEX_SUFFIX)?;
        env.disk.set_len(&file, u64::from(keep) * ENTRY_SIZE as u64)?;
        self.entries = keep;
        // Were they to come back with a power failure, consumers would skip what is appended from now on.
        env.disk.sync_data(&file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cold::OnCold;
    use crate::file_cache::FileCache;
    use crate::fs::RealDisk;

    fn txn(first: i64, last: i64, stable: i64) -> AbortedTxn {
        AbortedTxn { producer_id: first, first_offset: first, last_offset: last, last_stable_offset: stable }
    }

    #[test]
    fn collects_what_overlaps() {
        let dir = tempfile::tempdir().expect("temp dir");
        let env = SegmentEnv {
            dir: dir.path(),
            files: &FileCache::new(10),
            disk: &RealDisk,
            on_cold: OnCold::Wait,
        };
        let mut index = TxnIndex::new(0, 0);
        let txns = [txn(0, 10, 11), txn(5, 15, 13), txn(18, 35, 25), txn(32, 50, 40)];
        for t in &txns {
            index.append(env, t).expect("append");
        }
        let mut check = |from: i64, to: i64, expect: &[usize], complete: bool| {
            let mut found = Vec::new();
            assert_eq!(index.collect(env, from, to, &mut found).expect("read"), complete, "{from}..{to}");
            assert_eq!(found, expect.iter().map(|&i| txns[i]).collect::<Vec<_>>(), "{from}..{to}");
        };
        // As in Kafka's TransactionIndexTest.
        check(0, 100, &[0, 1, 2, 3], false);
        check(0, 32, &[0, 1, 2], true);
        check(0, 35, &[0, 1, 2, 3], true);
        check(10, 35, &[0, 1, 2, 3], true);
        check(11, 35, &[1, 2, 3], true);
        check(20, 41, &[2, 3], false);
        index.truncate_to(env, 35).expect("truncate");
        assert_eq!(index.len(), 2);
        assert!(index.is_sane(env).expect("read"));
        index.reset(env).expect("reset");
        assert_eq!(TxnIndex::new(0, 33).len(), 0);
    }

    #[test]
    fn entries_have_kafkas_layout() {
        let bytes = txn(1, 2, 3).encode();
        assert_eq!(bytes.len(), 34);
        assert_eq!(bytes[..2], [0, 0]);
        assert_eq!(AbortedTxn::decode(&bytes), Some(txn(1, 2, 3)));
        assert_eq!(AbortedTxn::decode(&bytes[..33]), None);
    }
}
