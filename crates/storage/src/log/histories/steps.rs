//! What may happen to a log.
//!
//! Of compaction the swap is one of the steps; what it removes, `cleaning_model_test` looks at.

use bytes::{Bytes, BytesMut};
use ottla_protocol::records::{AppendOrigin, BatchOptions, EndTransactionMarker, end_transaction_batch};

use super::history::History;
use super::model::{Batch, FIRST_TRANSACTIONAL, Kind, PRODUCERS_END, ProducerBatch};
use crate::error::StorageResult;
use crate::log::{AppendError, AppendInfo, AppendOptions};
use crate::test_support::crash_disk::{Exhaustion, Faults};
use crate::test_support::{NOW, batch_at};

/// Offset and leader epoch are not covered by a batch's CRC: here they stand.
const OFFSET_AT: std::ops::Range<usize> = 0..8;
const EPOCH_AT: std::ops::Range<usize> = 12..16;

impl History {
    /// Something happens.
    pub fn step(&mut self, told: &mut Vec<String>) {
        self.now_ms += self.rng.between(0, 30);
        let what = self.rng.below(63);
        // What fails for this reason is as if it had not been tried, and the log goes on.
        let may_exhaust = matches!(what, 0..=30 | 35..=41);
        if may_exhaust && self.rng.one_in(6) {
            let exhaustion =
                Exhaustion { after: self.rng.below(8) as u32, count: self.rng.between(1, 3) as u32 };
            told.push(format!("{exhaustion:?}"));
            self.disk.set_exhaustion(Some(exhaustion));
        }
        let done = self.step_number(what, told);
        self.disk.set_exhaustion(None);
        self.settle(done.is_err(), told);
    }

    fn step_number(&mut self, what: u64, told: &mut Vec<String>) -> StorageResult<()> {
        match what {
            0..=11 => self.append_plain(told),
            12..=18 => self.append_idempotent(told),
            19..=27 => self.append_transactional(told),
            28..=30 => self.append_as_follower(told),
            31..=33 => self.tell(told, "read", |h| {
                h.check_read();
                Ok(())
            }),
            34 => self.tell(told, "retry", |h| {
                h.check_retry();
                Ok(())
            }),
            35..=36 => self.tell(told, "roll", |h| h.log.roll(h.now_ms)),
            37..=39 => self.tell(told, "flush", |h| h.log.flush(h.now_ms)),
            40..=41 => self.tell(told, "background work", |h| {
                h.context.background_tick(h.now_ms);
                h.log.check_open()
            }),
            42 => self.tell(told, "new epoch", |h| {
                h.leader_epoch += h.rng.between(1, 2) as i32;
                h.log.assign_epoch_start_offset(h.leader_epoch, h.model.end)
            }),
            43 => self.tell(told, "trim memory", |h| {
                h.log.trim_memory();
                Ok(())
            }),
            44 => self.tell(told, "high watermark", |h| {
                let offset = h.model.start + h.rng.between(0, h.model.end - h.model.start);
                h.log.set_high_watermark(offset);
                assert!(h.log.last_stable_offset() <= offset);
                Ok(())
            }),
            45..=46 => self.delete_records(told),
            47..=48 => self.retain(told),
            49 => self.truncate(told),
            50 => self.start_over(told),
            51..=53 => self.tell(told, "checkpoint", |h| {
                h.checkpoint();
                Ok(())
            }),
            54 => {
                self.fail_soon(told);
                Ok(())
            }
            55 => self.stop_in_order(told),
            56..=57 => {
                self.kill(told);
                Ok(())
            }
            58..=60 => self.rewrite(told),
            _ => {
                self.lose_power(told);
                Ok(())
            }
        }
    }

    pub fn tell(
        &mut self,
        told: &mut Vec<String>,
        what: &str,
        work: impl FnOnce(&mut Self) -> StorageResult<()>,
    ) -> StorageResult<()> {
        told.push(what.to_owned());
        work(self)
    }

    pub fn try_append(&self, records: &Bytes) -> Result<AppendInfo, AppendError> {
        self.try_append_from(records, AppendOrigin::Client)
    }

