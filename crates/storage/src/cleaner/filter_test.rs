//! Which batches and records stay, and what they look like then.

use std::collections::HashMap;

use bytes::Bytes;
use ottla_protocol::records::{
    BatchBuilder, BatchHeader, BatchOptions, Compression, EndTransactionMarker, RecordBatch, TimestampType,
    end_transaction_batch,
};

use super::filter::{Decision, Filter, Kept, LastRecord, Retention};
use super::offset_map::OffsetMap;

const NOW: i64 = 1_700_000_000_000;
const RETENTION_MS: i64 = 1000;

type Records<'a> = &'a [(&'a str, Option<&'a str>)];

fn batch(options: BatchOptions, records: Records<'_>) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (i, (key, value)) in records.iter().enumerate() {
        let headers: [(&str, Option<&[u8]>); 2] = [("h", Some(b"1")), ("n", None)];
        let key = (!key.is_empty()).then_some(key.as_bytes());
        builder.append(NOW + i as i64, key, value.map(str::as_bytes), &headers).expect("record");
    }
    builder.build().expect("batch")
}

fn map(entries: &[(&str, i64)], latest: i64) -> OffsetMap {
    let mut map = OffsetMap::new(10_000);
    entries.iter().for_each(|(key, offset)| map.put(key.as_bytes(), *offset).expect("room"));
    map.update_latest_offset(latest);
    map
}

