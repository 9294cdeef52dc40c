use bytes::Bytes;

use super::testing::{TIME, build, produced, small_records, tampered};
use super::*;
use crate::ErrorCode;

const KEYED: &[(i64, Option<&str>)] = &[(TIME, Some("a")), (TIME + 5, Some("b")), (TIME + 3, Some("c"))];

fn defaults() -> ValidateOptions<'static> {
    ValidateOptions { partition: &"topic-0", now_ms: TIME, ..Default::default() }
}

/// A batch of records with these timestamps and keys.
fn batch(options: BatchOptions, records: &[(i64, Option<&str>)]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (timestamp, key) in records {
        builder.append(*timestamp, key.map(str::as_bytes), Some(b"value"), &[]).unwrap();
    }
    builder.build().unwrap()
}

fn of(compression: Compression, records: &[(i64, Option<&str>)]) -> Bytes {
    batch(BatchOptions { compression, ..Default::default() }, records)
}

#[track_caller]
fn accepted(bytes: &Bytes, options: &ValidateOptions<'_>) -> ValidatedRecords {
    let validated = validate_and_assign(bytes, 100, 7, options).unwrap();
    let stored = validated.to_bytes();
    let (batch, rest) = RecordBatch::parse(&stored).unwrap();
    assert!(rest.is_empty() && batch.verify_crc());
    assert_eq!(batch.header(), validated.header());
    assert_eq!((batch.base_offset(), batch.partition_leader_epoch()), (100, 7));
    validated
}

#[track_caller]
fn refused(
    bytes: &Bytes,
    options: &ValidateOptions<'_>,
    error: ErrorCode,
    message: &str,
) -> Vec<(i32, String)> {
    let refused = validate_and_assign(bytes, 100, 7, options).unwrap_err();
    assert_eq!(refused.error, error, "{}", refused.message);
    assert!(refused.message.contains(message), "{}", refused.message);
    assert_eq!(refused.response_message().is_some(), !refused.record_errors.is_empty());
    refused.record_errors.into_iter().map(|e| (e.batch_index, e.message)).collect()
}

/// Whether the stored payload is the very memory of the request.
fn is_slice_of(validated: &ValidatedRecords, frame: &Bytes) -> bool {
    frame.as_ptr_range().contains(&validated.payload().as_ptr())
}

