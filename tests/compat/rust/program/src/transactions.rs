//! Transactions: what becomes visible, and what is refused.

use std::time::Duration;

use ottla_client::Result;
use ottla_client::consumer::{Consumer, ConsumerGroupMetadata, OffsetAndMetadata};
use ottla_client::producer::Producer;
use ottla_protocol::Str;

use crate::lab::{Lab, drain, plain, tp, value};

const TIMES_OUT: Duration = Duration::from_secs(10);

async fn ready(lab: &Lab, id: &str, settings: &[(&str, &str)]) -> Result<Producer> {
    let id = lab.name(id);
    let mut all = vec![("transactional.id", id.as_str())];
    all.extend(settings);
    let producer = lab.producer(&all)?;
    producer.init_transactions().await?;
    Ok(producer)
}

async fn committed_values(lab: &Lab, topic: &Str, count: usize) -> Result<String> {
    let mut consumer = lab.consumer(&[("isolation.level", "read_committed")])?;
    consumer.assign([tp(topic, 0)])?;
    let values: Vec<String> = drain(&mut consumer, count).await?.iter().map(value).collect();
    Ok(values.join(" "))
}

async fn transaction(producer: &Producer, topic: &Str, values: &[&str]) -> Result<()> {
    producer.begin_transaction()?;
    for value in values {
        producer.send(plain(topic, 0, value)).await?;
    }
    Ok(())
}

/// One of each.
pub async fn commit_and_abort(lab: &Lab) -> Result<()> {
    let topic = lab.topic("txn", 1, &[]).await?;
    let producer = ready(lab, "txn", &[]).await?;
    transaction(&producer, &topic, &["a", "b"]).await?;
    lab.say_done("commit", producer.commit_transaction().await);
    transaction(&producer, &topic, &["c"]).await?;
    lab.say_done("abort", producer.abort_transaction().await);
    transaction(&producer, &topic, &["d"]).await?;
    lab.say_done("commit", producer.commit_transaction().await);
    lab.say(committed_values(lab, &topic, 3).await?);
    // What is open when a producer closes is aborted.
    transaction(&producer, &topic, &["e"]).await?;
    producer.flush().await?;
    producer.close(TIMES_OUT).await;
    lab.fill(&topic, 0, 1).await?;
    lab.say(committed_values(lab, &topic, 4).await?);
    Ok(())
}

async fn offsets_of(lab: &Lab, group: &str, topic: &Str) -> Result<String> {
    let mut consumer: Consumer = lab.consumer(&[("group.id", group)])?;
    let committed = consumer.committed([tp(topic, 0)]).await?;
    let text = committed.values().map(|at| at.as_ref().map_or("null".to_owned(), |at| at.offset.to_string()));
    Ok(text.collect())
}

/// Offsets of a group as part of a transaction.
pub async fn offsets(lab: &Lab) -> Result<()> {
    let topic = lab.topic("txn-offsets", 1, &[]).await?;
    let producer = ready(lab, "txn-offsets", &[]).await?;
    let group = ConsumerGroupMetadata::new(lab.name("txn-offsets"));
    for (offset, commits) in [(5, true), (9, false), (11, true)] {
        transaction(&producer, &topic, &["x"]).await?;
        let offsets = [(tp(&topic, 0), OffsetAndMetadata::new(offset))];
        lab.say_done("offsets", producer.send_offsets_to_transaction(offsets, &group).await);
        match commits {
            true => producer.commit_transaction().await?,
            false => producer.abort_transaction().await?,
        }
        lab.say(offsets_of(lab, "txn-offsets", &topic).await?);
    }
    // Of a member that the group does not know.
    let mut stranger = group.clone();
    (stranger.generation_id, stranger.member_id) = (3, "nobody".into());
    producer.begin_transaction()?;
    let offsets = [(tp(&topic, 0), OffsetAndMetadata::new(20))];
    lab.say_done("a stranger's", producer.send_offsets_to_transaction(offsets, &stranger).await);
    lab.say_done("commit", producer.commit_transaction().await);
    lab.say_done("abort", producer.abort_transaction().await);
    lab.say(offsets_of(lab, "txn-offsets", &topic).await?);
    producer.close(TIMES_OUT).await;
    Ok(())
}

/// A second producer locks the first one out.
pub async fn fenced(lab: &Lab) -> Result<()> {
    let topic = lab.topic("txn-fenced", 1, &[]).await?;
    let old = ready(lab, "txn-fenced", &[]).await?;
    transaction(&old, &topic, &["old"]).await?;
    old.flush().await?;
    let new = ready(lab, "txn-fenced", &[]).await?;
    lab.say_done("commit of the old", old.commit_transaction().await);
    lab.say_done("begin of the old", old.begin_transaction());
    lab.say_done("abort of the old", old.abort_transaction().await);
    transaction(&new, &topic, &["new"]).await?;
    lab.say_done("commit of the new", new.commit_transaction().await);
    let again = ready(lab, "txn-fenced", &[]).await?;
    new.begin_transaction()?;
    let sent = match new.send(plain(&topic, 0, "late")).await {
        Ok(delivery) => delivery.await.map(|_| "written"),
        Err(error) => Err(error),
    };
    lab.say_result("send of the fenced", sent);
    lab.say_done("commit of the fenced", new.commit_transaction().await);
    lab.say(committed_values(lab, &topic, 1).await?);
    for producer in [old, new, again] {
        producer.close(TIMES_OUT).await;
    }
    Ok(())
}

