//! The task of one share partition: it reads the state, writes what has changed, in order, and lets locks run
//! out.

use std::sync::Arc;
use std::time::Duration;

use ottla_coordinator::share::coordinator::{ReadState, StateError};
use ottla_protocol::ErrorCode;

use super::manager::ShareManager;
use super::settings::{AutoOffsetReset, ShareSettings};
use super::shared_partition::{Next, SharedPartition};
use super::{Persister, ShareError};
use crate::clock::now_ms;
use crate::cold_looks::look_up;

/// How often the persister is asked while it says that it will be there soon (`PersisterStateManager`).
const ATTEMPTS_MAX: u32 = 5;
/// Pause before it is asked the second time; each further one is twice as long.
const BACKOFF: Duration = Duration::from_millis(100);

/// Keeps a partition until it is gone and all is written.
pub(super) async fn keep(manager: Arc<ShareManager>, shared: Arc<SharedPartition>) {
    if let Err(error) = load(&manager, &shared).await {
        tracing::warn!(group = %shared.key.group_id, topic = %shared.hosted.topic,
            partition = shared.key.partition, %error, "the state of a share partition was not read");
        manager.remove(&shared, error);
        return;
    }
    loop {
        match shared.next(now_ms()) {
            Next::Write(write, queued) => {
                let persister = manager.persister();
                let outcome = again_if_unavailable(|| persister.write(&shared.key, write.clone())).await;
                shared.written(queued, &outcome);
                if let Err(error) = outcome
                    && is_fenced(error.code)
                {
                    manager.remove(&shared, error);
                }
            }
            Next::Wait(None) => shared.work.notified().await,
            Next::Wait(Some(deadline_ms)) => {
                let wait_ms = u64::try_from(deadline_ms.saturating_sub(now_ms())).unwrap_or(0);
                // Earlier than asked for, or later: both are found out by looking again.
                let wait = Duration::from_millis(wait_ms.max(1));
                let _ = tokio::time::timeout(wait, shared.work.notified()).await;
            }
            Next::Retire => manager.take_away_retired(&shared),
            Next::End => return,
        }
    }
}

async fn load(manager: &ShareManager, shared: &Arc<SharedPartition>) -> Result<(), ShareError> {
    let persister: &dyn Persister = manager.persister();
    let read = again_if_unavailable(|| persister.read(&shared.key, shared.leader_epoch)).await?;
    let settings = manager.settings(&shared.key.group_id);
    let start_offset = start_offset(shared, &settings, &read).await?;
    shared.loaded(&settings, &read, start_offset)
}

/// Where the group begins (`startOffsetDuringInitialization`).
async fn start_offset(
    shared: &SharedPartition,
    settings: &ShareSettings,
    read: &ReadState,
) -> Result<i64, ShareError> {
    if read.start_offset >= 0 {
        return Ok(read.start_offset);
    }
    let log = shared.hosted.log()?;
    match settings.auto_offset_reset {
        AutoOffsetReset::Earliest => Ok(log.log_start_offset()),
        AutoOffsetReset::Latest => Ok(log.high_watermark()),
        AutoOffsetReset::ByDuration(duration_ms) => {
            let timestamp = now_ms().saturating_sub(duration_ms).max(0);
            first_at(shared, timestamp).await?.ok_or_else(|| {
                StateError::new(
                    ErrorCode::OffsetNotAvailable,
                    format!(
                        "Offset for timestamp {timestamp} not found for topic partition: {}:{}-{}",
                        shared.key.topic_id, shared.hosted.topic, shared.key.partition
                    ),
                )
            })
        }
    }
}

async fn first_at(shared: &SharedPartition, timestamp: i64) -> Result<Option<i64>, ShareError> {
    // The log may have another place when the disk has answered.
    let look_into = |on_cold| {
        let Ok(log) = shared.hosted.log() else { return Ok(Err(ErrorCode::KafkaStorageError)) };
        let found = log.offset_for_timestamp(timestamp, on_cold)?.map(|found| found.offset);
        Ok(Ok(found.filter(|offset| *offset < log.high_watermark())))
    };
    Ok(look_up(look_into).await.map_err(|why| why.code())??)
}

async fn again_if_unavailable<T, F>(mut ask: impl FnMut() -> F) -> Result<T, ShareError>
where
    F: Future<Output = Result<T, StateError>>,
{
    let mut backoff = BACKOFF;
    for _ in 1..ATTEMPTS_MAX {
        match ask().await {
            Err(error) if is_unavailable(error.code) => {
                tokio::time::sleep(backoff).await;
                backoff *= 2;
            }
            outcome => return outcome.map_err(as_seen_by_members),
        }
    }
    ask().await.map_err(as_seen_by_members)
}

fn is_unavailable(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress
    )
}

/// What members are told of the persister's errors (`SharePartition.fetchPersisterError`).
fn as_seen_by_members(error: StateError) -> ShareError {
    let code = match error.code {
        code if is_unavailable(code) => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::GroupIdNotFound | ErrorCode::UnknownTopicOrPartition => error.code,
        ErrorCode::FencedLeaderEpoch | ErrorCode::FencedStateEpoch => ErrorCode::NotLeaderOrFollower,
        _ => ErrorCode::UnknownServerError,
    };
    StateError::new(code, error.message)
}

/// Whether another reads and writes the state now, or there is none (`fencedSharePartitionHandler`).
fn is_fenced(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower | ErrorCode::GroupIdNotFound | ErrorCode::UnknownTopicOrPartition
    )
}
