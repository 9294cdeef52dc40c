//! Many threads at one log.

use std::sync::atomic::{AtomicBool, Ordering};

use ottla_protocol::records::BatchOptions;

use super::*;
use crate::test_support::*;

const APPENDS: i64 = 400;
const WRITERS: i64 = 3;

#[test]
fn readers_see_whole_batches_while_everything_moves() {
    let config = LogConfig {
        segment_bytes: 20_000,
        index_interval_bytes: 500,
        flush_messages: 50,
        ..LogConfig::default()
    };
    let f = Fixture::with(config);
    let done = AtomicBool::new(false);
    let log = &*f.log;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    for i in 0..APPENDS {
                        let batch = idempotent(writer, 0, i as i32 * 2, 2);
                        let options = AppendOptions { now_ms: NOW, ..Default::default() };
                        let info = log.append_as_leader(&batch, &options).expect("append");
                        log.maybe_increment_high_watermark(info.last_offset + 1);
                    }
                })
            })
            .collect();
        for reader in 0..2usize {
            let done = &done;
            scope.spawn(move || {
                let mut offset = 0;
                while offset < APPENDS * WRITERS * 2 {
                    let bound = log.high_watermark();
                    let data = log.read(offset, 700 + reader * 5000, true, bound).expect("read");
                    for (first, last) in offsets_of(&bytes_of(&data)) {
                        assert_eq!(first, offset);
                        assert!(last < bound);
                        offset = last + 1;
                    }
                    if done.load(Ordering::Acquire) && offset >= log.high_watermark() {
                        break;
                    }
                }
                assert_eq!(offset, log.log_end_offset());
            });
        }
        let (context, done_flag) = (&f.context, &done);
        scope.spawn(move || {
            while !done_flag.load(Ordering::Acquire) {
                context.background_tick(NOW);
                context.files.close_idle();
                log.trim_memory();
                log.active_producers();
                log.offset_for_timestamp(NOW, OnCold::Wait).expect("look up");
                std::thread::yield_now();
            }
        });
        writers.into_iter().for_each(|w| w.join().expect("writer"));
        done.store(true, Ordering::Release);
    });
    assert_eq!(f.log.log_end_offset(), APPENDS * WRITERS * 2);
    assert_eq!(offsets_of(&f.read_all(0)).len() as i64, APPENDS * WRITERS);
    assert!(f.log.recovery_point() > 0);
}

#[test]
fn appends_that_wait_share_an_fsync() {
    let disk = FailingDisk::new();
    let f = Fixture::with_disk(LogConfig { flush_messages: 1, ..Default::default() }, disk.clone());
    let (log, rounds) = (&*f.log, 50);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                for _ in 0..rounds {
                    let batch = batch_at(NOW, 1, 10, &BatchOptions::default());
                    let options = AppendOptions { now_ms: NOW, ..Default::default() };
                    let info = log.append_as_leader(&batch, &options).expect("append");
                    assert!(log.recovery_point() > info.last_offset, "durable when it returns");
                }
            });
        }
    });
    assert_eq!(f.log.recovery_point(), 8 * rounds);
    assert!(disk.syncs.load(Ordering::Relaxed) <= 8 * rounds + 2);
}
