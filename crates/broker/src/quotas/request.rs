//! What one request takes from the quotas of its sender, and what its answer says of it.
//!
//! The time of a request is that of its data thread, from its header to its encoded answer; what it waits for does not
//! count (`ClientRequestQuotaManager`; Kafka also counts reading and sending). Of the throttle times of several quotas the
//! longest holds, and is counted for its quota.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_protocol::{ApiKey, Str};
use ottla_security::Principal;

use super::{Entity, PartitionChanges, QuotaKind, Quotas};

/// Microseconds of each second that are one per cent.
const US_PER_PERCENT: f64 = 10_000.0;

/// Whose quotas hold for a connection, as found out last.
#[derive(Default)]
pub(crate) struct QuotaCache(Option<Cached>);

struct Cached {
    generation: u64,
    principal: Arc<Principal>,
    client_id: Str,
    entities: Rc<Entities>,
}

type Entities = [Option<Arc<Entity>>; 4];

impl QuotaCache {
    fn entities(
        &mut self,
        quotas: &Quotas,
        principal: &Arc<Principal>,
        client_id: &Str,
        now_ms: i64,
    ) -> Rc<Entities> {
        let generation = quotas.generation.load(Ordering::Acquire);
        if let Some(cached) = &self.0
            && cached.generation == generation
            && Arc::ptr_eq(&cached.principal, principal)
            && cached.client_id == *client_id
        {
            return cached.entities.clone();
        }
        let entities = Rc::new(quotas.entities(&principal.name, client_id, now_ms));
        // The client id is a slice of a frame, which would be kept with it.
        let client_id = Str::from(&**client_id);
        let (principal, kept) = (principal.clone(), entities.clone());
        self.0 = Some(Cached { generation, principal, client_id, entities: kept });
        entities
    }
}

/// One request's share in quotas. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RequestQuota(Rc<Share>);

struct Share {
    quotas: Arc<Quotas>,
    entities: Rc<Entities>,
    /// When the request was read, in Unix microseconds.
    began_us: i64,
    request_bytes: usize,
    /// Time of the thread up to the first wait, in microseconds.
    local_us: Cell<Option<i64>>,
    /// What of it was recorded.
    recorded_us: Cell<Option<i64>>,
    /// Throttle time of a quota beside that of time, in milliseconds.
    other: Cell<(QuotaKind, i32)>,
    /// What the answer says, once that is certain.
    settled: Cell<Option<i32>>,
}

impl RequestQuota {
    /// Of a request that was read at `began_us`, Unix microseconds.
    pub fn of(
        quotas: &Arc<Quotas>,
        cache: &mut QuotaCache,
        (principal, client_id): (&Arc<Principal>, &Str),
        began_us: i64,
        request_bytes: usize,
    ) -> Self {
        let entities = cache.entities(quotas, principal, client_id, began_us / 1_000);
        Self(Rc::new(Share {
            quotas: quotas.clone(),
            entities,
            began_us,
            request_bytes,
            local_us: Cell::new(None),
            recorded_us: Cell::new(None),
            other: Cell::new((QuotaKind::Request, 0)),
            settled: Cell::new(None),
        }))
    }

    fn entity(&self, kind: QuotaKind) -> Option<&Arc<Entity>> {
        self.0.entities.get(kind as usize)?.as_ref()
    }

    /// The request waits from now on: what it waits for is not its time.
    pub fn waits(&self, now_us: i64) {
        if self.0.local_us.get().is_none() {
            self.0.local_us.set(Some(now_us.saturating_sub(self.0.began_us).max(0)));
        }
    }

    /// The request is done with, without a wait: takes note of the time since its throttle time was known.
    pub fn done(&self, now_us: i64) {
        let (Some(recorded_us), None) = (self.0.recorded_us.get(), self.0.local_us.get()) else { return };
        let rest_us = now_us.saturating_sub(self.0.began_us).saturating_sub(recorded_us).max(0);
        if let Some(entity) = self.entity(QuotaKind::Request) {
            entity.record_only(rest_us as f64 / US_PER_PERCENT, now_us / 1_000);
        }
    }

    /// For how long the answer is throttled, in milliseconds. Whatever is asked first holds.
    pub fn settle(&self, api: ApiKey, now_us: i64) -> i32 {
        if let Some(throttle_ms) = self.0.settled.get() {
            return throttle_ms;
        }
        match api {
            // Between brokers.
            ApiKey::WriteTxnMarkers => {
                self.exempt(now_us);
                0
            }
            ApiKey::Produce => {
                self.throttle_produce(now_us);
                self.settle_with(self.record_time(now_us))
            }
            _ => self.settle_with(self.record_time(now_us)),
        }
    }

