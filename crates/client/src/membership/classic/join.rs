//! JoinGroup and SyncGroup are sent.

use ottla_protocol::Str;
use ottla_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::messages::{JoinGroupRequest, SyncGroupRequest};

use super::super::{GroupRequest, MemberState};
use super::{ClassicMembership, PROTOCOL_TYPE, Step, truncated};
use crate::Result;
use crate::assignors::{MemberSubscription, encode_subscription};

/// The broker answers JoinGroup when the rebalance time-out is up at the latest; this much later it is lost.
const JOIN_GROUP_LAPSE_MS: i64 = 5000;

impl ClassicMembership {
    pub(super) fn join(&mut self, _now_ms: i64) {
        let protocols = match self.protocols() {
            Ok(protocols) => protocols,
            Err(error) => {
                self.step = Step::Idle;
                self.fail(error);
                return;
            }
        };
        self.state = MemberState::PreparingRebalance;
        self.heartbeat.stop();
        let request = JoinGroupRequest {
            group_id: self.config.group_id.clone(),
            session_timeout_ms: self.config.session_timeout_ms,
            rebalance_timeout_ms: self.config.max_poll_interval_ms,
            member_id: self.generation.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols,
            reason: Some(truncated(&self.rejoin_reason)),
        };
        let rebalance_ms = i64::from(self.config.max_poll_interval_ms).saturating_add(JOIN_GROUP_LAPSE_MS);
        let timeout_ms = self.config.request_timeout_ms.max(rebalance_ms);
        let id = self.out.send(GroupRequest::JoinGroup(request), timeout_ms);
        self.step = Step::Joining(id, self.generation.clone());
    }

    /// The subscription, in the words of each assignor.
    fn protocols(&mut self) -> Result<Vec<JoinGroupRequestProtocol>> {
        self.joined_topics = Some(self.topics.clone());
        let topics: Vec<Str> = self.topics.iter().cloned().collect();
        let mut protocols = Vec::with_capacity(self.assignors.len());
        for assignor in &mut self.assignors {
            let subscription = MemberSubscription {
                topics: topics.clone(),
                user_data: assignor.subscription_user_data(&topics),
                owned_partitions: self.assigned.iter().cloned().collect(),
                generation_id: Some(self.generation.id),
                rack_id: self.config.rack_id.clone(),
                group_instance_id: None,
            };
            protocols.push(JoinGroupRequestProtocol {
                name: assignor.name().into(),
                metadata: encode_subscription(&subscription)?,
            });
        }
        Ok(protocols)
    }

    pub(super) fn sync(&mut self, assignments: Vec<SyncGroupRequestAssignment>) {
        let request = SyncGroupRequest {
            group_id: self.config.group_id.clone(),
            generation_id: self.generation.id,
            member_id: self.generation.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: self.generation.protocol.clone(),
            assignments,
        };
        let id = self.out.send(GroupRequest::SyncGroup(request), self.config.request_timeout_ms);
        self.step = Step::Syncing(id, self.generation.clone());
    }
}
