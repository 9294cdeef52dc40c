//! Share groups: what is delivered, acknowledged and delivered again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use ottla_client::Result;
use ottla_client::admin::{AlterConfigOp, AlterConfigsOptions, ConfigResource, ConfigResourceType};
use ottla_client::record::ConsumerRecord;
use ottla_client::share::{AcknowledgeType, ShareConsumer};
use ottla_protocol::Str;
use tokio::time::Instant;

use crate::digest::digest;
use crate::lab::{Lab, WAIT_MAX, plain};

const CLOSES_WITHIN: Duration = Duration::from_secs(10);

/// A group that begins at the start.
async fn group(lab: &Lab, name: &str, more: &[(&'static str, &'static str)]) -> Result<String> {
    let id = lab.name(name);
    let resource = ConfigResource::new(ConfigResourceType::Group, id.as_str());
    let mut ops = vec![AlterConfigOp::set("share.auto.offset.reset", "earliest")];
    ops.extend(more.iter().map(|(key, value)| AlterConfigOp::set(*key, *value)));
    let changes = BTreeMap::from([(resource, ops)]);
    for result in
        lab.admin.incremental_alter_configs(&changes, &AlterConfigsOptions::default()).await.into_values()
    {
        result?;
    }
    lab.settle().await?;
    Ok(id)
}

fn consumer(lab: &Lab, group: &str, mode: &str) -> Result<ShareConsumer> {
    ShareConsumer::from_properties(
        &lab.properties(&[("group.id", group), ("share.acknowledgement.mode", mode)]),
    )
}

/// Polls, does something with each record, and goes on until there were so many.
async fn take(
    consumer: &mut ShareConsumer,
    count: usize,
    mut each: impl FnMut(&mut ShareConsumer, &ConsumerRecord) -> Result<()>,
) -> Result<Vec<ConsumerRecord>> {
    let end = Instant::now() + WAIT_MAX;
    let mut all = Vec::new();
    while all.len() < count && Instant::now() < end {
        for record in consumer.poll(Duration::from_millis(300)).await? {
            each(consumer, &record)?;
            all.push(record);
        }
    }
    all.sort_by_key(|record| record.offset);
    Ok(all)
}

fn counts(records: &[ConsumerRecord]) -> String {
    let all =
        records.iter().map(|record| format!("{}x{}", record.offset, record.delivery_count.unwrap_or(0)));
    all.collect::<Vec<_>>().join(" ")
}

/// The next poll accepts.
pub async fn implicit(lab: &Lab) -> Result<()> {
    let topic = lab.topic("share", 1, &[]).await?;
    lab.fill(&topic, 0, 50).await?;
    let group = group(lab, "share", &[]).await?;
    let mut first = consumer(lab, &group, "implicit")?;
    first.subscribe([topic.clone()])?;
    let records = take(&mut first, 50, |_, _| Ok(())).await?;
    lab.say(digest(&records));
    lab.say(counts(&records));
    for result in first.commit().await?.into_values() {
        lab.say_done("commit", result);
    }
    first.close(CLOSES_WITHIN).await?;
    lab.fill(&topic, 0, 1).await?;
    let mut second = consumer(lab, &group, "implicit")?;
    second.subscribe([topic])?;
    lab.say(counts(&take(&mut second, 1, |_, _| Ok(())).await?));
    second.close(CLOSES_WITHIN).await
}

/// Accepted, released, rejected: what comes again, and how often it came.
pub async fn explicit_outcomes(lab: &Lab) -> Result<()> {
    let topic = lab.topic("share-explicit", 1, &[]).await?;
    lab.fill(&topic, 0, 20).await?;
    let group = group(lab, "share-explicit", &[]).await?;
    let mut consumer = consumer(lab, &group, "explicit")?;
    consumer.subscribe([topic])?;
    let by_offset = |consumer: &mut ShareConsumer, record: &ConsumerRecord| {
        let first = record.delivery_count == Some(1);
        let kind = match record.offset % 4 {
            0 if first => AcknowledgeType::Release,
            1 => AcknowledgeType::Reject,
            2 if first => AcknowledgeType::Release,
            _ => AcknowledgeType::Accept,
        };
        consumer.acknowledge(record, kind)
    };
    let mut all = take(&mut consumer, 30, by_offset).await?;
    all.sort_by_key(|record| (record.offset, record.delivery_count));
    lab.say(counts(&all));
    for result in consumer.commit().await?.into_values() {
        lab.say_done("commit", result);
    }
    lab.say(counts(&take_once(&mut consumer).await?));
    consumer.close(CLOSES_WITHIN).await
}

async fn take_once(consumer: &mut ShareConsumer) -> Result<Vec<ConsumerRecord>> {
    consumer.poll(Duration::from_millis(700)).await
}

