//! What a consumer reads and how far it is (`org.apache.kafka.clients.consumer.internals.SubscriptionState`).
//!
//! Pure: times are arguments, and what the metadata says is told to it.

mod partition;
mod reset;
#[cfg(test)]
mod state_test;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ottla_protocol::{Str, TopicPartition};

pub use partition::{FetchPosition, LeaderAndEpoch, PartitionState};
pub use reset::{AutoOffsetReset, EARLIEST_TIMESTAMP, LATEST_TIMESTAMP};

use super::{IsolationLevel, OffsetAndMetadata};
use crate::{Error, Result};

/// What the application asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subscription {
    /// Nothing yet.
    #[default]
    None,
    /// Partitions, without a group's help.
    Assigned,
    /// A share of these topics.
    Topics(BTreeSet<Str>),
    /// A share of all topics whose names match.
    Pattern(Str),
}

impl Subscription {
    /// Whether the group decides what is assigned.
    pub fn is_automatic(&self) -> bool {
        matches!(self, Self::Topics(_) | Self::Pattern(_))
    }
}

/// A position that the log does not have any more, found without a strategy to reset it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTruncation {
    /// Where.
    pub partition: TopicPartition,
    /// The position.
    pub position: FetchPosition,
    /// The last offset that leader and consumer have in common, if the leader knows it.
    pub divergent: Option<OffsetAndMetadata>,
}

type Partitions = HashMap<TopicPartition, PartitionState, ahash::RandomState>;

/// Subscription, assignment and positions.
#[derive(Debug)]
pub struct SubscriptionState {
    subscription: Subscription,
    partitions: Partitions,
    ranks_count: u64,
    default_reset: AutoOffsetReset,
}

impl SubscriptionState {
    /// Nothing subscribed to.
    pub fn new(default_reset: AutoOffsetReset) -> Self {
        Self {
            subscription: Subscription::None,
            partitions: Partitions::default(),
            ranks_count: 0,
            default_reset,
        }
    }

    /// What the application asked for.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// `auto.offset.reset`.
    pub fn default_reset(&self) -> AutoOffsetReset {
        self.default_reset
    }

    /// Topics by name.
    ///
    /// # Errors
    /// When partitions are assigned by hand, or a pattern is subscribed to.
    pub fn subscribe(&mut self, topics: BTreeSet<Str>) -> Result<()> {
        if !matches!(self.subscription, Subscription::None | Subscription::Topics(_)) {
            return Err(mixed());
        }
        self.subscription = Subscription::Topics(topics);
        Ok(())
    }

    /// Topics by pattern.
    ///
    /// # Errors
    /// When partitions are assigned by hand, or topics are subscribed to by name.
    pub fn subscribe_pattern(&mut self, pattern: Str) -> Result<()> {
        if !matches!(self.subscription, Subscription::None | Subscription::Pattern(_)) {
            return Err(mixed());
        }
        self.subscription = Subscription::Pattern(pattern);
        Ok(())
    }

    /// Partitions without a group's help; those that were assigned before keep their positions.
    ///
    /// # Errors
    /// When topics are subscribed to.
    pub fn assign_from_user(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        if self.subscription.is_automatic() {
            return Err(mixed());
        }
        self.subscription = Subscription::Assigned;
        self.set_partitions(partitions);
        Ok(())
    }

    /// What the group assigned; those that were assigned before keep their positions. Partitions in `added` are not
    /// fetched before [`SubscriptionState::enable`].
    pub fn assign_from_group(&mut self, partitions: &[TopicPartition], added: &[TopicPartition]) {
        if !self.subscription.is_automatic() {
            return;
        }
        self.set_partitions(partitions.iter().cloned());
        for partition in added {
            if let Some(state) = self.partitions.get_mut(partition) {
                state.pending_on_assigned_callback = true;
            }
        }
    }

