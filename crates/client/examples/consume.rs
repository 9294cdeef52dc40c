//! Reads topics as a member of a group and prints their records, until Ctrl-C. Arguments with `=` are settings.
//!
//! ```text
//! cargo run -p ottla-client --example consume -- localhost:9092 my-group topic [topic ...] [group.protocol=consumer]
//! ```

use std::time::Duration;

use ottla_client::config::Properties;
use ottla_client::consumer::{Consumer, ListenerFuture, RebalanceListener};
use ottla_client::{Error, Result};
use ottla_protocol::TopicPartition;

/// Commits what was read before partitions go to another member.
struct CommitFirst;

impl RebalanceListener for CommitFirst {
    fn on_partitions_assigned<'a>(
        &'a mut self,
        _consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        Box::pin(async move {
            eprintln!("assigned: {partitions:?}");
            Ok(())
        })
    }

    fn on_partitions_revoked<'a>(
        &'a mut self,
        consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        Box::pin(async move {
            eprintln!("revoked: {partitions:?}");
            consumer.commit().await
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(servers), Some(group)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: consume BOOTSTRAP-SERVERS GROUP TOPIC...");
        return Ok(());
    };
    let (settings, topics): (Vec<String>, Vec<String>) =
        arguments.partition(|argument| argument.contains('='));
    let mut properties = Properties::from(
        [
            ("bootstrap.servers", servers.as_str()),
            ("group.id", group.as_str()),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    properties.extend(settings.iter().filter_map(|setting| {
        setting.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
    }));
    let mut consumer = Consumer::from_properties(&properties)?;
    consumer.subscribe_with(topics, CommitFirst).await?;

    let wakeup = consumer.wakeup_handle();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            wakeup.wakeup();
        }
    });
    loop {
        match consumer.poll(Duration::from_secs(1)).await {
            Ok(records) => {
                for record in &records {
                    let value = record.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                    println!("{}-{} {}: {value}", record.topic, record.partition, record.offset);
                }
                if !records.is_empty() {
                    consumer.commit().await?;
                }
            }
            Err(Error::Wakeup) => break,
            Err(error) if error.is_retriable() => eprintln!("{error}"),
            Err(error) => return Err(error),
        }
    }
    consumer.close(Duration::from_secs(30)).await
}
