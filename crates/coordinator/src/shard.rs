//! One partition of `__consumer_offsets`: its groups and their offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ottla_metadata::MetadataImage;
use ottla_protocol::messages::GroupMetadataValue;
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::config::GroupCoordinatorConfig;
use crate::context::TopicSight;
use crate::coordinator_shard::{CoordinatorShard, ReplayError, Replayed};
use crate::group::classic::{ClassicAction, ClassicGroup};
use crate::group::consumer::record::ConsumerGroupRecord;
use crate::group::consumer::{ConsumerGroup, Remains};
use crate::group::modern::TopicHashes;
use crate::group::streams::rebalance::DelayedRebalances;
use crate::group::{Env, Group};
use crate::offsets::{OffsetAndMetadata, OffsetKey, OffsetStore};
use crate::records::{CoordinatorRecord, GroupRecord, decode_record};
use crate::reply::Reply;
use crate::result::{CoordinatorResult, Deferred, GroupEvent, WriteOptions};
use crate::timeline::TimelineMap;
use crate::timers::TimerKey;

/// After how long a timer fires again when what it brought could not be written
/// (`CoordinatorRuntime`'s write retry back-off).
const TIMER_RETRY_MS: i64 = 500;

/// The coordinator of the groups of one partition of `__consumer_offsets` (`GroupCoordinatorShard`).
///
/// *Invariant:* offsets, and which groups there are, change in `replay` only. The one exception is a group
/// that is created ahead of its first record, and taken back should that not be written. What a classic group
/// and its members are about to agree on is not persisted and changes with their requests.
#[derive(Debug)]
pub struct GroupCoordinatorShard {
    pub(crate) config: Arc<GroupCoordinatorConfig>,
    pub(crate) groups: TimelineMap<Str, Group>,
    pub(crate) offsets: OffsetStore,
    /// The cluster's metadata as of the last [`on_metadata`](Self::on_metadata).
    pub(crate) image: Arc<MetadataImage>,
    /// Offset of the metadata in which topics were created last, as far as that matters here.
    pub(crate) last_new_topics: i64,
    pub(crate) topic_hashes: TopicHashes,
    /// Streams groups that wait with their first assignment.
    pub(crate) delayed_rebalances: DelayedRebalances,
    /// When the last operation on a share group was, Unix ms: what its records bring gets this time. 0 while
    /// loading.
    pub(crate) share_clock_ms: i64,
    /// For groups whose regular expressions are about to be matched: the topics that who brought that about sees.
    pub(crate) sights: BTreeMap<Str, TopicSight>,
    /// Everything below is committed.
    pub(crate) high_watermark: i64,
    /// Groups that have, or may have, something that is not committed.
    pub(crate) uncommitted_groups: BTreeSet<Str>,
    /// Offset of the record that will be written next.
    log_end_offset: i64,
}

impl GroupCoordinatorShard {
    /// A shard without groups.
    pub fn new(config: Arc<GroupCoordinatorConfig>) -> Self {
        Self {
            config,
            groups: TimelineMap::default(),
            offsets: OffsetStore::default(),
            image: Arc::default(),
            last_new_topics: -1,
            topic_hashes: TopicHashes::default(),
            delayed_rebalances: DelayedRebalances::default(),
            share_clock_ms: 0,
            sights: BTreeMap::new(),
            high_watermark: 0,
            uncommitted_groups: BTreeSet::new(),
            log_end_offset: 0,
        }
    }
}

impl CoordinatorShard for GroupCoordinatorShard {
    type Reply = Reply;
    type TimerKey = TimerKey;
    type Action = ClassicAction;
    type Event = GroupEvent;

    fn commit_timeout_ms(&self) -> i64 {
        i64::from(self.config.offsets_commit_timeout_ms)
    }

