//! Members of share groups for tests, and the driver that serves their groups.

use ottla_protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_protocol::{ErrorCode, Str};

use super::state_metadata::{InitializeShareState, ShareStateMetadata};
use crate::Reply;
use crate::consumer_testing::topic_id;
use crate::group::Group;
use crate::testing::{GROUP, World, context};

/// A member as its client sees it.
#[derive(Clone, Debug)]
pub struct ShareMember {
    pub member_id: Str,
    pub epoch: i32,
    pub topics: Option<Vec<Str>>,
    pub assigned: Vec<(Str, Vec<i32>)>,
}

impl ShareMember {
    pub fn new(member_id: &str, topics: &[&str]) -> Self {
        Self {
            member_id: member_id.into(),
            epoch: 0,
            topics: Some(topics.iter().map(|topic| Str::from(*topic)).collect()),
            assigned: Vec::new(),
        }
    }

    pub fn request(&self) -> ShareGroupHeartbeatRequest {
        ShareGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            subscribed_topic_names: self.topics.clone(),
            ..Default::default()
        }
    }

    /// Takes over what the coordinator says.
    pub fn take(&mut self, response: &ShareGroupHeartbeatResponse, names: &[&str]) {
        self.epoch = response.member_epoch;
        let Some(assignment) = &response.assignment else { return };
        let topics = assignment.topic_partitions.iter().map(|topic| {
            let name = names.iter().find(|name| topic_id(name) == topic.topic_id).expect("a known topic");
            (Str::from(*name), topic.partitions.clone())
        });
        self.assigned = topics.collect();
    }

    pub fn load(&self) -> usize {
        self.assigned.iter().map(|(_, partitions)| partitions.len()).sum()
    }
}

impl World {
    /// Sends a heartbeat; `None`: the answer does not come at once.
    pub fn share_request(
        &mut self,
        request: &ShareGroupHeartbeatRequest,
    ) -> Option<(ShareGroupHeartbeatResponse, Option<InitializeShareState>)> {
        let now_ms = self.now_ms;
        let id = self.run(|shard, id| shard.share_group_heartbeat(&context(1), request, id, now_ms));
        match self.replies.remove(&id)? {
            Reply::ShareGroupHeartbeat(reply) => Some((reply.response, reply.initialize)),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a heartbeat; the member takes over the answer, and the share coordinator does its part at once.
    pub fn share_beat(&mut self, member: &mut ShareMember, names: &[&str]) -> ErrorCode {
        let (response, initialize) = self.share_request(&member.request()).expect("an answer");
        if let Some(initialize) = initialize {
            self.share_initialized(&initialize);
        }
        if response.error_code == 0 {
            member.take(&response, names);
        }
        ErrorCode::from_code(response.error_code)
    }

    pub fn share_initialized(&mut self, initialize: &InitializeShareState) {
        let (now_ms, partitions) = (self.now_ms, initialize.partitions());
        let group_id = &initialize.group_id;
        let id = self.run(|shard, id| shard.on_share_state_initialized(group_id, &partitions, id, now_ms));
        self.replies.remove(&id);
    }

    pub fn share_leave(&mut self, member: &ShareMember) -> ErrorCode {
        let request = ShareGroupHeartbeatRequest { member_epoch: -1, ..member.request() };
        let (response, _) = self.share_request(&request).expect("an answer");
        ErrorCode::from_code(response.error_code)
    }

    pub fn share_metadata(&self) -> ShareStateMetadata {
        match self.runtime.shard().groups.get(GROUP) {
            Some(Group::Share(group)) => group.state_metadata.clone().unwrap_or_default(),
            _ => ShareStateMetadata::default(),
        }
    }
}
