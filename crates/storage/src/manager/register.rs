//! Which of the logs that were found are the partitions' logs, and which are copies.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use ottla_protocol::{TopicPartition, Uuid};

use super::load::{Job, LoadError};
use super::{LogManager, Logs};
use crate::checkpoint::moved_to;
use crate::error::StorageResult;
use crate::log::PartitionLog;
use crate::names::DirKind;

/// A log, and the id of the directory that it is marked as moved to.
pub(super) type Moved = (Arc<PartitionLog>, Uuid);

impl LogManager {
    /// The id of the directory that a log is marked as moved to.
    pub(super) fn moved_to(&self, job: &Job, log: &PartitionLog) -> Option<Uuid> {
        // There is nowhere to move to in one directory: its many logs are not asked.
        if self.dirs.len() < 2 || job.kind != DirKind::Current {
            return None;
        }
        let doing = || format!("Error while loading {}", job.path.display());
        log.log_dir().guard(doing, || moved_to::read(&job.path)).ok()?
    }

    /// Takes the logs that were loaded into service.
    pub(super) fn register(
        &self,
        loaded: Vec<(DirKind, Arc<PartitionLog>)>,
        moved: &[Moved],
        now_ms: i64,
    ) -> Result<(), LoadError> {
        let mut logs = std::mem::take(&mut *self.logs.write());
        let mut futures = Vec::new();
        for (kind, log) in loaded {
            if kind == DirKind::Future {
                futures.push(log);
                continue;
            }
            match logs.entry(log.partition().clone()) {
                Entry::Vacant(place) => {
                    place.insert(log);
                }
                Entry::Occupied(mut place) => {
                    let (current, old) = choose(place.get(), &log, moved)?;
                    place.insert(current);
                    self.give_up(&old, now_ms);
                }
            }
        }
        for (log, _) in moved {
            if logs.get(log.partition()).is_some_and(|current| Arc::ptr_eq(current, log)) {
                let doing = || format!("Error while taking the log of {} back", log.partition());
                let dir = log.log_dir();
                // A failure has taken the directory offline, and is logged with that.
                let _ = dir.guard(doing, || moved_to::remove(&log.dir(), dir.disk()));
            }
        }
        let futures = self.choose_futures(futures, &logs, now_ms);
        *self.logs.write() = logs;
        *self.futures.write() = futures;
        Ok(())
    }

    /// The copies to go on with.
    fn choose_futures(&self, found: Vec<Arc<PartitionLog>>, logs: &Logs, now_ms: i64) -> Logs {
        let mut futures = Logs::new();
        for future in found {
            let partition = future.partition().clone();
            let log = logs.get(&partition);
            if log.is_some_and(|log| log.log_dir().path() == future.log_dir().path()) {
                // It has come here on another way.
                self.give_up(&future, now_ms);
                continue;
            }
            if let Some(log) = log
                && let Err(e) = cut(&future, log, now_ms)
            {
                tracing::error!("The copy of {partition} in {} is given up: {e}", future.dir().display());
                self.give_up(&future, now_ms);
                continue;
            }
            // Two moves, of which the first could not be given up in order: one copy is enough.
            let other = match futures.entry(partition) {
                Entry::Vacant(place) => {
                    place.insert(future);
                    continue;
                }
                Entry::Occupied(mut place) if future.log_end_offset() > place.get().log_end_offset() => {
                    place.insert(future)
                }
                Entry::Occupied(_) => future,
            };
            self.give_up(&other, now_ms);
        }
        futures
    }

    fn give_up(&self, log: &PartitionLog, now_ms: i64) {
        if let Err(e) = self.retire(log, now_ms) {
            tracing::error!("{} is not needed, but could not be removed: {e}", log.dir().display());
        }
    }
}

/// Of two logs of one partition the one to serve, and the one that was moved there.
fn choose(
    one: &Arc<PartitionLog>,
    other: &Arc<PartitionLog>,
    moved: &[Moved],
) -> Result<(Arc<PartitionLog>, Arc<PartitionLog>), LoadError> {
    let was_moved = |old: &Arc<PartitionLog>, new: &PartitionLog| {
        let is_marked = |(log, target): &Moved| Arc::ptr_eq(log, old) && *target == new.log_dir().id();
        moved.iter().any(is_marked)
            && new.topic_id() == old.topic_id()
            && new.log_end_offset() >= old.log_end_offset()
    };
    match (was_moved(one, other), was_moved(other, one)) {
        (true, false) => Ok((other.clone(), one.clone())),
        (false, true) => Ok((one.clone(), other.clone())),
        _ => Err(duplicate(one.partition(), one, other)),
    }
}

fn duplicate(partition: &TopicPartition, first: &PartitionLog, second: &PartitionLog) -> LoadError {
    LoadError::Duplicate { partition: partition.clone(), first: first.dir(), second: second.dir() }
}

/// After a power failure a copy may have more than its log. That must go before anything is appended to the log: later
/// nobody could tell it from what belongs there.
fn cut(future: &PartitionLog, log: &PartitionLog, now_ms: i64) -> StorageResult<()> {
    if future.log_end_offset() > log.log_end_offset() {
        future.truncate_to(log.log_end_offset(), now_ms)?;
    }
    Ok(())
}
