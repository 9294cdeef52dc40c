//! Share consumers of one partition (KIP-932): each acknowledges what it got with its next fetch.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::share_acknowledge_request::{self as final_word, AcknowledgeTopic};
use ottla_protocol::messages::share_fetch_request::{AcknowledgementBatch, FetchPartition, FetchTopic};
use ottla_protocol::messages::{
    IncrementalAlterConfigsRequest, ResponseHeader, ShareAcknowledgeRequest, ShareFetchRequest,
    ShareFetchResponse, ShareGroupHeartbeatRequest,
};
use ottla_protocol::{ErrorCode, Message, Reader, Str, Uuid};
use rustix::event::{Timespec, epoll};

use super::Moved;
use super::coordinator::{self, GROUP};
use crate::stats::Random;
use crate::topic::{self, TIMEOUT, check};
use crate::wire::{Connection, frame};

const HEARTBEAT_VERSION: i16 = 1;
const SHARE_FETCH_VERSION: i16 = 2;
const SHARE_ACKNOWLEDGE_VERSION: i16 = 2;
/// `fetch.max.wait.ms`, `fetch.max.bytes` and `max.poll.records` of Java's consumer.
const WAIT_MAX_MS: i32 = 500;
const FETCH_BYTES_MAX: i32 = 50 << 20;
const POLL_RECORDS_MAX: i32 = 500;
/// A record was taken care of.
const ACCEPT: i8 = 1;
/// `ConfigResource.Type.GROUP`.
const GROUP_RESOURCE: i8 = 32;
/// Epoch of a member that leaves, and of a session that ends.
const FINAL_EPOCH: i32 = -1;
/// Answers looked for at once.
const EVENTS: usize = 64;

/// A new share group at the beginning of partition 0.
pub struct ShareGroup {
    consumers: Vec<Consumer>,
    epoll: std::os::fd::OwnedFd,
}

struct Consumer {
    connection: Connection,
    group: Str,
    topic: Str,
    topic_id: Uuid,
    member_id: Str,
    member_epoch: i32,
    assigned: bool,
    session_epoch: i32,
    /// Got, and not yet acknowledged: first and last offsets.
    acquired: Vec<(i64, i64)>,
}

impl ShareGroup {
    /// Joins; returns when each consumer has the partition.
    pub fn join(port: u16, group: &str, topic: &str, consumers: usize) -> Result<Self> {
        begin_at_the_beginning(port, group)?;
        let topic_id = topic::id(port, topic)?;
        let mut random = Random::new(super::batch::now_ms() as u64);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut all = Vec::with_capacity(consumers);
        for i in 0..consumers {
            let connection = Connection::open(port, TIMEOUT)?;
            epoll::add(&epoll, &connection, epoll::EventData::new_u64(i as u64), epoll::EventFlags::IN)?;
            let bits = (u128::from(random.bits()) << 64) | u128::from(random.bits());
            all.push(Consumer {
                connection,
                group: group.into(),
                topic: topic.into(),
                topic_id,
                member_id: Uuid::from_random(bits).to_string().into(),
                member_epoch: 0,
                assigned: false,
                session_epoch: 0,
                acquired: Vec::new(),
            });
        }
        let began = Instant::now();
        while !all.iter().all(|consumer| consumer.assigned) {
            ensure!(began.elapsed() < TIMEOUT, "not all consumers of a share group got the partition");
            for consumer in all.iter_mut().filter(|consumer| !consumer.assigned) {
                consumer.heartbeat()?;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { consumers: all, epoll })
    }

    /// All fetch and acknowledge for `time`, or until they got `records_max`; what they got.
    pub fn run(&mut self, time: Duration, records_max: u64) -> Result<Moved> {
        let mut moved = Moved::default();
        let (began, mut last) = (Instant::now(), Instant::now());
        for consumer in &mut self.consumers {
            consumer.fetch()?;
        }
        let mut under_way = self.consumers.len();
        let mut ready = Vec::with_capacity(EVENTS);
        while under_way > 0 {
            ready.clear();
            let wait = Timespec { tv_sec: TIMEOUT.as_secs() as i64, tv_nsec: 0 };
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&wait))?;
            ensure!(!ready.is_empty(), "{under_way} requests were not answered within {TIMEOUT:?}");
            for event in &ready {
                let consumer = &mut self.consumers[event.data.u64() as usize];
                let records = consumer.fetched()?;
                moved.requests += 1;
                moved.records += records;
                if records > 0 {
                    last = Instant::now();
                }
                ensure!(last.elapsed() < TIMEOUT, "share consumers get nothing more");
                if began.elapsed() < time && moved.records < records_max {
                    consumer.fetch()?;
                } else {
                    under_way -= 1;
                }
            }
        }
        moved.seconds = (last - began).as_secs_f64();
        Ok(moved)
    }

    /// Acknowledges the rest, and leaves.
    pub fn leave(self) -> Result<()> {
        self.consumers.into_iter().try_for_each(Consumer::leave)
    }
}

