//! Writes to several topics so that all of it becomes visible, or none.
//!
//! `cargo run --example transactions -- localhost:9092 orders payments`

use std::time::Duration;

use ottla_client::consumer::{ConsumerGroupMetadata, OffsetAndMetadata};
use ottla_client::producer::{Advice, Producer};
use ottla_client::record::ProducerRecord;
use ottla_client::{Error, Result};
use ottla_protocol::TopicPartition;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let servers = arguments.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let mut topics: Vec<String> = arguments.collect();
    if topics.is_empty() {
        topics = vec!["orders".to_owned(), "payments".to_owned()];
    }

    let producer = Producer::builder([servers]).transactional_id("example-transactions").build()?;
    // Whoever had this transactional id before is locked out from here on.
    producer.init_transactions().await?;
    for number in 0..10 {
        let refuse = number % 3 == 2;
        match transaction(&producer, &topics, number, refuse).await {
            Ok(()) => println!("transaction {number}: committed"),
            Err(error) if Advice::of(&error) == Advice::Recreate || producer.is_fatal() => return Err(error),
            Err(error) => {
                producer.abort_transaction().await?;
                println!("transaction {number}: aborted ({error})");
            }
        }
    }
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}

async fn transaction(producer: &Producer, topics: &[String], number: i64, refuse: bool) -> Result<()> {
    producer.begin_transaction()?;
    for topic in topics {
        let value = format!("{topic} of transaction {number}");
        let record =
            ProducerRecord { topic: topic.as_str().into(), value: Some(value.into()), ..Default::default() };
        // Not awaited further: the commit waits for all records, and fails when one of them has failed.
        producer.send(record).await?;
    }
    // Where the input was read up to is part of the transaction as well.
    let offsets = [(TopicPartition::new(topics[0].as_str(), 0), OffsetAndMetadata::new(number))];
    producer.send_offsets_to_transaction(offsets, &ConsumerGroupMetadata::new("example")).await?;
    if refuse {
        return Err(Error::Illegal("the application changed its mind".to_owned()));
    }
    producer.commit_transaction().await
}
