//! Topics on their way from initializing to initialized (`maybeCreateInitializeShareGroupStateRequest`,
//! `initializeShareGroupState`, `uninitializeShareGroupState`).

use std::collections::BTreeMap;

use ottla_protocol::{EncodeError, ErrorCode, Str};

use super::state_metadata::{
    InitTopic, InitTopics, InitializeShareState, SharePartitions, ShareStateMetadata, combine, without,
};
use super::{ShareGroup, record};
use crate::group::{Env, Group, GroupError};
use crate::records::CoordinatorRecord;
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

/// Start offset of state that begins where `share.auto.offset.reset` says.
const UNINITIALIZED_START_OFFSET: i64 = -1;

impl GroupCoordinatorShard {
    /// The share coordinator has set up the state of these partitions.
    pub fn on_share_state_initialized(
        &mut self,
        group_id: &str,
        partitions: &SharePartitions,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        self.share_clock_ms = now_ms;
        let image = self.image.clone();
        self.update_state_metadata(group_id, reply_id, |old| {
            let mut topics = InitTopics::new();
            for (topic_id, partitions) in partitions {
                // A topic that was deleted meanwhile is not the group's any more.
                if let Some(name) = image.topics.topic_name(*topic_id) {
                    let (name, partitions) = (name.clone(), partitions.clone());
                    topics.insert(*topic_id, InitTopic { name, partitions, timestamp_ms: now_ms });
                }
            }
            Some(ShareStateMetadata {
                initializing: without(&old.initializing, partitions),
                initialized: combine(&old.initialized, &topics),
                deleting: old.deleting.clone(),
            })
        })
    }

    /// The share coordinator could not set up the state of these partitions: a later heartbeat asks again.
    pub fn on_share_state_uninitialized(
        &mut self,
        group_id: &str,
        partitions: &SharePartitions,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        self.share_clock_ms = now_ms;
        self.update_state_metadata(group_id, reply_id, |old| {
            let initializing = without(&old.initializing, partitions);
            (!old.initializing.is_empty()).then(|| ShareStateMetadata { initializing, ..old.clone() })
        })
    }

    fn update_state_metadata(
        &self,
        group_id: &str,
        reply_id: ReplyId,
        update: impl FnOnce(&ShareStateMetadata) -> Option<ShareStateMetadata>,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let mut error = ErrorCode::None;
        // A group that is gone has nothing to remember.
        if let Some(Group::Share(group)) = self.groups.get(group_id) {
            let old = group.state_metadata.clone().unwrap_or_default();
            match update(&old).map(|new| record::state_partitions(group.group_id(), &new)) {
                Some(Ok(record)) => out.records.push(record),
                Some(Err(_)) => error = ErrorCode::UnknownServerError,
                None => {}
            }
        }
        out.reply_after_commit(reply_id, Reply::ShareState(error));
        out
    }
}

impl ShareGroup {
    /// Marks the partitions that the group reads, and that have no state yet, as initializing; what the share
    /// coordinator is to do then.
    pub(super) fn initialize_subscribed<'n>(
        &self,
        group_epoch: i32,
        topics: impl Iterator<Item = &'n Str>,
        env: &mut Env<'_>,
    ) -> Result<Option<InitializeShareState>, GroupError> {
        let missing = self.missing(topics, env);
        if missing.is_empty() {
            return Ok(None);
        }
        env.out.records.push(self.initializing_record(&missing)?);
        let offsets = |topic: &InitTopic| {
            topic.partitions.iter().map(|partition| (*partition, UNINITIALIZED_START_OFFSET)).collect()
        };
        Ok(Some(InitializeShareState {
            group_id: self.group_id().clone(),
            state_epoch: group_epoch,
            start_offsets: missing.iter().map(|(topic_id, topic)| (*topic_id, offsets(topic))).collect(),
        }))
    }

    /// Partitions that are neither initialized, nor have begun to be a short while ago
    /// (`subscribedTopicsChangeMap`).
    fn missing<'n>(&self, topics: impl Iterator<Item = &'n Str>, env: &Env<'_>) -> InitTopics {
        let retry_ms = i64::from(env.config.share.initialize_retry_interval_ms);
        let known = match &self.state_metadata {
            None => BTreeMap::new(),
            Some(metadata) => {
                let mut fresh = metadata.initializing.clone();
                fresh.retain(|_, topic| env.now_ms.saturating_sub(topic.timestamp_ms) < retry_ms);
                combine(&metadata.initialized, &fresh)
            }
        };
        let mut missing = InitTopics::new();
        for topic in topics.filter_map(|name| env.image.topics.topic(name)) {
            let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
            let known = known.get(&topic.id).map(|topic| &topic.partitions);
            let partitions = (0..count).filter(|index| known.is_none_or(|known| !known.contains(index)));
            let partitions: std::collections::BTreeSet<i32> = partitions.collect();
            if !partitions.is_empty() {
                let (name, timestamp_ms) = (topic.name.clone(), env.now_ms);
                missing.insert(topic.id, InitTopic { name, partitions, timestamp_ms });
            }
        }
        missing
    }

    /// The record that marks topics as initializing (`addInitializingTopicsRecords`). What was to be deleted
    /// lives on.
    pub(super) fn initializing_record(&self, topics: &InitTopics) -> Result<CoordinatorRecord, EncodeError> {
        let mut metadata = self.state_metadata.clone().unwrap_or_default();
        metadata.initializing = combine(&metadata.initializing, topics);
        let initializing = &metadata.initializing;
        metadata.deleting.retain(|topic_id, _| !initializing.contains_key(topic_id));
        record::state_partitions(self.group_id(), &metadata)
    }
}
