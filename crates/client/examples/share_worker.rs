//! A worker of a share group: takes jobs one by one, and says of each what became of it. Start as many as you like;
//! each job goes to one of them, and comes back to another if its worker fails or dies.
//!
//! `cargo run --example share_worker -- localhost:9092 jobs workers`

use std::time::Duration;

use ottla_client::config::Properties;
use ottla_client::record::ConsumerRecord;
use ottla_client::share::{AcknowledgeType, ShareConsumer};

/// A job that failed this often is given up.
const ATTEMPTS_MAX: i16 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ottla_client::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut arg = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let (servers, topic, group) = (arg("localhost:9092"), arg("jobs"), arg("workers"));
    let properties: Properties = [
        ("bootstrap.servers", servers.as_str()),
        ("group.id", group.as_str()),
        ("share.acknowledgement.mode", "explicit"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();

    let mut consumer = ShareConsumer::from_properties(&properties)?;
    consumer.set_acknowledgement_commit_callback(Some(Box::new(|partition, offsets, error| {
        if let Some(error) = error {
            eprintln!("{}-{}: {offsets:?} were not taken: {error}", partition.topic, partition.partition);
        }
    })));
    consumer.subscribe([topic])?;
    loop {
        let jobs = tokio::select! {
            jobs = consumer.poll(Duration::from_secs(1)) => jobs?,
            _ = tokio::signal::ctrl_c() => break,
        };
        for job in &jobs {
            let what = if work(job) {
                AcknowledgeType::Accept
            } else if job.delivery_count.unwrap_or(1) < ATTEMPTS_MAX {
                AcknowledgeType::Release
            } else {
                AcknowledgeType::Reject
            };
            consumer.acknowledge(job, what)?;
        }
        // Without this the acknowledgements would leave with the next poll.
        for (partition, result) in consumer.commit().await? {
            if let Err(error) = result {
                eprintln!("{}-{}: {error}", partition.topic, partition.partition);
            }
        }
    }
    consumer.close(Duration::from_secs(10)).await
}

/// Whether the job succeeded: here, whether it is text.
fn work(job: &ConsumerRecord) -> bool {
    let text = job.value.as_deref().map(std::str::from_utf8);
    match text {
        Some(Ok(text)) => println!("{}-{} {}: {text}", job.topic, job.partition, job.offset),
        _ => return false,
    }
    true
}
