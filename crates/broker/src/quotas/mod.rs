//! Client quotas: how fast users and client ids may produce, fetch, use the threads and change topics.
//!
//! Limits come with the metadata (AlterClientQuotas). A request of a client with a limit is done all the same; its answer
//! leaves at once and says how long the client had better wait, and for that long nothing more is read from its connection
//! (KIP-219). Only fetches lose their records to a quota, because they are recorded before they are sent, and changes of
//! topics are refused from the versions on that know the error (KIP-599).
//!
//! | file | what |
//! | --- | --- |
//! | `rate`, `token_bucket` | measuring: pure, time is an argument |
//! | `limits` | which limit holds for whom, and who shares it: pure |
//! | `entity` | what is measured of those who share a limit |
//! | `request` | what a request takes from the quotas of its sender |
//! | `mutations` | creating and deleting partitions |
//! | `moves` | no quota of clients: moves of logs between directories |
//!
//! *Invariant:* where no quota is set, a request costs one relaxed load. Where one is, a connection remembers whose quotas
//! hold for it, and looks again when limits have changed (a generation) or when it comes with another client id.
//! *Invariant:* what is remembered of clients is bounded, whatever they call themselves.

mod entity;
mod limits;
mod moves;
mod mutations;
mod rate;
mod request;
mod token_bucket;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use ottla_metadata::MetadataImage;
use ottla_metadata::client_quota_entity::IP;
use ottla_protocol::Str;
use parking_lot::Mutex;

pub(crate) use entity::{Entity, Measured};
use limits::Limits;
pub use limits::Sharers;
pub(crate) use moves::MoveQuota;
pub(crate) use mutations::PartitionChanges;
pub use rate::Windows;
pub(crate) use request::{QuotaCache, RequestQuota};

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaKind {
    /// Bytes of Produce requests: `producer_byte_rate`.
    Produce,
    /// Bytes of records in answers to Fetch and ShareFetch: `consumer_byte_rate`.
    Fetch,
    /// Time of the serving thread, in per cent of one thread: `request_percentage`.
    Request,
    /// Partitions created and deleted: `controller_mutation_rate`.
    ControllerMutation,
}

impl QuotaKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [QuotaKind; 4] =
        [QuotaKind::Produce, QuotaKind::Fetch, QuotaKind::Request, QuotaKind::ControllerMutation];

    /// The key of its limit.
    pub fn key(self) -> &'static str {
        match self {
            QuotaKind::Produce => "producer_byte_rate",
            QuotaKind::Fetch => "consumer_byte_rate",
            QuotaKind::Request => "request_percentage",
            QuotaKind::ControllerMutation => "controller_mutation_rate",
        }
    }

    /// As Kafka's metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            QuotaKind::Produce => "Produce",
            QuotaKind::Fetch => "Fetch",
            QuotaKind::Request => "Request",
            QuotaKind::ControllerMutation => "ControllerMutation",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Those who share limits before the ones who are silent are forgotten.
const ENTITIES_BEFORE_PURGE: usize = 1_024;
/// Those who share limits of one kind that are remembered while they have no connection.
const ENTITIES_MAX: usize = 20_000;
/// How long one who is silent and has no connection stays in the metrics, in milliseconds (Kafka's sensors: one hour).
const INACTIVE_MS: i64 = 3_600_000;

/// All client quotas of a broker.
#[derive(Debug)]
pub struct Quotas {
    /// A bit for each kind that has any limit. Written on the control thread, read with every request.
    active: AtomicU8,
    /// Grows whenever limits have changed.
    generation: AtomicU64,
    kinds: [OfKind; 4],
    /// Time spent on requests that no quota holds back, in microseconds.
    exempt_us: AtomicU64,
}

/// The quotas of one kind.
#[derive(Debug)]
struct OfKind {
    kind: QuotaKind,
    windows: Windows,
    known: Mutex<Known>,
    throttled: AtomicU64,
    throttled_ms: AtomicU64,
}

#[derive(Debug)]
struct Known {
    limits: Limits,
    entities: HashMap<Sharers, Arc<Entity>>,
    /// Number of entities at which the silent ones are looked for.
    purge_at: usize,
}

/// What was throttled of one kind since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttled {
    /// Answers.
    pub answers: u64,
    /// For how long all together, in milliseconds.
    pub total_ms: u64,
}

impl Quotas {
    /// No limits yet. `clients` are the windows of all kinds but changes of topics, which have `mutations`.
    pub fn new(clients: Windows, mutations: Windows) -> Self {
        let of_kind = |kind| OfKind {
            kind,
            windows: if kind == QuotaKind::ControllerMutation { mutations } else { clients },
            known: Mutex::new(Known {
                limits: Limits::default(),
                entities: HashMap::new(),
                purge_at: ENTITIES_BEFORE_PURGE,
            }),
            throttled: AtomicU64::new(0),
            throttled_ms: AtomicU64::new(0),
        };
        Self {
            active: AtomicU8::new(0),
            generation: AtomicU64::new(0),
            kinds: QuotaKind::ALL.map(of_kind),
            exempt_us: AtomicU64::new(0),
        }
    }

