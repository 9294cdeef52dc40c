//! Offsets of groups: listed (OffsetFetch), altered (OffsetCommit) and deleted (OffsetDelete).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse,
};
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::keyed::{Answer, Keyed};
use super::lookup::Coordinators;
use super::offsets::by_topic;
use super::types::known_epoch;
use super::{Admin, OffsetAndMetadata, PerKey, TimeoutOptions};
use crate::cluster::{CoordinatorKind, Node};
use crate::{Error, Result};

/// Which offsets of a group are listed: those of these partitions, or all there are.
pub type ListGroupOffsetsSpec = Option<Vec<TopicPartition>>;

/// The committed offsets of a group; nothing for partitions without one.
pub type GroupOffsets = BTreeMap<TopicPartition, Option<OffsetAndMetadata>>;

/// Options of [`Admin::list_consumer_group_offsets`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListGroupOffsetsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whether to wait until offsets that open transactions commit are decided (KIP-447; brokers from 2.5 on).
    pub require_stable: bool,
}

const GROUPS: Coordinators = Coordinators(CoordinatorKind::Group);

impl Admin {
    /// The committed offsets of groups.
    ///
    /// # Errors
    /// For each group: GROUP_AUTHORIZATION_FAILED, ...; partitions with errors of their own are left out.
    pub async fn list_consumer_group_offsets(
        &self,
        groups: &BTreeMap<Str, ListGroupOffsetsSpec>,
        options: &ListGroupOffsetsOptions,
    ) -> PerKey<Str, GroupOffsets> {
        let deadline = self.deadline(options.timeout);
        let keys: Vec<Str> = groups.keys().cloned().collect();
        let mut done = self.run_keyed(&FetchMany { groups, options }, &GROUPS, keys, deadline).await;
        // Brokers before 3.0 answer for one group at a time.
        let old = |result: &Result<GroupOffsets>| matches!(result, Err(Error::UnsupportedVersion(_)));
        let single: Vec<Str> =
            done.iter().filter(|(_, result)| old(result)).map(|(id, _)| id.clone()).collect();
        if !single.is_empty() {
            done.extend(self.run_keyed(&FetchOne { groups, options }, &GROUPS, single, deadline).await);
        }
        done
    }

    /// The committed offsets of streams groups.
    ///
    /// # Errors
    /// As [`Admin::list_consumer_group_offsets`].
    pub async fn list_streams_group_offsets(
        &self,
        groups: &BTreeMap<Str, ListGroupOffsetsSpec>,
        options: &ListGroupOffsetsOptions,
    ) -> PerKey<Str, GroupOffsets> {
        self.list_consumer_group_offsets(groups, options).await
    }

    /// Sets the committed offsets of a group that has no members.
    ///
    /// # Errors
    /// When the group's coordinator can't be found or reached in time; for each partition UNKNOWN_MEMBER_ID (the
    /// group has members), GROUP_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION, ...
    pub async fn alter_consumer_group_offsets(
        &self,
        group_id: &Str,
        offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
        options: &TimeoutOptions,
    ) -> Result<PerKey<TopicPartition, ()>> {
        let deadline = self.deadline(options.timeout);
        let done = self.run_keyed(&Commit { offsets }, &GROUPS, [group_id.clone()], deadline).await;
        only(done)
    }

    /// Sets the committed offsets of a streams group that has no members.
    ///
    /// # Errors
    /// As [`Admin::alter_consumer_group_offsets`].
    pub async fn alter_streams_group_offsets(
        &self,
        group_id: &Str,
        offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
        options: &TimeoutOptions,
    ) -> Result<PerKey<TopicPartition, ()>> {
        self.alter_consumer_group_offsets(group_id, offsets, options).await
    }

    /// Deletes committed offsets of topics that the group does not subscribe to (KIP-496; brokers from 2.4 on).
    ///
    /// # Errors
    /// For the group: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP, ...; for each partition GROUP_SUBSCRIBED_TO_TOPIC, ...
    pub async fn delete_consumer_group_offsets(
        &self,
        group_id: &Str,
        partitions: &BTreeSet<TopicPartition>,
        options: &TimeoutOptions,
    ) -> Result<PerKey<TopicPartition, ()>> {
        let deadline = self.deadline(options.timeout);
        let done = self.run_keyed(&Delete { partitions }, &GROUPS, [group_id.clone()], deadline).await;
        only(done)
    }

    /// Deletes committed offsets of a streams group.
    ///
    /// # Errors
    /// As [`Admin::delete_consumer_group_offsets`].
    pub async fn delete_streams_group_offsets(
        &self,
        group_id: &Str,
        partitions: &BTreeSet<TopicPartition>,
        options: &TimeoutOptions,
    ) -> Result<PerKey<TopicPartition, ()>> {
        self.delete_consumer_group_offsets(group_id, partitions, options).await
    }
}

