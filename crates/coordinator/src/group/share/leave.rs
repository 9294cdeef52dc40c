//! Members leave a share group, or are removed (`shareGroupLeave`, `shareGroupFenceMember`), and the sessions
//! that see to it.

use ottla_protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_protocol::{ErrorCode, Str};

use super::heartbeat::not_a_share_group;
use super::{ShareGroup, record};
use crate::group::classic::ClassicAction;
use crate::group::modern::TopicHashes;
use crate::group::{Env, Group, GroupError};
use crate::reply::ShareGroupHeartbeatReply;
use crate::result::{CoordinatorResult, GroupEvent};
use crate::shard::GroupCoordinatorShard;
use crate::timers::TimerKey;

impl GroupCoordinatorShard {
    /// A heartbeat with epoch -1.
    pub(super) fn share_group_leave(
        &mut self,
        request: &ShareGroupHeartbeatRequest,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) -> Result<ShareGroupHeartbeatReply, GroupError> {
        let group_id = &request.group_id;
        let group = match self.groups.get(group_id) {
            Some(Group::Share(group)) => group,
            Some(_) => return Err(not_a_share_group(group_id)),
            None => {
                let message = format!("Group {group_id} not found.");
                return Err(GroupError::new(ErrorCode::GroupIdNotFound, message));
            }
        };
        let member = group.base.member(&request.member_id);
        let member = member.ok_or_else(|| group.unknown_member(&request.member_id))?;
        let mut env = Env { config: &self.config, image: &self.image, now_ms, out };
        group.fence(member.member_id(), "it has left", &mut self.topic_hashes, &mut env)?;
        let response = ShareGroupHeartbeatResponse {
            member_id: Some(request.member_id.clone()),
            member_epoch: request.member_epoch,
            ..Default::default()
        };
        Ok(ShareGroupHeartbeatReply { response, initialize: None })
    }

    /// The session of a member has ended.
    pub(crate) fn on_share_session_timer(
        &mut self,
        group_id: &Str,
        member_id: &Str,
        now_ms: i64,
    ) -> CoordinatorResult {
        let mut out = CoordinatorResult::default();
        let Some(Group::Share(group)) = self.groups.get(group_id) else { return out };
        if group.base.member(member_id).is_none() {
            return out;
        }
        let mut env = Env { config: &self.config, image: &self.image, now_ms, out: &mut out };
        if group.fence(member_id, "its session has timed out", &mut self.topic_hashes, &mut env).is_err() {
            // Half of it is worse than nothing.
            return CoordinatorResult::default();
        }
        out
    }
}

impl ShareGroup {
    /// The group was read from the log: its members have a session's time to be heard of.
    pub fn on_loaded(&self, env: &mut Env<'_>) {
        let session_ms = env.group_config(self.group_id()).share_session_timeout_ms();
        for (member_id, _) in self.base.members() {
            env.out.schedule(self.session_key(member_id), env.now_ms, session_ms.into());
        }
    }

    /// The timer of a member's session.
    pub(super) fn session_key(&self, member_id: &Str) -> TimerKey {
        TimerKey::ShareSession { group_id: self.group_id().clone(), member_id: member_id.clone() }
    }

    fn fence(
        &self,
        member_id: &Str,
        reason: &str,
        hashes: &mut TopicHashes,
        env: &mut Env<'_>,
    ) -> Result<(), GroupError> {
        env.out.events.push(GroupEvent::MemberRemoved {
            group_id: self.group_id().clone(),
            member_id: member_id.clone(),
            reason: reason.to_owned(),
        });
        for tombstone in record::member_tombstones(self.group_id(), member_id) {
            env.out.records.push(tombstone?);
        }
        let mut topics = self.base.subscribed_topics.clone();
        let names = self.base.member(member_id).map(|member| &member.base.subscribed_topic_names);
        topics.update_names(names, None);
        let hash = hashes.group_hash(topics.names(), env.image);
        let epoch = self.base.epochs().group_epoch.saturating_add(1);
        env.out.records.push(record::epoch(self.group_id(), epoch, hash)?);
        env.out.cancel(self.session_key(member_id));
        // Should that not be written, the member needs its session again.
        let group_id = self.group_id().clone();
        env.out.deferred.action = Some(ClassicAction::MembersRemoved { group_id });
        Ok(())
    }
}
