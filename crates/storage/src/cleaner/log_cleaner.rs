//! Cleaning one log (Kafka: `Cleaner`).
//!
//! First the keys of the dirty part go into the offset map, as far as it has room. Then all segments up to there are
//! written anew, group by group, without what the map, the transactions and the delete horizons say is gone; each new
//! segment takes the place of its group when it is durable. Closed segments do not change, so all this needs the log's
//! lock only to look something up and for the swap; who truncates the log, or closes it, is noticed at the next chunk
//! and at the swap.

use std::time::SystemTime;

use ottla_protocol::records::{BatchIter, RecordBatch, RecordsError};
use parking_lot::Mutex;

use super::chunks::ChunkBuffer;
use super::cleaned_segment::CleanedSegment;
use super::error::CleanError;
use super::filter::{Filter, payload};
use super::group::{GroupLimits, SegmentSize, group};
use super::offset_map::OffsetMap;
use super::throttle::Throttler;
use super::transactions::{CleanedTransactions, Marker};
use super::{CleanerHost, CleanerOptions};
use crate::log::{CleaningView, PartitionLog, SourceSegment};

/// Cleans logs, one after the other. Holds the buffers.
#[derive(Debug)]
pub(crate) struct Cleaner {
    map: OffsetMap,
    /// Keys that the map may hold: a fuller one is slow.
    keys_max: usize,
    chunks: ChunkBuffer,
    out: Vec<u8>,
}

/// One cleaning.
pub(crate) struct Run<'a> {
    pub(crate) log: &'a PartitionLog,
    pub(crate) view: &'a CleaningView,
    pub(crate) first_dirty_offset: i64,
    /// Base offset of a segment.
    pub(crate) first_uncleanable_offset: i64,
    pub(crate) host: &'a dyn CleanerHost,
    pub(crate) throttler: &'a Mutex<Throttler>,
    pub(crate) now_ms: i64,
}

/// What a cleaning did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CleanStats {
    pub(crate) map_bytes_read: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    pub(crate) records_read: u64,
    pub(crate) records_kept: u64,
    pub(crate) map_utilization: f64,
}

impl Run<'_> {
    fn check(&self) -> Result<(), CleanError> {
        if self.host.is_stopping() {
            return Err(CleanError::Stopped);
        }
        self.log.check_cleaning(self.view.truncations)
    }

    fn throttle(&self, bytes: usize) {
        let wait_ms = self.throttler.lock().observe(bytes, self.host.elapsed_ms());
        if wait_ms > 0 {
            self.host.pause(wait_ms);
        }
    }

    fn source(&self, segment: &SegmentSize, offset: i64) -> Result<SourceSegment, CleanError> {
        self.log.source_segment(self.view.truncations, segment.base_offset, offset)
    }

    fn fail(&self, e: std::io::Error) -> CleanError {
        self.log.fail_cleaning(e).into()
    }

    /// The base offset of the segment behind one of the view.
    fn next_base(&self, segment: &SegmentSize) -> i64 {
        let next = self.view.segments.partition_point(|s| s.base_offset <= segment.base_offset);
        self.view.segments.get(next).map_or(self.view.bounds.active_base_offset, |s| s.base_offset)
    }

    fn max_message_bytes(&self) -> u32 {
        self.view.config.max_message_bytes
    }
}

impl Cleaner {
    pub(crate) fn new(options: &CleanerOptions) -> Self {
        let map = OffsetMap::new(options.dedupe_buffer_bytes);
        let keys_max = (map.slots() as f64 * options.load_factor) as usize;
        Self {
            keys_max: keys_max.clamp(1, map.slots().max(1)),
            map,
            chunks: ChunkBuffer::new(options.io_buffer_bytes, options.max_io_buffer_bytes),
            out: Vec::new(),
        }
    }

    /// Gives all memory back.
    pub(crate) fn release(&mut self) {
        self.map.clear();
        self.chunks.release();
        self.out = Vec::new();
    }

