//! Consuming assigned partitions: positions, look-ups, what is visible.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::Result;
use ottla_client::admin::TimeoutOptions;
use ottla_client::consumer::{Consumer, OffsetAndMetadata};
use ottla_protocol::{Str, TopicPartition};
use tokio::time::Instant;

use crate::digest::digest;
use crate::lab::{BASE_MS, Lab, WAIT_MAX, drain, plain, tp, value};

/// A topic of three partitions with 100 records each.
async fn filled(lab: &Lab, name: &str) -> Result<Str> {
    let topic = lab.topic(name, 3, &[]).await?;
    for partition in 0..3 {
        lab.fill(&topic, partition, 100).await?;
    }
    Ok(topic)
}

/// Assign, seek, and where reading goes on.
pub async fn assign_and_seek(lab: &Lab) -> Result<()> {
    let topic = filled(lab, "seek").await?;
    let mut consumer = lab.consumer(&[])?;
    consumer.assign([tp(&topic, 0), tp(&topic, 1)])?;
    lab.say(digest(&drain(&mut consumer, 200).await?));
    consumer.seek(&tp(&topic, 0), 40)?;
    consumer.seek_to_beginning([tp(&topic, 1)])?;
    lab.say(digest(&drain(&mut consumer, 160).await?));
    consumer.seek_to_end([tp(&topic, 0)])?;
    lab.say_result("end", consumer.position(&tp(&topic, 0)).await);
    consumer.seek_to(
        &tp(&topic, 1),
        &OffsetAndMetadata { leader_epoch: Some(0), ..OffsetAndMetadata::new(97) },
    )?;
    lab.say(digest(&drain(&mut consumer, 3).await?));
    lab.say_result("lag", consumer.current_lag(&tp(&topic, 1)).map(|lag| lag.unwrap_or(-1)));
    // Partitions that stay keep their positions.
    consumer.assign([tp(&topic, 1), tp(&topic, 2)])?;
    lab.say_result("kept", consumer.position(&tp(&topic, 1)).await);
    lab.say(digest(&drain(&mut consumer, 100).await?));
    lab.say(format!("{:?}", consumer.assignment().iter().map(|tp| tp.partition).collect::<Vec<_>>()));
    consumer.assign(Vec::<TopicPartition>::new())?;
    lab.say_done("poll with nothing assigned", consumer.poll(Duration::ZERO).await);
    consumer.close(Duration::from_secs(10)).await
}

/// Offsets by time and at the ends, also of a log whose beginning was deleted.
pub async fn offsets(lab: &Lab) -> Result<()> {
    let topic = filled(lab, "times").await?;
    let mut consumer = lab.consumer(&[])?;
    let all = || (0..3).map(|partition| tp(&topic, partition));
    let before = BTreeMap::from([(tp(&topic, 2), 30)]);
    for result in lab.admin.delete_records(&before, &TimeoutOptions::default()).await.into_values() {
        lab.say_result("deleted before", result);
    }
    lab.say(format!("begin {:?}", consumer.beginning_offsets(all()).await?.values().collect::<Vec<_>>()));
    lab.say(format!("end {:?}", consumer.end_offsets(all()).await?.values().collect::<Vec<_>>()));
    for time in [0, BASE_MS, BASE_MS + 1, BASE_MS + 29_000, BASE_MS + 99_000, BASE_MS + 99_001] {
        let found = consumer.offsets_for_times(all().map(|tp| (tp, time)).collect()).await?;
        let found = found.values().map(|found| match found {
            Some(at) => format!("{}@{}/{}", at.offset, at.timestamp_ms, at.leader_epoch.unwrap_or(-1)),
            None => "null".to_owned(),
        });
        lab.say(format!("{} {}", time - BASE_MS, found.collect::<Vec<_>>().join(" ")));
    }
    lab.say_done("negative", consumer.offsets_for_times(BTreeMap::from([(tp(&topic, 0), -3)])).await);
    consumer.close(Duration::from_secs(10)).await
}

