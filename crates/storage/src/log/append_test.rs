//! Appending as leader and follower; idempotence; rolling.

use bytes::Bytes;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::{BatchOptions, Compression, TimestampType};

use super::*;
use crate::test_support::*;

#[test]
fn offsets_follow_each_other() {
    let f = Fixture::new();
    let first = f.append(&batch_at(NOW, 3, 10, &BatchOptions::default()));
    assert_eq!((first.base_offset, first.last_offset, first.records_count), (0, 2, 3));
    assert_eq!((first.log_append_time_ms, first.duplicate), (-1, false));
    let second = f.append(&batch_at(NOW, 2, 10, &BatchOptions::default()));
    assert_eq!((second.base_offset, second.last_offset), (3, 4));
    assert_eq!(f.log.log_end_offset(), 5);
    assert_eq!(f.log.size_bytes(), (first.size + second.size) as u64);
    assert_eq!(offsets_of(&f.read_all(0)), [(0, 2), (3, 4)]);
    assert_eq!(f.log.latest_epoch(), Some(0));
    let bytes = (first.size + second.size) as u64;
    assert_eq!(f.log.appended(), Appended { batches: 2, records: 5, bytes });
}

#[test]
fn what_was_read_is_what_was_appended() {
    let f = Fixture::new();
    for compression in Compression::ALL {
        let options = BatchOptions { compression, ..Default::default() };
        let sent = batch_at(NOW, 20, 100, &options);
        let base = f.append(&sent).base_offset;
        let found = f.read_all(base);
        // All but base offset and leader epoch is untouched.
        assert_eq!(found[16..], sent[16..], "{compression}");
        assert_eq!(found[8..12], sent[8..12]);
    }
}

#[test]
fn damaged_and_oversized_batches_are_refused() {
    let f = Fixture::with(LogConfig { max_message_bytes: 1000, segment_bytes: 2000, ..Default::default() });
    let mut damaged = record(10).to_vec();
    *damaged.last_mut().expect("bytes") ^= 1;
    assert_eq!(f.try_append(&Bytes::from(damaged)).expect_err("crc").code(), ErrorCode::CorruptMessage);
    assert_eq!(f.try_append(&record(1000)).expect_err("large").code(), ErrorCode::MessageTooLarge);
    f.log.update_config(LogConfig { segment_bytes: 500, ..LogConfig::default() });
    assert_eq!(f.try_append(&record(600)).expect_err("larger").code(), ErrorCode::RecordListTooLarge);
    assert!(f.try_append(&Bytes::new()).is_err());
    assert_eq!(f.log.log_end_offset(), 0);
    assert_eq!(f.append(&record(10)).base_offset, 0);
}

#[test]
fn log_append_time_is_the_brokers() {
    let config = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..Default::default() };
    let f = Fixture::with(config);
    let info = f.append(&batch_at(5, 2, 10, &BatchOptions::default()));
    assert_eq!((info.log_append_time_ms, info.max_timestamp), (NOW, NOW));
    assert_eq!(offsets_of(&f.read_all(0)), [(0, 1)], "the CRC was made anew");
}

#[test]
fn retries_are_answered_with_the_first_offset() {
    let f = Fixture::new();
    for i in 0..7 {
        assert_eq!(f.append(&idempotent(5, 0, i * 3, 3)).base_offset, i64::from(i) * 3);
    }
    // The last five are known.
    for i in 2..7 {
        let again = f.append(&idempotent(5, 0, i * 3, 3));
        assert_eq!((again.base_offset, again.last_offset), (i64::from(i) * 3, i64::from(i) * 3 + 2));
        assert!(again.duplicate);
        assert_eq!(again.log_append_time_ms, NOW + 2);
    }
    let code = |batch: &Bytes| f.try_append(batch).expect_err("refused").code();
    assert_eq!(code(&idempotent(5, 0, 3, 3)), ErrorCode::OutOfOrderSequenceNumber, "too old");
    assert_eq!(code(&idempotent(5, 0, 24, 3)), ErrorCode::OutOfOrderSequenceNumber, "gap");
    assert_eq!(code(&idempotent(5, 0, 18, 2)), ErrorCode::OutOfOrderSequenceNumber, "other length");
    assert_eq!(f.log.log_end_offset(), 21);
    assert_eq!(f.append(&idempotent(5, 0, 21, 1)).base_offset, 21);
}

