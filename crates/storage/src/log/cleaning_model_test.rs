//! Random histories of a compacted log against a model of what may, and what must, be read from it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ottla_protocol::records::{
    AppendOrigin, BatchBuilder, BatchIter, BatchOptions, Compression, EndTransactionMarker, RecordBatch,
    end_transaction_batch,
};
use parking_lot::Mutex;

use super::replace::swap_steps;
use super::*;
use crate::cleaner::test_host::{TestHost, options};
use crate::cleaner::{
    CleanError, CleanStats, CleanedTransactions, Cleaner, GroupLimits, LogToClean, Throttler, group,
};
use crate::segment::SUFFIXES;
use crate::segment::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::test_support::*;

const KEYS: u64 = 12;
const RETENTION_MS: i64 = 1000;

/// A random number generator whose histories repeat.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound.max(1)
    }
}

/// What became of a record's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    Aborted,
    Open,
}

#[derive(Clone, Debug)]
struct Written {
    key: u64,
    value: Option<Vec<u8>>,
    timestamp: i64,
    fate: Fate,
    producer_id: i64,
    /// When a cleaning first may have seen it.
    first_seen_ms: Option<i64>,
    /// When a cleaning first had it in its clean part.
    covered_ms: Option<i64>,
}

struct History {
    f: Fixture,
    random: Random,
    host: TestHost,
    written: BTreeMap<i64, Written>,
    /// Next sequences; transactional producers have ids from 20 on.
    sequences: HashMap<i64, i32>,
    /// No offset from here on was ever part of a cleaning.
    touched: i64,
    step: u32,
}

impl History {
    fn new(seed: u64) -> Self {
        let config = LogConfig {
            segment_bytes: 1500,
            index_interval_bytes: 200,
            compact: true,
            delete: false,
            delete_retention_ms: RETENTION_MS,
            min_cleanable_dirty_ratio: 0.0,
            ..Default::default()
        };
        Self {
            f: Fixture::with(config),
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            host: TestHost::new(),
            written: BTreeMap::new(),
            sequences: HashMap::new(),
            touched: 0,
            step: 0,
        }
    }

    fn now(&self) -> i64 {
        self.host.now_ms.load(Ordering::Relaxed)
    }

    fn run(&mut self, steps: u32) {
        for step in 0..steps {
            self.step = step;
            let what = self.random.below(100);
            match what {
                0..35 => self.append(-1),
                35..48 => {
                    let id = 10 + self.random.below(3) as i64;
                    self.append(id);
                }
                48..66 => {
                    let id = 20 + self.random.below(3) as i64;
                    self.append(id);
                }
                66..76 => self.end_txn(),
                76..82 => self.f.log.roll(self.now()).expect("roll"),
                82..90 => self.clean(),
                90..91 => self.stop_while_cleaning(),
                91..93 => self.kill_in_swap(),
                93..94 => self.reopen(true),
                94..96 => self.reopen(false),
                _ => {
                    let by = self.random.below(1500) as i64;
                    self.host.now_ms.fetch_add(by, Ordering::Relaxed);
                }
            }
            // An append alone changes nothing that was there.
            if what >= 82 || step % 16 == 0 {
                self.check();
            }
        }
    }

