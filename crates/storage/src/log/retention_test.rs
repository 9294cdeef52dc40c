//! Removing records from the front.

use ottla_protocol::ErrorCode;
use ottla_protocol::records::BatchOptions;

use super::*;
use crate::test_support::*;

/// Ten segments of one batch each, a second apart.
fn ten_segments(config: LogConfig) -> (Fixture, u64) {
    let one = record(1000).len() as u32;
    let f = Fixture::with(LogConfig { segment_bytes: one, ..config });
    for i in 0..10 {
        f.append(&batch_at(NOW + i * 1000, 1, 1000, &BatchOptions::default()));
    }
    assert_eq!(f.log.segment_count(), 10);
    f.log.set_high_watermark(10);
    (f, u64::from(one))
}

#[test]
fn by_time() {
    let (f, _) = ten_segments(LogConfig { retention_ms: 5000, ..Default::default() });
    assert_eq!(f.log.delete_old_segments(NOW + 5000).expect("delete"), 0);
    assert_eq!(f.log.delete_old_segments(NOW + 7500).expect("delete"), 3);
    assert_eq!(f.log.log_start_offset(), 3);
    assert_eq!(f.log.delete_old_segments(NOW + 100_000).expect("delete"), 7, "the active one, too");
    assert_eq!((f.log.log_start_offset(), f.log.log_end_offset(), f.log.segment_count()), (10, 10, 1));
    assert_eq!(f.log.delete_old_segments(NOW + 200_000).expect("delete"), 0, "an empty one stays");
    assert_eq!(f.append(&record(10)).base_offset, 10);
}

#[test]
fn by_size() {
    let (f, one) = ten_segments(LogConfig { retention_ms: -1, ..Default::default() });
    let retain = |bytes: u64| {
        let config = (*f.log.config()).clone();
        f.log.update_config(LogConfig { retention_bytes: bytes as i64, ..config });
        f.log.delete_old_segments(NOW).expect("delete")
    };
    assert_eq!(retain(one * 10), 0);
    assert_eq!(retain(one * 9 + 1), 0);
    assert_eq!(retain(one * 7), 3);
    assert_eq!(f.log.size_bytes(), one * 7);
    assert_eq!(f.log.log_start_offset(), 3);
}

#[test]
fn never_above_the_high_watermark() {
    let (f, _) = ten_segments(LogConfig { retention_ms: 1, ..Default::default() });
    f.log.set_high_watermark(4);
    assert_eq!(f.log.delete_old_segments(NOW + 1_000_000).expect("delete"), 4);
    assert_eq!(f.log.log_start_offset(), 4);
}

#[test]
fn compacted_logs_are_left_alone() {
    let config = LogConfig { retention_ms: 1, compact: true, delete: false, ..Default::default() };
    let one = record(1000).len() as u32;
    let f = Fixture::with(LogConfig { segment_bytes: one, ..config });
    for _ in 0..5 {
        f.append(&record(1000));
    }
    f.log.set_high_watermark(5);
    assert_eq!(f.log.delete_old_segments(NOW + 1_000_000).expect("delete"), 0);
    f.log.delete_records_before(3).expect("delete");
    assert_eq!(f.log.delete_old_segments(NOW).expect("delete"), 3);
}

#[test]
fn records_are_deleted_on_request() {
    let (mut f, _) = ten_segments(LogConfig { retention_ms: -1, ..Default::default() });
    f.log.set_high_watermark(8);
    let code = |offset| f.log.delete_records_before(offset).expect_err("out of range").code();
    assert_eq!(code(9), ErrorCode::OffsetOutOfRange);
    assert_eq!(code(-2), ErrorCode::OffsetOutOfRange);
    assert_eq!(f.log.delete_records_before(5).expect("delete"), 5);
    assert_eq!(f.log.delete_records_before(2).expect("delete"), 5, "never back");
    assert_eq!(f.log.delete_old_segments(NOW).expect("delete"), 5);
    assert_eq!(f.log.delete_records_before(-1).expect("delete"), 8);
    assert_eq!(f.log.epoch_entries()[0].start_offset, 8);
    f.reopen_clean();
    assert_eq!(f.log.log_start_offset(), 5, "the manager's checkpoint knows better");
}

#[test]
fn files_are_renamed_first_and_removed_later() {
    let config = LogConfig { retention_ms: 1, file_delete_delay_ms: 500, ..Default::default() };
    let (f, _) = ten_segments(config);
    f.log.set_high_watermark(5);
    f.log.delete_old_segments(NOW + 100_000).expect("delete");
    let deleted = |f: &Fixture| file_names(&f.dir()).iter().filter(|n| n.ends_with(".deleted")).count();
    // Five segments of three files, and four snapshots.
    assert_eq!(deleted(&f), 5 * 3 + 4);
    f.context.background_tick(NOW + 100_499);
    assert_eq!(deleted(&f), 19);
    f.context.background_tick(NOW + 100_500);
    assert_eq!(deleted(&f), 0);
    assert_eq!(f.context.trash.len(), 0);
}

#[test]
fn closed_segments_are_made_durable_in_the_background() {
    let (f, _) = ten_segments(LogConfig { retention_ms: -1, ..Default::default() });
    assert_eq!(f.log.recovery_point(), 0);
    f.context.background_tick(NOW);
    assert_eq!(f.log.recovery_point(), 9);
}