    fn replay(
        &mut self,
        offset: i64,
        producer_id: Option<i64>,
        key: &Bytes,
        value: Option<&Bytes>,
    ) -> Result<Replayed, ReplayError> {
        self.log_end_offset = self.log_end_offset.max(offset.saturating_add(1));
        match decode_record(key, value).map_err(|error| ReplayError { offset, error })? {
            GroupRecord::Offset(key, value) => {
                // Offsets of a group that has no record of its own: a simple group, or one of another kind.
                if value.is_some() && self.groups.get(&key.group_id).is_none() {
                    let group = ClassicGroup::new(key.group_id.clone(), None);
                    self.groups.insert(offset, key.group_id.clone(), Group::Classic(group));
                }
                self.offsets.replay(offset, producer_id, key, value);
            }
            GroupRecord::ClassicGroup(group_id, Some(value)) => {
                let group = ClassicGroup::from_record(group_id.clone(), &value);
                self.groups.insert(offset, group_id, Group::Classic(group));
            }
            GroupRecord::ClassicGroup(group_id, None) => {
                self.groups.remove(offset, &group_id);
            }
            GroupRecord::Consumer(record) => self.replay_consumer_group(offset, record),
            GroupRecord::Share(record) => self.replay_share_group(offset, record),
            GroupRecord::Streams(record) => self.replay_streams_group(offset, record),
            GroupRecord::Other(record_type) => return Ok(Replayed::Ignored(record_type)),
        }
        Ok(Replayed::Applied)
    }

    fn replay_end_txn_marker(&mut self, offset: i64, producer_id: i64, commit: bool) {
        self.log_end_offset = self.log_end_offset.max(offset.saturating_add(1));
        self.offsets.end_transaction(offset, producer_id, commit);
    }

    fn on_high_watermark(&mut self, high_watermark: i64) {
        self.groups.commit(high_watermark);
        self.offsets.commit(high_watermark);
        self.high_watermark = self.high_watermark.max(high_watermark);
        let groups = &mut self.groups;
        self.uncommitted_groups
            .retain(|group_id| groups.get_mut(group_id).is_some_and(|group| group.commit(high_watermark)));
    }

    fn on_metadata(&mut self, image: Arc<MetadataImage>, _now_ms: i64) -> CoordinatorResult {
        let old = std::mem::replace(&mut self.image, image);
        self.topic_hashes.retain_existing(&self.image);
        self.refresh_groups(&old);
        CoordinatorResult::default()
    }

    fn on_loaded(&mut self, now_ms: i64) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        for (_, group) in self.groups.iter_mut() {
            match group {
                Group::Classic(group) => {
                    group.on_loaded(&mut Env {
                        config: &self.config,
                        image: &self.image,
                        now_ms,
                        out: &mut out,
                    });
                }
                Group::Share(group) => group.on_loaded(&mut Env {
                    config: &self.config,
                    image: &self.image,
                    now_ms,
                    out: &mut out,
                }),
                Group::Streams(group) => group.on_loaded(&mut Env {
                    config: &self.config,
                    image: &self.image,
                    now_ms,
                    out: &mut out,
                }),
                Group::Consumer(group) => group.on_loaded(&mut Env {
                    config: &self.config,
                    image: &self.image,
                    now_ms,
                    out: &mut out,
                }),
            }
        }
        self.schedule_group_expiration(now_ms, &mut out);
        out
    }

    fn on_unloaded(&mut self, now_ms: i64) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        for (_, group) in self.groups.iter_mut() {
            match group {
                Group::Classic(group) => {
                    group.on_unloaded(&mut Env {
                        config: &self.config,
                        image: &self.image,
                        now_ms,
                        out: &mut out,
                    });
                }
                // Nobody waits in groups of the newer types.
                Group::Consumer(_) | Group::Share(_) | Group::Streams(_) => {}
            }
        }
        out.timers.clear();
        out
    }

    fn on_records_appended(
        &mut self,
        write: WriteOptions,
        records: &[CoordinatorRecord],
        base_offset: i64,
    ) -> Result<(), ReplayError> {
        let producer_id = write.producer.map(|producer| producer.producer_id);
        for (offset, record) in (base_offset..).zip(records) {
            if write.replay {
                self.replay(offset, producer_id, &record.key, record.value.as_ref())?;
            }
            self.log_end_offset = self.log_end_offset.max(offset.saturating_add(1));
        }
        Ok(())
    }

    fn on_records_committed(&mut self, deferred: Deferred, now_ms: i64) -> CoordinatorResult {
        let mut out = CoordinatorResult { replies: deferred.replies, ..Default::default() };
        if let Some(action) = deferred.action
            && let Some(Group::Classic(group)) = self.groups.get_mut(action.group_id())
        {
            group.committed(
                action,
                &mut Env { config: &self.config, image: &self.image, now_ms, out: &mut out },
            );
        }
        out
    }

    fn on_records_failed(&mut self, deferred: Deferred, error: ErrorCode, now_ms: i64) -> CoordinatorResult {
        let created = match &deferred.action {
            Some(ClassicAction::GroupCreated { group_id }) => Some(group_id.clone()),
            _ => None,
        };
        let mut out = self.fail(deferred, error, now_ms);
        if let Some(group_id) = created {
            self.groups.forget(&group_id);
            // Armed for members that are no more.
            out.timers.clear();
        }
        out
    }

    fn on_commit_failed(&mut self, deferred: Deferred, error: ErrorCode, now_ms: i64) -> CoordinatorResult {
        self.fail(deferred, error, now_ms)
    }

    fn on_timer(&mut self, key: &TimerKey, now_ms: i64) -> CoordinatorResult {
        let mut out = self.fire(key, now_ms);
        let is_plain = matches!(out.deferred.action, None | Some(ClassicAction::MembersRemoved { .. }));
        // That one is armed anew whatever happens.
        if is_plain && !out.records.is_empty() && *key != TimerKey::GroupExpiration {
            let group_id = Str::new();
            out.deferred.action = Some(ClassicAction::TimerFired { group_id, key: key.clone() });
        }
        out
    }

    fn log_end_offset(&self) -> i64 {
        self.log_end_offset
    }
}