    /// Cleans a log; the offset up to which it is clean now.
    pub(crate) fn clean(&mut self, run: &Run<'_>) -> Result<(i64, CleanStats), CleanError> {
        let mut stats = CleanStats::default();
        self.build_map(run, &mut stats)?;
        let end_offset = self.map.latest_offset().saturating_add(1);
        let count = run.view.segments.partition_point(|s| s.base_offset < end_offset);
        let segments = run.view.segments.get(..count).unwrap_or_default();
        let limits = GroupLimits {
            segment_bytes: u64::from(run.view.config.segment_bytes),
            index_bytes: u64::from(run.view.config.segment_index_bytes),
            end_offset: run.first_uncleanable_offset,
        };
        let mut txns = CleanedTransactions::default();
        for range in group(segments, &limits) {
            self.clean_group(run, segments.get(range).unwrap_or_default(), &mut txns, &mut stats)?;
        }
        stats.map_utilization = self.map.utilization();
        Ok((end_offset, stats))
    }

    /// Puts the keys of the dirty part into the map, until it is full.
    pub(crate) fn build_map(&mut self, run: &Run<'_>, stats: &mut CleanStats) -> Result<(), CleanError> {
        self.map.clear();
        let (start, end) = (run.first_dirty_offset, run.first_uncleanable_offset);
        let mut txns = CleanedTransactions::default();
        txns.add_aborted(&run.log.aborted_transactions(start, end)?);
        let segments = &run.view.segments;
        let first = segments.partition_point(|s| s.base_offset <= start).saturating_sub(1);
        for segment in segments.iter().skip(first).take_while(|s| s.base_offset < end) {
            if self.map_segment(run, segment, &mut txns, stats)? {
                tracing::debug!(partition = %run.log.partition(), "the offset map is full");
                break;
            }
            // Whatever lay behind the last batch is gone already.
            self.map.update_latest_offset(run.next_base(segment).min(end) - 1);
        }
        Ok(())
    }

    /// Whether the map is full.
    fn map_segment(
        &mut self,
        run: &Run<'_>,
        segment: &SegmentSize,
        txns: &mut CleanedTransactions,
        stats: &mut CleanStats,
    ) -> Result<bool, CleanError> {
        let source = run.source(segment, run.first_dirty_offset)?;
        let mut position = source.position;
        while position < source.bytes {
            run.check()?;
            let chunk = self.chunks.fill(&source, position, run.max_message_bytes());
            let chunk = chunk.map_err(|e| e.at(segment.base_offset, position, |e| run.fail(e)))?;
            run.throttle(chunk.len());
            stats.map_bytes_read += chunk.len() as u64;
            for batch in BatchIter::new(chunk) {
                let added = batch.and_then(|batch| {
                    let is_full =
                        add_to_map(&mut self.map, self.keys_max, &batch, txns, run.first_dirty_offset)?;
                    Ok((batch.size() as u32, is_full))
                });
                let (size, is_full) = added.map_err(|source| CleanError::Records {
                    base_offset: segment.base_offset,
                    position,
                    source,
                })?;
                if is_full {
                    return Ok(true);
                }
                position += size;
            }
        }
        self.chunks.restore();
        Ok(false)
    }

    /// Cleans neighbouring segments into one.
    fn clean_group(
        &mut self,
        run: &Run<'_>,
        group: &[SegmentSize],
        txns: &mut CleanedTransactions,
        stats: &mut CleanStats,
    ) -> Result<(), CleanError> {
        let bases: Vec<i64> = group.iter().map(|s| s.base_offset).collect();
        let Some(&base_offset) = bases.first() else { return Ok(()) };
        let done = self.write_group(run, group, txns, stats).and_then(|cleaned| {
            run.check()?;
            run.log.replace_segments(run.view.truncations, &cleaned, &bases, run.now_ms)
        });
        if done.is_err() {
            run.log.discard_cleaned(base_offset);
        }
        done
    }

