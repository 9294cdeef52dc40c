//! Share sessions (`ShareSessionCache`, `ShareSession`, `ShareSessionContext`): what a member fetches from, and
//! the epoch that its next request must have.

use std::collections::{BTreeMap, HashMap};

use ahash::RandomState;
use ottla_protocol::messages::share_fetch_response::PartitionData;
use ottla_protocol::{ErrorCode, Str, Uuid};
use parking_lot::Mutex;

/// Epoch of a request that opens a session.
pub const INITIAL_EPOCH: i32 = 0;
/// Epoch of a request that closes one.
pub const FINAL_EPOCH: i32 = -1;

/// The epoch after another (`ShareRequestMetadata.nextEpoch`).
fn next_epoch(epoch: i32) -> i32 {
    if epoch < 0 { FINAL_EPOCH } else { epoch.checked_add(1).unwrap_or(1) }
}

/// A partition of a topic by its id, and the topic's name if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedTopicPartition {
    /// The topic.
    pub topic_id: Uuid,
    /// The partition.
    pub partition: i32,
    /// Whether there was such a topic when the partition was named.
    pub is_known: bool,
}

/// What a ShareFetch says of its session.
pub struct SessionRequest {
    /// The group.
    pub group_id: Str,
    /// The member.
    pub member_id: Str,
    /// Session epoch.
    pub epoch: i32,
    /// Partitions to fetch from, from now on.
    pub named: Vec<SharedTopicPartition>,
    /// Partitions to leave out.
    pub forgotten: Vec<(Uuid, i32)>,
    /// Whether the request acknowledges records.
    pub has_acknowledgements: bool,
    /// The connection that it came on.
    pub connection: u64,
}

/// What a request is about.
#[derive(Debug)]
pub struct SessionContext {
    /// Partitions to fetch from, in order.
    pub targets: Vec<SharedTopicPartition>,
    /// What the session's epoch must be when the answer is made; `None`: the answer is about all targets.
    expected_epoch: Option<i32>,
}

/// A session that ended with its connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    /// Its group.
    pub group_id: Str,
    /// Its member.
    pub member_id: Str,
    /// What it fetched from; `None` when the session had ended before.
    pub released: Option<Vec<(Uuid, i32)>>,
    /// Whether no member of the group has a session.
    pub is_group_empty: bool,
}

/// All share sessions of a broker.
pub struct ShareSessions {
    /// `group.share.max.share.sessions`.
    max: usize,
    cache: Mutex<Cache>,
}

/// Group and member.
type Key = (Str, Str);

#[derive(Default)]
struct Cache {
    sessions: HashMap<Key, Session, RandomState>,
    members: HashMap<Str, usize, RandomState>,
    /// The session that was last opened on a connection, and whether that has ended.
    connections: HashMap<u64, (Key, bool), RandomState>,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    connection: u64,
    /// In the order in which they are read.
    partitions: BTreeMap<u64, CachedPartition>,
    places: HashMap<(Uuid, i32), u64, RandomState>,
    next_place: u64,
}

#[derive(Debug)]
struct CachedPartition {
    partition: SharedTopicPartition,
    /// The next answer must tell of it, whatever there is to tell.
    requires_update: bool,
}

