//! Recovery from a tail checkpoint against recovery in full, after random histories.

use std::cell::Cell;

use ottla_protocol::records::{AppendOrigin, BatchOptions, EndTransactionMarker, end_transaction_batch};
use proptest::prelude::*;

use super::*;
use crate::boot_id::BootId;
use crate::checkpoint::tail_checkpoint::{TAIL_CHECKPOINT_FILES, TailCheckpoint};
use crate::context::ContextOptions;
use crate::test_support::*;

const BOOT: BootId = BootId(11);

fn context(boot_id: Option<BootId>) -> Arc<StorageContext> {
    StorageContext::new(&ContextOptions {
        verify_transactions: false,
        boot_id,
        recovery_bytes_max: 1500,
        ..Default::default()
    })
}

fn fixture() -> Fixture {
    let config = LogConfig { segment_bytes: 6000, index_interval_bytes: 300, ..Default::default() };
    let mut f = Fixture::with(config);
    f.log.abandon();
    f.context = context(Some(BOOT));
    f.log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
    f
}

#[derive(Clone, Debug)]
enum Step {
    Plain { records: usize, size: usize, later_ms: i64 },
    Idempotent { producer: i64, records: usize },
    Transactional { producer: i64, records: usize },
    End { producer: i64, committed: bool },
    NewEpoch,
    Roll,
    Flush,
    HighWatermark(u16),
    DeleteRecords(u16),
    Truncate(u16),
    ReopenClean,
    ReopenKilled,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (1usize..4, 0usize..400, -50i64..100)
            .prop_map(|(records, size, later_ms)| Step::Plain { records, size, later_ms }),
        8 => (1i64..4, 1usize..4).prop_map(|(producer, records)| Step::Idempotent { producer, records }),
        8 => (4i64..7, 1usize..4).prop_map(|(producer, records)| Step::Transactional { producer, records }),
        5 => (4i64..7, any::<bool>()).prop_map(|(producer, committed)| Step::End { producer, committed }),
        1 => Just(Step::NewEpoch),
        1 => Just(Step::Roll),
        1 => Just(Step::Flush),
        3 => any::<u16>().prop_map(Step::HighWatermark),
        1 => any::<u16>().prop_map(Step::DeleteRecords),
        1 => any::<u16>().prop_map(Step::Truncate),
        1 => Just(Step::ReopenClean),
        1 => Just(Step::ReopenKilled),
    ]
}

/// A log and those that write to it.
struct History {
    f: Fixture,
    sequences: [i32; 7],
    in_txn: [bool; 7],
    leader_epoch: i32,
    now_ms: i64,
    /// Whether the indexes are what a recovery in full builds, and no producer was dropped.
    is_plain: bool,
}

