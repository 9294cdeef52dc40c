//! From what a member says to group epoch, target assignment and current assignment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_protocol::{ErrorCode, Str, Uuid};

use super::assignor::SimpleAssignor;
use super::member::ShareGroupMember;
use super::{ShareGroup, record};
use crate::group::modern::{
    Assignment, GroupSpec, MemberSpec, MemberState, SubscribedTopics, SubscriptionType, TopicHashes,
    TopicResolver, can_compute_next, compute_target_assignment,
};
use crate::group::{Env, GroupError};

/// A member before and after it said something of itself.
pub(super) struct MemberUpdate {
    pub member: ShareGroupMember,
    pub updated: ShareGroupMember,
}

/// What a member's update brought.
pub(super) struct SubscriptionUpdate {
    pub has_epoch_changed: bool,
    pub group_epoch: i32,
    pub subscription_type: SubscriptionType,
    /// The topics that the group reads.
    pub topics: SubscribedTopics,
}

/// The target assignment as one member sees it.
pub(super) struct MemberTarget {
    pub epoch: i32,
    pub assignment: Arc<Assignment>,
}

impl ShareGroup {
    /// Writes what is new of a member, and the group epoch that follows from it.
    pub(super) fn update_subscription(
        &mut self,
        MemberUpdate { member, updated }: &MemberUpdate,
        hashes: &mut TopicHashes,
        env: &mut Env<'_>,
    ) -> Result<SubscriptionUpdate, GroupError> {
        if member != updated {
            env.out.records.push(record::member(self.group_id(), updated)?);
        }
        let epochs = self.base.epochs();
        let mut bumps = member.base.subscribed_topic_names != updated.base.subscribed_topic_names;
        if epochs.assignment_epoch >= epochs.group_epoch {
            bumps |= self.awaits_assignment();
        }
        let mut outcome = SubscriptionUpdate {
            has_epoch_changed: bumps,
            group_epoch: epochs.group_epoch,
            subscription_type: self.base.subscription_type,
            topics: self.base.subscribed_topics.clone(),
        };
        if !bumps && !self.base.has_metadata_expired(env.now_ms) {
            return Ok(outcome);
        }
        outcome.topics.update_names(
            Some(&member.base.subscribed_topic_names),
            Some(&updated.base.subscribed_topic_names),
        );
        let hash = hashes.group_hash(outcome.topics.names(), env.image);
        let is_new = self.base.member(updated.member_id()).is_none();
        let members = self.base.members_len() + usize::from(is_new);
        outcome.subscription_type = outcome.topics.subscription_type(members);
        if bumps || hash != self.base.metadata_hash {
            outcome.has_epoch_changed = true;
            outcome.group_epoch = outcome.group_epoch.saturating_add(1);
            env.out.records.push(record::epoch(self.group_id(), outcome.group_epoch, hash)?);
        }
        self.base.set_metadata_refreshed(env.now_ms, outcome.group_epoch);
        Ok(outcome)
    }

    /// Whether partitions were initialized since the last assignment (`initializedAssignmentPending`).
    fn awaits_assignment(&self) -> bool {
        let Some(metadata) = &self.state_metadata else { return false };
        let mut read = metadata.initialized.iter().filter(|(_, topic)| self.is_subscribed_to(&topic.name));
        let mut assigned: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        for (member_id, _) in self.base.members() {
            for (topic_id, partitions) in
                self.base.target_assignment(member_id).into_iter().flat_map(|a| &**a)
            {
                assigned.entry(*topic_id).or_default().extend(partitions);
            }
        }
        read.any(|(topic_id, topic)| assigned.get(topic_id) != Some(&topic.partitions))
    }

