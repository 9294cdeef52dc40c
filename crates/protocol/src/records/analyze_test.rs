use bytes::Bytes;

use super::testing::{TIME, tampered};
use super::*;
use crate::ErrorCode;

fn follower() -> AnalyzeOptions<'static> {
    AnalyzeOptions {
        partition: &"topic-0",
        origin: AppendOrigin::Replication,
        max_message_bytes: None,
        leader_epoch: 5,
        require_offsets_monotonic: true,
    }
}

/// Three records from `base_offset` on.
fn batch(base_offset: i64, partition_leader_epoch: i32, compression: Compression) -> Bytes {
    let options = BatchOptions { base_offset, partition_leader_epoch, compression, ..Default::default() };
    let mut builder = BatchBuilder::new(options);
    for i in 0..3 {
        builder.append(TIME + base_offset - i, None, Some(b"value"), &[]).unwrap();
    }
    builder.build().unwrap()
}

#[test]
fn sums_up_all_batches() {
    let batches = [
        batch(10, 3, Compression::None),
        batch(20, 4, Compression::Lz4),
        batch(15, 4, Compression::None),
        batch(40, -1, Compression::None),
    ];
    let lenient = AnalyzeOptions { require_offsets_monotonic: false, ..follower() };
    let found = analyze(&batches[..3].concat(), &lenient).unwrap();
    assert_eq!((found.first_offset, found.last_offset, found.last_offset_of_first_batch), (10, 17, 12));
    assert_eq!((found.max_timestamp, found.offset_of_max_timestamp), (TIME + 20, 22));
    assert_eq!((found.last_leader_epoch, found.batches_count), (Some(4), 3));
    assert_eq!(found.source_compression, Compression::Lz4);
    assert_eq!(analyze(&batches[3], &follower()).unwrap().last_leader_epoch, None);
}

#[test]
fn nothing_and_a_cut_off_batch_are_no_batches() {
    assert_eq!(analyze(&[], &follower()), Ok(Analysis::default()));
    let whole = batch(0, 1, Compression::None);
    assert_eq!(analyze(&whole[..whole.len() - 1], &follower()), Ok(Analysis::default()));
    let found = analyze(&[&whole[..], &whole[..30]].concat(), &follower()).unwrap();
    assert_eq!(found.valid_bytes, whole.len());
}

#[test]
fn followers_drop_what_is_of_a_later_epoch() {
    let (own, later) = (batch(0, 5, Compression::None), batch(3, 6, Compression::None));
    let found = analyze(&[&own[..], &later, &batch(6, 5, Compression::None)].concat(), &follower()).unwrap();
    assert_eq!((found.valid_bytes, found.last_offset), (own.len(), 2));
}

#[test]
fn offsets_must_grow_where_they_are_taken_as_they_come() {
    let records = [batch(10, 3, Compression::None), batch(10, 3, Compression::None)].concat();
    assert_eq!(analyze(&records, &follower()).unwrap_err().error, ErrorCode::UnknownServerError);
    analyze(&records, &AnalyzeOptions { require_offsets_monotonic: false, ..follower() }).unwrap();
}

#[test]
fn every_batch_is_checked() {
    let good = batch(0, 3, Compression::None);
    let mut corrupt = batch(3, 3, Compression::None).to_vec();
    corrupt[65] ^= 0x40;
    let refused = analyze(&[&good[..], &corrupt].concat(), &follower()).unwrap_err();
    assert_eq!(refused.error, ErrorCode::CorruptMessage);
    let small = AnalyzeOptions { max_message_bytes: Some(good.len()), ..follower() };
    analyze(&good, &small).unwrap();
    let large = [&good[..], &batch(1 << 20, 3, Compression::Gzip)].concat();
    assert_eq!(analyze(&large, &small).unwrap_err().error, ErrorCode::MessageTooLarge);
    let unknown = tampered(&good, |bytes| bytes[22] = 7);
    assert_eq!(analyze(&unknown, &follower()).unwrap_err().error, ErrorCode::UnsupportedCompressionType);
}