impl History {
    fn new() -> Self {
        let (sequences, in_txn) = ([0; 7], [false; 7]);
        Self { f: fixture(), sequences, in_txn, leader_epoch: 0, now_ms: NOW, is_plain: true }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Plain { records, size, later_ms } => {
                self.now_ms += later_ms;
                self.append(
                    &batch_at(self.now_ms, records, size, &BatchOptions::default()),
                    AppendOrigin::Client,
                );
            }
            Step::Idempotent { producer, records } => self.produce(producer, records, idempotent),
            Step::Transactional { producer, records } => {
                self.in_txn[producer as usize] = true;
                self.produce(producer, records, transactional);
            }
            Step::End { producer, committed } => {
                if std::mem::take(&mut self.in_txn[producer as usize]) {
                    let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
                    let origin = AppendOrigin::Coordinator;
                    self.append(&end_transaction_batch(producer, 0, NOW, marker).expect("marker"), origin);
                }
            }
            Step::NewEpoch => self.leader_epoch += 1,
            Step::Roll => self.f.log.roll(NOW).expect("roll"),
            Step::Flush => self.f.log.flush(NOW).expect("flush"),
            Step::HighWatermark(at) => {
                self.f.log.set_high_watermark(self.pick(at));
            }
            Step::DeleteRecords(at) => {
                self.f.log.set_high_watermark(self.f.log.log_end_offset());
                let to = self.pick(at);
                self.f.log.delete_records_before(to).expect("delete");
                self.is_plain = false;
            }
            Step::Truncate(at) => self.truncate(at),
            Step::ReopenClean => {
                self.f.options.log_start_offset = self.f.log.log_start_offset();
                self.f.reopen_clean();
                self.is_plain = false;
                self.ask_for_producers();
            }
            Step::ReopenKilled => {
                self.f.options.log_start_offset = self.f.log.log_start_offset();
                self.f.reopen_killed(self.f.log.recovery_point());
                self.is_plain = false;
                self.ask_for_producers();
            }
        }
    }

    fn produce(&mut self, producer: i64, records: usize, batch: fn(i64, i16, i32, usize) -> bytes::Bytes) {
        let sequence = &mut self.sequences[producer as usize];
        let records_batch = batch(producer, 0, *sequence, records);
        *sequence += records as i32;
        self.append(&records_batch, AppendOrigin::Client);
    }

    fn append(&self, records: &bytes::Bytes, origin: AppendOrigin) {
        let (leader_epoch, now_ms) = (self.leader_epoch, self.now_ms);
        let options = AppendOptions { leader_epoch, now_ms, origin, ..Default::default() };
        self.f.log.append_as_leader(records, &options).expect("append");
    }

    fn pick(&self, at: u16) -> i64 {
        let (start, end) = (self.f.log.log_start_offset(), self.f.log.log_end_offset());
        start + i64::from(at) % (end - start + 1)
    }

    fn truncate(&mut self, at: u16) {
        self.is_plain = false;
        let to = self.pick(at);
        self.f.log.truncate_to(to, NOW).expect("truncate");
        self.ask_for_producers();
    }

    /// The producers go on from what the log knows of them.
    fn ask_for_producers(&mut self) {
        (self.sequences, self.in_txn) = ([0; 7], [false; 7]);
        for known in self.f.log.active_producers() {
            self.sequences[known.producer_id as usize] = known.last_sequence + 1;
            self.in_txn[known.producer_id as usize] = known.current_txn_start_offset >= 0;
        }
    }

    /// Opens a copy of the directory as after a kill, with `damage` done to it; with and without checkpoints.
    fn recover(&self, recovery_point: i64, damage: impl Fn(&Path)) -> Recovered {
        let open = |boot_id| {
            let temp = temp_dir();
            let dir = temp.path().join("t-0");
            copy_tree(&self.f.dir(), &dir);
            damage(&dir);
            let log_dir = LogDir::standalone(temp.path().to_path_buf());
            let mut options = self.f.options.clone();
            (options.clean, options.recovery_point) = (false, recovery_point);
            options.log_start_offset = self.f.log.log_start_offset();
            let log = PartitionLog::open(&context(boot_id), &log_dir, &dir, &options).expect("open");
            (temp, log)
        };
        Recovered { tail: open(Some(BOOT)), full: open(None) }
    }
}

/// The same log, recovered in two ways.
struct Recovered {
    tail: (tempfile::TempDir, Arc<PartitionLog>),
    full: (tempfile::TempDir, Arc<PartitionLog>),
}

impl Recovered {
    fn check(&self, indexes_are_equal: bool) {
        let (tail, full) = (&self.tail.1, &self.full.1);
        assert_eq!(facts(tail), facts(full));
        // Of transactions that began before the log's start, a recovery in full may not know.
        let is_whole = tail.log_start_offset() == 0;
        let end = tail.log_end_offset();
        let start = tail.first_segment_base_offset();
        assert_eq!(files(tail, ".log"), files(full, ".log"));
        if is_whole {
            assert_eq!(
                tail.aborted_transactions(start, end).ok(),
                full.aborted_transactions(start, end).ok()
            );
            assert_eq!(files(tail, ".txnindex"), files(full, ".txnindex"));
            assert_eq!(undecided(tail), undecided(full));
        }
        if indexes_are_equal {
            assert_eq!(files(tail, ".index"), files(full, ".index"));
            assert_eq!(files(tail, ".timeindex"), files(full, ".timeindex"));
            assert_eq!(gaps(tail), gaps(full));
            // When records were deleted, a start may drop the entry that begins where the log ends, as in Kafka; a
            // recovery in full finds it in the batches again.
            let epochs = |log: &PartitionLog| log.state.lock().epochs.entries().to_vec();
            assert_eq!(epochs(tail), epochs(full));
        }
        for log in [tail, full] {
            log.set_high_watermark(end);
        }
        assert!(!is_whole || tail.last_stable_offset() == full.last_stable_offset());
        for offset in (tail.log_start_offset()..end).step_by(9) {
            let one = |log: &PartitionLog| bytes_of(&log.read(offset, 1, true, end).expect("read"));
            assert_eq!(one(tail), one(full));
        }
        for timestamp in (NOW - 100..NOW + 400).step_by(97) {
            let found =
                |log: &PartitionLog| format!("{:?}", log.offset_for_timestamp(timestamp, OnCold::Wait));
            assert_eq!(found(tail), found(full));
        }
    }

    /// The producers of the recovery from a checkpoint are those of the running log, with all their batches; a recovery
    /// in full begins with a snapshot, which has one of each.
    fn check_producers(&self, live: &PartitionLog) {
        assert_eq!(producers(&self.tail.1), producers(live));
        assert_eq!(undecided(&self.tail.1), undecided(live));
        assert_eq!(files(&self.tail.1, ".txnindex"), files(live, ".txnindex"));
        if live.log_start_offset() == 0 {
            let told = |log: &PartitionLog| {
                let mut told = log.active_producers();
                told.sort_by_key(|producer| producer.producer_id);
                told
            };
            assert_eq!(told(&self.tail.1), told(&self.full.1));
        }
    }
}

