//! Consuming as a member of a group, in both protocols.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ottla_client::consumer::{Consumer, OffsetAndMetadata};
use ottla_client::{Error, Result};
use ottla_protocol::Str;
use tokio::time::Instant;

use crate::digest::digest;
use crate::lab::{Lab, WAIT_MAX, class, drain, tp};

const CLASSIC: &str = "classic";
const CONSUMER: &str = "consumer";

async fn filled(lab: &Lab, name: &str, partitions: i32) -> Result<Str> {
    let topic = lab.topic(name, partitions, &[]).await?;
    for partition in 0..partitions {
        lab.fill(&topic, partition, 30).await?;
    }
    Ok(topic)
}

/// By name; a second member of the group goes on where the first has stopped.
pub async fn subscribe_classic(lab: &Lab) -> Result<()> {
    subscribe(lab, CLASSIC).await
}

/// Likewise.
pub async fn subscribe_consumer(lab: &Lab) -> Result<()> {
    subscribe(lab, CONSUMER).await
}

async fn subscribe(lab: &Lab, protocol: &str) -> Result<()> {
    let topic = filled(lab, &format!("group-{protocol}"), 3).await?;
    let group = format!("group-{protocol}");
    let settings = [("group.id", group.as_str()), ("group.protocol", protocol)];
    let mut first = lab.consumer(&settings)?;
    first.subscribe([topic.clone()]).await?;
    lab.say(format!("{:?} {:?}", first.subscription().len(), first.assignment().len()));
    lab.say(digest(&drain(&mut first, 90).await?));
    lab.say(format!("{:?}", first.assignment().iter().map(|tp| tp.partition).collect::<Vec<_>>()));
    first.commit().await?;
    let metadata = first.group_metadata()?;
    lab.say(format!(
        "{} {} {}",
        metadata.group_id,
        metadata.generation_id > 0,
        metadata.member_id.is_empty()
    ));
    lab.fill(&topic, 1, 5).await?;
    first.close(Duration::from_secs(10)).await?;
    let mut second = lab.consumer(&settings)?;
    second.subscribe([topic.clone()]).await?;
    lab.say(digest(&drain(&mut second, 5).await?));
    second.unsubscribe().await?;
    lab.say(format!("{:?} {:?}", second.subscription().len(), second.assignment().len()));
    second.close(Duration::from_secs(10)).await
}

/// By pattern.
pub async fn pattern_classic(lab: &Lab) -> Result<()> {
    pattern(lab, CLASSIC).await
}

/// Likewise, matched by the broker.
pub async fn pattern_consumer(lab: &Lab) -> Result<()> {
    pattern(lab, CONSUMER).await
}

async fn pattern(lab: &Lab, protocol: &str) -> Result<()> {
    filled(lab, &format!("pattern-{protocol}-a1"), 2).await?;
    filled(lab, &format!("pattern-{protocol}-b2"), 1).await?;
    filled(lab, &format!("pattern-{protocol}-cc"), 1).await?;
    let group = format!("pattern-{protocol}");
    let settings =
        [("group.id", group.as_str()), ("group.protocol", protocol), ("metadata.max.age.ms", "500")];
    let mut consumer = lab.consumer(&settings)?;
    consumer.subscribe_pattern(&lab.name(&format!("pattern-{protocol}-[a-z][0-9]")))?;
    lab.say(digest(&drain(&mut consumer, 90).await?));
    let assigned: Vec<String> = consumer.assignment().iter().map(ToString::to_string).collect();
    lab.say(assigned.join(" "));
    // A topic that comes later is found.
    filled(lab, &format!("pattern-{protocol}-z9"), 1).await?;
    lab.say(digest(&drain(&mut consumer, 30).await?));
    consumer.close(Duration::from_secs(10)).await?;
    let mut wrong = lab.consumer(&settings)?;
    let refused = match wrong.subscribe_pattern("(") {
        Ok(()) => poll_until_error(&mut wrong).await,
        Err(error) => Err(error),
    };
    lab.say_done("a wrong pattern", refused);
    wrong.close(Duration::from_secs(10)).await
}

async fn poll_until_error(consumer: &mut Consumer) -> Result<()> {
    let end = Instant::now() + WAIT_MAX;
    while Instant::now() < end {
        consumer.poll(Duration::from_millis(100)).await?;
    }
    Ok(())
}

fn offset_text(offset: &Option<OffsetAndMetadata>) -> String {
    offset.as_ref().map_or_else(
        || "null".to_owned(),
        |it| format!("{}/{}/'{}'", it.offset, it.leader_epoch.unwrap_or(-1), it.metadata),
    )
}

async fn say_committed(lab: &Lab, consumer: &mut Consumer, topic: &Str) -> Result<()> {
    let committed = consumer.committed((0..3).map(|partition| tp(topic, partition))).await?;
    let committed: Vec<String> = committed.values().map(offset_text).collect();
    lab.say(committed.join(" "));
    Ok(())
}

