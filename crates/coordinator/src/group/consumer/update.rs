//! From what a member says to group epoch, target assignment and current assignment.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::assignor::assignor;
use super::current_assignment::Reconciliation;
use super::member::ConsumerGroupMember;
use super::regex::RegexUpdate;
use super::{ConsumerGroup, count, record, subscription_type};
use crate::group::modern::{
    Assignment, GroupSpec, MemberSpec, MemberState, SubscriptionType, TopicHashes, TopicResolver,
    can_compute_next, compute_target_assignment,
};
use crate::group::{Env, GroupError};

/// What a group's updates need beside [`Env`].
pub(crate) struct Topics<'a> {
    pub hashes: &'a mut TopicHashes,
    /// Offset of the metadata in which topics were created last.
    pub last_new_topics: i64,
}

/// A member before and after it said something of itself.
pub(super) struct MemberUpdate {
    pub member: ConsumerGroupMember,
    pub updated: ConsumerGroupMember,
}

/// What a member's update brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubscriptionUpdate {
    pub has_subscription_changed: bool,
    pub group_epoch: i32,
    pub subscription_type: SubscriptionType,
}

/// The target assignment as one member sees it.
pub(super) struct MemberTarget {
    pub epoch: i32,
    pub assignment: Arc<Assignment>,
}

impl ConsumerGroup {
    /// Writes what is new of a member, and the group epoch that follows from it. `regex_bumps`: whether a
    /// new expression bumps the epoch although its topics are not known yet.
    pub(super) fn update_subscription(
        &mut self,
        update: &MemberUpdate,
        regex_bumps: bool,
        topics: &mut Topics<'_>,
        env: &mut Env<'_>,
    ) -> Result<SubscriptionUpdate, GroupError> {
        let MemberUpdate { member, updated } = update;
        if member != updated {
            env.out.records.push(record::member(self.group_id(), updated)?);
        }
        let names_changed = member.base.subscribed_topic_names != updated.base.subscribed_topic_names;
        let regex = self.update_regex(member, updated, topics.last_new_topics, env)?;
        let bumps = names_changed
            || regex == RegexUpdate::UpdatedAndResolved
            || (regex_bumps && regex == RegexUpdate::Updated);
        let mut outcome = SubscriptionUpdate {
            has_subscription_changed: names_changed || regex != RegexUpdate::NoChange,
            group_epoch: self.base.epochs().group_epoch,
            subscription_type: self.base.subscription_type,
        };
        if bumps || self.base.has_metadata_expired(env.now_ms) {
            self.update_metadata(update, bumps, topics.hashes, &mut outcome, env)?;
        }
        Ok(outcome)
    }

    /// Looks at the topics that the group reads with the update (`updateSubscriptionMetadata`).
    fn update_metadata(
        &mut self,
        MemberUpdate { member, updated }: &MemberUpdate,
        bumps: bool,
        hashes: &mut TopicHashes,
        outcome: &mut SubscriptionUpdate,
        env: &mut Env<'_>,
    ) -> Result<(), GroupError> {
        let mut topics = self.base.subscribed_topics.clone();
        topics.update_names(
            Some(&member.base.subscribed_topic_names),
            Some(&updated.base.subscribed_topic_names),
        );
        let mut regexes = self.subscribed_regexes.clone();
        if member.subscribed_topic_regex != updated.subscribed_topic_regex {
            if let Some(old) = member.regex() {
                if self.regex_members(old) == 1 {
                    topics.update_regex(self.resolved_regexes.get(old).map(|old| &old.topics), None);
                }
                count(&mut regexes, old, false);
            }
            updated.regex().into_iter().for_each(|new| count(&mut regexes, new, true));
        }
        let hash = hashes.group_hash(topics.names(), env.image);
        let is_new = !self.has_member(updated.member_id())
            && updated.base.instance_id.as_ref().is_none_or(|id| !self.static_members.contains_key(id));
        let members = self.base.members_len() + usize::from(is_new);
        outcome.subscription_type = subscription_type(&regexes, &topics, members);
        if bumps || hash != self.base.metadata_hash {
            outcome.group_epoch = outcome.group_epoch.saturating_add(1);
            env.out.records.push(record::epoch(self.group_id(), outcome.group_epoch, hash)?);
        }
        self.base.set_metadata_refreshed(env.now_ms, outcome.group_epoch);
        if self.has_partition_metadata_record {
            env.out.records.push(record::partition_metadata_tombstone(self.group_id())?);
        }
        Ok(())
    }

