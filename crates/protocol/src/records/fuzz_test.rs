//! Mutated batches: whatever the bytes, every entry point answers, within its limit, and what it accepts is
//! sound.
//!
//! Bounded and seeded, so that a failure repeats exactly. Debug builds check every arithmetic operation on
//! the way.

use bytes::Bytes;

use super::testing::{Random, TIME, fix_crc, produced, random_records, small_records};
use super::*;

const INPUTS: usize = 20_000;
const LIMIT: usize = 64 * 1024;

fn seeds(random: &mut Random) -> Vec<Bytes> {
    let mut seeds: Vec<Bytes> = vec![
        Bytes::from_static(include_bytes!("fixtures/gzip-9.bin")),
        Bytes::from_static(include_bytes!("fixtures/lz4-17.bin")),
        Bytes::from_static(include_bytes!("fixtures/zstd-22.bin")),
        Bytes::from_static(include_bytes!("fixtures/log-append-time.bin")),
        Bytes::from_static(include_bytes!("fixtures/delete-horizon.bin")),
        Bytes::from_static(include_bytes!("fixtures/empty.bin")),
        Bytes::from_static(include_bytes!("fixtures/magic-0.bin")),
        Bytes::from_static(include_bytes!("fixtures/magic-1.bin")),
        Bytes::from_static(include_bytes!("fixtures/commit.bin")),
        Bytes::from_static(include_bytes!("fixtures/voters.bin")),
    ];
    for codec in Compression::ALL {
        seeds.push(produced(codec, &small_records()));
        for _ in 0..3 {
            let mut records = random_records(random);
            records.truncate(5);
            records.retain(|r| r.value.as_ref().is_none_or(|v| v.len() < 1000));
            records.truncate(4);
            if !records.is_empty() {
                seeds.push(produced(codec, &records));
            }
        }
    }
    seeds
}

/// Bytes that have broken decoders before.
fn nasty(random: &mut Random) -> u8 {
    [0, 1, 0x7f, 0x80, 0xff, random.next() as u8][random.below(6)]
}

fn mutate(random: &mut Random, seeds: &[Bytes]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].to_vec();
    for _ in 0..random.below(6) {
        if bytes.is_empty() {
            break;
        }
        // Half of the changes go to the header and the first record.
        let at = if random.chance(2) { random.below(bytes.len().min(80)) } else { random.below(bytes.len()) };
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, nasty(random)),
            2 => drop(bytes.remove(at)),
            3 => {
                let end = bytes.len().min(at + 5);
                bytes[at..end].fill(nasty(random));
            }
            4 => bytes.extend_from_slice(&seeds[random.below(seeds.len())]),
            _ => bytes[at] = nasty(random),
        }
    }
    if random.chance(2) && bytes.len() > 12 {
        // A length that is right again, so that more than the length check is tried.
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
    }
    if !random.chance(8) {
        fix_crc(&mut bytes);
    }
    bytes
}

fn options(random: &mut Random) -> ValidateOptions<'static> {
    let codec = [None, None, Some(Compression::None), Some(Compression::Lz4), Some(Compression::Snappy)];
    ValidateOptions {
        partition: &"topic-0",
        topic_compression: codec[random.below(codec.len())],
        timestamp_type: [TimestampType::CreateTime, TimestampType::LogAppendTime][random.below(2)],
        timestamp_before_max_ms: [i64::MAX, 1000, 0][random.below(3)],
        timestamp_after_max_ms: [i64::MAX, 3_600_000][random.below(2)],
        is_compacted: random.chance(2),
        max_message_bytes: [None, Some(2000)][random.below(2)],
        now_ms: [0, TIME, i64::MAX][random.below(3)],
        origin: [AppendOrigin::Client, AppendOrigin::Coordinator, AppendOrigin::RaftLeader][random.below(3)],
        decompressed_max_bytes: LIMIT,
        ..Default::default()
    }
}

/// Reads all there is to read.
fn read_all(bytes: &Bytes) {
    let mut batches = BatchIter::new(bytes);
    let mut whole = 0;
    for batch in batches.by_ref() {
        let Ok(batch) = batch else { break };
        whole += batch.size();
        assert_eq!(batch.size(), batch.bytes().len());
        let copied = batch.records(LIMIT);
        let Ok(records) = batch.records_in(bytes, LIMIT) else {
            assert!(copied.is_err());
            continue;
        };
        let copied: Vec<_> = copied.expect("only the buffer differs").collect();
        let records: Vec<_> = records.collect();
        assert_eq!(records, copied);
        assert!(records.iter().rev().skip(1).all(Result::is_ok), "ends after the first error");
        for record in records.into_iter().flatten().filter(|_| batch.is_control()) {
            let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
            let _ = ControlRecordType::parse(&key);
            let _ = EndTransactionMarker::parse(&key, &value);
        }
    }
    assert!(whole + batches.rest().len() == bytes.len());
}