    fn try_append_from(&self, records: &Bytes, origin: AppendOrigin) -> Result<AppendInfo, AppendError> {
        let options = AppendOptions {
            now_ms: self.now_ms,
            leader_epoch: self.leader_epoch,
            origin,
            // As on a slow disk, now and then.
            unlocked: self.now_ms % 2 == 0,
            ..Default::default()
        };
        self.log.append_as_leader(records, &options)
    }

    fn append_plain(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        let (records, size) = (self.rng.between(1, 4) as usize, self.rng.below(300) as usize);
        let timestamp = self.timestamp();
        let batch = batch_at(timestamp, records, size, &BatchOptions::default());
        self.append(told, batch, timestamp, records, None)
    }

    fn append_idempotent(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        let id = self.rng.between(1, FIRST_TRANSACTIONAL - 1);
        self.append_producer(told, id)
    }

    fn append_transactional(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        let id = self.rng.between(FIRST_TRANSACTIONAL, PRODUCERS_END - 1);
        if !self.log.has_ongoing_transaction(id, 0) || self.rng.one_in(3) {
            return self.append_producer(told, id);
        }
        let committed = self.rng.one_in(2);
        let timestamp = self.timestamp();
        let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
        let batch = end_transaction_batch(id, 0, timestamp, marker).expect("marker");
        let kind = if committed { Kind::Commit } else { Kind::Abort };
        self.append(told, batch, timestamp, 1, Some(ProducerBatch { id, kind }))
    }

    fn append_producer(&mut self, told: &mut Vec<String>, id: i64) -> StorageResult<()> {
        let known = self.log.active_producers().into_iter().find(|p| p.producer_id == id);
        // Who is not known may begin with any sequence, but never with one that was used before; of whom only a
        // marker is known, with 0.
        let unused = self.sequences_end[id as usize];
        let base_sequence = match known.map(|p| p.last_sequence) {
            None => unused,
            Some(-1) if unused > 0 => return Ok(()),
            Some(last) => last + 1,
        };
        let (records, size) = (self.rng.between(1, 3) as usize, self.rng.below(60) as usize);
        let options = BatchOptions {
            producer_id: id,
            producer_epoch: 0,
            base_sequence,
            is_transactional: id >= FIRST_TRANSACTIONAL,
            ..BatchOptions::default()
        };
        let timestamp = self.timestamp();
        let batch = batch_at(timestamp, records, size, &options);
        let end = base_sequence + records as i32;
        self.sequences_end[id as usize] = unused.max(end);
        let kind = Kind::Data { last_sequence: end - 1 };
        self.append(told, batch, timestamp, records, Some(ProducerBatch { id, kind }))
    }

    /// Appends as leader; if that fails, the batch may be there all the same.
    fn append(
        &mut self,
        told: &mut Vec<String>,
        batch: Bytes,
        timestamp: i64,
        records: usize,
        producer: Option<ProducerBatch>,
    ) -> StorageResult<()> {
        let base = self.model.end;
        let expect = Batch {
            base,
            last: base + records as i64 - 1,
            epoch: self.leader_epoch,
            timestamp,
            bytes: placed(&batch, base, self.leader_epoch),
            producer,
        };
        told.push(format!("append {base}..={} of {producer:?}, {} bytes", expect.last, batch.len()));
        let is_marker = producer.is_some_and(|p| !matches!(p.kind, Kind::Data { .. }));
        let origin = if is_marker { AppendOrigin::Coordinator } else { AppendOrigin::Client };
        let done = self.try_append_from(&batch, origin);
        if let Ok(info) = &done {
            assert_eq!((info.base_offset, info.last_offset), (base, expect.last));
            assert!(!info.duplicate);
        }
        self.take(done.map(|_| ()), vec![expect])
    }

