//! Producing: what is refused, and with which error.

use std::time::Duration;

use ottla_client::producer::Producer;
use ottla_client::record::ProducerRecord;
use ottla_client::{Error, Result};
use ottla_protocol::Str;

use crate::lab::{BASE_MS, Lab, numbered, plain};

async fn send(producer: &Producer, record: ProducerRecord) -> Result<String> {
    let written = producer.send(record).await?.await?;
    Ok(format!("{} {}", written.partition, written.offset.unwrap_or(-1)))
}

/// Records that the producer or the broker refuses.
pub async fn sending(lab: &Lab) -> Result<()> {
    let topic = lab.topic("refused", 2, &[]).await?;
    let small = lab.topic("refused-small", 1, &[("max.message.bytes", "1000")]).await?;
    let compacted = lab.topic("refused-compacted", 1, &[("cleanup.policy", "compact")]).await?;
    let timely = lab.topic("refused-late", 1, &[("message.timestamp.before.max.ms", "3600000")]).await?;
    // Who waits for a topic or a partition to come waits in vain; all else is answered, when there is time for it.
    let producer = lab.producer(&[("max.request.size", "20000")])?;
    let impatient = lab.producer(&[("max.block.ms", "700")])?;
    let large = "x".repeat(30_000);
    lab.say_result("larger than a request", send(&producer, plain(&topic, 0, &large)).await);
    lab.say_result("larger than the topic allows", send(&producer, plain(&small, 0, &large[..5000])).await);
    lab.say_result("no such partition", send(&impatient, plain(&topic, 9, "v")).await);
    lab.say_result("no such topic", send(&impatient, plain(&Str::from(lab.name("nowhere")), 0, "v")).await);
    lab.say_result("a name that can't be", send(&producer, plain(&Str::from("a b!"), 0, "v")).await);
    lab.say_result("a negative partition", send(&producer, plain(&topic, -1, "v")).await);
    let early = ProducerRecord { timestamp_ms: Some(-5), ..plain(&topic, 0, "v") };
    lab.say_result("a negative time", send(&producer, early).await);
    lab.say_result("no key in a compacted topic", send(&producer, plain(&compacted, 0, "v")).await);
    let old = ProducerRecord { timestamp_ms: Some(BASE_MS), ..plain(&timely, 0, "v") };
    lab.say_result("too old", send(&producer, old).await);
    lab.say_result("after all that", send(&producer, numbered(&topic, 1, 0)).await);
    lab.say_result("partitions", producer.partitions_for(&topic).await.map(|all| all.len()));
    lab.say_done("partitions of nothing", impatient.partitions_for(&lab.name("nowhere")).await);
    impatient.close(Duration::from_secs(5)).await;
    producer.close(Duration::from_secs(5)).await;
    lab.say_result("after closing", send(&producer, numbered(&topic, 0, 0)).await);
    let unreachable = lab.properties(&[("max.block.ms", "500")]);
    let unreachable = unreachable.into_iter().chain([("bootstrap.servers".into(), "127.0.0.1:1".into())]);
    let producer = Producer::from_properties(&unreachable.collect())?;
    lab.say_result("nobody there", send(&producer, numbered(&topic, 0, 0)).await);
    Ok(())
}

/// Settings that can't be, with the words for them.
pub async fn settings(lab: &Lab) -> Result<()> {
    let wrong: &[&[(&str, &str)]] = &[
        &[("acks", "2")],
        &[("acks", "1"), ("enable.idempotence", "true")],
        &[("batch.size", "-1")],
        &[("batch.size", "many")],
        &[("linger.ms", "-1")],
        &[("compression.type", "brotli")],
        &[("compression.gzip.level", "10")],
        &[("compression.zstd.level", "23")],
        &[("compression.lz4.level", "0")],
        &[("delivery.timeout.ms", "10")],
        &[("enable.idempotence", "maybe")],
        &[("max.in.flight.requests.per.connection", "6")],
        &[("max.in.flight.requests.per.connection", "0")],
        &[("retries", "0"), ("enable.idempotence", "true")],
        &[("transactional.id", "t"), ("enable.idempotence", "false")],
        &[("transactional.id", "t"), ("acks", "0")],
        &[
            ("transactional.id", "t"),
            ("transaction.two.phase.commit.enable", "true"),
            ("transaction.timeout.ms", "5"),
        ],
        &[("buffer.memory", "-2")],
        &[("request.timeout.ms", "-1")],
        &[("metadata.recovery.strategy", "hope")],
        &[("client.dns.lookup", "never")],
        &[("security.protocol", "NONE")],
    ];
    for settings in wrong {
        let text = match lab.producer(settings) {
            Ok(_) => "accepted".to_owned(),
            Err(Error::Config(error)) => error.to_string(),
            Err(error) => format!("not of the settings: {error}"),
        };
        lab.say(format!("{settings:?}: {}", text.replace('\n', " ")));
    }
    Ok(())
}
