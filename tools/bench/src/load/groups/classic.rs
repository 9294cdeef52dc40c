//! A member of a classic group with the `range` assignor, as Java's consumer has by default.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use ottla_protocol::messages::consumer_protocol_assignment::TopicPartition;
use ottla_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::messages::leave_group_request::MemberIdentity;
use ottla_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use ottla_protocol::{ErrorCode, Str, decode_versioned, encode_versioned};

use super::{BACKOFF, HEARTBEAT, Member, passes};
use crate::topic::check;
use crate::wire::{frame, response};

const JOIN_VERSION: i16 = 9;
const SYNC_VERSION: i16 = 5;
const HEARTBEAT_VERSION: i16 = 4;
const LEAVE_VERSION: i16 = 5;
/// Version of what members tell each other.
const PROTOCOL_VERSION: i16 = 3;
const PROTOCOL_TYPE: Str = Str::from_static("consumer");
const PROTOCOL: Str = Str::from_static("range");

/// One member.
pub struct Classic {
    group: Str,
    topic: Str,
    partitions: usize,
    member_id: Str,
    generation: i32,
    stage: Stage,
    held: Vec<i32>,
    leaves: bool,
    /// What the request under way is.
    asked: Asked,
}

enum Stage {
    Joins,
    /// With what the leader assigns.
    Syncs(Vec<SyncGroupRequestAssignment>),
    Beats,
}

#[derive(Clone, Copy)]
enum Asked {
    Join,
    Sync,
    Heartbeat,
    Leave,
}

impl Classic {
    /// A member that has not joined yet.
    pub fn new(group: &str, topic: &str, partitions: usize) -> Self {
        Self {
            group: group.into(),
            topic: topic.into(),
            partitions,
            member_id: Str::default(),
            generation: -1,
            stage: Stage::Joins,
            held: Vec::new(),
            leaves: false,
            asked: Asked::Join,
        }
    }

    fn join(&self) -> Result<Vec<u8>> {
        let subscription =
            ConsumerProtocolSubscription { topics: vec![self.topic.clone()], ..Default::default() };
        let metadata = encode_versioned(&subscription, PROTOCOL_VERSION)?;
        let request = JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: 45_000,
            rebalance_timeout_ms: 300_000,
            member_id: self.member_id.clone(),
            protocol_type: PROTOCOL_TYPE,
            protocols: vec![JoinGroupRequestProtocol { name: PROTOCOL, metadata }],
            ..Default::default()
        };
        frame(&request, JOIN_VERSION, 1)
    }

    fn joined(&mut self, answer: &JoinGroupResponse) -> Result<Option<Duration>> {
        match ErrorCode::from_code(answer.error_code) {
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                self.member_id = Str::from(&answer.member_id[..]);
                return Ok(Some(Duration::ZERO));
            }
            _ if passes(answer.error_code) => return Ok(Some(BACKOFF)),
            _ => check("JoinGroup", answer.error_code)?,
        }
        self.member_id = Str::from(&answer.member_id[..]);
        self.generation = answer.generation_id;
        let assignments = if answer.leader == answer.member_id { self.assign(answer)? } else { Vec::new() };
        self.stage = Stage::Syncs(assignments);
        Ok(Some(Duration::ZERO))
    }

    /// As the `range` assignor does: in the order of their ids, the first ones get one more.
    fn assign(&self, answer: &JoinGroupResponse) -> Result<Vec<SyncGroupRequestAssignment>> {
        let mut ids: Vec<&Str> = answer.members.iter().map(|member| &member.member_id).collect();
        ids.sort();
        let (each, more) = (self.partitions / ids.len().max(1), self.partitions % ids.len().max(1));
        let mut next = 0;
        let mut of = |(i, id): (usize, &&Str)| {
            let count = each + usize::from(i < more);
            let partitions = (next..next + count).map(|partition| partition as i32).collect();
            next += count;
            let assignment = ConsumerProtocolAssignment {
                assigned_partitions: vec![TopicPartition { topic: self.topic.clone(), partitions }],
                user_data: None,
            };
            let assignment = encode_versioned(&assignment, PROTOCOL_VERSION)?;
            Ok(SyncGroupRequestAssignment { member_id: Str::from(&id[..]), assignment })
        };
        ids.iter().enumerate().map(&mut of).collect()
    }

    fn synced(&mut self, code: i16, assignment: Bytes) -> Result<Option<Duration>> {
        match ErrorCode::from_code(code) {
            ErrorCode::None => {
                let (_, assignment) = decode_versioned::<ConsumerProtocolAssignment>(assignment)
                    .context("the leader's assignment")?;
                self.held = assignment.assigned_partitions.into_iter().flat_map(|t| t.partitions).collect();
                self.stage = Stage::Beats;
                Ok(Some(HEARTBEAT))
            }
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => self.join_again(),
            _ if passes(code) => Ok(Some(BACKOFF)),
            _ => check("SyncGroup", code).map(|()| None),
        }
    }

    fn beaten(&mut self, code: i16) -> Result<Option<Duration>> {
        match ErrorCode::from_code(code) {
            ErrorCode::None => Ok(Some(HEARTBEAT)),
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => self.join_again(),
            _ if passes(code) => Ok(Some(BACKOFF)),
            _ => check("Heartbeat", code).map(|()| None),
        }
    }

    fn join_again(&mut self) -> Result<Option<Duration>> {
        self.stage = Stage::Joins;
        self.held.clear();
        Ok(Some(Duration::ZERO))
    }
}

