//! Producing: where records go, and what their bytes are.

use std::time::Duration;

use ottla_client::Result;
use ottla_client::producer::Producer;
use ottla_client::record::{Header, ProducerRecord};
use ottla_protocol::Str;

use crate::digest::{Digest, Random, digest};
use crate::lab::{BASE_MS, Lab, drain, numbered, plain, tp};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// 2,000 seeded keys over 7 partitions: which partition each goes to.
pub async fn partition_by_key(lab: &Lab) -> Result<()> {
    let topic = lab.topic("keys", 7, &[]).await?;
    let producer = lab.producer(&[("linger.ms", "20")])?;
    let mut random = Random::new(11);
    let mut sent = Vec::new();
    for _ in 0..2000 {
        let len = random.below(40);
        let key = random.bytes(len, 256);
        let record = ProducerRecord { topic: topic.clone(), key: Some(key.into()), ..Default::default() };
        sent.push(producer.send(record).await?);
    }
    let (mut digest, mut counts) = (Digest::new(), [0; 7]);
    for delivery in sent {
        let partition = delivery.await?.partition;
        digest.int(partition.into());
        counts[partition as usize] += 1;
    }
    lab.say(format!("{counts:?} {}", digest.hex()));
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}

/// Seeded records with everything that a record can have.
fn seeded(topic: &Str, count: i64, value_len: i64, values: i64) -> Vec<ProducerRecord> {
    let mut random = Random::new(count);
    let record = |number: i64| {
        let key_len = random.below(30);
        let key = (key_len > 3).then(|| random.bytes(key_len, 256).into());
        let value_len = random.below(value_len);
        let value = (value_len > 2).then(|| random.bytes(value_len, values).into());
        let headers = (0..random.below(4)).map(|header| {
            let len = random.below(20);
            let value = (len > 1).then(|| random.bytes(len, 256).into());
            Header { key: format!("h{header}").into(), value }
        });
        let headers = headers.collect();
        let timestamp_ms = Some(BASE_MS + number * 37 - random.below(100));
        ProducerRecord { topic: topic.clone(), partition: Some(0), timestamp_ms, key, value, headers }
    };
    (0..count).map(record).collect()
}

async fn send_all(lab: &Lab, producer: Producer, records: Vec<ProducerRecord>) -> Result<()> {
    let mut sent = Vec::new();
    for record in records {
        sent.push(producer.send(record).await?);
    }
    producer.flush().await?;
    let mut digest = Digest::new();
    for delivery in sent {
        let written = delivery.await?;
        digest.int(written.offset.unwrap_or(-1)).int(written.timestamp_ms);
        digest.int(written.key_size.map_or(-1, |size| size as i64));
        digest.int(written.value_size.map_or(-1, |size| size as i64));
    }
    lab.say(format!("written {}", digest.hex()));
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}

/// Uncompressed batches without idempotence: the suite compares the log's bytes, which no producer id tells apart.
pub async fn bytes(lab: &Lab) -> Result<()> {
    let topic = lab.topic("bytes-plain", 1, &[]).await?;
    let producer = lab.producer(&[("enable.idempotence", "false"), ("linger.ms", "60000")])?;
    let mut records = seeded(&topic, 400, 2000, 256);
    // One that is larger than a batch.
    records[200].value = Some(Random::new(5).bytes(100_000, 256).into());
    send_all(lab, producer, records).await
}

/// Likewise with a producer id, which the suite leaves out.
pub async fn idempotent_bytes(lab: &Lab) -> Result<()> {
    let topic = lab.topic("bytes-once", 1, &[]).await?;
    let producer = lab.producer(&[("linger.ms", "60000"), ("batch.size", "4000")])?;
    send_all(lab, producer, seeded(&topic, 300, 900, 256)).await
}

/// A batch of each codec: the suite compares the records in it.
pub async fn compressed_bytes(lab: &Lab) -> Result<()> {
    for codec in &CODECS[1..] {
        let topic = lab.topic(&format!("bytes-{codec}"), 1, &[]).await?;
        let producer = lab.producer(&[
            ("enable.idempotence", "false"),
            ("linger.ms", "60000"),
            ("batch.size", "900000"),
            ("compression.type", codec),
        ])?;
        send_all(lab, producer, seeded(&topic, 300, 1500, 9)).await?;
    }
    Ok(())
}

