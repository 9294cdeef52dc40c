//! Heartbeat of a classic member (`GroupMetadataManager.classicGroupHeartbeat`).

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::{ClassicGroup, ClassicGroupState};
use crate::group::{Env, Group};
use crate::reply::{Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// A member is alive, and learns whether it has to rejoin.
    pub fn heartbeat(
        &mut self,
        request: &HeartbeatRequest,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let outcome = match self.groups.get_mut(&request.group_id) {
            _ if request.group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
            Some(Group::Classic(group)) => group.heartbeat(request, now_ms, &mut out),
            Some(Group::Consumer(group)) => {
                let image = &self.image;
                group.classic_heartbeat(
                    request,
                    &mut Env { config: &self.config, image, now_ms, out: &mut out },
                )
            }
            Some(Group::Share(_) | Group::Streams(_)) | None => Err(ErrorCode::UnknownMemberId),
        };
        let response = |error: ErrorCode| {
            Reply::Heartbeat(HeartbeatResponse { error_code: error.code(), ..Default::default() })
        };
        match outcome {
            Ok(error) => out.reply_after_commit(reply_id, response(error)),
            Err(error) => out.reply(reply_id, response(error)),
        }
        out
    }
}

impl ClassicGroup {
    /// What a member is told; an error when it is no member.
    fn heartbeat(
        &self,
        request: &HeartbeatRequest,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) -> Result<ErrorCode, ErrorCode> {
        if self.state == ClassicGroupState::Dead {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        self.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        self.reschedule_heartbeat(&request.member_id, now_ms, out);
        match self.state {
            ClassicGroupState::PreparingRebalance => Ok(ErrorCode::RebalanceInProgress),
            // Between its JoinGroup response and its SyncGroup a member may send heartbeats.
            _ => Ok(ErrorCode::None),
        }
    }
}

#[cfg(test)]
#[path = "heartbeat_test.rs"]
mod tests;