    fn append(&mut self, producer_id: i64) {
        let count = 1 + self.random.below(4) as i32;
        let sequence = self.sequences.entry(producer_id).or_insert(0);
        let (is_idempotent, is_transactional) = (producer_id >= 0, producer_id >= 20);
        let mut builder = BatchBuilder::new(BatchOptions {
            compression: Compression::ALL[self.random.below(5) as usize],
            producer_id,
            producer_epoch: if is_idempotent { 0 } else { -1 },
            base_sequence: if is_idempotent { *sequence } else { -1 },
            is_transactional,
            ..Default::default()
        });
        *sequence += count;
        let mut records = Vec::new();
        for _ in 0..count {
            let key = self.random.below(KEYS);
            let size = self.random.below(60) as usize;
            let value = (self.random.below(5) > 0).then(|| vec![b'a' + (size % 26) as u8; size]);
            let timestamp = self.now() - self.random.below(50) as i64;
            builder.append(timestamp, Some(&key.to_be_bytes()), value.as_deref(), &[]).expect("record");
            let fate = if is_transactional { Fate::Open } else { Fate::Committed };
            let (first_seen_ms, covered_ms) = (None, None);
            records.push(Written { key, value, timestamp, fate, producer_id, first_seen_ms, covered_ms });
        }
        let now_ms = self.now();
        let options = AppendOptions { now_ms, leader_epoch: self.step as i32 / 40, ..Default::default() };
        let info = self.f.log.append_as_leader(&builder.build().expect("batch"), &options).expect("append");
        self.f.log.set_high_watermark(i64::MAX);
        self.written.extend((info.base_offset..).zip(records));
    }

    fn end_txn(&mut self) {
        let open = |w: &&mut Written| w.fate == Fate::Open;
        let Some(producer_id) = self.written.values_mut().find(open).map(|w| w.producer_id) else { return };
        let committed = self.random.below(2) == 0;
        let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
        let batch = end_transaction_batch(producer_id, 0, self.now(), marker).expect("marker");
        let origin = AppendOrigin::Coordinator;
        let options = AppendOptions {
            now_ms: self.now(),
            origin,
            leader_epoch: self.step as i32 / 40,
            ..Default::default()
        };
        self.f.log.append_as_leader(&batch, &options).expect("marker");
        self.f.log.set_high_watermark(i64::MAX);
        for w in self.written.values_mut().filter(|w| w.fate == Fate::Open && w.producer_id == producer_id) {
            w.fate = if committed { Fate::Committed } else { Fate::Aborted };
        }
    }

    /// What there is to clean; notes that it will be.
    fn target(&mut self) -> Option<LogToClean> {
        let (target, dirtiness) = LogToClean::look(&self.f.log, self.now()).expect("look");
        if !dirtiness.is_due() {
            return None;
        }
        self.touched = self.touched.max(target.first_uncleanable_offset);
        let now = self.now();
        for (_, w) in self.written.range_mut(..target.first_uncleanable_offset) {
            w.first_seen_ms.get_or_insert(now);
        }
        Some(target)
    }

    fn cleaner(&mut self) -> Cleaner {
        let keys = if self.random.below(3) == 0 { 4 } else { 100 };
        Cleaner::new(&options(keys))
    }

    fn clean(&mut self) {
        let Some(target) = self.target() else { return };
        let throttler = Mutex::new(Throttler::new(1000.0, 0));
        let now = self.now();
        let (end, stats) = self.cleaner().clean(&target.run(&self.host, &throttler)).expect("clean");
        assert!(end > target.first_dirty_offset && end <= target.first_uncleanable_offset);
        assert!(stats.records_kept <= stats.records_read);
        self.f.log.finish_cleaning(target.view.truncations, end);
        let (raw, visible) = (self.raw_records(), self.visible());
        for (offset, w) in self.written.range_mut(..end) {
            if w.covered_ms.is_some_and(|covered| now >= covered + RETENTION_MS) && w.value.is_none() {
                assert!(!visible.contains_key(offset), "the tombstone at {offset} has to be gone");
            }
            assert!(w.fate != Fate::Aborted || !raw.contains(offset), "aborted data at {offset}");
            w.covered_ms.get_or_insert(now);
        }
    }

    fn stop_while_cleaning(&mut self) {
        let Some(target) = self.target() else { return };
        let throttler = Mutex::new(Throttler::new(f64::MAX, 0));
        let checks = self.random.below(12) as i64;
        self.host.stop_after.store(self.host.asked() + checks, Ordering::Relaxed);
        match self.cleaner().clean(&target.run(&self.host, &throttler)) {
            Ok(_) | Err(CleanError::Stopped) => {}
            Err(e) => panic!("{e}"),
        }
        self.host.stop_after.store(i64::MAX, Ordering::Relaxed);
        let names = file_names(&self.f.dir());
        assert!(!names.iter().any(|n| n.ends_with(".cleaned") || n.ends_with(".swap")), "{names:?}");
    }

