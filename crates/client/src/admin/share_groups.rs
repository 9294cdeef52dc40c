//! Share groups (KIP-932): described, and their start offsets listed, altered and deleted.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use ottla_protocol::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use ottla_protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use ottla_protocol::messages::share_group_describe_response::{DescribedGroup, Member};
use ottla_protocol::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse, DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
    ShareGroupDescribeRequest, ShareGroupDescribeResponse,
};
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::group_offsets::{ListGroupOffsetsSpec, only};
use super::groups::spread;
use super::keyed::{Answer, Keyed};
use super::lookup::Coordinators;
use super::offsets::by_topic;
use super::types::{authorized_operations, known, known_epoch};
use super::{AclOperation, Admin, DescribeGroupsOptions, GroupState, PerKey, TimeoutOptions};
use crate::cluster::{CoordinatorKind, Node};
use crate::{Error, Result};

/// A share group (`ShareGroupDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareGroupDescription {
    /// Its id.
    pub group_id: Str,
    /// Its members.
    pub members: Vec<ShareMemberDescription>,
    /// How it is.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: Node,
    /// Epoch of the group.
    pub group_epoch: i32,
    /// Epoch of the assignment that members go over to.
    pub target_assignment_epoch: i32,
    /// What the principal may do; nothing when that was not asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A member of a share group (`ShareMemberDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareMemberDescription {
    /// Its id.
    pub member_id: Str,
    /// Its rack.
    pub rack_id: Option<Str>,
    /// `client.id`.
    pub client_id: Str,
    /// Where it connects from.
    pub host: Str,
    /// Its epoch.
    pub member_epoch: i32,
    /// What it has.
    pub assignment: BTreeSet<TopicPartition>,
}

/// How far a share group is in a partition (`SharePartitionOffsetInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharePartitionOffsetInfo {
    /// The first offset that is not done with.
    pub start_offset: i64,
    /// Epoch of the leader.
    pub leader_epoch: Option<i32>,
    /// How many records are not done with (brokers from 4.2 on).
    pub lag: Option<i64>,
}

/// The start offsets of a share group; nothing for partitions without one.
pub type ShareGroupOffsets = BTreeMap<TopicPartition, Option<SharePartitionOffsetInfo>>;

const GROUPS: Coordinators = Coordinators(CoordinatorKind::Group);

impl Admin {
    /// Describes share groups.
    ///
    /// # Errors
    /// For each group: GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED, ...
    pub async fn describe_share_groups(
        &self,
        group_ids: &[Str],
        options: &DescribeGroupsOptions,
    ) -> PerKey<Str, ShareGroupDescription> {
        let deadline = self.deadline(options.timeout);
        let handler = Describe { include_operations: options.include_authorized_operations };
        self.run_keyed(&handler, &GROUPS, group_ids.iter().cloned(), deadline).await
    }

    /// The start offsets of share groups.
    ///
    /// # Errors
    /// For each group: GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED, ...; partitions with errors of their own are left
    /// out.
    pub async fn list_share_group_offsets(
        &self,
        groups: &BTreeMap<Str, ListGroupOffsetsSpec>,
        options: &TimeoutOptions,
    ) -> PerKey<Str, ShareGroupOffsets> {
        let deadline = self.deadline(options.timeout);
        let keys: Vec<Str> = groups.keys().cloned().collect();
        self.run_keyed(&ListOffsets { groups }, &GROUPS, keys, deadline).await
    }

    /// Sets start offsets of a share group that has no members.
    ///
    /// # Errors
    /// When the coordinator can't be reached; for each partition NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, ...
    pub async fn alter_share_group_offsets(
        &self,
        group_id: &Str,
        offsets: &BTreeMap<TopicPartition, i64>,
        options: &TimeoutOptions,
    ) -> Result<PerKey<TopicPartition, ()>> {
        let deadline = self.deadline(options.timeout);
        only(self.run_keyed(&AlterOffsets { offsets }, &GROUPS, [group_id.clone()], deadline).await)
    }

    /// Deletes start offsets of topics from a share group that has no members.
    ///
    /// # Errors
    /// For the group: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, ...; for each topic UNKNOWN_TOPIC_OR_PARTITION, ...
    pub async fn delete_share_group_offsets(
        &self,
        group_id: &Str,
        topics: &BTreeSet<Str>,
        options: &TimeoutOptions,
    ) -> Result<PerKey<Str, ()>> {
        let deadline = self.deadline(options.timeout);
        only(self.run_keyed(&DeleteOffsets { topics }, &GROUPS, [group_id.clone()], deadline).await)
    }
}

struct Describe {
    include_operations: bool,
}

impl Keyed for Describe {
    type Key = Str;
    type Value = ShareGroupDescription;
    type Request = ShareGroupDescribeRequest;
    const NAME: &'static str = "describeShareGroups";

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<ShareGroupDescribeRequest> {
        Ok(ShareGroupDescribeRequest {
            group_ids: keys.to_vec(),
            include_authorized_operations: self.include_operations,
        })
    }