    /// Computes a new target assignment when the group's epoch asks for one and the last is old enough
    /// (`maybeUpdateTargetAssignment`).
    pub(super) fn update_target(
        &self,
        MemberUpdate { member, updated }: &MemberUpdate,
        outcome: SubscriptionUpdate,
        env: &mut Env<'_>,
    ) -> Result<MemberTarget, GroupError> {
        let epochs = self.base.epochs();
        let interval_ms = env.group_config(self.group_id()).consumer_assignment_interval_ms();
        if epochs.assignment_epoch >= outcome.group_epoch
            || !can_compute_next(epochs.assignment_timestamp_ms, interval_ms, env.now_ms)
        {
            return Ok(self.last_target(updated));
        }
        let preferred = self.preferred_assignor(member, updated);
        let spec = self.group_spec(updated, outcome.subscription_type, env);
        let assignor = assignor(preferred.as_ref().or(env.config.consumer.assignors.first()));
        let resolver = TopicResolver::new(env.image);
        let previous = |id: &Str| self.base.target_assignment(id).map(|assignment| &**assignment);
        let new = compute_target_assignment(assignor, &spec, &resolver, previous).map_err(|why| {
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

    /// The target assignment as it is.
    pub(super) fn last_target(&self, member: &ConsumerGroupMember) -> MemberTarget {
        // A static member that comes back under a new id takes over what it had under the old one.
        let member_id = match &member.base.instance_id {
            Some(instance_id) => self.static_members.get(instance_id),
            None => Some(member.member_id()),
        };
        let assignment = member_id.and_then(|member_id| self.base.target_assignment(member_id));
        MemberTarget {
            epoch: self.base.epochs().assignment_epoch,
            assignment: assignment.cloned().unwrap_or_default(),
        }
    }

    /// A member's next step to the target assignment (`maybeReconcile`).
    pub(super) fn reconcile(
        &self,
        member: ConsumerGroupMember,
        target: &MemberTarget,
        has_subscription_changed: bool,
        owned_partitions: Option<&[TopicPartitions]>,
        env: &mut Env<'_>,
    ) -> Result<ConsumerGroupMember, GroupError> {
        if !has_subscription_changed && member.base.is_reconciled_to(target.epoch) {
            return Ok(member);
        }
        let resolver = TopicResolver::new(env.image);
        let reconciliation = Reconciliation {
            target_epoch: target.epoch,
            target: &target.assignment,
            has_subscription_changed,
            subscribed_topic_ids: resolver.ids(self.topics_of(&member)),
            is_owned: &|topic_id: Uuid, partition| self.partition_epoch(topic_id, partition).is_some(),
            owned_partitions,
        };
        let updated = reconciliation.step(&member)?;
        if updated == member {
            return Ok(updated);
        }
        env.out.records.push(record::current_assignment(self.group_id(), &updated)?);
        if !updated.uses_classic_protocol() {
            if updated.base.state == MemberState::UnrevokedPartitions {
                self.schedule_rebalance(&updated, env);
            } else {
                env.out.cancel(self.rebalance_key(updated.member_id()));
            }
        }
        Ok(updated)
    }

    /// The topics that a member names, and those that its expression was found to match.
    fn topics_of<'a>(&'a self, member: &'a ConsumerGroupMember) -> impl Iterator<Item = &'a Str> {
        let matched = member.regex().and_then(|regex| self.resolved_regexes.get(regex));
        member.base.subscribed_topic_names.iter().chain(matched.into_iter().flat_map(|regex| &regex.topics))
    }

    /// The assignor that most members want, of those that there are; of equals, the last by name.
    fn preferred_assignor(&self, member: &ConsumerGroupMember, updated: &ConsumerGroupMember) -> Option<Str> {
        let mut counts = self.server_assignors.clone();
        member.server_assignor.iter().for_each(|old| count(&mut counts, old, false));
        updated.server_assignor.iter().for_each(|new| count(&mut counts, new, true));
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name)
    }

    /// The group as an assignor sees it once the update is done.
    fn group_spec<'a>(
        &'a self,
        updated: &ConsumerGroupMember,
        subscription_type: SubscriptionType,
        env: &Env<'_>,
    ) -> GroupSpec<'a> {
        let resolver = TopicResolver::new(env.image);
        // Subscriptions that are equal are resolved once.
        type Subscription<'m> = (&'m BTreeSet<Str>, &'m Str);
        let mut resolved: BTreeMap<Subscription<'_>, Arc<BTreeSet<Uuid>>> = BTreeMap::new();
        let replaced = updated.base.instance_id.as_ref().and_then(|id| self.static_members.get(id));
        let members = self.base.members().map(|(_, member)| &**member).filter(|member| {
            member.member_id() != updated.member_id() && Some(member.member_id()) != replaced
        });
        let specs = members.chain([updated]).map(|member| {
            let subscription = (&member.base.subscribed_topic_names, &member.subscribed_topic_regex);
            let topic_ids = resolved
                .entry(subscription)
                .or_insert_with(|| Arc::new(resolver.ids(self.topics_of(member))));
            let from = match replaced.filter(|_| member.member_id() == updated.member_id()) {
                Some(replaced) => replaced,
                None => member.member_id(),
            };
            let spec = MemberSpec {
                rack_id: member.base.rack_id.clone(),
                instance_id: member.base.instance_id.clone(),
                subscribed_topic_ids: topic_ids.clone(),
                assignment: self.base.target_assignment(from).cloned().unwrap_or_default(),
            };
            (member.member_id().clone(), spec)
        });
        GroupSpec {
            members: specs.collect(),
            subscription_type,
            inverted_assignment: self.base.inverted_target_assignment(),
            assignable_partitions: None,
        }
    }
}
