//! Starting after a clean stop and after a crash.

use std::os::unix::fs::MetadataExt;

use bytes::Bytes;
use ottla_protocol::records::{BatchIter, BatchOptions};

use super::*;
use crate::test_support::*;

fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 200, ..Default::default() }
}

fn fill(f: &Fixture, from: i32, to: i32) {
    for i in from..to {
        let options = AppendOptions { leader_epoch: i / 20, now_ms: NOW, ..Default::default() };
        f.log.append_as_leader(&idempotent(5, 0, i, 1), &options).expect("append");
    }
}

fn index_files(f: &Fixture) -> Vec<(String, Vec<u8>)> {
    let names = file_names(&f.dir());
    names
        .into_iter()
        .filter(|n| n.ends_with("index"))
        .map(|n| (n.clone(), std::fs::read(f.dir().join(&n)).expect("read")))
        .collect()
}

#[test]
fn a_clean_stop_leaves_all_in_order() {
    let mut f = Fixture::with(small_segments());
    fill(&f, 0, 50);
    let before = f.read_all(0);
    let (epochs, segments, size) = (f.log.epoch_entries(), f.log.segment_count(), f.log.size_bytes());
    f.reopen_clean();
    assert!(f.context.open_files() <= 3, "what was needed to find the end; no sealed segment");
    assert_eq!(f.log.log_end_offset(), 50);
    assert_eq!(f.log.recovery_point(), 50);
    assert_eq!(f.log.epoch_entries(), epochs);
    assert_eq!((f.log.segment_count(), f.log.size_bytes()), (segments, size));
    assert_eq!(f.log.active_producers()[0].last_sequence, 49);
    assert_eq!(f.log.topic_id(), Some(ottla_protocol::Uuid::from_parts(7, 7)));
    assert_eq!(f.read_all(0), before);
    fill(&f, 50, 60);
    assert_eq!(f.log.log_end_offset(), 60);
    f.log.retire("-delete").expect("retire");
}

#[test]
fn a_killed_log_loses_nothing_that_was_written() {
    for recovery_point in [0, 10, 25, 50] {
        let mut f = Fixture::with(small_segments());
        fill(&f, 0, 50);
        let before = f.read_all(0);
        let epochs = f.log.epoch_entries();
        f.reopen_killed(recovery_point);
        assert_eq!(f.log.log_end_offset(), 50, "{recovery_point}");
        assert_eq!(f.log.recovery_point(), recovery_point);
        assert_eq!(f.read_all(0), before);
        assert_eq!(f.log.epoch_entries(), epochs);
        assert_eq!(f.log.active_producers()[0].last_sequence, 49);
        assert!(f.append(&idempotent(5, 0, 49, 1)).duplicate, "the state was read from the batches");
        fill(&f, 50, 60);
        f.reopen_clean();
        assert_eq!(f.log.log_end_offset(), 60);
    }
}

/// Names of the files, what they hold, and which file it is: another one in its place has another number.
fn files(f: &Fixture) -> Vec<(String, Vec<u8>, u64)> {
    let names = file_names(&f.dir()).into_iter();
    names
        .map(|name| {
            let path = f.dir().join(&name);
            let number = std::fs::metadata(&path).expect("stat").ino();
            (name, std::fs::read(&path).expect("read"), number)
        })
        .collect()
}

#[test]
fn a_start_after_a_kill_writes_nothing_where_nothing_is_wrong() {
    let mut f = Fixture::new();
    fill(&f, 0, 1);
    let left = files(&f);
    let names: Vec<&str> = left.iter().map(|(name, ..)| name.as_str()).collect();
    let (log, index, times) =
        ("00000000000000000000.log", "00000000000000000000.index", "00000000000000000000.timeindex");
    assert_eq!(names, [index, log, times, "leader-epoch-checkpoint", "partition.metadata"]);
    for _ in 0..2 {
        f.reopen_killed(0);
        assert_eq!(files(&f), left);
        assert_eq!(f.log.active_producers()[0].last_sequence, 0);
        assert_eq!(f.log.latest_epoch(), Some(0));
        // Whoever wrote the epochs may not have come to making them durable.
        let unsynced = f.log.state.lock().unsynced.clone();
        assert_eq!(unsynced, [f.dir().join("leader-epoch-checkpoint")]);
        assert!(!f.log.is_durable());
    }
    // An orderly stop leaves what it would have left without the kill: an entry in the time index, and the producers.
    f.reopen_clean();
    assert_eq!(index_files(&f)[1].1.len(), 12);
    let stopped = files(&f);
    assert_eq!(stopped.len(), left.len() + 1);
    // What is there and right stays, the snapshot at the log's end too.
    f.reopen_killed(0);
    assert_eq!(files(&f), stopped);
    f.reopen_clean();
    assert_eq!(files(&f), stopped);
}

