//! Values of records, from the state and back.

use std::collections::BTreeMap;

use ottla_protocol::Str;
use ottla_protocol::messages::streams_group_current_member_assignment_value::{
    StreamsGroupCurrentMemberAssignmentValue, TaskIds as CurrentTaskIds,
};
use ottla_protocol::messages::streams_group_member_metadata_value::{
    Endpoint, KeyValue, StreamsGroupMemberMetadataValue,
};
use ottla_protocol::messages::streams_group_metadata_value::{
    LastAssignmentConfig, StreamsGroupMetadataValue,
};
use ottla_protocol::messages::streams_group_target_assignment_member_value::{
    StreamsGroupTargetAssignmentMemberValue, TaskIds as TargetTaskIds,
};

use super::member::{MemberState, StreamsGroupMember, UserEndpoint};
use super::record::GroupMetadata;
use super::tasks::{Tasks, TasksTuple, TasksTupleWithEpochs, TasksWithEpochs};
use crate::records::owned;

pub(super) fn metadata_value(metadata: &GroupMetadata<'_>) -> StreamsGroupMetadataValue {
    let configs = metadata.assignment_configs.iter();
    let configs = configs.map(|(key, value)| LastAssignmentConfig { key: key.clone(), value: value.clone() });
    StreamsGroupMetadataValue {
        epoch: metadata.epoch,
        metadata_hash: metadata.metadata_hash,
        validated_topology_epoch: metadata.validated_topology_epoch,
        last_assignment_configs: Some(configs.collect()),
    }
}

pub(super) fn member_metadata_value(member: &StreamsGroupMember) -> StreamsGroupMemberMetadataValue {
    let endpoint = member.user_endpoint.as_ref();
    let tags = member.client_tags.iter();
    StreamsGroupMemberMetadataValue {
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        topology_epoch: member.topology_epoch,
        process_id: member.process_id.clone(),
        user_endpoint: endpoint.map(|endpoint| Endpoint { host: endpoint.host.clone(), port: endpoint.port }),
        client_tags: tags.map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() }).collect(),
    }
}

pub(super) fn target_assignment_value(assignment: &TasksTuple) -> StreamsGroupTargetAssignmentMemberValue {
    let ids = |tasks: &Tasks| {
        let ids = tasks.iter().map(|(id, partitions)| TargetTaskIds {
            subtopology_id: id.clone(),
            partitions: partitions.iter().copied().collect(),
        });
        ids.collect()
    };
    StreamsGroupTargetAssignmentMemberValue {
        active_tasks: ids(&assignment.active),
        standby_tasks: ids(&assignment.standby),
        warmup_tasks: ids(&assignment.warmup),
    }
}

pub(super) fn current_assignment_value(
    member: &StreamsGroupMember,
) -> StreamsGroupCurrentMemberAssignmentValue {
    let (assigned, pending) = (&member.assigned_tasks, &member.tasks_pending_revocation);
    StreamsGroupCurrentMemberAssignmentValue {
        member_epoch: member.member_epoch,
        previous_member_epoch: member.previous_member_epoch,
        state: member.state.code(),
        active_tasks: ids_with_epochs(&assigned.active),
        standby_tasks: ids(&assigned.standby),
        warmup_tasks: ids(&assigned.warmup),
        active_tasks_pending_revocation: ids_with_epochs(&pending.active),
        standby_tasks_pending_revocation: ids(&pending.standby),
        warmup_tasks_pending_revocation: ids(&pending.warmup),
    }
}

fn ids(tasks: &Tasks) -> Vec<CurrentTaskIds> {
    let ids = tasks.iter().map(|(id, partitions)| CurrentTaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.iter().copied().collect(),
        assignment_epochs: None,
    });
    ids.collect()
}

fn ids_with_epochs(tasks: &TasksWithEpochs) -> Vec<CurrentTaskIds> {
    let ids = tasks.iter().map(|(id, partitions)| CurrentTaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    });
    ids.collect()
}

impl StreamsGroupMember {
    /// The member with what its record says of it.
    pub(super) fn with_metadata(mut self, value: &StreamsGroupMemberMetadataValue) -> Self {
        self.instance_id = value.instance_id.as_ref().map(owned);
        self.rack_id = value.rack_id.as_ref().map(owned);
        self.client_id = owned(&value.client_id);
        self.client_host = owned(&value.client_host);
        self.rebalance_timeout_ms = value.rebalance_timeout_ms;
        self.topology_epoch = value.topology_epoch;
        self.process_id = owned(&value.process_id);
        let endpoint = value.user_endpoint.as_ref();
        self.user_endpoint =
            endpoint.map(|endpoint| UserEndpoint { host: owned(&endpoint.host), port: endpoint.port });
        self.client_tags = value.client_tags.iter().map(|tag| (owned(&tag.key), owned(&tag.value))).collect();
        self
    }

    /// The member where its record says that it stands.
    pub(super) fn with_current_assignment(
        mut self,
        value: &StreamsGroupCurrentMemberAssignmentValue,
    ) -> Self {
        self.member_epoch = value.member_epoch;
        self.previous_member_epoch = value.previous_member_epoch;
        self.state = MemberState::from_code(value.state);
        self.assigned_tasks = TasksTupleWithEpochs {
            active: with_epochs(&value.active_tasks, value.member_epoch),
            standby: tasks(&value.standby_tasks),
            warmup: tasks(&value.warmup_tasks),
        };
        self.tasks_pending_revocation = TasksTupleWithEpochs {
            active: with_epochs(&value.active_tasks_pending_revocation, value.member_epoch),
            standby: tasks(&value.standby_tasks_pending_revocation),
            warmup: tasks(&value.warmup_tasks_pending_revocation),
        };
        self
    }
}

impl TasksTuple {
    pub(super) fn from_record(value: &StreamsGroupTargetAssignmentMemberValue) -> Self {
        let tasks = |ids: &[TargetTaskIds]| -> Tasks {
            ids.iter()
                .map(|ids| (owned(&ids.subtopology_id), ids.partitions.iter().copied().collect()))
                .collect()
        };
        Self {
            active: tasks(&value.active_tasks),
            standby: tasks(&value.standby_tasks),
            warmup: tasks(&value.warmup_tasks),
        }
    }
}

fn tasks(ids: &[CurrentTaskIds]) -> Tasks {
    ids.iter().map(|ids| (owned(&ids.subtopology_id), ids.partitions.iter().copied().collect())).collect()
}

/// Records of Kafka before 4.3 have no epochs: the member's stands in.
fn with_epochs(ids: &[CurrentTaskIds], member_epoch: i32) -> TasksWithEpochs {
    let tasks = ids.iter().map(|ids| {
        let epochs = ids.assignment_epochs.as_ref().filter(|epochs| epochs.len() == ids.partitions.len());
        let partitions: BTreeMap<i32, i32> = match epochs {
            Some(epochs) => ids.partitions.iter().copied().zip(epochs.iter().copied()).collect(),
            None => ids.partitions.iter().map(|partition| (*partition, member_epoch)).collect(),
        };
        (owned(&ids.subtopology_id), partitions)
    });
    tasks.collect()
}

/// The assignor's settings as the group's record has them.
pub(super) fn assignment_configs(value: &StreamsGroupMetadataValue) -> BTreeMap<Str, Str> {
    let configs = value.last_assignment_configs.iter().flatten();
    configs.map(|config| (owned(&config.key), owned(&config.value))).collect()
}
