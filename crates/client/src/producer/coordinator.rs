//! Requests to coordinators: from what the core asks to what goes over the wire, and back.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ottla_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ottla_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ottla_protocol::messages::*;
use ottla_protocol::{ErrorCode, Message, Request, Str, TopicPartition};
use tokio::time::{Instant, sleep};

use super::batch::{PartitionKey, ProducerIdAndEpoch};
use super::shared::Shared;
use super::transaction::{Ask, GroupIdentity, Offsets, TxnReply, TxnRequest};
use crate::cluster::{CoordinatorKind, Target};
use crate::{Error, Result};

/// Last versions before TV2 (KIP-890).
const END_TXN_V1: i16 = 4;
const TXN_OFFSET_COMMIT_V1: i16 = 4;

/// First version of TxnOffsetCommit that tells who the member is (KIP-447).
const TXN_OFFSET_COMMIT_MEMBERS: i16 = 3;

/// Last version of AddPartitionsToTxn that is for clients.
const ADD_PARTITIONS_CLIENTS: i16 = 3;

/// First version of InitProducerId that raises an epoch on demand (KIP-360).
const INIT_PRODUCER_ID_BUMPS: i16 = 3;

/// A request on its way.
pub(super) type Asked = dyn Future<Output = (TxnRequest, TxnReply)> + Send;

/// Sends a request and waits for its reply. `names` are the topics of the partitions that it is about.
pub(super) async fn ask(shared: Arc<Shared>, request: TxnRequest, names: Vec<Str>) -> (TxnRequest, TxnReply) {
    if request.backoff_ms > 0 {
        sleep(Duration::from_millis(request.backoff_ms)).await;
    }
    let reply = match call(&shared, &request.ask, &names).await {
        Ok(reply) => reply,
        Err(Failed::Coordinator(code, message)) => TxnReply::NoCoordinator { code, message },
        Err(Failed::Call(error @ (Error::UnsupportedVersion(_) | Error::Illegal(_)))) => {
            TxnReply::Failed(error)
        }
        Err(Failed::Call(error)) if error.is_authentication() => TxnReply::Failed(error),
        Err(Failed::Call(_)) => TxnReply::Disconnected,
    };
    see_features(&shared);
    (request, reply)
}

/// Notes which generation of the protocol the cluster has agreed on.
pub(super) fn see_features(shared: &Shared) {
    if let Some(version) = shared.cluster.finalized_feature("transaction.version")
        && let Some(txn) = &mut shared.core.lock().txn
    {
        txn.see_transaction_version(version);
    }
}

enum Failed {
    /// No coordinator was found.
    Coordinator(ErrorCode, String),
    /// It was not reached, or can't be spoken with.
    Call(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Call(error)
    }
}

async fn call(shared: &Shared, ask: &Ask, names: &[Str]) -> Result<TxnReply, Failed> {
    let deadline = Instant::now() + shared.config.client.request_timeout;
    let target = target(shared, ask, deadline).await?;
    let id = shared.config.transactional_id.clone();
    match ask {
        Ask::InitProducerId { producer, .. } => init_producer_id(shared, target, *producer, deadline).await,
        Ask::AddPartitions { producer, partitions } => {
            let request = add_partitions(id.unwrap_or_default(), *producer, partitions, names);
            let call = limited(shared, target, 0, ADD_PARTITIONS_CLIENTS, request, deadline);
            let (_, response) = call.await?;
            Ok(TxnReply::AddPartitions(by_key(partitions, names, &response)))
        }
        Ask::AddOffsets { producer, group, .. } => {
            let request = AddOffsetsToTxnRequest {
                transactional_id: id.unwrap_or_default(),
                producer_id: producer.id,
                producer_epoch: producer.epoch,
                group_id: group.group_id.clone(),
            };
            let response = shared.cluster.call(target, request, deadline).await?;
            Ok(TxnReply::AddOffsets(ErrorCode::from_code(response.error_code)))
        }
        Ask::TxnOffsetCommit { producer, group, offsets, v2 } => {
            let request = txn_offset_commit(id.unwrap_or_default(), *producer, group, offsets);
            let lowest = if group.is_set() { TXN_OFFSET_COMMIT_MEMBERS } else { 0 };
            let highest = if *v2 { TxnOffsetCommitRequest::MAX_VERSION } else { TXN_OFFSET_COMMIT_V1 };
            let (_, response) = limited(shared, target, lowest, highest, request, deadline).await?;
            Ok(TxnReply::TxnOffsetCommit(by_partition(response)))
        }
        Ask::EndTxn { producer, commit, v2 } => {
            let request = EndTxnRequest {
                transactional_id: id.unwrap_or_default(),
                producer_id: producer.id,
                producer_epoch: producer.epoch,
                committed: *commit,
            };
            let highest = if *v2 { EndTxnRequest::MAX_VERSION } else { END_TXN_V1 };
            let (_, response) = limited(shared, target, 0, highest, request, deadline).await?;
            let next = ProducerIdAndEpoch { id: response.producer_id, epoch: response.producer_epoch };
            let code = ErrorCode::from_code(response.error_code);
            Ok(TxnReply::EndTxn { code, producer: next.is_valid().then_some(next) })
        }
    }
}

