//! The classic protocol: members join in rounds, one of them (the leader) divides the partitions, heartbeats tell of the next round.
//!
//! As Java's `AbstractCoordinator` and `ConsumerCoordinator`. A round, inside the application's `poll`: prepare (commit,
//! give up partitions), JoinGroup, SyncGroup, take over. [`Step`] says where in it the member is.

mod answers;
mod heartbeat;
mod join;
mod leader;
mod prepare;
mod takeover;

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_protocol::messages::JoinGroupResponse;
use ottla_protocol::messages::LeaveGroupRequest;
use ottla_protocol::messages::leave_group_request::MemberIdentity;
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use self::heartbeat::Heartbeat;
use self::leader::Snapshot;
use super::outbox::{Backoff, Outbox};
use super::{
    Action, Callback, CloseOperation, Event, GroupConfig, GroupRequest, MemberState, Membership,
    MetadataTopics, Subscription,
};
use crate::assignors::{Assignor, RebalanceProtocol, common_protocol};
use crate::cluster::Metadata;
use crate::consumer::ConsumerGroupMetadata;
use crate::{Error, Result};

/// Kafka's name for the kind of groups that consumers form.
const PROTOCOL_TYPE: &str = "consumer";
/// A reason is cut to this many characters (`JoinGroupRequest.maybeTruncateReason`).
const REASON_LEN_MAX: usize = 255;

/// A member by the classic protocol.
pub struct ClassicMembership {
    config: GroupConfig,
    assignors: Vec<Box<dyn Assignor>>,
    protocol: RebalanceProtocol,
    out: Outbox,
    metadata: Option<Arc<Metadata>>,
    subscription: Option<Subscription>,
    /// What the subscription comes to: the names, or the topics that match.
    topics: BTreeSet<Str>,
    /// The topics that the group knows of.
    joined_topics: Option<BTreeSet<Str>>,
    /// Topics of all members, while this one leads.
    group_topics: BTreeSet<Str>,
    wanted: Option<MetadataTopics>,
    assigned: BTreeSet<TopicPartition>,
    generation: Generation,
    state: MemberState,
    step: Step,
    rejoin_needed: bool,
    rejoin_reason: String,
    needs_prepare: bool,
    is_leader: bool,
    /// What the leader's last assignment was made from.
    assignment_snapshot: Option<Snapshot>,
    heartbeat: Heartbeat,
    backoff: Backoff,
    in_poll: bool,
    /// An error goes to the application: nothing more in this `poll`.
    is_halted: bool,
}

/// Membership in one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Generation {
    id: i32,
    member_id: Str,
    /// Name of the assignor that the members agreed on.
    protocol: Option<Str>,
}

impl Generation {
    fn none() -> Self {
        Self { id: -1, member_id: Str::new(), protocol: None }
    }

    fn is_reset(&self) -> bool {
        self.id == -1 && self.protocol.is_none()
    }

    fn is_outside(&self) -> bool {
        self.id == -1 || self.member_id.is_empty()
    }
}

/// Where in a rebalance the member is, and which answer it waits for.
#[derive(Debug)]
enum Step {
    Idle,
    /// Until this time after a failure.
    Waiting(i64),
    /// Fresh metadata to match the pattern against, before joining.
    Refreshing(u64),
    Committing(u64),
    /// The callback before joining; with it the partitions that stay.
    GivingUp(u64, BTreeSet<TopicPartition>),
    Joining(u64, Generation),
    /// The leader learns about topics of other members.
    Learning(Learning, Box<JoinGroupResponse>),
    Syncing(u64, Generation),
    /// SyncGroup was answered; the rest is done inside `poll`.
    Synced(bytes::Bytes, Generation),
    /// The callback for what a cooperative assignment takes away.
    Revoking(u64, Box<takeover::Takeover>),
    Assigning(u64),
    /// `unsubscribe` or `close`: the callback, then LeaveGroup, then its answer.
    Leaving(u64, Leave),
    LeftSoon(u64),
}

/// How a leader learns: asked, or to ask again at a time.
#[derive(Clone, Copy, Debug)]
enum Learning {
    Asked(u64),
    Again(i64),
}

/// How the group is left.
#[derive(Clone, Copy, Debug)]
struct Leave {
    operation: CloseOperation,
    reason: &'static str,
    /// Whether `Left` waits for the answer.
    waits: bool,
}

