//! Offsets committed in a transaction: TxnOffsetCommit and the transaction's end.

use ottla_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use ottla_protocol::{ErrorCode, Uuid};

use crate::errors::txn_offset_commit_error;
use crate::group::Group;
use crate::group::classic::CommitValidation;
use crate::group::consumer::CommitPartitions;
use crate::offsets::{OffsetAndMetadata, OffsetKey};
use crate::reply::{Reply, ReplyId};
use crate::result::{CoordinatorResult, ProducerIdAndEpoch};
use crate::shard::GroupCoordinatorShard;

/// Versions of TxnOffsetCommit make no difference to what may be committed.
const API_VERSION_ANY: i16 = i16::MAX;

impl GroupCoordinatorShard {
    /// Commits offsets as part of a transaction: they count once its marker says so
    /// (`OffsetMetadataManager.commitTransactionalOffset`). The caller has verified the transaction; the
    /// records go into a batch of their own under the result's `producer`.
    pub fn commit_transactional_offset(
        &mut self,
        request: &TxnOffsetCommitRequest,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let checked = self.validate_transactional_offset_commit(request, now_ms).and_then(|allowed| {
            request.topics.iter().try_for_each(|topic| {
                let topic_id = self.topic_id_of(Uuid::ZERO, &topic.name);
                let mut partitions = topic.partitions.iter();
                partitions.try_for_each(|partition| allowed.validate(topic_id, partition.partition_index))
            })
        });
        // Members of transactions know generations only.
        let checked = checked.map_err(|error| match error {
            ErrorCode::StaleMemberEpoch => ErrorCode::IllegalGeneration,
            error => error,
        });
        if let Err(error) = checked {
            out.reply(reply_id, Reply::TxnOffsetCommit(txn_offset_commit_error(request, error)));
            return out;
        }
        out.write.producer = Some(ProducerIdAndEpoch {
            producer_id: request.producer_id,
            producer_epoch: request.producer_epoch,
        });
        let mut response = TxnOffsetCommitResponse::default();
        for topic in &request.topics {
            let partitions = topic.partitions.iter().map(|partition| {
                let key =
                    OffsetKey::new(request.group_id.clone(), topic.name.clone(), partition.partition_index);
                let epoch = partition.committed_leader_epoch;
                let offset = OffsetAndMetadata {
                    committed_offset: partition.committed_offset,
                    leader_epoch: (epoch != -1).then_some(epoch),
                    metadata: partition.committed_metadata.clone().unwrap_or_default(),
                    commit_timestamp_ms: now_ms,
                    expire_timestamp_ms: None,
                    record_offset: -1,
                    // The request has no ids, and Kafka writes none here either.
                    topic_id: Uuid::ZERO,
                };
                let error = match self.offset_record(&key, &offset) {
                    Ok(record) => {
                        out.records.push(record);
                        ErrorCode::None
                    }
                    Err(error) => error,
                };
                TxnOffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: error.code(),
                }
            });
            response.topics.push(TxnOffsetCommitResponseTopic {
                name: topic.name.clone(),
                partitions: partitions.collect(),
            });
        }
        out.reply_after_commit(reply_id, Reply::TxnOffsetCommit(response));
        out
    }

    fn validate_transactional_offset_commit(
        &mut self,
        request: &TxnOffsetCommitRequest,
        now_ms: i64,
    ) -> Result<CommitPartitions, ErrorCode> {
        if request.group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let group = self.group_for_commit(&request.group_id, request.generation_id, now_ms)?;
        let commit = CommitValidation {
            member_id: &request.member_id,
            group_instance_id: request.group_instance_id.as_ref(),
            generation_id: request.generation_id,
            is_transactional: true,
        };
        match group {
            Group::Classic(group) => group.validate_offset_commit(&commit).map(|()| CommitPartitions::Any),
            Group::Consumer(group) => group.validate_offset_commit(&commit, API_VERSION_ANY),
            Group::Share(_) => Err(ErrorCode::GroupIdNotFound),
            Group::Streams(group) => {
                let partitions = request.topics.iter().flat_map(|topic| {
                    topic.partitions.iter().map(|partition| (&topic.name, partition.partition_index))
                });
                let valid = group.validate_offset_commit(&commit, API_VERSION_ANY, partitions);
                valid.map(|()| CommitPartitions::Any)
            }
        }
    }
}

#[cfg(test)]
#[path = "transaction_test.rs"]
mod tests;
