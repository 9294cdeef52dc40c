//! Classic groups: the members elect a leader among themselves, and the leader assigns
//! (`ClassicGroup` and the classic parts of `GroupMetadataManager`).
//!
//! | file | holds |
//! | --- | --- |
//! | `state`, `member` | the states and the members |
//! | `mod`, `membership`, `protocols` | the group, who belongs to it, what they have in common |
//! | `validate` | which requests fit the group's state |
//! | `join`, `static_member` | JoinGroup |
//! | `rebalance` | from "someone joined or left" to "all have joined", and the timers of that |
//! | `sync`, `heartbeat`, `leave` | SyncGroup, Heartbeat, LeaveGroup |
//! | `lifecycle` | loading and unloading, and giving way to a consumer group |
//! | `downgraded` | coming out of a consumer group |
//! | `record`, `write` | the group as a record; what follows when it is written, or is not |
//!
//! Not obvious:
//! - A rebalance is a talk with the members; what has not been agreed on is not worth a record. The group in
//!   memory runs ahead of its record, which is written when the leader has assigned, when the group becomes
//!   empty and when a static member comes back under a new id. A restarted broker begins with the last of
//!   these, the members notice by their heartbeats, and rejoin.
//! - `awaiting_join` counts the members whose JoinGroup waits. All joined means: as many as there are
//!   members, and no id was given out that has not come back.

mod downgraded;
mod heartbeat;
pub(crate) mod join;
pub(crate) mod leave;
mod lifecycle;
mod member;
mod membership;
mod protocols;
mod rebalance;
mod record;
mod state;
mod static_member;
pub(crate) mod sync;
mod validate;
mod write;

pub(crate) use downgraded::ProtocolsByMember;
pub(crate) use member::{ClassicGroupMember, MemberProtocol, member_protocols};
pub(crate) use protocols::{Subscription, protocol_version};
pub use state::ClassicGroupState;
pub(crate) use validate::CommitValidation;
pub(crate) use write::ClassicAction;

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::Str;
use ottla_protocol::messages::describe_groups_response::DescribedGroup;
use ottla_protocol::messages::list_groups_response::ListedGroup;

use crate::group::{Env, GroupExplanation, GroupType};
use crate::result::{CoordinatorResult, GroupEvent};
use crate::timers::TimerKey;

/// The protocol type of consumers.
const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// What the join timer is armed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JoinTimer {
    /// The end of the join phase.
    Complete,
    /// The end of one round of the initial delay, which is extended while new members keep coming.
    InitialDelay { delay_ms: i32, remaining_ms: i32 },
}

/// A classic group.
#[derive(Clone, Debug)]
pub(crate) struct ClassicGroup {
    group_id: Str,
    state: ClassicGroupState,
    previous_state: ClassicGroupState,
    /// Since when the group is in its state, Unix ms; not known for records of old versions.
    state_timestamp_ms: Option<i64>,
    generation_id: i32,
    /// Set once a member has joined. A group without is a simple one: it has only offsets.
    protocol_type: Option<Str>,
    /// The protocol that all members of this generation use.
    protocol_name: Option<Str>,
    leader_id: Option<Str>,
    members: BTreeMap<Str, ClassicGroupMember>,
    /// Member ids by group instance id.
    static_members: BTreeMap<Str, Str>,
    /// Ids given out by MEMBER_ID_REQUIRED that have not joined yet.
    pending_join_members: BTreeSet<Str>,
    /// Number of members whose `awaiting_join` is set.
    awaiting_join: usize,
    /// For each protocol, how many members support it.
    supported_protocols: BTreeMap<Str, usize>,
    /// Members of this generation that have not sent SyncGroup yet.
    pending_sync_members: BTreeSet<Str>,
    /// What the members of a consumer group read; `None` when that is not known.
    subscribed_topics: Option<BTreeSet<Str>>,
    /// A member has joined during the initial delay.
    new_member_added: bool,
    join_timer: JoinTimer,
    /// Generation for which the sync timer was armed last.
    sync_timer_generation_id: i32,
    rebalance_reason: String,
}