    /// The listener knows of these partitions now.
    pub fn enable(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(state) = self.partitions.get_mut(partition) {
                state.pending_on_assigned_callback = false;
            }
        }
    }

    /// Nothing more is fetched of partitions that are about to be given up.
    pub fn mark_pending_revocation(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(state) = self.partitions.get_mut(partition) {
                state.pending_revocation = true;
            }
        }
    }

    /// Neither subscription nor assignment.
    pub fn unsubscribe(&mut self) {
        self.subscription = Subscription::None;
        self.partitions.clear();
    }

    fn set_partitions(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) {
        let mut before = std::mem::take(&mut self.partitions);
        for partition in partitions {
            let rank = self.next_rank();
            let state = before.remove(&partition).unwrap_or_else(|| PartitionState::new(rank));
            self.partitions.entry(partition).or_insert(state);
        }
    }

    fn next_rank(&mut self) -> u64 {
        self.ranks_count += 1;
        self.ranks_count
    }

    /// The assigned partitions, in order.
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// Whether nothing is assigned.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The assigned partitions in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &PartitionState)> {
        self.partitions.iter()
    }

    /// One partition, if it is assigned.
    pub fn get(&self, partition: &TopicPartition) -> Option<&PartitionState> {
        self.partitions.get(partition)
    }

    /// Likewise, to change it.
    pub fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut PartitionState> {
        self.partitions.get_mut(partition)
    }

    /// One partition that must be assigned.
    ///
    /// # Errors
    /// When it is not.
    pub fn assigned(&mut self, partition: &TopicPartition) -> Result<&mut PartitionState> {
        self.partitions
            .get_mut(partition)
            .ok_or_else(|| Error::Illegal(format!("No current assignment for partition {partition}")))
    }

    /// Puts a partition behind all others, so that each gets its turn when fetches are limited.
    pub fn move_to_end(&mut self, partition: &TopicPartition) {
        let rank = self.next_rank();
        if let Some(state) = self.partitions.get_mut(partition) {
            state.rank = rank;
        }
    }

    /// Tells each partition its leader. `leader_of` also says whether the leader can check positions.
    pub fn update_leaders(&mut self, mut leader_of: impl FnMut(&TopicPartition) -> (LeaderAndEpoch, bool)) {
        for (partition, state) in &mut self.partitions {
            let (leader, can_validate) = leader_of(partition);
            state.update_leader(leader, can_validate);
        }
    }

    /// Whether all partitions can be read from.
    pub fn has_all_positions(&self) -> bool {
        self.partitions.values().all(PartitionState::has_valid_position)
    }

    /// Partitions without any position since they were assigned, in order.
    pub fn initializing(&self) -> Vec<TopicPartition> {
        self.select(PartitionState::should_initialize)
    }

    fn select(&self, wanted: impl Fn(&PartitionState) -> bool) -> Vec<TopicPartition> {
        let mut found: Vec<_> =
            self.partitions.iter().filter(|(_, state)| wanted(state)).map(|(tp, _)| tp.clone()).collect();
        found.sort();
        found
    }

    /// Has partitions for which there is no committed offset begin where `auto.offset.reset` says.
    ///
    /// # Errors
    /// The partitions concerned, when it says nothing (`NoOffsetForPartitionException`).
    pub fn reset_initializing(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let strategy = self.default_reset;
        let mut without = Vec::new();
        for partition in partitions {
            let Some(state) = self.partitions.get_mut(partition).filter(|state| state.should_initialize())
            else {
                continue;
            };
            match strategy {
                AutoOffsetReset::None => without.push(partition.to_string()),
                strategy => state.request_reset(strategy),
            }
        }
        if without.is_empty() {
            return Ok(());
        }
        without.sort();
        Err(Error::InvalidOffset(format!(
            "Undefined offset with no reset policy for partitions: [{}]",
            without.join(", ")
        )))
    }

    /// Partitions whose reset is to be looked up now, with the strategy.
    pub fn resets_due(&self, now_ms: i64) -> Vec<(TopicPartition, AutoOffsetReset)> {
        let due =
            |(tp, state): (&TopicPartition, &PartitionState)| Some((tp.clone(), state.reset_due(now_ms)?));
        self.partitions.iter().filter_map(due).collect()
    }

    /// A look-up's result. It counts only if the partition still waits for a reset by that strategy.
    pub fn complete_reset(
        &mut self,
        partition: &TopicPartition,
        strategy: AutoOffsetReset,
        position: FetchPosition,
    ) {
        if let Some(state) = self.partitions.get_mut(partition)
            && state.is_awaiting_reset()
            && state.reset_strategy() == strategy
        {
            tracing::info!(%partition, offset = position.offset, "offset reset");
            state.seek_unvalidated(position);
        }
    }

    /// Positions to be checked against the leader's epochs now.
    pub fn validations_due(&self, now_ms: i64) -> Vec<(TopicPartition, FetchPosition)> {
        let due = |(tp, state): (&TopicPartition, &PartitionState)| {
            Some((tp.clone(), state.validation_due(now_ms)?))
        };
        self.partitions.iter().filter_map(due).collect()
    }

    /// What the leader said of the epoch of a position: its end offset, or -1s. When the log ends before the position,
    /// it was truncated: the position moves back to where consumer and leader agree, or, without
    /// `auto.offset.reset`, that is an error.
    pub fn complete_validation(
        &mut self,
        partition: &TopicPartition,
        checked: FetchPosition,
        leader_epoch: i32,
        end_offset: i64,
    ) -> Option<LogTruncation> {
        let default_reset = self.default_reset;
        let state = self.partitions.get_mut(partition)?;
        if !state.is_awaiting_validation() || state.position() != Some(checked) {
            return None;
        }
        if leader_epoch >= 0 && end_offset >= checked.offset {
            state.complete_validation();
            return None;
        }
        let divergent = (leader_epoch >= 0 && end_offset >= 0).then(|| OffsetAndMetadata {
            offset: end_offset,
            leader_epoch: Some(leader_epoch),
            metadata: Str::default(),
        });
        if default_reset == AutoOffsetReset::None {
            tracing::warn!(%partition, offset = checked.offset, ?divergent, "log truncated, and no auto.offset.reset");
            return Some(LogTruncation { partition: partition.clone(), position: checked, divergent });
        }
        match divergent {
            None => state.request_reset(default_reset),
            Some(divergent) => {
                tracing::info!(%partition, from = checked.offset, to = divergent.offset, "log truncated: going back");
                state.seek_validated(FetchPosition {
                    offset: divergent.offset,
                    offset_epoch: divergent.leader_epoch,
                    current_leader: checked.current_leader,
                });
            }
        }
        None
    }

    /// Look-ups of these partitions failed, or are on their way.
    pub fn set_next_retry<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        at_ms: i64,
    ) {
        for partition in partitions {
            if let Some(state) = self.partitions.get_mut(partition) {
                state.set_next_retry(at_ms);
            }
        }
    }

    /// Partitions that can be fetched now and that `wanted` lets pass, those longest without a turn first.
    pub fn fetchable(
        &self,
        now_ms: i64,
        wanted: impl Fn(&TopicPartition) -> bool,
    ) -> Vec<(TopicPartition, FetchPosition)> {
        let mut found: Vec<_> = self
            .partitions
            .iter()
            .filter(|(tp, state)| state.is_fetchable() && state.fetch_retry_ms <= now_ms && wanted(tp))
            .filter_map(|(tp, state)| Some((state.rank, tp, state.position()?)))
            .collect();
        found.sort_by_key(|(rank, ..)| *rank);
        found.into_iter().map(|(_, tp, position)| (tp.clone(), position)).collect()
    }

    /// The next time after `now_ms` at which a look-up or a fetch of some partition may be tried again.
    pub fn next_retry_ms(&self, now_ms: i64) -> Option<i64> {
        let times = self.partitions.values().flat_map(|state| {
            let lookup = state.next_retry_ms().filter(|_| !state.has_valid_position());
            [lookup, Some(state.fetch_retry_ms)]
        });
        times.flatten().filter(|at| *at > now_ms).min()
    }

    /// What has been handed out so far, as offsets to commit.
    pub fn all_consumed(&self) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        let offset = |state: &PartitionState| {
            state.valid_position().map(|position| OffsetAndMetadata {
                offset: position.offset,
                leader_epoch: position.offset_epoch,
                metadata: Str::default(),
            })
        };
        self.partitions.iter().filter_map(|(tp, state)| Some((tp.clone(), offset(state)?))).collect()
    }

    /// Records between the position and the end that is visible, if both are known.
    pub fn lag(&self, partition: &TopicPartition, isolation: IsolationLevel) -> Option<i64> {
        let state = self.partitions.get(partition)?;
        let end = match isolation {
            IsolationLevel::ReadCommitted => state.last_stable_offset,
            IsolationLevel::ReadUncommitted => state.high_watermark,
        };
        Some(end?.saturating_sub(state.position()?.offset))
    }

    /// Records between the log's start and the position, if both are known.
    pub fn lead(&self, partition: &TopicPartition) -> Option<i64> {
        let state = self.partitions.get(partition)?;
        Some(state.position()?.offset.saturating_sub(state.log_start_offset?))
    }
}

fn mixed() -> Error {
    Error::Illegal(
        "Subscription to topics, partitions and pattern are mutually exclusive; call unsubscribe first"
            .to_owned(),
    )
}