#[test]
fn epochs_that_the_batches_contradict_are_written_again() {
    let mut f = Fixture::new();
    fill(&f, 0, 50);
    let epochs = f.log.epoch_entries();
    assert_eq!(epochs.len(), 3);
    std::fs::write(f.dir().join("leader-epoch-checkpoint"), "0\n2\n0 0\n2 30\n").expect("write");
    f.reopen_killed(0);
    assert_eq!(f.log.epoch_entries(), epochs);
    f.reopen_clean();
    assert_eq!(f.log.epoch_entries(), epochs);
}

#[test]
fn rebuilt_indexes_equal_those_that_grew() {
    let mut f = Fixture::with(small_segments());
    fill(&f, 0, 60);
    f.log.close(NOW).expect("close");
    let grown = index_files(&f);
    assert!(grown.iter().filter(|(_, content)| !content.is_empty()).count() > 4);
    f.reopen_killed(0);
    assert_eq!(index_files(&f), grown);
    // And when they are missing, or are what a killed Kafka leaves: ten megabytes of zeros.
    for (name, _) in &grown {
        let path = f.dir().join(name);
        if name.ends_with(".index") {
            std::fs::remove_file(path).expect("remove");
        } else {
            std::fs::File::create(path).expect("create").set_len(10 << 20).expect("grow");
        }
    }
    f.reopen_killed(0);
    assert_eq!(index_files(&f), grown);
    let last = file_names(&f.dir()).into_iter().rfind(|n| n.ends_with(".index")).expect("index");
    std::fs::remove_file(f.dir().join(&last)).expect("remove");
    f.reopen_clean();
    f.log.close(NOW).expect("close");
    assert_eq!(index_files(&f), grown, "a missing index is rebuilt after a clean stop, too");
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let f = Fixture::new();
    fill(&f, 0, 20);
    let whole = f.read_all(0);
    let ends: Vec<usize> = BatchIter::new(&whole)
        .scan(0, |at, b| {
            *at += b.expect("valid").size();
            Some(*at)
        })
        .collect();
    let from = ends[16];
    for cut in from..=whole.len() {
        let copy = temp_dir();
        let dir = copy.path().join("t-0");
        copy_tree(&f.dir(), &dir);
        let file =
            std::fs::OpenOptions::new().write(true).open(dir.join("00000000000000000000.log")).expect("open");
        file.set_len(cut as u64).expect("cut");
        let options = OpenOptions { clean: false, ..f.options.clone() };
        let log = PartitionLog::open_at(&dir, &options).expect("open");
        let kept = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(log.log_end_offset(), kept as i64, "cut at {cut}");
        assert_eq!(read_all(&log, 0), whole[..ends[kept - 1]]);
        // The log goes on behind the cut.
        let next = idempotent(5, 0, kept as i32, 1);
        let options = AppendOptions { now_ms: NOW, ..Default::default() };
        assert_eq!(log.append_as_leader(&next, &options).expect("append").base_offset, kept as i64);
    }
}

#[test]
fn a_damaged_batch_ends_the_log() {
    let mut f = Fixture::with(small_segments());
    fill(&f, 0, 60);
    let segments = f.log.segment_count();
    // Within the third segment.
    let names: Vec<String> = file_names(&f.dir()).into_iter().filter(|n| n.ends_with(".log")).collect();
    let path = f.dir().join(&names[2]);
    let mut bytes = std::fs::read(&path).expect("read");
    let base: i64 = names[2].trim_end_matches(".log").parse().expect("number");
    // Behind the header of the seventh batch.
    let at = bytes.len() / 12 * 6 + 70;
    bytes[at] ^= 0xff;
    std::fs::write(&path, &bytes).expect("write");
    crate::checkpoint::tail_checkpoint::remove(&f.dir()).expect("remove");
    let good = BatchIter::new(&bytes).take_while(|b| b.as_ref().is_ok_and(|b| b.verify_crc())).count();
    f.reopen_killed(0);
    assert_eq!(f.log.log_end_offset(), base + good as i64);
    assert_eq!(f.log.segment_count(), 3);
    assert!(segments > 3);
    assert_eq!(offsets_of(&f.read_all(0)).len() as i64, base + good as i64);
    assert_eq!(f.log.active_producers()[0].last_sequence as i64, base + good as i64 - 1);
    let left = file_names(&f.dir());
    assert!(!left.contains(&names[3]), "what lies behind the gap is gone");
}

