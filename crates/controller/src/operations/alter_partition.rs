//! AlterPartition (key 56): `ReplicationControlManager.alterPartition` (KIP-497, KIP-903).
//!
//! A leader tells which replicas are in sync.

use ottla_metadata::{
    LeaderRecoveryState, NO_LEADER_CHANGE, PartitionRegistration, TopicImage, VersionedRecord,
};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::alter_partition_request::PartitionData;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{AlterPartitionRequest, AlterPartitionResponse, alter_partition_response};

use crate::{Controller, ControllerResult, RequestContext};

/// A replica of the new ISR with the epoch of its broker, or -1 where the leader does not know it.
type Member = (i32, i64);

impl Controller {
    /// AlterPartition.
    pub fn alter_partition(
        &self,
        request: &AlterPartitionRequest,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<AlterPartitionResponse> {
        if let Err(error) = self.check_broker_epoch(request.broker_id, request.broker_epoch) {
            let error_code = error.error_code();
            return ControllerResult::answer(AlterPartitionResponse { error_code, ..Default::default() });
        }
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for data in &request.topics {
            let topic = self.state.image.topics.topic_by_id(data.topic_id);
            let partitions = data.partitions.iter().map(|partition| {
                let altered = match topic {
                    Some(topic) => {
                        self.alter_isr(request.broker_id, topic, partition, ctx.api_version, &mut records)
                    }
                    None => Err(ErrorCode::UnknownTopicId),
                };
                altered.unwrap_or_else(|code| alter_partition_response::PartitionData {
                    partition_index: partition.partition_index,
                    error_code: code.code(),
                    ..Default::default()
                })
            });
            let partitions = partitions.collect();
            topics.push(alter_partition_response::TopicData { topic_id: data.topic_id, partitions });
        }
        ControllerResult::of(records, AlterPartitionResponse { topics, ..Default::default() })
    }

    fn alter_isr(
        &self,
        broker_id: i32,
        topic: &TopicImage,
        data: &PartitionData,
        api_version: i16,
        records: &mut Vec<VersionedRecord>,
    ) -> Result<alter_partition_response::PartitionData, ErrorCode> {
        let partition =
            topic.partitions.get(data.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let members: Vec<Member> = match api_version {
            ..3 => data.new_isr.iter().map(|id| (*id, -1)).collect(),
            _ => data.new_isr_with_epochs.iter().map(|b| (b.broker_id, b.broker_epoch)).collect(),
        };
        let recovery_state = LeaderRecoveryState::from_code(data.leader_recovery_state);
        let recovery_state = recovery_state.ok_or(ErrorCode::InvalidRequest)?;
        self.check_isr(broker_id, partition, data, &members, recovery_state)?;
        let isr = members.iter().map(|(id, _)| *id).collect();
        let election = self.election_of(&topic.name);
        let record = self.change_partition_among_active(topic, data.partition_index, partition, |builder| {
            builder.election(election).target_isr(isr).target_recovery_state(recovery_state)
        });
        let Some((record, version)) = record else { return Ok(answer(data, partition)) };
        let MetadataRecord::PartitionChange(change) = &record else {
            return Err(ErrorCode::UnknownServerError);
        };
        let new = partition.merge(change).map_err(|_| ErrorCode::UnknownServerError)?;
        let leader = change.leader;
        records.push((record, version));
        if leader != NO_LEADER_CHANGE && leader != broker_id {
            // The change completed a reassignment in which the present leader goes.
            return Err(ErrorCode::NewLeaderElected);
        }
        Ok(answer(data, &new))
    }

    fn check_isr(
        &self,
        broker_id: i32,
        partition: &PartitionRegistration,
        data: &PartitionData,
        members: &[Member],
        recovery_state: LeaderRecoveryState,
    ) -> Result<(), ErrorCode> {
        if data.leader_epoch > partition.leader_epoch || data.partition_epoch > partition.partition_epoch {
            // The broker knows more than we do: this is no longer the controller.
            return Err(ErrorCode::NotController);
        }
        if data.leader_epoch < partition.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if broker_id != partition.leader {
            return Err(ErrorCode::InvalidRequest);
        }
        if data.partition_epoch < partition.partition_epoch {
            return Err(ErrorCode::InvalidUpdateVersion);
        }
        let is_valid = members.iter().enumerate().all(|(at, (id, _))| {
            partition.replicas.contains(id) && !members[..at].iter().any(|(other, _)| other == id)
        });
        let has_leader = members.iter().any(|(id, _)| *id == partition.leader);
        let recovering_alone = recovery_state == LeaderRecoveryState::Recovered || members.len() <= 1;
        let was_recovered = partition.leader_recovery_state == LeaderRecoveryState::Recovered;
        let goes_back = was_recovered && recovery_state == LeaderRecoveryState::Recovering;
        if !is_valid || !has_leader || !recovering_alone || goes_back {
            return Err(ErrorCode::InvalidRequest);
        }
        if members.iter().all(|member| self.is_eligible(*member)) {
            Ok(())
        } else {
            Err(ErrorCode::IneligibleReplica)
        }
    }

    fn is_eligible(&self, (id, epoch): Member) -> bool {
        let broker = self.state.image.cluster.broker(id);
        broker.is_some_and(|broker| broker.is_active() && (epoch == -1 || epoch == broker.epoch))
    }
}

fn answer(
    data: &PartitionData,
    partition: &PartitionRegistration,
) -> alter_partition_response::PartitionData {
    alter_partition_response::PartitionData {
        partition_index: data.partition_index,
        error_code: 0,
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
        isr: partition.isr.to_vec(),
        leader_recovery_state: partition.leader_recovery_state.code(),
        partition_epoch: partition.partition_epoch,
    }
}

#[cfg(test)]
#[path = "alter_partition_test.rs"]
mod alter_partition_test;
