//! Fetches: what is asked of which node, and where its answers go
//! (`org.apache.kafka.clients.consumer.internals.AbstractFetch`).
//!
//! One request at a time per node. A node is asked again as soon as no answer of it waits untouched; at that time the
//! last one may still be in use, and what comes behind it is asked for. So at most two answers of a node are held.

use std::collections::{HashMap, HashSet};

use ottla_protocol::messages::FetchResponse;
use ottla_protocol::messages::fetch_response::PartitionData;
use ottla_protocol::{ErrorCode, TopicPartition, Uuid};

use super::client::Consumer;
use super::fetch::{CompletedFetch, FetchBuffer};
use super::requests::{self, Done};
use super::session::{FetchSession, Outcome, PartitionFetch};
use super::shared::millis;
use crate::cluster::Node;
use crate::{Error, Result};

/// What is being fetched.
#[derive(Default)]
pub struct Fetcher {
    /// Answers on their way to the application.
    pub buffer: FetchBuffer,
    nodes: HashMap<i32, NodeState>,
    /// Something has changed since it was last found out what to fetch.
    pub dirty: bool,
    /// Requests were begun, and the runtime has had no chance to send them.
    pub has_unsent: bool,
}

#[derive(Default)]
struct NodeState {
    session: FetchSession,
    is_pending: bool,
    failures: u32,
    retry_at_ms: i64,
}

type Wanted = Vec<(TopicPartition, PartitionFetch)>;

impl Fetcher {
    /// The next time after `now_ms` at which a node is asked again after a failure.
    pub fn next_retry_ms(&self, now_ms: i64) -> Option<i64> {
        self.nodes.values().map(|node| node.retry_at_ms).filter(|at| *at > now_ms).min()
    }

    fn is_free(&self, node: i32, now_ms: i64) -> bool {
        self.nodes.get(&node).is_none_or(|node| !node.is_pending && node.retry_at_ms <= now_ms)
    }

    /// The requests that end all sessions.
    pub fn close_sessions(&mut self) -> Vec<(i32, super::session::SessionRequest)> {
        let close = |(node, state): (&i32, &mut NodeState)| Some((*node, state.session.close()?));
        self.nodes.iter_mut().filter_map(close).collect()
    }
}

impl Consumer {
    /// Begins the fetches that are due.
    pub(super) fn send_fetches(&mut self) {
        if !std::mem::take(&mut self.fetcher.dirty) {
            return;
        }
        for (node, wanted) in self.wanted() {
            let state = self.fetcher.nodes.entry(node).or_default();
            state.is_pending = true;
            let session = state.session.request(wanted);
            let shared = self.shared.clone();
            let sent_ms = shared.clock.now_ms();
            self.fetcher.has_unsent = true;
            self.tasks.spawn(async move {
                let result = requests::fetch(shared, node, session).await;
                Done::Fetched { node, sent_ms, result }
            });
        }
    }

    /// What to ask of which node now.
    fn wanted(&mut self) -> HashMap<i32, Wanted> {
        let now_ms = self.now_ms();
        let metadata = self.shared.cluster.metadata();
        let (waiting, busy_nodes) = self.waiting();
        let mut wanted: HashMap<i32, Wanted> = HashMap::new();
        let mut refresh = false;
        for (tp, position) in self.state.fetchable(now_ms, |tp| !waiting.contains(tp)) {
            let Some(leader) = position.current_leader.leader else {
                refresh = true;
                continue;
            };
            let replica = self.state.get_mut(&tp).and_then(|state| state.preferred_read_replica(now_ms));
            let online = |node: &i32| {
                let offline =
                    metadata.partition(&tp.topic, tp.partition).is_some_and(|p| p.offline.contains(node));
                metadata.nodes.contains_key(node) && !offline
            };
            refresh |= replica.is_some_and(|node| !online(&node));
            let node = replica.filter(online).unwrap_or(leader);
            if busy_nodes.contains(&node) || !self.fetcher.is_free(node, now_ms) {
                continue;
            }
            let Some(fetch_offset) = self.fetcher.buffer.next_fetch_offset(&tp, position.offset) else {
                continue;
            };
            let fetch = PartitionFetch {
                topic_id: metadata.topic(&tp.topic).map_or(Uuid::ZERO, |topic| topic.id),
                fetch_offset,
                current_leader_epoch: position.current_leader.epoch,
                max_bytes: self.shared.config.max_partition_fetch_bytes,
            };
            wanted.entry(node).or_default().push((tp, fetch));
        }
        if refresh {
            self.shared.cluster.request_refresh();
        }
        wanted
    }

