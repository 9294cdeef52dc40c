//! Group commit: with `flush.messages`, records are acknowledged once they are durable, and many acknowledgements share
//! one fsync.
//!
//! The serving thread appends and goes on; the log is put on a queue, and one of some threads makes it durable up to its end
//! at that moment. Whatever was appended while the fsync before it ran is made durable by the next one, so the slower the
//! disk, the more share a call. Only then do the records become visible, as in Kafka, which blocks a request thread meanwhile
//! (`UnifiedLog.append`).

use std::sync::Arc;

use ottla_protocol::ErrorCode;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock::now_ms;
use crate::partition_threads::PartitionThreads;
use crate::partitions::Partition;

/// Threads at most. They sleep in the disk: those that wait at the same moment share a commit of the file system's
/// journal, so that more of them mean fewer commits for each acknowledgement.
const THREADS_MAX: usize = 16;

/// Whether the records are durable, or why not.
pub type Flushed = oneshot::Receiver<Result<(), ErrorCode>>;

/// What waits for a partition's next fsync.
#[derive(Debug, Default)]
pub struct FlushWaiters(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Whether the partition is on the queue or being made durable.
    is_queued: bool,
    /// The log must be durable up to here.
    offset: i64,
    /// Bytes that readers will see then.
    bytes: usize,
    senders: Vec<oneshot::Sender<Result<(), ErrorCode>>>,
}

/// The threads.
pub struct Flusher(PartitionThreads);

impl Default for Flusher {
    fn default() -> Self {
        Self(PartitionThreads::new("flush", THREADS_MAX, |partition| flush_once(partition)))
    }
}

impl Flusher {
    /// Makes a partition durable up to `offset`, soon; `bytes` are what the append has added.
    pub fn flush(&self, partition: &Arc<Partition>, offset: i64, bytes: usize) -> Flushed {
        let (sender, flushed) = oneshot::channel();
        let is_first = {
            let mut waiting = partition.flush_waiters.0.lock();
            waiting.offset = waiting.offset.max(offset);
            waiting.bytes += bytes;
            waiting.senders.push(sender);
            !std::mem::replace(&mut waiting.is_queued, true)
        };
        if is_first {
            self.0.enqueue(partition.clone());
        }
        flushed
    }

    /// Ends the threads when the queue is empty. What is flushed later finds none, and is refused.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// One fsync and its acknowledgements; whether more has come meanwhile.
fn flush_once(partition: &Partition) -> bool {
    let (offset, bytes, senders) = {
        let mut waiting = partition.flush_waiters.0.lock();
        let bytes = std::mem::take(&mut waiting.bytes);
        (waiting.offset, bytes, std::mem::take(&mut waiting.senders))
    };
    let outcome = partition.flush_and_show(offset, bytes, now_ms());
    for sender in senders {
        // Whoever asked may be gone.
        let _ = sender.send(outcome);
    }
    let mut waiting = partition.flush_waiters.0.lock();
    waiting.is_queued = !waiting.senders.is_empty();
    waiting.is_queued
}
