//! Which process answers interactive queries for which partitions (`EndpointToPartitionsManager`).

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::MetadataImage;
use ottla_protocol::Str;
use ottla_protocol::messages::streams_group_heartbeat_response::{
    Endpoint, EndpointToPartitions, TopicPartition,
};

use super::StreamsGroup;
use super::member::StreamsGroupMember;
use super::topics::{ConfiguredSubtopology, ConfiguredTopology};

impl StreamsGroup {
    /// A member owns something else from now on. If it answers queries, all members are to know.
    pub(super) fn endpoint_changed(&mut self, member: &StreamsGroupMember) {
        self.endpoints.remove_mut(&member.member_id);
        if member.user_endpoint.is_some() {
            self.endpoint_information_epoch = self.endpoint_information_epoch.wrapping_add(1);
        }
    }

    /// What all members with endpoints answer for. `updated` stands for the member of its id.
    pub(super) fn endpoint_to_partitions(
        &mut self,
        updated: &StreamsGroupMember,
        topology: &ConfiguredTopology,
        image: &MetadataImage,
    ) -> Vec<EndpointToPartitions> {
        let others = self.members.values().filter(|member| member.member_id != updated.member_id);
        let members: Vec<Arc<StreamsGroupMember>> = others.cloned().collect();
        let members = members.iter().map(|member| &**member).chain([updated]);
        members.filter_map(|member| self.endpoint_of(member, topology, image)).collect()
    }

    fn endpoint_of(
        &mut self,
        member: &StreamsGroupMember,
        topology: &ConfiguredTopology,
        image: &MetadataImage,
    ) -> Option<EndpointToPartitions> {
        let endpoint = member.user_endpoint.as_ref()?;
        if let Some(known) = self.endpoints.get(&member.member_id) {
            return Some((**known).clone());
        }
        let tasks = &member.assigned_tasks;
        let active = tasks.active.iter().map(|(id, tasks)| (id, tasks.keys().copied().collect()));
        let standby = tasks.standby.iter().map(|(id, tasks)| (id, tasks.iter().copied().collect()));
        let endpoint = EndpointToPartitions {
            user_endpoint: Endpoint { host: endpoint.host.clone(), port: endpoint.port },
            active_partitions: topic_partitions(active, topology, image),
            standby_partitions: topic_partitions(standby, topology, image),
        };
        self.endpoints.insert_mut(member.member_id.clone(), Arc::new(endpoint.clone()));
        Some(endpoint)
    }
}

/// The partitions of the topics that tasks read. A topic with fewer partitions than there are tasks has only
/// its own.
fn topic_partitions<'a>(
    tasks: impl Iterator<Item = (&'a Str, Vec<i32>)>,
    topology: &ConfiguredTopology,
    image: &MetadataImage,
) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for (id, tasks) in tasks {
        let subtopology = topology.subtopologies.as_ref().and_then(|subtopologies| subtopologies.get(id));
        for topic in subtopology.map(topics_of).unwrap_or_default() {
            let Some(there) = image.topics.topic(topic) else { continue };
            partitions.push(TopicPartition {
                topic: topic.clone(),
                partitions: tasks.iter().copied().take(there.partitions.len()).collect(),
            });
        }
    }
    partitions
}

fn topics_of(subtopology: &ConfiguredSubtopology) -> BTreeSet<&Str> {
    subtopology.source_topics.iter().chain(subtopology.repartition_source_topics.keys()).collect()
}