impl ShareSessions {
    /// At most `max` sessions.
    pub fn new(max: usize) -> Self {
        Self { max, cache: Mutex::default() }
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.cache.lock().sessions.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds out what a ShareFetch is about (`SharePartitionManager.newContext`).
    ///
    /// # Errors
    /// SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED; INVALID_REQUEST for
    /// acknowledgements in the request that opens a session.
    pub fn context(&self, request: SessionRequest) -> Result<SessionContext, ErrorCode> {
        let mut cache = self.cache.lock();
        let key = (request.group_id.clone(), request.member_id.clone());
        match request.epoch {
            FINAL_EPOCH if cache.sessions.contains_key(&key) => {
                Ok(SessionContext { targets: Vec::new(), expected_epoch: None })
            }
            FINAL_EPOCH => Err(ErrorCode::ShareSessionNotFound),
            INITIAL_EPOCH if request.has_acknowledgements => Err(ErrorCode::InvalidRequest),
            INITIAL_EPOCH => {
                cache.remove(&key);
                if cache.sessions.len() >= self.max {
                    return Err(ErrorCode::ShareSessionLimitReached);
                }
                let session = Session::new(request.connection, request.named);
                let targets = session.targets();
                cache.open(session, &key);
                Ok(SessionContext { targets, expected_epoch: None })
            }
            epoch => {
                let session = cache.with_epoch(&key, epoch)?;
                request.named.into_iter().for_each(|partition| session.name(partition, true));
                request.forgotten.iter().for_each(|at| session.forget(*at));
                session.epoch = next_epoch(epoch);
                Ok(SessionContext { targets: session.targets(), expected_epoch: Some(session.epoch) })
            }
        }
    }

    /// Leaves out of an answer what its reader knows (`ShareSessionContext.updateAndGenerateResponseData`).
    ///
    /// # Errors
    /// INVALID_SHARE_SESSION_EPOCH when the session has moved on meanwhile.
    pub fn prune(
        &self,
        group_id: &Str,
        member_id: &Str,
        context: &SessionContext,
        results: &mut Vec<(Uuid, PartitionData)>,
    ) -> Result<(), ErrorCode> {
        let Some(expected_epoch) = context.expected_epoch else { return Ok(()) };
        let mut cache = self.cache.lock();
        // A session that ended meanwhile is not missed: Kafka's answer holds on to it.
        let Some(session) = cache.sessions.get_mut(&(group_id.clone(), member_id.clone())) else {
            return Ok(());
        };
        if session.epoch != expected_epoch {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        results.retain(|(topic_id, data)| session.must_tell((*topic_id, data.partition_index), data));
        Ok(())
    }

    /// A ShareAcknowledge belongs to a session (`acknowledgeSessionUpdate`).
    ///
    /// # Errors
    /// SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH.
    pub fn acknowledge(&self, group_id: &Str, member_id: &Str, epoch: i32) -> Result<(), ErrorCode> {
        if epoch == INITIAL_EPOCH {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        let mut cache = self.cache.lock();
        let key = (group_id.clone(), member_id.clone());
        if epoch == FINAL_EPOCH {
            return if cache.sessions.contains_key(&key) {
                Ok(())
            } else {
                Err(ErrorCode::ShareSessionNotFound)
            };
        }
        let session = cache.with_epoch(&key, epoch)?;
        session.epoch = next_epoch(epoch);
        Ok(())
    }

    /// Ends a session; what it fetched from is returned.
    pub fn remove(&self, group_id: &Str, member_id: &Str) -> Option<Vec<(Uuid, i32)>> {
        self.cache.lock().remove(&(group_id.clone(), member_id.clone()))
    }

    /// A connection is gone, and with it the session that was opened on it.
    pub fn connection_closed(&self, connection: u64) -> Option<Closed> {
        let mut cache = self.cache.lock();
        let (key, is_stale) = cache.connections.remove(&connection)?;
        let released = if is_stale { None } else { cache.remove(&key) };
        let is_group_empty = !cache.members.contains_key(&key.0);
        Some(Closed { group_id: key.0, member_id: key.1, released, is_group_empty })
    }

    /// Ends all sessions.
    pub fn clear(&self) {
        let mut cache = self.cache.lock();
        cache.sessions.clear();
        cache.members.clear();
    }
}

impl Cache {
    fn with_epoch(&mut self, key: &Key, epoch: i32) -> Result<&mut Session, ErrorCode> {
        let session = self.sessions.get_mut(key).ok_or(ErrorCode::ShareSessionNotFound)?;
        if session.epoch == epoch { Ok(session) } else { Err(ErrorCode::InvalidShareSessionEpoch) }
    }

    fn open(&mut self, session: Session, (group_id, member_id): &Key) {
        // Not slices of the request, which would keep all of it.
        let key = (Str::from(&**group_id), Str::from(&**member_id));
        *self.members.entry(key.0.clone()).or_default() += 1;
        self.connections.insert(session.connection, (key.clone(), false));
        self.sessions.insert(key, session);
    }

    fn remove(&mut self, key: &Key) -> Option<Vec<(Uuid, i32)>> {
        let session = self.sessions.remove(key)?;
        if let Some(members) = self.members.get_mut(&key.0) {
            *members = members.saturating_sub(1);
            if *members == 0 {
                self.members.remove(&key.0);
            }
        }
        // The end of the old connection must not end a session that the member has opened on a new one.
        if let Some((_, is_stale)) = self.connections.get_mut(&session.connection) {
            *is_stale = true;
        }
        Some(session.partitions.into_values().map(|cached| cached.partition.at()).collect())
    }
}

impl SharedTopicPartition {
    fn at(&self) -> (Uuid, i32) {
        (self.topic_id, self.partition)
    }
}

impl Session {
    fn new(connection: u64, named: Vec<SharedTopicPartition>) -> Self {
        let mut session = Self {
            epoch: next_epoch(INITIAL_EPOCH),
            connection,
            partitions: BTreeMap::new(),
            places: HashMap::default(),
            next_place: 0,
        };
        named.into_iter().for_each(|partition| session.name(partition, false));
        session
    }

    fn targets(&self) -> Vec<SharedTopicPartition> {
        self.partitions.values().map(|cached| cached.partition.clone()).collect()
    }

    fn name(&mut self, partition: SharedTopicPartition, requires_update: bool) {
        let place = self.next_place;
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.places.entry(partition.at()) {
            vacant.insert(place);
            self.partitions.insert(place, CachedPartition { partition, requires_update });
            self.next_place += 1;
        }
    }

    fn forget(&mut self, at: (Uuid, i32)) {
        if let Some(place) = self.places.remove(&at) {
            self.partitions.remove(&place);
        }
    }

    /// Whether the answer must tell of a partition. One that has records goes to the end of the line.
    fn must_tell(&mut self, at: (Uuid, i32), data: &PartitionData) -> bool {
        let Some(cached) = self.places.get(&at).and_then(|place| self.partitions.get_mut(place)) else {
            return true;
        };
        let has_records = !data.records.is_empty();
        let must_tell = has_records || cached.requires_update || data.error_code != 0;
        // When an error goes away, that is told too.
        cached.requires_update = data.error_code != 0;
        if has_records {
            self.move_to_end(at);
        }
        must_tell
    }

    fn move_to_end(&mut self, at: (Uuid, i32)) {
        let Some(place) = self.places.get_mut(&at) else { return };
        if let Some(cached) = self.partitions.remove(place) {
            self.partitions.insert(self.next_place, cached);
            *place = self.next_place;
            self.next_place += 1;
        }
    }
}
