//! Reading, at every boundary.

use bytes::Bytes;
use ottla_protocol::ErrorCode;
use ottla_protocol::records::BatchOptions;

use super::*;
use crate::piece::Piece;
use crate::test_support::*;

/// Ten segments of three batches of two records each.
fn segmented() -> (Fixture, usize) {
    let batch = batch_at(NOW, 2, 100, &BatchOptions::default());
    let f = Fixture::with(LogConfig { segment_bytes: batch.len() as u32 * 3, ..Default::default() });
    read_at_end(&f);
    for _ in 0..30 {
        f.append(&batch);
    }
    assert_eq!(f.log.segment_count(), 10);
    (f, batch.len())
}

/// What comes next is kept in memory.
fn read_at_end(f: &Fixture) {
    assert_eq!(read(f, f.log.log_end_offset(), usize::MAX, true, i64::MAX).size, 0);
}

/// A log at whose end somebody reads.
fn watched() -> Fixture {
    let f = Fixture::new();
    read_at_end(&f);
    f
}

fn read(f: &Fixture, offset: i64, max: usize, min_one: bool, bound: i64) -> ReadData {
    f.log.read(offset, max, min_one, bound).expect("read")
}

#[test]
fn a_batch_comes_from_its_start() {
    let (f, size) = segmented();
    for offset in 0..60 {
        let data = read(&f, offset, size, true, 60);
        assert_eq!(offsets_of(&bytes_of(&data)), [(offset / 2 * 2, offset / 2 * 2 + 1)], "{offset}");
        assert_eq!(data.first_offset, offset / 2 * 2);
    }
}

#[test]
fn a_read_ends_with_its_segment_and_never_skips_one() {
    let (f, _) = segmented();
    let mut offset = 0;
    let mut reads = Vec::new();
    while offset < 60 {
        let bytes = bytes_of(&read(&f, offset, usize::MAX, false, 60));
        let offsets = offsets_of(&bytes);
        assert_eq!(offsets.first().map(|o| o.0), Some(offset));
        offset = offsets.last().expect("some").1 + 1;
        reads.push(offsets.len());
    }
    assert_eq!(reads, [3; 10]);
}

#[test]
fn size_limits() {
    let (f, size) = segmented();
    let sizes = |max, min_one| read(&f, 0, max, min_one, 60).size;
    assert_eq!(sizes(0, false), 0);
    assert_eq!(sizes(0, true), size);
    assert_eq!(sizes(size - 1, true), size);
    assert_eq!(sizes(size + 1, true), size + 1, "cut within the second batch, as Kafka does");
    assert_eq!(sizes(size * 2, false), size * 2);
    assert_eq!(sizes(usize::MAX, false), size * 3);
    let incomplete = read(&f, 0, size - 1, false, 60);
    assert!(incomplete.first_entry_incomplete);
    assert!(incomplete.pieces.is_empty(), "half a batch is of no use");
}

#[test]
fn nothing_beyond_the_bound_is_served() {
    let (f, size) = segmented();
    for hot in [true, false] {
        if !hot {
            f.log.state.lock().clear_tail();
        }
        for bound in 0..=60 {
            for offset in 0..=60 {
                let data = read(&f, offset, usize::MAX, true, bound);
                let offsets = offsets_of(&bytes_of(&data));
                let whole_below = bound / 2 * 2;
                let segment_end = (offset / 6 + 1) * 6;
                let expect: Vec<_> = (offset / 2..30)
                    .map(|b| (b * 2, b * 2 + 1))
                    .filter(|(first, _)| *first < whole_below.min(segment_end) && offset < bound)
                    .collect();
                assert_eq!(offsets, expect, "offset {offset} bound {bound} hot {hot}");
                assert_eq!(data.size, expect.len() * size);
            }
        }
    }
}