#[test]
fn a_batch_that_begins_before_the_last_one_ends_ends_the_log() {
    let mut f = Fixture::new();
    f.append(&idempotent(5, 0, 0, 2));
    let len = f.log.size_bytes() as usize;
    f.append(&idempotent(5, 0, 2, 3));
    // No CRC covers where a batch begins: a page that came to the disk in part.
    let path = f.dir().join("00000000000000000000.log");
    let mut bytes = std::fs::read(&path).expect("read");
    assert_eq!(bytes[len..len + 8], 2_i64.to_be_bytes());
    bytes[len..len + 8].fill(0);
    std::fs::write(&path, &bytes).expect("write");
    assert!(BatchIter::new(&bytes[len..]).next().is_some_and(|batch| batch.is_ok_and(|b| b.verify_crc())));
    f.reopen_killed(0);
    assert_eq!(f.log.log_end_offset(), 2);
    assert_eq!(offsets_of(&f.read_all(0)).len(), 1);
}

#[test]
fn a_clean_marker_does_not_hide_a_torn_tail() {
    let mut f = Fixture::new();
    fill(&f, 0, 20);
    f.log.close(NOW).expect("close");
    let path = f.dir().join("00000000000000000000.log");
    let len = std::fs::metadata(&path).expect("stat").len();
    std::fs::OpenOptions::new().write(true).open(&path).expect("open").set_len(len - 3).expect("cut");
    f.reopen_killed(20);
    assert_eq!(f.log.log_end_offset(), 19);
    f.log.close(NOW).expect("close");
    std::fs::OpenOptions::new().write(true).open(&path).expect("open").set_len(len / 2 + 5).expect("cut");
    f.options.clean = true;
    f.options.recovery_point = 19;
    f.log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
    assert!(f.log.log_end_offset() < 19);
    assert_eq!(offsets_of(&f.read_all(0)).len() as i64, f.log.log_end_offset());
}

#[test]
fn transactions_are_rebuilt() {
    let mut f = Fixture::with(small_segments());
    let mut expect = Vec::new();
    for i in 0..40 {
        f.append(&transactional(5, 0, i * 2, 2));
        f.append(&transactional(6, 0, i * 2, 2));
        let end = f.end_txn(5, 0, i % 3 != 0).expect("marker");
        if i % 3 == 0 {
            expect.push(end.last_offset);
        }
        f.end_txn(6, 0, true).expect("marker");
    }
    f.append(&transactional(5, 0, 80, 2));
    let end = f.log.log_end_offset();
    let aborted = f.log.aborted_transactions(0, end).expect("read");
    assert_eq!(aborted.iter().map(|a| a.last_offset).collect::<Vec<_>>(), expect);
    for recovery_point in [0, 100] {
        f.reopen_killed(recovery_point);
        assert_eq!(f.log.aborted_transactions(0, end).expect("read"), aborted, "{recovery_point}");
        f.log.set_high_watermark(end);
        assert_eq!(f.log.last_stable_offset(), end - 2);
        assert!(f.log.has_ongoing_transaction(5, 0));
    }
    f.reopen_clean();
    assert_eq!(f.log.aborted_transactions(0, end).expect("read"), aborted);
    f.log.set_high_watermark(end);
    assert_eq!(f.log.last_stable_offset(), end - 2);
}

/// Two producers with transactions, in segments of which some hold a marker and not what it ends.
fn with_aborted_transactions() -> Fixture {
    let f = Fixture::with(LogConfig { segment_bytes: 300, index_interval_bytes: 100, ..Default::default() });
    for i in 0..12 {
        f.append(&transactional(5, 0, i * 2, 2));
        f.append(&transactional(6, 0, i * 2, 2));
        f.end_txn(5, 0, i % 3 == 1).expect("marker");
        f.end_txn(6, 0, true).expect("marker");
    }
    f
}