async fn target(shared: &Shared, ask: &Ask, deadline: Instant) -> Result<Target, Failed> {
    let (kind, key) = match (ask, &shared.config.transactional_id) {
        (Ask::TxnOffsetCommit { group, .. }, _) => (CoordinatorKind::Group, &group.group_id),
        (_, Some(id)) => (CoordinatorKind::Transaction, id),
        // A producer id for idempotence only is any broker's to give.
        (_, None) => return Ok(Target::Any),
    };
    match shared.cluster.coordinator(kind, key, deadline).await {
        Ok(node) => Ok(Target::Node(node)),
        Err(error) if error.is_authentication() => Err(Failed::Call(error)),
        Err(Error::Api { code, message }) => Err(Failed::Coordinator(code, message)),
        Err(error) => Err(Failed::Call(error)),
    }
}

async fn limited<R: Request>(
    shared: &Shared,
    target: Target,
    lowest: i16,
    highest: i16,
    request: R,
    deadline: Instant,
) -> Result<(i16, R::Response)> {
    shared.cluster.call_as(target, lowest, highest, |_| Ok(request), deadline).await
}

async fn init_producer_id(
    shared: &Shared,
    target: Target,
    producer: ProducerIdAndEpoch,
    deadline: Instant,
) -> Result<TxnReply, Failed> {
    let transactional_id = shared.config.transactional_id.clone();
    let timeout = shared.config.transaction_timeout.as_millis();
    let transaction_timeout_ms = match transactional_id {
        Some(_) => i32::try_from(timeout).unwrap_or(i32::MAX),
        None => i32::MAX,
    };
    let request = InitProducerIdRequest {
        transactional_id,
        transaction_timeout_ms,
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        ..Default::default()
    };
    // Older brokers know no producer to raise the epoch of.
    let lowest = if producer.is_valid() { INIT_PRODUCER_ID_BUMPS } else { 0 };
    let highest = InitProducerIdRequest::MAX_VERSION;
    let (version, response) = limited(shared, target, lowest, highest, request, deadline).await?;
    Ok(TxnReply::InitProducerId {
        code: ErrorCode::from_code(response.error_code),
        producer: ProducerIdAndEpoch { id: response.producer_id, epoch: response.producer_epoch },
        can_bump_epoch: version >= INIT_PRODUCER_ID_BUMPS,
    })
}

fn add_partitions(
    id: Str,
    producer: ProducerIdAndEpoch,
    partitions: &[PartitionKey],
    names: &[Str],
) -> AddPartitionsToTxnRequest {
    let mut topics: BTreeMap<&Str, Vec<i32>> = BTreeMap::new();
    for (key, name) in partitions.iter().zip(names) {
        topics.entry(name).or_default().push(key.partition as i32);
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| AddPartitionsToTxnTopic { name: name.clone(), partitions })
        .collect();
    AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: id,
        v3_and_below_producer_id: producer.id,
        v3_and_below_producer_epoch: producer.epoch,
        v3_and_below_topics: topics,
        ..Default::default()
    }
}

/// A partition that the answer lacks has an error of its own: its records must not be sent.
fn by_key(
    partitions: &[PartitionKey],
    names: &[Str],
    response: &AddPartitionsToTxnResponse,
) -> Vec<(PartitionKey, ErrorCode)> {
    let code_of = |name: &Str, key: &PartitionKey| {
        let topic = response.results_by_topic_v3_and_below.iter().find(|topic| topic.name == *name)?;
        let result = topic
            .results_by_partition
            .iter()
            .find(|result| result.partition_index == key.partition as i32)?;
        Some(ErrorCode::from_code(result.partition_error_code))
    };
    partitions
        .iter()
        .zip(names)
        .map(|(key, name)| (*key, code_of(name, key).unwrap_or(ErrorCode::UnknownServerError)))
        .collect()
}

fn txn_offset_commit(
    id: Str,
    producer: ProducerIdAndEpoch,
    group: &GroupIdentity,
    offsets: &Offsets,
) -> TxnOffsetCommitRequest {
    let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
    for (TopicPartition { topic, partition }, offset) in offsets {
        let committed = TxnOffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: offset.offset,
            committed_leader_epoch: offset.leader_epoch,
            committed_metadata: Some(offset.metadata.clone()),
        };
        // Partitions of a topic follow each other.
        match topics.last_mut().filter(|last| last.name == *topic) {
            Some(last) => last.partitions.push(committed),
            None => {
                topics.push(TxnOffsetCommitRequestTopic { name: topic.clone(), partitions: vec![committed] });
            }
        }
    }
    TxnOffsetCommitRequest {
        transactional_id: id,
        group_id: group.group_id.clone(),
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        generation_id: group.generation_id,
        member_id: group.member_id.clone(),
        group_instance_id: group.group_instance_id.clone(),
        topics,
    }
}

fn by_partition(response: TxnOffsetCommitResponse) -> Vec<(TopicPartition, ErrorCode)> {
    let topics = response.topics.into_iter();
    topics
        .flat_map(|topic| {
            let name = topic.name;
            topic.partitions.into_iter().map(move |partition| {
                let at = TopicPartition::new(name.clone(), partition.partition_index);
                (at, ErrorCode::from_code(partition.error_code))
            })
        })
        .collect()
}
