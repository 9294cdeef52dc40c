//! Who may commit and fetch offsets (`StreamsGroup.validateOffsetCommit`, `validateOffsetFetch`).

use std::cmp::Ordering;

use ottla_protocol::{ErrorCode, Str};

use super::StreamsGroup;
use super::member::StreamsGroupMember;
use crate::group::classic::CommitValidation;

/// First version of OffsetCommit that says which epoch the member is in.
const MEMBER_EPOCH_VERSION: i16 = 9;

impl StreamsGroup {
    /// Whether offsets of these partitions may be committed. A member that has not heard of its new epoch may
    /// commit for tasks that were its own in the epoch that it knows.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, UNSUPPORTED_VERSION, STALE_MEMBER_EPOCH
    pub fn validate_offset_commit<'a>(
        &self,
        commit: &CommitValidation<'_>,
        api_version: i16,
        mut partitions: impl Iterator<Item = (&'a Str, i32)>,
    ) -> Result<(), ErrorCode> {
        let epoch = commit.generation_id;
        // Administrators may, while nobody reads.
        if epoch < 0 && self.is_empty() {
            return Ok(());
        }
        // TxnOffsetCommit does not have to say who commits.
        let is_anonymous = epoch == -1 && commit.member_id.is_empty() && commit.group_instance_id.is_none();
        if commit.is_transactional && is_anonymous {
            return Ok(());
        }
        let member = self.members.get(commit.member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if !commit.is_transactional && api_version < MEMBER_EPOCH_VERSION {
            return Err(ErrorCode::UnsupportedVersion);
        }
        let is_allowed = match epoch.cmp(&member.member_epoch) {
            Ordering::Equal => true,
            Ordering::Greater => false,
            Ordering::Less => partitions.all(|(topic, partition)| {
                self.assignment_epoch_of(member, topic, partition).is_some_and(|assigned| epoch >= assigned)
            }),
        };
        if is_allowed { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
    }

    /// The epoch in which the member was given the task that reads a partition.
    fn assignment_epoch_of(&self, member: &StreamsGroupMember, topic: &str, partition: i32) -> Option<i32> {
        let subtopology = self.topology.as_ref()?.subtopology_of(topic)?;
        let pending = || member.tasks_pending_revocation.active_epoch(subtopology, partition);
        member.assigned_tasks.active_epoch(subtopology, partition).or_else(pending)
    }

    /// Whether a member may fetch offsets; `None` as its id: somebody from outside.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH
    pub fn validate_offset_fetch(&self, member_id: Option<&Str>, member_epoch: i32) -> Result<(), ErrorCode> {
        let Some(member_id) = member_id else {
            return if member_epoch < 0 { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
        };
        match self.members.get(member_id) {
            None => Err(ErrorCode::UnknownMemberId),
            Some(member) if member.member_epoch != member_epoch => Err(ErrorCode::StaleMemberEpoch),
            Some(_) => Ok(()),
        }
    }
}