    fn respond(
        &self,
        broker: &Node,
        _: &[Str],
        _: i16,
        response: ShareGroupDescribeResponse,
    ) -> Answer<Str, ShareGroupDescription> {
        let mut answer = Answer::default();
        for group in response.groups {
            let id = group.group_id.clone();
            match ErrorCode::from_code(group.error_code) {
                ErrorCode::None => answer.complete(id, described(group, broker)),
                code => answer.coordinator_error(id, code, group.error_message.as_deref()),
            }
        }
        answer
    }
}

fn described(group: DescribedGroup, coordinator: &Node) -> ShareGroupDescription {
    let member = |it: Member| {
        let topics = it.assignment.topic_partitions.into_iter();
        ShareMemberDescription {
            member_id: it.member_id,
            rack_id: it.rack_id,
            client_id: it.client_id,
            host: it.client_host,
            member_epoch: it.member_epoch,
            assignment: topics.flat_map(|it| spread(it.topic_name, it.partitions)).collect(),
        }
    };
    ShareGroupDescription {
        group_id: group.group_id,
        members: group.members.into_iter().map(member).collect(),
        state: GroupState::parse(&group.group_state),
        coordinator: coordinator.clone(),
        group_epoch: group.group_epoch,
        target_assignment_epoch: group.assignment_epoch,
        authorized_operations: authorized_operations(group.authorized_operations),
    }
}

struct ListOffsets<'a> {
    groups: &'a BTreeMap<Str, ListGroupOffsetsSpec>,
}

impl Keyed for ListOffsets<'_> {
    type Key = Str;
    type Value = ShareGroupOffsets;
    type Request = DescribeShareGroupOffsetsRequest;
    const NAME: &'static str = "describeShareGroupOffsets";

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<DescribeShareGroupOffsetsRequest> {
        let topic = |(name, keys): (&Str, Vec<&TopicPartition>)| DescribeShareGroupOffsetsRequestTopic {
            topic_name: name.clone(),
            partitions: keys.into_iter().map(|key| key.partition).collect(),
        };
        let group = |id: &Str| {
            let topics = self.groups.get(id).and_then(Option::as_ref);
            DescribeShareGroupOffsetsRequestGroup {
                group_id: id.clone(),
                topics: topics.map(|keys| by_topic(keys).into_iter().map(topic).collect()),
            }
        };
        Ok(DescribeShareGroupOffsetsRequest { groups: keys.iter().map(group).collect() })
    }

    fn respond(
        &self,
        _: &Node,
        _: &[Str],
        _: i16,
        response: DescribeShareGroupOffsetsResponse,
    ) -> Answer<Str, ShareGroupOffsets> {
        let mut answer = Answer::default();
        for group in response.groups {
            let code = ErrorCode::from_code(group.error_code);
            if code != ErrorCode::None {
                answer.coordinator_error(group.group_id, code, group.error_message.as_deref());
                continue;
            }
            let mut offsets = ShareGroupOffsets::new();
            for topic in group.topics {
                for it in topic.partitions {
                    let key = TopicPartition::new(topic.topic_name.clone(), it.partition_index);
                    if it.error_code != 0 {
                        let error = ErrorCode::from_code(it.error_code);
                        tracing::warn!(partition = %key, %error, "the offset is left out");
                        continue;
                    }
                    let info = SharePartitionOffsetInfo {
                        start_offset: it.start_offset,
                        leader_epoch: known_epoch(it.leader_epoch),
                        lag: known(it.lag),
                    };
                    offsets.insert(key, (it.start_offset >= 0).then_some(info));
                }
            }
            answer.complete(group.group_id, offsets);
        }
        answer
    }
}

struct AlterOffsets<'a> {
    offsets: &'a BTreeMap<TopicPartition, i64>,
}

