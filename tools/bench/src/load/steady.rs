//! Thousands of producers that each send a record a second, on one thread, by a timetable.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{Timespec, epoll};

use super::Moved;
use super::batch::{BatchKind, acknowledged, produce_frame};
use crate::histogram::Histogram;
use crate::topic::TIMEOUT;
use crate::wire::Connection;

/// Answers looked for at once.
const EVENTS: usize = 256;
/// How often each sends.
const PERIOD: Duration = Duration::from_secs(1);

/// A load of many slow producers.
#[derive(Clone, Copy)]
pub struct Steady {
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
    /// When its requests that are not answered were due; the first of them is under way.
    due: VecDeque<Instant>,
}

impl Steady {
    /// Connects all, then produces for `time`; how long each request took from when it was due. `begun` is called in
    /// between.
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
            members.push(Member { connection, due: VecDeque::new() });
        }
        let begun = begun()?;
        let began = Instant::now();
        let gap = PERIOD / self.producers.max(1) as u32;
        let wanted = (time.as_nanos() / gap.as_nanos().max(1)).max(1) as u64;
        let (mut sent, mut took) = (0_u64, Histogram::default());
        let mut ready = Vec::with_capacity(EVENTS);
        while took.count() < wanted {
            let next = began + gap.mul_f64(sent as f64);
            if sent < wanted && next <= Instant::now() {
                let i = sent as usize % self.producers;
                members[i].due.push_back(next);
                if members[i].due.len() == 1 {
                    members[i].connection.send(&frames[i % self.partitions])?;
                }
                sent += 1;
            }
            let wait = if sent < wanted { next.saturating_duration_since(Instant::now()) } else { TIMEOUT };
            let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
            ready.clear();
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), Some(&wait))?;
            ensure!(
                sent < wanted || !ready.is_empty(),
                "{} requests were not answered",
                wanted - took.count()
            );
            for event in &ready {
                let i = event.data.u64() as usize;
                let member = &mut members[i];
                acknowledged(&mut member.connection)?;
                let due = member.due.pop_front().context("an answer to nothing")?;
                took.add(due.elapsed());
                if !member.due.is_empty() {
                    member.connection.send(&frames[i % self.partitions])?;
                }
            }
        }
        let requests = took.count();
        let (records, bytes) = (requests * batch.records, requests * batch.value_bytes);
        Ok((Moved { bytes, records, requests, seconds: began.elapsed().as_secs_f64() }, took, begun))
    }
}