#[test]
fn epochs_and_sequences() {
    let f = Fixture::new();
    f.append(&idempotent(5, 1, 7, 1));
    let code = |batch: &Bytes| f.try_append(batch).expect_err("refused").code();
    assert_eq!(code(&idempotent(5, 0, 8, 1)), ErrorCode::InvalidProducerEpoch);
    assert_eq!(code(&idempotent(5, 2, 8, 1)), ErrorCode::OutOfOrderSequenceNumber, "new epoch starts at 0");
    assert_eq!(f.append(&idempotent(5, 2, 0, 1)).base_offset, 1);
    // Sequences wrap to 0.
    f.append(&idempotent(6, 0, i32::MAX - 1, 2));
    assert_eq!(f.append(&idempotent(6, 0, 0, 1)).base_offset, 4);
    f.append(&idempotent(7, 0, i32::MAX, 3));
    assert_eq!(f.append(&idempotent(7, 0, 2, 1)).base_offset, 8);
    let mut producers = f.log.active_producers();
    producers.sort_by_key(|p| p.producer_id);
    let known: Vec<_> =
        producers.iter().map(|p| (p.producer_id, p.producer_epoch, p.last_sequence)).collect();
    assert_eq!(known, [(5, 2, 0), (6, 0, 0), (7, 0, 2)]);
}

#[test]
fn silent_producers_are_forgotten() {
    let f = Fixture::new();
    f.append(&idempotent(5, 0, 3, 1));
    let day = 24 * 60 * 60 * 1000;
    f.log.remove_expired_producers(NOW + day - 1);
    assert_eq!(f.log.active_producers().len(), 1);
    f.log.remove_expired_producers(NOW + day);
    assert_eq!(f.log.active_producers().len(), 0);
    // Of a producer that is not known any sequence is taken.
    f.append(&idempotent(5, 0, 9, 1));
}

#[test]
fn segments_roll_by_size_with_exact_bounds() {
    let one = record(100).len() as u32;
    let f = Fixture::with(LogConfig { segment_bytes: one * 3, ..Default::default() });
    for _ in 0..10 {
        f.append(&record(100));
    }
    assert_eq!(f.log.segment_count(), 4);
    assert_eq!(f.log.active_segment_base_offset(), 9);
    assert_eq!(offsets_of(&f.read_all(0)).len(), 10);
    let names = file_names(&f.dir());
    for base in [0, 3, 6, 9] {
        for suffix in [".log", ".index", ".timeindex"] {
            assert!(names.contains(&format!("{base:020}{suffix}")), "{base}{suffix}");
        }
    }
    // A snapshot for every segment but the first.
    assert!(names.contains(&format!("{:020}.snapshot", 3)));
    assert!(!names.contains(&format!("{:020}.snapshot", 0)));
}

#[test]
fn segments_roll_by_time() {
    let f = Fixture::with(LogConfig { segment_ms: 1000, ..Default::default() });
    let at = |timestamp| batch_at(timestamp, 1, 10, &BatchOptions::default());
    f.append(&at(NOW));
    f.append(&at(NOW + 1000));
    assert_eq!(f.log.segment_count(), 1);
    f.append(&at(NOW + 1001));
    assert_eq!(f.log.segment_count(), 2);
    // Without timestamps the time of creation counts.
    let f = Fixture::with(LogConfig { segment_ms: 1000, ..Default::default() });
    f.append(&at(-1));
    let options = AppendOptions { now_ms: NOW + 1001, ..Default::default() };
    f.log.append_as_leader(&at(-1), &options).expect("append");
    assert_eq!(f.log.segment_count(), 2);
}

#[test]
fn segments_roll_when_an_index_is_full() {
    // Three offset entries; the time index has two slots, one of them reserved.
    let config = LogConfig { index_interval_bytes: 1, segment_index_bytes: 24, ..Default::default() };
    let f = Fixture::with(config);
    for i in 0..20 {
        f.append(&batch_at(NOW + i, 1, 10, &BatchOptions::default()));
    }
    assert!(f.log.segment_count() >= 5, "{}", f.log.segment_count());
    assert_eq!(offsets_of(&f.read_all(0)).len(), 20);
}

#[test]
fn an_index_without_any_room_does_not_stop_the_log() {
    let f = Fixture::with(LogConfig { segment_index_bytes: 4, ..Default::default() });
    for i in 0..5 {
        assert_eq!(f.append(&record(10)).base_offset, i);
    }
    assert_eq!(offsets_of(&f.read_all(0)).len(), 5);
}

#[test]
fn jitter_makes_segments_roll_earlier() {
    let config = LogConfig { segment_ms: 1_000_000, segment_jitter_ms: 900_000, ..Default::default() };
    let f = Fixture::with(config);
    for i in 0..200 {
        f.append(&batch_at(NOW + i * 10_000, 1, 10, &BatchOptions::default()));
    }
    // Two million ms: without jitter two or three segments.
    assert!(f.log.segment_count() >= 3);
}

#[test]
fn offsets_that_do_not_fit_the_segment_roll_it() {
    let f = Fixture::new();
    let given = |offset: i64| {
        let options = BatchOptions { base_offset: offset, partition_leader_epoch: 0, ..Default::default() };
        batch_at(NOW, 1, 10, &options)
    };
    let append = |offset| f.log.append_as_follower(&given(offset), 0, NOW).expect("append");
    append(5);
    append(i64::from(i32::MAX));
    assert_eq!(f.log.segment_count(), 1);
    append(i64::from(i32::MAX) + 1);
    assert_eq!(f.log.segment_count(), 2);
    assert_eq!(f.log.active_segment_base_offset(), i64::from(i32::MAX) + 1);
    let offsets = offsets_of(&f.read_all(0));
    let max = i64::from(i32::MAX);
    assert_eq!(offsets, [(5, 5), (max, max), (max + 1, max + 1)]);
}