/// What must be the same, field by field.
fn facts(log: &PartitionLog) -> impl PartialEq + std::fmt::Debug {
    let mut state = log.state.lock();
    let dir = state.dir.clone();
    let env = log.env(&dir);
    let segments: Vec<_> = state
        .segments
        .iter_mut()
        .map(|s| {
            let times = (s.max_timestamp(env).expect("max"), s.first_timestamp(env).expect("first"));
            (s.base_offset, s.size(), times)
        })
        .collect();
    let offsets = (log.log_start_offset(), log.log_end_offset(), log.recovery_point(), log.size_bytes());
    let map_end_offset = state.producers.map_end_offset();
    (offsets, segments, map_end_offset, state.topic_id)
}

fn undecided(log: &PartitionLog) -> Option<i64> {
    log.state.lock().producers.first_undecided_offset()
}

/// Bytes of the active segment since its last index entry.
fn gaps(log: &PartitionLog) -> String {
    let state = log.state.lock();
    let debug = format!("{:?}", state.segments.last());
    debug
        .split("bytes_since_index_entry: ")
        .nth(1)
        .unwrap_or_default()
        .split(',')
        .next()
        .unwrap_or_default()
        .into()
}

/// Each producer without its batches, and the batches, by id.
fn producers(log: &PartitionLog) -> Vec<(String, Vec<String>)> {
    let state = log.state.lock();
    let mut all: Vec<_> = state.producers.producers().values().collect();
    all.sort_by_key(|entry| entry.producer_id);
    let one = |entry: &&crate::producer_state::entry::ProducerEntry| {
        let batches = entry.batches().map(|b| format!("{b:?}")).collect();
        (format!("{:?}", entry.without_batches()), batches)
    };
    all.iter().map(one).collect()
}

fn files(log: &PartitionLog, suffix: &str) -> Vec<(String, Vec<u8>)> {
    let dir = log.dir();
    let names = file_names(&dir).into_iter().filter(|name| name.ends_with(suffix));
    let files = names.map(|name| (name.clone(), std::fs::read(dir.join(name)).expect("read")));
    // An index file that nobody wrote to yet is as good as none.
    files.filter(|(name, content)| !content.is_empty() || name.ends_with(".log")).collect()
}

/// The last segment's records.
fn last_log_file(dir: &Path) -> PathBuf {
    let last = file_names(dir).into_iter().rfind(|name| name.ends_with(".log")).expect("a segment");
    dir.join(last)
}

fn set_len(path: &Path, len: u64) {
    std::fs::OpenOptions::new().write(true).open(path).expect("open").set_len(len).expect("cut");
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("read");
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x55;
    }
    std::fs::write(path, bytes).expect("write");
}

thread_local! {
    /// Recoveries that had a checkpoint.
    static WITH_CHECKPOINT: Cell<u32> = const { Cell::new(0) };
}

fn check_history(steps: &[Step], recovery_point: u16, at: u16, old_checkpoints: usize) {
    let mut history = History::new();
    let stale = temp_dir();
    for (number, step) in steps.iter().enumerate() {
        history.run(step);
        if number == old_checkpoints {
            copy_checkpoints(&history.f.dir(), stale.path());
        }
    }
    let live = &history.f.log;
    let recovery_point = i64::from(recovery_point) % (live.recovery_point() + 1);
    let checkpoint = TailCheckpoint::read(&history.f.dir(), BOOT);
    WITH_CHECKPOINT.set(WITH_CHECKPOINT.get() + u32::from(checkpoint.is_some()));

    let recovered = history.recover(recovery_point, |_| {});
    recovered.check(history.is_plain);
    if checkpoint.is_some() {
        recovered.check_producers(live);
    }
    if live.size_bytes() == 0 {
        return;
    }
    // Torn, or damaged, anywhere behind the checkpoint: the log ends there.
    let size = std::fs::metadata(last_log_file(&history.f.dir())).expect("stat").len();
    let sound = checkpoint.as_ref().filter(|c| c.segment == live.active_segment_base_offset());
    let sound = sound.map_or(0, |c| u64::from(c.mark.position));
    let at_byte = sound + u64::from(at) % (size - sound + 1);
    history.recover(recovery_point, |dir| set_len(&last_log_file(dir), at_byte)).check(history.is_plain);
    history
        .recover(recovery_point, |dir| flip(&last_log_file(dir), at_byte as usize))
        .check(history.is_plain);
    // Shorter than the checkpoint says, or checkpoints that do not belong to it: it counts for nothing.
    let anywhere = u64::from(at) % (size + 1);
    history.recover(recovery_point, |dir| set_len(&last_log_file(dir), anywhere)).check(history.is_plain);
    for name in TAIL_CHECKPOINT_FILES {
        let remove = |dir: &Path| drop(std::fs::remove_file(dir.join(name)));
        history.recover(recovery_point, remove).check(history.is_plain);
        let damage = |dir: &Path| {
            if dir.join(name).exists() {
                flip(&dir.join(name), usize::from(at) % 200);
            }
        };
        history.recover(recovery_point, damage).check(history.is_plain);
    }
    if let Ok(()) = std::fs::metadata(stale.path().join(TAIL_CHECKPOINT_FILES[1])).map(|_| ()) {
        history.recover(recovery_point, |dir| copy_checkpoints(stale.path(), dir)).check(false);
    }
}

