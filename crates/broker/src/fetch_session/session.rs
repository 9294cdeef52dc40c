//! One fetch session.

use std::collections::{BTreeMap, HashMap};

use ottla_protocol::messages::fetch_response::PartitionData;
use ottla_protocol::{ErrorCode, Str, Uuid};

/// How a request names a topic: by id from Fetch v13 on, by name before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicKey {
    /// Topic id.
    Id(Uuid),
    /// Topic name.
    Name(Str),
}

/// One partition that a fetch asks for.
#[derive(Clone, Debug)]
pub struct FetchTarget {
    /// The topic as the request names it.
    pub key: TopicKey,
    /// The topic's name where it is known.
    pub name: Option<Str>,
    /// The topic's id where it is known, else zero.
    pub topic_id: Uuid,
    /// Partition number.
    pub partition: i32,
    /// First offset wanted.
    pub fetch_offset: i64,
    /// Most bytes for this partition.
    pub max_bytes: i32,
    /// Leader epoch that the client knows, or -1.
    pub current_leader_epoch: i32,
    /// Epoch of the last record that the client has, or -1.
    pub last_fetched_epoch: i32,
    /// Log start offset of a follower, or -1.
    pub log_start_offset: i64,
}

struct Cached {
    target: FetchTarget,
    /// What the client was last told; -1 after an error, so that the next answer tells again.
    high_watermark: i64,
    log_start_offset: i64,
}

/// The partitions of one consumer, in the order in which they are served.
pub struct Session {
    pub(super) id: i32,
    pub(super) epoch: i32,
    pub(super) privileged: bool,
    pub(super) uses_topic_ids: bool,
    pub(super) created_ms: i64,
    pub(super) last_used_ms: i64,
    order: BTreeMap<u64, Cached>,
    places: HashMap<(TopicKey, i32), u64>,
    next_place: u64,
}

impl Session {
    pub(super) fn new(id: i32, now_ms: i64, privileged: bool, uses_topic_ids: bool) -> Self {
        Self {
            id,
            epoch: super::next_epoch(super::INITIAL_EPOCH),
            privileged,
            uses_topic_ids,
            created_ms: now_ms,
            last_used_ms: now_ms,
            order: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds a partition, or takes over what the request says of a known one.
    pub(super) fn upsert(&mut self, target: FetchTarget) {
        let key = (target.key.clone(), target.partition);
        if let Some(cached) = self.places.get(&key).and_then(|place| self.order.get_mut(place)) {
            cached.target = target;
            return;
        }
        self.places.insert(key, self.next_place);
        self.order.insert(self.next_place, Cached { target, high_watermark: -1, log_start_offset: -1 });
        self.next_place += 1;
    }

    pub(super) fn forget(&mut self, key: TopicKey, partition: i32) {
        if let Some(place) = self.places.remove(&(key, partition)) {
            self.order.remove(&place);
        }
    }

    /// All partitions in order; a name that has become known since is filled in.
    pub(super) fn targets(&mut self, name_of: impl Fn(Uuid) -> Option<Str>) -> Vec<FetchTarget> {
        self.order
            .values_mut()
            .map(|cached| {
                if let (TopicKey::Id(id), None) = (&cached.target.key, &cached.target.name) {
                    cached.target.name = name_of(*id);
                }
                cached.target.clone()
            })
            .collect()
    }

    /// Notes what was answered in a full fetch.
    pub(super) fn remember(&mut self, key: &TopicKey, partition: i32, data: &PartitionData) {
        let place = self.places.get(&(key.clone(), partition));
        if let Some(cached) = place.and_then(|place| self.order.get_mut(place)) {
            cached.high_watermark = data.high_watermark;
            cached.log_start_offset = data.log_start_offset;
        }
    }

    /// Whether an incremental answer must hold this partition. One that brought records goes to the end of
    /// the order, so that a byte limit does not starve the others.
    pub(super) fn must_respond(&mut self, key: &TopicKey, partition: i32, data: &PartitionData) -> bool {
        let Some(place) = self.places.get(&(key.clone(), partition)).copied() else { return false };
        let Some(cached) = self.order.get_mut(&place) else { return false };
        let has_records = data.records.as_ref().is_some_and(|r| !r.is_empty());
        let mut respond = has_records || data.preferred_read_replica >= 0 || data.diverging_epoch.epoch >= 0;
        if cached.high_watermark != data.high_watermark {
            cached.high_watermark = data.high_watermark;
            respond = true;
        }
        if cached.log_start_offset != data.log_start_offset {
            cached.log_start_offset = data.log_start_offset;
            respond = true;
        }
        if data.error_code != ErrorCode::None.code() {
            // The next answer without the error must be sent too.
            cached.high_watermark = -1;
            respond = true;
        }
        if has_records {
            let to = self.next_place;
            self.next_place += 1;
            if let Some(cached) = self.order.remove(&place) {
                self.order.insert(to, cached);
                self.places.insert((key.clone(), partition), to);
            }
        }
        respond
    }
}
