//! A coordinator of a consumer group or a share group by KIP-848 and KIP-932, as small as can be.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse, consumer_group_heartbeat_response, share_group_heartbeat_response,
};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::{Answers, Coordinator, GroupAnswer, GroupRequest, Rng};

type Set = BTreeSet<(Uuid, i32)>;

#[derive(Debug, Default)]
struct Member {
    epoch: i32,
    /// What it may have, and what it says that it has.
    granted: Set,
    owned: Set,
    /// Whether `granted` was sent.
    is_told: bool,
    seen_ms: i64,
}

#[derive(Debug, Default)]
pub struct EpochGroup {
    partitions: Vec<(Uuid, i32)>,
    epoch: i32,
    members: BTreeMap<Str, Member>,
    /// Epochs in which members left, for the tests.
    pub left: Vec<i32>,
}

const SESSION_MS: i64 = 10_000;

impl EpochGroup {
    pub fn new(partitions: Vec<(Uuid, i32)>) -> Self {
        Self { partitions, ..Self::default() }
    }

    fn targets(&self) -> BTreeMap<Str, Set> {
        let count = self.members.len();
        let share = |at: usize| self.partitions.iter().skip(at).step_by(count).copied().collect();
        self.members.keys().enumerate().map(|(at, id)| (id.clone(), share(at))).collect()
    }

    /// What a member gets to hear: nothing new, or a set of partitions.
    fn advance(&mut self, id: &str, joined: bool) -> (i32, Option<Set>) {
        let targets = self.targets();
        let target = targets[id].clone();
        let others = self.members.iter().filter(|(other, _)| ***other != *id);
        let taken: Set = others.flat_map(|(_, m)| m.granted.union(&m.owned)).copied().collect();
        let epoch = self.epoch;
        let member = self.members.get_mut(id).unwrap();
        let kept: Set = member.granted.intersection(&target).copied().collect();
        if kept != member.granted {
            member.granted = kept;
            member.is_told = false;
        } else if member.owned.is_subset(&member.granted) {
            member.epoch = epoch;
            let free: Set =
                target.difference(&taken).copied().filter(|p| !member.granted.contains(p)).collect();
            if !free.is_empty() {
                member.granted.extend(free);
                member.is_told = false;
            }
        }
        let tells = joined || !member.is_told;
        member.is_told = true;
        (member.epoch, tells.then(|| member.granted.clone()))
    }

    fn heartbeat(
        &mut self,
        now_ms: i64,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<(i32, Option<Set>), ErrorCode> {
        let id = &request.member_id;
        if request.member_epoch < 0 {
            self.left.push(request.member_epoch);
            self.members.remove(id).ok_or(ErrorCode::UnknownMemberId)?;
            self.epoch += 1;
            return Ok((request.member_epoch, None));
        }
        let joins = request.member_epoch == 0;
        if joins {
            if !self.members.contains_key(id) {
                self.epoch += 1;
            }
            assert!(request.subscribed_topic_names.is_some() && request.rebalance_timeout_ms > 0);
            let epoch = self.epoch;
            let member = self.members.entry(id.clone()).or_default();
            *member = Member { epoch, ..Member::default() };
        }
        let member = self.members.get_mut(id).ok_or(ErrorCode::UnknownMemberId)?;
        member.seen_ms = now_ms;
        if !joins && member.epoch != request.member_epoch {
            return Err(ErrorCode::FencedMemberEpoch);
        }
        if let Some(owned) = &request.topic_partitions {
            let owned = owned.iter().flat_map(|topic| topic.partitions.iter().map(|p| (topic.topic_id, *p)));
            member.owned = owned.collect();
            assert!(member.owned.is_subset(&member.granted) || member.is_told);
        }
        // Who says everything gets to hear everything.
        let is_full = request.topic_partitions.is_some() && request.rebalance_timeout_ms > 0;
        Ok(self.advance(id, joins || is_full))
    }

    fn share(&mut self, now_ms: i64, request: ShareGroupHeartbeatRequest) -> ShareGroupHeartbeatResponse {
        let joins = request.member_epoch == 0;
        let response = |code: ErrorCode, member_epoch| ShareGroupHeartbeatResponse {
            error_code: code as i16,
            member_epoch,
            heartbeat_interval_ms: 1000,
            ..Default::default()
        };
        if request.member_epoch < 0 {
            self.left.push(request.member_epoch);
            self.members.remove(&request.member_id);
            return response(ErrorCode::None, -1);
        }
        if joins {
            assert!(request.subscribed_topic_names.is_some());
            self.epoch += 1;
            self.members.insert(request.member_id.clone(), Member { epoch: self.epoch, ..Member::default() });
        }
        let Some(member) = self.members.get_mut(&request.member_id) else {
            return response(ErrorCode::UnknownMemberId, 0);
        };
        member.seen_ms = now_ms;
        let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in &self.partitions {
            topics.entry(*topic).or_default().push(*partition);
        }
        let topic_partitions = topics
            .into_iter()
            .map(|(topic_id, partitions)| share_group_heartbeat_response::TopicPartitions {
                topic_id,
                partitions,
            })
            .collect();
        let assignment = joins.then_some(share_group_heartbeat_response::Assignment { topic_partitions });
        ShareGroupHeartbeatResponse { assignment, ..response(ErrorCode::None, member.epoch) }
    }
}

fn answer(result: Result<(i32, Option<Set>), ErrorCode>) -> ConsumerGroupHeartbeatResponse {
    match result {
        Err(code) => ConsumerGroupHeartbeatResponse { error_code: code as i16, ..Default::default() },
        Ok((member_epoch, assigned)) => {
            let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
            for (topic, partition) in assigned.iter().flatten() {
                topics.entry(*topic).or_default().push(*partition);
            }
            let topic_partitions = topics
                .into_iter()
                .map(|(topic_id, partitions)| consumer_group_heartbeat_response::TopicPartitions {
                    topic_id,
                    partitions,
                })
                .collect();
            let assignment = consumer_group_heartbeat_response::Assignment { topic_partitions };
            ConsumerGroupHeartbeatResponse {
                member_epoch,
                heartbeat_interval_ms: 1000,
                assignment: assigned.is_some().then_some(assignment),
                ..Default::default()
            }
        }
    }
}

impl Coordinator for EpochGroup {
    fn request(&mut self, now_ms: i64, client: usize, id: u64, request: GroupRequest) -> Answers {
        let answer = match request {
            GroupRequest::ConsumerGroupHeartbeat(request) => {
                GroupAnswer::ConsumerGroupHeartbeat(answer(self.heartbeat(now_ms, &request)))
            }
            GroupRequest::ShareGroupHeartbeat(request) => {
                GroupAnswer::ShareGroupHeartbeat(self.share(now_ms, request))
            }
            other => panic!("{other:?}"),
        };
        vec![(client, id, answer)]
    }

    fn tick(&mut self, now_ms: i64) -> Answers {
        let before = self.members.len();
        self.members.retain(|_, member| member.seen_ms + SESSION_MS >= now_ms);
        self.epoch += i32::from(self.members.len() != before);
        Vec::new()
    }

    fn expire(&mut self, rng: &mut Rng) -> Answers {
        if !self.members.is_empty() {
            let at = rng.next(self.members.len());
            let id = self.members.keys().nth(at).unwrap().clone();
            self.members.remove(&id);
            self.epoch += 1;
        }
        Vec::new()
    }
}