#[test]
fn offsets_out_of_range() {
    let (f, _) = segmented();
    let code = |offset| f.log.read(offset, 100, true, 60).expect_err("out of range").code();
    assert_eq!(code(-1), ErrorCode::OffsetOutOfRange);
    assert_eq!(code(61), ErrorCode::OffsetOutOfRange);
    let at_end = read(&f, 60, 100, true, 60);
    assert!(at_end.pieces.is_empty() && at_end.size == 0);
    f.log.set_high_watermark(60);
    f.log.delete_records_before(7).expect("delete");
    assert_eq!(code(6), ErrorCode::OffsetOutOfRange);
    assert_eq!(offsets_of(&bytes_of(&read(&f, 7, 1, true, 60))), [(6, 7)]);
}

#[test]
fn the_tail_is_served_from_memory() {
    let f = watched();
    let mut all = Vec::new();
    for size in [10, 100, 5_000, 9_000, 20_000, 10, 10, 40_000, 70, 8_100] {
        f.append(&record(size));
        let data = read(&f, all.len() as i64, usize::MAX, true, i64::MAX);
        assert!(data.pieces.iter().all(|p| matches!(p, Piece::Bytes(_))), "{size}");
        all.push(bytes_of(&data));
    }
    for offset in 0..all.len() {
        let data = read(&f, offset as i64, usize::MAX, true, i64::MAX);
        assert!(data.pieces.iter().all(|p| matches!(p, Piece::Bytes(_))));
        assert_eq!(bytes_of(&data), all[offset..].concat(), "{offset}");
    }
    // The file says the same.
    f.log.state.lock().clear_tail();
    assert_eq!(f.read_all(0), all.concat());
}

#[test]
fn a_log_at_whose_end_nobody_reads_has_no_tail() {
    let f = Fixture::new();
    let is_hot = |offset| {
        let end = f.log.log_end_offset();
        let data = read(&f, offset, usize::MAX, true, end);
        assert_eq!(offsets_of(&bytes_of(&data)), (offset..end).map(|o| (o, o)).collect::<Vec<_>>());
        data.pieces.iter().all(|p| matches!(p, Piece::Bytes(_)))
    };
    for _ in 0..3 {
        f.append(&record(10));
    }
    // One that is behind does not read what comes next.
    read(&f, 0, 100, true, 3);
    f.append(&record(10));
    assert_eq!(f.context.hot_tail_bytes(), 0);
    assert!(!is_hot(0));
    f.append(&record(10));
    assert!(f.context.hot_tail_bytes() > 0);
    assert!(is_hot(4) && !is_hot(3));
    f.log.trim_memory();
    f.append(&record(10));
    assert!(f.context.hot_tail_bytes() > 0, "read a moment ago");
    f.log.trim_memory();
    assert_eq!(f.context.hot_tail_bytes(), 0);
    f.append(&record(10));
    assert_eq!(f.context.hot_tail_bytes(), 0);
    assert!(!is_hot(0));
}

#[test]
fn the_tail_is_bounded() {
    let f = watched();
    for _ in 0..100 {
        f.append(&record(10_000));
    }
    assert!(f.context.hot_tail_bytes() <= crate::hot_tail::PARTITION_BYTES_MAX);
    assert!(f.context.hot_tail_bytes() > 200_000);
    let data = read(&f, 0, usize::MAX, true, 100);
    assert!(matches!(data.pieces.as_slice(), [Piece::File(_)]));
    let data = read(&f, 99, usize::MAX, true, 100);
    assert!(matches!(data.pieces.as_slice(), [Piece::Bytes(_), Piece::Bytes(_)]));
    f.append(&record(300_000));
    assert_eq!(f.context.hot_tail_bytes(), 0, "larger than the tail may be");
    f.append(&record(10));
    f.log.trim_memory();
    assert!(f.context.hot_tail_bytes() > 0);
    f.log.trim_memory();
    assert_eq!(f.context.hot_tail_bytes(), 0, "nobody used it in between");
    assert_eq!(offsets_of(&f.read_all(100)), [(100, 100), (101, 101)]);
}