    /// Partitions of which an answer waits, and the nodes they came from. Those nodes are not asked again before: their
    /// sessions would have to forget the partitions and learn them again.
    fn waiting(&self) -> (HashSet<TopicPartition>, HashSet<i32>) {
        let mut partitions = HashSet::new();
        let mut nodes = HashSet::new();
        for fetch in self.fetcher.buffer.waiting() {
            partitions.insert(fetch.partition.clone());
            if self.state.get(&fetch.partition).is_some_and(|state| state.is_fetchable()) {
                nodes.insert(fetch.node);
            }
        }
        (partitions, nodes)
    }

    /// A fetch has ended.
    pub(super) fn handle_fetched(&mut self, node: i32, sent_ms: i64, result: Result<(i16, FetchResponse)>) {
        self.fetcher.dirty = true;
        let now_ms = self.now_ms();
        let backoff = |failures| millis(self.shared.cluster.backoff(failures));
        let Some(state) = self.fetcher.nodes.get_mut(&node) else { return };
        state.is_pending = false;
        let (version, response) = match result {
            Ok(answer) => answer,
            Err(error) => {
                state.session.handle_failure();
                state.retry_at_ms = now_ms.saturating_add(backoff(state.failures));
                state.failures = state.failures.saturating_add(1);
                for tp in state.session.partitions() {
                    if let Some(partition) = self.state.get_mut(tp) {
                        partition.clear_preferred_read_replica();
                    }
                }
                self.fetch_failed(node, error);
                return;
            }
        };
        if let Outcome::Failed(code) = state.session.handle_response(&response, version) {
            tracing::debug!(node, error = code.name(), "fetch session ended");
            // The first attempt is made at once: the session just begins anew.
            if state.failures > 0 {
                state.retry_at_ms = now_ms.saturating_add(backoff(state.failures));
            }
            state.failures = state.failures.saturating_add(1);
            if code == ErrorCode::FetchSessionTopicIdError {
                self.shared.cluster.request_refresh();
            }
            return;
        }
        state.failures = 0;
        self.metrics.fetched(now_ms.saturating_sub(sent_ms), response.throttle_time_ms, now_ms);
        self.buffer_answer(node, version, response);
    }

    fn fetch_failed(&mut self, node: i32, error: Error) {
        tracing::debug!(node, %error, "fetch failed");
        if error.is_retriable() {
            self.shared.cluster.request_refresh();
        } else {
            self.errors.push_back(error);
        }
    }

    fn buffer_answer(&mut self, node: i32, version: i16, response: FetchResponse) {
        let endpoint = |node: &ottla_protocol::messages::fetch_response::NodeEndpoint| {
            let port = u16::try_from(node.port).ok()?;
            Some(Node { id: node.node_id, host: node.host.clone(), port, rack: node.rack.clone() })
        };
        let endpoints: Vec<Node> = response.node_endpoints.iter().filter_map(endpoint).collect();
        for topic in response.responses {
            let Some(state) = self.fetcher.nodes.get(&node) else { return };
            let Some(name) = state.session.topic_name(version, &topic.topic, topic.topic_id) else {
                continue;
            };
            for data in topic.partitions {
                let tp = TopicPartition::new(name.clone(), data.partition_index);
                let asked = self.fetcher.nodes.get(&node).and_then(|state| state.session.asked(&tp));
                let Some(asked) = asked else { continue };
                self.learn_leader(&tp, &data, &endpoints);
                self.fetcher.buffer.add(CompletedFetch::new(tp, node, asked.fetch_offset, data));
            }
        }
    }

    /// A broker that is not the leader may say who is (KIP-951).
    fn learn_leader(&self, tp: &TopicPartition, data: &PartitionData, endpoints: &[Node]) {
        let error = ErrorCode::from_code(data.error_code);
        let leader = &data.current_leader;
        if matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch)
            && leader.leader_id >= 0
            && leader.leader_epoch >= 0
        {
            self.shared.cluster.learn_leader(
                &tp.topic,
                tp.partition,
                leader.leader_id,
                leader.leader_epoch,
                endpoints,
            );
        }
    }
}