/// What is known of a record after each kind of acknowledgement.
pub async fn acks(lab: &Lab) -> Result<()> {
    let topic = lab.topic("acks", 1, &[]).await?;
    for acks in ["0", "1", "all"] {
        let producer = lab.producer(&[("acks", acks)])?;
        for number in 0..3 {
            let written = producer.send(numbered(&topic, 0, number)).await?.await?;
            let offset = written.offset.unwrap_or(-1);
            lab.say(format!("acks={acks}: {} {offset} {}", written.partition, written.timestamp_ms));
        }
        // With acks=0 nothing is known of the place: the next producer must not overtake.
        let mut consumer = lab.consumer(&[])?;
        consumer.assign([tp(&topic, 0)])?;
        let count = match acks {
            "0" => 3,
            "1" => 6,
            _ => 9,
        };
        lab.say(digest(&drain(&mut consumer, count).await?));
        producer.close(Duration::from_secs(10)).await;
    }
    Ok(())
}

/// Keys, values and headers that are empty or missing, as they come back.
pub async fn headers_and_nulls(lab: &Lab) -> Result<()> {
    let topic = lab.topic("nulls", 1, &[]).await?;
    let producer = lab.producer(&[])?;
    let header =
        |key: &str, value: Option<&'static str>| Header { key: key.into(), value: value.map(Into::into) };
    let base = ProducerRecord { timestamp_ms: Some(BASE_MS), ..plain(&topic, 0, "v") };
    let records = [
        ProducerRecord { key: None, value: None, ..base.clone() },
        ProducerRecord { key: Some("".into()), value: Some("".into()), ..base.clone() },
        ProducerRecord {
            headers: vec![header("a", Some("1")), header("a", None), header("", Some(""))],
            ..base.clone()
        },
        ProducerRecord { key: Some("grün".into()), headers: vec![header("ключ", Some("✓"))], ..base },
    ];
    for record in records {
        producer.send(record).await?.await?;
    }
    let mut consumer = lab.consumer(&[])?;
    consumer.assign([tp(&topic, 0)])?;
    let text = |bytes: &Option<bytes::Bytes>| {
        bytes
            .as_ref()
            .map_or_else(|| "null".to_owned(), |bytes| format!("'{}'", String::from_utf8_lossy(bytes)))
    };
    for record in drain(&mut consumer, 4).await? {
        let headers: Vec<String> =
            record.headers.iter().map(|header| format!("{}={}", header.key, text(&header.value))).collect();
        let (key, value) = (text(&record.key), text(&record.value));
        lab.say(format!(
            "{} {} {key} {value} [{}] {:?} {:?}",
            record.offset,
            record.timestamp_ms,
            headers.join(","),
            record.timestamp_type,
            record.leader_epoch.unwrap_or(-1)
        ));
    }
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}

/// Partitions in turn.
pub async fn round_robin(lab: &Lab) -> Result<()> {
    let topic = lab.topic("turns", 3, &[]).await?;
    let class = "org.apache.kafka.clients.producer.RoundRobinPartitioner";
    let producer = lab.producer(&[("partitioner.class", class)])?;
    let mut counts = [0; 3];
    for number in 0..12 {
        let record = ProducerRecord { partition: None, ..numbered(&topic, 0, number) };
        counts[producer.send(record).await?.await?.partition as usize] += 1;
    }
    lab.say(format!("{counts:?}"));
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}

/// The broker's time instead of the record's.
pub async fn append_time(lab: &Lab) -> Result<()> {
    let topic = lab.topic("appended", 1, &[("message.timestamp.type", "LogAppendTime")]).await?;
    let producer = lab.producer(&[])?;
    let written = producer.send(numbered(&topic, 0, 0)).await?.await?;
    let mut consumer = lab.consumer(&[])?;
    consumer.assign([tp(&topic, 0)])?;
    let records = drain(&mut consumer, 1).await?;
    let same = records.iter().all(|record| record.timestamp_ms == written.timestamp_ms);
    lab.say(format!(
        "later {} same {same} {:?}",
        written.timestamp_ms > BASE_MS + 1000,
        records[0].timestamp_type
    ));
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}

/// Every codec at its ends, as read back.
pub async fn compression_levels(lab: &Lab) -> Result<()> {
    let topic = lab.topic("levels", 1, &[]).await?;
    let levels = [("gzip", "1"), ("gzip", "9"), ("lz4", "1"), ("lz4", "17"), ("zstd", "-5"), ("zstd", "19")];
    for (codec, level) in levels {
        let key = format!("compression.{codec}.level");
        let producer = lab.producer(&[("compression.type", codec), (&key, level), ("linger.ms", "50")])?;
        send_all(lab, producer, seeded(&topic, 100, 500, 7)).await?;
    }
    let mut consumer = lab.consumer(&[])?;
    consumer.assign([tp(&topic, 0)])?;
    lab.say(digest(&drain(&mut consumer, 600).await?));
    Ok(())
}
