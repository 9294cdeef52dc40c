//! What one look at a group has found: all that conclusions are drawn from.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::admin::{GroupState, GroupType};
use ottla_protocol::{Str, TopicPartition};

/// One look at a group.
#[derive(Clone, Debug)]
pub struct Look {
    /// When it was, in Unix ms.
    pub at_ms: i64,
    /// What kind of group it is.
    pub kind: GroupType,
    /// How it is.
    pub state: GroupState,
    /// The epoch of the group and that of its assignment, where there are such.
    pub epochs: Option<(i32, i32)>,
    /// Its members.
    pub members: Vec<Member>,
    /// What members have or shall have, and what offsets are committed of.
    pub partitions: BTreeMap<TopicPartition, Position>,
    /// Topics of these that do not exist.
    pub missing_topics: BTreeSet<Str>,
    /// What only the coordinator knows, where it tells.
    pub detail: Option<Detail>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: Str,
    /// `client.id`.
    pub client_id: Str,
    /// Where it connects from.
    pub host: Str,
    /// Its epoch, where there are such.
    pub epoch: Option<i32>,
    /// What it has.
    pub assigned: BTreeSet<TopicPartition>,
    /// What it shall have, where that is known.
    pub target: Option<BTreeSet<TopicPartition>>,
}

impl Member {
    /// How it is called in texts: its client id and where it is; its id where it has no client id.
    pub fn name(&self) -> String {
        let name = if self.client_id.is_empty() { &self.id } else { &self.client_id };
        match self.host.trim_start_matches('/') {
            "" => name.to_string(),
            host => format!("{name} ({host})"),
        }
    }
}

/// How far a group is in a partition. All offsets are `None` when they are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Where the group goes on; `None` also when it has committed nothing.
    pub committed: Option<i64>,
    /// The first offset of the log.
    pub start: Option<i64>,
    /// The high watermark.
    pub end: Option<i64>,
    /// The last stable offset: where `read_committed` ends.
    pub stable: Option<i64>,
    /// What is not done with, where the coordinator counts it (share groups).
    pub counted_lag: Option<i64>,
    /// There is no leader.
    pub leaderless: bool,
    /// Transactions that are open here; only looked for where the last stable offset is behind.
    pub open: Vec<OpenTransaction>,
}

impl Position {
    /// Records behind the group's position, at least 0.
    pub fn lag(&self) -> Option<i64> {
        let behind = || Some(self.end?.saturating_sub(self.committed?));
        self.counted_lag.or_else(behind).map(|lag| lag.max(0))
    }
}

/// A transaction that is open in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Its producer.
    pub producer_id: i64,
    /// Its first offset here.
    pub start_offset: i64,
    /// When its producer last wrote here, in Unix ms.
    pub last_ms: i64,
    /// What its coordinator says: id, start in Unix ms, time-out in ms; `None` when none knows of it: it hangs.
    pub known: Option<KnownTransaction>,
}

/// A transaction as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTransaction {
    /// `transactional.id`.
    pub transactional_id: Str,
    /// When it began, in Unix ms.
    pub start_ms: Option<i64>,
    /// After how long it is aborted, in ms.
    pub timeout_ms: i32,
}

/// What only the coordinator knows (Ottla's `/groups/<id>`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// For how long the group has been in its state, in ms.
    pub in_state_ms: Option<i64>,
    /// Generation or epoch.
    pub generation_id: i64,
    /// Why the last rebalance began; may be empty.
    pub reason: String,
    /// Ids of the members that the group waits for.
    pub waiting_for: Vec<String>,
    /// Id of the member that assigns.
    pub leader: Option<String>,
    /// Members by id.
    pub sessions: BTreeMap<String, Session>,
}

/// A member's session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// After how long without a heartbeat the member is removed, in ms.
    pub timeout_ms: i64,
    /// How long ago it was heard of, in ms.
    pub silent_ms: Option<i64>,
    /// Until when it must act, in ms.
    pub must_act_within_ms: Option<i64>,
}

impl Look {
    /// Whether members are on their way to another assignment.
    pub fn is_rebalancing(&self) -> bool {
        matches!(
            self.state,
            GroupState::PreparingRebalance
                | GroupState::CompletingRebalance
                | GroupState::Assigning
                | GroupState::Reconciling
                | GroupState::NotReady
        )
    }

    /// Records behind the group, in all partitions.
    pub fn lag(&self) -> i64 {
        self.partitions.values().filter_map(Position::lag).fold(0, i64::saturating_add)
    }

    /// How a member is called in texts, by its id.
    pub fn name_of(&self, member_id: &str) -> String {
        let member = self.members.iter().find(|member| *member.id == *member_id);
        member.map_or_else(|| member_id.to_owned(), Member::name)
    }
}
