//! The leader divides the partitions among all members (`onLeaderElected`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ottla_protocol::messages::JoinGroupResponse;
use ottla_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::super::Action;
use super::{ClassicMembership, Learning, Step};
use crate::assignors::{
    Assignment, MemberSubscription, RebalanceProtocol, decode_subscription, encode_assignment,
};
use crate::{Error, Result};

/// Partitions of topics, each with the racks of its replicas where this member has a rack itself.
pub type Snapshot = BTreeMap<Str, Vec<BTreeSet<Str>>>;

impl ClassicMembership {
    /// What an assignment would be made from now.
    pub(super) fn snapshot(&self) -> Snapshot {
        let Some(metadata) = &self.metadata else { return Snapshot::new() };
        let names = self.topics.union(&self.group_topics);
        let topics = names.filter_map(|name| metadata.topic(name)).filter(|t| t.error == ErrorCode::None);
        let racks = |replicas: &[i32]| -> BTreeSet<Str> {
            if self.config.rack_id.is_none() {
                return BTreeSet::new();
            }
            replicas.iter().filter_map(|id| metadata.nodes.get(id)?.rack.clone()).collect()
        };
        topics
            .map(|topic| (topic.name.clone(), topic.partitions.iter().map(|p| racks(&p.replicas)).collect()))
            .collect()
    }

    /// Members may be subscribed to topics that this one does not know: those are asked for first.
    pub(super) fn begin_leading(&mut self, now_ms: i64, response: JoinGroupResponse) {
        let subscriptions = match subscriptions(&response) {
            Ok(subscriptions) => subscriptions,
            Err(error) => {
                self.rebalance_failed(now_ms, error);
                return;
            }
        };
        let topics = subscriptions.into_iter().flat_map(|(_, subscription)| subscription.topics);
        self.group_topics = topics.collect();
        self.want_topics();
        let response = Box::new(response);
        let known =
            |topic: &Str| self.metadata.as_ref().is_some_and(|metadata| metadata.topic(topic).is_some());
        if self.group_topics.iter().all(known) {
            self.step = Step::Learning(Learning::Again(i64::MAX), response);
            self.lead(now_ms);
        } else {
            let id = self.ask();
            self.step = Step::Learning(Learning::Asked(id), response);
        }
    }

    fn ask(&mut self) -> u64 {
        let id = self.out.id();
        self.out.push(Action::RefreshMetadata { id });
        id
    }

    pub(super) fn learn_later(&mut self, now_ms: i64) {
        let at_ms = now_ms.saturating_add(self.backoff.next_ms());
        if let Step::Learning(learning, _) = &mut self.step {
            *learning = Learning::Again(at_ms);
        }
    }

    pub(super) fn learn_again(&mut self) {
        let id = self.ask();
        if let Step::Learning(learning, _) = &mut self.step {
            *learning = Learning::Asked(id);
        }
    }

    /// Divides, and sends everyone's part.
    pub(super) fn lead(&mut self, now_ms: i64) {
        let Step::Learning(_, response) = std::mem::replace(&mut self.step, Step::Idle) else { return };
        self.is_leader = true;
        let assigned = if response.skip_assignment {
            // A static leader came back: the group goes on as it is, and this member only watches the metadata.
            Ok(Vec::new())
        } else {
            self.divide(&response)
        };
        self.assignment_snapshot = Some(self.snapshot());
        match assigned {
            Ok(assignments) => self.sync(assignments),
            Err(error) => self.rebalance_failed(now_ms, error),
        }
    }

    fn divide(&mut self, response: &JoinGroupResponse) -> Result<Vec<SyncGroupRequestAssignment>> {
        let name = response.protocol_name.clone().unwrap_or_default();
        let metadata = self.metadata.clone().unwrap_or_default();
        let members = subscriptions(response)?;
        let assignor = self.assignors.iter_mut().find(|assignor| assignor.name() == &*name);
        let assignor = assignor.ok_or_else(|| invalid_protocol(&name))?;
        let assignments = assignor.assign(&metadata, &members)?;
        // Kafka's own cooperative assignor keeps the rule by itself.
        if self.protocol == RebalanceProtocol::Cooperative && &*name != "cooperative-sticky" {
            check_cooperative(&members, &assignments)?;
        }
        let topics =
            assignments.values().flat_map(|a| &a.partitions).map(|partition| partition.topic.clone());
        let added: Vec<Str> = topics.filter(|topic| !self.group_topics.contains(topic)).collect();
        self.group_topics.extend(added);
        self.want_topics();
        assignments
            .into_iter()
            .map(|(member_id, assignment)| {
                let assignment = encode_assignment(&assignment)?;
                Ok(SyncGroupRequestAssignment { member_id, assignment })
            })
            .collect()
    }
}

/// The coordinator chose an assignor that this member did not offer.
pub(super) fn invalid_protocol(name: &str) -> Error {
    Error::Illegal(format!("Coordinator selected invalid assignment protocol: {name}"))
}

fn subscriptions(response: &JoinGroupResponse) -> Result<Vec<(Str, MemberSubscription)>> {
    response
        .members
        .iter()
        .map(|member| {
            let mut subscription = decode_subscription(member.metadata.clone())?;
            subscription.group_instance_id.clone_from(&member.group_instance_id);
            Ok((member.member_id.clone(), subscription))
        })
        .collect()
}

/// Nobody gets a partition that another still owns.
fn check_cooperative(
    members: &[(Str, MemberSubscription)],
    assignments: &BTreeMap<Str, Assignment>,
) -> Result<()> {
    let owned: HashMap<&Str, &[TopicPartition]> =
        members.iter().map(|(id, subscription)| (id, &subscription.owned_partitions[..])).collect();
    let (mut added, mut revoked) = (HashSet::new(), HashSet::new());
    for (member, assignment) in assignments {
        let before: HashSet<&TopicPartition> =
            owned.get(member).copied().unwrap_or_default().iter().collect();
        let after: HashSet<&TopicPartition> = assignment.partitions.iter().collect();
        added.extend(after.difference(&before).copied());
        revoked.extend(before.difference(&after).copied());
    }
    if added.is_disjoint(&revoked) {
        return Ok(());
    }
    Err(Error::Illegal("Assignor supporting the COOPERATIVE protocol violates its requirements".into()))
}
