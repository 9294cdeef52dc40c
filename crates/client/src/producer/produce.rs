//! Produce requests and their answers.

use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use bytes::Bytes;
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::produce_response::PartitionProduceResponse;
use ottla_protocol::messages::{ProduceRequest, ProduceResponse};
use ottla_protocol::types::Records;
use ottla_protocol::{ErrorCode, Message, Str, Uuid};
use tokio::time::Instant;
use tracing::warn;

use super::batch::BatchId;
use super::config::Acks;
use super::core::{Answer, Drained};
use super::shared::Shared;
use crate::cluster::{ConnectionId, Node, Submitted};
use crate::{Error, Result};

/// Last version before brokers add partitions to transactions by themselves (KIP-890).
const LAST_VERSION_V1: i16 = 11;

/// Last version that names topics.
const LAST_VERSION_NAMES: i16 = 12;

/// A request without answer.
pub(super) struct InFlight {
    /// Where it went.
    pub connection: ConnectionId,
    batches: Vec<Sent>,
    sent: Instant,
    answer: Submitted<ProduceRequest>,
}

/// A batch in a request.
struct Sent {
    id: BatchId,
    topic: Str,
    topic_id: Uuid,
    partition: i32,
    bytes: Bytes,
}

/// Builds batches and hands them to a node. Nothing when they can't be sent: they will be tried again, or have failed.
pub(super) fn send(shared: &Shared, connection: ConnectionId, drained: Vec<Drained>) -> Option<InFlight> {
    let batches = build(shared, drained);
    if batches.is_empty() {
        shared.settle();
        return None;
    }
    let acks = shared.config.acks;
    let (transactional_id, is_v1) = {
        let core = shared.core.lock();
        let txn = core.txn.as_ref().filter(|txn| txn.is_transactional());
        (txn.and_then(|txn| txn.transactional_id().cloned()), txn.is_some_and(|txn| !txn.is_v2()))
    };
    let highest = match () {
        () if is_v1 => LAST_VERSION_V1,
        () if batches.iter().any(|batch| batch.topic_id.is_zero()) => LAST_VERSION_NAMES,
        () => ProduceRequest::MAX_VERSION,
    };
    let timeout = shared.config.client.request_timeout;
    let request = |_version: i16| {
        Ok(ProduceRequest {
            transactional_id,
            acks: acks.id(),
            timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
            topic_data: topic_data(&batches),
        })
    };
    let sent = Instant::now();
    match shared.cluster.submit_as(connection, highest, request, acks != Acks::None, sent + timeout) {
        Ok(answer) => Some(InFlight { connection, batches, sent, answer }),
        Err(error) => {
            fail(shared, connection.node, batches, &error);
            None
        }
    }
}

impl InFlight {
    /// Looks for the answer.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ProduceResponse>> {
        self.answer.as_mut().poll(cx).map(|answer| answer.map(|(_, response)| response))
    }

    /// Tells the core.
    pub fn handle(self, shared: &Shared, answer: Result<ProduceResponse>) {
        let latency = self.sent.elapsed().as_millis();
        shared.metrics.request_latency.add(u64::try_from(latency).unwrap_or(u64::MAX));
        match answer {
            Ok(_) if shared.config.acks == Acks::None => {
                let written = Answer::of(ErrorCode::None, None);
                for batch in self.batches {
                    tell(shared, batch, &written);
                }
                shared.settle();
            }
            Ok(response) => handle_response(shared, self.batches, &response),
            Err(error) => fail(shared, self.connection.node, self.batches, &error),
        }
    }
}

fn build(shared: &Shared, drained: Vec<Drained>) -> Vec<Sent> {
    let metadata = shared.cluster.metadata();
    let metrics = &shared.metrics;
    let mut batches = Vec::with_capacity(drained.len());
    let mut records = 0;
    for batch in drained {
        let (id, key, size, is_new) = (batch.id, batch.key, batch.size, batch.is_new());
        records += u64::from(batch.record_count);
        if is_new {
            metrics.queue_time.add(batch.queued_ms.unsigned_abs());
        }
        let built = batch.build();
        let mut core = shared.core.lock();
        match built {
            Ok(bytes) => {
                if is_new && shared.config.compression != ottla_protocol::records::Compression::None {
                    core.see_compression(key.topic, size, bytes.len());
                }
                let topic = core.topic_name(key);
                drop(core);
                metrics.batch_size.add(bytes.len() as u64);
                metrics.bytes_sent.fetch_add(bytes.len() as u64, Relaxed);
                metrics.bytes_built.fetch_add(size as u64, Relaxed);
                let topic_id = metadata.topic(&topic).map(|topic| topic.id).unwrap_or_default();
                batches.push(Sent { id, topic, topic_id, partition: key.partition as i32, bytes });
            }
            Err(error) => {
                let answer = Answer::of(error.error_code(), Some(error.to_string()));
                core.handle_answer(id, Bytes::new(), &answer, shared.now_ms());
            }
        }
    }
    metrics.records_per_request.add(records);
    batches
}