fn read(validated: &ValidatedRecords) -> Vec<Record> {
    let stored = validated.to_bytes();
    let (batch, _) = RecordBatch::parse(&stored).unwrap();
    batch.records(1 << 20).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_producers_codec_passes_through_untouched() {
    for codec in Compression::ALL {
        let sent = produced(codec, &small_records());
        let validated = accepted(&sent, &defaults());
        assert!(is_slice_of(&validated, &sent) && !validated.rebuilt);
        assert_eq!((validated.base_offset(), validated.last_offset()), (100, 119));
        assert_eq!(validated.offset_of_max_timestamp(), 119);
        assert_eq!(validated.max_timestamp(), small_records().iter().map(|r| r.timestamp).max().unwrap());
        assert_eq!((validated.source_compression, validated.target_compression()), (codec, codec));
        assert_eq!(validated.log_append_time_ms, NO_TIMESTAMP);
        // All but base offset and leader epoch is what was sent, the CRC included.
        let stored = validated.to_bytes();
        assert_eq!((&stored[8..12], &stored[16..]), (&sent[8..12], &sent[16..]));
    }
}

#[test]
fn passing_through_does_not_look_at_the_records() {
    for codec in Compression::ALL {
        let sent = tampered(&produced(codec, &small_records()), |bytes| bytes[61..].fill(0xff));
        assert!(is_slice_of(&accepted(&sent, &defaults()), &sent));
        let append_time = ValidateOptions { timestamp_type: TimestampType::LogAppendTime, ..defaults() };
        assert!(is_slice_of(&accepted(&sent, &append_time), &sent));
        refused(&sent, &ValidateOptions { is_compacted: true, ..defaults() }, ErrorCode::InvalidRecord, "");
    }
}

#[test]
fn log_append_time_changes_the_header_only() {
    for codec in Compression::ALL {
        let sent = produced(codec, &small_records());
        let options = ValidateOptions {
            timestamp_type: TimestampType::LogAppendTime,
            now_ms: TIME + 900,
            ..defaults()
        };
        let validated = accepted(&sent, &options);
        assert!(is_slice_of(&validated, &sent));
        assert_eq!(validated.log_append_time_ms, TIME + 900);
        assert_eq!(validated.max_timestamp(), TIME + 900);
        assert_eq!(validated.header().timestamp_type(), TimestampType::LogAppendTime);
        assert!(read(&validated).iter().all(|record| record.timestamp == TIME + 900));
    }
}

#[test]
fn another_codec_rebuilds_the_batch() {
    let producer = BatchOptions {
        producer_id: 9,
        producer_epoch: 2,
        base_sequence: 30,
        is_transactional: true,
        ..Default::default()
    };
    for source in Compression::ALL {
        let sent = build(BatchOptions { compression: source, ..producer }, &small_records());
        for target in Compression::ALL.into_iter().filter(|target| *target != source) {
            let validated =
                accepted(&sent, &ValidateOptions { topic_compression: Some(target), ..defaults() });
            assert!(validated.rebuilt);
            assert_eq!((validated.source_compression, validated.target_compression()), (source, target));
            let header = validated.header();
            assert_eq!((header.producer_id(), header.producer_epoch(), header.base_sequence()), (9, 2, 30));
            assert!(header.is_transactional());
            for (i, (ours, sent)) in read(&validated).into_iter().zip(small_records()).enumerate() {
                assert_eq!((ours.offset, ours.sequence), (100 + i as i64, 30 + i as i32));
                assert_eq!((ours.timestamp, ours.key, ours.value), (sent.timestamp, sent.key, sent.value));
                assert_eq!(ours.headers, sent.headers);
            }
        }
    }
}

#[test]
fn rebuilding_takes_the_configured_level_and_the_append_time() {
    let sent = produced(Compression::None, &super::testing::large_records());
    let at = |level| {
        let options = ValidateOptions {
            topic_compression: Some(Compression::Gzip),
            level: CompressionLevel::new(Compression::Gzip, level).unwrap(),
            timestamp_type: TimestampType::LogAppendTime,
            ..defaults()
        };
        let validated = accepted(&sent, &options);
        assert_eq!((validated.log_append_time_ms, validated.max_timestamp()), (TIME, TIME));
        assert_eq!(validated.header().base_timestamp(), TIME);
        validated.size()
    };
    assert!(at(9) < at(1));
}

#[test]
fn rebuilding_checks_the_size_again() {
    let mut random = super::testing::Random::new(40);
    let noise: Vec<u8> = (0..4000).map(|_| random.next() as u8).collect();
    let mut builder =
        BatchBuilder::new(BatchOptions { compression: Compression::Gzip, ..Default::default() });
    builder.append(TIME, None, Some(&[&noise[..], &noise[..]].concat()), &[]).unwrap();
    let sent = builder.build().unwrap();
    let options = ValidateOptions {
        topic_compression: Some(Compression::None),
        max_message_bytes: Some(sent.len()),
        ..defaults()
    };
    refused(&sent, &options, ErrorCode::MessageTooLarge, "Message batch size is");
    accepted(&sent, &ValidateOptions { max_message_bytes: None, ..options });
}

#[test]
fn decompression_is_bounded() {
    let mut builder =
        BatchBuilder::new(BatchOptions { compression: Compression::Zstd, ..Default::default() });
    builder.append(TIME, Some(b"k"), Some(&vec![0; 1 << 20]), &[]).unwrap();
    let bomb = builder.build().unwrap();
    let options = ValidateOptions { is_compacted: true, decompressed_max_bytes: 1 << 20, ..defaults() };
    refused(&bomb, &options, ErrorCode::MessageTooLarge, "decompress to more than 1048576 bytes");
    accepted(&bomb, &ValidateOptions { decompressed_max_bytes: (1 << 20) + 100, ..options });
}

#[test]
fn corrupt_bytes() {
    let good = of(Compression::None, KEYED);
    let check = |bytes: &[u8], error, message| {
        refused(&Bytes::copy_from_slice(bytes), &defaults(), error, message);
    };
    check(&[], ErrorCode::InvalidRecord, "no batches at all");
    check(&good[..good.len() - 1], ErrorCode::InvalidRecord, "no batches at all");
    let mut bytes = good.to_vec();
    bytes[70] ^= 1;
    check(&bytes, ErrorCode::CorruptMessage, "Record is corrupt (stored crc = ");
    let mut bytes = good.to_vec();
    bytes[8..12].copy_from_slice(&13i32.to_be_bytes());
    check(&bytes, ErrorCode::CorruptMessage, "Record size 13");
    bytes[8..12].copy_from_slice(&48i32.to_be_bytes());
    check(&bytes, ErrorCode::CorruptMessage, "smaller than the minimum allowed overhead");
    let mut bytes = good.to_vec();
    bytes[16] = 3;
    check(&bytes, ErrorCode::CorruptMessage, "Invalid magic found in record: 3");
    bytes[16] = 1;
    check(&bytes, ErrorCode::InvalidRecord, "v1 is not supported");
    check(&[&good[..], &good[..]].concat(), ErrorCode::InvalidRecord, "more than one batch");
    let mut second = good.to_vec();
    second[16] = 9;
    check(&[&good[..], &second].concat(), ErrorCode::CorruptMessage, "Invalid magic");
    // Kafka drops a cut-off batch behind a whole one.
    let tail = Bytes::from([&good[..], &good[..20]].concat());
    assert_eq!(accepted(&tail, &defaults()).size(), good.len());
    let unknown = tampered(&good, |bytes| bytes[22] = 5);
    check(&unknown, ErrorCode::UnsupportedCompressionType, "Unknown compression type id: 5");
}

#[test]
fn headers_that_contradict_themselves() {
    let good = batch(
        BatchOptions { producer_id: 1, producer_epoch: 0, base_sequence: 0, ..Default::default() },
        KEYED,
    );
    let check = |at: usize, value: &[u8], message: &str| {
        let bytes = tampered(&good, |bytes| bytes[at..at + value.len()].copy_from_slice(value));
        refused(&bytes, &defaults(), ErrorCode::InvalidRecord, message);
    };
    check(
        0,
        &1i64.to_be_bytes(),
        "The baseOffset of the record batch in the append to topic-0 should be 0, but it is 1",
    );
    check(23, &(-1i32).to_be_bytes(), "invalid offset range: [0, -1] in topic partition topic-0");
    check(23, &i32::MIN.to_be_bytes(), "invalid offset range");
    check(23, &3i32.to_be_bytes(), "Inconsistent batch offset range [0, 3] and count of records 3");
    check(23, &i32::MAX.to_be_bytes(), "Inconsistent batch offset range");
    check(57, &0i32.to_be_bytes(), "Invalid reported count for record batch: 0");
    check(57, &(-1i32).to_be_bytes(), "Invalid reported count for record batch: -1");
    check(57, &2i32.to_be_bytes(), "Inconsistent");
    check(53, &(-1i32).to_be_bytes(), "Invalid sequence number -1 in record batch with producerId 1");
    check(21, &0x20i16.to_be_bytes(), "Clients are not allowed to write control records");
}

#[test]
fn a_batch_larger_than_the_topic_allows() {
    let sent = of(Compression::None, KEYED);
    let limit = |max| ValidateOptions { max_message_bytes: Some(max), ..defaults() };
    accepted(&sent, &limit(sent.len()));
    refused(
        &sent,
        &limit(sent.len() - 1),
        ErrorCode::MessageTooLarge,
        "The record batch size in the append to topic-0",
    );
    // The size is looked at before the checksum.
    let mut corrupt = sent.to_vec();
    corrupt[70] ^= 1;
    refused(&corrupt.into(), &limit(10), ErrorCode::MessageTooLarge, "");
}

#[test]
fn compacted_topics_need_keys() {
    let options = ValidateOptions { is_compacted: true, ..defaults() };
    for codec in Compression::ALL {
        let sent = of(codec, KEYED);
        let validated = accepted(&sent, &options);
        assert!(is_slice_of(&validated, &sent));
        assert_eq!(validated.max_timestamp(), TIME + 5);

        let sent = of(codec, &[(TIME, None), (TIME, Some("k")), (TIME, None), (TIME, None), (TIME, None)]);
        let errors = refused(
            &sent,
            &options,
            ErrorCode::InvalidRecord,
            "One or more records have been rejected due to 4 record errors in total",
        );
        assert_eq!(errors.iter().map(|e| e.0).collect::<Vec<_>>(), [0, 2, 3, 4]);
        assert_eq!(
            errors[0].1,
            "Compacted topic cannot accept message without key in topic partition topic-0"
        );
    }
}

#[test]
fn timestamps_out_of_range_are_named_record_by_record() {
    let after = ValidateOptions { timestamp_after_max_ms: 10, ..defaults() };
    let before = ValidateOptions { timestamp_before_max_ms: 10, ..defaults() };
    for codec in Compression::ALL {
        let within = of(codec, &[(TIME + 10, None), (TIME - 10, None), (NO_TIMESTAMP, None)]);
        accepted(&within, &after);
        accepted(&within, &before);

        let sent = of(codec, &[(TIME, None), (TIME + 11, None), (TIME - 11, None), (NO_TIMESTAMP, None)]);
        let errors = refused(
            &sent,
            &after,
            ErrorCode::InvalidTimestamp,
            "One or more records have been rejected due to invalid timestamp",
        );
        let message = format!(
            "Timestamp {} of message with offset 1 is out of range. The timestamp should be within [{}, {}]",
            TIME + 11,
            TIME.wrapping_sub(i64::MAX),
            TIME + 10
        );
        assert_eq!(errors, [(1, message)]);
        let errors = refused(&sent, &before, ErrorCode::InvalidTimestamp, "");
        assert_eq!(errors.iter().map(|e| e.0).collect::<Vec<_>>(), [2]);
        // Not a matter of the producer's timestamps at all.
        accepted(&sent, &ValidateOptions { timestamp_type: TimestampType::LogAppendTime, ..after });
    }
}

#[test]
fn a_missing_key_and_a_wrong_time_together_are_a_wrong_time() {
    let options = ValidateOptions { is_compacted: true, timestamp_after_max_ms: 0, ..defaults() };
    let sent = of(Compression::None, &[(TIME, None), (TIME + 1, Some("k"))]);
    let errors = refused(&sent, &options, ErrorCode::InvalidTimestamp, "");
    assert_eq!(errors.iter().map(|e| e.0).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn producers_do_not_decide_on_the_append_time() {
    let stamped = |max| {
        let options = BatchOptions {
            timestamp_type: TimestampType::LogAppendTime,
            log_append_time_ms: max,
            ..Default::default()
        };
        batch(options, KEYED)
    };
    let append_time = ValidateOptions { timestamp_type: TimestampType::LogAppendTime, ..defaults() };
    let errors = refused(&stamped(TIME), &append_time, ErrorCode::InvalidTimestamp, "");
    assert_eq!(errors.len(), 3);
    assert!(errors[0].1.contains("Producer should not set timestamp type to LogAppendTime"));

    // As odd as Kafka: with a max timestamp in range the batch becomes one of CreateTime.
    let validated = accepted(&stamped(TIME + 50), &defaults());
    assert_eq!(validated.header().timestamp_type(), TimestampType::CreateTime);
    assert_eq!(validated.max_timestamp(), TIME + 50);
    assert_eq!(refused(&stamped(NO_TIMESTAMP), &defaults(), ErrorCode::InvalidTimestamp, "").len(), 3);
    assert_eq!(refused(&stamped(TIME * 2), &defaults(), ErrorCode::InvalidTimestamp, "").len(), 3);
}

#[test]
fn a_wrong_max_timestamp_is_corrected() {
    for codec in Compression::ALL {
        let sent = tampered(&of(codec, KEYED), |bytes| bytes[35..43].copy_from_slice(&(-1i64).to_be_bytes()));
        let validated = accepted(&sent, &defaults());
        assert!(is_slice_of(&validated, &sent));
        assert_eq!(validated.max_timestamp(), TIME + 5);
    }
}

#[test]
fn records_numbered_wrongly() {
    let misnumbered = |codec: Compression| {
        // Offset delta of the first record: 61 + length, attributes, timestamp delta.
        let plain = tampered(&of(Compression::None, KEYED), |bytes| bytes[64] = 8);
        let (batch, _) = RecordBatch::parse(&plain).unwrap();
        let payload = compress(codec, CompressionLevel::DEFAULT, batch.payload()).unwrap();
        let mut header = *batch.header();
        header.attributes = header.attributes.with_compression(codec);
        Bytes::from([&header.seal(&payload).unwrap()[..], &payload].concat())
    };
    let compacted = ValidateOptions { is_compacted: true, ..defaults() };
    refused(&misnumbered(Compression::Lz4), &compacted, ErrorCode::InvalidRecord, "no consecutive offsets");
    // As in Kafka: not looked at without compression, and put right where the batch is built anew anyway.
    accepted(&misnumbered(Compression::None), &compacted);
    let other = ValidateOptions { topic_compression: Some(Compression::Gzip), ..defaults() };
    let validated = accepted(&misnumbered(Compression::Lz4), &other);
    assert_eq!(read(&validated).iter().map(|r| r.offset).collect::<Vec<_>>(), [100, 101, 102]);
}

#[test]
fn record_errors_are_bounded_by_the_size_of_the_batch() {
    let mut builder =
        BatchBuilder::new(BatchOptions { compression: Compression::Zstd, ..Default::default() });
    for _ in 0..100_000 {
        builder.append(TIME, None, None, &[]).unwrap();
    }
    let sent = builder.build().unwrap();
    let options = ValidateOptions { is_compacted: true, ..defaults() };
    let refused = validate_and_assign(&sent, 0, 0, &options).unwrap_err();
    assert!(refused.message.contains("due to 100000 record errors in total"));
    assert_eq!(refused.record_errors.len(), 128 + sent.len() / 8);
}

#[test]
fn count_and_records_that_differ_are_found_when_the_records_are_seen() {
    let options = ValidateOptions { is_compacted: true, ..defaults() };
    let set = |delta: i32| {
        tampered(&of(Compression::None, KEYED), |bytes| {
            bytes[23..27].copy_from_slice(&delta.to_be_bytes());
            bytes[57..61].copy_from_slice(&(delta + 1).to_be_bytes());
        })
    };
    refused(&set(1), &options, ErrorCode::InvalidRecord, "records still remaining");
    refused(&set(3), &options, ErrorCode::InvalidRecord, "premature EOF");
    refused(&set(i32::MAX - 1), &options, ErrorCode::InvalidRecord, "premature EOF");
}

#[test]
fn coordinators_may_write_markers_and_these_stay_uncompressed() {
    let marker = EndTransactionMarker { committed: true, coordinator_epoch: 1 };
    let sent = end_transaction_batch(5, 0, TIME, marker).unwrap();
    let options = ValidateOptions {
        origin: AppendOrigin::Coordinator,
        topic_compression: Some(Compression::Zstd),
        ..defaults()
    };
    let validated = accepted(&sent, &options);
    assert!(is_slice_of(&validated, &sent));
    assert_eq!(validated.target_compression(), Compression::None);
}

#[test]
fn the_quorum_leader_sets_the_epoch_itself() {
    let of_epoch = |epoch| batch(BatchOptions { partition_leader_epoch: epoch, ..Default::default() }, KEYED);
    let options = ValidateOptions { origin: AppendOrigin::RaftLeader, ..defaults() };
    accepted(&of_epoch(7), &options);
    refused(&of_epoch(6), &options, ErrorCode::InvalidRecord, "expected 7 but the batch has 6");
}

#[test]
fn produce_requests() {
    let good = of(Compression::None, KEYED);
    let zstd = of(Compression::Zstd, KEYED);
    let check = |version, bytes: &[u8], expect: Option<(ErrorCode, &str)>| {
        let answer = validate_produce_records(version, bytes);
        match expect {
            None => assert_eq!(answer, Ok(())),
            Some((error, message)) => {
                let refused = answer.unwrap_err();
                assert_eq!(refused.error, error);
                assert_eq!(refused.message, format!("Produce requests with version {version} {message}"));
            }
        }
    };
    check(3, &good, None);
    check(7, &zstd, None);
    check(
        6,
        &zstd,
        Some((ErrorCode::UnsupportedCompressionType, "are not allowed to use ZStandard compression")),
    );
    check(9, &[], Some((ErrorCode::InvalidRecord, "must have at least one record batch per partition")));
    check(
        9,
        &good[..50],
        Some((ErrorCode::InvalidRecord, "must have at least one record batch per partition")),
    );
    let only_one = "are only allowed to contain exactly one record batch per partition";
    check(9, &[&good[..], &good[..]].concat(), Some((ErrorCode::InvalidRecord, only_one)));
    let old = include_bytes!("fixtures/magic-1.bin");
    let only_v2 = "are only allowed to contain record batches with magic version 2";
    check(9, old, Some((ErrorCode::InvalidRecord, only_v2)));
    check(9, &[&good[..], old].concat(), Some((ErrorCode::InvalidRecord, only_one)));
    let mut bad_magic = good.to_vec();
    bad_magic[16] = 0x80;
    assert_eq!(validate_produce_records(9, &bad_magic).unwrap_err().error, ErrorCode::CorruptMessage);
}
