use super::testing::{Random, TIME};
use super::*;

#[test]
fn the_header_follows_from_options_and_records() {
    let options = BatchOptions {
        base_offset: 40,
        producer_id: 7,
        producer_epoch: 1,
        base_sequence: i32::MAX,
        is_transactional: true,
        partition_leader_epoch: 3,
        ..Default::default()
    };
    let mut builder = BatchBuilder::new(options);
    builder.append(TIME, None, Some(b"a"), &[]).unwrap();
    builder.append(TIME - 9, None, Some(b"b"), &[("h", None)]).unwrap();
    builder.append_with_offset(50, TIME + 3, None, None, std::iter::empty()).unwrap();
    assert_eq!((builder.next_offset(), builder.records_count(), builder.max_timestamp()), (51, 3, TIME + 3));
    let size = builder.uncompressed_size();
    let bytes = builder.build().unwrap();
    assert_eq!(bytes.len(), size);
    let (batch, _) = RecordBatch::parse(&bytes).unwrap();
    assert!(batch.verify_crc() && batch.is_transactional() && !batch.is_control());
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.next_offset()), (40, 50, 51));
    assert_eq!((batch.base_timestamp(), batch.max_timestamp()), (TIME, TIME + 3));
    assert_eq!((batch.base_sequence(), batch.last_sequence(), batch.records_count()), (i32::MAX, 9, 3));
    assert_eq!((batch.partition_leader_epoch(), batch.producer_id(), batch.producer_epoch()), (3, 7, 1));
    let offsets: Vec<i64> = batch.records(100).unwrap().map(|r| r.unwrap().offset).collect();
    assert_eq!(offsets, [40, 41, 50]);
}

#[test]
fn no_records_no_bytes() {
    assert!(BatchBuilder::new(BatchOptions::default()).build().unwrap().is_empty());
}

#[test]
fn a_last_offset_of_its_own() {
    let with_last = |last_offset| {
        let mut builder = BatchBuilder::new(BatchOptions { base_offset: 10, ..Default::default() });
        builder.append(TIME, None, None, &[]).unwrap();
        builder.append(TIME, None, None, &[]).unwrap();
        builder.build_with_last_offset(last_offset)
    };
    let bytes = with_last(20).unwrap();
    let (batch, _) = RecordBatch::parse(&bytes).unwrap();
    assert_eq!((batch.last_offset(), batch.records_count()), (20, 2));
    assert!(with_last(10).is_err());
    assert!(with_last(9).is_err());
    assert!(with_last(i64::MAX).is_err());
}

#[test]
fn contradictions_are_refused() {
    let build = |options| {
        let mut builder = BatchBuilder::new(options);
        builder.append(TIME, None, None, &[]).unwrap();
        builder.build()
    };
    let invalid = |options| assert!(matches!(build(options), Err(RecordsError::InvalidBuild(_))));
    invalid(BatchOptions { is_transactional: true, ..Default::default() });
    invalid(BatchOptions { producer_id: 1, base_sequence: 0, ..Default::default() });
    invalid(BatchOptions { producer_id: 1, producer_epoch: 0, ..Default::default() });
    build(BatchOptions { producer_id: 1, producer_epoch: 0, is_control: true, ..Default::default() })
        .unwrap();
}

#[test]
fn records_that_do_not_fit_leave_the_builder_as_it_was() {
    let mut builder = BatchBuilder::new(BatchOptions { base_offset: 5, ..Default::default() });
    let empty = std::iter::empty;
    builder.append_with_offset(7, TIME, None, None, empty()).unwrap();
    let before = builder.clone().build().unwrap();
    assert!(builder.append_with_offset(7, TIME, None, None, empty()).is_err());
    assert!(builder.append_with_offset(4, TIME, None, None, empty()).is_err());
    assert!(builder.append_with_offset(5 + (1 << 31), TIME, None, None, empty()).is_err());
    assert!(builder.append_with_offset(i64::MIN, TIME, None, None, empty()).is_err());
    assert!(builder.append(-2, None, None, &[]).is_err());
    assert_eq!(builder.build().unwrap(), before);
}

#[test]
fn room_is_counted_to_the_byte_without_compression() {
    let mut random = Random::new(30);
    for _ in 0..200 {
        let max_size = 200 + random.below(2000);
        let mut builder = BatchBuilder::new(BatchOptions { max_size, ..Default::default() });
        assert!(builder.has_room_for(TIME, None, Some(&[0; 5000]), &[]), "one record always fits");
        loop {
            let len = random.below(300);
            let value = random.bytes(len);
            let fits = builder.has_room_for(TIME, None, Some(&value), &[("h", Some(b"x"))]);
            let was_empty = builder.is_empty();
            builder.append(TIME, None, Some(&value), &[("h", Some(b"x"))]).unwrap();
            assert_eq!(fits, was_empty || builder.uncompressed_size() <= max_size);
            if !fits {
                break;
            }
        }
    }
}
