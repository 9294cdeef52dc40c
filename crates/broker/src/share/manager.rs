//! All share partitions of a broker (`SharePartitionManager`, `SharePartitionCache`).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;
use ottla_coordinator::share::coordinator::{SharePartitionKey, StateError};
use ottla_coordinator::share::partition::AcknowledgementBatch;
use ottla_protocol::{ErrorCode, Str, Uuid};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::keeper;
use super::persister::Persister;
use super::sessions::ShareSessions;
use super::settings::ShareSettings;
use super::shared_partition::{SharedPartition, Written};
use crate::partitions::Partitions;

/// Why a partition can't be fetched from or acknowledged.
pub type ShareError = StateError;

type Group = HashMap<(Uuid, i32), Arc<SharedPartition>, RandomState>;

/// The share partitions of a broker, and who fetches from them.
pub struct ShareManager {
    /// Share sessions.
    pub sessions: ShareSessions,
    groups: Mutex<HashMap<Str, Group, RandomState>>,
    partitions: Arc<Partitions>,
    settings: Box<dyn Fn(&str) -> ShareSettings + Send + Sync>,
    persister: Box<dyn Persister>,
    new_partitions: mpsc::UnboundedSender<Arc<SharedPartition>>,
    next_connection: AtomicU64,
}

/// What came of acknowledging records of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The topic.
    pub topic_id: Uuid,
    /// The partition.
    pub partition: i32,
    /// Whether it worked.
    pub result: Result<(), ShareError>,
}

/// Acknowledgements that are being written.
pub struct Acknowledging(Vec<(Uuid, i32, Begun)>);

/// A write to wait for; `None`: there is none.
type Begun = Result<Option<oneshot::Receiver<Written>>, ShareError>;

impl Acknowledging {
    /// Waits until all is written.
    pub async fn finish(self) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(self.0.len());
        for (topic_id, partition, begun) in self.0 {
            let result = match begun {
                Ok(Some(outcome)) => {
                    // The keeper is gone only when the broker stops.
                    outcome.await.unwrap_or_else(|_| Err(ErrorCode::CoordinatorNotAvailable.into()))
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            outcomes.push(Outcome { topic_id, partition, result });
        }
        outcomes
    }
}

impl ShareManager {
    /// A manager without partitions, and the task that keeps those that come, for the control thread.
    pub fn new(
        max_sessions: usize,
        partitions: Arc<Partitions>,
        settings: Box<dyn Fn(&str) -> ShareSettings + Send + Sync>,
        persister: Box<dyn Persister>,
    ) -> (Arc<Self>, impl Future<Output = ()>) {
        // Bounded all the same: there is one message for each share partition that comes to be.
        #[allow(clippy::disallowed_methods)]
        let (new_partitions, mut receiver) = mpsc::unbounded_channel();
        let manager = Arc::new(Self {
            sessions: ShareSessions::new(max_sessions),
            groups: Mutex::default(),
            partitions,
            settings,
            persister,
            new_partitions,
            next_connection: AtomicU64::new(0),
        });
        let for_task = manager.clone();
        let task = async move {
            while let Some(shared) = receiver.recv().await {
                tokio::spawn(keeper::keep(for_task.clone(), shared));
            }
        };
        (manager, task)
    }

    /// What a group is configured to.
    pub fn settings(&self, group_id: &str) -> ShareSettings {
        (self.settings)(group_id)
    }

    /// Where the state is kept.
    pub(super) fn persister(&self) -> &dyn Persister {
        &*self.persister
    }