#[test]
fn indexes_that_somebody_removed_are_all_rebuilt() {
    let mut f = with_aborted_transactions();
    let end = f.log.log_end_offset();
    let aborted = f.log.aborted_transactions(0, end).expect("read");
    assert_eq!(aborted.len(), 8);
    f.log.close(NOW).expect("close");
    let (grown, left) = (index_files(&f), file_names(&f.dir()));
    assert!(grown.iter().filter(|(name, _)| name.ends_with(".txnindex")).count() > 3);
    f.options.clean = true;
    let removals: [fn(usize) -> bool; 4] = [|_| true, |at| at % 2 == 1, |at| at == 3, |at| at > 2];
    for (number, removed) in removals.into_iter().enumerate() {
        let segments: Vec<&String> = left.iter().filter(|name| name.ends_with(".log")).collect();
        for (at, name) in segments.into_iter().enumerate().filter(|(at, _)| removed(*at)) {
            let stem = name.trim_end_matches("log");
            for suffix in ["index", "timeindex", "txnindex"] {
                let removed = std::fs::remove_file(f.dir().join(format!("{stem}{suffix}")));
                assert!(removed.is_ok() || suffix == "txnindex", "{at}");
            }
        }
        f.log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
        assert_eq!(f.log.aborted_transactions(0, end).expect("read"), aborted, "{number}");
        f.log.set_high_watermark(end);
        assert_eq!(f.log.last_stable_offset(), end);
        f.log.close(NOW).expect("close");
        assert_eq!(index_files(&f), grown, "{number}");
        let snapshots = |names: &[String]| names.iter().filter(|n| n.ends_with(".snapshot")).count();
        assert_eq!(snapshots(&file_names(&f.dir())), snapshots(&left), "{number}");
    }
}

#[test]
fn a_damaged_transaction_index_is_rebuilt_once() {
    for killed_at in [None, Some(0), Some(30)] {
        let mut f = with_aborted_transactions();
        let end = f.log.log_end_offset();
        let aborted = f.log.aborted_transactions(0, end).expect("read");
        f.log.close(NOW).expect("close");
        let grown = index_files(&f);
        let txns: Vec<_> = grown.iter().filter(|(name, _)| name.ends_with(".txnindex")).collect();
        let (name, content) = txns[2];
        let mut damaged = content.clone();
        damaged[18..26].copy_from_slice(&0_i64.to_be_bytes());
        std::fs::write(f.dir().join(name), damaged).expect("write");
        match killed_at {
            None => {
                f.log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
            }
            Some(recovery_point) => f.reopen_killed(recovery_point),
        }
        assert_eq!(f.log.aborted_transactions(0, end).expect("read"), aborted, "{killed_at:?}");
        assert_eq!(std::fs::read(f.dir().join(name)).expect("read"), *content);
    }
}

#[test]
fn leftovers_are_removed_and_swaps_finished() {
    let mut f = Fixture::with(small_segments());
    fill(&f, 0, 60);
    let all = f.read_all(0);
    f.log.close(NOW).expect("close");
    let bases: Vec<i64> = file_names(&f.dir())
        .iter()
        .filter_map(|n| n.strip_suffix(".log").and_then(|b| b.parse().ok()))
        .collect();
    let path = |base: i64, suffix: &str| f.dir().join(format!("{base:020}{suffix}"));
    // Compaction has made one segment of the first two, and renamed it; the old ones are still there.
    let merged =
        [path(bases[0], ".log"), path(bases[1], ".log")].map(|p| std::fs::read(p).expect("read")).concat();
    std::fs::write(path(bases[0], ".log.swap"), &merged).expect("write");
    std::fs::write(path(bases[0], ".index.swap"), []).expect("write");
    std::fs::write(path(bases[0], ".timeindex.swap"), []).expect("write");
    std::fs::write(path(bases[3], ".log.cleaned"), b"half").expect("write");
    std::fs::write(path(bases[3], ".log.swap"), b"half").expect("write");
    std::fs::write(path(bases[3], ".index.deleted"), b"old").expect("write");
    std::fs::write(path(777, ".index"), b"orphan").expect("write");
    f.reopen_killed(60);
    assert_eq!(f.read_all(0), all);
    assert_eq!(f.log.segment_count(), bases.len() - 1);
    let names = file_names(&f.dir());
    assert!(
        names.iter().all(|n| !n.ends_with(".swap") && !n.ends_with(".cleaned") && !n.ends_with(".deleted"))
    );
    assert!(!names.contains(&format!("{:020}.index", 777)));
}

