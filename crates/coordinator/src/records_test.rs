use bytes::Bytes;
use ottla_protocol::messages::group_metadata_value::MemberMetadata;
use ottla_protocol::messages::{
    ConsumerGroupMetadataKey, GroupMetadataValue, LegacyOffsetCommitKey, LegacyOffsetCommitValue,
    OffsetCommitValue,
};
use ottla_protocol::{Str, Uuid, encode_key, encode_versioned};

use super::*;

fn offset(expire_timestamp_ms: Option<i64>) -> OffsetAndMetadata {
    OffsetAndMetadata {
        committed_offset: 100,
        leader_epoch: Some(10),
        metadata: "metadata".into(),
        commit_timestamp_ms: 1234,
        expire_timestamp_ms,
        record_offset: -1,
        topic_id: Uuid::from_parts(1, 2),
    }
}

fn key() -> OffsetKey {
    OffsetKey::new("g".into(), "t".into(), 3)
}

fn hex(bytes: &Bytes) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_offset_is_written_in_version_4() {
    let record = offset_commit_record(&key(), &offset(None)).unwrap();
    assert_eq!(hex(&record.key), "0001000167000174".to_owned() + "00000003");
    let value = record.value.as_ref().unwrap();
    // Version, offset, leader epoch, metadata, time, one tagged field: the topic id.
    assert_eq!(
        hex(value),
        ["0004", "0000000000000064", "0000000a", "096d65746164617461", "00000000000004d2", "01", "00", "10"]
            .concat()
            + "00000000000000010000000000000002"
    );
    let decoded = decode_record(&record.key, record.value.as_ref()).unwrap();
    let GroupRecord::Offset(decoded_key, Some(value)) = decoded else { unreachable!() };
    assert_eq!(decoded_key, key());
    assert_eq!(OffsetAndMetadata::from_record(-1, &value), offset(None));
}

#[test]
fn an_offset_with_an_expiry_time_is_written_in_version_1() {
    let record = offset_commit_record(&key(), &offset(Some(5678))).unwrap();
    let value = record.value.as_ref().unwrap();
    assert_eq!(
        hex(value),
        ["0001", "0000000000000064", "00086d65746164617461", "00000000000004d2", "000000000000162e"].concat()
    );
    let GroupRecord::Offset(_, Some(value)) = decode_record(&record.key, record.value.as_ref()).unwrap()
    else {
        unreachable!()
    };
    let read = OffsetAndMetadata::from_record(7, &value);
    let expect = OffsetAndMetadata {
        leader_epoch: None,
        topic_id: Uuid::ZERO,
        record_offset: 7,
        ..offset(Some(5678))
    };
    assert_eq!(read, expect);
}

#[test]
fn tombstones_have_no_value() {
    let record = offset_commit_tombstone(&key()).unwrap();
    assert_eq!((hex(&record.key), record.value), ("000100016700017400000003".to_owned(), None));
    let record = group_metadata_tombstone(&"g".into()).unwrap();
    assert_eq!((hex(&record.key), record.value.clone()), ("0002000167".to_owned(), None));
    assert_eq!(decode_record(&record.key, None), Ok(GroupRecord::ClassicGroup("g".into(), None)));
}

#[test]
fn a_group_is_written_in_version_3() {
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 1,
        protocol: Some("range".into()),
        leader: None,
        current_state_timestamp: 5,
        members: vec![MemberMetadata {
            member_id: "m".into(),
            group_instance_id: Some("i".into()),
            client_id: "c".into(),
            client_host: "h".into(),
            rebalance_timeout: 6,
            session_timeout: 7,
            subscription: Bytes::from_static(b"s"),
            assignment: Bytes::new(),
        }],
    };
    let record = group_metadata_record(&"g".into(), &value).unwrap();
    let expect = [
        "0003",
        "0008636f6e73756d6572",
        "00000001",
        "000572616e6765",
        "ffff",
        "0000000000000005",
        "00000001",
        "00016d",
        "000169",
        "000163",
        "000168",
        "00000006",
        "00000007",
        "0000000173",
        "00000000",
    ];
    assert_eq!(hex(record.value.as_ref().unwrap()), expect.concat());
    let read = decode_record(&record.key, record.value.as_ref()).unwrap();
    assert_eq!(read, GroupRecord::ClassicGroup("g".into(), Some(value)));
}

#[test]
fn records_of_before_kafka_0_9_are_read() {
    let key = LegacyOffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
    let value = LegacyOffsetCommitValue { offset: 100, metadata: "m".into(), commit_timestamp: 5 };
    let key = encode_key(&key, 0).unwrap();
    let value = encode_versioned(&value, 0).unwrap();
    let expect =
        OffsetCommitValue { offset: 100, metadata: "m".into(), commit_timestamp: 5, ..Default::default() };
    let read = decode_record(&key, Some(&value)).unwrap();
    assert_eq!(read, GroupRecord::Offset(super::OffsetKey::new("g".into(), "t".into(), 3), Some(expect)));
    assert!(matches!(decode_record(&key, None), Ok(GroupRecord::Offset(_, None))));
}

#[test]
fn records_of_all_versions_are_read() {
    let key = offset_commit_tombstone(&key()).unwrap().key;
    for version in 0..=4 {
        let value = OffsetCommitValue { offset: 100, ..Default::default() };
        let value = encode_versioned(&value, version).unwrap();
        assert!(matches!(decode_record(&key, Some(&value)), Ok(GroupRecord::Offset(_, Some(_)))));
    }
    let key = group_metadata_tombstone(&"g".into()).unwrap().key;
    for version in 0..=4 {
        let value = GroupMetadataValue { protocol: None, leader: None, ..Default::default() };
        let value = encode_versioned(&value, version).unwrap();
        assert!(matches!(decode_record(&key, Some(&value)), Ok(GroupRecord::ClassicGroup(_, Some(_)))));
    }
}

#[test]
fn records_of_other_groups_are_told_apart_from_damaged_ones() {
    let key = encode_key(&ConsumerGroupMetadataKey { group_id: "g".into() }, 99).unwrap();
    assert_eq!(decode_record(&key, Some(&Bytes::from_static(b"whatever"))), Ok(GroupRecord::Other(99)));
    let check = |key: &'static [u8], value: &'static [u8]| {
        let key = Bytes::from_static(key);
        assert!(decode_record(&key, Some(&Bytes::from_static(value))).is_err());
    };
    check(b"", b"\0\x04");
    check(b"\0", b"\0\x04");
    check(b"\0\x01\0\x01g", b"\0\x04");
    check(b"\0\x02\0\x01g", b"");
    check(b"\0\x02\0\x01g", b"\0\x63");
    check(b"\0\x02\0\x01g", b"\0\x03\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x7f\xff\xff\xff");
}

#[test]
fn what_is_read_does_not_keep_the_log_in_memory() {
    let record = group_metadata_tombstone(&"group".into()).unwrap();
    let GroupRecord::ClassicGroup(group_id, None) = decode_record(&record.key, None).unwrap() else {
        unreachable!()
    };
    let key = record.key.as_ptr_range();
    assert!(!key.contains(&group_id.as_ptr()));
    assert_eq!(owned(&Str::from_static("x")), "x");
}
