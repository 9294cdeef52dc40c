//! What a node knows of this consumer (`ShareSessionHandler`): the partitions of its session, and the number of the
//! next request in it.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch as AcknowledgeBatch,
};
use ottla_protocol::messages::share_fetch_request::{
    AcknowledgementBatch as FetchBatch, FetchPartition, FetchTopic, ForgottenTopic,
};
use ottla_protocol::messages::{ShareAcknowledgeRequest, ShareFetchRequest};
use ottla_protocol::{Str, Uuid};

use super::TopicIdPartition;
use super::acknowledge::Acknowledgements;

/// Acknowledgements of several partitions.
pub type AckMap = BTreeMap<TopicIdPartition, Acknowledgements>;

/// Ends a session.
const FINAL_EPOCH: i32 = -1;

/// A session with one node.
#[derive(Debug, Default)]
pub struct Session {
    /// 0 begins a session.
    epoch: i32,
    partitions: BTreeSet<TopicIdPartition>,
}

/// How much may be fetched at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct FetchLimits {
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    pub max_bytes: i32,
    pub max_records: i32,
    pub acquire_mode: i8,
}

impl Session {
    /// Whether the node knows nothing of it: acknowledgements can't be sent.
    pub fn is_new(&self) -> bool {
        self.epoch == 0
    }

    /// A request was answered.
    pub fn advance(&mut self) {
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
    }

    /// The node lost the session, or may have.
    pub fn begin_anew(&mut self) {
        self.epoch = 0;
    }

    /// A fetch of these partitions that carries acknowledgements; nothing where it would be empty and may be left out.
    pub fn fetch(
        &mut self,
        group_id: &Str,
        member_id: &Str,
        partitions: BTreeSet<TopicIdPartition>,
        acks: &AckMap,
        limits: FetchLimits,
        skip_empty: bool,
    ) -> Option<ShareFetchRequest> {
        let (added, removed): (Vec<TopicIdPartition>, Vec<TopicIdPartition>) = if self.is_new() {
            (partitions.iter().cloned().collect(), Vec::new())
        } else {
            (
                partitions.difference(&self.partitions).cloned().collect(),
                self.partitions.difference(&partitions).cloned().collect(),
            )
        };
        self.partitions = partitions;
        if skip_empty && added.is_empty() && removed.is_empty() && acks.is_empty() {
            return None;
        }
        let renews = acks.values().any(Acknowledgements::renews);
        // What renews locks, or goes to a node that is not to give records this time, brings none.
        let acquire_mode = limits.acquire_mode;
        let limits = if renews || skip_empty { FetchLimits::default() } else { limits };
        Some(ShareFetchRequest {
            group_id: Some(group_id.clone()),
            member_id: Some(member_id.clone()),
            share_session_epoch: self.epoch,
            max_wait_ms: limits.max_wait_ms,
            min_bytes: limits.min_bytes,
            max_bytes: limits.max_bytes,
            max_records: limits.max_records,
            batch_size: limits.max_records,
            share_acquire_mode: acquire_mode,
            is_renew_ack: renews,
            topics: fetch_topics(added, acks),
            forgotten_topics_data: forgotten(removed),
        })
    }

    /// Acknowledgements by themselves; nothing without a session.
    pub fn acknowledge(
        &self,
        group_id: &Str,
        member_id: &Str,
        acks: &AckMap,
    ) -> Option<ShareAcknowledgeRequest> {
        (!self.is_new()).then(|| acknowledge_request(group_id, member_id, self.epoch, acks))
    }

    /// The last ones; the node gives back what is not acknowledged.
    pub fn close(&self, group_id: &Str, member_id: &Str, acks: &AckMap) -> Option<ShareAcknowledgeRequest> {
        (!self.is_new()).then(|| acknowledge_request(group_id, member_id, FINAL_EPOCH, acks))
    }
}

fn fetch_topics(added: Vec<TopicIdPartition>, acks: &AckMap) -> Vec<FetchTopic> {
    let mut topics: BTreeMap<Uuid, BTreeMap<i32, Vec<FetchBatch>>> = BTreeMap::new();
    for tip in added {
        topics.entry(tip.topic_id).or_default().insert(tip.partition, Vec::new());
    }
    for (tip, acks) in acks {
        let batches = acks.batches().into_iter().map(|batch| FetchBatch {
            first_offset: batch.first_offset,
            last_offset: batch.last_offset,
            acknowledge_types: batch.types,
        });
        topics.entry(tip.topic_id).or_default().insert(tip.partition, batches.collect());
    }
    let partition = |(partition_index, acknowledgement_batches)| FetchPartition {
        partition_index,
        acknowledgement_batches,
    };
    topics
        .into_iter()
        .map(|(topic_id, partitions)| FetchTopic {
            topic_id,
            partitions: partitions.into_iter().map(partition).collect(),
        })
        .collect()
}

fn forgotten(removed: Vec<TopicIdPartition>) -> Vec<ForgottenTopic> {
    let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for tip in removed {
        topics.entry(tip.topic_id).or_default().push(tip.partition);
    }
    topics.into_iter().map(|(topic_id, partitions)| ForgottenTopic { topic_id, partitions }).collect()
}

fn acknowledge_request(
    group_id: &Str,
    member_id: &Str,
    share_session_epoch: i32,
    acks: &AckMap,
) -> ShareAcknowledgeRequest {
    let mut topics: BTreeMap<Uuid, Vec<AcknowledgePartition>> = BTreeMap::new();
    for (tip, acks) in acks {
        let batches = acks.batches().into_iter().map(|batch| AcknowledgeBatch {
            first_offset: batch.first_offset,
            last_offset: batch.last_offset,
            acknowledge_types: batch.types,
        });
        topics.entry(tip.topic_id).or_default().push(AcknowledgePartition {
            partition_index: tip.partition,
            acknowledgement_batches: batches.collect(),
        });
    }
    ShareAcknowledgeRequest {
        group_id: Some(group_id.clone()),
        member_id: Some(member_id.clone()),
        share_session_epoch,
        is_renew_ack: acks.values().any(Acknowledgements::renews),
        topics: topics
            .into_iter()
            .map(|(topic_id, partitions)| AcknowledgeTopic { topic_id, partitions })
            .collect(),
    }
}