impl GroupCoordinatorShard {
    fn fire(&mut self, key: &TimerKey, now_ms: i64) -> CoordinatorResult {
        let group = match key {
            TimerKey::GroupExpiration => return self.cleanup_expired(now_ms),
            TimerKey::ShareSession { group_id, member_id } => {
                return self.on_share_session_timer(group_id, member_id, now_ms);
            }
            TimerKey::StreamsSession { group_id, member_id } => {
                return self.on_streams_session_timer(group_id, member_id, now_ms);
            }
            TimerKey::StreamsRebalance { group_id, member_id } => {
                return self.on_streams_rebalance_timer(group_id, member_id, now_ms);
            }
            TimerKey::StreamsInitialRebalance { group_id } => {
                return self.on_streams_initial_rebalance_timer(group_id, now_ms);
            }
            TimerKey::ClassicHeartbeat { group_id, .. }
            | TimerKey::ClassicJoin { group_id }
            | TimerKey::ClassicSync { group_id }
            | TimerKey::ConsumerSession { group_id, .. }
            | TimerKey::ConsumerRebalance { group_id, .. }
            | TimerKey::ConsumerJoin { group_id, .. }
            | TimerKey::ConsumerSync { group_id, .. }
            | TimerKey::ConsumerRegex { group_id } => self.groups.get_mut(group_id),
        };
        let mut out = CoordinatorResult::default();
        let mut env = Env { config: &self.config, image: &self.image, now_ms, out: &mut out };
        let sight = match key {
            TimerKey::ConsumerRegex { group_id } => self.sights.remove(group_id),
            _ => None,
        };
        match (key, group) {
            (TimerKey::ClassicHeartbeat { member_id, .. }, Some(Group::Classic(group))) => {
                group.on_heartbeat_timer(member_id, &mut env);
            }
            (TimerKey::ClassicJoin { .. }, Some(Group::Classic(group))) => group.on_join_timer(&mut env),
            (TimerKey::ClassicSync { .. }, Some(Group::Classic(group))) => group.on_sync_timer(&mut env),
            (TimerKey::ConsumerRegex { .. }, Some(Group::Consumer(group))) => {
                // Without anybody's sight nothing is matched: the next heartbeat sees that it is due.
                if let Some(sight) = sight {
                    group.on_regex_timer(&sight, &mut self.topic_hashes, &mut env);
                }
            }
            (_, Some(Group::Consumer(group))) => group.on_member_timer(key, &mut self.topic_hashes, &mut env),
            // The group is gone, or has become one of another type.
            _ => {}
        }
        out
    }

