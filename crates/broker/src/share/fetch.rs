//! A share fetch: attempts to acquire records, and waiting between them (`DelayedShareFetch`).
//!
//! It waits for records that are appended, and for records that members give back; for both it is woken by the
//! partitions concerned.

use std::sync::Arc;
use std::time::Duration;

use ottla_coordinator::share::partition::AcquireMode;
use ottla_protocol::{ErrorCode, Str, Uuid};
use ottla_storage::OnCold;
use tokio::time::Instant;

use super::batches;
use super::manager::{ShareError, ShareManager};
use super::settings::ShareSettings;
use super::shared_partition::SharedPartition;
use super::take::{Taken, TakenRecords, Turn, Wanted};
use crate::cold_looks::look;
use crate::waiting::FetchWaiter;

/// What a member asks for.
#[derive(Clone, Debug)]
pub struct ShareFetch {
    /// The group.
    pub group_id: Str,
    /// The member.
    pub member_id: Str,
    /// What the group is configured to.
    pub settings: ShareSettings,
    /// How `max_records` is meant.
    pub mode: AcquireMode,
    /// About how many records an acquired batch should hold.
    pub batch_size: i32,
    /// How many records to take.
    pub max_records: i32,
    /// How many bytes to wait for.
    pub min_bytes: i64,
    /// How many bytes to read; the first batch may be larger.
    pub max_bytes: usize,
    /// How long to wait.
    pub max_wait: Duration,
    /// Where from, in order.
    pub partitions: Vec<(Uuid, i32)>,
}

/// What came of one partition.
#[derive(Debug)]
pub struct Fetched {
    /// The topic.
    pub topic_id: Uuid,
    /// The partition.
    pub partition: i32,
    /// What the member owns now.
    pub result: Result<TakenRecords, ShareError>,
}

/// A fetch under way.
struct Fetching<'a> {
    manager: &'a ShareManager,
    fetch: &'a ShareFetch,
    shared: Vec<Arc<SharedPartition>>,
    now_ms: &'a dyn Fn() -> i64,
}

/// What an attempt came to.
enum Attempt {
    /// Enough to answer.
    Done(Vec<Fetched>),
    /// So many bytes are missing.
    Missing(i64),
}

impl ShareFetch {
    /// Takes records for the member, or waits for some. `now_ms` tells the time, Unix ms.
    pub async fn run(&self, manager: &ShareManager, now_ms: &dyn Fn() -> i64) -> Vec<Fetched> {
        if self.max_records <= 0 || self.max_bytes == 0 {
            return Vec::new();
        }
        let (mut failed, mut shared) = (Vec::new(), Vec::new());
        for (topic_id, partition) in self.partitions.iter().copied() {
            match manager.get_or_create(&self.group_id, topic_id, partition) {
                Ok(found) => shared.push(found),
                Err(error) => failed.push(Fetched { topic_id, partition, result: Err(error) }),
            }
        }
        if !shared.is_empty() {
            let fetching = Fetching { manager, fetch: self, shared, now_ms };
            failed.extend(fetching.run().await);
        }
        failed
    }
}

