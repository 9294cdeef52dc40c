//! Writes records to a topic and prints how fast it did.
//!
//! ```text
//! cargo run --release -p ottla-client --example producer_rate -- localhost:9092 topic records bytes batch.size
//! ```

use std::time::Instant;

use bytes::Bytes;
use ottla_client::producer::Producer;
use ottla_client::record::ProducerRecord;
use ottla_client::{Error, Result};
use ottla_protocol::Str;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [servers, topic, numbers @ ..] = arguments.as_slice() else {
        eprintln!("usage: producer_rate BOOTSTRAP-SERVERS TOPIC RECORDS BYTES BATCH-SIZE");
        return Ok(());
    };
    let numbers: Vec<usize> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let [records, size, batch_size] = numbers.as_slice() else {
        return Err(Error::Illegal("RECORDS, BYTES and BATCH-SIZE must be numbers".to_owned()));
    };
    let payloads: Vec<Bytes> =
        (0..1000).map(|i| (0..*size).map(|at| b'A' + ((at * 31 + i * 7) % 26) as u8).collect()).collect();
    let producer = Producer::builder([servers.as_str()]).batch_size(*batch_size).build()?;
    let topic = Str::from(topic.as_str());
    let start = Instant::now();
    let mut last = None;
    for payload in payloads.iter().cycle().take(*records) {
        let record =
            ProducerRecord { topic: topic.clone(), value: Some(payload.clone()), ..Default::default() };
        last = Some(producer.send(record).await?);
    }
    producer.flush().await?;
    if let Some(last) = last {
        last.await?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let failed = producer.metrics().into_iter().find(|(name, _)| *name == "record-error-total");
    println!("{records} records in {seconds:.3} s: {} records/sec", *records as f64 / seconds);
    println!("{failed:?}");
    Ok(())
}
