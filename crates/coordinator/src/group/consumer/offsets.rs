//! Who may commit and fetch offsets of a consumer group (`ConsumerGroup.validateOffsetCommit`,
//! `validateOffsetFetch`).

use std::sync::Arc;

use ottla_protocol::{ErrorCode, Str, Uuid};

use super::ConsumerGroup;
use super::member::ConsumerGroupMember;
use crate::group::classic::CommitValidation;

/// First version of OffsetCommit that members of the consumer protocol may use.
const MEMBER_EPOCH_VERSION_MIN: i16 = 9;

/// For which partitions a commit is good.
#[derive(Clone, Debug)]
pub(crate) enum CommitPartitions {
    /// For all.
    Any,
    /// For those that the member has had since this epoch: it has not heard of the newest epoch yet, but
    /// what it had before is still its own.
    AssignedBy(Arc<ConsumerGroupMember>, i32),
}

impl CommitPartitions {
    /// Whether the offset of a partition may be committed.
    pub fn validate(&self, topic_id: Uuid, partition: i32) -> Result<(), ErrorCode> {
        match self {
            CommitPartitions::Any => Ok(()),
            CommitPartitions::AssignedBy(member, epoch) => {
                match member.partition_epoch(topic_id, partition) {
                    Some(since) if *epoch >= since => Ok(()),
                    _ => Err(stale(member)),
                }
            }
        }
    }
}

impl ConsumerGroup {
    /// Whether offsets may be committed, and which.
    pub fn validate_offset_commit(
        &self,
        commit: &CommitValidation<'_>,
        api_version: i16,
    ) -> Result<CommitPartitions, ErrorCode> {
        // An administrator, while nobody reads.
        if commit.generation_id < 0 && self.is_empty() {
            return Ok(CommitPartitions::Any);
        }
        // Old versions of TxnOffsetCommit do not say who commits.
        let is_anonymous =
            commit.generation_id == -1 && commit.member_id.is_empty() && commit.group_instance_id.is_none();
        if commit.is_transactional && is_anonymous {
            return Ok(CommitPartitions::Any);
        }
        let member = self.base.member(commit.member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if !commit.is_transactional
            && !member.uses_classic_protocol()
            && api_version < MEMBER_EPOCH_VERSION_MIN
        {
            return Err(ErrorCode::UnsupportedVersion);
        }
        match commit.generation_id.cmp(&member.member_epoch()) {
            std::cmp::Ordering::Equal => Ok(CommitPartitions::Any),
            std::cmp::Ordering::Greater => Err(stale(member)),
            std::cmp::Ordering::Less => {
                Ok(CommitPartitions::AssignedBy(member.clone(), commit.generation_id))
            }
        }
    }

    /// Whether offsets may be fetched, as of the last write or the last commit of a write.
    pub fn validate_offset_fetch(
        &self,
        member_id: Option<&Str>,
        member_epoch: i32,
        latest: bool,
    ) -> Result<(), ErrorCode> {
        // An administrator, or a consumer that does not use the group.
        if member_id.is_none() && member_epoch < 0 {
            return Ok(());
        }
        let member_id = member_id.map_or("", |member_id| &**member_id);
        let member = if latest { self.base.member(member_id) } else { self.base.member_committed(member_id) };
        let member = member.ok_or(ErrorCode::UnknownMemberId)?;
        if member_epoch == member.member_epoch() { Ok(()) } else { Err(stale(member)) }
    }
}

/// How a member is told that its epoch is not the right one.
fn stale(member: &ConsumerGroupMember) -> ErrorCode {
    match member.uses_classic_protocol() {
        true => ErrorCode::IllegalGeneration,
        false => ErrorCode::StaleMemberEpoch,
    }
}
