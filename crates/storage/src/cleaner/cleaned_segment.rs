//! The segment that is cleaned into. Nobody else knows it before it is swapped in, so it needs no lock; its indexes
//! are kept in memory until it is complete.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use ottla_protocol::records::{BatchHeader, NO_TIMESTAMP};

use crate::fs::{Disk, write_all_at};
use crate::segment::FileSizes;
use crate::segment::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::segment::txn_index::AbortedTxn;

/// The files of a cleaned segment, open and empty.
#[derive(Debug)]
pub(crate) struct CleanedFiles {
    pub(crate) log: Arc<File>,
    pub(crate) index: Arc<File>,
    pub(crate) time_index: Arc<File>,
    pub(crate) txn_index: Arc<File>,
}

/// A segment while it is written.
#[derive(Debug)]
pub(crate) struct CleanedSegment {
    pub(crate) base_offset: i64,
    files: CleanedFiles,
    index_interval_bytes: u32,
    bytes: u32,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
    txns: Vec<AbortedTxn>,
    max_timestamp: i64,
    offset_of_max_timestamp: i64,
    bytes_since_index_entry: u32,
    last_offset: Option<i64>,
}

impl CleanedSegment {
    pub(crate) fn new(base_offset: i64, files: CleanedFiles, index_interval_bytes: u32) -> Self {
        Self {
            base_offset,
            files,
            index_interval_bytes,
            bytes: 0,
            offsets: Vec::new(),
            times: Vec::new(),
            txns: Vec::new(),
            max_timestamp: NO_TIMESTAMP,
            offset_of_max_timestamp: base_offset,
            bytes_since_index_entry: 0,
            last_offset: None,
        }
    }

    /// Adds an aborted transaction whose marker stays.
    pub(crate) fn add_aborted(&mut self, txn: AbortedTxn) {
        self.txns.push(txn);
    }

    /// Writes batches behind the others.
    ///
    /// # Errors
    /// When the disk fails; `InvalidData` when offsets do not ascend or do not fit.
    pub(crate) fn append(&mut self, disk: &dyn Disk, batches: &[u8]) -> io::Result<()> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let position = self.bytes;
        let mut rest = batches;
        while !rest.is_empty() {
            let header = BatchHeader::parse(rest).map_err(|e| invalid(&e.to_string()))?;
            rest = rest.get(header.size()..).ok_or_else(|| invalid("a batch is cut"))?;
            let relative = header
                .last_offset()
                .checked_sub(self.base_offset)
                .and_then(|relative| i32::try_from(relative).ok())
                .and_then(|relative| u32::try_from(relative).ok())
                .ok_or_else(|| invalid("an offset does not fit into its segment"))?;
            if self.last_offset.is_some_and(|last| header.base_offset() <= last) {
                return Err(invalid("offsets do not ascend"));
            }
            self.note(&header, relative).ok_or_else(|| invalid("the segment is too large"))?;
        }
        write_all_at(disk, &self.files.log, &[batches], u64::from(position))
    }

    /// As an append to an ordinary segment does.
    fn note(&mut self, header: &BatchHeader, relative_offset: u32) -> Option<()> {
        if header.max_timestamp() > self.max_timestamp {
            self.max_timestamp = header.max_timestamp();
            self.offset_of_max_timestamp = header.last_offset();
        }
        let size = u32::try_from(header.size()).ok()?;
        if self.bytes_since_index_entry > self.index_interval_bytes {
            self.offsets.push(OffsetEntry { relative_offset, position: self.bytes });
            self.push_time_entry();
            self.bytes_since_index_entry = 0;
        }
        self.bytes_since_index_entry += size;
        self.bytes = self.bytes.checked_add(size).filter(|bytes| *bytes <= i32::MAX as u32)?;
        self.last_offset = Some(header.last_offset());
        Some(())
    }

    fn push_time_entry(&mut self) {
        let last = self.times.last().map_or(NO_TIMESTAMP, |entry| entry.timestamp);
        if self.max_timestamp > last
            && let Ok(relative_offset) = u32::try_from(self.offset_of_max_timestamp - self.base_offset)
        {
            self.times.push(TimeEntry { timestamp: self.max_timestamp, relative_offset });
        }
    }

    /// Writes the indexes and makes all durable. `modified` is the time of the newest source: what retention goes by
    /// when records have no timestamps.
    pub(crate) fn finish(&mut self, disk: &dyn Disk, modified: SystemTime) -> io::Result<()> {
        self.push_time_entry();
        let txns: Vec<u8> = self.txns.iter().flat_map(AbortedTxn::encode).collect();
        let parts = [
            (&self.files.index, encode(&self.offsets)),
            (&self.files.time_index, encode(&self.times)),
            (&self.files.txn_index, txns),
        ];
        for (file, bytes) in &parts {
            write_all_at(disk, file, &[bytes], 0)?;
        }
        self.files.log.set_modified(modified)?;
        for file in [&self.files.log, &self.files.index, &self.files.time_index, &self.files.txn_index] {
            disk.sync_data(file)?;
        }
        Ok(())
    }

    /// What a listing of the directory would show. Without entries there is to be no `.txnindex`.
    pub(crate) fn sizes(&self) -> FileSizes {
        let bytes = |entries: usize, size: usize| Some((entries * size) as u64);
        FileSizes {
            log: u64::from(self.bytes),
            index: bytes(self.offsets.len(), OffsetEntry::SIZE),
            time_index: bytes(self.times.len(), TimeEntry::SIZE),
            txn_index: bytes(self.txns.len(), AbortedTxn::SIZE).filter(|bytes| *bytes > 0),
        }
    }
}

fn encode<E: IndexEntry>(entries: &[E]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * E::SIZE);
    entries.iter().for_each(|entry| entry.encode(&mut bytes));
    bytes
}
