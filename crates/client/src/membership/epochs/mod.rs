//! The protocols in which the broker divides: consumer groups (KIP-848) and share groups (KIP-932). One heartbeat carries everything.
//!
//! As Java's `AbstractMembershipManager` and `AbstractHeartbeatRequestManager` with what their subclasses add. The broker sends
//! a target; the member brings itself there ([`reconcile`]: commit, give up, take over), says so with its next
//! heartbeat, and the broker moves the partitions on.

mod answers;
mod heartbeat;
mod leave;
mod reconcile;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ottla_protocol::{ErrorCode, Str, TopicPartition, Uuid};

use self::heartbeat::Heartbeat;
use self::leave::Leave;
use self::reconcile::Reconciliation;
use super::outbox::{Backoff, Outbox};
use super::{
    Action, Callback, CloseOperation, Event, GroupConfig, MemberState, Membership, MetadataTopics,
    Subscription,
};
use crate::cluster::Metadata;
use crate::consumer::ConsumerGroupMetadata;
use crate::{Error, Result};

/// Which of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// KIP-848, with `group.remote.assignor`.
    Consumer { server_assignor: Option<Str> },
    /// KIP-932.
    Share,
}

/// A member of a consumer group (KIP-848) or of a share group.
pub struct EpochMembership {
    kind: Kind,
    config: GroupConfig,
    member_id: Str,
    epoch: i32,
    state: MemberState,
    out: Outbox,
    metadata: Option<Arc<Metadata>>,
    subscription: Option<Subscription>,
    topics: BTreeSet<Str>,
    wanted: Option<MetadataTopics>,
    /// Subscribed since the last `poll`: that one joins.
    is_subscription_new: bool,
    assigned: BTreeSet<TopicPartition>,
    /// What is in effect, and what the broker wants.
    current: Local,
    target: Local,
    /// Names of topics in the target, for when metadata does not have them at the moment.
    names: HashMap<Uuid, Str>,
    reconciliation: Option<Reconciliation>,
    /// Topics of the target are not known: when to ask again.
    ask_at_ms: Option<i64>,
    releasing: Option<Releasing>,
    leaving: Option<Leave>,
    heartbeat: Heartbeat,
    backoff: Backoff,
    in_poll: bool,
    /// `poll` was called while a stale member still gave up its partitions.
    rejoins_when_released: bool,
    /// An error goes to the application: nothing more in this `poll`.
    is_halted: bool,
}

/// Partitions by topic id, in a local generation: two assignments with the same partitions can differ. None is -1.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Local {
    epoch: i64,
    partitions: BTreeMap<Uuid, BTreeSet<i32>>,
}

impl Local {
    fn none() -> Self {
        Self { epoch: -1, partitions: BTreeMap::new() }
    }

    fn is_none(&self) -> bool {
        self.epoch < 0
    }
}

/// The callback `Lost` is out, and this comes after it.
#[derive(Clone, Copy, Debug)]
struct Releasing {
    id: u64,
    then_joins: bool,
}

impl EpochMembership {
    /// A member of a consumer group, in none yet. `member_id` is a random UUID that stays for the life of the consumer.
    pub fn consumer(config: GroupConfig, member_id: Str, server_assignor: Option<Str>) -> Self {
        Self::new(Kind::Consumer { server_assignor }, config, member_id)
    }

    /// A member of a share group, likewise.
    pub fn share(config: GroupConfig, member_id: Str) -> Self {
        Self::new(
            Kind::Share,
            GroupConfig { auto_commit: false, group_instance_id: None, ..config },
            member_id,
        )
    }

    fn new(kind: Kind, config: GroupConfig, member_id: Str) -> Self {
        Self {
            kind,
            member_id,
            epoch: 0,
            state: MemberState::Unsubscribed,
            out: Outbox::default(),
            metadata: None,
            subscription: None,
            topics: BTreeSet::new(),
            wanted: None,
            is_subscription_new: false,
            assigned: BTreeSet::new(),
            current: Local::none(),
            target: Local::none(),
            names: HashMap::new(),
            reconciliation: None,
            ask_at_ms: None,
            releasing: None,
            leaving: None,
            heartbeat: Heartbeat::new(&config),
            backoff: Backoff::new(&config),
            in_poll: false,
            rejoins_when_released: false,
            is_halted: false,
            config,
        }
    }

    fn is_share(&self) -> bool {
        self.kind == Kind::Share
    }

    fn is_outside(&self) -> bool {
        matches!(
            self.state,
            MemberState::Unsubscribed | MemberState::Fenced | MemberState::Fatal | MemberState::Stale
        )
    }

    fn subscribed(&mut self, subscription: Subscription) {
        if self.is_share() && !matches!(subscription, Subscription::Names(_)) {
            let text = "share groups are subscribed to by the names of topics";
            self.out.push(Action::Fail(Error::Illegal(text.into())));
            return;
        }
        self.subscription = Some(subscription);
        self.is_subscription_new = true;
        self.resolve();
        self.want_topics();
        if self.in_poll && !self.is_halted {
            self.join_if_subscribed();
        }
    }

