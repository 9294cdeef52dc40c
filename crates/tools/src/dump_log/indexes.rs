//! Offset indexes, time indexes and transaction indexes (Kafka: `DumpLogSegments.dumpIndex` and its siblings).

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::failure::DumpFailure;
use super::log_file::LogFile;
use super::{DumpOptions, Findings};
use crate::{Io, outln};

const OFFSET_ENTRY: usize = 8;
const TIME_ENTRY: usize = 12;
const TXN_ENTRY: usize = 34;
const NO_TIMESTAMP: i64 = -1;

/// Entries of one size in a file, read in blocks.
struct Entries<const SIZE: usize> {
    file: File,
    len: u64,
    block_start: u64,
    block: Vec<[u8; SIZE]>,
}

/// How many entries are read at once.
const BLOCK: u64 = 512;

impl<const SIZE: usize> Entries<SIZE> {
    fn open(path: &Path) -> Result<Self, DumpFailure> {
        let file = File::open(path).map_err(|why| DumpFailure::open(path, &why))?;
        let len = file.metadata()?.len();
        Ok(Self { file, len, block_start: 0, block: Vec::new() })
    }

    fn count(&self) -> u64 {
        self.len / SIZE as u64
    }

    fn get(&mut self, at: u64) -> Result<Option<[u8; SIZE]>, DumpFailure> {
        if at >= self.count() {
            return Ok(None);
        }
        let within = at.checked_sub(self.block_start).and_then(|i| self.block.get(usize::try_from(i).ok()?));
        if let Some(entry) = within {
            return Ok(Some(*entry));
        }
        let start = at - at % BLOCK;
        let entries = BLOCK.min(self.count() - start);
        let mut bytes = vec![0; usize::try_from(entries).unwrap_or(0) * SIZE];
        self.file.read_exact_at(&mut bytes, start * SIZE as u64)?;
        self.block_start = start;
        self.block = bytes.chunks_exact(SIZE).filter_map(|c| c.first_chunk().copied()).collect();
        Ok(usize::try_from(at - start).ok().and_then(|i| self.block.get(i)).copied())
    }
}

fn offset_entry(base: i64, [o0, o1, o2, o3, p0, p1, p2, p3]: [u8; OFFSET_ENTRY]) -> (i64, i32) {
    let relative = i32::from_be_bytes([o0, o1, o2, o3]);
    (base.wrapping_add(relative.into()), i32::from_be_bytes([p0, p1, p2, p3]))
}

fn time_entry(base: i64, entry: [u8; TIME_ENTRY]) -> (i64, i64) {
    let (timestamp, rest) = entry
        .split_first_chunk()
        .map_or((0, [].as_slice()), |(head, rest)| (i64::from_be_bytes(*head), rest));
    let relative = rest.first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes));
    (timestamp, base.wrapping_add(relative.into()))
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let name = super::file_name(path);
    let stem = name.split('.').next().unwrap_or_default();
    path.with_file_name(format!("{stem}{suffix}"))
}

/// Prints and checks an offset index.
///
/// # Errors
/// When it, or its log, can't be read, or it is not sane.
pub fn dump_offset_index(
    path: &Path,
    options: &DumpOptions,
    findings: &mut Findings,
    io: &mut Io,
) -> Result<(), DumpFailure> {
    let base = super::base_offset(path)?;
    let log = LogFile::open(&sibling(path, ".log"))?;
    let mut index = Entries::<OFFSET_ENTRY>::open(path)?;
    if index.count() == 0 {
        outln!(io, "{} is empty.", path.display());
        return Ok(());
    }
    if options.index_sanity_check {
        let last = index.get(index.count() - 1)?.map_or(base, |entry| offset_entry(base, entry).0);
        check_offset_index(path, base, last, index.len)?;
        outln!(io, "{} passed sanity check.", path.display());
        return Ok(());
    }
    let mut mismatches = BTreeMap::new();
    let mut at = 0;
    while let Some(entry) = index.get(at)? {
        let (offset, position) = offset_entry(base, entry);
        // After a crash the unused rest of the file is zeros.
        if offset == base && at > 0 {
            break;
        }
        let position_in_file = u64::try_from(position).map_err(|_| {
            DumpFailure::thrown("java.lang.IllegalArgumentException", format!("Invalid position: {position}"))
        })?;
        let size = u64::try_from(options.max_message_size).unwrap_or(0);
        let found = log.batches(position_in_file, size)?.next_header()?;
        let (_, batch) =
            found.ok_or_else(|| DumpFailure::thrown("java.util.NoSuchElementException", "null"))?;
        if batch.last_offset() != offset {
            mismatches.insert(std::cmp::Reverse(offset), batch.last_offset());
        }
        if !options.verify_index_only {
            outln!(io, "offset: {offset} position: {position}");
        }
        at += 1;
    }
    if !mismatches.is_empty() {
        findings.index_mismatches.push((super::absolute(path), mismatches));
    }
    Ok(())
}

fn check_offset_index(path: &Path, base: i64, last: i64, len: u64) -> Result<(), DumpFailure> {
    let file = super::absolute(path);
    if last < base {
        return Err(DumpFailure::corrupt_index(format!(
            "Corrupt index found, index file {file} has non-zero size but the last offset is {last} which is \
             less than the base offset {base}"
        )));
    }
    if !len.is_multiple_of(OFFSET_ENTRY as u64) {
        return Err(DumpFailure::corrupt_index(format!(
            "Index file {file} is corrupt, found {len} bytes which is neither positive nor a multiple of \
             {OFFSET_ENTRY}"
        )));
    }
    Ok(())
}

