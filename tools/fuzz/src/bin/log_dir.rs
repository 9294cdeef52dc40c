//! A partition's directory of arbitrary files: segments, indexes, producer snapshots, leader epochs, leftovers of
//! interrupted operations. It is opened as after a clean stop and as after a crash, and used.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_fuzz::scratch;
use ottla_protocol::TopicPartition;
use ottla_protocol::records::{BatchBuilder, BatchOptions, crc32c};
use ottla_storage::{AppendOptions, LogConfig, OnCold, OpenOptions, PartitionLog, Piece};

/// By the first byte of a file's header: its name. Offsets are small, so that files meet.
const SUFFIXES: [&str; 9] = [
    "log",
    "index",
    "timeindex",
    "txnindex",
    "snapshot",
    "log.deleted",
    "log.swap",
    "index.swap",
    "timeindex.cleaned",
];
const NOW_MS: i64 = 1_700_000_000_000;

fuzz_target!(|data: &[u8]| {
    let [mode, recovery_point, start, files @ ..] = data else { return };
    let dir = scratch().join("t-0");
    std::fs::create_dir(&dir).expect("create");
    write_files(&dir, files, mode & 2 == 0);
    let mut options = OpenOptions::new(TopicPartition::new("t", 0));
    options.config = Arc::new(LogConfig {
        segment_bytes: 2048,
        index_interval_bytes: 64,
        segment_index_bytes: 120,
        retention_bytes: 3000,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    });
    options.clean = mode & 1 == 0;
    options.now_ms = NOW_MS;
    options.recovery_point = i64::from(*recovery_point);
    options.log_start_offset = if mode & 4 == 0 { 0 } else { i64::from(*start) };
    let Ok(log) = PartitionLog::open_at(&dir, &options) else { return };
    if use_log(&log).is_err() {
        return;
    }
    let (first, end) = (log.log_start_offset(), log.log_end_offset());
    if log.close(NOW_MS).is_err() {
        return;
    }
    let was_checked = !options.clean;
    (options.clean, options.log_start_offset, options.recovery_point) = (true, first, end);
    let again = PartitionLog::open_at(&dir, &options);
    // What recovery has passed can be relied on.
    if was_checked && *recovery_point == 0 {
        let again = again.expect("a log that was recovered opens");
        assert_eq!((again.log_start_offset(), again.log_end_offset()), (first, end));
    }
});

/// Header: suffix, offset, two bytes of length. Snapshots and batches get their CRC unless `as_is`.
fn write_files(dir: &Path, mut files: &[u8], mend: bool) {
    while let [which, offset, high, low, rest @ ..] = files {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (content, next) = rest.split_at(len);
        files = next;
        let which = usize::from(*which) % (SUFFIXES.len() + 2);
        let name = match SUFFIXES.get(which) {
            Some(suffix) => format!("{:020}.{suffix}", u64::from(*offset)),
            None if which == SUFFIXES.len() => "leader-epoch-checkpoint".to_owned(),
            None => "partition.metadata".to_owned(),
        };
        let mut content = content.to_vec();
        if mend && name.ends_with("snapshot") && content.len() > 6 {
            let crc = crc32c(&content[6..]);
            content[..2].copy_from_slice(&[0, 1]);
            content[2..6].copy_from_slice(&crc.to_be_bytes());
        } else if mend && name.contains(".log") {
            mend_batches(&mut content);
        }
        std::fs::write(dir.join(name), content).expect("write");
    }
}

fn mend_batches(mut bytes: &mut [u8]) {
    while bytes.len() > 61 {
        let size = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
        let Some(end) = size.checked_add(12).filter(|end| *end > 61 && *end <= bytes.len()) else { return };
        let (batch, rest) = bytes.split_at_mut(end);
        let crc = crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes = rest;
    }
}

fn use_log(log: &PartitionLog) -> Result<(), ()> {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    assert!(start <= end && log.recovery_point() <= end, "{log:?}");
    log.set_high_watermark(end);
    assert!(log.last_stable_offset() <= end);
    for offset in [start, start + (end - start) / 2, end] {
        read(log, offset)?;
        let _ = log.epoch_for_offset(offset);
    }
    for timestamp in [-3, -2, -1, 0, NOW_MS, i64::MAX] {
        log.offset_for_timestamp(timestamp, OnCold::Wait).map_err(drop)?;
    }
    let _ = log.aborted_transactions(start, end).map_err(drop)?;
    let _ = log.active_producers();
    if end > i64::MAX - 100 {
        return Err(());
    }
    append(log)?;
    log.roll(NOW_MS).map_err(drop)?;
    log.flush(NOW_MS).map_err(drop)?;
    log.set_high_watermark(log.log_end_offset());
    log.delete_old_segments(NOW_MS).map_err(drop)?;
    log.truncate_to(start + (end - start) / 2, NOW_MS).map_err(drop)?;
    // A log that ends in a gap would end before it when it is opened again.
    append(log)?;
    read(log, log.log_start_offset())
}

fn append(log: &PartitionLog) -> Result<(), ()> {
    let end = log.log_end_offset();
    let options = AppendOptions { now_ms: NOW_MS, ..AppendOptions::default() };
    let info = log.append_as_leader(&batch(), &options).map_err(drop)?;
    assert_eq!(info.base_offset, end);
    Ok(())
}

fn read(log: &PartitionLog, offset: i64) -> Result<(), ()> {
    let data = log.read(offset, 1000, true, log.log_end_offset()).map_err(drop)?;
    let bytes: Result<Vec<Bytes>, _> = data.pieces.iter().map(Piece::to_bytes).collect();
    let size: usize = bytes.map_err(drop)?.iter().map(Bytes::len).sum();
    assert_eq!(size, data.size);
    Ok(())
}

fn batch() -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(NOW_MS, Some(b"key"), Some(b"value"), &[]).expect("record");
    builder.build().expect("batch")
}