#[test]
fn an_unreadable_epoch_file_is_made_anew() {
    let mut f = Fixture::with(small_segments());
    fill(&f, 0, 60);
    let epochs = f.log.epoch_entries();
    f.log.close(NOW).expect("close");
    std::fs::write(f.dir().join("leader-epoch-checkpoint"), "0\n5\n1 2\n").expect("write");
    f.options.clean = true;
    f.log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
    assert_eq!(f.log.epoch_entries(), epochs);
    f.log.abandon();
    std::fs::remove_file(f.dir().join("leader-epoch-checkpoint")).expect("remove");
    f.reopen_killed(0);
    assert_eq!(f.log.epoch_entries(), epochs);
}

#[test]
fn a_bad_snapshot_is_passed_over() {
    let mut f = Fixture::with(small_segments());
    fill(&f, 0, 60);
    f.log.close(NOW).expect("close");
    for name in file_names(&f.dir()).iter().filter(|n| n.ends_with(".snapshot")).rev().take(2) {
        let mut bytes = std::fs::read(f.dir().join(name)).expect("read");
        bytes[8] ^= 1;
        std::fs::write(f.dir().join(name), bytes).expect("write");
    }
    f.options.clean = true;
    f.log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
    assert_eq!(f.log.active_producers()[0].last_sequence, 59);
    assert!(f.append(&idempotent(5, 0, 58, 1)).duplicate);
}

#[test]
fn a_log_that_ends_before_its_start_begins_anew() {
    let mut f = Fixture::new();
    fill(&f, 0, 10);
    f.log.close(NOW).expect("close");
    f.options.log_start_offset = 25;
    f.options.clean = true;
    f.log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
    assert_eq!((f.log.log_start_offset(), f.log.log_end_offset()), (25, 25));
    assert_eq!(f.append(&record(10)).base_offset, 25);
}

#[test]
fn another_incarnation_of_the_topic_is_refused() {
    let mut f = Fixture::new();
    f.log.close(NOW).expect("close");
    f.options.topic_id = Some(ottla_protocol::Uuid::from_parts(8, 8));
    let refused = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect_err("other id");
    assert_eq!(refused.code(), ottla_protocol::ErrorCode::InconsistentTopicId);
    assert!(f.log_dir.is_online());
}

#[test]
fn old_formats_are_not_cut_off() {
    let f = Fixture::new();
    f.log.close(NOW).expect("close");
    let old = include_bytes!("../../../protocol/src/records/fixtures/magic-1.bin").repeat(3);
    let path = f.dir().join("00000000000000000000.log");
    std::fs::write(&path, &old).expect("write");
    let options = OpenOptions { clean: false, ..f.options.clone() };
    let refused = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &options).expect_err("old format");
    assert!(refused.to_string().contains("not supported"), "{refused}");
    assert_eq!(std::fs::read(&path).expect("read"), old);
    assert!(f.log_dir.is_online());
}

#[test]
fn an_index_that_does_not_fit_is_rebuilt_when_it_is_used() {
    type Damage = fn(&mut [u8]);
    let damages: [Damage; 4] = [
        // Positions within batches.
        |index| index.chunks_exact_mut(8).for_each(|entry| entry[7] = entry[7].wrapping_add(3)),
        // Behind the end.
        |index| index.chunks_exact_mut(8).for_each(|entry| entry[4] = 1),
        // Sound positions, but of later batches than the offsets say.
        |index| {
            let later: Vec<u8> = index[8..].to_vec();
            for (entry, next) in index.chunks_exact_mut(8).zip(later.chunks_exact(8)) {
                entry[4..].copy_from_slice(&next[4..]);
            }
        },
        |index| index.fill(0),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let mut f = Fixture::with(small_segments());
        fill(&f, 0, 60);
        f.log.close(NOW).expect("close");
        let mut indexes = index_files(&f).into_iter();
        let long = |(name, content): &(String, Vec<u8>)| name.ends_with(".index") && content.len() > 16;
        let (name, mut content) = indexes.find(long).expect("index");
        damage(&mut content);
        std::fs::write(f.dir().join(name), content).expect("write");
        f.options.clean = true;
        f.log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
        for offset in 0..60 {
            let data = f.log.read(offset, 1, true, 60).expect("read");
            assert_eq!(offsets_of(&bytes_of(&data)), [(offset, offset)], "damage {number}");
        }
    }
}