/// Batches of one topic stand together.
fn topic_data(batches: &[Sent]) -> Vec<TopicProduceData> {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for batch in batches {
        let data = PartitionProduceData {
            index: batch.partition,
            records: Some(Records::Bytes(batch.bytes.clone())),
        };
        match topics.iter_mut().rev().find(|topic| topic.name == batch.topic) {
            Some(topic) => topic.partition_data.push(data),
            None => topics.push(TopicProduceData {
                name: batch.topic.clone(),
                topic_id: batch.topic_id,
                partition_data: vec![data],
            }),
        }
    }
    topics
}

fn handle_response(shared: &Shared, mut batches: Vec<Sent>, response: &ProduceResponse) {
    let mut needs_metadata = false;
    for topic in &response.responses {
        for partition in &topic.partition_responses {
            let at = batches.iter().position(|batch| {
                let is_topic = if topic.topic_id.is_zero() {
                    batch.topic == topic.name
                } else {
                    batch.topic_id == topic.topic_id
                };
                is_topic && batch.partition == partition.index
            });
            let Some(at) = at else { continue };
            let batch = batches.swap_remove(at);
            let code = ErrorCode::from_code(partition.error_code);
            if code != ErrorCode::None {
                warn!(topic = %batch.topic, partition = partition.index, error = code.name(), "produce request refused");
                learn_leader(shared, &batch.topic, partition, response);
            }
            needs_metadata |= tell(shared, batch, &to_answer(code, partition));
        }
    }
    for batch in batches {
        let text = format!("the broker's answer lacks partition {}-{}", batch.topic, batch.partition);
        tell(shared, batch, &Answer::of(ErrorCode::UnknownServerError, Some(text)));
    }
    if needs_metadata {
        shared.cluster.request_refresh();
    }
    shared.settle();
}

fn to_answer(code: ErrorCode, partition: &PartitionProduceResponse) -> Answer {
    let records = partition.record_errors.iter().map(|record| {
        (record.batch_index, record.batch_index_error_message.as_ref().map(ToString::to_string))
    });
    Answer {
        code,
        message: partition.error_message.as_ref().map(ToString::to_string),
        base_offset: partition.base_offset,
        log_append_time_ms: partition.log_append_time_ms,
        log_start_offset: partition.log_start_offset,
        record_errors: records.collect(),
    }
}

/// A broker that is not the leader may know who is (KIP-951).
fn learn_leader(
    shared: &Shared,
    topic: &Str,
    partition: &PartitionProduceResponse,
    response: &ProduceResponse,
) {
    let leader = &partition.current_leader;
    if leader.leader_id < 0 || leader.leader_epoch < 0 {
        return;
    }
    let endpoints: Vec<Node> = response
        .node_endpoints
        .iter()
        .filter_map(|node| {
            let port = u16::try_from(node.port).ok()?;
            Some(Node { id: node.node_id, host: node.host.clone(), port, rack: node.rack.clone() })
        })
        .collect();
    shared.cluster.learn_leader(topic, partition.index, leader.leader_id, leader.leader_epoch, &endpoints);
}

/// All batches of a request share the fate of the connection.
fn fail(shared: &Shared, node: i32, batches: Vec<Sent>, error: &Error) {
    let (code, text) = match error {
        Error::Timeout(_) => {
            (ErrorCode::RequestTimedOut, format!("Disconnected from node {node} due to timeout"))
        }
        Error::UnsupportedVersion(text) => (ErrorCode::UnsupportedVersion, text.clone()),
        other => (ErrorCode::NetworkException, format!("Disconnected from node {node}: {other}")),
    };
    let answer = Answer::of(code, Some(text));
    let mut needs_metadata = false;
    for batch in batches {
        needs_metadata |= tell(shared, batch, &answer);
    }
    if needs_metadata {
        shared.cluster.request_refresh();
    }
    shared.settle();
}

fn tell(shared: &Shared, batch: Sent, answer: &Answer) -> bool {
    shared.core.lock().handle_answer(batch.id, batch.bytes, answer, shared.now_ms())
}