    /// The broker dies while a group of segments is being replaced.
    fn kill_in_swap(&mut self) {
        let Some(target) = self.target() else { return };
        let throttler = Mutex::new(Throttler::new(f64::MAX, 0));
        let (mut cleaner, mut stats) = (self.cleaner(), CleanStats::default());
        let run = target.run(&self.host, &throttler);
        cleaner.build_map(&run, &mut stats).expect("map");
        let segments = &target.view.segments;
        let limits = GroupLimits {
            segment_bytes: 1500,
            index_bytes: u64::MAX,
            end_offset: target.first_uncleanable_offset,
        };
        let count = segments.partition_point(|s| s.base_offset < target.first_uncleanable_offset);
        let groups = group(&segments[..count], &limits);
        let last = self.random.below(groups.len() as u64) as usize;
        let mut txns = CleanedTransactions::default();
        for (at, range) in groups.into_iter().enumerate().take(last + 1) {
            let bases: Vec<i64> = segments[range.clone()].iter().map(|s| s.base_offset).collect();
            let cleaned = cleaner.write_group(&run, &segments[range], &mut txns, &mut stats).expect("clean");
            if at < last {
                let replaced = self.f.log.replace_segments(target.view.truncations, &cleaned, &bases, NOW);
                replaced.expect("replace");
                continue;
            }
            let dir = self.f.dir();
            if cleaned.sizes().txn_index.is_none() {
                std::fs::remove_file(dir.join(format!("{:020}.txnindex.cleaned", bases[0]))).expect("remove");
            }
            let steps = swap_steps(&dir, bases[0], &bases);
            let done = self.random.below(steps.len() as u64 + 1) as usize;
            steps[..done].iter().for_each(|step| assert!(step.run(&crate::fs::RealDisk).is_ok()));
        }
        self.reopen(false);
    }

    fn reopen(&mut self, clean: bool) {
        let log = &self.f.log;
        let (checkpoint, state) = (log.cleaner_checkpoint(), self.state());
        if clean {
            self.f.reopen_clean();
        } else {
            self.f.reopen_killed(0);
        }
        self.f.log.set_cleaner_checkpoint(checkpoint);
        self.f.log.set_high_watermark(i64::MAX);
        assert_eq!(self.state(), state, "step {}", self.step);
        let names = file_names(&self.f.dir());
        assert!(names.iter().all(|n| !n.ends_with(".cleaned") && !n.ends_with(".swap")), "{names:?}");
    }

    /// All that a restart must find again.
    fn state(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let log = &self.f.log;
        let mut producers: Vec<_> = log
            .active_producers()
            .into_iter()
            .map(|p| (p.producer_id, p.producer_epoch, p.last_sequence, p.current_txn_start_offset))
            .collect();
        producers.sort_unstable();
        (log.log_end_offset(), log.last_stable_offset(), log.log_start_offset(), producers)
    }

    fn raw_records(&self) -> BTreeSet<i64> {
        let mut offsets = BTreeSet::new();
        for batch in BatchIter::new(&self.f.read_all(0)) {
            let batch = batch.expect("valid");
            if !batch.is_control() {
                let records = batch.records(1 << 20).expect("records");
                offsets.extend(records.map(|r| r.expect("record").offset));
            }
        }
        offsets
    }

