//! A coordinator of a classic group, as small as can be.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ottla_protocol::messages::join_group_response::JoinGroupResponseMember;
use ottla_protocol::messages::{
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use ottla_protocol::{ErrorCode, Str};

use super::{Answers, Coordinator, GroupAnswer, GroupRequest, Rng};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Preparing,
    Completing,
    Stable,
}

#[derive(Debug, Default)]
struct Member {
    protocols: Vec<(Str, Bytes)>,
    join: Option<(usize, u64)>,
    sync: Option<(usize, u64)>,
    assignment: Bytes,
    seen_ms: i64,
}

/// Sessions end after this.
const SESSION_MS: i64 = 10_000;

#[derive(Debug, Default)]
pub struct ClassicGroup {
    phase: Phase,
    generation: i32,
    members: BTreeMap<Str, Member>,
    ids: usize,
    /// Given out, and not used yet.
    new_ids: BTreeSet<Str>,
    leader: Str,
    pub rebalances: usize,
}

impl ClassicGroup {
    fn join(&mut self, now_ms: i64, client: usize, id: u64, request: JoinGroupRequest) -> Answers {
        let refuse = |code: ErrorCode, member_id: Str| {
            let response = JoinGroupResponse {
                error_code: code as i16,
                member_id,
                generation_id: -1,
                ..Default::default()
            };
            vec![(client, id, GroupAnswer::JoinGroup(response))]
        };
        if request.member_id.is_empty() {
            self.ids += 1;
            let member_id: Str = format!("m{}", self.ids).into();
            self.new_ids.insert(member_id.clone());
            return refuse(ErrorCode::MemberIdRequired, member_id);
        }
        if self.new_ids.remove(&request.member_id) {
            self.members.insert(request.member_id.clone(), Member::default());
        }
        let Some(member) = self.members.get_mut(&request.member_id) else {
            return refuse(ErrorCode::UnknownMemberId, request.member_id);
        };
        member.protocols = request.protocols.into_iter().map(|p| (p.name, p.metadata)).collect();
        member.join = Some((client, id));
        member.seen_ms = now_ms;
        self.prepare()
    }

    fn prepare(&mut self) -> Answers {
        let mut answers = Vec::new();
        self.phase = Phase::Preparing;
        for member in self.members.values_mut() {
            if let Some((client, id)) = member.sync.take() {
                let error_code = ErrorCode::RebalanceInProgress as i16;
                let response = SyncGroupResponse { error_code, ..Default::default() };
                answers.push((client, id, GroupAnswer::SyncGroup(response)));
            }
        }
        answers.extend(self.complete());
        answers
    }

    /// All are here: the generation begins.
    fn complete(&mut self) -> Answers {
        if self.members.is_empty() || self.members.values().any(|member| member.join.is_none()) {
            return Vec::new();
        }
        self.phase = Phase::Completing;
        self.generation += 1;
        self.rebalances += 1;
        let first = self.members.values().next().unwrap();
        let everybody_has =
            |name: &Str| self.members.values().all(|member| member.protocols.iter().any(|(n, _)| n == name));
        let name =
            first.protocols.iter().map(|(name, _)| name).find(|name| everybody_has(name)).unwrap().clone();
        self.leader = self.members.keys().next().unwrap().clone();
        let metadata = |member: &Member| member.protocols.iter().find(|(n, _)| *n == name).unwrap().1.clone();
        let members: Vec<_> = self
            .members
            .iter()
            .map(|(id, member)| JoinGroupResponseMember {
                member_id: id.clone(),
                group_instance_id: None,
                metadata: metadata(member),
            })
            .collect();
        let (generation_id, leader) = (self.generation, self.leader.clone());
        let answers = self.members.iter_mut().map(|(member_id, member)| {
            member.assignment = Bytes::new();
            let (client, id) = member.join.take().unwrap();
            let response = JoinGroupResponse {
                generation_id,
                protocol_type: Some("consumer".into()),
                protocol_name: Some(name.clone()),
                leader: leader.clone(),
                member_id: member_id.clone(),
                members: if *member_id == leader { members.clone() } else { Vec::new() },
                ..Default::default()
            };
            (client, id, GroupAnswer::JoinGroup(response))
        });
        answers.collect()
    }

