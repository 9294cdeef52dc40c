//! SyncGroup, Heartbeat and LeaveGroup of classic members of a consumer group
//! (`classicGroupSyncToConsumerGroup`, `classicGroupHeartbeatToConsumerGroup`,
//! `classicGroupLeaveToConsumerGroup`).

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_protocol::messages::leave_group_request::MemberIdentity;
use ottla_protocol::messages::leave_group_response::MemberResponse;
use ottla_protocol::messages::{HeartbeatRequest, SyncGroupRequest, SyncGroupResponse};
use ottla_protocol::{ErrorCode, Str};

use super::downgrade::encode_assignment;
use super::member::{ClassicMember, ConsumerGroupMember, without_epochs};
use super::{CONSUMER_PROTOCOL_TYPE, ConsumerGroup};
use crate::group::classic::protocol_version;
use crate::group::modern::{MemberState, TopicHashes, TopicResolver};
use crate::group::{Env, GroupError};

impl ConsumerGroup {
    /// Tells a member its assignment. The answer waits for what was written before.
    pub(crate) fn classic_sync(
        &mut self,
        request: &SyncGroupRequest,
        env: &mut Env<'_>,
    ) -> Result<SyncGroupResponse, ErrorCode> {
        let member = self.classic_member(&request.member_id, request.group_instance_id.as_ref())?;
        let classic = check_classic(&member)?;
        if member.member_epoch() != request.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        let first = classic.protocols.first().ok_or(ErrorCode::UnknownServerError)?;
        let type_differs =
            request.protocol_type.as_ref().is_some_and(|given| *given != CONSUMER_PROTOCOL_TYPE);
        if type_differs || request.protocol_name.as_ref().is_some_and(|given| *given != first.name) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let is_behind = self.base.epochs().assignment_epoch > member.member_epoch();
        if is_behind && member.base.state != MemberState::UnrevokedPartitions {
            self.schedule_rejoin(member.member_id(), env);
            return Err(ErrorCode::RebalanceInProgress);
        }
        let assignment = encode_assignment(
            &without_epochs(&member.assigned_partitions),
            protocol_version(&first.metadata),
            &TopicResolver::new(env.image),
        );
        env.out.cancel(self.sync_key(member.member_id()));
        let session_ms = classic.session_timeout_ms.into();
        env.out.schedule(self.session_key(member.member_id()), env.now_ms, session_ms);
        Ok(SyncGroupResponse {
            protocol_type: request.protocol_type.clone(),
            protocol_name: request.protocol_name.clone(),
            assignment: assignment.map_err(|_| ErrorCode::UnknownServerError)?,
            ..Default::default()
        })
    }

    /// Gives a member that has to join again its rebalance timeout for that, once.
    pub(crate) fn schedule_rejoin(&mut self, member_id: &Str, env: &mut Env<'_>) {
        let Some(member) = self.base.member(member_id) else { return };
        let timeout_ms = member.rebalance_timeout_ms.into();
        if self.awaiting_rejoin.insert(member_id.clone()) {
            env.out.schedule(self.join_key(member_id), env.now_ms, timeout_ms);
        }
    }

    /// A member is alive, and learns whether it has to join again.
    pub(crate) fn classic_heartbeat(
        &mut self,
        request: &HeartbeatRequest,
        env: &mut Env<'_>,
    ) -> Result<ErrorCode, ErrorCode> {
        let member = self.classic_member(&request.member_id, request.group_instance_id.as_ref())?;
        let classic = check_classic(&member)?;
        if member.member_epoch() != request.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        let session_ms = classic.session_timeout_ms.into();
        env.out.schedule(self.session_key(member.member_id()), env.now_ms, session_ms);
        let has_to_join = member.member_epoch() < self.base.epochs().assignment_epoch
            || member.base.state == MemberState::UnrevokedPartitions
            || (member.base.state == MemberState::UnreleasedPartitions && !self.waits_for_others(&member));
        if !has_to_join {
            return Ok(ErrorCode::None);
        }
        self.schedule_rejoin(member.member_id(), env);
        Ok(ErrorCode::RebalanceInProgress)
    }

    /// Members leave, each answered for itself.
    pub(crate) fn classic_leave(
        &self,
        members: &[MemberIdentity],
        hashes: &mut TopicHashes,
        env: &mut Env<'_>,
    ) -> Result<Vec<MemberResponse>, GroupError> {
        let mut leaving = BTreeSet::new();
        let mut responses = Vec::with_capacity(members.len());
        for member in members {
            let found = match &member.group_instance_id {
                None => self.existing_member(&member.member_id),
                // An administrator knows the instance only.
                Some(instance_id) if member.member_id.is_empty() => {
                    self.static_member(instance_id).ok_or(ErrorCode::UnknownMemberId.into())
                }
                Some(instance_id) => self.known_static_member(instance_id, &member.member_id),
            };
            let error_code = match found {
                Ok(found) => {
                    leaving.insert(found.member_id().clone());
                    ErrorCode::None.code()
                }
                Err(error) => error.code.code(),
            };
            responses.push(MemberResponse {
                member_id: member.member_id.clone(),
                group_instance_id: member.group_instance_id.clone(),
                error_code,
            });
        }
        self.fence(&leaving, "it has left by LeaveGroup", hashes, env)?;
        Ok(responses)
    }

    fn classic_member(
        &self,
        member_id: &Str,
        instance_id: Option<&Str>,
    ) -> Result<Arc<ConsumerGroupMember>, ErrorCode> {
        let member = match instance_id {
            None => self.existing_member(member_id),
            Some(instance_id) => self.known_static_member(instance_id, member_id),
        };
        member.cloned().map_err(|error| error.code)
    }

    /// Whether a partition that the member is to get is still with somebody else.
    fn waits_for_others(&self, member: &ConsumerGroupMember) -> bool {
        let Some(target) = self.base.target_assignment(member.member_id()) else { return false };
        target.iter().any(|(topic_id, partitions)| {
            let assigned = member.assigned_partitions.get(topic_id);
            partitions.iter().any(|partition| {
                !assigned.is_some_and(|assigned| assigned.contains_key(partition))
                    && self.partition_epoch(*topic_id, *partition).is_some()
            })
        })
    }
}

fn check_classic(member: &ConsumerGroupMember) -> Result<&ClassicMember, ErrorCode> {
    member.classic.as_ref().ok_or(ErrorCode::UnknownMemberId)
}
