use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use ottla_protocol::messages::*;
use ottla_protocol::records::{Compression, CompressionLevel, RecordBatch};
use ottla_protocol::{ApiKey, ErrorCode, Str};
use parking_lot::Mutex;

use super::*;
use crate::record::{Header, ProducerRecord};
use crate::testing::{Answer, Call, Mock};
use crate::{Error, Result};

/// What brokers have written: values by partition.
type Logs = Arc<Mutex<BTreeMap<i32, Vec<Bytes>>>>;

/// Brokers that write what they are sent; `refuse` gives the code for a partition of the nth request.
fn writing(mock: &Mock, mut refuse: impl FnMut(usize, i32) -> ErrorCode + Send + 'static) -> Logs {
    let logs = Logs::default();
    let (written, mut count) = (logs.clone(), 0);
    mock.on(move |call, request: ProduceRequest| {
        count += 1;
        let responses = request.topic_data.iter().map(|topic| TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: topic
                .partition_data
                .iter()
                .map(|partition| {
                    let code = refuse(count, partition.index);
                    let bytes = partition.records.as_ref().unwrap().bytes().unwrap();
                    let (code, base_offset) = write(&written, partition.index, bytes, code);
                    PartitionProduceResponse {
                        index: partition.index,
                        error_code: code as i16,
                        base_offset,
                        log_append_time_ms: -1,
                        ..Default::default()
                    }
                })
                .collect(),
        });
        call.reply(ProduceResponse { responses: responses.collect(), ..Default::default() })
    });
    mock.on(|call, _: InitProducerIdRequest| {
        call.reply(InitProducerIdResponse { producer_id: 7, producer_epoch: 0, ..Default::default() })
    });
    logs
}

/// With a broker's rule of sequences: as long as there is one epoch, each record has that of its offset.
fn write(logs: &Logs, partition: i32, bytes: &Bytes, code: ErrorCode) -> (ErrorCode, i64) {
    if code != ErrorCode::None {
        return (code, -1);
    }
    let mut logs = logs.lock();
    let log = logs.entry(partition).or_default();
    let base_offset = log.len() as i64;
    let (batch, _) = RecordBatch::parse(bytes).unwrap();
    assert!(batch.verify_crc());
    if batch.base_sequence() >= 0 && i64::from(batch.base_sequence()) != base_offset {
        return (ErrorCode::OutOfOrderSequenceNumber, -1);
    }
    log.extend(batch.records(1 << 30).unwrap().map(|record| record.unwrap().value.unwrap()));
    (code, base_offset)
}

fn record(partition: Option<i32>, value: impl Into<Bytes>) -> ProducerRecord {
    ProducerRecord { topic: Str::from("t"), partition, value: Some(value.into()), ..Default::default() }
}

fn started(brokers: i32, partitions: i32) -> Mock {
    let mock = Mock::start(brokers);
    mock.topic("t", partitions);
    mock
}

fn builder(mock: &Mock) -> ProducerBuilder {
    Producer::builder(mock.bootstrap_servers())
}

