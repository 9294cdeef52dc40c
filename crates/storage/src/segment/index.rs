//! Sorted files of fixed-size entries: the offset index and the time index.
//!
//! Entries that are already in the file are read with `pread` when a look-up needs them; the newest ones are
//! kept in memory and written a page at a time, and when the segment is closed, flushed or the log is shut
//! down. So an append costs no system call for its index entry, and an idle segment no memory. The block that the
//! last look-up ended in is kept as well while the log is in use: one that reads on finds its next place there. What is lost
//! when the process is killed, recovery rebuilds: it reads the segment anyway.
//!
//! Kafka maps these files into memory and reserves `segment.index.bytes` for the active segment; after a clean
//! stop its files look exactly like these.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use super::lazy_file::{LazyFile, SegmentEnv};
use crate::fs::{read_up_to, write_all_at};

/// One entry of an index.
pub trait IndexEntry: Copy {
    /// Bytes in the file.
    const SIZE: usize;
    /// Of the file.
    const SUFFIX: &'static str;
    /// Reads an entry from [`Self::SIZE`] bytes.
    fn decode(bytes: &[u8]) -> Option<Self>;
    /// Writes [`Self::SIZE`] bytes.
    fn encode(&self, out: &mut Vec<u8>);
}

/// `.index`: a batch's last offset, and where the batch starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    /// Last offset of the batch, less the segment's base offset.
    pub relative_offset: u32,
    /// Position of the batch in the segment.
    pub position: u32,
}

impl IndexEntry for OffsetEntry {
    const SIZE: usize = 8;
    const SUFFIX: &'static str = crate::names::INDEX_SUFFIX;

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            relative_offset: u32::from_be_bytes(*bytes.first_chunk()?),
            position: u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }
}

/// `.timeindex`: the largest timestamp so far, and the last offset of the batch that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// Unix ms.
    pub timestamp: i64,
    /// Offset, less the segment's base offset.
    pub relative_offset: u32,
}

impl IndexEntry for TimeEntry {
    const SIZE: usize = 12;
    const SUFFIX: &'static str = crate::names::TIME_INDEX_SUFFIX;

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            timestamp: i64::from_be_bytes(*bytes.first_chunk()?),
            relative_offset: u32::from_be_bytes(*bytes.get(8..)?.first_chunk()?),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }
}

/// Entries in memory before they are written: a page or so.
const TAIL_ENTRIES_MAX: usize = 512;
/// A binary search over the file ends by reading this many entries at once.
const BLOCK_ENTRIES: u32 = 256;
/// Bytes of the largest kind of entry.
const ENTRY_MAX: usize = 12;

/// Entries that are read at once when all are looked at.
const SANITY_BLOCK_ENTRIES: u32 = 16 * 1024;

/// One index of one segment.
#[derive(Debug)]
pub struct Index<E> {
    base_offset: i64,
    file: LazyFile,
    /// Entries in the file.
    written: u32,
    /// Whether the file may hold more than those: until it is rebuilt to its end, see [`Self::reset`].
    has_rest: bool,
    /// Entries after those.
    tail: Vec<E>,
    /// Entries of the file that were read or written last, and the number of the first of them.
    block: Option<Box<(u32, Vec<E>)>>,
    entry: PhantomData<E>,
}

impl<E: IndexEntry> Index<E> {
    /// An index whose file holds `len` bytes; a partial last entry is ignored.
    pub fn new(base_offset: i64, len: u64) -> Self {
        let written = u32::try_from(len / E::SIZE as u64).unwrap_or(u32::MAX);
        Self {
            base_offset,
            file: LazyFile::default(),
            written,
            has_rest: !len.is_multiple_of(E::SIZE as u64),
            tail: Vec::new(),
            block: None,
            entry: PhantomData,
        }
    }

