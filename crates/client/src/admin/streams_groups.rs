//! Streams groups (KIP-1071) described.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::streams_group_describe_response::{
    Assignment, DescribedGroup, KeyValue, Member, Subtopology, TaskIds as TaskIdsData,
    TaskOffset as TaskOffsetData, TopicInfo as TopicInfoData,
};
use ottla_protocol::messages::{StreamsGroupDescribeRequest, StreamsGroupDescribeResponse};
use ottla_protocol::{ErrorCode, Str};

use super::keyed::{Answer, Keyed};
use super::lookup::Coordinators;
use super::types::authorized_operations;
use super::{AclOperation, Admin, DescribeGroupsOptions, GroupState, PerKey};
use crate::cluster::{CoordinatorKind, Node};
use crate::{Error, Result};

/// A streams group (`StreamsGroupDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsGroupDescription {
    /// Its id.
    pub group_id: Str,
    /// Epoch of the group.
    pub group_epoch: i32,
    /// Epoch of the assignment that members go over to.
    pub target_assignment_epoch: i32,
    /// Epoch of the topology.
    pub topology_epoch: i32,
    /// Parts of the topology.
    pub subtopologies: Vec<StreamsSubtopology>,
    /// Its members.
    pub members: Vec<StreamsMember>,
    /// How it is.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: Node,
    /// What the principal may do; nothing when that was not asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

/// A part of a topology (`StreamsGroupSubtopologyDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsSubtopology {
    /// Its id.
    pub subtopology_id: Str,
    /// Topics it reads.
    pub source_topics: Vec<Str>,
    /// Repartition topics it writes.
    pub repartition_sink_topics: Vec<Str>,
    /// Topics of its state.
    pub state_changelog_topics: BTreeMap<Str, StreamsTopicInfo>,
    /// Repartition topics it reads.
    pub repartition_source_topics: BTreeMap<Str, StreamsTopicInfo>,
}

/// An internal topic of a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsTopicInfo {
    /// Partitions; 0 when they follow from other topics.
    pub partitions: i32,
    /// Replicas; 0 for the broker's default.
    pub replication_factor: i16,
    /// Configurations.
    pub topic_configs: BTreeMap<Str, Str>,
}

/// A member of a streams group (`StreamsGroupMemberDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsMember {
    /// Its id.
    pub member_id: Str,
    /// Its epoch.
    pub member_epoch: i32,
    /// `group.instance.id`.
    pub instance_id: Option<Str>,
    /// Its rack.
    pub rack_id: Option<Str>,
    /// `client.id`.
    pub client_id: Str,
    /// Where it connects from.
    pub client_host: Str,
    /// Epoch of the topology it runs.
    pub topology_epoch: i32,
    /// Its process.
    pub process_id: Str,
    /// Where its interactive queries are answered: host and port.
    pub user_endpoint: Option<(Str, u16)>,
    /// Tags for rack awareness.
    pub client_tags: BTreeMap<Str, Str>,
    /// How far its tasks are.
    pub task_offsets: Vec<StreamsTaskOffset>,
    /// How far they can go.
    pub task_end_offsets: Vec<StreamsTaskOffset>,
    /// What it has.
    pub assignment: StreamsAssignment,
    /// What it shall have.
    pub target_assignment: StreamsAssignment,
    /// Whether it speaks the classic protocol.
    pub is_classic: bool,
}

/// An offset of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsTaskOffset {
    /// Part of the topology.
    pub subtopology_id: Str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// Tasks of a member (`StreamsGroupMemberAssignment`): parts of the topology and their partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsAssignment {
    /// Tasks that process.
    pub active_tasks: Vec<StreamsTaskIds>,
    /// Tasks that follow.
    pub standby_tasks: Vec<StreamsTaskIds>,
    /// Tasks that catch up.
    pub warmup_tasks: Vec<StreamsTaskIds>,
}

/// Tasks of a part of a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsTaskIds {
    /// Part of the topology.
    pub subtopology_id: Str,
    /// Partitions.
    pub partitions: Vec<i32>,
}

impl Admin {
    /// Describes streams groups.
    ///
    /// # Errors
    /// For each group: GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED, ...
    pub async fn describe_streams_groups(
        &self,
        group_ids: &[Str],
        options: &DescribeGroupsOptions,
    ) -> PerKey<Str, StreamsGroupDescription> {
        let deadline = self.deadline(options.timeout);
        let handler = Describe { include_operations: options.include_authorized_operations };
        let route = Coordinators(CoordinatorKind::Group);
        self.run_keyed(&handler, &route, group_ids.iter().cloned(), deadline).await
    }
}

struct Describe {
    include_operations: bool,
}

impl Keyed for Describe {
    type Key = Str;
    type Value = StreamsGroupDescription;
    type Request = StreamsGroupDescribeRequest;
    const NAME: &'static str = "describeStreamsGroups";

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<StreamsGroupDescribeRequest> {
        Ok(StreamsGroupDescribeRequest {
            group_ids: keys.to_vec(),
            include_authorized_operations: self.include_operations,
        })
    }

