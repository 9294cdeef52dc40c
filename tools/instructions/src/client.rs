//! What a client does for each record.

use std::hint::black_box;

use anyhow::{Result, ensure};
use ottla_client::consumer::counted::read_answer;
use ottla_client::producer::counted::CountedProducer;
use ottla_protocol::TopicPartition;
use ottla_protocol::records::BatchOptions;

use crate::Body;
use crate::records::batch;

/// Few large records into a batch, which is sealed, sent and answered.
pub fn send_large() -> Result<Body> {
    send(15, 1024)
}

/// Many small ones.
pub fn send_small() -> Result<Body> {
    send(140, 100)
}

fn send(records: usize, size: usize) -> Result<Body> {
    let mut producer = CountedProducer::new(size, 16 << 10);
    Ok(Box::new(move || {
        ensure!(producer.round(records)? > records * size, "no batch");
        Ok(())
    }))
}

/// Few large records out of an answer.
pub fn read_large() -> Result<Body> {
    read(15, 1024)
}

/// Many small ones.
pub fn read_small() -> Result<Body> {
    read(140, 100)
}

fn read(records: usize, size: usize) -> Result<Body> {
    let bytes = batch(records, size, BatchOptions::default())?;
    let partition = TopicPartition::new("topic".to_owned(), 0);
    Ok(Box::new(move || {
        let found = read_answer(&partition, &bytes)?;
        ensure!(found.len() == records, "{} records", found.len());
        black_box(&found);
        Ok(())
    }))
}
