//! Streams groups shown to tools: StreamsGroupDescribe, ListGroups, and in words
//! (`StreamsGroup.asDescribedGroup`).

use ottla_protocol::messages::list_groups_response::ListedGroup;
use ottla_protocol::messages::streams_group_describe_response::{
    Assignment, DescribedGroup, Endpoint, KeyValue, Member, Subtopology, TaskIds, TopicInfo, Topology,
};
use ottla_protocol::messages::streams_group_topology_value as record;
use ottla_protocol::{ErrorCode, Str};

use super::StreamsGroup;
use super::member::StreamsGroupMember;
use super::tasks::{Tasks, TasksTuple, TasksTupleWithEpochs};
use super::topics::{ConfiguredInternalTopic, ConfiguredSubtopology};
use crate::group::{Group, GroupExplanation, GroupType};
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// Streams groups in detail, as of the last commit.
    pub fn streams_group_describe(&self, group_ids: &[Str]) -> Vec<DescribedGroup> {
        let describe = |group_id: &Str| {
            let not_found = |message: String| DescribedGroup {
                group_id: group_id.clone(),
                error_code: ErrorCode::GroupIdNotFound.code(),
                error_message: Some(Str::from(message)),
                ..Default::default()
            };
            match self.groups.get_committed(group_id) {
                Some(Group::Streams(group)) => group.describe(),
                Some(_) => not_found(format!("Group {group_id} is not a streams group.")),
                None => not_found(format!("Group {group_id} not found.")),
            }
        };
        group_ids.iter().map(describe).collect()
    }
}

impl StreamsGroup {
    fn describe(&self) -> DescribedGroup {
        DescribedGroup {
            group_id: self.group_id.clone(),
            group_state: Str::from_static(self.state().name()),
            group_epoch: self.group_epoch,
            assignment_epoch: self.assignment_epoch,
            topology: self.describe_topology(),
            members: self.members.values().map(|member| self.describe_member(member)).collect(),
            ..Default::default()
        }
    }

    pub fn as_listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.group_id.clone(),
            protocol_type: Str::from_static("streams"),
            group_state: Str::from_static(self.state().name()),
            group_type: Str::from_static(GroupType::Streams.name()),
        }
    }

    /// The members and their session time-outs in ms, in the order of their ids.
    pub fn session_timeouts(&self, of_group: i32) -> Vec<(Str, i32)> {
        let mut ids: Vec<Str> = self.members.values().map(|member| member.member_id.clone()).collect();
        ids.sort_unstable();
        ids.into_iter().map(|id| (id, of_group)).collect()
    }

    pub fn explain(&self) -> GroupExplanation {
        let behind = self.members.values().filter(|member| !member.is_reconciled_to(self.assignment_epoch));
        let waiting_for = behind.map(|member| member.member_id.clone()).collect();
        let problem = self.configured_topology.as_ref().and_then(|topology| topology.problem.as_ref());
        let reason = match problem {
            Some(problem) => problem.detail.clone(),
            None if self.group_epoch > self.assignment_epoch => format!(
                "a new assignment is due: the group is in epoch {}, its assignment in epoch {}",
                self.group_epoch, self.assignment_epoch
            ),
            None => String::new(),
        };
        GroupExplanation {
            state: self.state().name(),
            since_ms: None,
            generation_id: self.group_epoch,
            rebalance_reason: reason,
            waiting_for,
            leader: None,
        }
    }

    /// With the partitions that were decided, if they were; else as the application gave it.
    fn describe_topology(&self) -> Option<Topology> {
        let configured = self.configured_topology.as_ref();
        let described = match configured.and_then(|configured| Some((configured.epoch, configured.ready()?)))
        {
            Some((epoch, subtopologies)) => {
                let subtopologies =
                    subtopologies.iter().map(|(id, subtopology)| configured_as(id, subtopology));
                Topology { epoch, subtopologies: Some(subtopologies.collect()) }
            }
            None => {
                let topology = self.topology.as_ref()?;
                let subtopologies = topology.subtopologies.values().map(subtopology_as);
                Topology { epoch: topology.epoch, subtopologies: Some(subtopologies.collect()) }
            }
        };
        Some(described)
    }

    fn describe_member(&self, member: &StreamsGroupMember) -> Member {
        let target = self.target_assignment.get(&member.member_id);
        let endpoint = member.user_endpoint.as_ref();
        let tags = member.client_tags.iter();
        Member {
            member_id: member.member_id.clone(),
            member_epoch: member.member_epoch,
            instance_id: member.instance_id.clone(),
            rack_id: member.rack_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            topology_epoch: member.topology_epoch,
            process_id: member.process_id.clone(),
            user_endpoint: endpoint
                .map(|endpoint| Endpoint { host: endpoint.host.clone(), port: endpoint.port }),
            client_tags: tags
                .map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() })
                .collect(),
            assignment: assigned_as(&member.assigned_tasks),
            target_assignment: target.map(|tasks| target_as(tasks)).unwrap_or_default(),
            ..Default::default()
        }
    }
}

fn assigned_as(tasks: &TasksTupleWithEpochs) -> Assignment {
    let active = tasks.active.iter().map(|(id, partitions)| TaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.keys().copied().collect(),
    });
    Assignment {
        active_tasks: active.collect(),
        standby_tasks: task_ids(&tasks.standby),
        warmup_tasks: task_ids(&tasks.warmup),
    }
}

fn target_as(tasks: &TasksTuple) -> Assignment {
    Assignment {
        active_tasks: task_ids(&tasks.active),
        standby_tasks: task_ids(&tasks.standby),
        warmup_tasks: task_ids(&tasks.warmup),
    }
}

fn task_ids(tasks: &Tasks) -> Vec<TaskIds> {
    let ids = tasks.iter().map(|(id, partitions)| TaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.iter().copied().collect(),
    });
    ids.collect()
}

fn configured_as(id: &Str, subtopology: &ConfiguredSubtopology) -> Subtopology {
    let internal = |topic: &ConfiguredInternalTopic| TopicInfo {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor.unwrap_or(0),
        topic_configs: topic
            .configs
            .iter()
            .map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() })
            .collect(),
    };
    Subtopology {
        subtopology_id: id.clone(),
        source_topics: subtopology.source_topics.iter().cloned().collect(),
        repartition_sink_topics: subtopology.repartition_sink_topics.iter().cloned().collect(),
        state_changelog_topics: subtopology.state_changelog_topics.values().map(internal).collect(),
        repartition_source_topics: subtopology.repartition_source_topics.values().map(internal).collect(),
    }
}

fn subtopology_as(subtopology: &record::Subtopology) -> Subtopology {
    let sorted = |topics: &[Str]| {
        let mut topics = topics.to_vec();
        topics.sort();
        topics
    };
    let internal = |topics: &[record::TopicInfo]| {
        let mut topics: Vec<TopicInfo> = topics.iter().map(topic_as).collect();
        topics.sort_by(|left, right| left.name.cmp(&right.name));
        topics
    };
    Subtopology {
        subtopology_id: subtopology.subtopology_id.clone(),
        source_topics: sorted(&subtopology.source_topics),
        repartition_sink_topics: sorted(&subtopology.repartition_sink_topics),
        state_changelog_topics: internal(&subtopology.state_changelog_topics),
        repartition_source_topics: internal(&subtopology.repartition_source_topics),
    }
}

fn topic_as(topic: &record::TopicInfo) -> TopicInfo {
    TopicInfo {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        topic_configs: topic
            .topic_configs
            .iter()
            .map(|config| KeyValue { key: config.key.clone(), value: config.value.clone() })
            .collect(),
    }
}
