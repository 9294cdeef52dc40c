//! The slots for fetch sessions, and which session loses its slot.

use std::collections::HashMap;
use std::sync::Arc;

use ottla_protocol::messages::fetch_response::PartitionData;
use ottla_protocol::{ErrorCode, Str, Uuid};
use parking_lot::Mutex;

use super::session::{FetchTarget, Session, TopicKey};
use super::{FINAL_EPOCH, FetchContext, INITIAL_EPOCH, Kind, next_epoch};

/// A session that was used within this time keeps its slot (Kafka's `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const EVICTION_AGE_MS: i64 = 120_000;

/// What a fetch request says of its session.
pub struct SessionRequest {
    /// Session id, 0 for none.
    pub id: i32,
    /// Session epoch.
    pub epoch: i32,
    /// Whether topics are named by id (Fetch v13 and later).
    pub uses_topic_ids: bool,
    /// Whether a follower asks.
    pub from_follower: bool,
    /// Partitions that the request names.
    pub targets: Vec<FetchTarget>,
    /// Partitions to leave out from now on.
    pub forgotten: Vec<(TopicKey, i32)>,
}

/// All fetch sessions of a broker.
pub struct FetchSessions {
    /// `max.incremental.fetch.session.cache.slots`.
    slots: usize,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    sessions: HashMap<i32, Arc<Mutex<Session>>>,
    /// State of the id generator.
    seed: u64,
}

impl FetchSessions {
    /// `slots` sessions at most; `seed` makes the session ids hard to guess.
    pub fn new(slots: usize, seed: u64) -> Self {
        Self { slots, cache: Mutex::new(Cache { sessions: HashMap::new(), seed: seed | 1 }) }
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.cache.lock().sessions.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds out what a request is about.
    pub fn context(
        &self,
        request: SessionRequest,
        now_ms: i64,
        name_of: impl Fn(Uuid) -> Option<Str>,
    ) -> FetchContext {
        if request.epoch == INITIAL_EPOCH || request.epoch == FINAL_EPOCH {
            if request.id != 0 {
                self.cache.lock().sessions.remove(&request.id);
            }
            let kind = if request.epoch == FINAL_EPOCH {
                Kind::Sessionless
            } else {
                let (uses_topic_ids, from_follower) = (request.uses_topic_ids, request.from_follower);
                Kind::Full { now_ms, uses_topic_ids, from_follower }
            };
            return FetchContext { kind, targets: request.targets };
        }
        let mut cache = self.cache.lock();
        let Some(shared) = cache.sessions.get(&request.id).cloned() else {
            return FetchContext::error(ErrorCode::FetchSessionIdNotFound);
        };
        let mut session = shared.lock();
        if session.epoch != request.epoch {
            return FetchContext::error(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != request.uses_topic_ids {
            return FetchContext::error(ErrorCode::FetchSessionTopicIdError);
        }
        let named = request.targets.clone();
        request.targets.into_iter().for_each(|target| session.upsert(target));
        request.forgotten.into_iter().for_each(|(key, partition)| session.forget(key, partition));
        if session.len() == 0 {
            cache.sessions.remove(&request.id);
            return FetchContext { kind: Kind::Sessionless, targets: named };
        }
        session.last_used_ms = now_ms;
        session.epoch = next_epoch(session.epoch);
        let (expected_epoch, targets) = (session.epoch, session.targets(name_of));
        drop(session);
        FetchContext { kind: Kind::Incremental { session: shared, expected_epoch }, targets }
    }

    /// Opens a session for what a full fetch named, when a slot is free or can be freed.
    pub(super) fn create(
        &self,
        now_ms: i64,
        privileged: bool,
        uses_topic_ids: bool,
        targets: &[FetchTarget],
        results: &[PartitionData],
    ) -> Option<i32> {
        if self.slots == 0 {
            return None;
        }
        let mut cache = self.cache.lock();
        if cache.sessions.len() >= self.slots {
            let loser = cache.evictable(privileged, targets.len(), now_ms)?;
            cache.sessions.remove(&loser);
        }
        let id = cache.new_id();
        let mut session = Session::new(id, now_ms, privileged, uses_topic_ids);
        for (target, data) in targets.iter().zip(results) {
            session.upsert(target.clone());
            session.remember(&target.key, target.partition, data);
        }
        cache.sessions.insert(id, Arc::new(Mutex::new(session)));
        Some(id)
    }
}

impl Cache {
    /// A positive id that no session has.
    fn new_id(&mut self) -> i32 {
        loop {
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            let id = (self.seed >> 33) as i32;
            if id > 0 && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    /// Which session must give way: the one that has not been used for long, or a smaller one that has had its time. A
    /// follower's session gives way to followers only.
    fn evictable(&self, privileged: bool, size: usize, now_ms: i64) -> Option<i32> {
        let facts: Vec<(i32, i64, i64, bool, usize)> = self
            .sessions
            .values()
            .map(|s| {
                let s = s.lock();
                (s.id, s.last_used_ms, s.created_ms, s.privileged, s.len())
            })
            .collect();
        let stale = facts.iter().filter(|f| now_ms - f.1 > EVICTION_AGE_MS).min_by_key(|f| f.1);
        let smaller = || {
            facts
                .iter()
                .filter(|f| !f.3 || privileged)
                .filter(|f| (privileged && !f.3) || now_ms - f.2 > EVICTION_AGE_MS)
                .filter(|f| f.4 < size || (privileged && !f.3))
                .min_by_key(|f| (f.3, f.4, f.1))
        };
        stale.or_else(smaller).map(|f| f.0)
    }
}
