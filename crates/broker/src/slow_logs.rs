//! Logs on a disk that makes their writers wait.
//!
//! A buffered write costs microseconds until the kernel has more dirty pages than it wants; then whoever makes more of
//! them is put to sleep in `write`, up to 200 ms a time, and with a serving thread all of its connections. The kernel
//! goes by how much each thread writes: one that writes little is hardly held up beside one that writes without end.
//!
//! So the time of each append is watched (two looks at a coarse clock, some nanoseconds), and a log that has kept its
//! writer waiting is slow until it has not for a while. Appends to it are handed to helper threads, one at a time
//! and in the order in which they came; the connection's answer waits as it does for an fsync, its later
//! requests go on. Nothing overtakes: a log becomes fast again only when no append of it is waiting, and is asked under
//! the lock that the waiting appends are under. The helpers let go of the log's lock while they write
//! ([`AppendOptions::unlocked`](ottla_storage::AppendOptions)), so that who reads the log does not wait with them.
//!
//! What waits is in memory: how much, the connections bound, which read no more from a client to whom they owe
//! answers to some megabytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ottla_storage::AppendInfo;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::clock::steady_ms;
use crate::partition_threads::PartitionThreads;
use crate::partitions::{AppendRefused, ClientAppend, Partition};

/// An append that took so long has waited for the disk: well above the coarse clock's step, and below the pauses
/// that are felt. Ms.
const SLOW_MS: u64 = 20;
/// How long a log must have kept nobody waiting to be fast again. Ms.
const FAST_AFTER_MS: u64 = 2_000;
/// Threads at most. Each sleeps in the kernel for one log.
const THREADS_MAX: usize = 8;

/// How an append ended.
pub type Appended = oneshot::Receiver<Result<AppendInfo, AppendRefused>>;

/// Whether a partition's log is slow, and what waits for it.
#[derive(Debug, Default)]
pub struct Slowness {
    /// Changed under the lock only; looked at without it by every append.
    is_slow: AtomicBool,
    /// Made when the log is slow for the first time: most never are.
    waiting: OnceLock<Box<Mutex<Waiting>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whether the partition is with the threads.
    is_queued: bool,
    /// When the last slow append ended, by the steady clock.
    slow_at_ms: u64,
    appends: VecDeque<WaitingAppend>,
}

#[derive(Debug)]
struct WaitingAppend {
    records: Bytes,
    append: ClientAppend,
    sender: oneshot::Sender<Result<AppendInfo, AppendRefused>>,
}

impl Slowness {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.get_or_init(Box::default).lock()
    }

    /// Takes note of an append that began and ended at these times of the steady clock.
    pub fn note(&self, began_ms: u64, ended_ms: u64) {
        if ended_ms.saturating_sub(began_ms) >= SLOW_MS {
            let mut waiting = self.waiting();
            waiting.slow_at_ms = ended_ms;
            self.is_slow.store(true, Ordering::Relaxed);
        }
    }

    /// Whether appends go by the helpers.
    pub fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Number of appends that wait.
    pub fn waiting_len(&self) -> usize {
        self.waiting.get().map_or(0, |waiting| waiting.lock().appends.len())
    }

    /// Puts an append behind those that wait, if the log is slow: what will tell of its end, and whether the partition
    /// must be given to the threads.
    fn push(&self, records: &Bytes, append: ClientAppend) -> Option<(Appended, bool)> {
        let mut waiting = self.waiting();
        // It may have become fast since the caller looked.
        if !self.is_slow() {
            return None;
        }
        let (sender, appended) = oneshot::channel();
        waiting.appends.push_back(WaitingAppend { records: records.clone(), append, sender });
        Some((appended, !std::mem::replace(&mut waiting.is_queued, true)))
    }

    fn pop(&self) -> Option<WaitingAppend> {
        self.waiting().appends.pop_front()
    }

    /// Whether more waits. If not, the log may be fast again.
    fn has_more(&self, now_ms: u64) -> bool {
        let mut waiting = self.waiting();
        waiting.is_queued = !waiting.appends.is_empty();
        if !waiting.is_queued && now_ms.saturating_sub(waiting.slow_at_ms) >= FAST_AFTER_MS {
            self.is_slow.store(false, Ordering::Relaxed);
        }
        waiting.is_queued
    }
}

/// The threads that append to slow logs.
pub struct SlowLogs(PartitionThreads);

impl Default for SlowLogs {
    fn default() -> Self {
        Self(PartitionThreads::new("append", THREADS_MAX, append_once))
    }
}

impl SlowLogs {
    /// Has one batch of a client appended, soon, if the partition's log is slow.
    pub fn append(
        &self,
        partition: &Arc<Partition>,
        records: &Bytes,
        append: ClientAppend,
    ) -> Option<Appended> {
        if !partition.slowness.is_slow() {
            return None;
        }
        let (appended, is_first) = partition.slowness.push(records, append)?;
        if is_first {
            self.0.enqueue(partition.clone());
        }
        Some(appended)
    }

    /// Ends the threads when all is appended.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// One append; whether more waits.
fn append_once(partition: &Arc<Partition>) -> bool {
    if let Some(WaitingAppend { records, append, sender }) = partition.slowness.pop() {
        let outcome = partition.append_apart(&records, append);
        // Whoever asked may be gone.
        let _ = sender.send(outcome);
    }
    partition.slowness.has_more(steady_ms())
}

#[cfg(test)]
mod tests {
    use ottla_storage::VerificationGuard;

    use super::*;

    const APPEND: ClientAppend =
        ClientAppend { frame_bytes: 0, verification_guard: VerificationGuard::SENTINEL, now_ms: 0 };

    #[test]
    fn a_log_is_slow_until_it_has_kept_nobody_waiting_for_a_while() {
        let slowness = Slowness::default();
        slowness.note(1_000, 1_000 + SLOW_MS - 1);
        assert!(!slowness.is_slow() && slowness.push(&Bytes::new(), APPEND).is_none());
        slowness.note(1_000, 1_000 + SLOW_MS);
        assert!(slowness.is_slow());
        assert!(!slowness.has_more(1_000 + SLOW_MS + FAST_AFTER_MS - 1));
        assert!(slowness.is_slow());
        slowness.note(2_000, 2_000 + SLOW_MS);
        assert!(!slowness.has_more(1_000 + SLOW_MS + FAST_AFTER_MS));
        assert!(slowness.is_slow(), "the time is counted from the last slow append");
        assert!(!slowness.has_more(2_000 + SLOW_MS + FAST_AFTER_MS));
        assert!(!slowness.is_slow());
    }

    #[test]
    fn a_log_does_not_become_fast_while_appends_wait() {
        let slowness = Slowness::default();
        slowness.note(0, SLOW_MS);
        let (_first, is_first) = slowness.push(&Bytes::from_static(b"1"), APPEND).expect("slow");
        let (_second, is_second_first) = slowness.push(&Bytes::from_static(b"2"), APPEND).expect("slow");
        assert!(is_first && !is_second_first, "a partition is with the threads once");
        assert_eq!(slowness.pop().expect("waiting").records, "1");
        assert!(slowness.has_more(1_000_000));
        assert!(slowness.is_slow());
        assert_eq!(slowness.pop().expect("waiting").records, "2");
        assert!(!slowness.has_more(1_000_000));
        assert!(!slowness.is_slow());
    }
}