    /// Finds out which topics the subscription means now; with a pattern that the broker matches, none.
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
            Some(Subscription::Regex(_)) => {
                MetadataTopics::Ids(self.target.partitions.keys().copied().collect())
            }
            _ => MetadataTopics::Named(self.topics.iter().cloned().collect()),
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

    fn assign(&mut self, partitions: BTreeSet<TopicPartition>) {
        let added = partitions.difference(&self.assigned).cloned().collect();
        self.assigned = partitions;
        self.out.push(Action::Assign { partitions: self.assigned.iter().cloned().collect(), added });
    }

    fn clear_assignment(&mut self) {
        if !self.assigned.is_empty() {
            self.assign(BTreeSet::new());
        }
        self.current = Local::none();
        self.clear_target();
    }

    fn clear_target(&mut self) {
        self.target = Local::none();
        self.names.clear();
        self.ask_at_ms = None;
    }

    fn poll_started(&mut self, now_ms: i64) {
        self.in_poll = true;
        self.is_halted = false;
        self.heartbeat.polled(now_ms);
        if self.state == MemberState::Stale {
            if self.releasing.is_some() {
                self.rejoins_when_released = true;
            } else {
                self.transition_to_joining();
            }
        }
        self.join_if_subscribed();
    }

    fn join_if_subscribed(&mut self) {
        if std::mem::take(&mut self.is_subscription_new) && self.state == MemberState::Unsubscribed {
            self.transition_to_joining();
        }
    }

    fn transition_to_joining(&mut self) {
        if self.state == MemberState::Fatal {
            return;
        }
        if let Some(reconciliation) = &mut self.reconciliation {
            reconciliation.is_aborted = true;
        }
        self.epoch = 0;
        self.state = MemberState::Joining;
        self.heartbeat.forget_sent();
        self.clear_target();
    }

    /// Gives partitions up that the member has lost already; what comes then is told by [`Releasing`].
    fn release(&mut self, then_joins: bool) {
        if self.assigned.is_empty() || self.is_share() {
            self.released(then_joins);
            return;
        }
        let partitions: Vec<_> = self.assigned.iter().cloned().collect();
        self.out.push(Action::PauseFetching(partitions.clone()));
        let id = self.out.call(Callback::Lost, partitions);
        self.releasing = Some(Releasing { id, then_joins });
    }

    fn released(&mut self, then_joins: bool) {
        self.releasing = None;
        self.clear_assignment();
        let fenced = then_joins && self.state == MemberState::Fenced;
        let stale = std::mem::take(&mut self.rejoins_when_released) && self.state == MemberState::Stale;
        if fenced || stale {
            self.transition_to_joining();
        }
    }

    fn called(&mut self, now_ms: i64, id: u64, result: Result<()>) {
        if let Some(releasing) = self.releasing.filter(|releasing| releasing.id == id) {
            self.released(releasing.then_joins);
        } else if self.leaving.as_ref().is_some_and(|leave| leave.callback == Some(id)) {
            self.send_leave(now_ms);
        } else {
            self.reconciliation_called(id, &result);
        }
    }

    fn metadata_changed(&mut self, metadata: Arc<Metadata>) {
        self.metadata = Some(metadata);
        if let Some(Subscription::Pattern(_)) = self.subscription {
            self.resolve();
        }
    }

    fn advance(&mut self, now_ms: i64) {
        self.reconcile(now_ms);
        self.run_heartbeat(now_ms);
    }
}

impl Membership for EpochMembership {
    fn handle(&mut self, now_ms: i64, event: Event) {
        match event {
            Event::PollStarted => self.poll_started(now_ms),
            Event::PollEnded => {
                self.in_poll = false;
                self.heartbeat.polled(now_ms);
            }
            Event::Subscribed(subscription) => self.subscribed(subscription),
            Event::Unsubscribed => self.leave(now_ms, CloseOperation::Default),
            Event::Close(operation) => self.leave(now_ms, operation),
            Event::Metadata(metadata) => self.metadata_changed(metadata),
            Event::Answered { id, answer } => self.answered(now_ms, id, answer),
            Event::Committed { id, .. } => self.reconciliation_committed(id),
            Event::Called { id, result } => self.called(now_ms, id, result),
            Event::RejoinRequested(_)
            | Event::Refreshed { .. }
            | Event::CommitRefused { .. }
            | Event::Tick => {}
        }
        self.advance(now_ms);
    }

    fn next_action(&mut self) -> Option<Action> {
        self.out.pop()
    }

    fn wake_at_ms(&self) -> Option<i64> {
        [self.heartbeat_at_ms(), self.ask_at_ms].into_iter().flatten().min()
    }

    fn state(&self) -> MemberState {
        self.state
    }

    fn group_metadata(&self) -> ConsumerGroupMetadata {
        ConsumerGroupMetadata {
            group_id: self.config.group_id.clone(),
            generation_id: if self.epoch > 0 { self.epoch } else { -1 },
            member_id: self.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
        }
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.assigned.iter().cloned().collect()
    }
}