/// Where the last entry at or before `offset` points, or the start of the log.
fn look_up(index: &mut Entries<OFFSET_ENTRY>, base: i64, offset: i64) -> Result<u64, DumpFailure> {
    let (mut low, mut high) = (0, index.count());
    let mut position = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(entry) = index.get(middle)? else { break };
        let (at, place) = offset_entry(base, entry);
        if at <= offset {
            position = place;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(u64::try_from(position).unwrap_or(0))
}

/// Prints and checks a time index.
///
/// # Errors
/// When it, its offset index or its log can't be read, or it is not sane.
pub fn dump_time_index(
    path: &Path,
    options: &DumpOptions,
    findings: &mut Findings,
    io: &mut Io,
) -> Result<(), DumpFailure> {
    let base = super::base_offset(path)?;
    let log = LogFile::open(&sibling(path, ".log"))?;
    let mut index = Entries::<OFFSET_ENTRY>::open(&sibling(path, ".index"))?;
    let mut times = Entries::<TIME_ENTRY>::open(path)?;
    if options.index_sanity_check {
        check_time_index(path, base, &mut times)?;
        outln!(io, "{} passed sanity check.", path.display());
        return Ok(());
    }
    let mut previous = NO_TIMESTAMP;
    let mut at = 0;
    while let Some(entry) = times.get(at)? {
        let (timestamp, offset) = time_entry(base, entry);
        if offset == base && at > 0 {
            break;
        }
        let file = || super::absolute(path);
        match batch_at(&log, look_up(&mut index, base, offset)?, offset)? {
            None => findings.missing_offsets.push(file(), (offset, -1)),
            Some((last_offset, _)) if last_offset != offset => {
                findings.missing_offsets.push(file(), (offset, last_offset));
            }
            Some((_, max_timestamp)) => {
                if max_timestamp != timestamp {
                    findings.time_mismatches.push(file(), (timestamp, max_timestamp));
                }
                if previous >= timestamp {
                    findings.out_of_order.push(file(), (timestamp, previous));
                }
            }
        }
        if !options.verify_index_only {
            outln!(io, "timestamp: {timestamp} offset: {offset}");
        }
        previous = timestamp;
        at += 1;
    }
    Ok(())
}

/// Last offset and greatest timestamp of the first batch from `position` that ends at or behind `offset`.
fn batch_at(log: &LogFile, position: u64, offset: i64) -> Result<Option<(i64, i64)>, DumpFailure> {
    let mut batches = log.batches(position, i32::MAX as u64)?;
    let mut start = position;
    while let Some((found, header)) = batches.next_header()? {
        start = found;
        if header.last_offset() >= offset {
            break;
        }
        start = found.saturating_add(header.size() as u64);
    }
    let Some(batch) = log.batches(start, i32::MAX as u64)?.next_batch()? else { return Ok(None) };
    if batch.header.last_offset() != offset {
        return Ok(Some((batch.header.last_offset(), NO_TIMESTAMP)));
    }
    let mut max = NO_TIMESTAMP;
    for record in batch.records()? {
        let record = record.map_err(|why| DumpFailure::corrupt(why.to_string()))?;
        max = max.max(record.timestamp);
    }
    Ok(Some((offset, max)))
}

fn check_time_index(path: &Path, base: i64, times: &mut Entries<TIME_ENTRY>) -> Result<(), DumpFailure> {
    let file = super::absolute(path);
    let count = times.count();
    if let Some(first) = times.get(0)?
        && let Some(last) = times.get(count - 1)?
    {
        let first = time_entry(base, first).0;
        let (last_time, last_offset) = time_entry(base, last);
        if last_time < first {
            return Err(DumpFailure::corrupt_index(format!(
                "Corrupt time index found, time index file ({file}) has non-zero size but the last timestamp is \
                 {last_time} which is less than the first timestamp {first}"
            )));
        }
        if last_offset < base {
            return Err(DumpFailure::corrupt_index(format!(
                "Corrupt time index found, time index file ({file}) has non-zero size but the last offset is \
                 {last_offset} which is less than the first offset {base}"
            )));
        }
    }
    if !times.len.is_multiple_of(TIME_ENTRY as u64) {
        return Err(DumpFailure::corrupt_index(format!(
            "Time index file {file} is corrupt, found {} bytes which is neither positive nor a multiple of \
             {TIME_ENTRY}",
            times.len
        )));
    }
    Ok(())
}

/// Prints a transaction index.
///
/// # Errors
/// When it can't be read or is of a newer version.
pub fn dump_txn_index(path: &Path, io: &mut Io) -> Result<(), DumpFailure> {
    let mut index = Entries::<TXN_ENTRY>::open(path)?;
    let mut at = 0;
    while let Some(entry) = index.get(at)? {
        let number = |from: usize| {
            entry.get(from..).and_then(|b| b.first_chunk()).map_or(0, |b| i64::from_be_bytes(*b))
        };
        let version = entry.first_chunk().map_or(0, |b| i16::from_be_bytes(*b));
        if version > 0 {
            return Err(DumpFailure::thrown(
                "org.apache.kafka.common.KafkaException",
                format!(
                    "Unexpected aborted transaction version {version} in transaction index {}, current version \
                     is 0",
                    super::absolute(path)
                ),
            ));
        }
        outln!(
            io,
            "version: {version} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            number(2),
            number(10),
            number(18),
            number(26)
        );
        at += 1;
    }
    Ok(())
}
