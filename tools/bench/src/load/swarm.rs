//! Many producers on one thread, each with one request under way: a new one leaves when its answer has come.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::event::{Timespec, epoll};

use super::Moved;
use super::batch::{BatchKind, acknowledged, produce_frame};
use crate::histogram::Histogram;
use crate::topic::TIMEOUT;
use crate::wire::Connection;

/// Answers looked for at once.
const EVENTS: usize = 256;

/// A load of many producers.
#[derive(Clone, Copy)]
pub struct Swarm {
    /// What a request carries.
    pub batch: BatchKind,
    /// As in the protocol.
    pub acks: i16,
    /// Connections; producer `i` writes to partition `i % partitions`.
    pub producers: usize,
    /// Partitions of the topic.
    pub partitions: usize,
}

/// One producer.
struct Member {
    connection: Connection,
    sent: Instant,
}

impl Swarm {
    /// Connects all, then produces for `time`; what was moved after the last had connected, and how long each request
    /// took. `begun` is called in between.
    pub fn run<T>(
        self,
        port: u16,
        topic: &str,
        time: Duration,
        begun: impl FnOnce() -> Result<T>,
    ) -> Result<(Moved, Histogram, T)> {
        let batch = self.batch.batch()?;
        let frames: Vec<Vec<u8>> = (0..self.partitions)
            .map(|partition| produce_frame(topic, self.acks, [(partition as i32, batch.bytes.clone())]))
            .collect::<Result<_>>()?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut members = Vec::with_capacity(self.producers);
        for i in 0..self.producers {
            let connection = Connection::one_of_many(port, TIMEOUT, i)?;
            epoll::add(&epoll, &connection, epoll::EventData::new_u64(i as u64), epoll::EventFlags::IN)?;
            members.push(Member { connection, sent: Instant::now() });
        }
        let begun = begun()?;
        let began = Instant::now();
        for (i, member) in members.iter_mut().enumerate() {
            member.send(&frames[i % self.partitions])?;
        }
        let (mut took, mut under_way) = (Histogram::default(), self.producers);
        let mut ready = Vec::with_capacity(EVENTS);
        while under_way > 0 {
            ready.clear();
            let wait = Timespec { tv_sec: TIMEOUT.as_secs() as i64, tv_nsec: 0 };
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), Some(&wait))?;
            ensure!(!ready.is_empty(), "{under_way} requests were not answered within {TIMEOUT:?}");
            for event in &ready {
                let i = event.data.u64() as usize;
                let member = &mut members[i];
                acknowledged(&mut member.connection)?;
                took.add(member.sent.elapsed());
                if began.elapsed() < time {
                    member.send(&frames[i % self.partitions])?;
                } else {
                    under_way -= 1;
                }
            }
        }
        let requests = took.count();
        let (records, bytes) = (requests * batch.records, requests * batch.value_bytes);
        Ok((Moved { bytes, records, requests, seconds: began.elapsed().as_secs_f64() }, took, begun))
    }
}

impl Member {
    fn send(&mut self, frame: &[u8]) -> Result<()> {
        self.sent = Instant::now();
        self.connection.send(frame)
    }
}