    fn sync(&mut self, client: usize, id: u64, request: SyncGroupRequest) -> Answers {
        let phase = self.phase;
        let Some(member) = self.members.get_mut(&request.member_id) else {
            return vec![sync_answer(client, id, ErrorCode::UnknownMemberId, Bytes::new())];
        };
        if request.generation_id != self.generation {
            return vec![sync_answer(client, id, ErrorCode::IllegalGeneration, Bytes::new())];
        }
        match phase {
            Phase::Preparing => vec![sync_answer(client, id, ErrorCode::RebalanceInProgress, Bytes::new())],
            Phase::Stable => vec![sync_answer(client, id, ErrorCode::None, member.assignment.clone())],
            Phase::Completing => {
                member.sync = Some((client, id));
                if request.member_id != self.leader {
                    return Vec::new();
                }
                self.phase = Phase::Stable;
                for assignment in request.assignments {
                    self.members.get_mut(&assignment.member_id).unwrap().assignment = assignment.assignment;
                }
                let waiting = self.members.values_mut().filter_map(|member| {
                    let (client, id) = member.sync.take()?;
                    Some(sync_answer(client, id, ErrorCode::None, member.assignment.clone()))
                });
                waiting.collect()
            }
        }
    }

    fn remove(&mut self, member_id: &str) -> Answers {
        if self.members.remove(member_id).is_none() {
            return Vec::new();
        }
        self.prepare()
    }
}

fn sync_answer(client: usize, id: u64, code: ErrorCode, assignment: Bytes) -> (usize, u64, GroupAnswer) {
    let response = SyncGroupResponse { error_code: code as i16, assignment, ..Default::default() };
    (client, id, GroupAnswer::SyncGroup(response))
}

impl Coordinator for ClassicGroup {
    fn request(&mut self, now_ms: i64, client: usize, id: u64, request: GroupRequest) -> Answers {
        match request {
            GroupRequest::JoinGroup(request) => self.join(now_ms, client, id, request),
            GroupRequest::SyncGroup(request) => self.sync(client, id, request),
            GroupRequest::Heartbeat(request) => {
                let member = self.members.get_mut(&request.member_id);
                let code = match member {
                    None => ErrorCode::UnknownMemberId,
                    Some(_) if request.generation_id != self.generation => ErrorCode::IllegalGeneration,
                    Some(member) => {
                        member.seen_ms = now_ms;
                        let is_preparing = self.phase == Phase::Preparing;
                        if is_preparing { ErrorCode::RebalanceInProgress } else { ErrorCode::None }
                    }
                };
                let response = HeartbeatResponse { error_code: code as i16, ..Default::default() };
                vec![(client, id, GroupAnswer::Heartbeat(response))]
            }
            GroupRequest::LeaveGroup(request) => {
                let mut answers = vec![(client, id, GroupAnswer::LeaveGroup(LeaveGroupResponse::default()))];
                for member in request.members {
                    answers.extend(self.remove(&member.member_id));
                }
                answers
            }
            other => panic!("{other:?}"),
        }
    }

    fn tick(&mut self, now_ms: i64) -> Answers {
        let is_gone = |member: &Member| member.join.is_none() && member.seen_ms + SESSION_MS < now_ms;
        let gone = self.members.iter().find(|(_, member)| is_gone(member)).map(|(id, _)| id.clone());
        gone.map(|id| self.remove(&id)).unwrap_or_default()
    }

    fn expire(&mut self, rng: &mut Rng) -> Answers {
        if self.members.is_empty() {
            return Vec::new();
        }
        let at = rng.next(self.members.len());
        let id = self.members.keys().nth(at).unwrap().clone();
        self.remove(&id)
    }
}