    /// Number of groups.
    pub fn groups_len(&self) -> usize {
        self.groups.len()
    }

    /// All committed offsets, in order, as of the last write.
    pub fn offsets(&self) -> impl Iterator<Item = (&OffsetKey, &OffsetAndMetadata)> {
        self.offsets.iter()
    }

    /// What of the groups would be found again after a restart: for each group that is not in a rebalance,
    /// its record without the time stamp.
    pub fn persistent_groups(&self) -> impl Iterator<Item = (&Str, GroupMetadataValue)> {
        self.groups.iter().filter_map(|(group_id, group)| match group {
            Group::Classic(group) => Some((group_id, group.persistent()?)),
            Group::Consumer(_) | Group::Share(_) | Group::Streams(_) => None,
        })
    }

    /// Creates a group ahead of its first record.
    pub(crate) fn create_classic_group(&mut self, group_id: &Str, now_ms: i64) {
        let group_id = crate::records::owned(group_id);
        let group = ClassicGroup::new(group_id.clone(), Some(now_ms));
        self.groups.insert(self.log_end_offset, group_id, Group::Classic(group));
    }

    fn fail(&mut self, deferred: Deferred, error: ErrorCode, now_ms: i64) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        out.replies.extend(deferred.replies.into_iter().map(|(id, reply)| (id, reply.into_error(error))));
        let Some(action) = deferred.action else { return out };
        if let ClassicAction::TimerFired { key, .. } = action {
            out.schedule(key, now_ms, TIMER_RETRY_MS);
            return out;
        }
        let mut env = Env { config: &self.config, image: &self.image, now_ms, out: &mut out };
        match self.groups.get_mut(action.group_id()) {
            Some(Group::Classic(group)) => group.failed(action, error, &mut env),
            // It was to become a classic group, or to lose members, and stays what it is.
            Some(Group::Consumer(group)) => group.on_loaded(&mut env),
            Some(Group::Share(group)) => group.on_loaded(&mut env),
            Some(Group::Streams(_)) | None => {}
        }
        out
    }

    fn replay_consumer_group(&mut self, offset: i64, record: ConsumerGroupRecord) {
        let ConsumerGroupRecord { group_id, change } = record;
        if !matches!(self.groups.get(&group_id), Some(Group::Consumer(_))) {
            if !change.has_value() {
                return;
            }
            // The first record of the group. Offsets alone may have made a simple group of the same id.
            let group = ConsumerGroup::new(group_id.clone(), self.high_watermark);
            self.groups.insert(offset, group_id.clone(), Group::Consumer(group));
        }
        let Some(Group::Consumer(group)) = self.groups.get_mut(&group_id) else { return };
        match group.replay(offset, change) {
            Remains::Goes => {
                self.groups.remove(offset, &group_id);
            }
            Remains::Stays if offset >= self.high_watermark => {
                self.uncommitted_groups.insert(group_id);
            }
            Remains::Stays => {}
        }
    }

    /// Consumer and share groups whose topics have changed since `old` look at them with the next heartbeat.
    fn refresh_groups(&mut self, old: &MetadataImage) {
        let new = self.image.clone();
        let is_same = |name: &Str| match (old.topics.topic(name), new.topics.topic(name)) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        let mut has_regexes = false;
        for (_, group) in self.groups.iter_mut() {
            match group {
                Group::Consumer(group) => {
                    has_regexes |= group.has_regexes();
                    if !group.subscribed_topics().all(is_same) {
                        group.request_metadata_refresh();
                    }
                }
                Group::Share(group) if !group.subscribed_topics().all(is_same) => {
                    group.request_metadata_refresh();
                }
                Group::Share(_) | Group::Classic(_) | Group::Streams(_) => {}
            }
        }
        // Only expressions ask for new topics.
        let is_new = |id: Uuid| old.topics.topic_by_id(id).is_none();
        let has_new_topics = new.topics.len() > old.topics.len()
            || (has_regexes && new.topics.iter().any(|topic| is_new(topic.id)));
        if has_new_topics || self.last_new_topics == -1 {
            self.last_new_topics = new.provenance.last_contained_offset;
        }
    }
}

#[cfg(test)]
#[path = "shard_test.rs"]
mod tests;