fn with_filter<T>(map: &OffsetMap, now_ms: i64, run: impl FnOnce(&Filter<'_>) -> T) -> T {
    let last_records = HashMap::from([
        (1, LastRecord { last_data_offset: Some(102), producer_epoch: 0 }),
        (2, LastRecord { last_data_offset: None, producer_epoch: 3 }),
    ]);
    run(&Filter {
        map,
        last_records: &last_records,
        round_end_offset: 200,
        now_ms,
        delete_retention_ms: RETENTION_MS,
    })
}

fn apply(map: &OffsetMap, now_ms: i64, can_discard: bool, bytes: &[u8]) -> (Vec<u8>, Kept) {
    with_filter(map, now_ms, |filter| {
        let (view, _) = RecordBatch::parse(bytes).expect("valid");
        let mut out = Vec::new();
        let kept = filter.apply(&view, filter.decide(&view, can_discard), &mut out).expect("filter");
        (out, kept)
    })
}

fn at(base_offset: i64) -> BatchOptions {
    BatchOptions { base_offset, partition_leader_epoch: 7, ..Default::default() }
}

fn of_producer(base_offset: i64, producer_id: i64, epoch: i16) -> BatchOptions {
    BatchOptions { producer_id, producer_epoch: epoch, base_sequence: 5, ..at(base_offset) }
}

#[test]
fn decisions() {
    use Retention::{Delete, DeleteEmpty, RetainEmpty};
    let marker = |id, epoch, horizon: Option<i64>| {
        let options = BatchOptions {
            is_control: true,
            is_transactional: true,
            base_sequence: -1,
            delete_horizon_ms: horizon,
            ..of_producer(100, id, epoch)
        };
        batch(options, &[("\0\0\0\u{1}", Some("\0\0\0\0\0\0"))])
    };
    let three: Records<'_> = &[("a", None), ("b", None), ("c", None)];
    let map = OffsetMap::new(100);
    let check = |bytes: &Bytes, can_discard, retention, discards_records, is_marker_of_nothing| {
        let header = BatchHeader::parse(bytes).expect("valid");
        let found = with_filter(&map, NOW, |filter| filter.decide(&header, can_discard));
        assert_eq!(found, Decision { retention, discards_records, is_marker_of_nothing }, "{header:?}");
    };
    let plain = batch(at(100), three);
    check(&plain, false, DeleteEmpty, false, false);
    check(&plain, true, Delete, true, false);
    check(&batch(at(197), three), false, RetainEmpty, false, false);
    check(&batch(at(197), three), true, RetainEmpty, true, false);
    check(&batch(of_producer(100, 1, 0), three), true, RetainEmpty, true, false);
    check(&batch(of_producer(99, 1, 0), three), true, Delete, true, false);
    check(&batch(of_producer(100, 9, 0), three), true, Delete, true, false);
    // Only the marker of the newest epoch is the last trace.
    check(&batch(of_producer(100, 2, 3), three), false, DeleteEmpty, false, false);
    check(&marker(2, 3, None), false, RetainEmpty, false, false);
    check(&marker(2, 2, None), false, DeleteEmpty, false, false);
    check(&marker(9, 0, None), true, DeleteEmpty, false, true);
    check(&marker(9, 0, Some(NOW + 1)), true, DeleteEmpty, false, true);
    check(&marker(9, 0, Some(NOW)), true, Delete, true, true);
    check(&marker(9, 0, Some(NOW)), false, DeleteEmpty, false, false);
    check(&marker(2, 3, Some(NOW)), true, RetainEmpty, true, true);
}

#[test]
fn batches_that_lose_nothing_are_copied() {
    for codec in Compression::ALL {
        let bytes = batch(
            BatchOptions { compression: codec, ..at(100) },
            &[("a", Some("1")), ("b", Some("2")), ("c", None)],
        );
        let map = map(&[("a", 100), ("b", 50)], 99);
        let (out, kept) = apply(&map, NOW, false, &bytes);
        assert_eq!(kept, Kept { records_read: 3, records_kept: 3 });
        assert_ne!(out, bytes, "the tombstone has got its horizon, although it lies behind the map");
        let bytes =
            batch(BatchOptions { compression: codec, ..at(100) }, &[("a", Some("1")), ("b", Some("2"))]);
        assert_eq!(apply(&map, NOW, false, &bytes).0, bytes);
    }
}

#[test]
fn records_go_and_all_else_stays() {
    for codec in Compression::ALL {
        for timestamp_type in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
            let options = BatchOptions {
                compression: codec,
                timestamp_type,
                log_append_time_ms: NOW + 77,
                is_transactional: true,
                ..of_producer(100, 9, 2)
            };
            let records: Records<'_> =
                &[("a", Some("1")), ("b", Some("2")), ("c", Some("3")), ("", Some("4")), ("d", Some("5"))];
            let bytes = batch(options, records);
            let map = map(&[("a", 150), ("b", 101), ("d", 120)], 150);
            let (out, kept) = apply(&map, NOW, false, &bytes);
            assert_eq!(kept, Kept { records_read: 5, records_kept: 2 });
            let ((old, _), (new, rest)) =
                (RecordBatch::parse(&bytes).expect("old"), RecordBatch::parse(&out).expect("new"));
            assert!(new.verify_crc() && rest.is_empty());
            let same = |h: &BatchHeader| {
                let ids = (h.producer_id(), h.producer_epoch(), h.base_sequence(), h.last_sequence());
                (h.base_offset(), h.last_offset(), h.partition_leader_epoch(), h.attributes(), ids)
            };
            assert_eq!(same(&old), same(&new));
            let found: Vec<_> = new.records(1 << 20).expect("records").map(|r| r.expect("record")).collect();
            let expect: Vec<_> = old.records(1 << 20).expect("records").map(|r| r.expect("record")).collect();
            assert_eq!(found, expect[1..3], "offsets, sequences, times, headers");
            let latest = if timestamp_type == TimestampType::CreateTime { NOW + 2 } else { NOW + 77 };
            assert_eq!((new.records_count(), new.max_timestamp()), (2, latest));
        }
    }
}