fn copy_checkpoints(from: &Path, to: &Path) {
    for name in TAIL_CHECKPOINT_FILES {
        let _ = std::fs::remove_file(to.join(name));
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).expect("copy");
        }
    }
}

#[test]
fn the_tail_is_enough_after_any_history() {
    let cases = std::env::var("TAIL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let history = proptest::collection::vec(step(), 1..120);
    // The same histories in each run; TAIL_CASES makes more of them.
    let config = ProptestConfig { cases, max_shrink_iters: 200, ..Default::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    runner
        .run(&(history, any::<u16>(), any::<u16>(), 0usize..120), |(steps, recovery_point, at, old)| {
            check_history(&steps, recovery_point, at, old);
            Ok(())
        })
        .expect("the same log");
    assert!(WITH_CHECKPOINT.get() > cases / 3, "{} of {cases} had a checkpoint", WITH_CHECKPOINT.get());
}

fn fill(f: &Fixture, from: i32, to: i32) {
    for i in from..to {
        f.append(&idempotent(5, 0, i, 1));
    }
}

#[test]
fn what_lies_before_the_checkpoint_is_not_read() {
    let f = fixture();
    fill(&f, 0, 45);
    let checkpoint = TailCheckpoint::read(&f.dir(), BOOT).expect("taken");
    assert!(checkpoint.mark.position > 1500, "{checkpoint:?}");
    f.log.abandon();
    // Nobody does this but a disk that is about to fail; it shows what is read.
    flip(&last_log_file(&f.dir()), 1000);
    let options = OpenOptions { clean: false, ..f.options.clone() };
    for (boot_id, end) in [(Some(BOOT), 45), (Some(BootId(12)), 11), (None, 11)] {
        let temp = temp_dir();
        let dir = temp.path().join("t-0");
        copy_tree(&f.dir(), &dir);
        let log_dir = LogDir::standalone(temp.path().to_path_buf());
        let log = PartitionLog::open(&context(boot_id), &log_dir, &dir, &options).expect("open");
        assert!((log.log_end_offset() - end).abs() <= 2, "{boot_id:?}: {}", log.log_end_offset());
        assert_eq!(log.log_end_offset() == 45, end == 45);
        assert_eq!(log.recovery_point(), 0, "what was not durable is not durable now");
    }
}

#[test]
fn a_clean_start_leaves_no_old_checkpoint_behind() {
    let mut f = fixture();
    fill(&f, 0, 20);
    let before = TailCheckpoint::read(&f.dir(), BOOT).expect("taken");
    f.reopen_clean();
    let after = TailCheckpoint::read(&f.dir(), BOOT).expect("taken at the start");
    assert_eq!((after.sequence, after.offset), (1, 20));
    assert!(before.offset < 20);
    f.log.truncate_to(2, NOW).expect("truncate");
    assert!(TailCheckpoint::read(&f.dir(), BOOT).is_none());
    f.reopen_clean();
    assert!(TailCheckpoint::read(&f.dir(), BOOT).is_none(), "the log is small");
}

#[test]
fn a_log_that_was_cut_and_written_again_is_recovered_in_full() {
    let f = fixture();
    fill(&f, 0, 45);
    let saved = temp_dir();
    copy_checkpoints(&f.dir(), saved.path());
    // As by a broker that knows nothing of checkpoints: same offsets and sizes, another leader epoch.
    f.log.truncate_to(10, NOW).expect("truncate");
    for i in 10..45 {
        let options = AppendOptions { leader_epoch: 1, now_ms: NOW, ..Default::default() };
        f.log.append_as_leader(&idempotent(6, 0, i - 10, 1), &options).expect("append");
    }
    copy_checkpoints(saved.path(), &f.dir());
    let history = History { f, ..History::new() };
    let recovered = history.recover(0, |_| {});
    recovered.check(false);
    let ids: Vec<i64> = recovered.tail.1.active_producers().iter().map(|p| p.producer_id).collect();
    assert_eq!(ids.len(), 2);
}