#[tokio::test(start_paused = true)]
async fn a_record_is_written_and_its_place_told() {
    let mock = started(2, 3);
    let logs = writing(&mock, |_, _| ErrorCode::None);
    let producer = builder(&mock).build().unwrap();
    let mut sent = record(Some(2), "v");
    sent.key = Some("key".into());
    sent.timestamp_ms = Some(12);
    sent.headers.push(Header { key: "h".into(), value: None });
    let written = producer.send(sent).await.unwrap().await.unwrap();
    assert_eq!((written.partition, written.offset, written.timestamp_ms), (2, Some(0), 12));
    assert_eq!((written.key_size, written.value_size), (Some(3), Some(1)));
    assert_eq!(logs.lock()[&2], ["v"]);
    producer.close(Duration::from_secs(5)).await;
    let error = producer.send(record(None, "late")).await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn keys_choose_the_partition_of_java() {
    let mock = started(1, 12);
    writing(&mock, |_, _| ErrorCode::None);
    let producer = builder(&mock).build().unwrap();
    for key in ["21", "foobar", "abc"] {
        let mut sent = record(None, "v");
        sent.key = Some(key.into());
        let delivery = producer.send(sent).await.unwrap();
        assert_eq!(delivery.partition(), partition_for_key(key.as_bytes(), 12));
    }
}

#[tokio::test(start_paused = true)]
async fn records_keep_their_order_through_refusals_and_lost_connections() {
    let mock = started(2, 2);
    let logs = writing(&mock, |request, partition| match request {
        2 | 3 => ErrorCode::NotLeaderOrFollower,
        5 if partition == 1 => ErrorCode::NotEnoughReplicas,
        _ => ErrorCode::None,
    });
    let producer = builder(&mock).batch_size(100).build().unwrap();
    let mut deliveries = Vec::new();
    for number in 0..200u32 {
        let partition = (number % 2) as i32;
        deliveries.push(producer.send(record(Some(partition), number.to_string())).await.unwrap());
    }
    for (number, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(delivery.await.unwrap().offset, Some(number as i64 / 2));
    }
    for partition in 0..2 {
        let expect: Vec<_> =
            (0..200).filter(|n| n % 2 == partition).map(|n| Bytes::from(n.to_string())).collect();
        assert_eq!(logs.lock()[&partition], expect);
    }
    assert!(metric(&producer, "record-retry-total") > 0.0);
}

fn metric(producer: &Producer, name: &str) -> f64 {
    producer.metrics().into_iter().find(|(other, _)| *other == name).unwrap().1
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_is_split() {
    for compression in [Compression::None, Compression::Lz4] {
        let mock = started(1, 1);
        let logs = writing(&mock, |request, _| match request {
            1 => ErrorCode::MessageTooLarge,
            _ => ErrorCode::None,
        });
        let level = CompressionLevel::DEFAULT;
        let producer = builder(&mock).batch_size(2000).compression(compression, level).build().unwrap();
        let called = Arc::new(Mutex::new(Vec::new()));
        let mut deliveries = Vec::new();
        for number in 0..50u32 {
            let called = called.clone();
            let value = format!("{number:0>100}");
            let callback = move |result: Result<RecordMetadata>| called.lock().push(result.unwrap().offset);
            deliveries.push(producer.send_with_callback(record(None, value), callback).await.unwrap());
        }
        producer.flush().await.unwrap();
        for (number, delivery) in deliveries.into_iter().enumerate() {
            assert_eq!(delivery.await.unwrap().offset, Some(number as i64));
        }
        let offsets: Vec<_> = (0..50).map(Some).collect();
        assert_eq!(*called.lock(), offsets, "callbacks are called in order, before the flush ends");
        assert_eq!(logs.lock()[&0].len(), 50);
        assert_eq!(metric(&producer, "buffer-available-bytes"), metric(&producer, "buffer-total-bytes"));
    }
}

/// Together they have room in a batch of the size that a record like the large one has at most.
#[tokio::test(start_paused = true)]
async fn a_batch_of_a_small_and_a_too_large_record_is_split_too() {
    let mock = started(1, 1);
    let logs = writing(&mock, |_, _| ErrorCode::None);
    let written = logs.clone();
    mock.on(move |call, request: ProduceRequest| {
        let topic = &request.topic_data[0];
        let bytes = topic.partition_data[0].records.as_ref().unwrap().bytes().unwrap();
        let code = if bytes.len() > 1000 { ErrorCode::MessageTooLarge } else { ErrorCode::None };
        let (code, base_offset) = write(&written, 0, bytes, code);
        let partition = PartitionProduceResponse {
            index: 0,
            error_code: code as i16,
            base_offset,
            log_append_time_ms: -1,
            ..Default::default()
        };
        let topic = TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: vec![partition],
        };
        call.reply(ProduceResponse { responses: vec![topic], ..Default::default() })
    });
    let producer = builder(&mock).build().unwrap();
    let small = producer.send(record(None, "small")).await.unwrap();
    let large = producer.send(record(None, "x".repeat(5000))).await.unwrap();
    assert_eq!(small.await.unwrap().offset, Some(0));
    assert_eq!(large.await.unwrap_err().code(), Some(ErrorCode::MessageTooLarge));
    assert_eq!(logs.lock()[&0], ["small"]);
    assert!(mock.count(ApiKey::Produce) <= 4, "{}", mock.count(ApiKey::Produce));
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_harms_nobody_else() {
    let mock = started(1, 1);
    let logs = writing(&mock, |_, _| ErrorCode::None);
    let producer = builder(&mock).build().unwrap();
    let first = producer.send_with_callback(record(None, "a"), |_| panic!("on purpose")).await.unwrap();
    producer.flush().await.unwrap();
    assert_eq!(first.await.unwrap().offset, Some(0));
    producer.send(record(None, "b")).await.unwrap().await.unwrap();
    assert_eq!(logs.lock()[&0].len(), 2);
    producer.close(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_waiting_ends_in_time() {
    let mock = started(1, 1);
    writing(&mock, |_, _| ErrorCode::None);
    mock.on(|_, _: ProduceRequest| Answer::Silence);
    let producer = builder(&mock)
        .buffer_memory(4000)
        .batch_size(1000)
        .max_block(Duration::from_secs(2))
        .build()
        .unwrap();
    for _ in 0..4 {
        producer.send(record(None, vec![0; 900])).await.unwrap();
    }
    let error = producer.send(record(None, vec![0; 900])).await.unwrap_err();
    assert!(
        matches!(&error, Error::Timeout(text) if text.contains("Failed to allocate 1000 bytes")),
        "{error}"
    );
    let error = producer.send(record(None, vec![0; 5000])).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::MessageTooLarge));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_memory_is_served_when_batches_end() {
    let mock = started(1, 1);
    let logs = writing(&mock, |_, _| ErrorCode::None);
    let producer = builder(&mock).buffer_memory(3000).batch_size(1000).linger(Duration::from_secs(60));
    let producer = producer.delivery_timeout(Duration::from_secs(200)).build().unwrap();
    for number in 0..100u32 {
        producer.send(record(None, format!("{number:0>400}"))).await.unwrap();
    }
    producer.flush().await.unwrap();
    assert_eq!(logs.lock()[&0].len(), 100);
}

#[tokio::test(start_paused = true)]
async fn records_expire_and_say_so() {
    let mock = started(1, 1);
    writing(&mock, |_, _| ErrorCode::None);
    mock.on(|_, _: ProduceRequest| Answer::Silence);
    let producer = builder(&mock)
        .client(|client| client.request_timeout = Duration::from_secs(1))
        .delivery_timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    let error = producer.send(record(None, "v")).await.unwrap().await.unwrap_err();
    assert!(
        matches!(&error, Error::Timeout(text) if text.starts_with("Expiring 1 record(s) for t-0:")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_topics_are_waited_for() {
    let mock = started(1, 1);
    writing(&mock, |_, _| ErrorCode::None);
    let producer = builder(&mock).max_block(Duration::from_secs(3)).build().unwrap();
    let mut other = record(None, "v");
    other.topic = "other".into();
    let error = producer.send(other.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Timeout(text) if text.starts_with("Topic other not present")), "{error}");
    let later = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        mock.topic("other", 1);
    };
    let (sent, ()) = tokio::join!(producer.send(other), later);
    assert_eq!(sent.unwrap().await.unwrap().offset, Some(0));
    let error = producer.send(record(Some(9), "v")).await.unwrap_err();
    assert!(error.to_string().starts_with("Partition 9 of topic t with partition count 1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_acks_0() {
    let mock = started(1, 1);
    mock.on(|_, _: ProduceRequest| Answer::Nothing);
    let producer = builder(&mock).acks(Acks::None).build().unwrap();
    let written = producer.send(record(None, "v")).await.unwrap().await.unwrap();
    assert_eq!(written.offset, None);
    assert_eq!(mock.count(ApiKey::InitProducerId), 0, "acks=0 switches idempotence off");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_producer_ends_what_waits() {
    let mock = started(1, 1);
    writing(&mock, |_, _| ErrorCode::None);
    mock.on(|_, _: ProduceRequest| Answer::Silence);
    let producer = builder(&mock).build().unwrap();
    let delivery = producer.send(record(None, "v")).await.unwrap();
    drop(producer);
    assert!(matches!(delivery.await.unwrap_err(), Error::Closed(_)));
}

#[tokio::test(start_paused = true)]
async fn interceptors_see_and_change_records() {
    struct Shout(Arc<Mutex<Vec<Option<i64>>>>);
    impl ProducerInterceptor for Shout {
        fn on_send(&self, mut record: ProducerRecord) -> ProducerRecord {
            record.value = Some("changed".into());
            record
        }
        fn on_acknowledgement(&self, _: &str, _: Option<i32>, result: &Result<RecordMetadata>) {
            self.0.lock().push(result.as_ref().ok().and_then(|written| written.offset));
        }
    }
    let mock = started(1, 1);
    let logs = writing(&mock, |_, _| ErrorCode::None);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let producer = builder(&mock).interceptor(Shout(seen.clone())).build().unwrap();
    producer.send(record(None, "v")).await.unwrap().await.unwrap();
    assert_eq!(logs.lock()[&0], ["changed"]);
    assert_eq!(*seen.lock(), [Some(0)]);
}

/// A coordinator that agrees with everything; what it was asked goes to the list.
fn coordinator(mock: &Mock, v2: bool) -> Arc<Mutex<Vec<String>>> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    mock.feature("transaction.version", if v2 { 2 } else { 1 });
    let log = asked.clone();
    mock.on(move |call: &Call, request: AddPartitionsToTxnRequest| {
        log.lock().push("add".to_owned());
        let results = request.v3_and_below_topics.iter().map(|topic| {
            add_partitions_to_txn_response::AddPartitionsToTxnTopicResult {
                name: topic.name.clone(),
                results_by_partition: topic
                    .partitions
                    .iter()
                    .map(|index| add_partitions_to_txn_response::AddPartitionsToTxnPartitionResult {
                        partition_index: *index,
                        ..Default::default()
                    })
                    .collect(),
            }
        });
        let results_by_topic_v3_and_below = results.collect();
        call.reply(AddPartitionsToTxnResponse { results_by_topic_v3_and_below, ..Default::default() })
    });
    let log = asked.clone();
    mock.on(move |call: &Call, request: EndTxnRequest| {
        let what = if request.committed { "commit" } else { "abort" };
        log.lock().push(format!("{what} {} v{}", request.producer_epoch, call.version));
        let (producer_id, producer_epoch) =
            if call.version >= 5 { (7, request.producer_epoch + 1) } else { (-1, -1) };
        call.reply(EndTxnResponse { producer_id, producer_epoch, ..Default::default() })
    });
    asked
}

#[tokio::test(start_paused = true)]
async fn transactions_of_both_generations() {
    for v2 in [false, true] {
        let mock = started(1, 2);
        let logs = writing(&mock, |_, _| ErrorCode::None);
        let asked = coordinator(&mock, v2);
        let producer = builder(&mock).transactional_id("id").build().unwrap();
        let error = producer.send(record(None, "v")).await.unwrap_err();
        assert!(matches!(error, Error::Illegal(_)), "{error}");
        producer.init_transactions().await.unwrap();
        for commit in [true, false] {
            producer.begin_transaction().unwrap();
            producer.send(record(Some(0), "v")).await.unwrap();
            if commit {
                producer.commit_transaction().await.unwrap();
            } else {
                producer.abort_transaction().await.unwrap();
            }
        }
        let expect: &[&str] = match v2 {
            true => &["commit 0 v5", "abort 1 v5"],
            // What was never sent need not be announced, and the transaction not be ended.
            false => &["add", "commit 0 v4"],
        };
        assert_eq!(*asked.lock(), expect);
        assert_eq!(logs.lock()[&0].len(), 1);
        let produce: Vec<i16> =
            mock.calls().iter().filter(|call| call.api == ApiKey::Produce).map(|call| call.version).collect();
        assert_eq!(produce, [if v2 { 13 } else { 11 }]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_fails_fails_the_commit() {
    let mock = started(1, 1);
    writing(&mock, |_, _| ErrorCode::InvalidRecord);
    coordinator(&mock, true);
    let producer = builder(&mock).transactional_id("id").build().unwrap();
    producer.init_transactions().await.unwrap();
    producer.begin_transaction().unwrap();
    let delivery = producer.send(record(None, "v")).await.unwrap();
    let error = producer.commit_transaction().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::InvalidRecord));
    assert_eq!(Advice::of(&error), Advice::Abort);
    assert!(!producer.is_fatal());
    assert_eq!(delivery.await.unwrap_err().code(), Some(ErrorCode::InvalidRecord));
    producer.abort_transaction().await.unwrap();
    producer.begin_transaction().unwrap();
}

/// Topics are forgotten when nothing is sent to them for `metadata.max.idle.ms`, and only then: who sends would wait for
/// metadata again, and what waits to be sent would have no leader.
#[tokio::test(start_paused = true)]
async fn the_metadata_of_a_topic_in_use_stays() {
    let mock = started(1, 1);
    writing(&mock, |_, _| ErrorCode::None);
    let producer = builder(&mock).client(|config| {
        config.metadata_max_idle = Duration::from_secs(5);
        config.metadata_max_age = Duration::from_secs(1);
        config.enable_metrics_push = false;
    });
    let producer = producer.build().unwrap();
    let is_known = || producer.cluster().metadata().topic("t").is_some();
    for second in 0..30 {
        producer.send(record(None, "v")).await.unwrap().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(is_known(), "after {second} s");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!is_known());
}