impl ClassicGroup {
    /// An empty group.
    pub fn new(group_id: Str, state_timestamp_ms: Option<i64>) -> Self {
        Self {
            group_id,
            state: ClassicGroupState::Empty,
            previous_state: ClassicGroupState::Dead,
            state_timestamp_ms,
            generation_id: 0,
            protocol_type: None,
            protocol_name: None,
            leader_id: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join_members: BTreeSet::new(),
            awaiting_join: 0,
            supported_protocols: BTreeMap::new(),
            pending_sync_members: BTreeSet::new(),
            subscribed_topics: None,
            new_member_added: false,
            join_timer: JoinTimer::Complete,
            sync_timer_generation_id: 0,
            rebalance_reason: String::new(),
        }
    }

    pub fn group_id(&self) -> &Str {
        &self.group_id
    }

    pub fn generation_id(&self) -> i32 {
        self.generation_id
    }

    pub fn protocol_name(&self) -> Option<&Str> {
        self.protocol_name.as_ref()
    }

    /// In order of their ids.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &ClassicGroupMember> {
        self.members.values()
    }

    pub fn state(&self) -> ClassicGroupState {
        self.state
    }

    pub fn is_empty(&self) -> bool {
        self.state == ClassicGroupState::Empty
    }

    fn is_leader(&self, member_id: &Str) -> bool {
        self.leader_id.as_ref() == Some(member_id)
    }

    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// The longest rebalance timeout of the members, and at least 0: how long members have to rejoin.
    fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).fold(0, i32::max)
    }

    fn transition_to(&mut self, state: ClassicGroupState, now_ms: i64) {
        debug_assert!(state.may_follow(self.state), "{:?} to {state:?}", self.state);
        self.previous_state = self.state;
        self.state = state;
        self.state_timestamp_ms = Some(now_ms);
    }

    pub fn describe(&self) -> DescribedGroup {
        let is_stable = self.state == ClassicGroupState::Stable;
        let protocol_name = self.protocol_name.as_ref().filter(|_| is_stable);
        DescribedGroup {
            group_id: self.group_id.clone(),
            group_state: Str::from_static(self.state.name()),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: protocol_name.cloned().unwrap_or_default(),
            members: self.members.values().map(|member| member.describe(protocol_name)).collect(),
            ..Default::default()
        }
    }

    pub fn as_listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.group_id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            group_state: Str::from_static(self.state.name()),
            group_type: Str::from_static(GroupType::Classic.name()),
        }
    }

    pub fn explain(&self) -> GroupExplanation {
        let waiting_for = match self.state {
            ClassicGroupState::PreparingRebalance => {
                let members = self.members.values().filter(|member| !member.is_awaiting_join());
                members.map(|member| &member.member_id).chain(&self.pending_join_members).cloned().collect()
            }
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable => {
                self.pending_sync_members.iter().cloned().collect()
            }
            ClassicGroupState::Empty | ClassicGroupState::Dead => Vec::new(),
        };
        GroupExplanation {
            state: self.state.name(),
            since_ms: self.state_timestamp_ms,
            generation_id: self.generation_id,
            rebalance_reason: self.rebalance_reason.clone(),
            waiting_for,
            leader: self.leader_id.clone(),
        }
    }

    /// Arms the session timer of a member anew.
    pub fn reschedule_heartbeat(&self, member_id: &Str, now_ms: i64, out: &mut CoordinatorResult) {
        if let Some(member) = self.members.get(member_id) {
            out.schedule(self.heartbeat_key(&member.member_id), now_ms, member.session_timeout_ms.into());
        }
    }

    fn heartbeat_key(&self, member_id: &Str) -> TimerKey {
        TimerKey::ClassicHeartbeat { group_id: self.group_id.clone(), member_id: member_id.clone() }
    }

    fn join_key(&self) -> TimerKey {
        TimerKey::ClassicJoin { group_id: self.group_id.clone() }
    }

    fn sync_key(&self) -> TimerKey {
        TimerKey::ClassicSync { group_id: self.group_id.clone() }
    }

    fn note_removal(&self, member_id: &Str, reason: impl Into<String>, env: &mut Env<'_>) {
        env.out.events.push(GroupEvent::MemberRemoved {
            group_id: self.group_id.clone(),
            member_id: member_id.clone(),
            reason: reason.into(),
        });
    }
}

#[cfg(test)]
mod invariants_test;

#[cfg(test)]
#[path = "classic_test.rs"]
mod tests;
