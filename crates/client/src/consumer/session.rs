//! Fetch sessions, the client's side (KIP-227): a broker remembers the partitions of a fetch, so that the next request
//! names only what has changed (`org.apache.kafka.clients.FetchSessionHandler`).
//!
//! Pure. One [`FetchSession`] per node; one request at a time.

#[cfg(test)]
mod session_test;

use std::collections::{HashMap, HashSet};

use ottla_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic};
use ottla_protocol::messages::fetch_response::FetchResponse;
use ottla_protocol::{ErrorCode, Str, TopicPartition, Uuid};

/// Epoch of the first request of a session.
const INITIAL_EPOCH: i32 = 0;
/// Epoch of the request that ends a session.
const FINAL_EPOCH: i32 = -1;
/// Highest version of Fetch that names topics; later ones have their ids.
pub const LAST_VERSION_WITH_NAMES: i16 = 12;

/// What is asked of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionFetch {
    /// Id of the topic; zero when it is not known.
    pub topic_id: Uuid,
    /// Offset of the first record wanted.
    pub fetch_offset: i64,
    /// Epoch of the leader as the consumer knows it.
    pub current_leader_epoch: Option<i32>,
    /// `max.partition.fetch.bytes`.
    pub max_bytes: i32,
}

/// The session with one node.
#[derive(Clone, Debug, Default)]
pub struct FetchSession {
    id: i32,
    epoch: i32,
    partitions: HashMap<TopicPartition, PartitionFetch, ahash::RandomState>,
    names: HashMap<Uuid, Str, ahash::RandomState>,
}

/// The part of a request that the session decides.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRequest {
    id: i32,
    epoch: i32,
    send: Vec<(TopicPartition, PartitionFetch)>,
    removed: Vec<(TopicPartition, Uuid)>,
    replaced: Vec<(TopicPartition, Uuid)>,
    /// Whether the ids of all topics are known. If not, only versions up to [`LAST_VERSION_WITH_NAMES`] can carry it.
    pub has_topic_ids: bool,
}

/// What a broker's answer is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its partitions are what was asked for.
    Usable,
    /// Nothing in it counts; the session begins anew.
    Failed(ErrorCode),
}

impl FetchSession {
    fn is_full(&self) -> bool {
        self.epoch == INITIAL_EPOCH || self.epoch == FINAL_EPOCH
    }

    /// What to send when these partitions are wanted, in this order.
    pub fn request(&mut self, wanted: Vec<(TopicPartition, PartitionFetch)>) -> SessionRequest {
        let has_ids = wanted.iter().all(|(_, fetch)| !fetch.topic_id.is_zero());
        let mut request = if self.is_full() {
            self.partitions = wanted.iter().cloned().collect();
            SessionRequest {
                id: self.id,
                epoch: self.epoch,
                send: wanted,
                removed: Vec::new(),
                replaced: Vec::new(),
                has_topic_ids: has_ids,
            }
        } else {
            self.incremental(wanted, has_ids)
        };
        request.send.shrink_to_fit();
        self.names.clear();
        if request.has_topic_ids {
            self.names.extend(self.partitions.iter().map(|(tp, fetch)| (fetch.topic_id, tp.topic.clone())));
        }
        request
    }

    fn incremental(
        &mut self,
        wanted: Vec<(TopicPartition, PartitionFetch)>,
        has_ids: bool,
    ) -> SessionRequest {
        let mut request = SessionRequest {
            id: self.id,
            epoch: self.epoch,
            send: Vec::with_capacity(wanted.len()),
            removed: Vec::new(),
            replaced: Vec::new(),
            has_topic_ids: has_ids,
        };
        let mut gone = std::mem::take(&mut self.partitions);
        for (partition, fetch) in wanted {
            let known = gone.remove(&partition);
            if let Some(before) = known
                && before.topic_id != fetch.topic_id
                && !before.topic_id.is_zero()
                && !fetch.topic_id.is_zero()
            {
                request.replaced.push((partition.clone(), before.topic_id));
            }
            self.partitions.insert(partition.clone(), fetch);
            if known != Some(fetch) {
                request.send.push((partition, fetch));
            }
        }
        request.removed = gone.into_iter().map(|(partition, fetch)| (partition, fetch.topic_id)).collect();
        request.removed.sort();
        // The broker must be told by name what it learned by name.
        request.has_topic_ids &= request.removed.iter().all(|(_, id)| !id.is_zero());
        request
    }

