//! A producer that goes round thousands of topics, so that whatever a broker looks up by topic is looked up anew.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{CreateTopicsRequest, ProduceRequest};
use ottla_protocol::{Records, Str};

use super::Moved;
use super::batch::{BatchKind, PRODUCE_VERSION, acknowledged};
use crate::secure::Door;
use crate::topic::{TIMEOUT, check};
use crate::wire::{Connection, frame, set_correlation_id};

/// Topics in a request.
const TOPICS_PER_REQUEST: usize = 10;
/// Topics that a controller is asked to create at once.
const TOPICS_PER_CREATION: usize = 500;
/// Requests under way at once.
const IN_FLIGHT: u64 = 5;

/// Until a broker knows that it leads all of them. Apache Kafka makes ten thousand logs after it has said that the topics are there.
const SETTLED_WITHIN: Duration = Duration::from_secs(300);

/// Requests that together write to each topic once.
pub struct ManyTopics {
    frames: Vec<Vec<u8>>,
    records_each: u64,
}

/// Creates topics of one partition each.
pub fn create(port: u16, names: &[String]) -> Result<()> {
    let mut connection = Connection::open(port, TIMEOUT)?;
    for names in names.chunks(TOPICS_PER_CREATION) {
        let topic = |name: &String| CreatableTopic {
            name: name.as_str().into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let topics = names.iter().map(topic).collect();
        let request = CreateTopicsRequest { topics, timeout_ms: 30_000, validate_only: false };
        let answer = connection.call(&request, 7)?;
        answer.topics.iter().try_for_each(|topic| check("CreateTopics", topic.error_code))?;
    }
    Ok(())
}

impl ManyTopics {
    /// A batch of this kind for each of these topics.
    pub fn new(names: &[String], kind: BatchKind) -> Result<Self> {
        let batch = kind.batch()?;
        let request = |names: &[String]| {
            let topic = |name: &String| TopicProduceData {
                name: Str::from(name.as_str()),
                partition_data: vec![PartitionProduceData {
                    index: 0,
                    records: Some(Records::Bytes(batch.bytes.clone())),
                }],
                ..Default::default()
            };
            let topic_data = names.iter().map(topic).collect();
            let request = ProduceRequest { acks: 1, timeout_ms: 30_000, topic_data, ..Default::default() };
            frame(&request, PRODUCE_VERSION, 0)
        };
        let frames = names.chunks(TOPICS_PER_REQUEST).map(request).collect::<Result<_>>()?;
        Ok(Self { frames, records_each: batch.records * TOPICS_PER_REQUEST as u64 })
    }

    /// Writes to each once, until all take it: leaders and rights can take a moment to be known.
    pub fn settle(&mut self, door: &Door) -> Result<()> {
        let began = Instant::now();
        while let Err(why) = self.round(door) {
            ensure!(began.elapsed() < SETTLED_WITHIN, "{why:#}");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn round(&mut self, door: &Door) -> Result<()> {
        let mut connection = Connection::open(door, TIMEOUT)?;
        self.frames.iter().try_for_each(|frame| {
            connection.send(frame)?;
            acknowledged(&mut connection).map(|_| ())
        })
    }

    /// Goes round for `time`, pipelined. Bytes are not counted.
    pub fn run(&mut self, door: &Door, time: Duration) -> Result<Moved> {
        let mut connection = Connection::open(door, TIMEOUT)?;
        let began = Instant::now();
        let (mut sent, mut moved) = (0_u64, Moved::default());
        let count = self.frames.len() as u64;
        while began.elapsed() < time || moved.requests < sent {
            while began.elapsed() < time && sent - moved.requests < IN_FLIGHT {
                let frame = &mut self.frames[(sent % count) as usize];
                set_correlation_id(frame, sent as i32);
                connection.send(frame)?;
                sent += 1;
            }
            if moved.requests < sent {
                acknowledged(&mut connection)?;
                moved.requests += 1;
                moved.records += self.records_each;
            }
        }
        moved.seconds = began.elapsed().as_secs_f64();
        Ok(moved)
    }
}
