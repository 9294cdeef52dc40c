//! Random histories of one share partition: members come and go, locks run out, writes fail, brokers die, the
//! log is compacted and cut. Whatever happens, no record has two owners, delivery counts do not fall, the
//! start offset does not go back, what was accepted is never delivered again, and in the end everything is
//! done with.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::Str;

use super::{
    AcknowledgementBatch, Acquire, AcquireMode, AcquiredRecords, FetchedBatch, PendingWrite, RecordState,
    SharePartition, SharePartitionConfig, StateBatch,
};
use crate::histories_test::{self, Seen};
use crate::share::coordinator::combine_state_batches;
use crate::testing::Random;

const MEMBERS: [&str; 3] = ["a", "b", "c"];

struct History {
    random: Random,
    config: SharePartitionConfig,
    now_ms: i64,
    log: Vec<FetchedBatch>,
    log_start_offset: i64,
    log_end_offset: i64,
    partition: SharePartition,
    /// What the persister knows.
    persisted: (i64, Vec<StateBatch>),
    writes: Vec<PendingWrite>,
    /// What each member believes to own.
    held: BTreeMap<&'static str, Vec<AcquiredRecords>>,
    accepted: BTreeSet<i64>,
    accepting: Vec<Vec<i64>>,
    delivered: BTreeMap<i64, i16>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let config = SharePartitionConfig {
            max_delivery_count: random.pick(&[2, 3, 5, 10]),
            max_in_flight_records: random.pick(&[10, 50, 200]),
            ..Default::default()
        };
        let mut log = Vec::new();
        let mut base_offset = 0;
        for _ in 0..30 {
            let len = random.pick(&[1, 2, 5, 10, 17]);
            // What is not there was compacted away.
            if random.pick(&[true, true, true, false]) {
                let last_offset = base_offset + len - 1;
                log.push(FetchedBatch {
                    base_offset,
                    last_offset,
                    producer_id: -1,
                    is_transactional: false,
                    is_abort_marker: false,
                });
            }
            base_offset += len;
        }
        let log_end_offset = log.last().map_or(0, |batch| batch.last_offset + 1);
        Self {
            partition: SharePartition::new(config, 1, 0, 0, &[]).unwrap(),
            random,
            config,
            now_ms: 0,
            log,
            log_start_offset: 0,
            log_end_offset,
            persisted: (0, Vec::new()),
            writes: Vec::new(),
            held: BTreeMap::new(),
            accepted: BTreeSet::new(),
            accepting: Vec::new(),
            delivered: BTreeMap::new(),
        }
    }

    fn run(mut self) {
        for _ in 0..120 {
            let start_offset = self.partition.start_offset();
            match self.random.below(12) {
                0..=3 => self.fetch(),
                4..=6 => self.acknowledge(),
                7 => self.pass_time(),
                8 => self.leave(),
                9 | 10 => self.finish_write(),
                _ => {
                    if self.random.below(6) == 0 {
                        self.cut_log();
                    } else if self.random.below(6) == 0 {
                        self.restart();
                        continue;
                    }
                }
            }
            assert!(self.partition.start_offset() >= start_offset, "the start offset went back");
            self.check();
        }
        self.settle();
    }

    fn fetch(&mut self) {
        let member = self.random.pick(&MEMBERS);
        let max_records = self.random.pick(&[1, 3, 10, 500]);
        let mode = self.random.pick(&[AcquireMode::BatchOptimized, AcquireMode::RecordLimit]);
        self.fetch_as(member, max_records, mode);
    }

    fn fetch_as(&mut self, member: &'static str, max_records: i32, mode: AcquireMode) -> usize {
        if !self.partition.can_acquire_records() {
            return 0;
        }
        let fetch_offset = self.partition.next_fetch_offset();
        if fetch_offset < self.log_start_offset {
            self.partition.on_log_start_offset(self.log_start_offset);
            return 1;
        }
        let read = self.random.pick(&[1, 2, 5]);
        let batches: Vec<FetchedBatch> =
            self.log.iter().filter(|batch| batch.last_offset >= fetch_offset).take(read).copied().collect();
        let before: BTreeMap<i64, RecordState> = (0..self.log_end_offset)
            .filter_map(|offset| Some((offset, self.partition.record(offset)?.0)))
            .collect();
        let member_id = Str::from_static(member);
        let request = Acquire {
            member_id: &member_id,
            mode,
            batch_size: self.random.pick(&[1, 5, 500]),
            max_records,
            fetch_offset,
            batches: &batches,
            aborted_transactions: &[],
        };
        let taken = self.partition.acquire(&request, self.now_ms);
        let count: i64 = taken.iter().map(AcquiredRecords::count).sum();
        if mode == AcquireMode::RecordLimit {
            assert!(count <= i64::from(max_records), "{count} records for {max_records}");
        }
        for records in &taken {
            for offset in records.first_offset..=records.last_offset {
                let was = before.get(&offset);
                assert!(was.is_none_or(|was| *was == RecordState::Available), "{offset} was {was:?}");
                assert!(!self.accepted.contains(&offset), "{offset} was accepted");
                let (state, delivery_count, owner) = self.partition.record(offset).unwrap();
                assert_eq!((state, &**owner), (RecordState::Acquired, member));
                assert_eq!(delivery_count, records.delivery_count);
                assert!(delivery_count <= self.config.max_delivery_count);
                let previous = self.delivered.insert(offset, delivery_count).unwrap_or(0);
                assert_eq!(delivery_count, previous + 1, "delivery count of {offset}");
            }
        }
        let progress = taken.len();
        self.held.entry(member).or_default().extend(taken);
        progress
    }

    fn acknowledge(&mut self) {
        let member = self.random.pick(&MEMBERS);
        let Some(held) = self.held.get_mut(member).filter(|held| !held.is_empty()) else { return };
        let records = held.swap_remove(self.random.below(held.len()));
        let first_offset = records.first_offset;
        // The first part or all; one type for each or one for all.
        let last_offset = first_offset + self.random.below(records.count() as usize) as i64;
        let last_offset = self.random.pick(&[last_offset, records.last_offset]);
        if last_offset < records.last_offset {
            held.push(AcquiredRecords { first_offset: last_offset + 1, ..records });
        }
        let count = if self.random.below(3) == 0 { last_offset - first_offset + 1 } else { 1 };
        let acknowledge_types: Vec<i8> = (0..count).map(|_| self.random.pick(&[1, 1, 2, 3, 0])).collect();
        let accepted: Vec<i64> = (first_offset..=last_offset)
            .filter(|offset| {
                let index = if acknowledge_types.len() > 1 { (offset - first_offset) as usize } else { 0 };
                acknowledge_types[index] == 1
            })
            .collect();
        let batch = AcknowledgementBatch { first_offset, last_offset, acknowledge_types };
        if let Ok(Some(write)) = self.partition.acknowledge(&member.into(), &[batch], self.now_ms) {
            self.writes.push(write);
            self.accepting.push(accepted);
        }
    }

    fn pass_time(&mut self) {
        self.now_ms += self.random.pick(&[1_000, 10_000, 30_000]);
        let write = self.partition.on_deadline(self.now_ms);
        self.push(write);
    }

    fn leave(&mut self) {
        let member = self.random.pick(&MEMBERS);
        self.held.remove(member);
        let write = self.partition.release_acquired_records(&member.into());
        self.push(write);
    }

    fn finish_write(&mut self) {
        if self.writes.is_empty() {
            return;
        }
        let (write, accepted) = (self.writes.remove(0), self.accepting.remove(0));
        let succeeded = self.random.below(4) != 0;
        if succeeded {
            self.persist(&write);
            self.accepted.extend(accepted);
        }
        self.partition.complete_write(&write, succeeded);
    }

    fn persist(&mut self, write: &PendingWrite) {
        let (start_offset, batches) = &mut self.persisted;
        *start_offset = write.start_offset;
        let all = std::mem::take(batches).into_iter().chain(write.state_batches.iter().copied());
        *batches = combine_state_batches(all, *start_offset);
    }

    fn cut_log(&mut self) {
        let ahead = self.random.below(40) as i64;
        self.log_start_offset = (self.log_start_offset + ahead).min(self.log_end_offset);
        self.log.retain(|batch| batch.last_offset >= self.log_start_offset);
        self.partition.on_log_start_offset(self.log_start_offset);
    }

    /// Another leader begins with what was persisted. What was delivered since is not known to it.
    fn restart(&mut self) {
        self.writes.clear();
        self.accepting.clear();
        self.held.clear();
        let (start_offset, batches) = &self.persisted;
        self.partition = SharePartition::new(self.config, 1, 0, *start_offset, batches).unwrap();
        self.partition.on_log_start_offset(self.log_start_offset);
        self.delivered.clear();
        for batch in batches {
            let offsets = batch.first_offset..=batch.last_offset;
            self.delivered.extend(offsets.map(|offset| (offset, batch.delivery_count)));
        }
    }

    fn push(&mut self, write: Option<PendingWrite>) {
        if let Some(write) = write {
            self.writes.push(write);
            self.accepting.push(Vec::new());
        }
    }

    fn check(&mut self) {
        let (start_offset, end_offset) = (self.partition.start_offset(), self.partition.end_offset());
        assert!(start_offset <= end_offset + 1, "{start_offset} {end_offset}");
        let done = (start_offset..=end_offset)
            .filter(|offset| self.partition.record(*offset).is_some_and(|(state, _, _)| state.is_terminal()))
            .count();
        assert_eq!(usize::try_from(self.partition.delivery_complete_count()).unwrap(), done);
        for offset in start_offset..=end_offset {
            if let Some((state, delivery_count, owner)) = self.partition.record(offset) {
                assert_eq!(state == RecordState::Acquired, !owner.is_empty(), "{offset} {state:?} {owner}");
                assert!(self.delivered.get(&offset).is_none_or(|known| delivery_count >= *known));
            }
        }
    }

    /// Everyone accepts everything; locks of the dead run out.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            while let Some(write) = (!self.writes.is_empty()).then(|| self.writes.remove(0)) {
                let accepted = self.accepting.remove(0);
                self.accepted.extend(accepted);
                self.persist(&write);
                self.partition.complete_write(&write, true);
            }
            if self.partition.start_offset() >= self.log_end_offset {
                assert_eq!(self.partition.in_flight_len(), 0);
                assert_eq!(self.partition.locks_len(), 0);
                return;
            }
            self.held.clear();
            if self.fetch_as("a", 500, AcquireMode::BatchOptimized) == 0 {
                self.now_ms += 30_000;
                let write = self.partition.on_deadline(self.now_ms);
                self.push(write);
            }
            for records in self.held.remove("a").unwrap_or_default() {
                let batch = AcknowledgementBatch {
                    first_offset: records.first_offset,
                    last_offset: records.last_offset,
                    acknowledge_types: vec![1],
                };
                let write = self.partition.acknowledge(&"a".into(), &[batch], self.now_ms).unwrap();
                self.push(write);
            }
        }
        let next = self.partition.next_fetch_offset();
        let left: Vec<_> = (self.partition.start_offset()..self.log_end_offset)
            .map(|offset| (offset, self.partition.record(offset)))
            .collect();
        panic!("records are left; the next is {next}: {left:?}");
    }
}

#[test]
fn random_histories_end_well() {
    histories_test::run(60, &[], |seed| {
        History::new(seed).run();
        Seen::<()>::new()
    });
}
