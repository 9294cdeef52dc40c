//! Cases of validation for Apache Kafka's own `LogValidator` to judge
//! (`tests/compat/java/records/ValidatorJudge.java`).
//!
//! Left out is where Ottla answers differently on purpose:
//! - records that contradict their header where the header alone suffices, and codecs that do not exist;
//! - coordinators and the quorum leader with several batches at once, with magic 0 or 1, with a header whose
//!   count and offsets disagree, with a length below the header's, or with a compressed batch at another base
//!   offset: refused for different reasons, or by one of the two only, and never written;
//! - compressed control batches, whose control bit Kafka loses when it rebuilds them.

use bytes::Bytes;

use super::testing::{Random, TIME, build, random_records, tampered};
use super::*;

const CASES: usize = 4000;

/// Prints the cases, each with our own answer.
#[test]
#[ignore = "its output is for tests/compat/java/records/ValidatorJudge.java"]
fn cases_for_java() {
    let mut random = Random::new(50);
    for id in 0..CASES {
        let options = options(&mut random);
        let batch = batch(&mut random, &options);
        let answer = match validate_and_assign(&batch, 100, 7, &options) {
            Ok(validated) => format!("ok:{}", hex(&validated.to_bytes())),
            Err(refused) => {
                let indexes: Vec<String> =
                    refused.record_errors.iter().map(|e| e.batch_index.to_string()).collect();
                format!("err:{}:{}", refused.error.name(), indexes.join(","))
            }
        };
        println!(
            "\ncase {id} {} {} {} {} {} {} {} {} {} {answer}",
            match options.origin {
                AppendOrigin::Client => "client",
                AppendOrigin::Coordinator => "coordinator",
                _ => "raft",
            },
            options.timestamp_type.name(),
            options.timestamp_before_max_ms,
            options.timestamp_after_max_ms,
            options.is_compacted,
            options.topic_compression.map_or("producer", Compression::name),
            options.now_ms,
            options.max_message_bytes.unwrap_or(i32::MAX as usize),
            hex(&batch),
        );
    }
}

fn options(random: &mut Random) -> ValidateOptions<'static> {
    let codec = if random.chance(2) { None } else { Some(Compression::ALL[random.below(5)]) };
    ValidateOptions {
        partition: &"topic-0",
        topic_compression: codec,
        timestamp_type: if random.chance(3) {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        },
        timestamp_before_max_ms: [i64::MAX, i64::MAX, 50, 0][random.below(4)],
        timestamp_after_max_ms: [i64::MAX, 3_600_000, 50, 0][random.below(4)],
        is_compacted: random.chance(3),
        max_message_bytes: if random.chance(8) { Some(700) } else { None },
        now_ms: TIME,
        origin: [
            AppendOrigin::Client,
            AppendOrigin::Client,
            AppendOrigin::Coordinator,
            AppendOrigin::RaftLeader,
        ][random.below(4)],
        ..Default::default()
    }
}

/// A batch that is right, or wrong in a way that its header tells.
fn batch(random: &mut Random, options: &ValidateOptions<'_>) -> Bytes {
    let mut records = random_records(random);
    let keyed = random.chance(2);
    for record in &mut records {
        let spread = [1, 60, 200][random.below(3)];
        record.timestamp = if random.chance(10) { -1 } else { TIME - 50 + random.below(spread) as i64 };
        record.key = record.key.take().map(|key| key.slice(..key.len().min(30)));
        record.value = record.value.take().map(|value| value.slice(..value.len().min(300)));
        record.headers.truncate(1);
        record.headers.retain(|header| header.value.as_ref().is_none_or(|value| value.len() < 300));
        if keyed || random.chance(2) {
            record.key.get_or_insert_default();
        }
    }
    let idempotent = random.chance(2);
    let epoch = if options.origin == AppendOrigin::RaftLeader && !random.chance(10) { 7 } else { -1 };
    let compression = Compression::ALL[random.below(5)];
    let sent = build(
        BatchOptions {
            compression,
            producer_id: if idempotent { 5 } else { -1 },
            producer_epoch: if idempotent { 0 } else { -1 },
            base_sequence: if idempotent { [0, i32::MAX - 2][random.below(2)] } else { -1 },
            is_transactional: idempotent && random.chance(3),
            is_control: compression == Compression::None && random.chance(6),
            partition_leader_epoch: epoch,
            timestamp_type: if random.chance(8) {
                TimestampType::LogAppendTime
            } else {
                TimestampType::CreateTime
            },
            log_append_time_ms: [-1, TIME, TIME + 20, TIME * 2][random.below(4)],
            ..Default::default()
        },
        &records,
    );
    if random.chance(2) { sent } else { spoiled(random, &sent, options.origin == AppendOrigin::Client) }
}

fn spoiled(random: &mut Random, sent: &Bytes, by_client: bool) -> Bytes {
    let header = *RecordBatch::parse(sent).unwrap().0.header();
    match if by_client { random.below(12) } else { 6 + random.below(4) } {
        0 => tampered(sent, |b| b[7] = 1),
        1 => {
            let length = random.below(60) as i32 - 10;
            let set = |bytes: &mut Vec<u8>| bytes[8..12].copy_from_slice(&length.to_be_bytes());
            // Below 15, Kafka reads past the end of the batch before it looks at its size.
            tampered(sent, set).slice(..if length < 15 { sent.len() } else { 12 + length.min(49) as usize })
        }
        2 => tampered(sent, |b| b[57] = 0xff),
        // Count and last offset delta, one at a time.
        3 => tampered(sent, |b| b[57..61].copy_from_slice(&(header.records_count + 1).to_be_bytes())),
        4 => tampered(sent, |b| b[23..27].copy_from_slice(&i32::MAX.to_be_bytes())),
        5 => tampered(sent, |b| b[53..57].copy_from_slice(&(-2i32).to_be_bytes())),
        6 => tampered(sent, |b| b[16] = (random.below(256) as u8).max(if by_client { 0 } else { 3 })),
        7 => {
            let mut bytes = sent.to_vec();
            bytes[17] ^= 1;
            bytes.into()
        }
        // A max timestamp that cannot be right.
        8 => tampered(sent, |b| b[35..43].copy_from_slice(&(-1i64).to_be_bytes())),
        9 => sent.slice(..random.below(sent.len())),
        10 => [&sent[..], &sent[..random.below(sent.len())]].concat().into(),
        _ => [&sent[..], &sent[..]].concat().into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