impl Member for Classic {
    fn request(&mut self) -> Result<Vec<u8>> {
        let (group_id, member_id) = (self.group.clone(), self.member_id.clone());
        let generation_id = self.generation;
        if self.leaves {
            self.asked = Asked::Leave;
            let members = vec![MemberIdentity { member_id, ..Default::default() }];
            return frame(&LeaveGroupRequest { group_id, members, ..Default::default() }, LEAVE_VERSION, 1);
        }
        match &mut self.stage {
            Stage::Joins => {
                self.asked = Asked::Join;
                self.join()
            }
            Stage::Syncs(assignments) => {
                self.asked = Asked::Sync;
                let request = SyncGroupRequest {
                    group_id,
                    generation_id,
                    member_id,
                    group_instance_id: None,
                    protocol_type: Some(PROTOCOL_TYPE),
                    protocol_name: Some(PROTOCOL),
                    assignments: assignments.clone(),
                };
                frame(&request, SYNC_VERSION, 1)
            }
            Stage::Beats => {
                self.asked = Asked::Heartbeat;
                let request =
                    HeartbeatRequest { group_id, generation_id, member_id, group_instance_id: None };
                frame(&request, HEARTBEAT_VERSION, 1)
            }
        }
    }

    fn answered(&mut self, frame: Bytes) -> Result<Option<Duration>> {
        match self.asked {
            Asked::Join => self.joined(&response::<JoinGroupRequest>(frame, JOIN_VERSION)?),
            Asked::Sync => {
                let answer = response::<SyncGroupRequest>(frame, SYNC_VERSION)?;
                self.synced(answer.error_code, answer.assignment)
            }
            Asked::Heartbeat => {
                self.beaten(response::<HeartbeatRequest>(frame, HEARTBEAT_VERSION)?.error_code)
            }
            Asked::Leave => {
                check("LeaveGroup", response::<LeaveGroupRequest>(frame, LEAVE_VERSION)?.error_code)?;
                Ok(None)
            }
        }
    }

    fn leave(&mut self) {
        self.leaves = true;
    }

    fn holds(&self) -> Option<(i32, &[i32])> {
        (matches!(self.stage, Stage::Beats) && !self.leaves).then_some((self.generation, &self.held[..]))
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::join_group_response::JoinGroupResponseMember;

    use super::*;

    #[test]
    fn the_leader_gives_each_partition_to_one() {
        let member = Classic::new("g", "t", 8);
        let of = |id: &'static str| JoinGroupResponseMember { member_id: id.into(), ..Default::default() };
        let answer = JoinGroupResponse { members: vec![of("b"), of("c"), of("a")], ..Default::default() };
        let found: Vec<(String, Vec<i32>)> = member
            .assign(&answer)
            .expect("assigned")
            .into_iter()
            .map(|a| {
                let (_, read) = decode_versioned::<ConsumerProtocolAssignment>(a.assignment).expect("sound");
                (a.member_id.to_string(), read.assigned_partitions[0].partitions.clone())
            })
            .collect();
        let expected = [("a", vec![0, 1, 2]), ("b", vec![3, 4, 5]), ("c", vec![6, 7])];
        assert_eq!(found, expected.map(|(id, partitions)| (id.to_string(), partitions)));
    }

    #[test]
    fn a_rebalance_makes_it_join_again() {
        let mut member = Classic::new("g", "t", 8);
        member.stage = Stage::Beats;
        assert!(member.holds().is_some());
        let code = ErrorCode::RebalanceInProgress.code();
        assert_eq!(member.beaten(code).expect("no failure"), Some(Duration::ZERO));
        assert!(member.holds().is_none());
        assert!(member.beaten(ErrorCode::UnknownMemberId.code()).is_err());
    }
}