/// Commits of every kind, and what is known of them.
pub async fn committed(lab: &Lab) -> Result<()> {
    let topic = filled(lab, "commits", 3).await?;
    let mut consumer = lab.consumer(&[("group.id", "commits")])?;
    consumer.assign([tp(&topic, 0), tp(&topic, 1)])?;
    say_committed(lab, &mut consumer, &topic).await?;
    let own = OffsetAndMetadata { offset: 12, leader_epoch: Some(0), metadata: "mine".into() };
    consumer
        .commit_offsets(BTreeMap::from([(tp(&topic, 0), own), (tp(&topic, 2), OffsetAndMetadata::new(3))]))
        .await?;
    say_committed(lab, &mut consumer, &topic).await?;
    lab.say(digest(&drain(&mut consumer, 48).await?));
    consumer.commit().await?;
    say_committed(lab, &mut consumer, &topic).await?;
    let told: Arc<Mutex<Option<(usize, bool)>>> = Arc::default();
    let tell = told.clone();
    let offsets = BTreeMap::from([(tp(&topic, 1), OffsetAndMetadata::new(7))]);
    let callback = move |offsets: &ottla_client::consumer::Offsets, result: Result<()>| {
        *tell.lock().unwrap_or_else(PoisonError::into_inner) = Some((offsets.len(), result.is_ok()));
    };
    consumer.commit_offsets_async(offsets, Some(Box::new(callback)))?;
    let mut said = None;
    while said.is_none() {
        consumer.poll(Duration::from_millis(50)).await?;
        said = *told.lock().unwrap_or_else(PoisonError::into_inner);
    }
    lab.say(format!("{:?}", said.unwrap_or_default()));
    say_committed(lab, &mut consumer, &topic).await?;
    consumer.close(Duration::from_secs(10)).await
}

/// Commits by the clock and at the end.
pub async fn auto_commit(lab: &Lab) -> Result<()> {
    for protocol in [CLASSIC, CONSUMER] {
        let topic = filled(lab, &format!("auto-{protocol}"), 3).await?;
        let group = format!("auto-{protocol}");
        let settings =
            [("group.id", group.as_str()), ("group.protocol", protocol), ("enable.auto.commit", "true")];
        let mut consumer = lab.consumer(&settings)?;
        consumer.subscribe([topic.clone()]).await?;
        lab.say(digest(&drain(&mut consumer, 90).await?));
        consumer.close(Duration::from_secs(10)).await?;
        let mut after = lab.consumer(&settings[..2])?;
        say_committed(lab, &mut after, &topic).await?;
        after.close(Duration::from_secs(10)).await?;
    }
    Ok(())
}

/// Commits that are refused.
pub async fn commit_misuse(lab: &Lab) -> Result<()> {
    let topic = filled(lab, "commit-misuse", 1).await?;
    let offsets = |offset| BTreeMap::from([(tp(&topic, 0), OffsetAndMetadata::new(offset))]);
    let mut alone = lab.consumer(&[])?;
    alone.assign([tp(&topic, 0)])?;
    lab.say_done("without a group", alone.commit_offsets(offsets(1)).await);
    lab.say_done("committed without a group", alone.committed([tp(&topic, 0)]).await);
    let mut member = lab.consumer(&[("group.id", "commit-misuse")])?;
    member.subscribe([topic.clone()]).await?;
    lab.say(digest(&drain(&mut member, 30).await?));
    // Who is no member must not commit for a group that has members.
    let mut stranger = lab.consumer(&[("group.id", "commit-misuse")])?;
    stranger.assign([tp(&topic, 0)])?;
    lab.say_done("a stranger", stranger.commit_offsets(offsets(2)).await);
    let negative = match member.commit_offsets(offsets(-4)).await {
        Err(Error::Illegal(_)) => "ILLEGAL".to_owned(),
        Err(error) => class(&error),
        Ok(()) => "ok".to_owned(),
    };
    lab.say(format!("a negative offset: {negative}"));
    let long = OffsetAndMetadata { offset: 1, leader_epoch: None, metadata: "x".repeat(5000).into() };
    lab.say_done("much metadata", member.commit_offsets(BTreeMap::from([(tp(&topic, 0), long)])).await);
    member.close(Duration::from_secs(10)).await
}

/// A poll that is ended from elsewhere.
pub async fn wakeup(lab: &Lab) -> Result<()> {
    let topic = lab.topic("wakeup", 1, &[]).await?;
    let mut consumer = lab.consumer(&[])?;
    consumer.assign([tp(&topic, 0)])?;
    consumer.wakeup_handle().wakeup();
    lab.say_done("poll", consumer.poll(Duration::from_secs(5)).await);
    lab.say_done("and again", consumer.poll(Duration::from_millis(10)).await);
    let handle = consumer.wakeup_handle();
    let later = async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        handle.wakeup();
    };
    let (polled, ()) = tokio::join!(consumer.poll(Duration::from_secs(60)), later);
    lab.say_done("in the middle", polled);
    consumer.close(Duration::from_secs(10)).await
}
