//! A member of a group that writes down what it gets, as the members of `../../packages` do in other languages; and who feeds them.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ottla_client::config::Properties;
use ottla_client::consumer::{Consumer, ListenerFuture, OffsetAndMetadata, RebalanceListener};
use ottla_client::producer::Producer;
use ottla_client::record::ProducerRecord;
use ottla_client::{Error, Result};
use ottla_protocol::{Str, TopicPartition};
use tokio::signal::unix::{SignalKind, signal};

/// The log: `time_ns event partition offset crc32` (`../../packages/suite.py`).
#[derive(Clone)]
struct Log(Arc<Mutex<BufWriter<File>>>);

impl Log {
    fn say(&self, event: char, partition: i32, offset: i64, crc: u32) -> Result<()> {
        let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(out, "{now_ns} {event} {partition} {offset} {crc}").map_err(io)
    }

    fn flush(&self) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush().map_err(io)
    }
}

/// Why a file or socket failed.
pub fn io(error: std::io::Error) -> Error {
    Error::Illegal(error.to_string())
}

/// CRC-32 of what zlib has, over pieces.
fn crc32(pieces: &[&[u8]]) -> u32 {
    let mut crc = !0u32;
    for byte in pieces.iter().copied().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

struct Listener(Log);

impl Listener {
    fn say_all<'a>(&self, event: char, partitions: &[TopicPartition]) -> ListenerFuture<'a> {
        let said = partitions.iter().try_for_each(|tp| self.0.say(event, tp.partition, -1, 0));
        Box::pin(std::future::ready(said.and_then(|()| self.0.flush())))
    }
}

impl RebalanceListener for Listener {
    fn on_partitions_assigned<'a>(
        &'a mut self,
        _consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.say_all('P', partitions)
    }

    fn on_partitions_revoked<'a>(
        &'a mut self,
        _consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.say_all('V', partitions)
    }
}

fn properties(bootstrap: &str, settings: &[&str]) -> Properties {
    let own = settings.iter().filter_map(|setting| setting.split_once('='));
    let all = [("bootstrap.servers", bootstrap)].into_iter().chain(own);
    all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Reads and commits until SIGTERM.
pub async fn run(bootstrap: &str, group: &str, topic: &str, log: &str, settings: &[&str]) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(log).map_err(io)?;
    let log = Log(Arc::new(Mutex::new(BufWriter::new(file))));
    let mut properties = properties(bootstrap, settings);
    for (key, value) in
        [("group.id", group), ("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")]
    {
        properties.insert(key.to_owned(), value.to_owned());
    }
    let mut consumer = Consumer::from_properties(&properties)?;
    consumer.subscribe_with([Str::from(topic)], Listener(log.clone())).await?;
    let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
    loop {
        let records = tokio::select! {
            records = consumer.poll(Duration::from_millis(300)) => records?,
            _ = terminate.recv() => break,
        };
        let mut next = BTreeMap::new();
        for record in &records {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            let crc = crc32(&[key.unwrap_or_default(), value.unwrap_or_default()]);
            log.say('R', record.partition, record.offset, crc)?;
            let at = OffsetAndMetadata::new(record.offset + 1);
            next.insert(TopicPartition::new(record.topic.clone(), record.partition), at);
        }
        for (tp, at) in &next {
            log.say('C', tp.partition, at.offset, 0)?;
        }
        log.flush()?;
        if !next.is_empty() {
            match consumer.commit_offsets(next.clone()).await {
                Ok(()) => {
                    for (tp, at) in &next {
                        log.say('A', tp.partition, at.offset, 0)?;
                    }
                }
                Err(error) => eprintln!("commit: {error}"),
            }
            log.flush()?;
        }
    }
    consumer.close(Duration::from_secs(20)).await?;
    log.flush()
}

/// Sends numbered records to all partitions in turn, so many in a second, until SIGTERM; says how many there were.
pub async fn feed(bootstrap: &str, topic: &str, partitions: i32, per_second: u64) -> Result<()> {
    let producer = Producer::from_properties(&properties(bootstrap, &["linger.ms=5"]))?;
    let topic = Str::from(topic);
    let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let (mut number, mut last) = (0u64, None);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = terminate.recv() => break,
        }
        for _ in 0..(per_second / 50).max(1) {
            let record = ProducerRecord {
                topic: topic.clone(),
                partition: Some(number as i32 % partitions),
                key: Some(Bytes::from(format!("k{number}"))),
                value: Some(Bytes::from(format!("v{number}"))),
                ..Default::default()
            };
            last = Some(producer.send(record).await?);
            number += 1;
        }
    }
    producer.flush().await?;
    if let Some(last) = last {
        last.await?;
    }
    println!("DONE {number}");
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}