    fn respond(
        &self,
        broker: &Node,
        _: &[Str],
        _: i16,
        response: StreamsGroupDescribeResponse,
    ) -> Answer<Str, StreamsGroupDescription> {
        let mut answer = Answer::default();
        for group in response.groups {
            let id = group.group_id.clone();
            match ErrorCode::from_code(group.error_code) {
                ErrorCode::None => match described(group, broker) {
                    Ok(group) => answer.complete(id, group),
                    Err(error) => answer.fail(id, error),
                },
                code => answer.coordinator_error(id, code, group.error_message.as_deref()),
            }
        }
        answer
    }
}

fn described(group: DescribedGroup, coordinator: &Node) -> Result<StreamsGroupDescription> {
    let Some(topology) = group.topology else {
        return Err(Error::Protocol("Topology information is missing".into()));
    };
    Ok(StreamsGroupDescription {
        group_id: group.group_id,
        group_epoch: group.group_epoch,
        target_assignment_epoch: group.assignment_epoch,
        topology_epoch: topology.epoch,
        subtopologies: topology.subtopologies.into_iter().flatten().map(subtopology).collect(),
        members: group.members.into_iter().map(member).collect(),
        state: GroupState::parse(&group.group_state),
        coordinator: coordinator.clone(),
        authorized_operations: authorized_operations(group.authorized_operations),
    })
}

fn subtopology(data: Subtopology) -> StreamsSubtopology {
    StreamsSubtopology {
        subtopology_id: data.subtopology_id,
        source_topics: data.source_topics,
        repartition_sink_topics: data.repartition_sink_topics,
        state_changelog_topics: topics(data.state_changelog_topics),
        repartition_source_topics: topics(data.repartition_source_topics),
    }
}

fn topics(infos: Vec<TopicInfoData>) -> BTreeMap<Str, StreamsTopicInfo> {
    let info = |it: TopicInfoData| {
        let info = StreamsTopicInfo {
            partitions: it.partitions,
            replication_factor: it.replication_factor,
            topic_configs: pairs(it.topic_configs),
        };
        (it.name, info)
    };
    infos.into_iter().map(info).collect()
}

fn pairs(pairs: Vec<KeyValue>) -> BTreeMap<Str, Str> {
    pairs.into_iter().map(|it| (it.key, it.value)).collect()
}

fn member(data: Member) -> StreamsMember {
    StreamsMember {
        member_id: data.member_id,
        member_epoch: data.member_epoch,
        instance_id: data.instance_id,
        rack_id: data.rack_id,
        client_id: data.client_id,
        client_host: data.client_host,
        topology_epoch: data.topology_epoch,
        process_id: data.process_id,
        user_endpoint: data.user_endpoint.map(|it| (it.host, it.port)),
        client_tags: pairs(data.client_tags),
        task_offsets: offsets(data.task_offsets),
        task_end_offsets: offsets(data.task_end_offsets),
        assignment: assignment(data.assignment),
        target_assignment: assignment(data.target_assignment),
        is_classic: data.is_classic,
    }
}

fn offsets(offsets: Vec<TaskOffsetData>) -> Vec<StreamsTaskOffset> {
    let offset = |it: TaskOffsetData| StreamsTaskOffset {
        subtopology_id: it.subtopology_id,
        partition: it.partition,
        offset: it.offset,
    };
    offsets.into_iter().map(offset).collect()
}

fn assignment(data: Assignment) -> StreamsAssignment {
    let tasks = |tasks: Vec<TaskIdsData>| {
        let ids = tasks.into_iter();
        ids.map(|it| StreamsTaskIds { subtopology_id: it.subtopology_id, partitions: it.partitions })
            .collect()
    };
    StreamsAssignment {
        active_tasks: tasks(data.active_tasks),
        standby_tasks: tasks(data.standby_tasks),
        warmup_tasks: tasks(data.warmup_tasks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::streams_group_describe_response::Topology;

    #[test]
    fn a_group_has_a_topology() {
        let node = Node { id: 1, host: "h".into(), port: 9092, rack: None };
        let group = |topology| DescribedGroup { group_id: "g".into(), topology, ..Default::default() };
        assert_eq!(described(group(None), &node).unwrap_err().to_string(), "Topology information is missing");
        let subtopology = Subtopology {
            subtopology_id: "0".into(),
            state_changelog_topics: vec![TopicInfoData { name: "c".into(), ..Default::default() }],
            ..Default::default()
        };
        let topology = Topology { epoch: 4, subtopologies: Some(vec![subtopology]) };
        let described = described(group(Some(topology)), &node).unwrap();
        assert_eq!(described.topology_epoch, 4);
        assert!(described.subtopologies[0].state_changelog_topics.contains_key("c"));
    }
}
