//! Reads a topic's partitions from the start and prints how fast it did.
//!
//! ```text
//! cargo run --release -p ottla-client --example consumer_rate -- localhost:9092 topic records
//! ```

use std::time::{Duration, Instant};

use ottla_client::config::Properties;
use ottla_client::consumer::Consumer;
use ottla_client::{Error, Result};
use ottla_protocol::TopicPartition;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [servers, topic, records] = arguments.as_slice() else {
        eprintln!("usage: consumer_rate BOOTSTRAP-SERVERS TOPIC RECORDS");
        return Ok(());
    };
    let wanted: usize = records.parse().map_err(|_| Error::Illegal("RECORDS is no number".to_owned()))?;
    let properties = Properties::from(
        [("bootstrap.servers", servers.as_str()), ("auto.offset.reset", "earliest")]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let mut consumer = Consumer::from_properties(&properties)?;
    let partitions = consumer.partitions_for(topic.as_str()).await?;
    consumer.assign(partitions.iter().map(|info| TopicPartition::new(info.topic.clone(), info.partition)))?;
    let start = Instant::now();
    let (mut count, mut bytes) = (0, 0);
    while count < wanted {
        let batch = consumer.poll(Duration::from_secs(5)).await?;
        if batch.is_empty() && batch.next_offsets().is_empty() {
            break;
        }
        count += batch.len();
        bytes +=
            batch.iter().map(|record| record.value.as_ref().map_or(0, |value| value.len())).sum::<usize>();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} records, {bytes} bytes in {seconds:.3} s: {:.0} records/s", count as f64 / seconds);
    println!("{:?}", consumer.metrics().snapshot());
    consumer.close(Duration::from_secs(5)).await
}