fn validate(bytes: &Bytes, random: &mut Random) -> bool {
    let options = options(random);
    let (base_offset, epoch) = ([0, 1 << 40][random.below(2)], [-1, 9][random.below(2)]);
    let validated = match validate_and_assign(bytes, base_offset, epoch, &options) {
        Ok(validated) => validated,
        Err(refused) => {
            assert!(refused.record_errors.len() <= 128 + bytes.len());
            assert!(!refused.message.is_empty());
            return false;
        }
    };
    let stored = validated.to_bytes();
    let (batch, rest) = RecordBatch::parse(&stored).unwrap();
    assert!(rest.is_empty() && batch.verify_crc());
    assert_eq!(batch.header(), validated.header());
    assert_eq!((batch.base_offset(), batch.partition_leader_epoch()), (base_offset, epoch));
    assert_eq!(batch.next_offset() - base_offset, i64::from(batch.records_count()));
    assert_eq!(batch.timestamp_type(), options.timestamp_type);
    assert_eq!(validated.size(), stored.len());
    if validated.rebuilt {
        assert_eq!(
            batch.compression(),
            Ok(options.topic_compression.unwrap_or(validated.source_compression))
        );
        let count = batch.records(LIMIT * 2).unwrap().filter(Result::is_ok).count();
        assert_eq!(count as i32, batch.records_count());
    }
    true
}

#[test]
fn mutated_batches() {
    let mut random = Random::new(20);
    let seeds = seeds(&mut random);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..INPUTS {
        let bytes = Bytes::from(mutate(&mut random, &seeds));
        read_all(&bytes);
        let _ = validate_produce_records(random.below(14) as i16, &bytes);
        let _ = analyze(
            &bytes,
            &AnalyzeOptions {
                partition: &"topic-0",
                origin: AppendOrigin::Replication,
                max_message_bytes: None,
                leader_epoch: 5,
                require_offsets_monotonic: random.chance(2),
            },
        )
        .map(|found| assert!(found.valid_bytes <= bytes.len()));
        if validate(&bytes, &mut random) { accepted += 1 } else { refused += 1 }
    }
    // The mutations are neither all harmless nor all fatal.
    assert!(accepted > INPUTS / 20 && refused > INPUTS / 4, "{accepted} accepted, {refused} refused");
}

#[test]
fn noise() {
    let mut random = Random::new(21);
    for _ in 0..5000 {
        let len = random.below(300);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        if bytes.len() > 61 {
            bytes[8..12].copy_from_slice(&((len - 12) as i32).to_be_bytes());
            bytes[16] = 2;
            fix_crc(&mut bytes);
        }
        let bytes = Bytes::from(bytes);
        read_all(&bytes);
        validate(&bytes, &mut random);
    }
}

#[test]
fn every_truncation() {
    let mut random = Random::new(22);
    for codec in Compression::ALL {
        let whole = produced(codec, &small_records());
        for end in 0..whole.len() {
            let cut = whole.slice(..end);
            assert!(BatchIter::new(&cut).next().is_none());
            assert!(!validate(&cut, &mut random));
            // The same with a length that admits it.
            if end >= 61 {
                let mut bytes = cut.to_vec();
                bytes[8..12].copy_from_slice(&((end - 12) as i32).to_be_bytes());
                fix_crc(&mut bytes);
                let bytes = Bytes::from(bytes);
                let (batch, _) = RecordBatch::parse(&bytes).unwrap();
                let complete =
                    batch.records(LIMIT).is_ok_and(|records| records.filter(Result::is_ok).count() == 20);
                // What may be missing without loss is the end mark of a stream, or its checksum.
                assert!(!complete || whole.len() - end <= 8, "{codec} {end}");
            }
        }
    }
}

#[test]
fn random_batches_round_trip() {
    let mut random = Random::new(23);
    for _ in 0..300 {
        let records = random_records(&mut random);
        let codec = Compression::ALL[random.below(5)];
        let bytes = produced(codec, &records);
        let (batch, rest) = RecordBatch::parse(&bytes).unwrap();
        assert!(rest.is_empty() && batch.verify_crc());
        let read: Vec<Record> = batch.records(8 << 20).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(read, records, "{codec}");
    }
}