/// Calls that are wrong.
pub async fn misuse(lab: &Lab) -> Result<()> {
    let topic = lab.topic("share-misuse", 1, &[]).await?;
    lab.fill(&topic, 0, 3).await?;
    let group = group(lab, "share-misuse", &[]).await?;
    let mut implicit = consumer(lab, &group, "implicit")?;
    lab.say_done("poll before subscribe", implicit.poll(Duration::ZERO).await);
    lab.say_done("acknowledge", implicit.acknowledge_offset(&topic, 0, 0, AcknowledgeType::Accept));
    implicit.close(CLOSES_WITHIN).await?;
    let mut explicit = consumer(lab, &group, "explicit")?;
    explicit.subscribe([topic.clone()])?;
    let mut records = Vec::new();
    let end = Instant::now() + WAIT_MAX;
    while records.is_empty() && Instant::now() < end {
        records = explicit.poll(Duration::from_millis(300)).await?;
    }
    lab.say_done("poll before acknowledging", explicit.poll(Duration::ZERO).await);
    lab.say_done("another's record", explicit.acknowledge_offset(&topic, 0, 77, AcknowledgeType::Accept));
    for record in &records {
        explicit.acknowledge(record, AcknowledgeType::Accept)?;
    }
    lab.say_done("twice", explicit.acknowledge(&records[0], AcknowledgeType::Release));
    lab.say_done("and poll", explicit.poll(Duration::ZERO).await);
    explicit.close(CLOSES_WITHIN).await?;
    let wrong: [&[(&str, &str)]; 3] = [
        &[],
        &[("group.id", "g"), ("share.acknowledgement.mode", "both")],
        &[("group.id", "g"), ("auto.offset.reset", "latest")],
    ];
    for settings in wrong {
        lab.say_done(&format!("{settings:?}"), ShareConsumer::from_properties(&lab.properties(settings)));
    }
    Ok(())
}

/// Sync, async, and the callback.
pub async fn commits(lab: &Lab) -> Result<()> {
    let topic = lab.topic("share-commits", 1, &[]).await?;
    lab.fill(&topic, 0, 10).await?;
    let group = group(lab, "share-commits", &[]).await?;
    let mut consumer = consumer(lab, &group, "explicit")?;
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let tell = told.clone();
    consumer.set_acknowledgement_commit_callback(Some(Box::new(move |partition, offsets, error| {
        let text = format!("{} {offsets:?} {}", partition.partition, error.is_none());
        tell.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(text);
    })));
    consumer.subscribe([topic])?;
    let accept = |consumer: &mut ShareConsumer, record: &ConsumerRecord| {
        consumer.acknowledge(record, AcknowledgeType::Accept)
    };
    lab.say(counts(&take(&mut consumer, 10, accept).await?));
    let results = consumer.commit().await?;
    lab.say(format!("{} partitions", results.len()));
    for (partition, result) in results {
        lab.say_done(&format!("{}-{}", partition.topic, partition.partition), result);
    }
    lab.say(format!("nothing left: {} partitions", consumer.commit().await?.len()));
    let end = Instant::now() + WAIT_MAX;
    while told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_empty() && Instant::now() < end {
        consumer.poll(Duration::from_millis(100)).await?;
    }
    lab.say(told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).join("; "));
    consumer.close(CLOSES_WITHIN).await
}

/// What was not acknowledged goes to another.
pub async fn close_gives_back(lab: &Lab) -> Result<()> {
    let topic: Str = lab.topic("share-back", 1, &[]).await?;
    lab.fill(&topic, 0, 6).await?;
    let group = group(lab, "share-back", &[]).await?;
    let mut first = consumer(lab, &group, "explicit")?;
    first.subscribe([topic.clone()])?;
    let some = |consumer: &mut ShareConsumer, record: &ConsumerRecord| match record.offset {
        0..3 => consumer.acknowledge(record, AcknowledgeType::Accept),
        _ => Ok(()),
    };
    lab.say(counts(&take(&mut first, 6, some).await?));
    first.close(CLOSES_WITHIN).await?;
    let mut second = consumer(lab, &group, "implicit")?;
    second.subscribe([topic])?;
    lab.say(counts(&take(&mut second, 3, |_, _| Ok(())).await?));
    second.close(CLOSES_WITHIN).await
}

/// A group that reads committed records only.
pub async fn isolation(lab: &Lab) -> Result<()> {
    let topic = lab.topic("share-isolation", 1, &[]).await?;
    let id = lab.name("share-isolation");
    let producer = lab.producer(&[("transactional.id", &id)])?;
    producer.init_transactions().await?;
    for (value, commits) in [("a", true), ("b", false), ("c", true)] {
        producer.begin_transaction()?;
        producer.send(plain(&topic, 0, value)).await?;
        // An abort drops what has not been sent.
        producer.flush().await?;
        match commits {
            true => producer.commit_transaction().await?,
            false => producer.abort_transaction().await?,
        }
    }
    producer.close(CLOSES_WITHIN).await;
    let group = group(lab, "share-isolation", &[("share.isolation.level", "read_committed")]).await?;
    let mut consumer = consumer(lab, &group, "implicit")?;
    consumer.subscribe([topic])?;
    lab.say(counts(&take(&mut consumer, 2, |_, _| Ok(())).await?));
    consumer.close(CLOSES_WITHIN).await
}