impl Keyed for AlterOffsets<'_> {
    type Key = Str;
    type Value = PerKey<TopicPartition, ()>;
    type Request = AlterShareGroupOffsetsRequest;
    const NAME: &'static str = "alterShareGroupOffsets";
    const BATCHED: bool = false;

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<AlterShareGroupOffsetsRequest> {
        let mut topics: BTreeMap<&Str, Vec<AlterShareGroupOffsetsRequestPartition>> = BTreeMap::new();
        for (key, offset) in self.offsets {
            topics.entry(&key.topic).or_default().push(AlterShareGroupOffsetsRequestPartition {
                partition_index: key.partition,
                start_offset: *offset,
            });
        }
        let topic = |(name, partitions): (&Str, _)| AlterShareGroupOffsetsRequestTopic {
            topic_name: name.clone(),
            partitions,
        };
        Ok(AlterShareGroupOffsetsRequest {
            group_id: keys.first().cloned().unwrap_or_default(),
            topics: topics.into_iter().map(topic).collect(),
        })
    }

    fn respond(
        &self,
        _: &Node,
        keys: &[Str],
        _: i16,
        response: AlterShareGroupOffsetsResponse,
    ) -> Answer<Str, PerKey<TopicPartition, ()>> {
        let mut answer = Answer::default();
        let Some(id) = keys.first().cloned() else { return answer };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                let mut results = PerKey::new();
                for topic in response.responses {
                    for it in topic.partitions {
                        let key = TopicPartition::new(topic.topic_name.clone(), it.partition_index);
                        results.insert(key, Error::check(it.error_code, it.error_message.as_deref()));
                    }
                }
                answer.complete(id, results);
            }
            ErrorCode::CoordinatorLoadInProgress | ErrorCode::RebalanceInProgress => {}
            ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => answer.unmapped.push(id),
            code => {
                let error = Error::api(code, response.error_message.as_deref());
                let results = self.offsets.keys().map(|key| (key.clone(), Err(error.clone())));
                answer.complete(id, results.collect());
            }
        }
        answer
    }
}

struct DeleteOffsets<'a> {
    topics: &'a BTreeSet<Str>,
}

impl Keyed for DeleteOffsets<'_> {
    type Key = Str;
    type Value = PerKey<Str, ()>;
    type Request = DeleteShareGroupOffsetsRequest;
    const NAME: &'static str = "deleteShareGroupOffsets";
    const BATCHED: bool = false;

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<DeleteShareGroupOffsetsRequest> {
        let topic = |name: &Str| DeleteShareGroupOffsetsRequestTopic { topic_name: name.clone() };
        Ok(DeleteShareGroupOffsetsRequest {
            group_id: keys.first().cloned().unwrap_or_default(),
            topics: self.topics.iter().map(topic).collect(),
        })
    }

    fn respond(
        &self,
        _: &Node,
        keys: &[Str],
        _: i16,
        response: DeleteShareGroupOffsetsResponse,
    ) -> Answer<Str, PerKey<Str, ()>> {
        let mut answer = Answer::default();
        let Some(id) = keys.first().cloned() else { return answer };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                let results = response
                    .responses
                    .into_iter()
                    .map(|it| (it.topic_name, Error::check(it.error_code, it.error_message.as_deref())));
                answer.complete(id, results.collect());
            }
            ErrorCode::RebalanceInProgress => {}
            code => answer.coordinator_error(id, code, response.error_message.as_deref()),
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::describe_share_group_offsets_response::{
        DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
        DescribeShareGroupOffsetsResponseTopic,
    };

    fn node() -> Node {
        Node { id: 1, host: "h".into(), port: 9092, rack: None }
    }

    #[test]
    fn offsets_below_zero_are_none() {
        let partition = |index, start_offset, error_code| DescribeShareGroupOffsetsResponsePartition {
            partition_index: index,
            start_offset,
            leader_epoch: -1,
            lag: 4,
            error_code,
            ..Default::default()
        };
        let topic = DescribeShareGroupOffsetsResponseTopic {
            topic_name: "t".into(),
            partitions: vec![partition(0, 5, 0), partition(1, -1, 0), partition(2, 5, 3)],
            ..Default::default()
        };
        let group = DescribeShareGroupOffsetsResponseGroup {
            group_id: "g".into(),
            topics: vec![topic],
            ..Default::default()
        };
        let response = DescribeShareGroupOffsetsResponse { groups: vec![group], ..Default::default() };
        let groups = BTreeMap::new();
        let answer = ListOffsets { groups: &groups }.respond(&node(), &[], 1, response);
        let offsets = answer.settled[0].1.as_ref().unwrap();
        assert_eq!(offsets.len(), 2);
        assert_eq!(offsets[&TopicPartition::new("t", 0)].unwrap().lag, Some(4));
        assert_eq!(offsets[&TopicPartition::new("t", 1)], None);
    }

    #[test]
    fn errors_of_the_group_are_errors_of_each_partition() {
        let offsets = BTreeMap::from([(TopicPartition::new("t", 0), 5)]);
        let respond = |code: ErrorCode| {
            let response = AlterShareGroupOffsetsResponse { error_code: code as i16, ..Default::default() };
            AlterOffsets { offsets: &offsets }.respond(&node(), &["g".into()], 0, response)
        };
        let answer = respond(ErrorCode::NonEmptyGroup);
        let result = answer.settled[0].1.as_ref().unwrap().values().next().unwrap();
        assert_eq!(result.as_ref().unwrap_err().code(), Some(ErrorCode::NonEmptyGroup));
        assert!(respond(ErrorCode::RebalanceInProgress).settled.is_empty());
        assert_eq!(respond(ErrorCode::NotCoordinator).unmapped, ["g"]);
    }
}