    /// Writes what stays of a group to a segment of its own, which is durable then.
    pub(crate) fn write_group(
        &mut self,
        run: &Run<'_>,
        group: &[SegmentSize],
        txns: &mut CleanedTransactions,
        stats: &mut CleanStats,
    ) -> Result<CleanedSegment, CleanError> {
        let base_offset = group.first().map_or(0, |s| s.base_offset);
        let files = run.log.create_cleaned(run.view.truncations, base_offset)?;
        let mut cleaned = CleanedSegment::new(base_offset, files, run.view.config.index_interval_bytes);
        let last_records = run.log.last_records_of_producers();
        let mut modified = SystemTime::UNIX_EPOCH;
        for segment in group {
            // Of the whole stretch: the index of aborted transactions is made anew, too.
            txns.add_aborted(&run.log.aborted_transactions(segment.base_offset, run.next_base(segment))?);
            let source = run.source(segment, segment.base_offset)?;
            modified = source.modified;
            let filter = Filter {
                map: &self.map,
                last_records: &last_records,
                round_end_offset: run.first_uncleanable_offset,
                now_ms: run.now_ms,
                delete_retention_ms: run.view.config.delete_retention_ms,
            };
            let mut pass = Pass { run, filter, txns, stats, cleaned: &mut cleaned, out: &mut self.out };
            pass.clean_segment(&mut self.chunks, segment, &source)?;
        }
        cleaned.finish(run.log.log_dir().disk(), modified).map_err(|e| run.fail(e))?;
        Ok(cleaned)
    }
}

/// The way of one segment through the filter.
struct Pass<'a, 'r> {
    run: &'a Run<'r>,
    filter: Filter<'a>,
    txns: &'a mut CleanedTransactions,
    stats: &'a mut CleanStats,
    cleaned: &'a mut CleanedSegment,
    out: &'a mut Vec<u8>,
}

impl Pass<'_, '_> {
    fn clean_segment(
        &mut self,
        chunks: &mut ChunkBuffer,
        segment: &SegmentSize,
        source: &SourceSegment,
    ) -> Result<(), CleanError> {
        let run = self.run;
        let mut position = 0;
        while position < source.bytes {
            run.check()?;
            let chunk = chunks.fill(source, position, run.max_message_bytes());
            let chunk = chunk.map_err(|e| e.at(segment.base_offset, position, |e| run.fail(e)))?;
            run.throttle(chunk.len());
            self.stats.bytes_read += chunk.len() as u64;
            self.out.clear();
            for batch in BatchIter::new(chunk) {
                let size = batch.and_then(|batch| self.filter_batch(&batch));
                position += size.map_err(|source| CleanError::Records {
                    base_offset: segment.base_offset,
                    position,
                    source,
                })?;
            }
            if !self.out.is_empty() {
                let disk = run.log.log_dir().disk();
                self.cleaned.append(disk, self.out).map_err(|e| run.fail(e))?;
                self.stats.bytes_written += self.out.len() as u64;
                run.throttle(self.out.len());
            }
        }
        chunks.restore();
        Ok(())
    }

    /// Adds what stays of a batch to `out`; the size that it had.
    fn filter_batch(&mut self, batch: &RecordBatch<'_>) -> Result<u32, RecordsError> {
        batch.check_crc()?;
        let can_discard = if batch.is_control() {
            let (can_discard, aborted) = self.txns.on_control_batch(batch, Marker::of(batch)?);
            if let Some(txn) = aborted {
                self.cleaned.add_aborted(txn);
            }
            can_discard
        } else {
            self.txns.on_batch(batch)
        };
        let decision = self.filter.decide(batch, can_discard);
        let kept = self.filter.apply(batch, decision, self.out)?;
        self.stats.records_read += kept.records_read;
        self.stats.records_kept += kept.records_kept;
        Ok(batch.size() as u32)
    }
}

/// Puts the keys of a batch into the map; whether it is full. Aborted records have no say.
fn add_to_map(
    map: &mut OffsetMap,
    keys_max: usize,
    batch: &RecordBatch<'_>,
    txns: &mut CleanedTransactions,
    first_dirty_offset: i64,
) -> Result<bool, RecordsError> {
    batch.check_crc()?;
    if batch.is_control() {
        txns.on_control_batch(batch, Marker::of(batch)?);
    } else if !txns.on_batch(batch) {
        for record in batch.record_refs(&payload(batch)?)? {
            let record = record?;
            let offset = batch.base_offset().wrapping_add(i64::from(record.offset_delta));
            let Some(key) = record.key.filter(|_| offset >= first_dirty_offset) else { continue };
            if map.len() >= keys_max || map.put(key, offset).is_err() {
                return Ok(true);
            }
        }
    }
    if batch.last_offset() >= first_dirty_offset {
        map.update_latest_offset(batch.last_offset());
    }
    Ok(false)
}
