//! Group commit: with `flush.messages`, records are acknowledged once they are durable, and many acknowledgements share
//! one fsync.
//!
//! The serving thread appends and goes on; the log is put on a queue, and one of some threads makes it durable up to its end
//! at that moment. Whatever was appended while the fsync before it ran is made durable by the next one, so the slower the
//! disk, the more share a call. Only then do the records become visible, as in Kafka, which blocks a request thread meanwhile
//! (`UnifiedLog.append`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use ottla_protocol::ErrorCode;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::clock::now_ms;
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

/// The threads and their queue.
#[derive(Default)]
pub struct Flusher {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    partitions: VecDeque<Arc<Partition>>,
    idle_threads: usize,
    is_stopped: bool,
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
            self.enqueue(partition.clone());
        }
        flushed
    }

    fn enqueue(&self, partition: Arc<Partition>) {
        let (is_stopped, all_busy) = {
            let mut queue = self.shared.queue.lock();
            queue.partitions.push_back(partition);
            (queue.is_stopped, queue.partitions.len() > queue.idle_threads)
        };
        self.shared.wake.notify_one();
        if !is_stopped && all_busy {
            self.add_thread();
        }
    }

    /// Another thread, if there may be one. The first is made with the first need: most brokers have none.
    fn add_thread(&self) {
        let mut threads = self.threads.lock();
        if threads.len() >= THREADS_MAX {
            return;
        }
        let shared = self.shared.clone();
        let name = format!("ottla-flush-{}", threads.len());
        match std::thread::Builder::new().name(name).spawn(move || run(&shared)) {
            Ok(thread) => threads.push(thread),
            // Those that there are do the work; without any, this thread must.
            Err(why) if threads.is_empty() => {
                tracing::warn!(%why, "no thread for fsync; it is done in place");
                let next = self.shared.queue.lock().partitions.pop_front();
                if let Some(partition) = next {
                    flush_until_done(&partition);
                }
            }
            Err(_) => {}
        }
    }

    /// Ends the threads when the queue is empty. What is flushed later finds none, and is refused.
    pub fn stop(&self) {
        self.shared.queue.lock().is_stopped = true;
        self.shared.wake.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            let _ = thread.join();
        }
        let rest = std::mem::take(&mut self.shared.queue.lock().partitions);
        rest.iter().for_each(|partition| flush_until_done(partition));
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(shared: &Shared) {
    loop {
        let partition = {
            let mut queue = shared.queue.lock();
            loop {
                if let Some(partition) = queue.partitions.pop_front() {
                    break partition;
                }
                if queue.is_stopped {
                    return;
                }
                queue.idle_threads += 1;
                shared.wake.wait(&mut queue);
                queue.idle_threads -= 1;
            }
        };
        if flush_once(&partition) {
            // Behind the others, so that a busy partition does not keep them waiting.
            shared.queue.lock().partitions.push_back(partition);
        }
    }
}

fn flush_until_done(partition: &Partition) {
    while flush_once(partition) {}
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