#[test]
fn followers_take_what_the_leader_has() {
    let leader = Fixture::with(LogConfig { segment_bytes: 1000, ..Default::default() });
    for i in 0..30 {
        let options = AppendOptions { leader_epoch: i / 10, now_ms: NOW, ..Default::default() };
        leader.log.append_as_leader(&idempotent(5, 0, i, 1), &options).expect("append");
    }
    let follower = Fixture::new();
    let all = Bytes::from(leader.read_all(0));
    // A fetch may end within a batch.
    let cut = all.slice(..all.len() - 10);
    let info = follower.log.append_as_follower(&cut, 5, NOW).expect("append").expect("some");
    assert_eq!((info.base_offset, info.last_offset, info.records_count), (0, 28, 29));
    assert_eq!(follower.log.epoch_entries(), leader.log.epoch_entries());
    assert_eq!(follower.read_all(0), all[..info.size]);
    assert_eq!(follower.log.active_producers()[0].last_sequence, 28);
    let again = follower.log.append_as_follower(&cut, 5, NOW).expect_err("known");
    assert!(matches!(again, AppendError::UnexpectedOffset { first_offset: 0, log_end_offset: 29, .. }));
    assert_eq!(follower.log.append_as_follower(&Bytes::new(), 5, NOW).expect("empty"), None);
}

#[test]
fn followers_leave_out_later_epochs() {
    let leader = Fixture::new();
    for epoch in [1, 2, 3] {
        let options = AppendOptions { leader_epoch: epoch, now_ms: NOW, ..Default::default() };
        leader.log.append_as_leader(&record(10), &options).expect("append");
    }
    let follower = Fixture::new();
    let all = Bytes::from(leader.read_all(0));
    follower.log.append_as_follower(&all, 2, NOW).expect("append");
    assert_eq!(follower.log.log_end_offset(), 2);
}

#[test]
fn the_quorums_leader_gives_offsets_and_epochs() {
    let f = Fixture::new();
    let given = |offset: i64, epoch| {
        let options =
            BatchOptions { base_offset: offset, partition_leader_epoch: epoch, ..Default::default() };
        batch_at(NOW, 2, 10, &options)
    };
    f.log.append_as_raft_leader(&given(0, 4), 4, NOW).expect("append");
    let wrong = f.log.append_as_raft_leader(&given(2, 3), 4, NOW).expect_err("epoch");
    assert_eq!(wrong.code(), ErrorCode::InvalidRecord);
    let both = [given(2, 4), given(4, 4)].concat();
    f.log.append_as_raft_leader(&both.into(), 4, NOW).expect("append");
    assert_eq!(offsets_of(&f.read_all(0)), [(0, 1), (2, 3), (4, 5)]);
    let backwards = [given(8, 4), given(6, 4)].concat();
    let refused = f.log.append_as_raft_leader(&backwards.into(), 4, NOW).expect_err("order");
    assert!(matches!(refused, AppendError::OffsetsOutOfOrder(_)));
}

#[test]
fn a_deferred_flush_is_the_callers() {
    let disk = FailingDisk::new();
    let config = LogConfig { flush_messages: 2, ..Default::default() };
    let f = Fixture::with_disk(config, disk.clone());
    let options = AppendOptions { now_ms: NOW, defer_flush: true, ..Default::default() };
    let append = || f.log.append_as_leader(&record(10), &options).expect("append");
    assert!(!append().flush_due);
    assert!(append().flush_due);
    assert_eq!(f.log.recovery_point(), 0);
    f.log.flush_up_to(2, NOW).expect("flush");
    assert_eq!(f.log.recovery_point(), 2);
    let syncs = disk.syncs.load(Ordering::Relaxed);
    f.log.flush_up_to(1, NOW).expect("flush");
    assert_eq!(disk.syncs.load(Ordering::Relaxed), syncs, "durable already");
    f.append(&record(10));
    f.append(&record(10));
    assert_eq!(f.log.recovery_point(), 4);
}

#[test]
fn flush_ms_is_counted_from_the_last_flush() {
    let f = Fixture::with(LogConfig { flush_ms: 1000, ..Default::default() });
    f.append(&record(10));
    f.log.flush_if_due(NOW + 999).expect("flush");
    assert_eq!(f.log.recovery_point(), 0);
    f.log.flush_if_due(NOW + 1000).expect("flush");
    assert_eq!(f.log.recovery_point(), 1);
    f.append(&record(10));
    f.log.flush_if_due(NOW + 1500).expect("flush");
    assert_eq!(f.log.recovery_point(), 1);
}
