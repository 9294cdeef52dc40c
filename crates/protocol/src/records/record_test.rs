use bytes::Bytes;

use super::testing::{TIME, fix_crc};
use super::*;

/// What reading the only record of a batch gives when `body` is that record behind its length.
fn read_one(body: &[u8]) -> Result<Record, RecordsError> {
    let mut payload = Vec::new();
    super::varint::put_varint(&mut payload, body.len() as i32);
    payload.extend_from_slice(body);
    read_payload(&payload, 1).and_then(|mut records| records.pop().expect("one record"))
}

fn read_payload(payload: &[u8], count: i32) -> Result<Vec<Result<Record, RecordsError>>, RecordsError> {
    let mut header = BatchHeader { records_count: count, base_timestamp: TIME, ..Default::default() };
    let bytes = Bytes::from([&header.seal(payload).unwrap()[..], payload].concat());
    let (batch, _) = RecordBatch::parse(&bytes).unwrap();
    Ok(batch.records(1 << 20)?.collect())
}

fn is_invalid(result: Result<Record, RecordsError>) -> bool {
    matches!(result, Err(RecordsError::InvalidRecord(_)))
}

#[test]
fn the_shortest_record() {
    // attributes, timestamp delta, offset delta, null key, null value, no headers
    let record = read_one(&[0, 0, 0, 1, 1, 0]).unwrap();
    assert_eq!(record, Record { timestamp: TIME, sequence: -1, ..Default::default() });
}

#[test]
fn null_and_empty_differ() {
    let record = read_one(&[0, 2, 4, 0, 1, 4, 0, 0, 2, b'h', 1]).unwrap();
    assert_eq!((record.key.as_deref(), record.value.as_deref()), (Some(&[][..]), None));
    assert_eq!((record.offset, record.timestamp), (2, TIME + 1));
    assert_eq!(record.headers[0], Header { key: "".into(), value: Some(Bytes::new()) });
    assert_eq!(record.headers[1], Header { key: "h".into(), value: None });
}

#[test]
fn malformed_records() {
    for body in [
        &[][..],
        &[0],
        &[0, 0],
        &[0, 0, 0],
        &[0, 0, 0, 1],
        &[0, 0, 0, 1, 1],
        // A key and a value longer than the record.
        &[0, 0, 0, 20, 1, 0],
        &[0, 0, 0, 1, 20, 0],
        &[0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0],
        // A headers count that is negative, beyond the bytes left, or just wrong.
        &[0, 0, 0, 1, 1, 1],
        &[0, 0, 0, 1, 1, 4, 0],
        &[0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f],
        &[0, 0, 0, 1, 1, 2],
        &[0, 0, 0, 1, 1, 2, 0],
        // A header key that is null, or too long.
        &[0, 0, 0, 1, 1, 2, 1, 1],
        &[0, 0, 0, 1, 1, 2, 20, 1],
        // Bytes behind the last header.
        &[0, 0, 0, 1, 1, 0, 0],
        // Varints without end.
        &[0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
        &[0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    ] {
        assert!(is_invalid(read_one(body)), "{body:?}");
    }
}

#[test]
fn malformed_lengths_and_counts() {
    let shortest = [12, 0, 0, 0, 1, 1, 0];
    let two = [shortest, shortest].concat();
    let outcomes = |payload: &[u8], count| -> Vec<bool> {
        read_payload(payload, count).unwrap().iter().map(Result::is_ok).collect()
    };
    assert_eq!(outcomes(&two, 2), [true, true]);
    assert_eq!(outcomes(&two, 0), [false; 0], "no count, no records");
    assert_eq!(outcomes(&two, 1), [false], "bytes behind the last record");
    assert_eq!(outcomes(&two, 3), [true, true, false], "too few");
    assert_eq!(outcomes(&two, i32::MAX), [true, true, false]);
    assert_eq!(outcomes(&[1, 0], 1), [false], "negative length");
    assert_eq!(outcomes(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 0], 1), [false], "2 GiB");
    assert_eq!(outcomes(&[], 1), [false]);
    assert_eq!(read_payload(&two, -1).unwrap_err(), RecordsError::InvalidRecordCount(-1));
}

#[test]
fn deltas_wrap_instead_of_a_panic() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(TIME, None, None, &[]).unwrap();
    let mut bytes = builder.build().unwrap().to_vec();
    bytes[0..8].copy_from_slice(&i64::MAX.to_be_bytes());
    bytes[27..35].copy_from_slice(&i64::MIN.to_be_bytes());
    bytes[53..57].copy_from_slice(&i32::MAX.to_be_bytes());
    // timestamp delta -1, offset delta 1
    (bytes[63], bytes[64]) = (1, 2);
    fix_crc(&mut bytes);
    let (batch, _) = RecordBatch::parse(&bytes).unwrap();
    let record = batch.records(100).unwrap().next().unwrap().unwrap();
    assert_eq!((record.offset, record.timestamp, record.sequence), (i64::MIN, i64::MAX, 0));
}

#[test]
fn header_keys_that_are_not_utf8_are_replaced() {
    let record = read_one(&[0, 0, 0, 1, 1, 2, 4, 0xff, b'a', 1]).unwrap();
    assert_eq!(&*record.headers[0].key, "\u{fffd}a");
}

#[test]
fn records_are_slices_of_the_frame() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(TIME, Some(b"key"), Some(b"value"), &[]).unwrap();
    let frame = Bytes::from([b"before", &builder.build().unwrap()[..]].concat());
    let (batch, _) = RecordBatch::parse(&frame[6..]).unwrap();
    let value_of = |records: RecordIter| records.last().unwrap().unwrap().value.unwrap();
    let is_inside = |value: &Bytes| frame.as_ptr_range().contains(&value.as_ptr());
    assert!(is_inside(&value_of(batch.records_in(&frame, 1000).unwrap())));
    assert!(!is_inside(&value_of(batch.records(1000).unwrap())));
    assert!(!is_inside(&value_of(batch.records_in(&Bytes::from_static(b"another"), 1000).unwrap())));
    assert!(batch.records(10).is_err(), "the limit counts without compression too");
}

#[test]
fn batches_end_at_the_first_that_is_cut_off_or_wrong() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(TIME, None, Some(b"value"), &[]).unwrap();
    let one = builder.build().unwrap();
    let check = |tail: &[u8], yields: &[bool], rest: usize| {
        let bytes = [&one[..], &one[..], tail].concat();
        let mut batches = BatchIter::new(&bytes);
        assert_eq!(batches.by_ref().map(|batch| batch.is_ok()).collect::<Vec<_>>(), yields);
        assert_eq!(batches.rest().len(), rest);
        assert!(batches.next().is_none());
    };
    check(&[], &[true, true], 0);
    check(&one[..5], &[true, true], 5);
    check(&one[..one.len() - 1], &[true, true], one.len() - 1);
    check(&[0; 100], &[true, true, false], 100);
}