/// Partitions that are paused give nothing.
pub async fn pause(lab: &Lab) -> Result<()> {
    let topic = filled(lab, "pause").await?;
    let mut consumer = lab.consumer(&[("max.poll.records", "10")])?;
    consumer.assign([tp(&topic, 0), tp(&topic, 1)])?;
    consumer.pause([tp(&topic, 0)])?;
    let records = drain(&mut consumer, 100).await?;
    lab.say(digest(&records));
    lab.say(format!("{:?}", consumer.paused().iter().map(|tp| tp.partition).collect::<Vec<_>>()));
    consumer.resume([tp(&topic, 0)])?;
    lab.say(digest(&drain(&mut consumer, 100).await?));
    lab.say_done("pause what is not assigned", consumer.pause([tp(&topic, 2)]));
    consumer.close(Duration::from_secs(10)).await
}

/// No poll gives more than it may.
pub async fn max_poll_records(lab: &Lab) -> Result<()> {
    let topic = filled(lab, "few").await?;
    let mut consumer = lab.consumer(&[("max.poll.records", "7")])?;
    consumer.assign([tp(&topic, 0)])?;
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 100 {
        let count = consumer.poll(Duration::from_secs(5)).await?.len();
        if count > 0 {
            sizes.push(count);
        }
    }
    lab.say(format!("{sizes:?}"));
    consumer.close(Duration::from_secs(10)).await
}

/// Limits that are smaller than what there is.
pub async fn small_fetches(lab: &Lab) -> Result<()> {
    let topic = lab.topic("large", 1, &[]).await?;
    let producer = lab.producer(&[("linger.ms", "0")])?;
    for number in 0..20 {
        producer.send(plain(&topic, 0, &"x".repeat(1 + number * 3000))).await?.await?;
    }
    producer.close(Duration::from_secs(5)).await;
    let limits =
        [("max.partition.fetch.bytes", "100"), ("fetch.max.bytes", "200"), ("fetch.min.bytes", "50")];
    let mut consumer = lab.consumer(&limits)?;
    consumer.assign([tp(&topic, 0)])?;
    let sizes: Vec<usize> =
        drain(&mut consumer, 20).await?.iter().map(|record| value(record).len()).collect();
    lab.say(format!("{sizes:?}"));
    consumer.close(Duration::from_secs(10)).await
}

/// Where reading begins when nothing says where.
pub async fn reset(lab: &Lab) -> Result<()> {
    let topic = filled(lab, "reset").await?;
    for reset in ["earliest", "latest", "none", "by_duration:P3000D"] {
        let mut consumer = lab.consumer(&[("auto.offset.reset", reset), ("group.id", "reset")])?;
        consumer.assign([tp(&topic, 0)])?;
        lab.say_result(reset, consumer.position(&tp(&topic, 0)).await);
        consumer.seek(&tp(&topic, 0), 5000)?;
        let moved = await_move(&mut consumer, &tp(&topic, 0), 5000).await;
        lab.say_result(&format!("{reset} beyond the end"), moved);
        consumer.close(Duration::from_secs(10)).await?;
    }
    lab.say_done("someday", lab.consumer(&[("auto.offset.reset", "someday")]));
    Ok(())
}

/// The position once it is no longer `from`: the answer to a fetch, whenever it comes, moves it or is an error.
async fn await_move(consumer: &mut Consumer, tp: &TopicPartition, from: i64) -> Result<i64> {
    let end = Instant::now() + WAIT_MAX;
    while consumer.position(tp).await? == from && Instant::now() < end {
        consumer.poll(Duration::from_millis(300)).await?;
    }
    consumer.position(tp).await
}