#[test]
fn records_that_were_removed_are_missed() {
    let f = Fixture::with(small_segments());
    fill(&f, 0, 60);
    f.log.state.lock().clear_tail();
    f.log.trim_memory();
    (0..2).for_each(|_| f.context.files.close_idle());
    std::fs::remove_file(f.dir().join(format!("{:020}.log", 0))).expect("remove");
    let failed = f.log.read(0, 1, true, 60).expect_err("no file");
    assert_eq!(failed.code(), ottla_protocol::ErrorCode::KafkaStorageError);
    assert!(!f.log_dir.is_online());
}

#[test]
fn truncation_and_going_on() {
    for target in [0, 1, 7, 25, 26, 59, 60, 80] {
        let mut f = Fixture::with(small_segments());
        fill(&f, 0, 60);
        let all = f.read_all(0);
        f.log.set_high_watermark(60);
        assert_eq!(f.log.truncate_to(target, NOW).expect("truncate"), target < 60);
        let end = target.min(60);
        for _ in 0..2 {
            assert_eq!(f.log.log_end_offset(), end);
            assert!(f.log.high_watermark() <= end);
            assert_eq!(offsets_of(&f.read_all(0)).len() as i64, end);
            assert!(all.starts_with(&f.read_all(0)));
            assert_eq!(f.log.latest_epoch(), (end > 0).then(|| (end as i32 - 1) / 20));
            let known = f.log.active_producers().first().map_or(-1, |p| p.last_sequence);
            assert_eq!(i64::from(known), end - 1, "{target}");
            f.reopen_clean();
        }
        fill(&f, end as i32, 70);
        f.reopen_killed(0);
        assert_eq!(f.log.log_end_offset(), 70);
        assert_eq!(offsets_of(&f.read_all(0)).len(), 70);
    }
}

#[test]
fn truncation_in_the_middle_of_a_batch_takes_the_batch() {
    let f = Fixture::new();
    for _ in 0..3 {
        f.append(&batch_at(NOW, 5, 10, &BatchOptions::default()));
    }
    f.log.truncate_to(7, NOW).expect("truncate");
    assert_eq!(offsets_of(&f.read_all(0)), [(0, 4)]);
    assert_eq!(f.log.log_end_offset(), 7, "as in Kafka: the next fetch asks for the rest of the batch");
}

#[test]
fn starting_over_at_another_offset() {
    let mut f = Fixture::with(small_segments());
    fill(&f, 0, 60);
    f.log.truncate_fully_and_start_at(1000, None, NOW).expect("truncate");
    assert_eq!(
        (f.log.log_start_offset(), f.log.log_end_offset(), f.log.high_watermark()),
        (1000, 1000, 1000)
    );
    assert_eq!(f.log.active_producers().len(), 0);
    assert_eq!(f.log.epoch_entries(), []);
    assert_eq!(f.append(&record(10)).base_offset, 1000);
    f.reopen_killed(0);
    assert_eq!((f.log.log_start_offset(), f.log.log_end_offset()), (1000, 1001));
    f.context.trash.empty(NOW + 60_000);
    assert!(file_names(&f.dir()).iter().all(|n| !n.ends_with(".deleted")));
}

#[test]
fn every_batch_of_a_copy_taken_while_writing_is_whole() {
    // What a crash of the machine can leave: any prefix of the file, any of the small files.
    let f = Fixture::with(small_segments());
    let mut expected: Vec<Bytes> = Vec::new();
    for i in 0..40 {
        fill(&f, i, i + 1);
        let copy = temp_dir();
        let dir = copy.path().join("t-0");
        copy_tree(&f.dir(), &dir);
        let log =
            PartitionLog::open_at(&dir, &OpenOptions { clean: false, ..f.options.clone() }).expect("open");
        let all = Bytes::from(read_all(&log, 0));
        assert_eq!(offsets_of(&all).len() as i32, i + 1);
        assert_eq!(log.active_producers()[0].last_sequence, i);
        expected.push(all);
    }
    assert!(expected.windows(2).all(|w| w[1].starts_with(&w[0])));
}
