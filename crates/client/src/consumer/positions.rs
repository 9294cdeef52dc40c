//! From an assigned partition to a position that can be read from: committed offsets, resets, checks for truncation.

use std::collections::{BTreeMap, HashMap};

use ottla_protocol::messages::OffsetForLeaderEpochRequest;
use ottla_protocol::{ErrorCode, TopicPartition};

use super::OffsetAndMetadata;
use super::client::Consumer;
use super::offsets::{EpochsAnswer, ListAnswer};
use super::requests::{self, Done};
use super::shared::millis;
use super::state::{AutoOffsetReset, FetchPosition, LeaderAndEpoch, LogTruncation};
use crate::cluster::Metadata;
use crate::{Error, Result};

/// First version of OffsetForLeaderEpoch that a client may use: before, it needed a broker's rights.
const LOWEST_EPOCHS_VERSION: i16 = 3;

/// The leader of a partition.
pub fn leader_of(metadata: &Metadata, tp: &TopicPartition) -> LeaderAndEpoch {
    metadata.partition(&tp.topic, tp.partition).map_or_else(LeaderAndEpoch::default, |partition| {
        LeaderAndEpoch { leader: partition.leader, epoch: partition.leader_epoch }
    })
}

impl Consumer {
    /// Takes note of fresh metadata.
    pub(super) fn check_metadata(&mut self) {
        let metadata = self.shared.cluster.metadata();
        if self.metadata_generation == Some(metadata.generation) {
            return;
        }
        self.metadata_generation = Some(metadata.generation);
        let cluster = &self.shared.cluster;
        self.state.update_leaders(|tp| {
            let leader = leader_of(&metadata, tp);
            // Of a node that is not connected the version is not known: it is asked, and may say no.
            let version =
                leader.leader.and_then(|node| cluster.version_of::<OffsetForLeaderEpochRequest>(node));
            (leader, version.is_none_or(|version| version >= LOWEST_EPOCHS_VERSION))
        });
        for topic in metadata.topics.values() {
            if matches!(topic.error, ErrorCode::TopicAuthorizationFailed | ErrorCode::InvalidTopicException) {
                let text = match topic.error {
                    ErrorCode::InvalidTopicException => format!("Invalid topics: [{}]", topic.name),
                    _ => format!("Not authorized to access topics: [{}]", topic.name),
                };
                self.errors.push_back(Error::api(topic.error, Some(&text)));
            }
        }
        self.positions_pending = true;
        self.fetcher.dirty = true;
    }

    /// Begins the look-ups that are due.
    ///
    /// # Errors
    /// When a partition has neither a committed offset nor a strategy to find one.
    pub(super) fn update_positions(&mut self) -> Result<()> {
        if !self.positions_pending {
            return Ok(());
        }
        self.send_validations();
        if self.state.has_all_positions() {
            self.positions_pending = false;
            return Ok(());
        }
        let initializing = self.state.initializing();
        if !initializing.is_empty() {
            if self.shared.config.group_id.is_none() {
                self.state.reset_initializing(&initializing)?;
            } else {
                self.send_committed(initializing);
            }
        }
        self.send_resets();
        Ok(())
    }

    fn send_committed(&mut self, asked: Vec<TopicPartition>) {
        if self.committed_pending || self.now_ms() < self.committed_retry_ms {
            return;
        }
        self.committed_pending = true;
        let (shared, committer) = (self.shared.clone(), self.committer());
        let deadline = shared.api_deadline();
        self.tasks.spawn(async move {
            let result = requests::committed(shared, committer, asked.clone(), deadline).await;
            Done::Committed { asked, result }
        });
    }