#[test]
fn a_batch_of_a_large_frame_is_kept_without_the_frame() {
    let f = watched();
    let batch = record(9_000);
    let mut frame = vec![0; 1 << 20];
    frame[..batch.len()].copy_from_slice(&batch);
    for frame in [frame.into(), batch.clone()] {
        let frame: Bytes = frame;
        let options = AppendOptions { now_ms: NOW, frame_bytes: frame.len(), ..Default::default() };
        f.log.append_as_leader(&frame.slice(..batch.len()), &options).expect("append");
        assert_eq!(frame.is_unique(), frame.len() > batch.len());
    }
    let data = read(&f, 0, usize::MAX, true, i64::MAX);
    assert!(data.pieces.iter().all(|p| matches!(p, Piece::Bytes(_))));
    assert_eq!(offsets_of(&bytes_of(&data)), [(0, 0), (1, 1)]);
}

#[test]
fn an_idle_log_keeps_the_blocks_that_it_was_asked_to_preallocate() {
    use std::os::unix::fs::MetadataExt;

    let segment_bytes = 4 << 20;
    let f = Fixture::with(LogConfig { segment_bytes, preallocate: true, ..Default::default() });
    f.append(&record(10));
    f.log.trim_memory();
    f.log.trim_memory();
    let dir = f.log.state.lock().dir.clone();
    let file = std::fs::metadata(dir.join("00000000000000000000.log")).expect("stat");
    assert!(file.blocks() * 512 >= u64::from(segment_bytes), "{} blocks", file.blocks());
}

#[test]
fn small_batches_come_in_few_pieces() {
    let f = watched();
    for _ in 0..500 {
        f.append(&record(100));
    }
    let data = read(&f, 0, usize::MAX, true, 500);
    assert!(data.pieces.iter().all(|p| matches!(p, Piece::Bytes(_))));
    assert!(data.pieces.len() <= 10, "{}", data.pieces.len());
    // One piece per record, when each was fetched as it came: the file is better then.
    for i in 0..500 {
        f.append(&record(100));
        read(&f, 500 + i, usize::MAX, true, 1000);
    }
    let data = read(&f, 500, usize::MAX, true, 1000);
    assert!(matches!(data.pieces.as_slice(), [Piece::File(_)]));
    assert_eq!(offsets_of(&bytes_of(&data)).len(), 500);
}

#[test]
fn a_small_record_does_not_pin_its_frame() {
    let f = watched();
    let batch = record(50);
    let mut frame = vec![0u8; 1 << 20];
    frame[..batch.len()].copy_from_slice(&batch);
    let frame = Bytes::from(frame);
    f.append(&frame.slice(..batch.len()));
    assert!(frame.is_unique());
}

#[test]
fn gaps_in_offsets_are_read_over() {
    let f = watched();
    let mut given = Vec::new();
    for offset in [0i64, 10, 11, 50] {
        let options = BatchOptions { base_offset: offset, partition_leader_epoch: 0, ..Default::default() };
        given.extend_from_slice(&batch_at(NOW, 1, 10, &options));
    }
    f.log.append_as_follower(&given.into(), 0, NOW).expect("append");
    for hot in [true, false] {
        if !hot {
            f.log.state.lock().clear_tail();
        }
        for (offset, expect) in [(0, 0), (1, 10), (10, 10), (12, 50), (50, 50)] {
            let data = read(&f, offset, 1, true, 51);
            assert_eq!(offsets_of(&bytes_of(&data)), [(expect, expect)], "{offset} hot {hot}");
        }
        // The bound lies in a gap.
        assert_eq!(offsets_of(&bytes_of(&read(&f, 0, 1000, true, 30))), [(0, 0), (10, 10), (11, 11)]);
    }
}

#[test]
fn a_reader_keeps_its_file() {
    let (f, _) = segmented();
    let data = read(&f, 0, usize::MAX, true, 60);
    let before = bytes_of(&data);
    f.log.retire("-delete").expect("retire");
    f.context.trash.add(0, f.temp.path().join("x"), &f.log_dir);
    for entry in std::fs::read_dir(f.temp.path()).expect("list") {
        std::fs::remove_dir_all(entry.expect("entry").path()).expect("remove");
    }
    assert_eq!(bytes_of(&data), before);
    assert_eq!(f.log.read(0, 1, true, 60).expect_err("closed").code(), ErrorCode::KafkaStorageError);
    assert_eq!(f.try_append(&record(1)).expect_err("closed").code(), ErrorCode::KafkaStorageError);
}