/// Calls that are wrong.
pub async fn misuse(lab: &Lab) -> Result<()> {
    let topic = filled(lab, "misuse").await?;
    let mut consumer = lab.consumer(&[("group.id", "misuse")])?;
    lab.say_done("poll", consumer.poll(Duration::ZERO).await);
    consumer.assign([tp(&topic, 0)])?;
    lab.say_done("subscribe after assign", consumer.subscribe([topic.clone()]).await);
    lab.say_done("seek elsewhere", consumer.seek(&tp(&topic, 1), 0));
    lab.say_done("seek before the start", consumer.seek(&tp(&topic, 0), -1));
    lab.say_done("position elsewhere", consumer.position(&tp(&topic, 1)).await);
    lab.say_done("lag elsewhere", consumer.current_lag(&tp(&topic, 1)));
    consumer.unsubscribe().await?;
    consumer.subscribe([topic.clone()]).await?;
    lab.say_done("assign after subscribe", consumer.assign([tp(&topic, 0)]));
    lab.say_done("pattern after names", consumer.subscribe_pattern("a"));
    lab.say_done("an empty name", consumer.subscribe([""]).await);
    consumer.close(Duration::from_secs(10)).await?;
    let mut alone = lab.consumer(&[])?;
    lab.say_done("subscribe without a group", alone.subscribe([topic.clone()]).await);
    lab.say_done("group metadata without a group", alone.group_metadata());
    let wrong: [&[(&str, &str)]; 5] = [
        &[("isolation.level", "none")],
        &[("group.protocol", "modern")],
        &[("max.poll.records", "0")],
        &[("fetch.min.bytes", "-1")],
        &[("partition.assignment.strategy", "org.example.None")],
    ];
    for settings in wrong {
        lab.say_done(&format!("{settings:?}"), lab.consumer(settings));
    }
    Ok(())
}

/// What there is.
pub async fn lookups(lab: &Lab) -> Result<()> {
    let topic = lab.topic("found", 3, &[]).await?;
    let mut consumer = lab.consumer(&[("allow.auto.create.topics", "false")])?;
    let partitions = consumer.partitions_for(topic.clone()).await?;
    let partitions: Vec<i32> = partitions.iter().map(|partition| partition.partition).collect();
    lab.say(format!("{partitions:?}"));
    let all = consumer.list_topics().await?;
    lab.say(format!("listed {}", all.get(&topic).map_or(0, Vec::len)));
    lab.say_result("nothing", consumer.partitions_for(lab.name("nothing")).await.map(|all| all.len()));
    lab.say_done("a name that can't be", consumer.partitions_for("a b!").await);
    consumer.close(Duration::from_secs(10)).await?;
    // Who waits for a topic to come waits in vain.
    let mut consumer =
        lab.consumer(&[("allow.auto.create.topics", "false"), ("default.api.timeout.ms", "2000")])?;
    let missing = [TopicPartition::new(lab.name("nothing"), 0)];
    lab.say_done("end of nothing", consumer.end_offsets(missing.clone()).await);
    consumer.close(Duration::from_secs(10)).await
}

async fn read_all(lab: &Lab, topic: &Str, level: &str, count: usize) -> Result<(Consumer, Vec<String>)> {
    let mut consumer = lab.consumer(&[("isolation.level", level)])?;
    consumer.assign([tp(topic, 0)])?;
    let values = drain(&mut consumer, count).await?.iter().map(value).collect();
    Ok((consumer, values))
}

/// Committed, aborted and open transactions, to readers of both kinds.
pub async fn isolation(lab: &Lab) -> Result<()> {
    let topic = lab.topic("levels-of-isolation", 1, &[]).await?;
    let id = lab.name("isolation");
    let producer = lab.producer(&[("transactional.id", &id)])?;
    producer.init_transactions().await?;
    for (number, commits) in [true, false, true].into_iter().enumerate() {
        producer.begin_transaction()?;
        for record in 0..3 {
            producer.send(plain(&topic, 0, &format!("{number}.{record}"))).await?;
        }
        // An abort drops what has not been sent.
        producer.flush().await?;
        match commits {
            true => producer.commit_transaction().await?,
            false => producer.abort_transaction().await?,
        }
    }
    producer.begin_transaction()?;
    producer.send(plain(&topic, 0, "open")).await?.await?;
    lab.fill(&topic, 0, 1).await?;
    for (level, count) in [("read_committed", 6), ("read_uncommitted", 11)] {
        let (mut consumer, values) = read_all(lab, &topic, level, count).await?;
        lab.say(format!("{level} {}", values.join(" ")));
        let end = consumer.end_offsets([tp(&topic, 0)]).await?;
        lab.say(format!("{level} end {:?}", end.values().collect::<Vec<_>>()));
        lab.say_result("position", consumer.position(&tp(&topic, 0)).await);
        consumer.close(Duration::from_secs(10)).await?;
    }
    producer.abort_transaction().await?;
    let (consumer, values) = read_all(lab, &topic, "read_committed", 7).await?;
    lab.say(values.join(" "));
    consumer.close(Duration::from_secs(10)).await?;
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}