impl ClassicMembership {
    /// A member that is in no group yet. Offers the assignors in this order.
    ///
    /// # Errors
    /// When there is no assignor, or they have no rebalance protocol in common.
    pub fn new(config: GroupConfig, assignors: Vec<Box<dyn Assignor>>) -> Result<Self> {
        if assignors.is_empty() {
            return Err(Error::Illegal(
                "partition.assignment.strategy is empty: a member of a group needs at least one assignor"
                    .into(),
            ));
        }
        if config.heartbeat_interval_ms >= config.session_timeout_ms {
            return Err(Error::Illegal("Heartbeat must be set lower than the session timeout".into()));
        }
        Ok(Self {
            protocol: common_protocol(&assignors)?,
            heartbeat: Heartbeat::new(&config),
            backoff: Backoff::new(&config),
            assignors,
            config,
            out: Outbox::default(),
            metadata: None,
            subscription: None,
            topics: BTreeSet::new(),
            joined_topics: None,
            group_topics: BTreeSet::new(),
            wanted: None,
            assigned: BTreeSet::new(),
            generation: Generation::none(),
            state: MemberState::Unsubscribed,
            step: Step::Idle,
            rejoin_needed: true,
            rejoin_reason: String::new(),
            needs_prepare: true,
            is_leader: false,
            assignment_snapshot: None,
            in_poll: false,
            is_halted: false,
        })
    }

    /// Whether this member divided the partitions in the last rebalance.
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }

    fn subscribed(&mut self, subscription: Subscription) {
        if let Subscription::Regex(_) = subscription {
            let text =
                "a pattern that the broker matches (SubscriptionPattern) needs group.protocol=consumer";
            self.out.push(Action::Fail(Error::Illegal(text.into())));
            return;
        }
        self.subscription = Some(subscription);
        self.group_topics.clear();
        self.resolve();
        self.want_topics();
    }

    /// Finds out which topics the subscription means now.
    fn resolve(&mut self) {
        match &self.subscription {
            Some(Subscription::Names(names)) => self.topics.clone_from(names),
            Some(Subscription::Pattern(matches)) => {
                let Some(metadata) = &self.metadata else { return };
                let known = metadata.topics.values().filter(|topic| topic.error == ErrorCode::None);
                let found = known.filter(|topic| matches(&topic.name, topic.is_internal));
                self.topics = found.map(|topic| topic.name.clone()).collect();
            }
            Some(Subscription::Regex(_)) | None => self.topics.clear(),
        }
    }

    fn want_topics(&mut self) {
        let wanted = match &self.subscription {
            Some(Subscription::Pattern(_)) => MetadataTopics::All,
            _ => MetadataTopics::Named(self.topics.union(&self.group_topics).cloned().collect()),
        };
        if self.wanted.as_ref() != Some(&wanted) {
            self.wanted = Some(wanted.clone());
            self.out.push(Action::Topics(wanted));
        }
    }

    fn fail(&mut self, error: Error) {
        self.is_halted = true;
        self.out.push(Action::Fail(error));
    }

    fn request_rejoin(&mut self, reason: impl Into<String>) {
        self.rejoin_reason = reason.into();
        self.rejoin_needed = true;
    }

    /// Forgets the generation, and the member id too if it is worth nothing any more.
    fn reset(&mut self, reason: impl Into<String>, with_member_id: bool) {
        self.state = MemberState::Unsubscribed;
        let member_id =
            if with_member_id { Str::new() } else { std::mem::take(&mut self.generation.member_id) };
        self.generation = Generation { member_id, ..Generation::none() };
        self.request_rejoin(reason);
        self.needs_prepare = true;
    }

    fn assign(&mut self, partitions: BTreeSet<TopicPartition>) {
        let added = partitions.difference(&self.assigned).cloned().collect();
        self.assigned = partitions;
        self.out.push(Action::Assign { partitions: self.assigned.iter().cloned().collect(), added });
    }

    /// `unsubscribe` or `close`: callbacks first, unless there is nothing to give up.
    fn begin_leaving(&mut self, leave: Leave) {
        self.is_halted = false;
        if self.assigned.is_empty() || self.subscription.is_none() {
            self.finish_leaving(leave);
            return;
        }
        let in_rebalance =
            matches!(self.state, MemberState::PreparingRebalance | MemberState::CompletingRebalance);
        let callback =
            if self.generation.is_outside() || in_rebalance { Callback::Lost } else { Callback::Revoked };
        let partitions = self.assigned.iter().cloned().collect();
        let id = self.out.call(callback, partitions);
        self.step = Step::Leaving(id, leave);
    }

    fn finish_leaving(&mut self, leave: Leave) {
        if !self.assigned.is_empty() {
            self.assign(BTreeSet::new());
        }
        self.subscription = None;
        self.joined_topics = None;
        self.assignment_snapshot = None;
        self.group_topics.clear();
        self.resolve();
        self.want_topics();
        let sent = self.leave_group(leave.operation, leave.reason);
        match sent.filter(|_| leave.waits) {
            Some(id) => self.step = Step::LeftSoon(id),
            None => {
                self.step = Step::Idle;
                self.out.push(Action::Left);
            }
        }
    }

    /// Sends LeaveGroup where that is meant, and forgets the membership.
    fn leave_group(&mut self, operation: CloseOperation, reason: &str) -> Option<u64> {
        let leaves = match operation {
            CloseOperation::Default => self.config.group_instance_id.is_none(),
            CloseOperation::LeaveGroup => true,
            CloseOperation::RemainInGroup => false,
        };
        let is_member = self.state != MemberState::Unsubscribed && !self.generation.member_id.is_empty();
        let sent = (leaves && is_member).then(|| {
            let member = MemberIdentity {
                member_id: self.generation.member_id.clone(),
                group_instance_id: None,
                reason: Some(truncated(reason)),
            };
            let request = LeaveGroupRequest {
                group_id: self.config.group_id.clone(),
                members: vec![member],
                ..Default::default()
            };
            self.out.send(GroupRequest::LeaveGroup(request), self.config.request_timeout_ms)
        });
        self.heartbeat.stop();
        self.reset("consumer pro-actively leaving the group", true);
        sent
    }

    fn poll_started(&mut self, now_ms: i64) {
        self.in_poll = true;
        self.is_halted = false;
        self.heartbeat.polled(now_ms);
    }

    fn commit_refused(&mut self, code: ErrorCode, generation_id: i32, member_id: &Str) {
        let is_current = self.generation.id == generation_id && self.generation.member_id == *member_id;
        match code {
            ErrorCode::RebalanceInProgress => {
                self.request_rejoin("offset commit failed since group is already rebalancing");
            }
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration
                if is_current || self.state != MemberState::PreparingRebalance =>
            {
                let reason = format!("encountered {} from OFFSET_COMMIT response", code.name());
                self.reset(reason, code != ErrorCode::IllegalGeneration);
            }
            _ => {}
        }
    }

    fn metadata_changed(&mut self, metadata: Arc<Metadata>) {
        self.metadata = Some(metadata);
        if let Some(Subscription::Pattern(_)) = self.subscription {
            self.resolve();
        }
    }
}

