//! Which requests fit the state of a classic group.

use ottla_protocol::{ErrorCode, Str};

use super::{ClassicGroup, ClassicGroupState};
use crate::config::GroupCoordinatorConfig;
use crate::offsets::ExpirationBase;

/// Who commits offsets.
pub(crate) struct CommitValidation<'a> {
    /// Empty when unknown.
    pub member_id: &'a Str,
    pub group_instance_id: Option<&'a Str>,
    /// Negative when unknown.
    pub generation_id: i32,
    pub is_transactional: bool,
}

impl ClassicGroup {
    /// Whether the member exists and, if it is static, has the id that it says it has.
    pub(super) fn validate_member(
        &self,
        member_id: &Str,
        group_instance_id: Option<&Str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = group_instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(existing) if existing != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.members.contains_key(member_id) {
            true => Ok(()),
            false => Err(ErrorCode::UnknownMemberId),
        }
    }

    /// Whether offsets may be committed (`ClassicGroup.validateOffsetCommit`).
    pub fn validate_offset_commit(&self, commit: &CommitValidation<'_>) -> Result<(), ErrorCode> {
        if self.state == ClassicGroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        // Without a generation it is an administrator or a consumer that has no group: only while nobody
        // reads.
        if commit.generation_id < 0 && self.is_empty() {
            return Ok(());
        }
        let names_member =
            commit.generation_id >= 0 || !commit.member_id.is_empty() || commit.group_instance_id.is_some();
        if names_member {
            self.validate_member(commit.member_id, commit.group_instance_id)?;
            if commit.generation_id != self.generation_id {
                return Err(ErrorCode::IllegalGeneration);
            }
        } else if !commit.is_transactional {
            // Old versions of TxnOffsetCommit do not say who commits.
            return Err(ErrorCode::UnknownMemberId);
        }
        if !commit.is_transactional && self.state == ClassicGroupState::CompletingRebalance {
            // The member knows the new generation, but its partitions may be another's by now.
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    pub fn validate_offset_delete(&self) -> Result<(), ErrorCode> {
        match self.state {
            ClassicGroupState::Dead => Err(ErrorCode::GroupIdNotFound),
            ClassicGroupState::Empty => Ok(()),
            // Of consumers it is known what they read, so that the rest can go.
            _ if self.uses_consumer_protocol() => Ok(()),
            _ => Err(ErrorCode::NonEmptyGroup),
        }
    }

    pub fn validate_delete(&self) -> Result<(), ErrorCode> {
        match self.state {
            ClassicGroupState::Dead => Err(ErrorCode::GroupIdNotFound),
            ClassicGroupState::Empty => Ok(()),
            _ => Err(ErrorCode::NonEmptyGroup),
        }
    }

    /// From when on the retention of the group's offsets runs (`ClassicGroup.offsetExpirationCondition`).
    pub fn expiration_base(&self) -> Option<ExpirationBase> {
        match (&self.protocol_type, self.state) {
            (None, _) => Some(ExpirationBase::CommitTimestamp),
            (Some(_), ClassicGroupState::Empty) => Some(match self.state_timestamp_ms {
                Some(timestamp_ms) => ExpirationBase::StateTimestamp(timestamp_ms),
                None => ExpirationBase::CommitTimestamp,
            }),
            (Some(_), ClassicGroupState::Stable)
                if self.uses_consumer_protocol() && self.subscribed_topics.is_some() =>
            {
                Some(ExpirationBase::CommitTimestamp)
            }
            _ => None,
        }
    }

    /// Whether there is room for a joining member, which may belong to the group already.
    pub(super) fn accepts(&self, member_id: &Str, config: &GroupCoordinatorConfig) -> bool {
        match self.state {
            ClassicGroupState::Empty | ClassicGroupState::Dead => true,
            // Those who have joined count, not the members: the maximum may have been lowered, and then the
            // last to rejoin have to go.
            ClassicGroupState::PreparingRebalance => {
                self.members.get(member_id).is_some_and(|member| member.is_awaiting_join())
                    || self.awaiting_join < config.max_size()
            }
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable => {
                self.members.contains_key(member_id) || self.members.len() < config.max_size()
            }
        }
    }
}