    /// Number of share partitions.
    pub fn len(&self) -> usize {
        self.groups.lock().values().map(HashMap::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A partition for a group; one that is new reads its state first.
    ///
    /// # Errors
    /// NOT_LEADER_OR_FOLLOWER when the partition is not here.
    pub fn get_or_create(
        &self,
        group_id: &Str,
        topic_id: Uuid,
        partition: i32,
    ) -> Result<Arc<SharedPartition>, ShareError> {
        let mut groups = self.groups.lock();
        if let Some(shared) = groups.get(group_id).and_then(|group| group.get(&(topic_id, partition))) {
            shared.stay();
            return Ok(shared.clone());
        }
        let hosted = self.partitions.topic_by_id(topic_id);
        let hosted = hosted.and_then(|topic| topic.partition(partition).cloned());
        let hosted = hosted.ok_or(ErrorCode::NotLeaderOrFollower)?;
        // Not a slice of the request that was so long ago.
        let group_id = Str::from(&**group_id);
        let key = SharePartitionKey { group_id: group_id.clone(), topic_id, partition };
        let shared = Arc::new(SharedPartition::new(key, hosted));
        groups.entry(group_id).or_default().insert((topic_id, partition), shared.clone());
        drop(groups);
        if self.new_partitions.send(shared.clone()).is_err() {
            self.remove(&shared, ErrorCode::CoordinatorNotAvailable.into());
        }
        Ok(shared)
    }

    /// A partition that is here already.
    pub fn get(&self, group_id: &str, topic_id: Uuid, partition: i32) -> Option<Arc<SharedPartition>> {
        self.groups.lock().get(group_id)?.get(&(topic_id, partition)).cloned()
    }

    /// A member says what became of records. They are taken note of when this returns, and kept when what is
    /// returned has an outcome.
    pub fn acknowledge(
        &self,
        group_id: &str,
        member_id: &Str,
        acknowledged: Vec<(Uuid, i32, Vec<AcknowledgementBatch>)>,
        now_ms: i64,
    ) -> Acknowledging {
        let settings = self.settings(group_id);
        let begin = |(topic_id, partition, batches): (Uuid, i32, Vec<AcknowledgementBatch>)| {
            let begun = match self.get(group_id, topic_id, partition) {
                Some(shared) => shared.acknowledge(member_id, &batches, &settings, now_ms),
                None => Err(ErrorCode::UnknownTopicOrPartition.into()),
            };
            (topic_id, partition, begun)
        };
        Acknowledging(acknowledged.into_iter().map(begin).collect())
    }

    /// A member closes its session: what it owns goes back.
    pub fn release_session(&self, group_id: &Str, member_id: &Str) {
        if let Some(partitions) = self.sessions.remove(group_id, member_id) {
            self.release(group_id, member_id, &partitions);
        }
    }

    fn release(&self, group_id: &str, member_id: &Str, partitions: &[(Uuid, i32)]) {
        for (topic_id, partition) in partitions {
            if let Some(shared) = self.get(group_id, *topic_id, *partition) {
                shared.release(member_id);
            }
        }
    }

    /// Something to be kept for as long as a connection is there: its end closes the session that was opened
    /// on it.
    pub fn connection(self: &Arc<Self>) -> ConnectionGuard {
        let id = self.next_connection.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard { manager: self.clone(), id }
    }

    fn connection_closed(&self, id: u64) {
        let Some(closed) = self.sessions.connection_closed(id) else { return };
        if let Some(partitions) = &closed.released {
            self.release(&closed.group_id, &closed.member_id, partitions);
        }
        if closed.is_group_empty {
            let groups = self.groups.lock();
            groups
                .get(&closed.group_id)
                .into_iter()
                .flat_map(HashMap::values)
                .for_each(|shared| shared.retire());
        }
    }

    /// Topics are gone.
    pub fn topics_deleted(&self, topics: &[Uuid]) {
        self.remove_if(|shared| topics.contains(&shared.key.topic_id), ErrorCode::UnknownTopicOrPartition);
    }

    /// Share groups are not served any more.
    pub fn clear(&self) {
        self.sessions.clear();
        self.remove_if(|_| true, ErrorCode::NotLeaderOrFollower);
    }

    fn remove_if(&self, is_gone: impl Fn(&SharedPartition) -> bool, error: ErrorCode) {
        let mut removed = Vec::new();
        self.groups.lock().retain(|_, group| {
            group.retain(|_, shared| {
                let is_gone = is_gone(shared);
                removed.extend(is_gone.then(|| shared.clone()));
                !is_gone
            });
            !group.is_empty()
        });
        removed.iter().for_each(|shared| shared.end(error.into()));
    }

    /// A partition does not serve any more; the next fetch begins with what is kept.
    pub fn remove(&self, shared: &Arc<SharedPartition>, error: ShareError) {
        self.forget(&mut self.groups.lock(), shared);
        shared.end(error);
    }

    /// Takes away a partition whose group has no members here, unless one has come meanwhile.
    pub(super) fn take_away_retired(&self, shared: &Arc<SharedPartition>) {
        let mut groups = self.groups.lock();
        if shared.may_retire() {
            self.forget(&mut groups, shared);
            drop(groups);
            shared.end(ErrorCode::NotLeaderOrFollower.into());
        }
    }

    fn forget(&self, groups: &mut HashMap<Str, Group, RandomState>, shared: &Arc<SharedPartition>) {
        let key = &shared.key;
        let Some(group) = groups.get_mut(&key.group_id) else { return };
        let at = (key.topic_id, key.partition);
        if group.get(&at).is_some_and(|known| Arc::ptr_eq(known, shared)) {
            group.remove(&at);
        }
        if group.is_empty() {
            groups.remove(&key.group_id);
        }
    }
}

/// Closes the share session of a connection when it is dropped.
pub struct ConnectionGuard {
    manager: Arc<ShareManager>,
    id: u64,
}

impl ConnectionGuard {
    /// Tells this connection from all others.
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.manager.connection_closed(self.id);
    }
}