impl Fetching<'_> {
    async fn run(self) -> Vec<Fetched> {
        let missing = match self.attempt(self.fetch.max_wait.is_zero()).await {
            Attempt::Done(fetched) => return fetched,
            Attempt::Missing(missing) => missing,
        };
        let deadline = Instant::now() + self.fetch.max_wait;
        let waiter = FetchWaiter::new(missing);
        for shared in &self.shared {
            shared.hosted.fetch_waiters.register(&waiter);
            shared.waiters.register(&waiter);
        }
        loop {
            // What came between the attempt and the registration woke nobody: look once more. What comes during an attempt may
            // be counted twice, but not never.
            let wanted = self.fetch.min_bytes.max(1);
            waiter.reset(wanted);
            match self.attempt(false).await {
                Attempt::Done(fetched) => return fetched,
                Attempt::Missing(missing) => waiter.add(wanted - missing),
            }
            if tokio::time::timeout_at(deadline, waiter.woken()).await.is_err() {
                return match self.attempt(true).await {
                    Attempt::Done(fetched) => fetched,
                    Attempt::Missing(_) => Vec::new(),
                };
            }
        }
    }

    /// Takes what there is if it is enough, or if this is the last attempt.
    async fn attempt(&self, is_last: bool) -> Attempt {
        let (mut ready, mut fetched) = (Vec::new(), Vec::new());
        for shared in &self.shared {
            match shared.turn(&self.fetch.settings) {
                Turn::Ready => ready.push(shared),
                Turn::Busy => {}
                Turn::Gone(error) => fetched.push(answer(shared, Err(error))),
            }
        }
        let must_answer = is_last || !fetched.is_empty();
        let min_bytes = self.fetch.min_bytes;
        if ready.is_empty() {
            return if must_answer { Attempt::Done(fetched) } else { Attempt::Missing(min_bytes.max(1)) };
        }
        let each_max = (self.fetch.max_bytes / ready.len()).max(1);
        if !must_answer && min_bytes > 1 {
            let mut missing = min_bytes;
            for shared in &ready {
                let settings = &self.fetch.settings;
                let available = look(|on_cold| shared.available_bytes(settings, each_max, on_cold)).await;
                missing -= available.min(each_max) as i64;
            }
            if missing > 0 {
                return Attempt::Missing(missing);
            }
        }
        let is_enough = self.take(&ready, each_max, &mut fetched).await;
        if must_answer || is_enough || min_bytes <= 0 {
            Attempt::Done(fetched)
        } else {
            Attempt::Missing(min_bytes)
        }
    }

    /// Takes records of one partition after another. True when that is to be answered.
    async fn take(
        &self,
        ready: &[&Arc<SharedPartition>],
        each_max: usize,
        fetched: &mut Vec<Fetched>,
    ) -> bool {
        let (mut left, mut left_records) = (self.fetch.max_bytes, self.fetch.max_records);
        let mut is_enough = false;
        for shared in ready.iter().copied() {
            let wanted = Wanted {
                member_id: &self.fetch.member_id,
                settings: &self.fetch.settings,
                mode: self.fetch.mode,
                batch_size: self.fetch.batch_size,
                max_records: left_records,
                max_bytes: each_max.min(left),
                min_one_message: left == self.fetch.max_bytes,
                on_cold: OnCold::Tell,
                now_ms: (self.now_ms)(),
            };
            let taken = if left_records > 0 { take(shared, wanted, self.now_ms).await } else { Taken::Busy };
            match taken {
                // Also one that another has been faster at is one that was looked at.
                Taken::Busy | Taken::Cold(_) | Taken::Missed(_) => {
                    fetched.push(answer(shared, Ok(TakenRecords::default())))
                }
                Taken::Records(taken) => {
                    let count: i64 = taken.acquired.iter().map(|records| records.count()).sum();
                    left_records = left_records.saturating_sub(i32::try_from(count).unwrap_or(i32::MAX));
                    left = left.saturating_sub(taken.size);
                    shared.hosted.note_sent(taken.size as u64);
                    is_enough |= taken.size > 0 || taken.come_again;
                    fetched.push(answer(shared, Ok(taken)));
                }
                Taken::Failed(error) => {
                    is_enough = true;
                    if is_gone(error.code) {
                        self.manager.remove(shared, error.clone());
                    }
                    fetched.push(answer(shared, Err(error)));
                }
            }
        }
        is_enough
    }
}

/// Takes records of one partition, whose place and headers may have to be read from a file, where blocking is allowed.
async fn take(shared: &Arc<SharedPartition>, wanted: Wanted<'_>, now_ms: &dyn Fn() -> i64) -> Taken {
    let try_to_take = |on_cold| match shared.take(&Wanted { on_cold, now_ms: now_ms(), ..wanted }) {
        Taken::Missed(cold) => Err(cold),
        taken => Ok(taken),
    };
    match look(try_to_take).await {
        Taken::Cold(read) => {
            let (pieces, last_offset) = (read.pieces(), read.last_offset);
            let scanned = tokio::task::spawn_blocking(move || batches::scan(&pieces, last_offset)).await;
            match scanned {
                Ok(Ok(found)) => read.finish(&found, &Wanted { now_ms: now_ms(), ..wanted }),
                _ => Taken::Failed(ErrorCode::KafkaStorageError.into()),
            }
        }
        taken => taken,
    }
}

/// Whether this broker has lost the partition.
fn is_gone(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower | ErrorCode::UnknownTopicOrPartition | ErrorCode::KafkaStorageError
    )
}

fn answer(shared: &SharedPartition, result: Result<TakenRecords, ShareError>) -> Fetched {
    Fetched { topic_id: shared.key.topic_id, partition: shared.key.partition, result }
}
