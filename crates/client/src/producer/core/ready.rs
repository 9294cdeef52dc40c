//! Which nodes have something to be sent to, and when to look again (`RecordAccumulator.ready`).

use std::collections::BTreeMap;

use super::Core;
use crate::cluster::Metadata;
use crate::producer::batch::PartitionKey;

/// What is ready.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// By node: the partitions with something queued, of nodes that should be sent a request to.
    pub nodes: BTreeMap<i32, Vec<PartitionKey>>,
    /// When something that lingers or backs off will be ready, ms.
    pub next_check_ms: Option<i64>,
    /// Whether a partition with something queued has no leader.
    pub unknown_leader: bool,
}

impl Core {
    /// Looks through all queues.
    pub(super) fn ready(&mut self, metadata: &Metadata, exhausted: bool, now_ms: i64) -> Ready {
        let mut ready = Ready::default();
        let mut candidates: BTreeMap<i32, (bool, Vec<PartitionKey>)> = BTreeMap::new();
        let at_once = exhausted
            || self.closed
            || self.flushes > 0
            || self.txn.as_ref().is_some_and(|txn| txn.is_completing());
        let mut queues: Vec<(i32, u32)> = Vec::new();
        for place in 0..self.topics.len() {
            queues.clear();
            let mut known = 0;
            let Some(topic) = self.topics.get(place) else { continue };
            let name = topic.name.clone();
            let of_topic = metadata.topic(&name);
            for at in 0..topic.partitions.len() {
                let key = PartitionKey { topic: place as u32, partition: at as u32 };
                let seen = of_topic.and_then(|topic| topic.partitions.get(at));
                let leader = seen.and_then(|partition| partition.leader);
                let Some(length) = self.queue_length(key) else { continue };
                if leader.is_some() {
                    known += 1;
                }
                let Some(leader) = leader else {
                    ready.unknown_leader |= length > 0;
                    continue;
                };
                if !self.is_unavailable(leader) {
                    queues.push((at as i32, length));
                }
                if length == 0 {
                    continue;
                }
                let epoch = seen.and_then(|partition| partition.leader_epoch);
                let (sendable, at_ms) = self.first_is_ready(key, epoch, at_once, now_ms);
                let entry = candidates.entry(leader).or_default();
                entry.0 |= sendable;
                entry.1.push(key);
                if !sendable {
                    ready.next_check_ms = Some(ready.next_check_ms.map_or(at_ms, |other| other.min(at_ms)));
                }
            }
            let all_used = of_topic.is_some_and(|of_topic| known >= of_topic.partitions.len());
            self.update_load(place, &queues, known, all_used);
        }
        ready.nodes = candidates
            .into_iter()
            .filter(|(_, (sendable, _))| *sendable)
            .map(|(node, (_, partitions))| (node, partitions))
            .collect();
        ready
    }

    /// Notes whether a node with something for it could be sent to.
    pub(super) fn see_node(&mut self, node: i32, can_drain: bool, now_ms: i64) {
        if self.settings.availability_timeout_ms <= 0 {
            return;
        }
        let state = self.nodes.entry(node).or_insert_with(|| super::NodeState {
            drain_ms: now_ms,
            ready_ms: now_ms,
            ..Default::default()
        });
        if can_drain {
            state.drain_ms = now_ms;
        }
        state.ready_ms = now_ms;
    }

    /// Whether a node takes nothing for longer than `partitioner.availability.timeout.ms`.
    fn is_unavailable(&self, node: i32) -> bool {
        let timeout_ms = self.settings.availability_timeout_ms;
        timeout_ms > 0
            && self.nodes.get(&node).is_some_and(|state| state.ready_ms - state.drain_ms > timeout_ms)
    }

    fn update_load(&mut self, place: usize, queues: &[(i32, u32)], known: usize, all_used: bool) {
        let adaptive = self.settings.adaptive;
        let Some(topic) = self.topics.get_mut(place) else { return };
        // Before each partition was used once, the lengths tell nothing of those that were not.
        if adaptive && all_used {
            topic.sticky.update_load(queues, known);
        } else {
            topic.sticky.forget_load();
        }
    }

    fn queue_length(&self, key: PartitionKey) -> Option<u32> {
        Some(self.partition(key)?.queue.len() as u32)
    }

    /// Whether the first batch of a queue can leave, and if not, when it can (ms).
    fn first_is_ready(
        &mut self,
        key: PartitionKey,
        leader_epoch: Option<i32>,
        at_once: bool,
        now_ms: i64,
    ) -> (bool, i64) {
        let (Some(partition), linger_ms) = (self.partition(key), self.settings.linger_ms) else {
            return (false, i64::MAX);
        };
        let is_muted = self.settings.one_in_flight && !partition.in_flight.is_empty();
        let several = partition.queue.len() > 1;
        let Some(id) = partition.queue.front().copied() else { return (false, i64::MAX) };
        if is_muted {
            return (false, i64::MAX);
        }
        let Some(batch) = self.batches.get_mut(id) else { return (false, i64::MAX) };
        batch.see_leader_epoch(leader_epoch);
        let (is_full, waited_ms) = (batch.is_full(), batch.waited_ms(now_ms));
        let since_ms = batch.last_attempt_ms;
        if let Some(until_ms) = self.backs_off_until(id, now_ms) {
            return (false, until_ms);
        }
        if several || is_full || at_once || waited_ms >= linger_ms || self.was_attempted(id) {
            return (true, now_ms);
        }
        (false, since_ms.saturating_add(linger_ms))
    }

    fn was_attempted(&self, id: crate::producer::batch::BatchId) -> bool {
        self.batches.get(id).is_some_and(|batch| batch.attempts > 0)
    }

    /// Until when (ms) a batch that failed is not tried again; a new leader is tried at once.
    pub(super) fn backs_off_until(&self, id: crate::producer::batch::BatchId, now_ms: i64) -> Option<i64> {
        let batch = self.batches.get(id)?;
        if batch.attempts == 0 || batch.leader_changed() {
            return None;
        }
        let backoff_ms = self.backoff_ms(batch.attempts - 1, id.count);
        (batch.waited_ms(now_ms) < backoff_ms).then(|| batch.last_attempt_ms.saturating_add(backoff_ms))
    }
}
