//! Counts words: reads lines of one topic, and writes to another how often each word was seen, each line's words exactly once. What
//! was read, what was counted and what was written are one transaction; after a crash the counts are read back from where
//! they were written.
//!
//! `cargo run -p ottla-client --example word_count -- localhost:9092 lines counts`

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::config::Properties;
use ottla_client::consumer::{Consumer, OffsetAndMetadata};
use ottla_client::producer::Producer;
use ottla_client::record::{ConsumerRecord, ProducerRecord};
use ottla_client::{Error, Result};
use ottla_protocol::{Str, TopicPartition};

type Counts = BTreeMap<String, u64>;

fn properties(servers: &str, more: &[(&str, &str)]) -> Properties {
    let all = [("bootstrap.servers", servers)].into_iter().chain(more.iter().copied());
    all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let (servers, lines, counts_topic) = (argument("localhost:9092"), argument("lines"), argument("counts"));
    let counts_topic = Str::from(counts_topic);

    let producer =
        Producer::from_properties(&properties(&servers, &[("transactional.id", "example-word-count")]))?;
    // Whoever counted before is locked out, and what it had not committed is aborted: only then are the counts final.
    producer.init_transactions().await?;
    let mut counts = read_counts(&servers, &counts_topic).await?;
    println!("{} words are known", counts.len());

    let settings = [
        ("group.id", "example-word-count"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("isolation.level", "read_committed"),
    ];
    let mut consumer = Consumer::from_properties(&properties(&servers, &settings))?;
    consumer.subscribe([lines]).await?;
    loop {
        let records = tokio::select! {
            records = consumer.poll(Duration::from_secs(1)) => records?,
            _ = tokio::signal::ctrl_c() => break,
        };
        if records.is_empty() {
            continue;
        }
        let changed = count(&counts, records.iter());
        producer.begin_transaction()?;
        match write(&producer, &counts_topic, &changed, &consumer, records.next_offsets()).await {
            Ok(()) => {
                println!("{} lines, {} words changed", records.len(), changed.len());
                counts.extend(changed);
            }
            Err(error) if producer.is_fatal() => return Err(error),
            Err(error) => {
                println!("once more: {error}");
                producer.abort_transaction().await?;
                // The lines are read again from where they were committed.
                rewind(&mut consumer).await?;
            }
        }
    }
    consumer.close(Duration::from_secs(10)).await?;
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}

/// The new counts of the words of some lines.
fn count<'a>(counts: &Counts, lines: impl Iterator<Item = &'a ConsumerRecord>) -> Counts {
    let mut changed = Counts::new();
    for line in lines {
        let text = String::from_utf8_lossy(line.value.as_deref().unwrap_or_default()).to_lowercase();
        for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let known = counts.get(word).copied().unwrap_or(0);
            *changed.entry(word.to_owned()).or_insert(known) += 1;
        }
    }
    changed
}

async fn write(
    producer: &Producer,
    topic: &Str,
    changed: &Counts,
    consumer: &Consumer,
    read_up_to: &BTreeMap<TopicPartition, OffsetAndMetadata>,
) -> Result<()> {
    for (word, count) in changed {
        let record = ProducerRecord {
            topic: topic.clone(),
            key: Some(word.clone().into()),
            value: Some(count.to_string().into()),
            ..Default::default()
        };
        producer.send(record).await?;
    }
    let offsets = read_up_to.iter().map(|(partition, offset)| (partition.clone(), offset.clone()));
    producer.send_offsets_to_transaction(offsets, &consumer.group_metadata()?).await?;
    producer.commit_transaction().await
}

/// Goes back to what is committed.
async fn rewind(consumer: &mut Consumer) -> Result<()> {
    for (partition, offset) in consumer.committed(consumer.assignment()).await? {
        match offset {
            Some(offset) => consumer.seek_to(&partition, &offset)?,
            None => consumer.seek_to_beginning([partition])?,
        }
    }
    Ok(())
}

/// What was counted so far: the last count of each word.
async fn read_counts(servers: &str, topic: &Str) -> Result<Counts> {
    let settings = [("isolation.level", "read_committed"), ("auto.offset.reset", "earliest")];
    let mut consumer = Consumer::from_properties(&properties(servers, &settings))?;
    let partitions: Vec<TopicPartition> = consumer
        .partitions_for(topic.clone())
        .await?
        .into_iter()
        .map(|partition| TopicPartition::new(topic.clone(), partition.partition))
        .collect();
    let ends = consumer.end_offsets(partitions.clone()).await?;
    consumer.assign(partitions)?;
    let mut counts = Counts::new();
    for (partition, end) in ends {
        while consumer.position(&partition).await? < end {
            for record in &consumer.poll(Duration::from_secs(1)).await? {
                let text = |bytes: Option<&bytes::Bytes>| {
                    String::from_utf8_lossy(bytes.map(AsRef::as_ref).unwrap_or_default()).into_owned()
                };
                let count = text(record.value.as_ref()).parse();
                let count =
                    count.map_err(|error| Error::Illegal(format!("{topic} holds no count: {error}")))?;
                counts.insert(text(record.key.as_ref()), count);
            }
        }
    }
    consumer.close(Duration::from_secs(5)).await?;
    Ok(counts)
}