    /// A request that ends the session, if there is one.
    pub fn close(&mut self) -> Option<SessionRequest> {
        let id = self.id;
        *self = Self::default();
        (id != 0).then(|| SessionRequest {
            id,
            epoch: FINAL_EPOCH,
            send: Vec::new(),
            removed: Vec::new(),
            replaced: Vec::new(),
            has_topic_ids: true,
        })
    }

    /// What was asked of a partition in the session's last request.
    pub fn asked(&self, partition: &TopicPartition) -> Option<PartitionFetch> {
        self.partitions.get(partition).copied()
    }

    /// The partitions of the session.
    pub fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.keys()
    }

    /// The name of a topic as an answer has it: its name, or the one that goes with its id.
    pub fn topic_name(&self, version: i16, name: &Str, id: Uuid) -> Option<Str> {
        if version <= LAST_VERSION_WITH_NAMES { Some(name.clone()) } else { self.names.get(&id).cloned() }
    }

    /// The request failed without an answer: the next one ends the session, if there is one, and begins a new one.
    pub fn handle_failure(&mut self) {
        self.epoch = INITIAL_EPOCH;
    }

    /// Takes note of an answer.
    pub fn handle_response(&mut self, response: &FetchResponse, version: i16) -> Outcome {
        let error = ErrorCode::from_code(response.error_code);
        if error.is_err() {
            if error == ErrorCode::FetchSessionIdNotFound {
                self.id = 0;
            }
            self.epoch = INITIAL_EPOCH;
            return Outcome::Failed(error);
        }
        let full = self.is_full();
        let matches = self.matches(response, version, full);
        if full {
            // A broker that throttles answers with nothing at all.
            let throttled = response.throttle_time_ms > 0 && response.responses.is_empty();
            self.epoch = INITIAL_EPOCH;
            self.id = 0;
            if !matches || throttled {
                return Outcome::Failed(ErrorCode::None);
            }
            if response.session_id != 0 {
                self.id = response.session_id;
                self.epoch = 1;
            }
            return Outcome::Usable;
        }
        if !matches {
            self.epoch = INITIAL_EPOCH;
            return Outcome::Failed(ErrorCode::None);
        }
        if response.session_id == 0 {
            self.id = 0;
            self.epoch = INITIAL_EPOCH;
        } else {
            self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        }
        Outcome::Usable
    }

    /// Whether the answer has no partition that is not in the session, and, for a full one, all of them.
    fn matches(&self, response: &FetchResponse, version: i16, full: bool) -> bool {
        let mut seen = HashSet::new();
        for topic in &response.responses {
            let Some(name) = self.topic_name(version, &topic.topic, topic.topic_id) else {
                tracing::warn!(id = %topic.topic_id, "a fetch was answered with a topic that was not asked for");
                return false;
            };
            for partition in &topic.partitions {
                let partition = TopicPartition::new(name.clone(), partition.partition_index);
                if !self.partitions.contains_key(&partition) {
                    tracing::warn!(%partition, "a fetch was answered with a partition that was not asked for");
                    return false;
                }
                if full {
                    seen.insert(partition);
                }
            }
        }
        !full || seen.len() == self.partitions.len()
    }
}

impl SessionRequest {
    /// Puts it into a request of this version.
    pub fn fill(self, request: &mut FetchRequest, version: i16) {
        request.session_id = self.id;
        request.session_epoch = self.epoch;
        for (partition, fetch) in self.send {
            let item = FetchPartition {
                partition: partition.partition,
                current_leader_epoch: fetch.current_leader_epoch.unwrap_or(-1),
                fetch_offset: fetch.fetch_offset,
                partition_max_bytes: fetch.max_bytes,
                ..FetchPartition::default()
            };
            match request.topics.last_mut() {
                Some(last) if last.topic == partition.topic && last.topic_id == fetch.topic_id => {
                    last.partitions.push(item);
                }
                _ => request.topics.push(FetchTopic {
                    topic: partition.topic,
                    topic_id: fetch.topic_id,
                    partitions: vec![item],
                }),
            }
        }
        // By name, a topic that was created anew is the same topic.
        let replaced = if version > LAST_VERSION_WITH_NAMES { self.replaced } else { Vec::new() };
        for (partition, topic_id) in self.removed.into_iter().chain(replaced) {
            match request.forgotten_topics_data.last_mut() {
                Some(last) if last.topic == partition.topic && last.topic_id == topic_id => {
                    last.partitions.push(partition.partition);
                }
                _ => request.forgotten_topics_data.push(ForgottenTopic {
                    topic: partition.topic,
                    topic_id,
                    partitions: vec![partition.partition],
                }),
            }
        }
    }
}
