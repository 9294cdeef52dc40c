//! Random histories against a model: a list of batches.

use bytes::Bytes;
use ottla_protocol::records::{BatchIter, BatchOptions};
use proptest::prelude::*;

use super::*;
use crate::test_support::*;

#[derive(Clone, Debug)]
enum Step {
    Append { records: usize, size: usize },
    AppendIdempotent { producer: i64, records: usize },
    Retry { producer: i64 },
    Read { offset: u16, max_bytes: u16, min_one: bool, bound: u16 },
    Roll,
    Flush,
    Trim,
    DeleteRecords(u16),
    Retain,
    Truncate(u16),
    ReopenClean,
    ReopenKilled,
    ReopenTorn(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1usize..5, 0usize..600).prop_map(|(records, size)| Step::Append { records, size }),
        6 => (1i64..4, 1usize..4).prop_map(|(producer, records)| Step::AppendIdempotent { producer, records }),
        2 => (1i64..4).prop_map(|producer| Step::Retry { producer }),
        10 => (any::<u16>(), any::<u16>(), any::<bool>(), any::<u16>()).prop_map(
            |(offset, max_bytes, min_one, bound)| Step::Read { offset, max_bytes, min_one, bound }
        ),
        1 => Just(Step::Roll),
        1 => Just(Step::Flush),
        1 => Just(Step::Trim),
        1 => any::<u16>().prop_map(Step::DeleteRecords),
        1 => Just(Step::Retain),
        1 => any::<u16>().prop_map(Step::Truncate),
        1 => Just(Step::ReopenClean),
        1 => Just(Step::ReopenKilled),
        1 => any::<u16>().prop_map(Step::ReopenTorn),
    ]
}

/// What the log must hold: batches with their offsets, as bytes.
#[derive(Default)]
struct Model {
    batches: Vec<(i64, i64, Bytes)>,
    start: i64,
    end: i64,
}

impl Model {
    fn push(&mut self, info: &AppendInfo, log: &PartitionLog) {
        assert_eq!(info.base_offset, self.end);
        let data = log.read(info.base_offset, usize::MAX, true, i64::MAX).expect("read");
        let bytes = Bytes::from(bytes_of(&data));
        let batch = BatchIter::new(&bytes).next().expect("one").expect("valid");
        assert!(batch.verify_crc());
        let size = batch.size();
        self.batches.push((info.base_offset, info.last_offset, bytes.slice(..size)));
        self.end = info.last_offset + 1;
    }

    /// Whole batches at or after `offset` and below `bound`.
    fn expect(&self, offset: i64, bound: i64) -> Vec<u8> {
        let wanted = self.batches.iter().filter(|(_, last, _)| *last >= offset && *last < bound);
        wanted.flat_map(|(_, _, bytes)| bytes.to_vec()).collect()
    }

    fn truncate(&mut self, offset: i64) {
        self.batches.retain(|(_, last, _)| *last < offset);
        self.end = self.end.min(offset);
        self.start = self.start.min(offset);
    }
}

struct History {
    f: Fixture,
    model: Model,
    /// Next sequence of each producer; its last batch, and that batch's last offset.
    producers: [(i32, Option<(Bytes, i64)>); 4],
}