    /// For how long a Produce that has no answer is throttled, in milliseconds: its time does not count.
    pub fn settle_silent(&self, now_us: i64) -> i32 {
        self.throttle_produce(now_us);
        let throttle_ms = self.settle_with(0);
        self.exempt(now_us);
        throttle_ms
    }

    /// Whether the answer to a consumer's Fetch may have the `bytes` that were read for it. If it is throttled it must leave
    /// without them, and they are not counted. Only what is more than the quota could ever let pass is sent once nothing
    /// else counts, and its time waited for behind it: in Kafka a consumer never gets such a batch.
    pub fn settle_fetch(&self, bytes: usize, now_us: i64) -> bool {
        let now_ms = now_us / 1_000;
        let time_ms = self.record_time(now_us);
        let Some(entity) = self.entity(QuotaKind::Fetch) else { return self.settle_with(time_ms) == 0 };
        self.0.other.set((QuotaKind::Fetch, entity.record(bytes as f64, now_ms)));
        if self.settle_with(time_ms) == 0 {
            return true;
        }
        entity.record_only(-(bytes as f64), now_ms);
        if bytes as f64 > entity.max_in_windows().unwrap_or(f64::INFINITY) && entity.is_clear(now_ms) {
            entity.record_only(bytes as f64, now_ms);
            return true;
        }
        false
    }

    /// The answer is not throttled, and its time is told as exempt.
    pub fn exempt(&self, now_us: i64) {
        if self.0.quotas.is_active_for(QuotaKind::Request) {
            let time_us = u64::try_from(self.time_us(now_us)).unwrap_or(0);
            self.0.quotas.exempt_us.fetch_add(time_us, Ordering::Relaxed);
        }
        if self.0.settled.get().is_none() {
            self.0.settled.set(Some(0));
        }
    }

    /// Takes note of records that leave whatever the quota says: those of a share group, which are the member's by now.
    pub fn take_fetched(&self, bytes: usize, now_us: i64) {
        if let Some(entity) = self.entity(QuotaKind::Fetch) {
            self.0.other.set((QuotaKind::Fetch, entity.record(bytes as f64, now_us / 1_000)));
        }
    }

    /// Most bytes of records for an answer: more could never be sent without being throttled.
    pub fn max_fetch_bytes(&self) -> usize {
        let max = self.entity(QuotaKind::Fetch).and_then(|entity| entity.max_in_windows());
        // A number beyond the type's range becomes its end.
        max.map_or(usize::MAX, |max| max as usize)
    }

    /// What the controller has to ask, if a quota holds for changes of topics.
    pub fn partition_changes(&self, is_strict: bool) -> Option<Arc<PartitionChanges>> {
        let entity = self.entity(QuotaKind::ControllerMutation)?;
        Some(Arc::new(PartitionChanges::new(entity.clone(), is_strict)))
    }

    /// What the controller has asked is known.
    pub fn take_changes(&self, changes: &PartitionChanges, now_ms: i64) {
        self.0.other.set((QuotaKind::ControllerMutation, changes.throttle_ms(now_ms)));
    }

    fn throttle_produce(&self, now_us: i64) {
        if let Some(entity) = self.entity(QuotaKind::Produce) {
            let throttle_ms = entity.record(self.0.request_bytes as f64, now_us / 1_000);
            self.0.other.set((QuotaKind::Produce, throttle_ms));
        }
    }

    fn time_us(&self, now_us: i64) -> i64 {
        let passed_us = || now_us.saturating_sub(self.0.began_us).max(0);
        self.0.local_us.get().unwrap_or_else(passed_us)
    }

    fn record_time(&self, now_us: i64) -> i32 {
        let Some(entity) = self.entity(QuotaKind::Request) else { return 0 };
        let time_us = self.time_us(now_us);
        self.0.recorded_us.set(Some(time_us));
        entity.record(time_us as f64 / US_PER_PERCENT, now_us / 1_000)
    }

    fn settle_with(&self, time_ms: i32) -> i32 {
        let (other_kind, other_ms) = self.0.other.get();
        let (kind, throttle_ms) =
            if other_ms > time_ms { (other_kind, other_ms) } else { (QuotaKind::Request, time_ms) };
        self.0.settled.set(Some(throttle_ms));
        if throttle_ms > 0
            && let Some(entity) = self.entity(kind)
        {
            self.0.quotas.note_throttled(kind, entity, throttle_ms);
        }
        throttle_ms
    }
}