    /// What a `read_committed` consumer sees.
    fn visible(&self) -> BTreeMap<i64, (Bytes, Option<Bytes>, i64)> {
        let log = &self.f.log;
        let mut aborted = log.aborted_transactions(0, log.last_stable_offset()).expect("aborted");
        aborted.sort_by_key(|txn| txn.first_offset);
        let mut ahead = aborted.into_iter().peekable();
        let (mut ongoing, mut visible) = (HashSet::new(), BTreeMap::new());
        for batch in BatchIter::new(&self.f.read_all(0)) {
            let batch: RecordBatch<'_> = batch.expect("valid");
            assert!(batch.verify_crc());
            if batch.last_offset() >= log.last_stable_offset() {
                break;
            }
            while let Some(txn) = ahead.next_if(|txn| txn.first_offset <= batch.last_offset()) {
                ongoing.insert(txn.producer_id);
            }
            if batch.is_control() {
                ongoing.remove(&batch.producer_id());
            } else if !(batch.is_transactional() && ongoing.contains(&batch.producer_id())) {
                for record in batch.records(1 << 20).expect("records") {
                    let record = record.expect("record");
                    let before = visible.last_key_value().map(|(offset, _)| *offset);
                    assert!(before < Some(record.offset), "order");
                    visible.insert(record.offset, (record.key.expect("key"), record.value, record.timestamp));
                }
            }
        }
        visible
    }

    fn check(&self) {
        let log = &self.f.log;
        let (visible, stable) = (self.visible(), log.last_stable_offset());
        let clean = log.cleaner_checkpoint().unwrap_or(0);
        assert!(clean <= self.touched && clean <= log.active_segment_base_offset());
        for (offset, (key, value, timestamp)) in &visible {
            let w = &self.written[offset];
            assert_eq!(w.fate, Fate::Committed, "{offset}");
            assert_eq!((&w.key.to_be_bytes()[..], w.timestamp), (&key[..], *timestamp), "{offset}");
            assert_eq!(w.value.as_deref(), value.as_deref(), "{offset}");
        }
        let committed = || self.written.range(..stable).filter(|(_, w)| w.fate == Fate::Committed);
        let newest_below = |bound: i64| -> HashMap<u64, i64> {
            committed().take_while(|(o, _)| **o < bound).map(|(o, w)| (w.key, *o)).collect()
        };
        let (newest_clean, newest_touched) = (newest_below(clean), newest_below(self.touched));
        for (offset, w) in committed() {
            let is_visible = visible.contains_key(offset);
            if *offset >= self.touched {
                assert!(is_visible, "nothing at {offset} was ever cleaned");
            }
            if *offset < clean && newest_clean[&w.key] != *offset {
                assert!(!is_visible, "{offset} is older than another of its key");
            }
            if newest_touched.get(&w.key) == Some(offset) {
                let keeps =
                    w.value.is_some() || w.first_seen_ms.is_none_or(|seen| self.now() < seen + RETENTION_MS);
                assert!(!keeps || is_visible, "{offset} is the newest of its key");
            }
        }
        self.check_files();
    }

    /// What `kafka-dump-log --index-sanity-check` looks at; and every offset can be read from.
    fn check_files(&self) {
        let mut batches = Vec::new();
        let bases: Vec<i64> = self.f.log.state.lock().segments.iter().map(|s| s.base_offset).collect();
        let mut size = 0;
        for (at, base) in bases.iter().enumerate() {
            let read = |suffix: &str| std::fs::read(self.f.dir().join(format!("{base:020}{suffix}")));
            let log = read(SUFFIXES[0]).unwrap_or_default();
            size += log.len();
            let (mut positions, mut position, mut max) = (HashMap::new(), 0, -1);
            for batch in BatchIter::new(&log) {
                let batch = batch.expect("valid");
                let next = bases.get(at + 1).copied().unwrap_or(i64::MAX);
                assert!(batch.base_offset() >= *base && batch.last_offset() < next);
                positions.insert(position, (batch.last_offset(), batch.max_timestamp()));
                batches.push((batch.base_offset(), batch.last_offset()));
                max = max.max(batch.max_timestamp());
                position += batch.size() as u32;
            }
            if at + 1 == bases.len() {
                continue;
            }
            for entry in read(SUFFIXES[1]).expect("index").chunks_exact(8) {
                let entry = OffsetEntry::decode(entry).expect("entry");
                assert_eq!(positions[&entry.position].0, base + i64::from(entry.relative_offset));
            }
            let times = read(SUFFIXES[2]).expect("time index");
            let times: Vec<_> =
                times.chunks_exact(12).map(|e| TimeEntry::decode(e).expect("entry")).collect();
            assert!(times.is_sorted_by(|a, b| a.timestamp < b.timestamp));
            assert_eq!(times.last().map_or(-1, |e| e.timestamp), max);
            for entry in &times {
                let at = (base + i64::from(entry.relative_offset), entry.timestamp);
                assert!(positions.values().any(|found| *found == at));
            }
        }
        assert_eq!(size as u64, self.f.log.size_bytes());
        assert!(batches.is_sorted_by(|a, b| a.1 < b.0), "{batches:?}");
        let end = self.f.log.log_end_offset();
        for offset in (0..end).step_by(1 + self.step as usize % 7) {
            let data = self.f.log.read(offset, 1, true, end).expect("read");
            let expect = batches.iter().find(|(_, last)| *last >= offset);
            assert_eq!(offsets_of(&bytes_of(&data)).first(), expect, "{offset}");
        }
        let last = batches.last().map_or(0, |(_, last)| last + 1);
        assert_eq!(last, end, "the last offset is never lost");
    }
}

