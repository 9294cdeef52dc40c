//! Timers as data: the coordinator says what to arm and what to cancel, the driver keeps the clock.

use std::collections::BTreeMap;

use ottla_protocol::Str;

/// What a timer of the group coordinator is for. At most one timer is armed per key; arming it again replaces the
/// deadline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKey {
    /// The session of a classic member, or of one that was given a member id and has yet to join with it.
    ClassicHeartbeat {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// The end of a classic group's join phase.
    ClassicJoin {
        /// The group.
        group_id: Str,
    },
    /// The end of a classic group's sync phase.
    ClassicSync {
        /// The group.
        group_id: Str,
    },
    /// The session of a member of a streams group.
    StreamsSession {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// The time that a member of a streams group has to give up tasks.
    StreamsRebalance {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// The delay of the first assignment of a streams group.
    StreamsInitialRebalance {
        /// The group.
        group_id: Str,
    },
    /// The session of a member of a share group.
    ShareSession {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// The session of a member of a consumer group.
    ConsumerSession {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// How long a member of a consumer group may take to give up partitions.
    ConsumerRebalance {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// How long a classic member of a consumer group may take to join again.
    ConsumerJoin {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// How long a classic member of a consumer group may take to send SyncGroup.
    ConsumerSync {
        /// The group.
        group_id: Str,
        /// The member.
        member_id: Str,
    },
    /// The matching of a consumer group's regular expressions.
    ConsumerRegex {
        /// The group.
        group_id: Str,
    },
    /// The next look for expired offsets and empty groups of the shard.
    GroupExpiration,
}

/// An order to the driver's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimerAction<K = TimerKey> {
    /// Call `on_timer(key)` at `deadline_ms` (Unix milliseconds) or soon after, unless the key is armed anew
    /// or cancelled before.
    Schedule {
        /// What to arm.
        key: K,
        /// When, in Unix milliseconds.
        deadline_ms: i64,
    },
    /// Forget the key, armed or not.
    Cancel {
        /// What to forget.
        key: K,
    },
}

/// The armed timers of one shard, in order of their deadlines. Equal deadlines fire in the order of arming.
#[derive(Clone, Debug)]
pub struct TimerQueue<K = TimerKey> {
    by_deadline: BTreeMap<(i64, u64), K>,
    by_key: BTreeMap<K, (i64, u64)>,
    armed: u64,
}

impl<K> Default for TimerQueue<K> {
    fn default() -> Self {
        Self { by_deadline: BTreeMap::new(), by_key: BTreeMap::new(), armed: 0 }
    }
}

impl<K: Clone + Ord> TimerQueue<K> {
    /// Carries an order out.
    pub fn apply(&mut self, action: TimerAction<K>) {
        match action {
            TimerAction::Schedule { key, deadline_ms } => {
                self.cancel(&key);
                self.armed += 1;
                let at = (deadline_ms, self.armed);
                self.by_deadline.insert(at, key.clone());
                self.by_key.insert(key, at);
            }
            TimerAction::Cancel { key } => self.cancel(&key),
        }
    }

    /// When the next timer fires, in Unix milliseconds.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.by_deadline.first_key_value().map(|((deadline_ms, _), _)| *deadline_ms)
    }

    /// When `key` fires, in Unix milliseconds, if it is armed.
    pub fn deadline_ms(&self, key: &K) -> Option<i64> {
        self.by_key.get(key).map(|(deadline_ms, _)| *deadline_ms)
    }

    /// Takes the next timer whose deadline is not after `now_ms`.
    pub fn pop_expired(&mut self, now_ms: i64) -> Option<K> {
        if self.next_deadline_ms()? > now_ms {
            return None;
        }
        let (_, key) = self.by_deadline.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// Number of armed timers.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no timer is armed.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Forgets all timers.
    pub fn clear(&mut self) {
        self.by_deadline.clear();
        self.by_key.clear();
    }

    fn cancel(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_deadline.remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(group: &'static str) -> TimerKey {
        TimerKey::ClassicJoin { group_id: Str::from_static(group) }
    }

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut queue = TimerQueue::default();
        queue.apply(TimerAction::Schedule { key: join("a"), deadline_ms: 30 });
        queue.apply(TimerAction::Schedule { key: join("b"), deadline_ms: 10 });
        queue.apply(TimerAction::Schedule { key: join("c"), deadline_ms: 10 });
        assert_eq!(queue.next_deadline_ms(), Some(10));
        assert_eq!(queue.pop_expired(9), None);
        assert_eq!(queue.pop_expired(20), Some(join("b")));
        assert_eq!(queue.pop_expired(20), Some(join("c")));
        assert_eq!(queue.pop_expired(20), None);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn arming_again_replaces_and_cancelling_forgets() {
        let mut queue = TimerQueue::default();
        queue.apply(TimerAction::Schedule { key: join("a"), deadline_ms: 10 });
        queue.apply(TimerAction::Schedule { key: join("a"), deadline_ms: 50 });
        assert_eq!(queue.deadline_ms(&join("a")), Some(50));
        assert_eq!(queue.pop_expired(20), None);
        queue.apply(TimerAction::Cancel { key: join("a") });
        queue.apply(TimerAction::Cancel { key: join("never") });
        assert!(queue.is_empty());
        assert_eq!(queue.pop_expired(100), None);
    }
}
