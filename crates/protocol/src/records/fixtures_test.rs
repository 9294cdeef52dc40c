//! Batches that Apache Kafka 4.3.1's own classes wrote, and batches for them to read.
//!
//! The files come from `tests/compat/java/records/RecordFixtures.java`, which says how to make them anew.

use bytes::Bytes;

use super::testing::{TIME, build, large_records, small_records};
use super::*;

const PRODUCER_ID: i64 = 4711;
const PRODUCER_EPOCH: i16 = 3;
const BASE_SEQUENCE: i32 = i32::MAX - 7;

macro_rules! fixture {
    ($name:literal) => {
        Bytes::from_static(include_bytes!(concat!("fixtures/", $name, ".bin")))
    };
}

fn parse(bytes: &Bytes) -> RecordBatch<'_> {
    let (batch, rest) = RecordBatch::parse(bytes).unwrap();
    assert!(rest.is_empty());
    assert!(batch.verify_crc());
    batch
}

fn read(bytes: &Bytes) -> Vec<Record> {
    parse(bytes).records_in(bytes, 1 << 20).unwrap().collect::<Result<_, _>>().unwrap()
}

/// `records` as they are to be found in a batch with this base offset and sequence.
fn placed(records: Vec<Record>, base_offset: i64, base_sequence: i32) -> Vec<Record> {
    let place = |(i, record): (usize, Record)| Record {
        offset: base_offset + i as i64,
        sequence: if base_sequence < 0 { -1 } else { increment_sequence(base_sequence, i as i32) },
        ..record
    };
    records.into_iter().enumerate().map(place).collect()
}

fn producer() -> BatchOptions {
    BatchOptions {
        producer_id: PRODUCER_ID,
        producer_epoch: PRODUCER_EPOCH,
        base_sequence: BASE_SEQUENCE,
        ..Default::default()
    }
}

#[test]
fn reads_every_codec_of_the_java_producer() {
    let check = |bytes: Bytes, codec: Compression, records: Vec<Record>| {
        let batch = parse(&bytes);
        assert_eq!(batch.compression(), Ok(codec));
        assert_eq!((batch.producer_id(), batch.producer_epoch()), (PRODUCER_ID, PRODUCER_EPOCH));
        assert_eq!(batch.records_count() as usize, records.len());
        assert_eq!(batch.max_timestamp(), records.iter().map(|r| r.timestamp).max().unwrap());
        assert_eq!(read(&bytes), placed(records, 0, BASE_SEQUENCE), "{codec}");
    };
    check(fixture!("none"), Compression::None, small_records());
    check(fixture!("gzip"), Compression::Gzip, small_records());
    check(fixture!("gzip-9"), Compression::Gzip, small_records());
    check(fixture!("snappy"), Compression::Snappy, small_records());
    check(fixture!("lz4"), Compression::Lz4, small_records());
    check(fixture!("lz4-17"), Compression::Lz4, small_records());
    check(fixture!("zstd"), Compression::Zstd, small_records());
    check(fixture!("zstd-22"), Compression::Zstd, small_records());
    check(fixture!("gzip-large"), Compression::Gzip, large_records());
    check(fixture!("snappy-large"), Compression::Snappy, large_records());
    check(fixture!("lz4-large"), Compression::Lz4, large_records());
    check(fixture!("zstd-large"), Compression::Zstd, large_records());
}

#[test]
fn builds_the_same_bytes_as_java_when_nothing_is_compressed() {
    assert_eq!(build(producer(), &small_records()), fixture!("none"));
}

#[test]
fn log_append_time_overrides_the_records() {
    let bytes = fixture!("log-append-time");
    let batch = parse(&bytes);
    assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((batch.base_offset(), batch.last_offset()), (1000, 1019));
    assert_eq!((batch.base_timestamp(), batch.max_timestamp()), (TIME, TIME + 5000));
    let mut expected = placed(small_records(), 1000, -1);
    expected.iter_mut().for_each(|record| record.timestamp = TIME + 5000);
    assert_eq!(read(&bytes), expected);

    let payload = decompress(Compression::Zstd, batch.payload(), 1 << 20).unwrap();
    let options = BatchOptions {
        timestamp_type: TimestampType::LogAppendTime,
        log_append_time_ms: TIME + 5000,
        base_offset: 1000,
        partition_leader_epoch: 9,
        ..Default::default()
    };
    let ours = build(options, &small_records());
    assert_eq!(parse(&ours).payload(), payload);
    assert_eq!(parse(&ours).max_timestamp(), TIME + 5000);
}

#[test]
fn delete_horizon_stands_in_the_base_timestamp() {
    let bytes = fixture!("delete-horizon");
    assert_eq!(parse(&bytes).delete_horizon_ms(), Some(TIME + 86_400_000));
    assert_eq!(read(&bytes), placed(small_records(), 50, BASE_SEQUENCE));
    let options = BatchOptions {
        base_offset: 50,
        partition_leader_epoch: 9,
        is_transactional: true,
        delete_horizon_ms: Some(TIME + 86_400_000),
        ..producer()
    };
    assert_eq!(build(options, &small_records()), bytes);
}

#[test]
fn empty_batches_keep_offsets_and_sequences() {
    let bytes = fixture!("empty");
    let batch = parse(&bytes);
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.records_count()), (100, 109, 0));
    assert_eq!((batch.base_sequence(), batch.last_sequence()), (17, 26));
    assert_eq!(read(&bytes), []);
    let options = BatchOptions {
        base_offset: 100,
        base_sequence: 17,
        partition_leader_epoch: 9,
        is_transactional: true,
        ..producer()
    };
    assert_eq!(empty_batch(&options, 109, TIME).unwrap(), bytes);
}