/// The result of the only key there is.
pub(super) fn only<V>(done: PerKey<Str, V>) -> Result<V> {
    let first = done.into_values().next();
    first.unwrap_or_else(|| {
        Err(Error::Protocol("The coordinator's answer holds no result for the group".into()))
    })
}

/// OffsetFetch from version 8 on: many groups.
struct FetchMany<'a> {
    groups: &'a BTreeMap<Str, ListGroupOffsetsSpec>,
    options: &'a ListGroupOffsetsOptions,
}

fn partition_indexes(keys: Vec<&TopicPartition>) -> Vec<i32> {
    keys.into_iter().map(|key| key.partition).collect()
}

impl Keyed for FetchMany<'_> {
    type Key = Str;
    type Value = GroupOffsets;
    type Request = OffsetFetchRequest;
    const NAME: &'static str = "listConsumerGroupOffsets";

    /// From version 10 on topics go by their ids.
    fn versions(&self, _: &[Str]) -> (i16, i16) {
        (8, 9)
    }

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<OffsetFetchRequest> {
        let topics = |keys: &Vec<TopicPartition>| -> Vec<OffsetFetchRequestTopics> {
            let topic = |(name, keys): (&Str, Vec<&TopicPartition>)| OffsetFetchRequestTopics {
                name: name.clone(),
                partition_indexes: partition_indexes(keys),
                ..Default::default()
            };
            by_topic(keys).into_iter().map(topic).collect()
        };
        let group = |id: &Str| OffsetFetchRequestGroup {
            group_id: id.clone(),
            topics: self.groups.get(id).and_then(Option::as_ref).map(topics),
            ..Default::default()
        };
        Ok(OffsetFetchRequest {
            groups: keys.iter().map(group).collect(),
            require_stable: self.options.require_stable,
            ..Default::default()
        })
    }

    fn respond(
        &self,
        _: &Node,
        _: &[Str],
        _: i16,
        response: OffsetFetchResponse,
    ) -> Answer<Str, GroupOffsets> {
        let mut answer = Answer::default();
        for group in response.groups {
            match ErrorCode::from_code(group.error_code) {
                ErrorCode::None => {
                    let mut offsets = GroupOffsets::new();
                    for topic in group.topics {
                        for it in topic.partitions {
                            let key = TopicPartition::new(topic.name.clone(), it.partition_index);
                            let offset = (it.committed_offset, it.committed_leader_epoch, it.metadata);
                            take(&mut offsets, key, it.error_code, offset);
                        }
                    }
                    answer.complete(group.group_id, offsets);
                }
                code => answer.coordinator_error(group.group_id, code, None),
            }
        }
        answer
    }
}

/// OffsetFetch up to version 7: one group.
struct FetchOne<'a> {
    groups: &'a BTreeMap<Str, ListGroupOffsetsSpec>,
    options: &'a ListGroupOffsetsOptions,
}

impl Keyed for FetchOne<'_> {
    type Key = Str;
    type Value = GroupOffsets;
    type Request = OffsetFetchRequest;
    const NAME: &'static str = "listConsumerGroupOffsets";
    const BATCHED: bool = false;

    fn versions(&self, keys: &[Str]) -> (i16, i16) {
        let all = keys.iter().any(|key| self.groups.get(key).is_none_or(Option::is_none));
        let lowest = match (self.options.require_stable, all) {
            (true, _) => 7,
            (_, true) => 2,
            _ => 1,
        };
        (lowest, 7)
    }

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<OffsetFetchRequest> {
        let id = keys.first().cloned().unwrap_or_default();
        let topic = |(name, keys): (&Str, Vec<&TopicPartition>)| OffsetFetchRequestTopic {
            name: name.clone(),
            partition_indexes: partition_indexes(keys),
        };
        let topics = self.groups.get(&id).and_then(Option::as_ref);
        Ok(OffsetFetchRequest {
            topics: topics.map(|keys| by_topic(keys).into_iter().map(topic).collect()),
            group_id: id,
            require_stable: self.options.require_stable,
            ..Default::default()
        })
    }

    fn respond(
        &self,
        _: &Node,
        keys: &[Str],
        _: i16,
        response: OffsetFetchResponse,
    ) -> Answer<Str, GroupOffsets> {
        let mut answer = Answer::default();
        let Some(id) = keys.first().cloned() else { return answer };
        let mut offsets = GroupOffsets::new();
        let mut code = ErrorCode::from_code(response.error_code);
        for topic in response.topics {
            for it in topic.partitions {
                // Version 1 has errors of the group at its partitions.
                let at = ErrorCode::from_code(it.error_code);
                if code == ErrorCode::None && at != ErrorCode::None && !is_of_a_partition(at) {
                    code = at;
                }
                let key = TopicPartition::new(topic.name.clone(), it.partition_index);
                let offset = (it.committed_offset, it.committed_leader_epoch, it.metadata);
                take(&mut offsets, key, it.error_code, offset);
            }
        }
        match code {
            ErrorCode::None => answer.complete(id, offsets),
            code => answer.coordinator_error(id, code, None),
        }
        answer
    }
}

