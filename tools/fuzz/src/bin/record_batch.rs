//! A record batch from a producer, from a leader or from a damaged segment.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla_protocol::records::{
    AnalyzeOptions, AppendOrigin, BatchIter, Compression, TimestampType, ValidateOptions, analyze, crc32c,
    validate_and_assign, validate_produce_records,
};

const DECOMPRESSED_MAX_BYTES: usize = 1 << 20;
/// Where a batch's CRC stands, and where begins what it covers.
const CRC_AT: usize = 17;
const CRC_END: usize = 21;
/// Where a batch's length stands, and where begins what it counts.
const LENGTH_AT: usize = 8;
const LENGTH_END: usize = 12;
const MAGIC_AT: usize = 16;

fuzz_target!(|data: &[u8]| {
    // Last, so that stored batches are good inputs to begin with.
    let [data @ .., mode] = data else { return };
    let mut bytes = data.to_vec();
    // No mutation hits a right CRC: most inputs get one, so that what lies behind it is tried too.
    if mode & 1 == 0 && bytes.len() > CRC_END {
        let length = (bytes.len() - LENGTH_END) as u32;
        bytes[LENGTH_AT..LENGTH_END].copy_from_slice(&length.to_be_bytes());
        bytes[MAGIC_AT] = 2;
        let crc = crc32c(&bytes[CRC_END..]);
        bytes[CRC_AT..CRC_END].copy_from_slice(&crc.to_be_bytes());
    }
    let bytes = Bytes::from(bytes);
    for batch in BatchIter::new(&bytes) {
        let Ok(batch) = batch else { break };
        let _ = batch.verify_crc();
        if let Ok(records) = batch.records(DECOMPRESSED_MAX_BYTES) {
            for record in records {
                let Ok(record) = record else { break };
                let _ = std::hint::black_box(record);
            }
        }
    }
    let _ = validate_produce_records(i16::from(mode >> 4), &bytes);
    let origin = if mode & 2 == 0 { AppendOrigin::Client } else { AppendOrigin::Replication };
    let _ = analyze(
        &bytes,
        &AnalyzeOptions {
            partition: &"fuzz-0",
            origin,
            max_message_bytes: Some(1 << 20),
            leader_epoch: 3,
            require_offsets_monotonic: mode & 4 == 0,
        },
    );
    let options = ValidateOptions {
        partition: &"fuzz-0",
        // Another codec makes the batch be written anew, a compacted topic makes every record be read.
        topic_compression: (mode & 8 == 0).then_some(Compression::Lz4),
        is_compacted: mode & 16 == 0,
        timestamp_type: if mode & 32 == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime },
        decompressed_max_bytes: DECOMPRESSED_MAX_BYTES,
        ..ValidateOptions::default()
    };
    if let Ok(validated) = validate_and_assign(&bytes, 1000, 3, &options) {
        let stored = validated.to_bytes();
        let batch = BatchIter::new(&stored).next();
        assert!(batch.is_some_and(|b| b.is_ok_and(|b| b.verify_crc())), "what is stored has a wrong CRC");
    }
});