#[test]
fn old_formats_are_told_apart() {
    assert_eq!(RecordBatch::parse(&fixture!("magic-0")).unwrap_err(), RecordsError::UnsupportedMagic(0));
    assert_eq!(RecordBatch::parse(&fixture!("magic-1")).unwrap_err(), RecordsError::UnsupportedMagic(1));
}

#[test]
fn control_batches_are_those_of_java() {
    let check = |bytes: Bytes, control_type: ControlRecordType, options: BatchOptions| {
        assert!(parse(&bytes).is_control());
        let [record] = read(&bytes).try_into().unwrap();
        assert_eq!(ControlRecordType::parse(&record.key.unwrap()), Ok(Some(control_type)));
        let value = record.value.unwrap();
        let ours = control_batch(&options, record.timestamp, &[(control_type, &value)]).unwrap();
        assert_eq!(ours, bytes, "{control_type:?}");
        value
    };
    let quorum = |base_offset| BatchOptions { base_offset, partition_leader_epoch: 9, ..Default::default() };
    let marker = BatchOptions { base_sequence: NO_SEQUENCE, is_transactional: true, ..producer() };
    let marker = BatchOptions { base_offset: 77, partition_leader_epoch: 9, ..marker };

    let value = check(fixture!("commit"), ControlRecordType::Commit, marker);
    assert_eq!(value, &EndTransactionMarker { committed: true, coordinator_epoch: 12 }.value()[..]);
    let value = check(fixture!("abort"), ControlRecordType::Abort, marker);
    assert_eq!(value, &EndTransactionMarker { committed: false, coordinator_epoch: -1 }.value()[..]);
    check(fixture!("leader-change"), ControlRecordType::LeaderChange, quorum(5));
    check(fixture!("snapshot-header"), ControlRecordType::SnapshotHeader, quorum(0));
    check(fixture!("snapshot-footer"), ControlRecordType::SnapshotFooter, quorum(3));
    check(fixture!("kraft-version"), ControlRecordType::KRaftVersion, quorum(1));
    check(fixture!("voters"), ControlRecordType::KRaftVoters, quorum(2));
}

/// Prints batches for `RecordFixtures check`: each codec and level, raw snappy, and what validation makes of
/// a batch.
#[test]
#[ignore = "its output is for tests/compat/java/records/RecordFixtures.java"]
fn records_for_java() {
    for (name, batch) in batches_for_java() {
        let hex: String = batch.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("\nbatch {name} {hex}");
    }
}

/// The same batches are right in our own eyes.
#[test]
fn batches_for_java_are_readable() {
    for (name, batch) in batches_for_java() {
        let expected = if name.ends_with("large") { large_records() } else { small_records() };
        let base_offset = parse(&batch).base_offset();
        for (ours, expected) in read(&batch).into_iter().zip(placed(expected, base_offset, -1)) {
            assert_eq!((ours.key, ours.value), (expected.key, expected.value), "{name}");
            assert_eq!((ours.offset, ours.headers), (expected.offset, expected.headers), "{name}");
        }
    }
}

fn batches_for_java() -> Vec<(String, Bytes)> {
    let mut batches = Vec::new();
    let levels: [(Compression, &[i32]); 5] = [
        (Compression::None, &[]),
        (Compression::Gzip, &[1, 9]),
        (Compression::Snappy, &[]),
        (Compression::Lz4, &[1, 17]),
        (Compression::Zstd, &[-131_072, -5, 1, 22]),
    ];
    for (compression, levels) in levels {
        let levels = levels.iter().map(|level| CompressionLevel::new(compression, *level).unwrap());
        for level in levels.chain([CompressionLevel::DEFAULT]) {
            let options = BatchOptions { compression, level, ..producer() };
            let name = format!("{compression}-{}", level.for_codec(compression));
            batches.push((format!("{name}-small"), build(options, &small_records())));
            batches.push((format!("{name}-large"), build(options, &large_records())));
        }
    }
    for (size, records) in [("small", small_records()), ("large", large_records())] {
        batches.push((format!("snappy-raw-{size}"), raw_snappy(&records)));
        for source in Compression::ALL {
            for target in Compression::ALL {
                for timestamp_type in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
                    let sent = build(BatchOptions { compression: source, ..producer() }, &records);
                    let options = ValidateOptions {
                        topic_compression: Some(target),
                        timestamp_type,
                        now_ms: TIME + 77,
                        ..Default::default()
                    };
                    let validated = validate_and_assign(&sent, 1 << 33, 12, &options).unwrap();
                    let name = format!("{source}-to-{target}-{}-{size}", timestamp_type.name());
                    batches.push((name, validated.to_bytes()));
                }
            }
        }
    }
    batches
}

/// A batch whose snappy block has no framing, as some clients send it.
fn raw_snappy(records: &[Record]) -> Bytes {
    let plain = build(producer(), records);
    let batch = parse(&plain);
    let payload = snap::raw::Encoder::new().compress_vec(batch.payload()).unwrap();
    let mut header = *batch.header();
    header.attributes = header.attributes.with_compression(Compression::Snappy);
    let head = header.seal(&payload).unwrap();
    [&head[..], &payload].concat().into()
}