#[test]
fn timestamps_are_found() {
    let one = record(100).len() as u32;
    let config = LogConfig { segment_bytes: one * 8, index_interval_bytes: 300, ..Default::default() };
    let mut f = Fixture::with(config);
    for i in 0..40 {
        let options = AppendOptions { leader_epoch: i / 20, now_ms: NOW, ..Default::default() };
        let batch = batch_at(NOW + i64::from(i) * 100, 1, 100, &BatchOptions::default());
        f.log.append_as_leader(&batch, &options).expect("append");
    }
    for round in 0..3 {
        let find = |timestamp| f.log.offset_for_timestamp(timestamp, OnCold::Wait).expect("look up");
        for i in 0..40i64 {
            let expect =
                FoundOffset { timestamp: NOW + i * 100, offset: i, leader_epoch: Some(i as i32 / 20) };
            assert_eq!(find(NOW + i * 100), Some(expect), "{i}");
            assert_eq!(find(NOW + i * 100 - 99), Some(expect), "{i}");
        }
        assert_eq!(find(0).map(|o| o.offset), Some(0));
        assert_eq!(find(NOW + 3901), None);
        let special = |timestamp| find(timestamp).map(|o| (o.timestamp, o.offset, o.leader_epoch));
        assert_eq!(special(special_timestamp::LATEST), Some((-1, 40, Some(1))));
        assert_eq!(special(special_timestamp::EARLIEST), Some((-1, 0, Some(0))));
        assert_eq!(special(special_timestamp::EARLIEST_LOCAL), Some((-1, 0, Some(0))));
        assert_eq!(special(special_timestamp::MAX_TIMESTAMP), Some((NOW + 3900, 39, Some(1))));
        assert_eq!(special(special_timestamp::LATEST_TIERED), Some((-1, -1, Some(-1))));
        if round == 0 { f.reopen_clean() } else { f.reopen_killed(0) }
    }
}

#[test]
fn the_largest_timestamp_may_lie_in_the_middle() {
    let f = Fixture::new();
    for (i, timestamp) in [5, 900, 30, 20].into_iter().enumerate() {
        f.append(&batch_at(NOW + timestamp, 3, 10, &BatchOptions::default()));
        assert_eq!(f.log.log_end_offset(), (i as i64 + 1) * 3);
    }
    let max = f.log.offset_for_timestamp(special_timestamp::MAX_TIMESTAMP, OnCold::Wait).expect("look up");
    assert_eq!(max.map(|o| (o.timestamp, o.offset)), Some((NOW + 902, 5)));
    let empty = Fixture::new();
    assert_eq!(
        empty.log.offset_for_timestamp(special_timestamp::MAX_TIMESTAMP, OnCold::Wait).expect("look up"),
        None
    );
    assert_eq!(empty.log.offset_for_timestamp(5, OnCold::Wait).expect("look up"), None);
}

#[test]
fn leader_epochs_are_answered() {
    let f = Fixture::new();
    f.log.assign_epoch_start_offset(2, 0).expect("assign");
    for epoch in [2, 2, 5] {
        let options = AppendOptions { leader_epoch: epoch, now_ms: NOW, ..Default::default() };
        f.log.append_as_leader(&record(10), &options).expect("append");
    }
    assert_eq!(f.log.end_offset_for_epoch(2), Some((2, 2)));
    assert_eq!(f.log.end_offset_for_epoch(3), Some((2, 2)));
    assert_eq!(f.log.end_offset_for_epoch(5), Some((5, 3)));
    assert_eq!(f.log.end_offset_for_epoch(6), None);
    assert_eq!(f.log.epoch_for_offset(2), Some(5));
}