    /// Takes over the limits of an image. They hold at once, also for connections that are there.
    pub fn follow(&self, image: &MetadataImage) {
        let mut active = 0;
        for of_kind in &self.kinds {
            let mut limits = Limits::default();
            for (entity, quotas) in
                image.client_quotas.iter().filter(|(entity, _)| !entity.0.contains_key(IP))
            {
                if let Some(limit) = quotas.get(of_kind.kind.key()) {
                    limits.set(entity, *limit);
                }
            }
            if !limits.is_empty() {
                active |= of_kind.kind.bit();
            }
            of_kind.known.lock().change(limits);
        }
        self.active.store(active, Ordering::Relaxed);
        // Whoever sees the new generation also finds the new limits: they are behind the lock.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Whether there is any limit.
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed) != 0
    }

    /// Whether there is any limit of a kind.
    pub fn is_active_for(&self, kind: QuotaKind) -> bool {
        self.active.load(Ordering::Relaxed) & kind.bit() != 0
    }

    /// What a client shares with others, by kind; nothing where no limit holds for it.
    fn entities(&self, user: &Str, client_id: &Str, now_ms: i64) -> [Option<Arc<Entity>>; 4] {
        QuotaKind::ALL.map(|kind| {
            let of_kind = self.of(kind);
            self.is_active_for(kind).then(|| of_kind.known.lock().entity(of_kind, user, client_id, now_ms))?
        })
    }

    fn of(&self, kind: QuotaKind) -> &OfKind {
        // There is one for each kind, in their order.
        let [produce, fetch, request, mutations] = &self.kinds;
        match kind {
            QuotaKind::Produce => produce,
            QuotaKind::Fetch => fetch,
            QuotaKind::Request => request,
            QuotaKind::ControllerMutation => mutations,
        }
    }

    /// An answer was throttled because of this kind, in favour of `entity`'s limit.
    fn note_throttled(&self, kind: QuotaKind, entity: &Entity, throttle_ms: i32) {
        let of_kind = self.of(kind);
        let throttle_ms = throttle_ms.max(0);
        of_kind.throttled.fetch_add(1, Ordering::Relaxed);
        of_kind.throttled_ms.fetch_add(u64::from(throttle_ms.unsigned_abs()), Ordering::Relaxed);
        entity.note_throttled(throttle_ms);
    }

    /// What was throttled of a kind.
    pub fn throttled(&self, kind: QuotaKind) -> Throttled {
        let of_kind = self.of(kind);
        Throttled {
            answers: of_kind.throttled.load(Ordering::Relaxed),
            total_ms: of_kind.throttled_ms.load(Ordering::Relaxed),
        }
    }

    /// Time spent on requests that no quota holds back, in microseconds. Counted while there are limits on time.
    pub fn exempt_us(&self) -> u64 {
        self.exempt_us.load(Ordering::Relaxed)
    }

    /// What is measured of a kind, by those who share limits, in their order.
    pub(crate) fn measured(&self, kind: QuotaKind, now_ms: i64) -> Vec<(Sharers, Measured)> {
        let mut entities: Vec<Arc<Entity>> = {
            let mut known = self.of(kind).known.lock();
            known
                .entities
                .retain(|_, entity| Arc::strong_count(entity) > 1 || !entity.is_silent(now_ms, INACTIVE_MS));
            known.entities.values().cloned().collect()
        };
        entities.sort_unstable_by(|a, b| a.sharers.cmp(&b.sharers));
        entities.iter().map(|entity| (entity.sharers.clone(), entity.measure(now_ms))).collect()
    }
}

impl Known {
    fn change(&mut self, limits: Limits) {
        if self.limits == limits {
            return;
        }
        self.limits = limits;
        let limits = &self.limits;
        self.entities.retain(|sharers, entity| {
            let limit = limits.of(sharers);
            entity.set_limit(limit);
            limit.is_some()
        });
    }

    fn entity(&mut self, of_kind: &OfKind, user: &Str, client_id: &Str, now_ms: i64) -> Option<Arc<Entity>> {
        let sharers = self.limits.sharers(user, client_id);
        if let Some(entity) = self.entities.get(&sharers) {
            return Some(entity.clone());
        }
        let limit = self.limits.of(&sharers)?;
        if self.entities.len() >= self.purge_at {
            self.purge(of_kind.windows, now_ms);
        }
        // The names are slices of a frame, which would be kept with them.
        let copy = |name: &Str| Str::from(&**name);
        let sharers = Sharers { user: copy(&sharers.user), client_id: copy(&sharers.client_id) };
        let entity = Arc::new(Entity::new(of_kind.kind, of_kind.windows, sharers.clone(), limit, now_ms));
        self.entities.insert(sharers, entity.clone());
        Some(entity)
    }

    /// Forgets those without a connection that have nothing left to be held against them; if that does not help against
    /// a client that always calls itself something else, all without a connection.
    fn purge(&mut self, windows: Windows, now_ms: i64) {
        let window_ms = windows.size_ms.saturating_mul(i64::from(windows.num) + 1);
        self.entities
            .retain(|_, entity| Arc::strong_count(entity) > 1 || !entity.is_silent(now_ms, window_ms));
        if self.entities.len() >= ENTITIES_MAX {
            self.entities.retain(|_, entity| Arc::strong_count(entity) > 1);
        }
        self.purge_at =
            (self.entities.len() * 2).clamp(ENTITIES_BEFORE_PURGE, ENTITIES_MAX.max(self.entities.len() + 1));
    }
}

#[cfg(test)]
mod tests;