#[test]
fn tombstones_go_in_two_steps() {
    let bytes = batch(at(100), &[("a", None), ("b", Some("2")), ("c", None)]);
    let map = map(&[("a", 100), ("b", 101), ("c", 102)], 199);
    let (first, kept) = apply(&map, NOW, false, &bytes);
    assert_eq!(kept.records_kept, 3);
    let header = BatchHeader::parse(&first).expect("valid");
    assert_eq!(header.delete_horizon_ms(), Some(NOW + RETENTION_MS));
    let times = |bytes: &[u8]| -> Vec<i64> {
        let (view, _) = RecordBatch::parse(bytes).expect("valid");
        view.records(1 << 20).expect("records").map(|r| r.expect("record").timestamp).collect()
    };
    assert_eq!(times(&first), [NOW, NOW + 1, NOW + 2]);
    assert_eq!(apply(&map, NOW + RETENTION_MS - 1, false, &first).0, first, "the horizon does not move");
    let (second, kept) = apply(&map, NOW + RETENTION_MS, false, &first);
    assert_eq!(kept, Kept { records_read: 3, records_kept: 1 });
    assert_eq!(times(&second), [NOW + 1]);
    let header = BatchHeader::parse(&second).expect("valid");
    assert_eq!((header.base_offset(), header.last_offset()), (100, 102));
    assert_eq!(header.delete_horizon_ms(), Some(NOW + RETENTION_MS));
    let alone = batch(BatchOptions { delete_horizon_ms: Some(NOW), ..at(100) }, &[("a", None)]);
    assert_eq!(apply(&map, NOW, false, &alone).0, b"");
}

#[test]
fn an_empty_batch_keeps_the_producer() {
    let bytes = batch(
        BatchOptions { compression: Compression::Zstd, is_transactional: true, ..of_producer(100, 1, 0) },
        &[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))],
    );
    let map = map(&[], 199);
    let (empty, kept) = apply(&map, NOW, true, &bytes);
    assert_eq!(kept, Kept { records_read: 3, records_kept: 0 });
    let header = BatchHeader::parse(&empty).expect("valid");
    assert_eq!((empty.len(), header.records_count(), header.last_sequence()), (61, 0, 7));
    assert_eq!((header.base_offset(), header.last_offset(), header.max_timestamp()), (100, 102, NOW + 2));
    assert!(header.is_transactional() && RecordBatch::parse(&empty).expect("valid").0.verify_crc());
    assert_eq!(apply(&map, NOW, false, &empty).0, empty, "and is itself kept");
}

#[test]
fn markers_get_a_horizon_when_nothing_is_left_of_their_transaction() {
    let map = map(&[], 199);
    let marker = EndTransactionMarker { committed: true, coordinator_epoch: 4 };
    let bytes = end_transaction_batch(9, 0, NOW, marker).expect("marker");
    assert_eq!(apply(&map, NOW, false, &bytes).0, &bytes[..]);
    let (first, _) = apply(&map, NOW, true, &bytes);
    let (view, _) = RecordBatch::parse(&first).expect("valid");
    assert_eq!(view.delete_horizon_ms(), Some(NOW + RETENTION_MS));
    let record = view.records(1000).expect("records").next().expect("one").expect("record");
    let found = EndTransactionMarker::parse(&record.key.expect("key"), &record.value.expect("value"));
    assert_eq!((found, record.timestamp), (Ok(Some(marker)), NOW));
    assert_eq!(apply(&map, NOW + RETENTION_MS - 1, true, &first).0, first);
    assert_eq!(apply(&map, NOW + RETENTION_MS, true, &first).0, b"");
}

#[test]
fn damage_is_an_error() {
    let mut bytes = batch(at(100), &[("a", Some("1")), ("b", Some("2"))]).to_vec();
    for at in 61..bytes.len() {
        bytes[at] ^= 0xff;
        let (view, _) = RecordBatch::parse(&bytes).expect("the header is whole");
        let map = OffsetMap::new(100);
        // Never a panic; what cannot be seen without the CRC is kept as it is.
        with_filter(&map, NOW, |f| f.apply(&view, f.decide(&view, false), &mut Vec::new()).map(|_| ()).ok());
        bytes[at] ^= 0xff;
    }
}