fn is_of_a_partition(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::UnstableOffsetCommit
    )
}

fn take(
    offsets: &mut GroupOffsets,
    key: TopicPartition,
    error_code: i16,
    (offset, epoch, metadata): (i64, i32, Option<Str>),
) {
    if error_code != 0 {
        let error = ErrorCode::from_code(error_code);
        tracing::warn!(partition = %key, %error, "the offset is left out");
        return;
    }
    let committed = (offset >= 0).then(|| OffsetAndMetadata {
        offset,
        leader_epoch: known_epoch(epoch),
        metadata: metadata.unwrap_or_default(),
    });
    offsets.insert(key, committed);
}

struct Commit<'a> {
    offsets: &'a BTreeMap<TopicPartition, OffsetAndMetadata>,
}

impl Keyed for Commit<'_> {
    type Key = Str;
    type Value = PerKey<TopicPartition, ()>;
    type Request = OffsetCommitRequest;
    const NAME: &'static str = "offsetCommit";
    const BATCHED: bool = false;

    /// From version 10 on topics go by their ids.
    fn versions(&self, _: &[Str]) -> (i16, i16) {
        (2, 9)
    }

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<OffsetCommitRequest> {
        let mut topics: BTreeMap<&Str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (key, offset) in self.offsets {
            topics.entry(&key.topic).or_default().push(OffsetCommitRequestPartition {
                partition_index: key.partition,
                committed_offset: offset.offset,
                committed_leader_epoch: offset.leader_epoch.unwrap_or(-1),
                committed_metadata: Some(offset.metadata.clone()),
            });
        }
        let topic = |(name, partitions): (&Str, _)| OffsetCommitRequestTopic {
            name: name.clone(),
            partitions,
            ..Default::default()
        };
        Ok(OffsetCommitRequest {
            group_id: keys.first().cloned().unwrap_or_default(),
            topics: topics.into_iter().map(topic).collect(),
            ..Default::default()
        })
    }

    fn respond(
        &self,
        _: &Node,
        keys: &[Str],
        _: i16,
        response: OffsetCommitResponse,
    ) -> Answer<Str, PerKey<TopicPartition, ()>> {
        let mut answer = Answer::default();
        let Some(id) = keys.first().cloned() else { return answer };
        let mut results = PerKey::new();
        let mut again = false;
        for topic in response.topics {
            for it in topic.partitions {
                match ErrorCode::from_code(it.error_code) {
                    ErrorCode::CoordinatorLoadInProgress | ErrorCode::RebalanceInProgress => again = true,
                    ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => {
                        again = true;
                        answer.unmapped.push(id.clone());
                    }
                    _ => {
                        let key = TopicPartition::new(topic.name.clone(), it.partition_index);
                        results.insert(key, Error::check(it.error_code, None));
                    }
                }
            }
        }
        if !again {
            answer.complete(id, results);
        }
        answer
    }
}

struct Delete<'a> {
    partitions: &'a BTreeSet<TopicPartition>,
}

impl Keyed for Delete<'_> {
    type Key = Str;
    type Value = PerKey<TopicPartition, ()>;
    type Request = OffsetDeleteRequest;
    const NAME: &'static str = "offsetDelete";
    const BATCHED: bool = false;

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<OffsetDeleteRequest> {
        let partitions: Vec<TopicPartition> = self.partitions.iter().cloned().collect();
        let partition =
            |key: &TopicPartition| OffsetDeleteRequestPartition { partition_index: key.partition };
        let topics = by_topic(&partitions).into_iter().map(|(name, keys)| OffsetDeleteRequestTopic {
            name: name.clone(),
            partitions: keys.into_iter().map(partition).collect(),
        });
        Ok(OffsetDeleteRequest {
            group_id: keys.first().cloned().unwrap_or_default(),
            topics: topics.collect(),
        })
    }

    fn respond(
        &self,
        _: &Node,
        keys: &[Str],
        _: i16,
        response: OffsetDeleteResponse,
    ) -> Answer<Str, PerKey<TopicPartition, ()>> {
        let mut answer = Answer::default();
        let Some(id) = keys.first().cloned() else { return answer };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                let missing = || Err(Error::Protocol("The answer holds no result for the partition".into()));
                let mut results: PerKey<TopicPartition, ()> =
                    self.partitions.iter().map(|key| (key.clone(), missing())).collect();
                for topic in response.topics {
                    for it in topic.partitions {
                        let key = TopicPartition::new(topic.name.clone(), it.partition_index);
                        results.insert(key, Error::check(it.error_code, None));
                    }
                }
                answer.complete(id, results);
            }
            code => answer.coordinator_error(id, code, None),
        }
        answer
    }
}

#[cfg(test)]
#[path = "group_offsets_test.rs"]
mod tests;