    /// Batches with offsets of the leader's, not all of which need exist.
    fn append_as_follower(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        let mut next = self.model.end + if self.rng.one_in(4) { self.rng.between(0, 5) } else { 0 };
        let mut expect = Vec::new();
        let mut set = BytesMut::new();
        for _ in 0..self.rng.between(1, 3) {
            let (records, timestamp) = (self.rng.between(1, 3), self.timestamp());
            let batch = batch_at(timestamp, records as usize, 20, &BatchOptions::default());
            let bytes = placed(&batch, next, self.leader_epoch);
            set.extend_from_slice(&bytes);
            let last = next + records - 1;
            let epoch = self.leader_epoch;
            expect.push(Batch { base: next, last, epoch, timestamp, bytes, producer: None });
            next = last + 1 + if self.rng.one_in(4) { 2 } else { 0 };
        }
        if set.len() > self.options.config.segment_bytes as usize {
            return Ok(());
        }
        told.push(format!("append as follower {}..={}", expect[0].base, expect[expect.len() - 1].last));
        let done = self.log.append_as_follower(&set.freeze(), self.leader_epoch, self.now_ms);
        self.take(done.map(|_| ()), expect)
    }

    fn take(&mut self, done: Result<(), AppendError>, batches: Vec<Batch>) -> StorageResult<()> {
        match done {
            Ok(()) => {
                batches.into_iter().for_each(|batch| self.model.push(batch));
                Ok(())
            }
            Err(AppendError::Storage(e)) => {
                self.perhaps = batches;
                Err(e)
            }
            Err(AppendError::LargerThanSegment { .. }) => Ok(()),
            Err(other) => panic!("{other}"),
        }
    }

    fn timestamp(&mut self) -> i64 {
        NOW + self.rng.between(0, 500)
    }

    fn delete_records(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        self.log.set_high_watermark(self.model.end);
        let to = self.rng.between(self.model.start, self.model.end);
        told.push(format!("delete records before {to}"));
        match self.log.delete_records_before(to) {
            Ok(start) => {
                assert_eq!(start, to);
                self.model.start = start;
                Ok(())
            }
            Err(crate::log::ReadError::Storage(e)) => {
                self.model.start = self.log.log_start_offset();
                Err(e)
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn retain(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        self.log.set_high_watermark(self.model.end);
        let done = self.log.delete_old_segments(self.now_ms);
        self.model.start = self.log.log_start_offset();
        told.push(format!("retention: starts at {} now", self.model.start));
        done.map(|_| ())
    }

    fn truncate(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        // Leaders and followers part at the bounds of batches.
        let bounds = self.model.bounds();
        let to = bounds[self.rng.below(bounds.len() as u64) as usize];
        told.push(format!("truncate to {to}"));
        self.flushed = self.flushed.min(to);
        self.durable_start = self.durable_start.min(to);
        self.perhaps_cut = Some(to);
        self.log.truncate_to(to, self.now_ms)?;
        self.perhaps_cut = None;
        self.model.truncate(to);
        self.checkpoint_all();
        Ok(())
    }

    fn start_over(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        if !self.rng.one_in(3) {
            return Ok(());
        }
        let to = self.rng.between(self.model.start, self.model.end + 10);
        told.push(format!("start over at {to}"));
        (self.flushed, self.durable_start) = (0, 0);
        self.perhaps_cut = Some(0);
        self.log.truncate_fully_and_start_at(to, None, self.now_ms)?;
        self.perhaps_cut = None;
        self.model.start_over(to);
        self.checkpoint_all();
        Ok(())
    }

    /// The disk will fail at some later operation.
    fn fail_soon(&mut self, told: &mut Vec<String>) {
        let mut faults = Faults { short_writes: self.rng.one_in(3), ..Default::default() };
        match self.rng.below(3) {
            0 => faults.room = Some(self.rng.below(1000)),
            1 => faults.operations = Some(self.rng.below(12) as u32),
            _ => faults.syncs = Some(self.rng.below(6) as u32),
        }
        told.push(format!("{faults:?}"));
        self.disk.set_faults(faults);
    }
}

/// A batch with the offset and the leader epoch that the log gives it.
pub fn placed(batch: &Bytes, base: i64, epoch: i32) -> Bytes {
    let mut bytes = batch.to_vec();
    bytes[OFFSET_AT].copy_from_slice(&base.to_be_bytes());
    bytes[EPOCH_AT].copy_from_slice(&epoch.to_be_bytes());
    bytes.into()
}