impl Consumer {
    fn heartbeat(&mut self) -> Result<()> {
        let joins = self.member_epoch == 0;
        let request = ShareGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.member_id.clone(),
            member_epoch: self.member_epoch,
            rack_id: None,
            subscribed_topic_names: joins.then(|| vec![self.topic.clone()]),
        };
        let answer = self.connection.call(&request, HEARTBEAT_VERSION)?;
        if ErrorCode::from_code(answer.error_code).is_retriable() {
            return Ok(());
        }
        check("ShareGroupHeartbeat", answer.error_code)?;
        self.member_epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            self.assigned = assignment.topic_partitions.iter().any(|topic| !topic.partitions.is_empty());
        }
        Ok(())
    }

    fn fetch(&mut self) -> Result<()> {
        let frame = frame(&self.request(), SHARE_FETCH_VERSION, 1)?;
        self.connection.send(&frame)
    }

    /// The partition is named when the session begins, and when there is something to acknowledge.
    fn request(&mut self) -> ShareFetchRequest {
        let batch = |(first_offset, last_offset)| AcknowledgementBatch {
            first_offset,
            last_offset,
            acknowledge_types: vec![ACCEPT],
        };
        let acknowledgement_batches: Vec<_> = self.acquired.drain(..).map(batch).collect();
        let named = self.session_epoch == 0 || !acknowledgement_batches.is_empty();
        let topic = || FetchTopic {
            topic_id: self.topic_id,
            partitions: vec![FetchPartition { partition_index: 0, acknowledgement_batches }],
        };
        ShareFetchRequest {
            group_id: Some(self.group.clone()),
            member_id: Some(self.member_id.clone()),
            share_session_epoch: self.session_epoch,
            max_wait_ms: WAIT_MAX_MS,
            min_bytes: 1,
            max_bytes: FETCH_BYTES_MAX,
            max_records: POLL_RECORDS_MAX,
            batch_size: POLL_RECORDS_MAX,
            topics: if named { vec![topic()] } else { Vec::new() },
            ..Default::default()
        }
    }

    /// Takes the answer; how many records it brought.
    fn fetched(&mut self) -> Result<u64> {
        let acquired = &mut self.acquired;
        self.connection.with_frame(|frame| {
            let mut reader = Reader::new(frame);
            ResponseHeader::decode(&mut reader, 1)?;
            take(&ShareFetchResponse::decode(&mut reader, SHARE_FETCH_VERSION)?, acquired)
        })?;
        self.session_epoch = self.session_epoch.checked_add(1).unwrap_or(1);
        Ok(self.acquired.iter().map(|(first, last)| last.abs_diff(*first) + 1).sum())
    }

    fn leave(mut self) -> Result<()> {
        let batch = |(first_offset, last_offset)| final_word::AcknowledgementBatch {
            first_offset,
            last_offset,
            acknowledge_types: vec![ACCEPT],
        };
        let acknowledgement_batches: Vec<_> = self.acquired.drain(..).map(batch).collect();
        let rest = !acknowledgement_batches.is_empty();
        let partition = final_word::AcknowledgePartition { partition_index: 0, acknowledgement_batches };
        let topic = AcknowledgeTopic { topic_id: self.topic_id, partitions: vec![partition] };
        let request = ShareAcknowledgeRequest {
            group_id: Some(self.group.clone()),
            member_id: Some(self.member_id.clone()),
            share_session_epoch: FINAL_EPOCH,
            topics: if rest { vec![topic] } else { Vec::new() },
            ..Default::default()
        };
        check("ShareAcknowledge", self.connection.call(&request, SHARE_ACKNOWLEDGE_VERSION)?.error_code)?;
        let request = ShareGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.member_id.clone(),
            member_epoch: FINAL_EPOCH,
            ..Default::default()
        };
        check("ShareGroupHeartbeat", self.connection.call(&request, HEARTBEAT_VERSION)?.error_code)
    }
}

/// Keeps what a response gives to the consumer. A partition can take a moment until its state was read.
fn take(response: &ShareFetchResponse, acquired: &mut Vec<(i64, i64)>) -> Result<()> {
    check("ShareFetch", response.error_code)?;
    for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
        if !ErrorCode::from_code(partition.error_code).is_retriable() {
            check("ShareFetch", partition.error_code)?;
        }
        check("ShareFetch, acknowledging", partition.acknowledge_error_code)?;
        acquired.extend(partition.acquired_records.iter().map(|run| (run.first_offset, run.last_offset)));
    }
    Ok(())
}

/// Share groups begin at the end, if nobody says otherwise.
fn begin_at_the_beginning(port: u16, group: &str) -> Result<()> {
    let mut connection = Connection::open(port, TIMEOUT)?;
    let earliest = AlterableConfig {
        name: Str::from_static("share.auto.offset.reset"),
        config_operation: 0,
        value: Some(Str::from_static("earliest")),
    };
    let resource = AlterConfigsResource {
        resource_type: GROUP_RESOURCE,
        resource_name: group.into(),
        configs: vec![earliest],
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    for answer in connection.call(&request, 1)?.responses {
        check("IncrementalAlterConfigs", answer.error_code)?;
    }
    coordinator::find(&mut connection, GROUP, group)
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::share_fetch_response::{
        AcquiredRecords, PartitionData, ShareFetchableTopicResponse,
    };

    use super::*;

    fn response(code: ErrorCode, acquired: &[(i64, i64)]) -> ShareFetchResponse {
        let run = |(first_offset, last_offset): &(i64, i64)| AcquiredRecords {
            first_offset: *first_offset,
            last_offset: *last_offset,
            delivery_count: 1,
        };
        let partition = PartitionData {
            error_code: code.code(),
            acquired_records: acquired.iter().map(run).collect(),
            ..Default::default()
        };
        let topic = ShareFetchableTopicResponse { topic_id: Uuid::ONE, partitions: vec![partition] };
        ShareFetchResponse { responses: vec![topic], ..Default::default() }
    }

    #[test]
    fn what_is_acquired_is_kept_for_the_next_fetch() {
        let mut acquired = Vec::new();
        take(&response(ErrorCode::None, &[(0, 14), (15, 29)]), &mut acquired).expect("records");
        take(&response(ErrorCode::CoordinatorLoadInProgress, &[]), &mut acquired).expect("later");
        assert_eq!(acquired, [(0, 14), (15, 29)]);
        assert!(take(&response(ErrorCode::UnknownServerError, &[]), &mut acquired).is_err());
    }
}