    /// Number of entries.
    pub fn len(&self) -> u32 {
        self.written.saturating_add(self.tail.len() as u32)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an entry behind all others.
    pub fn push(&mut self, env: SegmentEnv<'_>, entry: E) -> io::Result<()> {
        self.tail.push(entry);
        if self.tail.len() >= TAIL_ENTRIES_MAX { self.write_out(env) } else { Ok(()) }
    }

    /// Writes all entries to the file.
    pub fn write_out(&mut self, env: SegmentEnv<'_>) -> io::Result<()> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(self.tail.len() * E::SIZE);
        self.tail.iter().for_each(|entry| entry.encode(&mut bytes));
        let file = self.open(env)?;
        let position = u64::from(self.written) * E::SIZE as u64;
        if !(self.has_rest && holds(&file, &bytes, position)?) {
            write_all_at(env.disk, &file, &[&bytes], position)?;
        }
        self.written = self.len();
        // Each append looks at the last entry.
        self.block = self.tail.last().map(|last| Box::new((self.written - 1, vec![*last])));
        self.tail = Vec::new();
        Ok(())
    }

    /// Writes all entries and gives the file its exact size; the file, to be made durable.
    pub fn prepare_sync(&mut self, env: SegmentEnv<'_>) -> io::Result<Arc<File>> {
        self.write_out(env)?;
        let file = self.open(env)?;
        let len = u64::from(self.written) * E::SIZE as u64;
        if file.metadata()?.len() != len {
            env.disk.set_len(&file, len)?;
        }
        Ok(file)
    }

    /// Creates an empty file where there is none, so that Kafka finds what it expects.
    pub fn create(&mut self, env: SegmentEnv<'_>) -> io::Result<()> {
        self.open(env).map(|_| ())
    }

    /// Keeps the first `keep` entries.
    pub fn truncate(&mut self, env: SegmentEnv<'_>, keep: u32) -> io::Result<()> {
        if keep >= self.len() {
            return Ok(());
        }
        self.tail.truncate(keep.saturating_sub(self.written) as usize);
        self.block = None;
        if keep < self.written {
            self.written = keep;
        }
        // Also cuts what the file holds beyond its entries, such as the zeros that a killed Kafka leaves.
        let file = self.open(env)?;
        env.disk.set_len(&file, u64::from(self.written) * E::SIZE as u64)
    }

    /// Forgets all entries, whatever the file holds, to be pushed anew and ended with [`Self::end_rebuild`]. The file is
    /// left as it is until then, and written only where it differs: a file that is cut to nothing and written again is
    /// put on the disk by the file system at once, which for ten thousand of them takes a busy disk half a minute.
    pub fn reset(&mut self) {
        self.has_rest |= self.written > 0;
        self.tail = Vec::new();
        self.block = None;
        self.written = 0;
    }

    /// Whether the file may hold more than is known of it, until [`Self::end_rebuild`].
    pub fn has_rest(&self) -> bool {
        self.has_rest
    }

    /// Writes all entries and cuts off what else the file may hold.
    pub fn end_rebuild(&mut self, env: SegmentEnv<'_>) -> io::Result<()> {
        self.write_out(env)?;
        if self.has_rest {
            let file = self.open(env)?;
            let len = u64::from(self.written) * E::SIZE as u64;
            if file.metadata()?.len() != len {
                env.disk.set_len(&file, len)?;
            }
            self.has_rest = false;
        }
        Ok(())
    }

    /// The entry number `at`, from 0.
    pub fn get(&mut self, env: SegmentEnv<'_>, at: u32) -> io::Result<Option<E>> {
        if let Some(in_tail) = at.checked_sub(self.written) {
            return Ok(self.tail.get(in_tail as usize).copied());
        }
        let in_block = |(first, block): &(u32, Vec<E>)| block.get(at.checked_sub(*first)? as usize).copied();
        if let Some(entry) = self.block.as_deref().and_then(in_block) {
            return Ok(Some(entry));
        }
        let file = self.open(env)?;
        read_entry(env, &file, at)
    }

    /// Gives back what only makes look-ups faster.
    pub fn trim(&mut self) {
        self.block = None;
    }

    /// Whether both keys of the entries ascend, the second up to `last` at most. One block at a time is in memory.
    pub fn all_ascend(
        &mut self,
        env: SegmentEnv<'_>,
        keys: impl Fn(&E) -> (i64, i64),
        last: i64,
    ) -> io::Result<bool> {
        self.write_out(env)?;
        let file = self.open(env)?;
        let mut before = (-1, i64::MIN);
        let mut at = 0;
        while at < self.written {
            let block: Vec<E> = read_block(env, &file, at, (self.written - at).min(SANITY_BLOCK_ENTRIES))?;
            if block.is_empty() {
                return Ok(false);
            }
            at += block.len() as u32;
            for key in block.iter().map(&keys) {
                if key.0 <= before.0 || key.1 <= before.1 || key.1 > last {
                    return Ok(false);
                }
                before = key;
            }
        }
        Ok(true)
    }

    /// The last entry.
    pub fn last(&mut self, env: SegmentEnv<'_>) -> io::Result<Option<E>> {
        match self.len().checked_sub(1) {
            Some(at) => self.get(env, at),
            None => Ok(None),
        }
    }

    /// The last entry for which `before` holds, in an index where all such entries come first; with its number.
    pub fn find_last(
        &mut self,
        env: SegmentEnv<'_>,
        before: impl Fn(&E) -> bool,
    ) -> io::Result<Option<(u32, E)>> {
        if self.tail.first().is_some_and(&before) {
            let at = self.tail.partition_point(before) - 1;
            return Ok(self.tail.get(at).map(|e| (self.written + at as u32, *e)));
        }
        if self.written == 0 {
            return Ok(None);
        }
        if let Some((first, block)) = self.block.as_deref()
            && block.first().is_some_and(&before)
            && (block.last().is_some_and(|last| !before(last)) || first + block.len() as u32 == self.written)
        {
            return Ok(last_before(*first, block, before));
        }
        let file = self.open(env)?;
        // Whoever reads on has come to the end of the block: the next one begins with its last entry.
        let next = self.block.as_deref().and_then(|(first, block)| {
            let last = block.last().filter(|last| before(last))?;
            Some((first + block.len() as u32 - 1, *last))
        });
        let (mut low, mut high) = (next.map_or(0, |(at, _)| at), self.written);
        let near = low.saturating_add(BLOCK_ENTRIES).min(high);
        if next.is_some() && read_entry::<E>(env, &file, near - 1)?.is_some_and(|entry| !before(&entry)) {
            high = near;
        }
        while high - low > BLOCK_ENTRIES {
            let middle = low + (high - low) / 2;
            match read_entry::<E>(env, &file, middle)? {
                Some(entry) if before(&entry) => low = middle,
                _ => high = middle,
            }
        }
        // A whole block, so that those who read on find much of their way in it.
        let block: Vec<E> = read_block(env, &file, low, BLOCK_ENTRIES.min(self.written - low))?;
        let found = last_before(low, &block, before);
        self.block = Some(Box::new((low, block)));
        Ok(found)
    }

    fn open(&mut self, env: SegmentEnv<'_>) -> io::Result<Arc<File>> {
        // What an index says can be found out again, so a missing one begins anew.
        self.file.create(env, self.base_offset, E::SUFFIX)
    }
}

/// The last entry of a block (whose first has the number `first`) for which `before` holds, with its number.
fn last_before<E: IndexEntry>(first: u32, block: &[E], before: impl Fn(&E) -> bool) -> Option<(u32, E)> {
    let at = block.partition_point(before).checked_sub(1)?;
    block.get(at).map(|entry| (first + at as u32, *entry))
}

/// Whether the file holds these bytes already.
fn holds(file: &File, bytes: &[u8], position: u64) -> io::Result<bool> {
    let mut there = vec![0; bytes.len()];
    let filled = read_up_to(file, &mut there, position)?;
    Ok(filled == bytes.len() && there == bytes)
}

fn read_entry<E: IndexEntry>(env: SegmentEnv<'_>, file: &Arc<File>, at: u32) -> io::Result<Option<E>> {
    let mut bytes = [0; ENTRY_MAX];
    let Some(wanted) = bytes.get_mut(..E::SIZE) else { return Ok(None) };
    let filled = env.read_up_to(file, wanted, u64::from(at) * E::SIZE as u64)?;
    Ok(if filled == E::SIZE { E::decode(wanted) } else { None })
}

fn read_block<E: IndexEntry>(
    env: SegmentEnv<'_>,
    file: &Arc<File>,
    at: u32,
    count: u32,
) -> io::Result<Vec<E>> {
    let mut bytes = vec![0; count as usize * E::SIZE];
    let filled = env.read_up_to(file, &mut bytes, u64::from(at) * E::SIZE as u64)?;
    bytes.truncate(filled);
    Ok(bytes.chunks_exact(E::SIZE).filter_map(E::decode).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cold::OnCold;
    use crate::file_cache::FileCache;
    use crate::fs::RealDisk;

    fn with_env(test: impl FnOnce(SegmentEnv<'_>)) {
        let dir = tempfile::tempdir().expect("temp dir");
        test(SegmentEnv {
            dir: dir.path(),
            files: &FileCache::new(10),
            disk: &RealDisk,
            on_cold: OnCold::Wait,
        });
    }

    fn entry(i: u32) -> OffsetEntry {
        OffsetEntry { relative_offset: i * 10 + 9, position: i * 4096 }
    }

    #[test]
    fn look_ups_agree_whatever_is_in_memory() {
        with_env(|env| {
            let mut index = Index::<OffsetEntry>::new(100, 0);
            for count in [1u32, 2, 255, 256, 257, 511, 512, 513, 1500] {
                while index.len() < count {
                    index.push(env, entry(index.len())).expect("push");
                }
                for reopened in [false, true] {
                    if reopened {
                        index.write_out(env).expect("write");
                        index = Index::new(100, u64::from(index.len()) * 8);
                    }
                    for target in [0, 8, 9, 10, 2559, 2560, count * 10, count * 10 + 5] {
                        let found = index.find_last(env, |e| e.relative_offset <= target).expect("find");
                        let expect = (0..count).rev().find(|i| i * 10 + 9 <= target);
                        assert_eq!(found, expect.map(|i| (i, entry(i))), "{count} {target} {reopened}");
                    }
                    assert_eq!(index.last(env).expect("last"), Some(entry(count - 1)));
                }
            }
        });
    }

    #[test]
    fn the_last_entry_is_known_without_the_file() {
        with_env(|env| {
            let mut index = Index::<OffsetEntry>::new(0, 0);
            (0..3).for_each(|i| index.push(env, entry(i)).expect("push"));
            index.write_out(env).expect("write");
            let path = super::super::lazy_file::path(env, 0, ".index");
            std::fs::write(&path, [0; 24]).expect("write");
            assert_eq!(index.last(env).expect("last"), Some(entry(2)));
            index.trim();
            assert_ne!(index.last(env).expect("last"), Some(entry(2)), "read again");
        });
    }

    #[test]
    fn reading_on_and_jumping_about_find_the_same() {
        with_env(|env| {
            let mut index = Index::<OffsetEntry>::new(0, 0);
            for i in 0..5000 {
                index.push(env, entry(i)).expect("push");
            }
            let mut find = |target: u32| {
                let found = index.find_last(env, |e| e.relative_offset <= target).expect("find");
                let expect =
                    (target + 1).checked_div(10).filter(|count| *count > 0).map(|count| count.min(5000) - 1);
                assert_eq!(found, expect.map(|i| (i, entry(i))), "{target}");
            };
            (0..50_100).step_by(7).for_each(&mut find);
            (0..50_100).rev().step_by(1009).for_each(&mut find);
            // Steps of all sizes, forwards and back.
            let mut at: u32 = 1;
            for step in 1..2000_u32 {
                at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223 + step);
                find(at % 50_100);
            }
        });
    }

    #[test]
    fn a_rebuild_leaves_what_it_finds_again_and_nothing_else() {
        with_env(|env| {
            for (before, after) in [(0, 0), (0, 3), (5, 5), (5, 3), (3, 5), (1500, 1400), (600, 1500), (5, 0)]
            {
                for (torn, differs) in [(false, false), (true, false), (false, true)] {
                    let path = super::super::lazy_file::path(env, 0, ".index");
                    let mut bytes = Vec::new();
                    (0..before).for_each(|i| entry(i).encode(&mut bytes));
                    if torn {
                        bytes.extend_from_slice(b"torn");
                    }
                    if let Some(byte) = bytes.last_mut().filter(|_| differs) {
                        *byte ^= 1;
                    }
                    std::fs::write(&path, &bytes).expect("write");
                    let mut index = Index::<OffsetEntry>::new(0, bytes.len() as u64);
                    index.reset();
                    (0..after).for_each(|i| index.push(env, entry(i)).expect("push"));
                    index.end_rebuild(env).expect("end");
                    let mut expect = Vec::new();
                    (0..after).for_each(|i| entry(i).encode(&mut expect));
                    let what = format!("{before} to {after}, torn: {torn}, differs: {differs}");
                    assert!(std::fs::read(&path).expect("read") == expect, "{what}");
                    index.push(env, entry(after)).expect("push");
                    index.end_rebuild(env).expect("end");
                    assert_eq!(index.last(env).expect("last"), Some(entry(after)), "{what}");
                }
            }
        });
    }

    #[test]
    fn truncation_reaches_the_file() {
        with_env(|env| {
            let mut index = Index::<OffsetEntry>::new(0, 0);
            for i in 0..600 {
                index.push(env, entry(i)).expect("push");
            }
            for keep in [590, 512, 511, 3, 0] {
                index.truncate(env, keep).expect("truncate");
                assert_eq!(index.len(), keep);
                index.push(env, entry(keep)).expect("push");
                index.prepare_sync(env).expect("write");
                let path = super::super::lazy_file::path(env, 0, ".index");
                assert_eq!(std::fs::metadata(path).expect("stat").len(), u64::from(keep + 1) * 8);
                assert_eq!(index.last(env).expect("last"), Some(entry(keep)));
            }
        });
    }

    #[test]
    fn entries_have_kafkas_layout() {
        let mut bytes = Vec::new();
        OffsetEntry { relative_offset: 1, position: 0x0203 }.encode(&mut bytes);
        TimeEntry { timestamp: -1, relative_offset: 4 }.encode(&mut bytes);
        assert_eq!(bytes, [0, 0, 0, 1, 0, 0, 2, 3, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 4]);
        assert_eq!(TimeEntry::decode(&bytes[8..]), Some(TimeEntry { timestamp: -1, relative_offset: 4 }));
    }
}