/// Calls in the wrong order.
pub async fn misuse(lab: &Lab) -> Result<()> {
    let topic = lab.topic("txn-misuse", 1, &[]).await?;
    let plain_producer = lab.producer(&[])?;
    lab.say_done("without an id: init", plain_producer.init_transactions().await);
    lab.say_done("without an id: begin", plain_producer.begin_transaction());
    lab.say_done("without an id: commit", plain_producer.commit_transaction().await);
    let id = lab.name("txn-misuse");
    let producer = lab.producer(&[("transactional.id", &id)])?;
    lab.say_done("begin before init", producer.begin_transaction());
    lab.say_done("send before init", producer.send(plain(&topic, 0, "x")).await);
    producer.init_transactions().await?;
    lab.say_done("init again", producer.init_transactions().await);
    lab.say_done("commit before begin", producer.commit_transaction().await);
    lab.say_done("abort before begin", producer.abort_transaction().await);
    lab.say_done("send before begin", producer.send(plain(&topic, 0, "x")).await);
    let offsets = [(tp(&topic, 0), OffsetAndMetadata::new(1))];
    let group = ConsumerGroupMetadata::new(lab.name("txn-misuse"));
    lab.say_done("offsets before begin", producer.send_offsets_to_transaction(offsets, &group).await);
    // Another one: Kafka's client never commits again once a record was sent before a transaction.
    let other = ready(lab, "txn-misuse-again", &[]).await?;
    other.begin_transaction()?;
    lab.say_done("begin again", other.begin_transaction());
    lab.say_done("commit", other.commit_transaction().await);
    other.close(TIMES_OUT).await;
    lab.say_done("begin after close", other.begin_transaction());
    producer.close(Duration::from_secs(1)).await;
    Ok(())
}

/// A transaction with a record that was refused can only be aborted.
pub async fn after_an_error(lab: &Lab) -> Result<()> {
    let topic = lab.topic("txn-error", 1, &[("max.message.bytes", "1000")]).await?;
    let producer = ready(lab, "txn-error", &[("max.request.size", "20000"), ("linger.ms", "0")]).await?;
    for len in [5000, 30_000] {
        transaction(&producer, &topic, &["good"]).await?;
        producer.flush().await?;
        let sent = match producer.send(plain(&topic, 0, &"x".repeat(len))).await {
            Ok(delivery) => delivery.await,
            Err(error) => Err(error),
        };
        lab.say_done(&format!("{len} bytes"), sent);
        lab.say_done("send", producer.send(plain(&topic, 0, "more")).await);
        lab.say_done("commit", producer.commit_transaction().await);
        lab.say_done("abort", producer.abort_transaction().await);
    }
    transaction(&producer, &topic, &["after"]).await?;
    lab.say_done("commit", producer.commit_transaction().await);
    lab.say(committed_values(lab, &topic, 1).await?);
    producer.close(TIMES_OUT).await;
    Ok(())
}

/// A transaction that takes longer than it may.
pub async fn timed_out(lab: &Lab) -> Result<()> {
    let topic = lab.topic("txn-late", 1, &[]).await?;
    let producer = ready(lab, "txn-late", &[("transaction.timeout.ms", "10000")]).await?;
    transaction(&producer, &topic, &["late"]).await?;
    producer.flush().await?;
    lab.await_aborted("txn-late").await?;
    lab.say_done("commit", producer.commit_transaction().await);
    lab.say_done("abort", producer.abort_transaction().await);
    lab.fill(&topic, 0, 1).await?;
    lab.say(committed_values(lab, &topic, 1).await?);
    producer.close(TIMES_OUT).await;
    Ok(())
}

/// Transactions of nothing.
pub async fn empty(lab: &Lab) -> Result<()> {
    let producer = ready(lab, "txn-empty", &[]).await?;
    for _ in 0..2 {
        producer.begin_transaction()?;
        lab.say_done("commit", producer.commit_transaction().await);
        producer.begin_transaction()?;
        lab.say_done("abort", producer.abort_transaction().await);
    }
    let none: [(ottla_protocol::TopicPartition, OffsetAndMetadata); 0] = [];
    producer.begin_transaction()?;
    let group = ConsumerGroupMetadata::new(lab.name("txn-empty"));
    lab.say_done("no offsets", producer.send_offsets_to_transaction(none, &group).await);
    lab.say_done("commit", producer.commit_transaction().await);
    producer.close(TIMES_OUT).await;
    Ok(())
}

/// Every third is aborted.
pub async fn many(lab: &Lab) -> Result<()> {
    let topic = lab.topic("txn-many", 1, &[]).await?;
    let producer = ready(lab, "txn-many", &[]).await?;
    for number in 0..30 {
        let value = number.to_string();
        transaction(&producer, &topic, &[&value, &value]).await?;
        match number % 3 {
            0 => producer.abort_transaction().await?,
            _ => producer.commit_transaction().await?,
        }
    }
    lab.say(committed_values(lab, &topic, 40).await?);
    producer.close(TIMES_OUT).await;
    Ok(())
}

/// Settings that the coordinator refuses.
pub async fn settings(lab: &Lab) -> Result<()> {
    lab.say_done("too long", ready(lab, "txn-long", &[("transaction.timeout.ms", "900001")]).await);
    lab.say_done("as long as it may", ready(lab, "txn-long", &[("transaction.timeout.ms", "900000")]).await);
    Ok(())
}