impl History {
    fn new() -> Self {
        let config = LogConfig {
            segment_bytes: 3000,
            index_interval_bytes: 300,
            retention_bytes: 9000,
            retention_ms: -1,
            ..Default::default()
        };
        let producers = [const { (0, None) }; 4];
        Self { f: Fixture::with(config), model: Model::default(), producers }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append { records, size } => {
                let info = self.f.append(&batch_at(NOW, *records, *size, &BatchOptions::default()));
                self.model.push(&info, &self.f.log);
            }
            Step::AppendIdempotent { producer, records } => {
                let known = &mut self.producers[*producer as usize];
                let batch = idempotent(*producer, 0, known.0, *records);
                let info = self.f.append(&batch);
                *known = (known.0 + *records as i32, Some((batch, info.last_offset)));
                self.model.push(&info, &self.f.log);
            }
            Step::Retry { producer } => {
                // A producer all of whose records were deleted may be forgotten.
                if let (_, Some((batch, last_offset))) = &self.producers[*producer as usize]
                    && *last_offset >= self.model.start
                {
                    assert!(self.f.append(batch).duplicate);
                }
            }
            Step::Read { offset, max_bytes, min_one, bound } => {
                self.read(*offset, *max_bytes, *min_one, *bound)
            }
            Step::Roll => self.f.log.roll(NOW).expect("roll"),
            Step::Flush => self.f.log.flush(NOW).expect("flush"),
            Step::Trim => self.f.log.trim_memory(),
            Step::DeleteRecords(at) => {
                self.f.log.set_high_watermark(self.model.end);
                let to = self.pick(*at);
                self.model.start = self.f.log.delete_records_before(to).expect("delete");
            }
            Step::Retain => self.retain(),
            Step::Truncate(at) => self.truncate(*at),
            Step::ReopenClean => self.reopen(|f| f.reopen_clean()),
            Step::ReopenKilled => self.reopen(|f| f.reopen_killed(f.log.recovery_point())),
            Step::ReopenTorn(cut) => self.reopen_torn(*cut),
        }
        assert_eq!(self.f.log.log_start_offset(), self.model.start);
        assert_eq!(self.f.log.log_end_offset(), self.model.end);
    }

    /// An offset between the log's start and end.
    fn pick(&self, at: u16) -> i64 {
        self.model.start + i64::from(at) % (self.model.end - self.model.start + 1)
    }

    fn read(&self, offset: u16, max_bytes: u16, min_one: bool, bound: u16) {
        let (offset, bound) = (self.pick(offset), self.pick(bound));
        let max_bytes = usize::from(max_bytes) % 5000;
        let data = self.f.log.read(offset, max_bytes, min_one, bound).expect("read");
        let found = bytes_of(&data);
        // A bound within a batch hides the batch.
        let expect = if offset >= bound { Vec::new() } else { self.model.expect(offset, bound) };
        assert!(expect.starts_with(&found), "read {offset} max {max_bytes} bound {bound}");
        let first = BatchIter::new(&expect).next().map_or(0, |b| b.expect("valid").size());
        assert!(found.len() <= max_bytes.max(if min_one { first } else { 0 }));
        if min_one || max_bytes >= first {
            assert!(found.len() >= first.min(expect.len()), "progress is made");
        }
    }

    fn retain(&mut self) {
        self.f.log.set_high_watermark(self.model.end);
        self.f.log.delete_old_segments(NOW).expect("retain");
        self.model.start = self.f.log.log_start_offset();
        let kept = self.f.log.first_segment_base_offset();
        self.model.batches.retain(|(_, last, _)| *last >= kept);
    }

    fn truncate(&mut self, at: u16) {
        let to = self.pick(at);
        // Leaders and followers part at the bounds of batches.
        let batch = self.model.batches.iter().find(|(first, last, _)| (*first..=*last).contains(&to));
        let to = batch.map_or(to, |(first, _, _)| *first);
        self.f.log.truncate_to(to, NOW).expect("truncate");
        self.model.truncate(to);
        self.forget_producers();
    }

    /// Who lost batches goes on under another id's rules; simply start those producers anew.
    fn forget_producers(&mut self) {
        let known = self.f.log.active_producers();
        for (id, state) in self.producers.iter_mut().enumerate() {
            let last = known.iter().find(|p| p.producer_id == id as i64).map(|p| p.last_sequence);
            *state = (last.map_or(0, |last| last + 1), None);
        }
    }

    fn reopen(&mut self, how: impl FnOnce(&mut Fixture)) {
        self.f.options.log_start_offset = self.model.start;
        how(&mut self.f);
        assert_eq!(self.f.read_all(self.model.start), self.model.expect(self.model.start, i64::MAX));
        let known = self.f.log.active_producers();
        for (id, (next, last)) in self.producers.iter_mut().enumerate() {
            let found = known.iter().find(|p| p.producer_id == id as i64).map(|p| p.last_sequence + 1);
            if last.as_ref().is_some_and(|(_, last_offset)| *last_offset >= self.model.start) {
                assert_eq!(found, Some(*next), "producer {id}");
            } else {
                // All its records were deleted: whether it is known depends on what was read.
                (*next, *last) = (found.unwrap_or(*next), None);
            }
        }
    }

    /// A crash of the machine: of what was not flushed, the last segment keeps any prefix.
    fn reopen_torn(&mut self, cut: u16) {
        let base = self.f.log.active_segment_base_offset();
        let durable = self.f.log.recovery_point();
        let path = self.f.dir().join(format!("{base:020}.log"));
        let in_segment = self.model.batches.iter().filter(|(first, _, _)| *first >= base);
        let safe: usize = in_segment.clone().filter(|b| b.1 < durable).map(|b| b.2.len()).sum();
        let len: usize = in_segment.map(|b| b.2.len()).sum();
        let keep = safe + usize::from(cut) % (len - safe + 1);
        // A log that was never written to has no file.
        if let Some(file) =
            crate::fs::found(std::fs::OpenOptions::new().write(true).open(path)).expect("open")
        {
            file.set_len(keep as u64).expect("cut");
        }
        let mut at = 0;
        let lost = self.model.batches.iter().filter(|(first, _, _)| *first >= base).find(|(_, _, bytes)| {
            at += bytes.len();
            at > keep
        });
        if let Some((first, _, _)) = lost {
            let first = *first;
            self.model.truncate(first.max(self.model.start));
            self.model.batches.retain(|(_, last, _)| *last < first);
            // The whole log may be before its start now; then it begins there anew.
            if first < self.model.start {
                self.model.batches.clear();
            }
        }
        self.f.options.log_start_offset = self.model.start;
        self.f.reopen_killed(durable.min(self.model.end));
        self.model.end = self.model.end.max(self.model.start);
        assert_eq!(self.f.read_all(self.model.start), self.model.expect(self.model.start, i64::MAX));
        self.forget_producers();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn histories_agree_with_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut history = History::new();
        for step in &steps {
            history.run(step);
        }
        history.run(&Step::ReopenKilled);
        history.run(&Step::ReopenClean);
    }
}