#[test]
fn compaction_keeps_what_it_must() {
    let seeds = std::env::var("OTTLA_CLEANER_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(16);
    for seed in 1..=seeds {
        let run = std::panic::catch_unwind(|| History::new(seed).run(300));
        if let Err(why) = run {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(why);
        }
    }
}

/// The log survives a kill after each single step of a swap.
#[test]
fn a_kill_at_any_step_leaves_the_old_segments_or_the_new_one() {
    let mut history = History::new(7);
    while history.f.log.segment_count() < 5 || history.random.below(8) > 0 {
        let id = [-1, 10, 20][history.random.below(3) as usize];
        history.append(id);
        history.end_txn();
    }
    let Some(target) = history.target() else { panic!("nothing to clean") };
    let throttler = Mutex::new(Throttler::new(f64::MAX, 0));
    let run = target.run(&history.host, &throttler);
    let (mut cleaner, mut stats) = (Cleaner::new(&options(100)), CleanStats::default());
    cleaner.build_map(&run, &mut stats).expect("map");
    let segments = &target.view.segments;
    let bases: Vec<i64> = segments.iter().map(|s| s.base_offset).collect();
    let mut txns = CleanedTransactions::default();
    let cleaned = cleaner.write_group(&run, segments, &mut txns, &mut stats).expect("clean");
    assert!(cleaned.sizes().txn_index.is_some(), "there are aborted transactions");
    let before = history.f.temp.path().join("before");
    copy_tree(&history.f.dir(), &before);
    let old = history.f.read_all(0);
    let (mut undone, mut done) = (0, 0);
    let steps = swap_steps(&before, bases[0], &bases).len();
    for count in 0..=steps {
        let dir = history.f.temp.path().join(format!("killed-{count}"));
        copy_tree(&before, &dir);
        swap_steps(&dir, bases[0], &bases)[..count]
            .iter()
            .for_each(|step| assert!(step.run(&crate::fs::RealDisk).is_ok()));
        let mut options = history.f.options.clone();
        options.clean = false;
        let log = PartitionLog::open(&history.f.context, &history.f.log_dir, &dir, &options).expect("open");
        assert_eq!(log.log_end_offset(), history.f.log.log_end_offset());
        let bytes = read_all(&log, 0);
        if bytes == old {
            undone += 1
        } else {
            done += 1
        }
        history.f.log = Arc::clone(&log);
        log.set_high_watermark(i64::MAX);
        let visible = history.visible();
        let wanted = history.written.iter().filter(|(_, w)| w.fate == Fate::Committed);
        let newest: BTreeMap<u64, (i64, bool)> =
            wanted.map(|(offset, w)| (w.key, (*offset, w.value.is_some()))).collect();
        assert!(newest.values().all(|(offset, _)| visible.contains_key(offset)), "after {count} steps");
    }
    // All four files must be `.swap` before the new segment counts.
    assert_eq!((undone, done), (4, steps + 1 - 4));
}
