//! AssignReplicasToDirs (key 73): `ReplicationControlManager.handleAssignReplicasToDirs` (KIP-858).
//!
//! A broker tells in which log directories its replicas are.

use std::collections::BTreeSet;

use ottla_metadata::VersionedRecord;
use ottla_protocol::messages::assign_replicas_to_dirs_response::{DirectoryData, PartitionData, TopicData};
use ottla_protocol::messages::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use ottla_protocol::{ErrorCode, Uuid};

use crate::leader_updates::BrokerChange;
use crate::{ApiError, Controller, ControllerResult, RequestContext};

impl Controller {
    /// AssignReplicasToDirs.
    pub fn assign_replicas_to_dirs(
        &self,
        request: &AssignReplicasToDirsRequest,
        _: &mut RequestContext<'_>,
    ) -> ControllerResult<AssignReplicasToDirsResponse> {
        if let Err(error) = self.check_assignment(request) {
            let error_code = error.error_code();
            return ControllerResult::answer(AssignReplicasToDirsResponse {
                error_code,
                ..Default::default()
            });
        }
        let broker_id = request.broker_id;
        let broker = self.state.image.cluster.broker(broker_id);
        let mut records = Vec::new();
        let mut offline: BTreeSet<(Uuid, i32)> = BTreeSet::new();
        let mut directories = Vec::with_capacity(request.directories.len());
        for directory in &request.directories {
            let is_online = broker.is_some_and(|broker| broker.has_online_dir(directory.id));
            let mut answer = DirectoryData { id: directory.id, topics: Vec::new() };
            for topic in &directory.topics {
                let mut partitions = Vec::with_capacity(topic.partitions.len());
                for partition in &topic.partitions {
                    let index = partition.partition_index;
                    let result = self.assign(broker_id, directory.id, topic.topic_id, index, &mut records);
                    if result.is_ok() && !is_online {
                        offline.insert((topic.topic_id, index));
                    }
                    let error_code = result.err().unwrap_or(ErrorCode::None).code();
                    partitions.push(PartitionData { partition_index: index, error_code });
                }
                answer.topics.push(TopicData { topic_id: topic.topic_id, partitions });
            }
            directories.push(answer);
        }
        self.leader_and_isr_updates(
            BrokerChange::removing(broker_id),
            &mut records,
            |topic, partition, _| offline.contains(&(topic, partition)),
        );
        ControllerResult::of(records, AssignReplicasToDirsResponse { directories, ..Default::default() })
    }

    fn check_assignment(&self, request: &AssignReplicasToDirsRequest) -> Result<(), ApiError> {
        if !self.metadata_version().is_directory_assignment_supported() {
            let message = "Directory assignment is not supported yet.";
            return Err(ApiError::thrown(ErrorCode::UnsupportedVersion, message));
        }
        self.check_broker_epoch(request.broker_id, request.broker_epoch)
    }

    fn assign(
        &self,
        broker_id: i32,
        directory: Uuid,
        topic_id: Uuid,
        partition_id: i32,
        records: &mut Vec<VersionedRecord>,
    ) -> Result<(), ErrorCode> {
        let topic = self.state.image.topics.topic_by_id(topic_id).ok_or(ErrorCode::UnknownTopicId)?;
        let partition = topic.partitions.get(partition_id).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if !partition.replicas.contains(&broker_id) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        records.extend(self.change_partition_among_active(topic, partition_id, partition, |builder| {
            builder.directory(broker_id, directory)
        }));
        Ok(())
    }
}
