//! Sends records and says how quickly they were written.
//!
//! `cargo run --release --example producer -- localhost:9092 my-topic 1000000 100 [key=value ...]`
//!
//! The numbers are how many records, and bytes of each value; settings are Kafka's own.

use std::time::{Duration, Instant};

use ottla_client::config::Properties;
use ottla_client::producer::Producer;
use ottla_client::record::ProducerRecord;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let servers = arguments.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = arguments.next().unwrap_or_else(|| "my-topic".to_owned());
    let count: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let size: usize = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let mut properties = Properties::from([("bootstrap.servers".to_owned(), servers)]);
    for setting in arguments {
        let (key, value) = setting.split_once('=').ok_or("settings are key=value")?;
        properties.insert(key.to_owned(), value.to_owned());
    }

    let producer = Producer::from_properties(&properties)?;
    let topic = ottla_protocol::Str::from(topic);
    let value = bytes::Bytes::from(vec![b'x'; size]);
    let began = Instant::now();
    let mut last = None;
    for _ in 0..count {
        let record =
            ProducerRecord { topic: topic.clone(), value: Some(value.clone()), ..Default::default() };
        // Waits only while `buffer.memory` is full; what becomes of the record is asked for below.
        last = Some(producer.send(record).await?);
    }
    producer.flush().await?;
    let seconds = began.elapsed().as_secs_f64();
    if let Some(last) = last {
        println!("last record: {:?}", last.await?);
    }
    println!(
        "{count} records in {seconds:.2} s: {:.0} records/s, {:.1} MB/s",
        count as f64 / seconds,
        (count * size as u64) as f64 / seconds / 1e6
    );
    for (name, value) in producer.metrics() {
        println!("{name:32} {value:.1}");
    }
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}
