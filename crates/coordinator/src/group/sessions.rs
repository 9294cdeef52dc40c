//! How long ago members were heard of, and what they must do by when: read off their timers.

use ottla_protocol::Str;

use crate::group::{Group, GroupConfig};
use crate::shard::GroupCoordinatorShard;
use crate::timers::{TimerKey, TimerQueue};

/// A member as its timers tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSession {
    /// The member.
    pub member_id: Str,
    /// After how long without a heartbeat it is removed, in ms.
    pub session_timeout_ms: i32,
    /// How long ago it was heard of, in ms, at least 0; `None` while no session runs.
    pub silent_ms: Option<i64>,
    /// Until when it must have given up partitions, joined again or sent SyncGroup, in ms from now; `None` when nothing
    /// of that is asked of it.
    pub must_act_within_ms: Option<i64>,
}

impl GroupCoordinatorShard {
    /// The members of a group in the order of their ids; none when it does not exist. `timers` are this shard's.
    pub fn member_sessions(
        &self,
        group_id: &str,
        timers: &TimerQueue<TimerKey>,
        now_ms: i64,
    ) -> Vec<MemberSession> {
        let Some(group) = self.groups.get(group_id) else { return Vec::new() };
        let config = GroupConfig::new(&self.config, &self.image, group_id);
        let group_id = Str::from(group_id);
        let left = |key: TimerKey| timers.deadline_ms(&key).map(|at| at.saturating_sub(now_ms));
        let session_of = |(member_id, session_timeout_ms): (Str, i32)| {
            let keys = MemberKeys::of(group, &group_id, &member_id);
            let silent_ms = left(keys.session).map(|left| i64::from(session_timeout_ms).saturating_sub(left));
            MemberSession {
                session_timeout_ms,
                silent_ms: silent_ms.map(|silent| silent.max(0)),
                must_act_within_ms: keys.acts.into_iter().filter_map(left).min(),
                member_id,
            }
        };
        group.session_timeouts(&config).into_iter().map(session_of).collect()
    }
}

impl Group {
    /// The members and their session time-outs in ms, in the order of their ids.
    fn session_timeouts(&self, config: &GroupConfig<'_>) -> Vec<(Str, i32)> {
        match self {
            Group::Classic(group) => {
                group.members().map(|member| (member.member_id.clone(), member.session_timeout_ms)).collect()
            }
            Group::Consumer(group) => group.session_timeouts(config.consumer_session_timeout_ms()),
            Group::Share(group) => group.session_timeouts(config.share_session_timeout_ms()),
            Group::Streams(group) => group.session_timeouts(config.streams_session_timeout_ms()),
        }
    }
}

/// The timers of a member: of its session, and of what it may have to do.
struct MemberKeys {
    session: TimerKey,
    acts: Vec<TimerKey>,
}

impl MemberKeys {
    fn of(group: &Group, group_id: &Str, member_id: &Str) -> Self {
        let (group_id, member_id) = (group_id.clone(), member_id.clone());
        match group {
            Group::Classic(_) => Self {
                session: TimerKey::ClassicHeartbeat { group_id: group_id.clone(), member_id },
                acts: vec![
                    TimerKey::ClassicJoin { group_id: group_id.clone() },
                    TimerKey::ClassicSync { group_id },
                ],
            },
            Group::Consumer(_) => Self {
                session: TimerKey::ConsumerSession {
                    group_id: group_id.clone(),
                    member_id: member_id.clone(),
                },
                acts: vec![
                    TimerKey::ConsumerRebalance { group_id: group_id.clone(), member_id: member_id.clone() },
                    TimerKey::ConsumerJoin { group_id: group_id.clone(), member_id: member_id.clone() },
                    TimerKey::ConsumerSync { group_id, member_id },
                ],
            },
            Group::Share(_) => {
                Self { session: TimerKey::ShareSession { group_id, member_id }, acts: Vec::new() }
            }
            Group::Streams(_) => Self {
                session: TimerKey::StreamsSession {
                    group_id: group_id.clone(),
                    member_id: member_id.clone(),
                },
                acts: vec![TimerKey::StreamsRebalance { group_id, member_id }],
            },
        }
    }
}