    /// Committed offsets are known.
    pub(super) fn handle_committed(
        &mut self,
        asked: &[TopicPartition],
        result: Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>>,
    ) {
        self.committed_pending = false;
        let found = match result {
            Ok(found) => found,
            Err(error) => {
                self.committed_retry_ms = self.retry_at_ms();
                if error.is_retriable() {
                    tracing::debug!(%error, "committed offsets are not known yet");
                } else {
                    self.errors.push_back(error);
                }
                return;
            }
        };
        let metadata = self.shared.cluster.metadata();
        let mut without = Vec::new();
        for tp in asked {
            let Some(state) = self.state.get_mut(tp).filter(|state| state.should_initialize()) else {
                continue;
            };
            match found.get(tp) {
                Some(Some(offset)) => {
                    tracing::info!(partition = %tp, offset = offset.offset, "starting at the committed offset");
                    state.seek_unvalidated(FetchPosition {
                        offset: offset.offset,
                        offset_epoch: offset.leader_epoch,
                        current_leader: leader_of(&metadata, tp),
                    });
                }
                Some(None) => without.push(tp.clone()),
                // Not in the answer: asked again.
                None => {}
            }
        }
        self.fetcher.dirty = true;
        if let Err(error) = self.state.reset_initializing(&without) {
            self.committed_retry_ms = self.retry_at_ms();
            self.errors.push_back(error);
        }
    }

    /// When something that failed is tried again, Unix ms.
    pub(super) fn retry_at_ms(&self) -> i64 {
        self.now_ms().saturating_add(millis(self.shared.cluster.backoff(0)))
    }

    /// When a look-up counts as lost, Unix ms.
    fn lookup_ends_ms(&self) -> i64 {
        self.now_ms().saturating_add(millis(self.shared.config.client.request_timeout))
    }

    fn send_resets(&mut self) {
        let now_ms = self.now_ms();
        let metadata = self.shared.cluster.metadata();
        let mut by_node: HashMap<i32, Vec<(TopicPartition, AutoOffsetReset)>> = HashMap::new();
        let mut leaderless = Vec::new();
        for (tp, strategy) in self.state.resets_due(now_ms) {
            match leader_of(&metadata, &tp).leader {
                Some(node) => by_node.entry(node).or_default().push((tp, strategy)),
                None => leaderless.push(tp),
            }
        }
        self.without_leader(&leaderless);
        let ends_ms = self.lookup_ends_ms();
        for (node, asked) in by_node {
            self.state.set_next_retry(asked.iter().map(|(tp, _)| tp), ends_ms);
            let lookup = |(tp, strategy): &(TopicPartition, AutoOffsetReset)| {
                let epoch = leader_of(&metadata, tp).epoch;
                Some((tp.clone(), (strategy.timestamp(now_ms)?, epoch)))
            };
            let lookups = asked.iter().filter_map(lookup).collect();
            let shared = self.shared.clone();
            self.tasks.spawn(async move {
                let result = requests::list_offsets(shared, node, lookups).await;
                Done::Reset { asked, result }
            });
        }
    }

    fn without_leader(&mut self, partitions: &[TopicPartition]) {
        if !partitions.is_empty() {
            let at_ms = self.retry_at_ms();
            self.state.set_next_retry(partitions, at_ms);
            self.shared.cluster.request_refresh();
        }
    }