    /// Computes a new target assignment when the group's epoch asks for one and the last is old enough
    /// (`maybeUpdateTargetAssignment`).
    pub(super) fn update_target(
        &self,
        updated: &ShareGroupMember,
        outcome: &SubscriptionUpdate,
        env: &mut Env<'_>,
    ) -> Result<MemberTarget, GroupError> {
        let epochs = self.base.epochs();
        let interval_ms = env.group_config(self.group_id()).share_assignment_interval_ms();
        if epochs.assignment_epoch >= outcome.group_epoch
            || !can_compute_next(epochs.assignment_timestamp_ms, interval_ms, env.now_ms)
        {
            let assignment = self.base.target_assignment(updated.member_id()).cloned().unwrap_or_default();
            return Ok(MemberTarget { epoch: epochs.assignment_epoch, assignment });
        }
        let assignable = self.state_metadata.as_ref().map(|metadata| metadata.initialized_partitions());
        let assignable = assignable.unwrap_or_default();
        let resolver = TopicResolver::new(env.image);
        let spec = self.group_spec(updated, outcome.subscription_type, &assignable, &resolver);
        let previous = |id: &Str| self.base.target_assignment(id).map(|assignment| &**assignment);
        let new = compute_target_assignment(&SimpleAssignor, &spec, &resolver, previous).map_err(|why| {
            let what = format!("Failed to compute a new target assignment for epoch {}", outcome.group_epoch);
            GroupError::new(ErrorCode::UnknownServerError, format!("{what}: {why}"))
        })?;
        for member_id in &new.changed {
            if let Some(assignment) = new.assignments.get(member_id) {
                env.out.records.push(record::target(self.group_id(), member_id, assignment)?);
            }
        }
        env.out.records.push(record::target_metadata(self.group_id(), outcome.group_epoch, env.now_ms)?);
        let assignment = new.assignments.get(updated.member_id()).cloned().unwrap_or_default();
        Ok(MemberTarget { epoch: outcome.group_epoch, assignment: Arc::new(assignment) })
    }

    /// Takes a member to its target assignment, at once (`ShareGroupAssignmentBuilder`).
    pub(super) fn reconcile(
        &self,
        member: ShareGroupMember,
        target: &MemberTarget,
        has_epoch_changed: bool,
        env: &mut Env<'_>,
    ) -> Result<ShareGroupMember, GroupError> {
        if !has_epoch_changed && member.base.is_reconciled_to(target.epoch) {
            return Ok(member);
        }
        let mut updated = member.clone();
        let moves = target.epoch != member.member_epoch();
        if moves || has_epoch_changed {
            let subscribed = TopicResolver::new(env.image).ids(&member.base.subscribed_topic_names);
            let topics = target.assignment.iter().filter(|(topic_id, _)| subscribed.contains(topic_id));
            updated.assigned_partitions = topics.map(|(id, partitions)| (*id, partitions.clone())).collect();
        }
        if moves {
            updated.base.state = MemberState::Stable;
            updated.base.update_epoch(target.epoch);
        }
        if updated != member {
            env.out.records.push(record::current_assignment(self.group_id(), &updated)?);
        }
        Ok(updated)
    }

    /// The group as the assignor sees it once the update is done.
    fn group_spec<'a>(
        &'a self,
        updated: &ShareGroupMember,
        subscription_type: SubscriptionType,
        assignable: &'a Assignment,
        resolver: &TopicResolver<'_>,
    ) -> GroupSpec<'a> {
        // Subscriptions that are equal are resolved once.
        let mut resolved: BTreeMap<&BTreeSet<Str>, Arc<BTreeSet<Uuid>>> = BTreeMap::new();
        let members = self.base.members().map(|(_, member)| &**member);
        let others = members.filter(|member| member.member_id() != updated.member_id());
        let specs = others.chain([updated]).map(|member| {
            let names = &member.base.subscribed_topic_names;
            let topic_ids = resolved.entry(names).or_insert_with(|| Arc::new(resolver.ids(names)));
            let spec = MemberSpec {
                rack_id: member.base.rack_id.clone(),
                instance_id: None,
                subscribed_topic_ids: topic_ids.clone(),
                assignment: self.base.target_assignment(member.member_id()).cloned().unwrap_or_default(),
            };
            (member.member_id().clone(), spec)
        });
        GroupSpec {
            members: specs.collect(),
            subscription_type,
            inverted_assignment: self.base.inverted_target_assignment(),
            assignable_partitions: Some(assignable),
        }
    }
}