/// A reason in the length that brokers take.
fn truncated(reason: &str) -> Str {
    reason.chars().take(REASON_LEN_MAX).collect::<String>().into()
}

impl Membership for ClassicMembership {
    fn handle(&mut self, now_ms: i64, event: Event) {
        match event {
            Event::PollStarted => self.poll_started(now_ms),
            Event::PollEnded => {
                self.in_poll = false;
                self.heartbeat.polled(now_ms);
            }
            Event::Subscribed(subscription) => self.subscribed(subscription),
            Event::Unsubscribed => self.begin_leaving(Leave {
                operation: CloseOperation::Default,
                reason: "the consumer unsubscribed from all topics",
                waits: false,
            }),
            Event::Close(operation) => {
                self.begin_leaving(Leave { operation, reason: "the consumer is being closed", waits: true })
            }
            Event::RejoinRequested(reason) => {
                let reason =
                    if reason.is_empty() { "rebalance enforced by user" } else { &*reason }.to_owned();
                self.request_rejoin(reason);
            }
            Event::Metadata(metadata) => self.metadata_changed(metadata),
            Event::Refreshed { id, result } => self.refreshed(now_ms, id, result),
            Event::Answered { id, answer } => self.answered(now_ms, id, answer),
            Event::Committed { id, .. } => self.committed(now_ms, id),
            Event::Called { id, result } => self.called(now_ms, id, result),
            Event::CommitRefused { code, generation_id, member_id } => {
                self.commit_refused(code, generation_id, &member_id);
            }
            Event::Tick => {}
        }
        self.run_heartbeat(now_ms);
        self.advance(now_ms);
    }

    fn next_action(&mut self) -> Option<Action> {
        self.out.pop()
    }

    fn wake_at_ms(&self) -> Option<i64> {
        let retry = match &self.step {
            Step::Waiting(at_ms) if self.in_poll => Some(*at_ms),
            Step::Learning(Learning::Again(at_ms), _) => Some(*at_ms),
            _ => None,
        };
        [retry, self.heartbeat.wake_at_ms(self.is_joined(), self.in_poll)].into_iter().flatten().min()
    }

    fn state(&self) -> MemberState {
        self.state
    }

    fn group_metadata(&self) -> ConsumerGroupMetadata {
        ConsumerGroupMetadata {
            group_id: self.config.group_id.clone(),
            generation_id: self.generation.id,
            member_id: self.generation.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
        }
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.assigned.iter().cloned().collect()
    }
}
