//! ListPartitionReassignments (key 46): `ReplicationControlManager.listPartitionReassignments`.

use ottla_metadata::TopicImage;
use ottla_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use ottla_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::Controller;

impl Controller {
    /// ListPartitionReassignments: moves under way, of the partitions asked for or of all.
    pub fn list_partition_reassignments(
        &self,
        request: &ListPartitionReassignmentsRequest,
    ) -> ListPartitionReassignmentsResponse {
        let topics = &self.state.image.topics;
        let ongoing = match &request.topics {
            None => topics.iter().map(|t| ongoing(t, t.partitions.iter().map(|(id, _)| id))).collect(),
            Some(asked) => asked
                .iter()
                .filter_map(|asked| Some((asked, topics.topic(&asked.name)?)))
                .map(|(asked, topic)| ongoing(topic, asked.partition_indexes.iter().copied()))
                .collect::<Vec<_>>(),
        };
        ListPartitionReassignmentsResponse {
            error_message: None,
            topics: ongoing.into_iter().filter(|topic| !topic.partitions.is_empty()).collect(),
            ..Default::default()
        }
    }
}

fn ongoing(topic: &TopicImage, partitions: impl Iterator<Item = i32>) -> OngoingTopicReassignment {
    let registered = partitions.filter_map(|id| Some((id, topic.partitions.get(id)?)));
    let moving = registered.filter(|(_, partition)| partition.is_reassignment_in_progress());
    let partitions = moving
        .map(|(partition_index, partition)| OngoingPartitionReassignment {
            partition_index,
            replicas: partition.replicas.to_vec(),
            adding_replicas: partition.adding_replicas.to_vec(),
            removing_replicas: partition.removing_replicas.to_vec(),
        })
        .collect();
    OngoingTopicReassignment { name: topic.name.clone(), partitions }
}