    /// Offsets to begin at are known.
    pub(super) fn handle_reset(
        &mut self,
        asked: &[(TopicPartition, AutoOffsetReset)],
        result: Result<ListAnswer>,
    ) {
        self.positions_pending = true;
        self.fetcher.dirty = true;
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return self.lookup_failed(asked.iter().map(|(tp, _)| tp), error),
        };
        let strategy =
            |tp: &TopicPartition| asked.iter().find(|(known, _)| known == tp).map(|(_, strategy)| *strategy);
        let metadata = self.shared.cluster.metadata();
        for (tp, offset) in &answer.found {
            if let Some(strategy) = strategy(tp) {
                let current_leader = leader_of(&metadata, tp);
                let position = FetchPosition { offset: offset.offset, offset_epoch: None, current_leader };
                self.state.complete_reset(tp, strategy, position);
            }
        }
        // Everything is older than `by_duration` allows: what is wanted begins at the end.
        for tp in &answer.missing {
            let waits_for = self.state.get(tp).filter(|state| state.is_awaiting_reset());
            if waits_for.map(|state| state.reset_strategy()) == strategy(tp)
                && let Some(state) = self.state.get_mut(tp)
            {
                state.request_reset(AutoOffsetReset::Latest);
            }
        }
        self.without_leader(&answer.retry);
    }

    fn lookup_failed<'a>(&mut self, asked: impl Iterator<Item = &'a TopicPartition>, error: Error) {
        tracing::debug!(%error, "look-up of positions failed");
        let at_ms = self.retry_at_ms();
        self.state.set_next_retry(asked, at_ms);
        self.shared.cluster.request_refresh();
        if !error.is_retriable() {
            self.errors.push_back(error);
        }
    }

    fn send_validations(&mut self) {
        let now_ms = self.now_ms();
        let mut by_node: HashMap<i32, Vec<(TopicPartition, FetchPosition)>> = HashMap::new();
        for (tp, position) in self.state.validations_due(now_ms) {
            if let Some(node) = position.current_leader.leader {
                by_node.entry(node).or_default().push((tp, position));
            }
        }
        let ends_ms = self.lookup_ends_ms();
        for (node, asked) in by_node {
            self.state.set_next_retry(asked.iter().map(|(tp, _)| tp), ends_ms);
            let shared = self.shared.clone();
            self.tasks.spawn(async move {
                let result = requests::check_positions(shared, node, LOWEST_EPOCHS_VERSION, &asked).await;
                Done::Epochs { asked, result }
            });
        }
    }

    /// Positions were checked.
    pub(super) fn handle_epochs(
        &mut self,
        asked: &[(TopicPartition, FetchPosition)],
        result: Result<EpochsAnswer>,
    ) {
        self.positions_pending = true;
        self.fetcher.dirty = true;
        let answer = match result {
            Ok(answer) => answer,
            Err(Error::UnsupportedVersion(_)) => {
                for (tp, _) in asked {
                    if let Some(state) = self.state.get_mut(tp).filter(|state| state.is_awaiting_validation())
                    {
                        state.complete_validation();
                    }
                }
                return;
            }
            Err(error) => return self.lookup_failed(asked.iter().map(|(tp, _)| tp), error),
        };
        self.without_leader(&answer.retry);
        let mut truncations = Vec::new();
        for (tp, epoch, end_offset) in answer.ends {
            if let Some((_, position)) = asked.iter().find(|(known, _)| *known == tp) {
                truncations.extend(self.state.complete_validation(&tp, *position, epoch, end_offset));
            }
        }
        if !truncations.is_empty() {
            self.errors.push_back(truncated(&truncations));
        }
    }

    /// The end of a log is known.
    pub(super) fn handle_end(&mut self, tp: &TopicPartition, result: Result<ListAnswer>) {
        let isolation = self.shared.config.isolation_level;
        let Some(state) = self.state.get_mut(tp) else { return };
        state.end_offset_requested = false;
        let end = result.ok().and_then(|answer| answer.found.first().map(|(_, listed)| listed.offset));
        match isolation {
            super::IsolationLevel::ReadCommitted => {
                state.last_stable_offset = end.or(state.last_stable_offset)
            }
            super::IsolationLevel::ReadUncommitted => state.high_watermark = end.or(state.high_watermark),
        }
    }

    /// Looks up the end of a log for the lag, unless that is under way.
    pub(super) fn request_end(&mut self, tp: &TopicPartition) {
        let Some(node) = leader_of(&self.shared.cluster.metadata(), tp).leader else { return };
        let Some(state) = self.state.get_mut(tp).filter(|state| !state.end_offset_requested) else { return };
        state.end_offset_requested = true;
        let (shared, partition) = (self.shared.clone(), tp.clone());
        self.tasks.spawn(async move {
            let lookup = vec![(partition.clone(), (super::state::LATEST_TIMESTAMP, None))];
            let result = requests::list_offsets(shared, node, lookup).await;
            Done::End { partition, result }
        });
    }
}

fn truncated(truncations: &[LogTruncation]) -> Error {
    let describe = |truncation: &LogTruncation| {
        let LogTruncation { partition, position, divergent } = truncation;
        match divergent {
            Some(divergent) => format!(
                "{partition} at offset {} (consumer and leader agree up to offset {})",
                position.offset, divergent.offset
            ),
            None => format!("{partition} at offset {}", position.offset),
        }
    };
    let list: Vec<String> = truncations.iter().map(describe).collect();
    Error::InvalidOffset(format!(
        "Truncated partitions detected, and auto.offset.reset is none: {}. Records that were read there are not in the log \
         any more; seek to where to go on.",
        list.join(", ")
    ))
}
