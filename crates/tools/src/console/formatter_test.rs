use super::*;
use bytes::Bytes;
use ottla_client::record::Header;
use ottla_protocol::messages::{
    ConsumerGroupMetadataKey, ConsumerGroupMetadataValue, OffsetCommitKey, OffsetCommitValue,
};
use ottla_protocol::records::TimestampType;
use ottla_protocol::{encode_key, encode_versioned};

fn record() -> ConsumerRecord {
    let header = |key: &'static str, value: &'static str| Header {
        key: key.into(),
        value: Some(Bytes::from_static(value.as_bytes())),
    };
    ConsumerRecord {
        topic: "someTopic".into(),
        partition: 9,
        offset: 9876,
        timestamp_ms: 1234,
        timestamp_type: TimestampType::CreateTime,
        leader_epoch: Some(58),
        delivery_count: Some(1),
        key: Some(Bytes::from_static(b"someKey")),
        value: Some(Bytes::from_static(b"someValue")),
        headers: vec![header("h1", "v1"), header("h2", "v2")],
    }
}

fn properties(text: &str) -> Properties {
    text.split(' ').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
}

fn check_default(text: &str, expect: &str) {
    let mut out = Vec::new();
    let formatter = DefaultFormatter::new(&properties(text));
    formatter.write(&record(), &mut out).expect("writes");
    assert_eq!(String::from_utf8_lossy(&out), expect, "{text}");
}

/// The cases of Kafka's `DefaultMessageFormatterTest`.
#[test]
fn the_default_formatter() {
    check_default("", "someValue\n");
    check_default("print.key=true", "someKey\tsomeValue\n");
    check_default("print.key=true print.value=false", "someKey\n");
    check_default("print.key=true key.separator=<sep>", "someKey<sep>someValue\n");
    check_default("print.key=true line.separator=<end>", "someKey\tsomeValue<end>");
    let strings = "key.deserializer=StringDeserializer value.deserializer=StringDeserializer";
    check_default(&format!("print.key=true {strings}"), "someKey\tsomeValue\n");
    check_default("print.headers=true", "h1:v1,h2:v2\tsomeValue\n");
    check_default("print.headers=true headers.separator=|", "h1:v1|h2:v2\tsomeValue\n");
    check_default("print.offset=true", "Offset:9876\tsomeValue\n");
    check_default("print.partition=true", "Partition:9\tsomeValue\n");
    check_default("print.timestamp=true", "CreateTime:1234\tsomeValue\n");
    check_default("print.epoch=true", "Epoch:58\tsomeValue\n");
    check_default(
        "print.key=true print.headers=true print.partition=true print.offset=true print.epoch=true \
         print.timestamp=true print.delivery=true",
        "CreateTime:1234\tPartition:9\tOffset:9876\tDelivery:1\tEpoch:58\th1:v1,h2:v2\tsomeKey\tsomeValue\n",
    );
    check_default("print.value=false", "");
}

#[test]
fn nothing_is_shown_as_the_literal() {
    let bare = ConsumerRecord {
        key: None,
        value: None,
        headers: Vec::new(),
        leader_epoch: None,
        delivery_count: None,
        ..record()
    };
    let text = "print.key=true print.headers=true print.epoch=true print.delivery=true null.literal=NIL";
    let mut out = Vec::new();
    DefaultFormatter::new(&properties(text)).write(&bare, &mut out).expect("writes");
    let expect = "Delivery:NOT_PRESENT\tEpoch:NOT_PRESENT\tNO_HEADERS\tNIL\tNIL\n";
    assert_eq!(String::from_utf8_lossy(&out), expect);
    let formatter = DefaultFormatter::new(&properties("value.deserializer=LongDeserializer"));
    let why = formatter.write(&bare, &mut out).expect_err("null is no long");
    assert!(why.ends_with("Size of data received by LongDeserializer is not 8"), "{why}");
}

#[test]
fn formatters_by_name() {
    let none = Properties::new();
    for (class, is_known) in [
        ("org.apache.kafka.tools.consumer.DefaultMessageFormatter", true),
        ("kafka.tools.DefaultMessageFormatter", true),
        ("kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter", true),
        ("org.apache.kafka.tools.consumer.group.share.ShareGroupStateMessageFormatter", true),
        ("NoOpMessageFormatter", true),
        ("com.example.DefaultMessageFormatter", false),
        ("org.apache.kafka.tools.consumer.Other", false),
    ] {
        assert_eq!(Formatter::of_class(class, &none).is_some(), is_known, "{class}");
    }
}

#[test]
fn records_of_coordinators() {
    let offsets = Formatter::Coordinator(Coordinator::Group, OFFSETS);
    let check = |key: &[u8], value: Option<Bytes>, expect: &str| {
        let record = ConsumerRecord { key: Some(Bytes::copy_from_slice(key)), value, ..record() };
        let mut out = Vec::new();
        let found = match offsets.write(&record, &mut out) {
            Ok(()) => String::from_utf8_lossy(&out).into_owned(),
            Err(why) => why,
        };
        assert_eq!(found, expect);
    };
    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 0 };
    let key = encode_key(&key, 1).expect("key");
    let value =
        OffsetCommitValue { offset: 100, metadata: "m".into(), commit_timestamp: 7, ..Default::default() };
    let value = encode_versioned(&value, 2).expect("value");
    check(
        &key,
        Some(value),
        r#"{"key":{"type":1,"data":{"group":"g","topic":"t","partition":0}},"value":{"version":2,"data":{"offset":100,"metadata":"m","commitTimestamp":7}}}"#,
    );
    check(&key, None, r#"{"key":{"type":1,"data":{"group":"g","topic":"t","partition":0}},"value":null}"#);
    let other = encode_key(&ConsumerGroupMetadataKey { group_id: "g".into() }, 3).expect("key");
    let value = encode_versioned(&ConsumerGroupMetadataValue { epoch: 1, ..Default::default() }, 0);
    check(&other, value.ok(), "");
    check(&[0, 99], None, "");
    check(
        &[0],
        None,
        "java.lang.RuntimeException: Could not read record at offset 9876 due to: \
         Could not read version from key's buffer.",
    );
}
